package bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import omnihub.StockLevel;
import omnihub.StockMoved;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * StockMoved in, one StockLevel out per movement, the level kept in an in-memory store with a
 * changelog, exactly_once_v2, one thread. Arguments: bootstrap, input, output, application id,
 * state folder, schema id of StockLevel.
 */
public final class Levels {
  private Levels() {}

  /** Confluent framing around Avro binary; the id is fixed because both sides know it. */
  static final class Avro<T extends SpecificRecord> implements Serializer<T>, Deserializer<T> {
    private final SpecificDatumReader<T> reader;
    private final SpecificDatumWriter<T> writer;
    private final int id;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
    private BinaryEncoder encoder;
    private BinaryDecoder decoder;

    Avro(Class<T> type, int id) {
      this.reader = new SpecificDatumReader<>(type);
      this.writer = new SpecificDatumWriter<>(type);
      this.id = id;
    }

    @Override
    public T deserialize(String topic, byte[] data) {
      if (data == null) return null;
      try {
        decoder = DecoderFactory.get().binaryDecoder(data, 5, data.length - 5, decoder);
        return reader.read(null, decoder);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public byte[] serialize(String topic, T value) {
      if (value == null) return null;
      try {
        bytes.reset();
        bytes.write(0);
        bytes.writeBytes(ByteBuffer.allocate(4).putInt(id).array());
        encoder = EncoderFactory.get().directBinaryEncoder(bytes, encoder);
        writer.write(value, encoder);
        encoder.flush();
        return bytes.toByteArray();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void configure(Map<String, ?> configs, boolean isKey) {}

    @Override
    public void close() {}
  }

  /** on_hand += what enters, -= what leaves; one level out per movement. */
  static final class Apply implements Processor<String, StockMoved, String, StockLevel> {
    private ProcessorContext<String, StockLevel> context;
    private KeyValueStore<String, StockLevel> levels;

    @Override
    public void init(ProcessorContext<String, StockLevel> context) {
      this.context = context;
      this.levels = context.getStateStore("levels");
    }

    @Override
    public void process(Record<String, StockMoved> record) {
      StockMoved moved = record.value();
      boolean leaves = moved.getFromLocation() != null;
      String location = leaves ? moved.getFromLocation() : moved.getToLocation();
      long delta = leaves ? -moved.getQuantityMilli() : moved.getQuantityMilli();
      String key = moved.getMeta().getTenant() + ":" + moved.getSku() + ":" + location;
      StockLevel old = levels.get(key);
      long onHand = (old == null ? 0 : old.getOnHandMilli()) + delta;
      StockLevel level =
          StockLevel.newBuilder()
              .setTenant(moved.getMeta().getTenant())
              .setSku(moved.getSku())
              .setLocation(location)
              .setOnHandMilli(onHand)
              .setAtsMilli(Math.max(0, onHand))
              .setSeq(old == null ? 1 : old.getSeq() + 1)
              .setCauseId(moved.getMeta().getEventId())
              .setOccurredAtUs(moved.getMeta().getOccurredAtUs())
              .setAcceptedAtUs(moved.getMeta().getAcceptedAtUs())
              .build();
      levels.put(key, level);
      context.forward(new Record<>(key, level, record.timestamp()));
    }
  }

  static <T extends SpecificRecord> Serde<T> serde(Class<T> type, int id) {
    return Serdes.serdeFrom(new Avro<>(type, id), new Avro<>(type, id));
  }

  public static void main(String[] args) throws Exception {
    int levelId = Integer.parseInt(args[5]);
    Serde<StockMoved> moved = serde(StockMoved.class, 0);
    Serde<StockLevel> level = serde(StockLevel.class, levelId);
    Topology topology = new Topology();
    topology.addSource("in", Serdes.String().deserializer(), moved.deserializer(), args[1]);
    topology.addProcessor("apply", Apply::new, "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore("levels"), Serdes.String(), level)
            .withCachingEnabled(),
        "apply");
    topology.addSink("out", args[2], Serdes.String().serializer(), level.serializer(), "apply");

    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    config.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    KafkaStreams streams = new KafkaStreams(topology, config);
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close();
                  stopped.countDown();
                }));
    streams.start();
    stopped.await();
  }
}
