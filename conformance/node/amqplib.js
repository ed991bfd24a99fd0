// amqplib: callbacks for messages, promises for requests, and recovery by a function that sets everything up again.

import { readFileSync } from 'node:fs'
import amqplib from 'amqplib'

import { equal, fresh, run, until } from './harness.js'

const { version } = JSON.parse(readFileSync(new URL('node_modules/amqplib/package.json', import.meta.url)))

const pause = millis => new Promise(resolve => setTimeout(resolve, millis))
const range = count => Array.from({ length: count }, (_, number) => number)

async function connect(address, keep, options = {}, more = {}) {
  const connection = await amqplib.connect(`amqp://guest:guest@${address}?${new URLSearchParams(options)}`, more)
  connection.on('error', () => {})
  keep({ disconnect: () => connection.close() })
  return connection
}

// A channel whose errors are told by its calls.
async function open(connection, kind = 'createChannel') {
  const channel = await connection[kind]()
  channel.on('error', () => {})
  return channel
}

// Declares a queue that nobody has used before, with these messages in it.
async function queue(channel, bodies = [], options = {}) {
  const { queue: name } = await channel.assertQueue(fresh('q'), options)
  for (const body of bodies) channel.sendToQueue(name, Buffer.from(body))
  return name
}

// Keeps what it is given.
async function consumer(channel, name, options = {}) {
  const taken = []
  const { consumerTag } = await channel.consume(name, message => taken.push(message), options)
  return { taken, consumerTag, await: count => until(() => taken.length >= count, `${count} messages`) }
}

async function waitForOne(channel, name) {
  let message
  await until(async () => (message = await channel.get(name, { noAck: true })), 'a message')
  return message
}

const bodies = messages => messages.map(message => message.content.toString())

// The promise must be rejected with this code.
async function refused(promise, code, what) {
  const error = await promise.then(() => undefined, thrown => thrown)
  if (!error) throw new Error(`${what} was accepted`)
  equal(error.code, code, `the code of ${what}`)
}

async function values(address, keep) {
  const channel = await open(await connect(address, keep))
  const name = await queue(channel)
  const headers = {
    text: 'änd 🚌', int: 1, negative: -5, long: 2 ** 40, float: 1.5, yes: true, nothing: null,
    bytes: Buffer.from([0, 255]), list: [1, 'a', [2]], table: { x: { y: 1 } },
    byte: { '!': 'byte', value: 7 }, short: { '!': 'short', value: 300 }, time: { '!': 'timestamp', value: 1_700_000_000 },
  }
  const options = {
    headers, contentType: 'text/plain', contentEncoding: 'utf-8', correlationId: 'c', replyTo: 'r', expiration: '60000',
    messageId: 'm', timestamp: 1_700_000_000, type: 't', userId: 'guest', appId: 'a', priority: 7, deliveryMode: 2,
  }
  channel.sendToQueue(name, Buffer.from('body'), options)
  const { properties, fields } = await waitForOne(channel, name)
  const wanted = { ...headers, byte: 7, short: 300 }
  equal(properties.headers, wanted, 'headers')
  equal({ ...properties, headers, clusterId: undefined }, { ...options, clusterId: undefined }, 'properties')
  equal([fields.routingKey, fields.exchange, fields.redelivered], [name, '', false], 'fields')
}

async function frames(address, keep) {
  // The client's own default frame is 128 KiB less the frame's 8 bytes, and the smallest there is 4 KiB.
  for (const frameMax of [0, 4096, 131_072]) {
    const channel = await open(await connect(address, keep, { frameMax }))
    const name = await queue(channel)
    for (const size of [5_000_000, 0, 4088, 4089]) {
      const body = Buffer.alloc(size, 'x')
      channel.sendToQueue(name, body)
      equal((await waitForOne(channel, name)).content.equals(body), true, `${size} bytes in frames of ${frameMax}`)
    }
  }
}

async function confirms(address, keep) {
  const channel = await open(await connect(address, keep), 'createConfirmChannel')
  const name = await queue(channel)
  const order = []
  for (const number of range(1000)) channel.sendToQueue(name, Buffer.from(`${number}`), {}, error => order.push(error ?? number))
  await channel.waitForConfirms()
  equal(order, range(1000), 'what was confirmed')
  equal((await channel.checkQueue(name)).messageCount, 1000, 'messages')
  channel.on('return', message => order.push(message.fields.replyCode))
  channel.publish('', fresh('nowhere'), Buffer.from('lost'), { mandatory: true }, () => order.push('confirmed'))
  await channel.waitForConfirms()
  equal(order.slice(1000), [312, 'confirmed'], 'what comes of a message that no queue takes')
}

