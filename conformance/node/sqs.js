// The AWS SDK for JavaScript, version 3. It checks the digests of bodies itself.

import { readFileSync } from 'node:fs'
import * as aws from '@aws-sdk/client-sqs'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'

import { equal, fresh, run, until } from './harness.js'

// The broker counts whole milliseconds, and its clock and ours are read at different moments.
const CLOCKS_APART_MILLIS = 20
const { version } = JSON.parse(readFileSync(new URL('node_modules/@aws-sdk/client-sqs/package.json', import.meta.url)))
const settings = endpoint => ({
  endpoint: `http://${endpoint}`,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
})

// A queue, and the calls that name it.
class Queue {
  constructor(sqs, url) {
    this.sqs = sqs
    this.url = url
  }

  call(Command, request = {}) {
    return this.sqs.send(new Command({ QueueUrl: this.url, ...request }))
  }

  send(MessageBody, more = {}) {
    return this.call(aws.SendMessageCommand, { MessageBody, ...more })
  }

  async receive(more = {}) {
    const all = { MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] }
    return (await this.call(aws.ReceiveMessageCommand, { ...all, ...more })).Messages ?? []
  }

  remove({ ReceiptHandle }) {
    return this.call(aws.DeleteMessageCommand, { ReceiptHandle })
  }

  hold({ ReceiptHandle }, VisibilityTimeout) {
    return this.call(aws.ChangeMessageVisibilityCommand, { ReceiptHandle, VisibilityTimeout })
  }

  async attributes(...AttributeNames) {
    return (await this.call(aws.GetQueueAttributesCommand, { AttributeNames })).Attributes
  }

  async counts() {
    const names = ['', 'NotVisible', 'Delayed'].map(which => `ApproximateNumberOfMessages${which}`)
    const shown = await this.attributes(...names)
    return names.map(name => Number(shown[name]))
  }

  async arn() {
    return (await this.attributes('QueueArn')).QueueArn
  }
}

function client(endpoint, keep) {
  const sqs = new aws.SQSClient(settings(endpoint))
  keep({ disconnect: async () => sqs.destroy() })
  return sqs
}

async function create(endpoint, keep, Attributes = {}) {
  const sqs = client(endpoint, keep)
  const QueueName = fresh('q') + (Attributes.FifoQueue ? '.fifo' : '')
  return new Queue(sqs, (await sqs.send(new aws.CreateQueueCommand({ QueueName, Attributes }))).QueueUrl)
}

const fifo = more => ({ FifoQueue: 'true', ...more })
const bodies = messages => messages.map(message => message.Body)
const range = count => Array.from({ length: count }, (_, number) => number)

// The promise must be rejected with an error of this class; returns it.
async function refused(promise, Class, what) {
  const error = await promise.then(() => undefined, thrown => thrown)
  if (!(error instanceof Class)) throw new Error(`${what}: got ${error}, wanted ${Class.name}`)
  return error
}

async function send_receive_delete(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const text = 'plain, "quoted", <&>, \r\n\t, äöü, 🚌'
  const sent = await queue.send(text)
  const [message] = await queue.receive()
  equal([message.Body, message.MessageId, message.MD5OfBody], [text, sent.MessageId, sent.MD5OfMessageBody], 'message')
  equal(await queue.counts(), [0, 1, 0], 'what is where')
  await queue.remove(message)
  equal(await queue.counts(), [0, 0, 0], 'what is where')
}

async function attributes(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const MessageAttributes = {
    text: { DataType: 'String', StringValue: 'a b' },
    'number.of': { DataType: 'Number.int', StringValue: '-7' },
    bytes: { DataType: 'Binary.png', BinaryValue: Uint8Array.of(0, 255) },
  }
  const trace = 'Root=1-5759e988-bd862e3fe1be46a994272793'
  const MessageSystemAttributes = { AWSTraceHeader: { DataType: 'String', StringValue: trace } }
  const sent = await queue.send('x', { MessageAttributes, MessageSystemAttributes })
  const [message] = await queue.receive()
  equal(message.MessageAttributes, MessageAttributes, 'the attributes')
  const digest = '49d4e9525ea8d2518ae2391b3df21327' // By AWS's description of it.
  equal([sent.MD5OfMessageAttributes, message.MD5OfMessageAttributes], [digest, digest], 'their digest')
  equal(message.Attributes.AWSTraceHeader, trace, 'the trace header')
}

