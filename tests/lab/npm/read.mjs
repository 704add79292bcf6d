// Reads COUNT records of TOPIC by kafkajs and Confluent's registry protocol; one JSON line each.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const { SchemaRegistry } = require('@kafkajs/confluent-schema-registry')
const lz4 = require('lz4-napi')

const [bootstrap, registryUrl, topic, count] = process.argv.slice(2)

// kafkajs brings gzip only; the hub's producers use lz4.
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
})

const registry = new SchemaRegistry({ host: registryUrl })
const kafka = new Kafka({ clientId: 'foreign', brokers: [bootstrap], logLevel: logLevel.ERROR })
const consumer = kafka.consumer({ groupId: `foreign-${process.pid}-${topic}` })
let left = Number(count)
const done = new Promise((resolve) => {
  consumer
    .connect()
    .then(() => consumer.subscribe({ topic, fromBeginning: true }))
    .then(() =>
      consumer.run({
        eachMessage: async ({ partition, message }) => {
          const record = await registry.decode(message.value)
          const headers = Object.fromEntries(
            Object.entries(message.headers).map(([name, value]) => [name, value.toString()]),
          )
          const key = message.key.toString()
          process.stdout.write(JSON.stringify({ partition, key, headers, record }) + '\n')
          left -= 1
          if (left === 0) resolve()
        },
      }),
    )
})
await done
await consumer.disconnect()
