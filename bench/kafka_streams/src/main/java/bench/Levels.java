package bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
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
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * StockMoved in, one StockLevel out per movement, the level kept in a store with a changelog,
 * exactly_once_v2. With two hops a first processor keeps levels, too, and passes the movement on
 * through the middle topic. Arguments are name=value: bootstrap, input, middle, output, id, state
 * (folder), schema (id of StockLevel), movedSchema, store (memory or disk), hops (1 or 2), threads,
 * commit_ms (empty: all of Kafka Streams' defaults).
 */
public final class Levels {
  private Levels() {}

  /**
   * Confluent framing around Avro binary; the id is fixed because both sides know it. Stream threads
   * share a serde, so what is used again (reader, writer, buffers) is each thread's own.
   */
  static final class Avro<T extends SpecificRecord> implements Serializer<T>, Deserializer<T> {
    private final ThreadLocal<Tools<T>> tools;
    private final int id;

    Avro(Class<T> type, int id) {
      this.tools = ThreadLocal.withInitial(() -> new Tools<>(type));
      this.id = id;
    }

    private static final class Tools<T extends SpecificRecord> {
      final SpecificDatumReader<T> reader;
      final SpecificDatumWriter<T> writer;
      final ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
      BinaryEncoder encoder;
      BinaryDecoder decoder;

      Tools(Class<T> type) {
        this.reader = new SpecificDatumReader<>(type);
        this.writer = new SpecificDatumWriter<>(type);
      }
    }

    @Override
    public T deserialize(String topic, byte[] data) {
      if (data == null) return null;
      Tools<T> own = tools.get();
      try {
        own.decoder = DecoderFactory.get().binaryDecoder(data, 5, data.length - 5, own.decoder);
        return own.reader.read(null, own.decoder);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public byte[] serialize(String topic, T value) {
      if (value == null) return null;
      Tools<T> own = tools.get();
      try {
        own.bytes.reset();
        own.bytes.write(0);
        own.bytes.writeBytes(ByteBuffer.allocate(4).putInt(id).array());
        own.encoder = EncoderFactory.get().directBinaryEncoder(own.bytes, own.encoder);
        own.writer.write(value, own.encoder);
        own.encoder.flush();
        return own.bytes.toByteArray();
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
  static final class Apply implements Processor<String, StockMoved, String, SpecificRecord> {
    private final String store;
    private final boolean relays;
    private ProcessorContext<String, SpecificRecord> context;
    private KeyValueStore<String, StockLevel> levels;

    Apply(String store, boolean relays) {
      this.store = store;
      this.relays = relays;
    }

    @Override
    public void init(ProcessorContext<String, SpecificRecord> context) {
      this.context = context;
      this.levels = context.getStateStore(store);
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
      if (relays) context.forward(new Record<>(record.key(), moved, record.timestamp()));
      else context.forward(new Record<>(key, level, record.timestamp()));
    }
  }

  static <T extends SpecificRecord> Serde<T> serde(Class<T> type, int id) {
    return Serdes.serdeFrom(new Avro<>(type, id), new Avro<>(type, id));
  }

  /** Tells how long bringing all stores back took, from the first begin to the last end. */
  static final class Restores implements StateRestoreListener {
    private long started = 0;
    private long rows = 0;
    private int open = 0;

    @Override
    public synchronized void onRestoreStart(
        TopicPartition partition, String store, long from, long to) {
      if (started == 0) started = System.nanoTime();
      open++;
    }

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long count) {}

    @Override
    public synchronized void onRestoreEnd(TopicPartition partition, String store, long total) {
      rows += total;
      if (--open == 0) {
        double seconds = (System.nanoTime() - started) / 1e9;
        System.out.println("{\"restored\": " + rows + ", \"seconds\": " + seconds + "}");
        System.out.flush();
      }
    }
  }

  static void addHop(
      Topology topology,
      Map<String, String> options,
      String name,
      String from,
      String to,
      boolean relays) {
    Serde<StockMoved> moved = serde(StockMoved.class, Integer.parseInt(options.get("movedSchema")));
    Serde<StockLevel> level = serde(StockLevel.class, Integer.parseInt(options.get("schema")));
    String store = name + "-levels";
    boolean onDisk = options.get("store").equals("disk");
    topology.addSource(name + "-in", Serdes.String().deserializer(), moved.deserializer(), from);
    topology.addProcessor(name, () -> new Apply(store, relays), name + "-in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                onDisk
                    ? Stores.persistentKeyValueStore(store)
                    : Stores.inMemoryKeyValueStore(store),
                Serdes.String(),
                level)
            .withCachingEnabled(),
        name);
    Serializer<? extends SpecificRecord> out = relays ? moved.serializer() : level.serializer();
    topology.addSink(name + "-out", to, Serdes.String().serializer(), out, name);
  }

  static Properties config(Map<String, String> options) {
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("id"));
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap"));
    config.put(StreamsConfig.STATE_DIR_CONFIG, options.get("state"));
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    // It never leaves its group: whoever starts again waits for this long, as the hub would.
    config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
    config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 2000);
    if (!options.get("commit_ms").isEmpty()) {
      config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.get("commit_ms"));
      config.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    }
    return config;
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (String arg : args) {
      int at = arg.indexOf('=');
      options.put(arg.substring(0, at), arg.substring(at + 1));
    }
    Topology topology = new Topology();
    boolean chained = options.get("hops").equals("2");
    String input = options.get("input");
    if (chained) {
      addHop(topology, options, "first", input, options.get("middle"), true);
      input = options.get("middle");
    }
    addHop(topology, options, "last", input, options.get("output"), false);
    KafkaStreams streams = new KafkaStreams(topology, config(options));
    streams.setGlobalStateRestoreListener(new Restores());
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