async function filtered_attributes(endpoint, keep) {
  const queue = await create(endpoint, keep, { VisibilityTimeout: '0' })
  const text = { DataType: 'String', StringValue: 'v' }
  await queue.send('x', { MessageAttributes: { 'a.one': text, 'a.two': text, b: text } })
  for (const [names, wanted] of [[['a.*'], ['a.one', 'a.two']], [['b', 'c'], ['b']], [['.*'], ['a.one', 'a.two', 'b']]]) {
    const [message] = await queue.receive({ MessageAttributeNames: names })
    equal(Object.keys(message.MessageAttributes).sort(), wanted, `attributes by ${names}`)
  }
  const [message] = await queue.receive({ MessageAttributeNames: [] })
  equal(message.MessageAttributes, undefined, 'attributes that nobody wants')
}

async function batches(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const good = range(9).map(number => ({ Id: `${number}`, MessageBody: `m${number}` }))
  const sent = await queue.call(aws.SendMessageBatchCommand, { Entries: [...good, { Id: 'bad', MessageBody: '\x01' }] })
  equal(sent.Successful.map(entry => entry.Id), good.map(entry => entry.Id), 'sent')
  equal(sent.Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]), [['bad', 'InvalidMessageContents', true]], 'failed')
  const taken = await queue.receive()
  equal(taken.length, 9, 'received')
  const handles = taken.map(({ ReceiptHandle }, place) => ({ Id: `${place}`, ReceiptHandle }))
  const longer = handles.map(handle => ({ ...handle, VisibilityTimeout: 60 }))
  const held = await queue.call(aws.ChangeMessageVisibilityBatchCommand, { Entries: longer })
  equal(held.Successful.length, 9, 'made longer')
  const bad = { Id: 'bad', ReceiptHandle: 'garbage' }
  const deleted = await queue.call(aws.DeleteMessageBatchCommand, { Entries: [...handles, bad] })
  equal([deleted.Successful.length, deleted.Failed[0].Code], [9, 'ReceiptHandleIsInvalid'], 'deleted')
  equal(await queue.counts(), [0, 0, 0], 'what is where')
}

async function large_message(endpoint, keep) {
  const queue = await create(endpoint, keep)
  await queue.send('x'.repeat(1 << 20))
  equal((await queue.receive())[0].Body.length, 1 << 20, 'the length')
  const error = await refused(queue.send('x'.repeat((1 << 20) + 1)), aws.SQSServiceException, 'too long a message')
  equal(error.name, 'InvalidParameterValue', 'the code')
}

async function long_poll(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const startedAt = Date.now()
  const waiting = queue.receive({ WaitTimeSeconds: 20 })
  await new Promise(resolve => setTimeout(resolve, 500))
  await queue.send('wake up')
  equal(bodies(await waiting), ['wake up'], 'what came')
  equal(Date.now() - startedAt < 10_000, true, 'woken at once')
}

// Receives what comes back or becomes visible, which must take at least so long from `since` on.
async function later(queue, since, seconds) {
  const taken = await queue.receive({ WaitTimeSeconds: 15 })
  equal(Date.now() - since >= seconds * 1000 - CLOCKS_APART_MILLIS, true, `at least ${seconds} s later`)
  return taken
}

async function visibility(endpoint, keep) {
  const queue = await create(endpoint, keep, { VisibilityTimeout: '1' })
  await queue.send('x')
  const since = Date.now()
  const [first] = await queue.receive()
  const [second] = await later(queue, since, 1)
  equal([second.MessageId, second.Attributes.ApproximateReceiveCount], [first.MessageId, '2'], 'the message again')
  equal(first.ReceiptHandle !== second.ReceiptHandle, true, 'handles differ')
}

async function visibility_changed(endpoint, keep) {
  const queue = await create(endpoint, keep, { VisibilityTimeout: '600' })
  await queue.send('x')
  const [first] = await queue.receive({ VisibilityTimeout: 4 })
  const since = Date.now()
  await queue.hold(first, 6)
  const [second] = await later(queue, since, 6)
  equal(await queue.receive(), [], 'while it is held')
  await queue.hold(second, 0)
  equal(bodies(await queue.receive()), ['x'], 'once it is given back')
}

async function delay(endpoint, keep) {
  for (const [attributes, message] of [[{}, { DelaySeconds: 1 }], [{ DelaySeconds: '1' }, {}]]) {
    const queue = await create(endpoint, keep, attributes)
    const since = Date.now()
    await queue.send('x', message)
    equal(bodies(await later(queue, since, 1)), ['x'], 'afterwards')
  }
  const queue = await create(endpoint, keep)
  await queue.send('x', { DelaySeconds: 900 })
  equal([await queue.receive(), await queue.counts()], [[], [0, 0, 1]], 'while it is delayed')
}

