// KafkaJS. It brings gzip itself and lets its user plug in the other codecs.

import { readFileSync } from 'node:fs'
import kafkajs from 'kafkajs'
import lz4 from 'lz4-napi'
import * as snappy from 'snappyjs'
import * as zstd from '@bokuweb/zstd-wasm'

import { equal, fresh, refused, run, until } from './harness.js'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs
// The time of a check's first record: within every default retention, or housekeeping takes the records away.
const TIME = Date.now() - 3_600_000

const codec = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(await compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(await decompress(buffer)),
})
await zstd.init()
CompressionCodecs[CompressionTypes.Snappy] = codec(snappy.compress, snappy.uncompress)
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame)
CompressionCodecs[CompressionTypes.ZSTD] = codec(zstd.compress, zstd.decompress)

const kafka = bootstrap =>
  new Kafka({ brokers: bootstrap.split(','), clientId: 'conformance', logLevel: logLevel.NOTHING, retry: { retries: 5 } })

async function admin(bootstrap, keep) {
  const client = keep(kafka(bootstrap).admin())
  await client.connect()
  return client
}

async function create(bootstrap, keep, numPartitions = 1, configEntries = []) {
  const topic = fresh('t')
  const client = await admin(bootstrap, keep)
  await client.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
  return topic
}

async function produce(bootstrap, keep, topic, messages, { compression, ...options } = {}) {
  const producer = keep(kafka(bootstrap).producer({ allowAutoTopicCreation: true, ...options }))
  await producer.connect()
  return producer.send({ topic, messages, compression, acks: -1 })
}

// A member of a group that collects what it is given and remembers its share.
async function join(bootstrap, keep, topic, groupId, options = {}) {
  const consumer = keep(kafka(bootstrap).consumer({ groupId, heartbeatInterval: 500, maxWaitTimeInMs: 200, ...options }))
  const member = { consumer, taken: [], share: [] }
  consumer.on(consumer.events.GROUP_JOIN, event => (member.share = event.payload.memberAssignment[topic] ?? []))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message, partition }) => void member.taken.push({ ...message, partition }),
  })
  return member
}

async function read(bootstrap, keep, topic, count) {
  const { taken, consumer } = await join(bootstrap, keep, topic, fresh('g'))
  await until(() => taken.length >= count, `${count} records`)
  await consumer.disconnect()
  return taken
}

const numbered = count => Array.from({ length: count }, (_, number) => ({ value: `${number}` }))
const strings = records => records.map(record => record.value.toString())

const compression = type => async (bootstrap, keep) => {
  const topic = await create(bootstrap, keep)
  await produce(bootstrap, keep, topic, numbered(500), { compression: type })
  equal(strings(await read(bootstrap, keep, topic, 500)), strings(numbered(500)), 'values')
}

async function recordFields(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  await produce(bootstrap, keep, topic, [
    { key: 'key', value: 'value', headers: { a: ['1', '2'], empty: '' }, timestamp: `${TIME + 123}` },
    { key: '', value: '', timestamp: `${TIME + 124}` },
    { key: null, value: null, timestamp: `${TIME + 125}` },
  ])
  const got = await read(bootstrap, keep, topic, 3)
  const text = bytes => bytes?.toString() ?? null
  equal(got.map(r => [text(r.key), text(r.value), r.timestamp]), [
    ['key', 'value', `${TIME + 123}`],
    ['', '', `${TIME + 124}`],
    [null, null, `${TIME + 125}`],
  ], 'records')
  equal([got[0].headers.a.map(text), text(got[0].headers.empty)], [['1', '2'], ''], 'headers')
}

async function orderPerKey(bootstrap, keep) {
  const topic = await create(bootstrap, keep, 4)
  const records = numbered(10_000).map((record, number) => ({ key: `${number % 100}`, ...record }))
  await produce(bootstrap, keep, topic, records)
  const last = new Map()
  for (const record of await read(bootstrap, keep, topic, 10_000)) {
    const [key, number] = [record.key.toString(), Number(record.value)]
    equal(last.get(key) ?? (number % 100) - 100, number - 100, `the record before ${number}`)
    last.set(key, number)
  }
  equal(last.size, 100, 'keys')
}

async function largeRecord(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  const value = Buffer.alloc(900_000, 'large')
  await produce(bootstrap, keep, topic, [{ value }])
  equal(value.equals((await read(bootstrap, keep, topic, 1))[0].value), true, 'the same bytes')
}