async function consume(address, keep) {
  const channel = await open(await connect(address, keep))
  const name = await queue(channel, '123456')
  await channel.prefetch(3)
  const { taken, consumerTag, await: come } = await consumer(channel, name)
  await come(3)
  await pause(200)
  equal(bodies(taken), ['1', '2', '3'], 'within the prefetch')
  channel.ack(taken[1], true)
  await come(5)
  channel.nack(taken[2])
  await come(6)
  equal([bodies(taken)[5], taken[5].fields.redelivered], ['3', true], 'what was given back')
  await channel.cancel(consumerTag)
  channel.nackAll(true)
  const again = []
  for (let message; (message = await channel.get(name, { noAck: true })); ) again.push(message.content.toString())
  equal(again.sort(), ['3', '4', '5', '6'], 'what comes again')
}

// A queue, and the queue of its dead letters.
async function withDeadLetters(channel, options = {}) {
  const exchange = fresh('dlx')
  await channel.assertExchange(exchange, 'direct')
  const dead = await queue(channel)
  await channel.bindQueue(dead, exchange, 'died')
  return [await queue(channel, [], { deadLetterExchange: exchange, deadLetterRoutingKey: 'died', ...options }), dead]
}

async function dead_letters(address, keep) {
  const channel = await open(await connect(address, keep))
  const [name, dead] = await withDeadLetters(channel, { messageTtl: 60_000 })
  for (const [body, expiration, reason] of [['1', undefined, 'rejected'], ['2', 50, 'expired']]) {
    channel.sendToQueue(name, Buffer.from(body), { expiration })
    if (!expiration) channel.reject(await channel.get(name), false)
    const { content, properties, fields } = await waitForOne(channel, dead)
    const [death] = properties.headers['x-death']
    equal([content.toString(), fields.routingKey], [body, 'died'], 'the dead letter')
    equal([death.reason, death.queue, death['routing-keys'], death.count], [reason, name, [name], 1], 'how it died')
    equal(properties.expiration, undefined, 'it does not expire again')
  }
}

async function quorum(address, keep) {
  const channel = await open(await connect(address, keep))
  const [name, dead] = await withDeadLetters(channel, { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 } })
  channel.sendToQueue(name, Buffer.from('worn'))
  const counts = []
  await channel.consume(name, message => {
    counts.push(message.properties.headers['x-delivery-count'] ?? 0)
    channel.nack(message)
  })
  const { properties } = await waitForOne(channel, dead)
  equal([counts, properties.headers['x-death'][0].reason], [[0, 1, 2], 'delivery_limit'], 'how it wore out')
}

async function full(address, keep) {
  const channel = await open(await connect(address, keep), 'createConfirmChannel')
  const name = await queue(channel, [], { maxLength: 2, overflow: 'reject-publish' })
  const send = body => new Promise(resolve => channel.sendToQueue(name, Buffer.from(body), {}, error => resolve(Boolean(error))))
  const [first, second] = [await send('1'), await send('2')]
  equal([first, second, await send('3')], [false, false, true], 'which were refused')
}

async function delayed(address, keep) {
  const channel = await open(await connect(address, keep))
  const [exchange, name] = [fresh('x'), await queue(channel)]
  await channel.assertExchange(exchange, 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } })
  await channel.bindQueue(name, exchange, 'k')
  const startedAt = Date.now()
  channel.publish(exchange, 'k', Buffer.from('late'), { headers: { 'x-delay': 600 } })
  await waitForOne(channel, name)
  equal(Date.now() - startedAt >= 600, true, 'it was held back')
}

async function rpc(address, keep) {
  const [asking, answering] = [await open(await connect(address, keep)), await open(await connect(address, keep))]
  const asked = await queue(answering)
  await answering.consume(asked, message => {
    const { replyTo, correlationId } = message.properties
    answering.sendToQueue(replyTo, Buffer.from(message.content.toString().toUpperCase()), { correlationId })
    answering.ack(message)
  })
  const mine = (await asking.assertQueue('', { exclusive: true })).queue
  for (const replyTo of [mine, 'amq.rabbitmq.reply-to']) {
    const answers = await consumer(asking, replyTo, { noAck: true })
    asking.sendToQueue(asked, Buffer.from('question'), { replyTo, correlationId: 'c' })
    await answers.await(1)
    const [{ content, properties }] = answers.taken
    equal([content.toString(), properties.correlationId], ['QUESTION', 'c'], 'the answer')
  }
}