async function fifo_order(endpoint, keep) {
  const queue = await create(endpoint, keep, fifo({ ContentBasedDeduplication: 'true' }))
  const numbers = []
  for (const body of ['a0', 'b0', 'a1', 'b1', 'a2', 'b2']) {
    numbers.push((await queue.send(body, { MessageGroupId: body[0] })).SequenceNumber)
  }
  equal(numbers, [...numbers].sort(), 'sequence numbers')
  const [first] = await queue.receive({ MaxNumberOfMessages: 1 })
  const other = first.Body[0] === 'a' ? 'b' : 'a'
  equal(bodies(await queue.receive()), [0, 1, 2].map(number => other + number), 'the other group, in order')
  equal(await queue.receive(), [], 'while both are held')
  await queue.remove(first)
  equal(bodies(await queue.receive()).map(body => body[1]), ['1', '2'], 'the rest of the first group')
}

async function fifo_dedup(endpoint, keep) {
  const queue = await create(endpoint, keep, fifo({ ContentBasedDeduplication: 'true' }))
  const [first, again] = [await queue.send('same', { MessageGroupId: 'g' }), await queue.send('same', { MessageGroupId: 'g' })]
  equal([again.MessageId, again.SequenceNumber], [first.MessageId, first.SequenceNumber], 'by content')
  const byId = { MessageGroupId: 'g', MessageDeduplicationId: 'id' }
  equal((await queue.send('one', byId)).MessageId, (await queue.send('two', byId)).MessageId, 'by id')
  equal(bodies(await queue.receive()), ['same', 'one'], 'what is there')
}