async function idempotence(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  const producer = keep(kafka(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 }))
  await producer.connect()
  for (let batch = 0; batch < 20; batch += 1) {
    const [{ baseOffset }] = await producer.send({ topic, messages: numbered(100) })
    equal(baseOffset, `${batch * 100}`, 'base offset')
  }
}

async function autoCreate(bootstrap, keep) {
  const topic = fresh('auto')
  await produce(bootstrap, keep, topic, numbered(1))
  equal((await (await admin(bootstrap, keep)).listTopics()).includes(topic), true, 'the topic exists')
}

async function seek(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  await produce(bootstrap, keep, topic, numbered(100).map((r, n) => ({ ...r, timestamp: `${TIME + n}` })))
  const { consumer, taken } = await join(bootstrap, keep, topic, fresh('g'))
  await until(() => taken.length === 100, '100 records')
  const client = await admin(bootstrap, keep)
  const [byTime] = await client.fetchTopicOffsetsByTimestamp(topic, TIME + 70)
  for (const offset of ['40', byTime.offset, '0']) {
    taken.length = 0
    consumer.seek({ topic, partition: 0, offset })
    await until(() => taken.length === 100 - Number(offset), `the records from ${offset} on`)
    equal(taken[0].value.toString(), offset, 'the first of them')
  }
  equal(byTime.offset, '70', 'the offset of a time')
}

async function groupResume(bootstrap, keep) {
  const [topic, groupId] = [await create(bootstrap, keep), fresh('g')]
  await produce(bootstrap, keep, topic, numbered(100))
  const first = await join(bootstrap, keep, topic, groupId)
  await until(() => first.taken.length >= 30, '30 records')
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: '30', metadata: 'a note' }])
  await first.consumer.disconnect()
  const [committed] = await (await admin(bootstrap, keep)).fetchOffsets({ groupId, topics: [topic] })
  equal(committed.partitions, [{ partition: 0, offset: '30', metadata: 'a note' }], 'committed')
  const second = await join(bootstrap, keep, topic, groupId)
  await until(() => second.taken.length > 0, 'a record')
  equal(second.taken[0].value.toString(), '30', 'the next record')
}

async function shares(members, wanted) {
  const all = () => members.flatMap(member => member.share)
  await until(() => {
    const sizes = members.map(member => member.share.length)
    return String(sizes) === String(wanted) && new Set(all()).size === 4
  }, `shares of ${wanted}`)
}

async function groupRebalance(bootstrap, keep) {
  const [topic, group] = [await create(bootstrap, keep, 4), fresh('g')]
  const members = await Promise.all([join(bootstrap, keep, topic, group), join(bootstrap, keep, topic, group)])
  await shares(members, [2, 2])
  await members[0].consumer.disconnect()
  await shares([members[1]], [4])
  await produce(bootstrap, keep, topic, numbered(40).map(({ value }) => ({ key: value, value })))
  await until(() => members[1].taken.length === 40, '40 records')
}

async function adminTopics(bootstrap, keep) {
  const topic = await create(bootstrap, keep, 3)
  const client = await admin(bootstrap, keep)
  const { topics } = await client.fetchTopicMetadata({ topics: [topic] })
  equal(topics[0].partitions.length, 3, 'partitions')
  // For a topic that exists this client answers false instead of throwing.
  equal(await client.createTopics({ topics: [{ topic }] }), false, 'a topic that exists is created')
  await client.deleteTopics({ topics: [topic] })
  await until(async () => !(await client.listTopics()).includes(topic), 'the topic is gone')
  await refused(client.deleteTopics({ topics: [topic] }), 'UNKNOWN_TOPIC_OR_PARTITION', 'deleting it twice')
}

async function adminConfigs(bootstrap, keep) {
  const topic = await create(bootstrap, keep, 1, [{ name: 'retention.ms', value: '1000000' }])
  const client = await admin(bootstrap, keep)
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  const retention = async () => {
    const { resources } = await client.describeConfigs({ includeSynonyms: false, resources: [resource] })
    return resources[0].configEntries.find(entry => entry.configName === 'retention.ms').configValue
  }
  equal(await retention(), '1000000', 'retention.ms')
  const configEntries = [{ name: 'retention.ms', value: '2000000' }]
  await client.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] })
  equal(await retention(), '2000000', 'retention.ms, altered')
}