async function topology(address, keep) {
  const connection = await connect(address, keep)
  const channel = await open(connection)
  const [outer, inner, name] = [fresh('outer'), fresh('inner'), await queue(channel)]
  await channel.assertExchange(outer, 'headers', { autoDelete: true })
  await channel.assertExchange(inner, 'topic', { internal: true, durable: true })
  await channel.bindExchange(inner, outer, '', { 'x-match': 'any-with-x', 'x-kind': 'a', size: 1 })
  await channel.bindQueue(name, inner, '*.b.#')
  channel.publish(outer, 'a.b', Buffer.from('1'), { headers: { 'x-kind': 'b' } })
  channel.publish(outer, 'a.b', Buffer.from('2'), { headers: { 'x-kind': 'a' } })
  channel.publish(outer, 'a.c', Buffer.from('3'), { headers: { 'x-kind': 'a' } })
  equal((await waitForOne(channel, name)).content.toString(), '2', 'what matches')
  await refused((await open(connection)).deleteExchange(inner, { ifUnused: true }), 406, 'deleting what is used')
  const other = await open(connection)
  other.publish(inner, 'a.b', Buffer.from('x'))
  await refused(other.checkQueue(name), 403, 'publishing to an internal exchange')
  await channel.unbindExchange(inner, outer, '', { 'x-match': 'any-with-x', 'x-kind': 'a', size: 1 })
  await refused((await open(connection)).checkExchange(outer), 404, 'an auto-delete exchange that is gone')
}

async function errors(address, keep) {
  const connection = await connect(address, keep)
  const name = await queue(await open(connection))
  for (const [code, what, action] of [
    [406, 'other arguments', channel => channel.assertQueue(name, { durable: false })],
    [404, 'a queue that is not there', channel => channel.checkQueue(fresh('q'))],
    [403, 'a name of the server', channel => channel.assertQueue('amq.mine')],
    [406, 'a strange bound', channel => channel.assertQueue(fresh('q'), { maxLength: -1 })],
  ]) {
    await refused(action(await open(connection)), code, what)
  }
  await (await open(connection)).checkQueue(name)
}

async function heartbeat(address, keep) {
  const connection = await connect(address, keep, { heartbeat: 1 })
  const channel = await open(connection)
  const name = await queue(channel)
  const silent = await connect(address, keep, { heartbeat: 1 })
  silent.connection.heartbeater.clear()
  const ended = new Promise(resolve => silent.on('close', resolve))
  await pause(3500)
  channel.sendToQueue(name, Buffer.from('1'))
  await waitForOne(channel, name)
  await ended
}

async function channels(address, keep) {
  const connection = await connect(address, keep)
  await Promise.all(
    range(100).map(async number => {
      const channel = await open(connection)
      const name = await queue(channel, range(10).map(String), { exclusive: true })
      const { taken, await: come } = await consumer(channel, name, { noAck: true })
      await come(10)
      equal(bodies(taken), range(10).map(String), `what channel ${number} gets`)
      await channel.close()
    }),
  )
}

async function gone(address, keep) {
  const connection = await connect(address, keep)
  const channel = await open(connection)
  const name = await queue(channel)
  const { taken, await: come } = await consumer(channel, name)
  await (await open(connection)).deleteQueue(name)
  await come(1)
  equal(taken, [null], 'what it is told')
  await queue(channel)
}

// The connection is cut below the client, thrice; what sets everything up is called again.
async function cut_off(address, keep) {
  const [name, exchange] = [fresh('q'), fresh('x')]
  const got = new Set()
  let channel
  const setup = async model => {
    const opened = await open(model, 'createConfirmChannel')
    await opened.assertExchange(exchange, 'fanout', { autoDelete: true })
    await opened.assertQueue(name)
    await opened.bindQueue(name, exchange, '')
    await opened.prefetch(5)
    await opened.consume(name, message => {
      got.add(Number(message.content.toString()))
      opened.ack(message)
    })
    channel = opened
  }
  const recovery = { initialDelay: 20, maxDelay: 200, setup }
  const connection = await connect(address, keep, {}, { recovery })
  let cuts = 0
  connection.on('disconnect', () => cuts++)
  const send = number => new Promise((resolve, reject) => {
    channel.publish(exchange, '', Buffer.from(`${number}`), {}, error => (error ? reject(error) : resolve()))
  })
  for (const number of range(60)) {
    if (number % 20 === 10) channel.connection.stream.destroy(new Error('cut'))
    await until(() => send(number).then(() => true, () => false), `${number} is confirmed`)
  }
  await until(() => got.size === 60, 'all that was confirmed comes')
  equal(cuts, 3, 'cuts')
}

await run('amqplib (Node)', version, {
  values, frames, confirms, consume, dead_letters, quorum, full, delayed, rpc, topology, errors, heartbeat, channels, gone,
  cut_off,
})