async function fifo_scope(endpoint, keep) {
  const scope = { DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' }
  const queue = await create(endpoint, keep, fifo(scope))
  for (const group of ['a', 'b', 'a']) await queue.send(group, { MessageGroupId: group, MessageDeduplicationId: 'id' })
  const taken = [...(await queue.receive()), ...(await queue.receive())]
  equal(bodies(taken).sort(), ['a', 'b'], 'one per group')
}

async function withDeadLetters(endpoint, keep, maxReceiveCount) {
  const target = await create(endpoint, keep)
  const policy = JSON.stringify({ deadLetterTargetArn: await target.arn(), maxReceiveCount })
  return [target, await create(endpoint, keep, { VisibilityTimeout: '0', RedrivePolicy: policy })]
}

async function dead_letters(endpoint, keep) {
  const [target, queue] = await withDeadLetters(endpoint, keep, 2)
  const sent = await queue.send('poison')
  await until(async () => (await queue.receive()).length === 0, 'given up')
  const [message] = await target.receive({ WaitTimeSeconds: 10 })
  equal(message.MessageId, sent.MessageId, 'the id')
  equal(message.Attributes.DeadLetterQueueSourceArn, await queue.arn(), 'where it came from')
  const sources = await target.call(aws.ListDeadLetterSourceQueuesCommand)
  equal(sources.queueUrls, [queue.url], 'the sources')
}

async function move_task(endpoint, keep) {
  const [target, queue] = await withDeadLetters(endpoint, keep, 1)
  await queue.send('poison')
  await until(async () => (await queue.receive()).length === 0, 'given up')
  await until(async () => (await target.counts())[0] === 1, 'the dead letter')
  const SourceArn = await target.arn()
  const { TaskHandle } = await target.sqs.send(new aws.StartMessageMoveTaskCommand({ SourceArn }))
  equal(bodies(await queue.receive({ WaitTimeSeconds: 10 })), ['poison'], 'what came back')
  const listed = () => target.sqs.send(new aws.ListMessageMoveTasksCommand({ SourceArn }))
  await until(async () => (await listed()).Results[0].Status === 'COMPLETED', 'the task is done')
  equal((await listed()).Results[0].ApproximateNumberOfMessagesMoved, 1, 'moved')
  const ended = target.sqs.send(new aws.CancelMessageMoveTaskCommand({ TaskHandle }))
  await refused(ended, aws.ResourceNotFoundException, 'ending what has ended')
}

async function purge(endpoint, keep) {
  const queue = await create(endpoint, keep)
  for (const number of range(5)) await queue.send(`${number}`)
  await queue.receive({ MaxNumberOfMessages: 2 })
  await queue.call(aws.PurgeQueueCommand)
  equal(await queue.counts(), [0, 0, 0], 'what is where')
  await queue.send('new')
  equal(bodies(await queue.receive()), ['new'], 'what came afterwards')
}

async function queue_attributes(endpoint, keep) {
  const queue = await create(endpoint, keep, { VisibilityTimeout: '5' })
  await queue.call(aws.SetQueueAttributesCommand, { Attributes: { DelaySeconds: '3', Policy: '{}' } })
  const shown = await queue.attributes('All')
  equal([shown.VisibilityTimeout, shown.DelaySeconds, shown.MaximumMessageSize, shown.Policy], ['5', '3', '1048576', '{}'], 'shown')
  const QueueName = queue.url.split('/').at(-1)
  const again = DelaySeconds => queue.sqs.send(new aws.CreateQueueCommand({ QueueName, Attributes: { DelaySeconds } }))
  equal((await again('3')).QueueUrl, queue.url, 'the same queue')
  await refused(again('4'), aws.QueueNameExists, 'another delay')
  const tooLong = queue.call(aws.SetQueueAttributesCommand, { Attributes: { VisibilityTimeout: '43201' } })
  await refused(tooLong, aws.InvalidAttributeValue, 'a visibility timeout of 43201 s')
}

async function queue_url(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const [QueueName, account] = queue.url.split('/').reverse()
  equal(queue.url, `http://${endpoint}/${account}/${QueueName}`, 'the URL of a new queue')
  equal((await queue.sqs.send(new aws.GetQueueUrlCommand({ QueueName }))).QueueUrl, queue.url, 'the URL of its name')
  const other = client(endpoint.replace('127.0.0.1', 'localhost'), keep)
  const elsewhere = (await other.send(new aws.GetQueueUrlCommand({ QueueName }))).QueueUrl
  equal(elsewhere, queue.url.replace('127.0.0.1', 'localhost'), 'for one who calls it by another name')
  await new Queue(other, elsewhere).send('x')
  equal(bodies(await queue.receive()), ['x'], 'what came by the other URL')
}

async function tags(endpoint, keep) {
  const queue = await create(endpoint, keep)
  await queue.call(aws.TagQueueCommand, { Tags: { a: '1', b: '' } })
  await queue.call(aws.UntagQueueCommand, { TagKeys: ['a'] })
  equal((await queue.call(aws.ListQueueTagsCommand)).Tags, { b: '' }, 'tags')
}

async function permissions(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const permission = { Label: 'l', AWSAccountIds: ['123456789012'], Actions: ['SendMessage'] }
  await queue.call(aws.AddPermissionCommand, permission)
  equal((await queue.attributes('Policy')).Policy.includes('SQS:SendMessage'), true, 'the policy')
  await queue.call(aws.RemovePermissionCommand, { Label: 'l' })
  equal(await queue.attributes('Policy'), undefined, 'no policy')
}

async function list_pages(endpoint, keep) {
  const [sqs, QueueNamePrefix, urls] = [client(endpoint, keep), fresh('p'), []]
  for (const number of range(5)) {
    urls.push((await sqs.send(new aws.CreateQueueCommand({ QueueName: `${QueueNamePrefix}-${number}` }))).QueueUrl)
  }
  const pages = []
  for await (const page of aws.paginateListQueues({ client: sqs, pageSize: 2 }, { QueueNamePrefix })) pages.push(page.QueueUrls)
  equal(pages, [urls.slice(0, 2), urls.slice(2, 4), urls.slice(4)], 'pages')
  await new Queue(sqs, urls[0]).call(aws.DeleteQueueCommand)
  equal((await sqs.send(new aws.ListQueuesCommand({ QueueNamePrefix }))).QueueUrls, urls.slice(1), 'after one was deleted')
}

async function errors(endpoint, keep) {
  const queue = await create(endpoint, keep)
  const missing = queue.sqs.send(new aws.GetQueueUrlCommand({ QueueName: fresh('none') }))
  await refused(missing, aws.QueueDoesNotExist, 'a queue that is not there')
  await refused(queue.remove({ ReceiptHandle: 'x' }), aws.ReceiptHandleIsInvalid, 'a handle that is none')
  await refused(queue.call(aws.SendMessageBatchCommand, { Entries: [] }), aws.EmptyBatchRequest, 'an empty batch')
  await refused(queue.send('\x01'), aws.InvalidMessageContents, 'a character that is not allowed')
  await refused(queue.attributes('Nothing'), aws.InvalidAttributeName, 'an attribute that is none')
  const tooLong = await refused(queue.receive({ WaitTimeSeconds: 21 }), aws.SQSServiceException, '21 s')
  equal([tooLong.name, tooLong.$fault, tooLong.$metadata.httpStatusCode], ['InvalidParameterValue', 'client', 400], 'the error')
}

async function caller_identity(endpoint) {
  const { Account } = await new STSClient(settings(endpoint)).send(new GetCallerIdentityCommand({}))
  equal(Account, '000000000000', 'the account')
}

await run('AWS SDK for JavaScript', version, {
  send_receive_delete, attributes, filtered_attributes, batches, large_message, long_poll, visibility,
  visibility_changed, delay, fifo_order, fifo_dedup, fifo_scope, dead_letters, move_task, purge, queue_attributes,
  queue_url, tags, permissions, list_pages, errors, caller_identity,
})