async function unknownConfigRefused(bootstrap, keep) {
  const unknown = create(bootstrap, keep, 1, [{ name: 'no.such.config', value: '1' }])
  await refused(unknown, 'INVALID_CONFIG', 'an unknown config')
}

async function adminPartitions(bootstrap, keep) {
  const topic = await create(bootstrap, keep, 2)
  const client = await admin(bootstrap, keep)
  await client.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  const count = async () => (await client.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
  await until(async () => (await count()) === 5, 'five partitions')
  const fewer = client.createPartitions({ topicPartitions: [{ topic, count: 1 }] })
  await refused(fewer, 'INVALID_PARTITIONS', 'fewer partitions')
}

async function adminDeleteRecords(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  await produce(bootstrap, keep, topic, numbered(100))
  const client = await admin(bootstrap, keep)
  await client.fetchTopicOffsets(topic) // Until then it does not know who leads the partition.
  await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '60' }] })
  equal((await read(bootstrap, keep, topic, 40))[0].offset, '60', 'the first offset')
}

async function adminOffsets(bootstrap, keep) {
  const topic = await create(bootstrap, keep)
  for (const stamp of [1000, 3000, 2000]) {
    await produce(bootstrap, keep, topic, [{ value: 'x', timestamp: `${TIME + stamp}` }])
  }
  const client = await admin(bootstrap, keep)
  const [{ low, high }] = await client.fetchTopicOffsets(topic)
  equal([low, high], ['0', '3'], 'earliest and latest')
  const byTime = async stamp => (await client.fetchTopicOffsetsByTimestamp(topic, TIME + stamp))[0].offset
  equal(await byTime(1001), '1', 'by time')
  // Past the newest record this client answers with the end itself.
  equal(await byTime(9000), '3', 'after the newest')
}

async function adminGroups(bootstrap, keep) {
  const [topic, groupId] = [await create(bootstrap, keep), fresh('g')]
  const client = await admin(bootstrap, keep)
  await produce(bootstrap, keep, topic, numbered(10))
  const { consumer, taken } = await join(bootstrap, keep, topic, groupId)
  await until(() => taken.length === 10, '10 records')
  await consumer.commitOffsets([{ topic, partition: 0, offset: '10' }])
  const { groups } = await client.describeGroups([groupId])
  equal([groups[0].state, groups[0].members.length], ['Stable', 1], 'the group at work')
  await refused(client.deleteGroups([groupId]), null, 'deleting a group at work')
  await consumer.disconnect()
  const isListed = async () => (await client.listGroups()).groups.some(group => group.groupId === groupId)
  equal(await isListed(), true, 'the group is listed')
  const committed = async () => (await client.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset
  equal(await committed(), '10', 'committed')
  await client.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '4' }] })
  equal(await committed(), '4', 'rewound')
  await client.deleteGroups([groupId])
  equal(await isListed(), false, 'the group is listed')
}

async function transactionsRefused(bootstrap, keep) {
  const producer = keep(kafka(bootstrap).producer({ transactionalId: fresh('x'), idempotent: true, maxInFlightRequests: 1 }))
  await producer.connect()
  await refused(producer.transaction(), null, 'a transaction')
}

const { version } = JSON.parse(readFileSync(new URL('./node_modules/kafkajs/package.json', import.meta.url)))
await run('KafkaJS', version, {
  compression_none: compression(CompressionTypes.None),
  compression_gzip: compression(CompressionTypes.GZIP),
  compression_snappy: compression(CompressionTypes.Snappy),
  compression_lz4: compression(CompressionTypes.LZ4),
  compression_zstd: compression(CompressionTypes.ZSTD),
  record_fields: recordFields,
  order_per_key: orderPerKey,
  large_record: largeRecord,
  idempotence,
  auto_create: autoCreate,
  seek,
  group_resume: groupResume,
  group_rebalance: groupRebalance,
  admin_topics: adminTopics,
  admin_configs: adminConfigs,
  unknown_config_refused: unknownConfigRefused,
  admin_partitions: adminPartitions,
  admin_delete_records: adminDeleteRecords,
  admin_offsets: adminOffsets,
  admin_groups: adminGroups,
  transactions_refused: transactionsRefused,
})
