// The AWS SDK for JavaScript, version 3, as a client of SNS.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import * as aws from '@aws-sdk/client-sns'
import * as sqs from '@aws-sdk/client-sqs'

import { equal, fresh, run, until } from './harness.js'

const { version } = JSON.parse(readFileSync(new URL('node_modules/@aws-sdk/client-sns/package.json', import.meta.url)))
const settings = endpoint => ({
  endpoint: `http://${endpoint}`,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
})

// A topic, and the calls that name it.
class Topic {
  constructor(sns, arn) {
    this.sns = sns
    this.arn = arn
  }

  call(Command, request = {}) {
    return this.sns.send(new Command({ TopicArn: this.arn, ...request }))
  }

  publish(Message, more = {}) {
    return this.call(aws.PublishCommand, { Message, ...more })
  }

  batch(PublishBatchRequestEntries) {
    return this.call(aws.PublishBatchCommand, { PublishBatchRequestEntries })
  }

  async attributes() {
    return (await this.call(aws.GetTopicAttributesCommand)).Attributes
  }

  set(AttributeName, AttributeValue) {
    return this.call(aws.SetTopicAttributesCommand, { AttributeName, AttributeValue })
  }
}

// A subscription, and the calls that name it.
class Subscription {
  constructor(sns, arn) {
    this.sns = sns
    this.arn = arn
  }

  call(Command, request = {}) {
    return this.sns.send(new Command({ SubscriptionArn: this.arn, ...request }))
  }

  set(AttributeName, AttributeValue) {
    return this.call(aws.SetSubscriptionAttributesCommand, { AttributeName, AttributeValue })
  }
}

// A queue that subscribes.
class Queue {
  constructor(client, url, arn) {
    this.sqs = client
    this.url = url
    this.arn = arn
  }

  async subscribe(topic, said = {}) {
    const text = value => (typeof value === 'string' ? value : JSON.stringify(value))
    const Attributes = Object.fromEntries(Object.entries(said).map(([name, value]) => [name, text(value)]))
    const request = { Protocol: 'sqs', Endpoint: this.arn, Attributes, ReturnSubscriptionArn: true }
    return new Subscription(topic.sns, (await topic.call(aws.SubscribeCommand, request)).SubscriptionArn)
  }

  // All that is there. What was published is there when Publish has answered.
  async receive() {
    const all = { MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] }
    const received = []
    for (;;) {
      const { Messages } = await this.sqs.send(new sqs.ReceiveMessageCommand({ QueueUrl: this.url, ...all }))
      if (!Messages?.length) return received
      received.push(...Messages)
    }
  }

  async notifications() {
    return (await this.receive()).map(message => JSON.parse(message.Body))
  }

  async texts() {
    return (await this.notifications()).map(notification => notification.Message)
  }
}

function client(Class, endpoint, keep) {
  const made = new Class(settings(endpoint))
  keep({ disconnect: async () => made.destroy() })
  return made
}

const suffix = said => (said.FifoTopic || said.FifoQueue ? '.fifo' : '')

async function topic(endpoint, keep, Attributes = {}) {
  const sns = client(aws.SNSClient, endpoint, keep)
  const Name = fresh('t') + suffix(Attributes)
  return new Topic(sns, (await sns.send(new aws.CreateTopicCommand({ Name, Attributes }))).TopicArn)
}

async function queue(endpoint, keep, Attributes = {}) {
  const made = client(sqs.SQSClient, endpoint, keep)
  const QueueName = fresh('q') + suffix(Attributes)
  const { QueueUrl } = await made.send(new sqs.CreateQueueCommand({ QueueName, Attributes }))
  const shown = await made.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }))
  return new Queue(made, QueueUrl, shown.Attributes.QueueArn)
}

async function pair(endpoint, keep, said = {}) {
  const made = [await topic(endpoint, keep), await queue(endpoint, keep)]
  return [...made, await made[1].subscribe(made[0], said)]
}

const range = count => Array.from({ length: count }, (_, number) => number)
const text = (StringValue, DataType = 'String') => ({ DataType, StringValue })
const picked = (from, wanted) => Object.fromEntries(Object.keys(wanted).map(name => [name, from[name]]))

// The promise must be rejected with an error of this class; returns it.
async function refused(promise, Class, what) {
  const error = await promise.then(() => undefined, thrown => thrown)
  if (!(error instanceof Class)) throw new Error(`${what}: got ${error}, wanted ${Class.name}`)
  return error
}

async function publish_to_queue(endpoint, keep) {
  const [news, jobs, subscription] = await pair(endpoint, keep)
  const said = 'plain, "quoted", <&>, \r\n\t, äöü, 🚌'
  const MessageAttributes = { text: text('a b'), bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) } }
  const published = await news.publish(said, { Subject: 'spring', MessageAttributes })
  const [notification] = await jobs.notifications()
  const { MessageId } = published
  const wanted = { Type: 'Notification', MessageId, TopicArn: news.arn, Subject: 'spring', Message: said }
  equal(picked(notification, wanted), wanted, 'the envelope')
  const shown = { text: { Type: 'String', Value: 'a b' }, bytes: { Type: 'Binary', Value: 'AP8=' } }
  equal(notification.MessageAttributes, shown, 'attributes')
  equal(notification.UnsubscribeURL.endsWith(subscription.arn), true, 'UnsubscribeURL')
  const certificate = await (await fetch(notification.SigningCertURL)).text()
  equal(certificate.startsWith('-----BEGIN CERTIFICATE-----'), true, 'the certificate')
}

async function raw(endpoint, keep) {
  const [news, jobs] = await pair(endpoint, keep, { RawMessageDelivery: 'true' })
  const bytes = { DataType: 'Binary.png', BinaryValue: Uint8Array.of(0, 255) }
  const MessageAttributes = { n: text('-7', 'Number.int'), bytes }
  await news.publish('alone', { MessageAttributes })
  const [message] = await jobs.receive()
  equal([message.Body, message.MessageAttributes], ['alone', MessageAttributes], 'the message')
}

async function fan_out(endpoint, keep) {
  const news = await topic(endpoint, keep)
  const queues = await Promise.all(range(20).map(() => queue(endpoint, keep)))
  for (const each of queues) await each.subscribe(news, { RawMessageDelivery: 'true' })
  await news.publish('to all')
  const received = await Promise.all(queues.map(each => each.receive()))
  equal(received.map(messages => messages.map(message => message.Body)), range(20).map(() => ['to all']), 'what each got')
  equal(new Set(received.map(([message]) => message.MessageId)).size, 20, 'ids')
}

async function batches(endpoint, keep) {
  const [news, jobs] = await pair(endpoint, keep)
  const entries = range(10).map(number => ({ Id: `${number}`, Message: `m${number}` }))
  const answer = await news.batch(entries)
  equal(answer.Successful.map(entry => entry.Id), entries.map(entry => entry.Id), 'successes')
  equal(answer.Failed ?? [], [], 'failures')
  equal((await jobs.texts()).sort(), entries.map(entry => entry.Message), 'what came')
  const long = ['a', 'b'].map(Id => ({ Id, Message: 'x'.repeat(200_000) }))
  for (const [wrong, Class] of [
    [[...entries, { Id: 'x', Message: 'x' }], aws.TooManyEntriesInBatchRequestException],
    [[entries[0], entries[0]], aws.BatchEntryIdsNotDistinctException],
    [[{ Id: 'a.b', Message: 'x' }], aws.InvalidBatchEntryIdException],
    [long, aws.BatchRequestTooLongException],
  ]) {
    await refused(news.batch(wrong), Class, 'a bad batch')
  }
  equal(await jobs.texts(), [], 'what came of bad batches')
}

async function structure(endpoint, keep) {
  const [news, jobs] = await pair(endpoint, keep)
  const publish = message => news.publish(message, { MessageStructure: 'json' })
  await publish('{"default": "d", "sqs": "for queues"}')
  await publish('{"default": "d", "http": "for others"}')
  equal((await jobs.texts()).sort(), ['d', 'for queues'], 'what came')
  for (const wrong of ['{', '{"sqs": "x"}', '{"default": {}}']) {
    await refused(publish(wrong), aws.InvalidParameterException, wrong)
  }
}

async function filters_on_attributes(endpoint, keep) {
  const colour = ['red', { prefix: 'gr' }, { 'anything-but': ['blue', 'black'] }]
  const policy = { colour, price: [{ numeric: ['<', 5] }] }
  const [news, jobs, subscription] = await pair(endpoint, keep, { FilterPolicy: policy })
  for (const [shade, price] of [['red', '1'], ['green', '4.5'], ['red', '5'], ['blue', '1'], ['white', '-3']]) {
    const MessageAttributes = { colour: text(shade), price: text(price, 'Number') }
    await news.publish(`${shade} ${price}`, { MessageAttributes })
  }
  await news.publish('nothing said')
  equal((await jobs.texts()).sort(), ['green 4.5', 'red 1', 'white -3'], 'what came')
  await subscription.set('FilterPolicy', '{}')
  await news.publish('all')
  equal(await jobs.texts(), ['all'], 'what came without a filter')
  const wrong = subscription.set('FilterPolicy', '{"a": [{"like": "b"}]}')
  await refused(wrong, aws.InvalidParameterException, 'an unknown operator')
}

async function filters_on_body(endpoint, keep) {
  const FilterPolicy = { order: { state: ['paid'], items: { kind: [{ suffix: 'book' }] } } }
  const [news, jobs] = await pair(endpoint, keep, { FilterPolicy, FilterPolicyScope: 'MessageBody' })
  for (const [state, kind] of [['paid', 'notebook'], ['open', 'notebook'], ['paid', 'pen']]) {
    await news.publish(JSON.stringify({ order: { state, items: [{ kind }] } }))
  }
  await news.publish('no JSON')
  equal((await jobs.texts()).map(came => JSON.parse(came).order.items), [[{ kind: 'notebook' }]], 'what came')
}

async function fifo(endpoint, keep) {
  const news = await topic(endpoint, keep, { FifoTopic: 'true' })
  const jobs = await queue(endpoint, keep, { FifoQueue: 'true' })
  await jobs.subscribe(news)
  const numbers = []
  for (const number of range(6)) {
    const ids = { MessageGroupId: `g${number % 2}`, MessageDeduplicationId: `${number}` }
    numbers.push(BigInt((await news.publish(`${number}`, ids)).SequenceNumber))
  }
  equal(range(5).every(place => numbers[place] < numbers[place + 1]), true, `${numbers} rise`)
  const received = await jobs.receive()
  for (const [group, wanted] of [['g0', ['0', '2', '4']], ['g1', ['1', '3', '5']]]) {
    const of = received.filter(message => message.Attributes.MessageGroupId === group)
    equal(of.map(message => JSON.parse(message.Body).Message), wanted, group)
  }
  await refused(news.publish('x', { MessageDeduplicationId: 'x' }), aws.InvalidParameterException, 'no group')
  const standard = await topic(endpoint, keep)
  await refused(jobs.subscribe(standard), aws.InvalidParameterException, 'a FIFO queue at a standard topic')
}

async function fifo_dedup(endpoint, keep) {
  const news = await topic(endpoint, keep, { FifoTopic: 'true', ContentBasedDeduplication: 'true' })
  const [ordered, plain] = [await queue(endpoint, keep, { FifoQueue: 'true' }), await queue(endpoint, keep)]
  for (const each of [ordered, plain]) await each.subscribe(news)
  for (const [message, id] of [['a'], ['a'], ['b', 'x'], ['c', 'x']]) {
    await news.publish(message, { MessageGroupId: 'g', MessageDeduplicationId: id })
  }
  equal(await ordered.texts(), ['a', 'b'], 'what the FIFO queue got')
  equal((await plain.texts()).sort(), ['a', 'b'], 'what the standard queue got')
}

async function fair(endpoint, keep) {
  const [news, jobs] = await pair(endpoint, keep)
  await news.publish('x', { MessageGroupId: 'tenant' })
  equal((await jobs.receive()).map(message => message.Attributes.MessageGroupId), ['tenant'], 'MessageGroupId')
}

async function dead_letters(endpoint, keep) {
  const dead = await queue(endpoint, keep)
  const [news, jobs] = await pair(endpoint, keep, { RedrivePolicy: { deadLetterTargetArn: dead.arn } })
  await jobs.sqs.send(new sqs.DeleteQueueCommand({ QueueUrl: jobs.url }))
  await news.publish('x')
  equal(await dead.texts(), ['x'], 'dead letters')
}

// A server that keeps what it is told, and fails as often as it was told to.
class HttpEndpoint {
  constructor() {
    this.told = []
    this.failures = 0
    this.server = createServer((request, response) => {
      let body = ''
      request.on('data', piece => (body += piece))
      request.on('end', () => {
        response.statusCode = this.failures-- > 0 ? 503 : 200
        response.end()
        this.told.push({ headers: request.headers, body })
      })
    })
  }

  async open(keep) {
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    keep({ disconnect: async () => (this.server.close(), this.server.closeAllConnections()) })
    return `http://127.0.0.1:${this.server.address().port}/told`
  }

  async next(kind) {
    await until(() => this.told.length > 0, `a ${kind}`)
    const told = this.told.shift()
    equal(told.headers['x-amz-sns-message-type'], kind, 'the kind of message')
    return told
  }
}

async function http_endpoint(endpoint, keep) {
  const [news, server] = [await topic(endpoint, keep), new HttpEndpoint()]
  const DeliveryPolicy = JSON.stringify({ healthyRetryPolicy: { numRetries: 1, numNoDelayRetries: 1 } })
  const request = { Protocol: 'http', Endpoint: await server.open(keep), Attributes: { DeliveryPolicy } }
  equal((await news.call(aws.SubscribeCommand, request)).SubscriptionArn, 'pending confirmation', 'the ARN')
  const question = JSON.parse((await server.next('SubscriptionConfirmation')).body)
  equal((await fetch(question.SubscribeURL)).status, 200, 'the confirmation')
  const confirmed = await news.call(aws.ConfirmSubscriptionCommand, { Token: question.Token })
  const subscription = new Subscription(news.sns, confirmed.SubscriptionArn)
  const published = await news.publish('spring', { Subject: 'season' })
  const { headers, body } = await server.next('Notification')
  const notification = JSON.parse(body)
  equal([notification.Message, notification.Subject], ['spring', 'season'], 'the notification')
  const ids = ['x-amz-sns-message-id', 'x-amz-sns-subscription-arn'].map(name => headers[name])
  equal(ids, [published.MessageId, subscription.arn], 'the ids')
  await subscription.set('RawMessageDelivery', 'true')
  server.failures = 1
  await news.publish('again')
  for (const _ of range(2)) {
    const told = await server.next('Notification')
    equal([told.headers['x-amz-sns-rawdelivery'], told.body], ['true', 'again'], 'the raw message')
  }
  equal((await fetch(notification.UnsubscribeURL)).status, 200, 'the end')
  equal((await news.call(aws.ListSubscriptionsByTopicCommand)).Subscriptions ?? [], [], 'subscriptions')
  const farewell = JSON.parse((await server.next('UnsubscribeConfirmation')).body)
  equal((await fetch(farewell.SubscribeURL)).status, 200, 'the way back')
  equal((await news.call(aws.ListSubscriptionsByTopicCommand)).Subscriptions.length, 1, 'subscriptions')
}

async function topic_attributes(endpoint, keep) {
  const news = await topic(endpoint, keep, { DisplayName: 'News' })
  await news.set('SignatureVersion', '2')
  const wanted = { DisplayName: 'News', SignatureVersion: '2', TopicArn: news.arn, SubscriptionsConfirmed: '0' }
  equal(picked(await news.attributes(), wanted), wanted, 'attributes')
  const again = Attributes => news.call(aws.CreateTopicCommand, { Name: news.arn.split(':').at(-1), Attributes })
  equal((await again()).TopicArn, news.arn, 'the same topic')
  await refused(again({ DisplayName: 'Olds' }), aws.InvalidParameterException, 'another name')
  await refused(news.set('ArchivePolicy', '{}'), aws.InvalidParameterException, 'an archive')
}

async function subscription_attributes(endpoint, keep) {
  const [news, jobs, subscription] = await pair(endpoint, keep, { RawMessageDelivery: 'TRUE' })
  const { Attributes } = await subscription.call(aws.GetSubscriptionAttributesCommand)
  const wanted = { RawMessageDelivery: 'true', Protocol: 'sqs', Endpoint: jobs.arn, PendingConfirmation: 'false' }
  equal(picked(Attributes, wanted), wanted, 'attributes')
  equal((await jobs.subscribe(news)).arn, subscription.arn, 'the same subscription')
  const other = jobs.subscribe(news, { RawMessageDelivery: 'false' })
  await refused(other, aws.InvalidParameterException, 'another form')
  const sms = news.call(aws.SubscribeCommand, { Protocol: 'sms', Endpoint: '+123456' })
  await refused(sms, aws.InvalidParameterException, 'a text message')
}

async function unsubscribe(endpoint, keep) {
  const [news, jobs, subscription] = await pair(endpoint, keep)
  for (const _ of range(2)) await subscription.call(aws.UnsubscribeCommand)
  await news.publish('x')
  equal(await jobs.texts(), [], 'what came')
  for (const _ of range(2)) await news.call(aws.DeleteTopicCommand)
  await refused(news.publish('x'), aws.NotFoundException, 'a topic that is gone')
}

async function lists(endpoint, keep) {
  const [first, jobs] = await pair(endpoint, keep)
  const create = () => first.sns.send(new aws.CreateTopicCommand({ Name: fresh('t') }))
  const more = await Promise.all(range(100).map(create))
  const topics = [first, ...more.map(({ TopicArn }) => new Topic(first.sns, TopicArn))]
  for (const each of topics.slice(1)) await jobs.subscribe(each)
  const [listed, pages] = [[], []]
  for await (const page of aws.paginateListTopics({ client: first.sns }, {})) {
    listed.push(...page.Topics.map(each => each.TopicArn))
    pages.push(page.Topics.length)
  }
  equal([listed.length, Math.max(...pages)], [new Set(listed).size, 100], 'topics, and those on a page')
  const arns = topics.map(each => each.arn)
  equal(arns.every(arn => listed.includes(arn)), true, 'all are listed')
  const ours = []
  for await (const page of aws.paginateListSubscriptions({ client: first.sns }, {})) {
    ours.push(...page.Subscriptions.filter(each => each.Endpoint === jobs.arn).map(each => each.TopicArn))
  }
  equal(ours.sort(), arns.sort(), 'subscriptions')
  const { Subscriptions } = await first.call(aws.ListSubscriptionsByTopicCommand)
  equal(Subscriptions.map(each => [each.Protocol, each.Endpoint]), [['sqs', jobs.arn]], 'the subscription of a topic')
}

async function tags(endpoint, keep) {
  const news = await topic(endpoint, keep)
  const call = (Command, more = {}) => news.sns.send(new Command({ ResourceArn: news.arn, ...more }))
  await call(aws.TagResourceCommand, { Tags: [{ Key: 'a', Value: '1' }, { Key: 'b', Value: '' }] })
  await call(aws.UntagResourceCommand, { TagKeys: ['a'] })
  equal((await call(aws.ListTagsForResourceCommand)).Tags, [{ Key: 'b', Value: '' }], 'tags')
}

async function permissions(endpoint, keep) {
  const news = await topic(endpoint, keep)
  const labels = async () => JSON.parse((await news.attributes()).Policy).Statement.map(statement => statement.Sid)
  await news.call(aws.AddPermissionCommand, { Label: 'l', AWSAccountId: ['123456789012'], ActionName: ['Publish'] })
  equal(await labels(), ['__default_statement_ID', 'l'], 'labels')
  await news.call(aws.RemovePermissionCommand, { Label: 'l' })
  equal(await labels(), ['__default_statement_ID'], 'labels')
}

async function size(endpoint, keep) {
  const [news, jobs] = await pair(endpoint, keep, { RawMessageDelivery: 'true' })
  await news.publish('x'.repeat(262_144))
  await refused(news.publish('x'.repeat(262_145)), aws.InvalidParameterException, 'one byte more')
  await news.set('MaximumMessageSize', '1048576')
  await news.publish('y'.repeat(1_048_576))
  const lengths = (await jobs.receive()).map(message => message.Body.length)
  equal(lengths.sort((one, other) => one - other), [262_144, 1_048_576], 'bytes')
}

async function errors(endpoint, keep) {
  const news = await topic(endpoint, keep)
  const none = `${news.arn}x`
  const nobody = new Subscription(news.sns, `${news.arn}:00000000-0000-0000-0000-000000000000`)
  const tagsOf = ResourceArn => news.sns.send(new aws.ListTagsForResourceCommand({ ResourceArn }))
  for (const [call, Class] of [
    [() => new Topic(news.sns, none).publish('x'), aws.NotFoundException],
    [() => new Topic(news.sns, 'arn').publish('x'), aws.InvalidParameterException],
    [() => news.publish(''), aws.InvalidParameterException],
    [() => news.publish('x', { Subject: '' }), aws.InvalidParameterException],
    [() => news.publish('x', { MessageAttributes: { a: text('') } }), aws.InvalidParameterValueException],
    [() => news.batch([]), aws.EmptyBatchRequestException],
    [() => nobody.call(aws.GetSubscriptionAttributesCommand), aws.NotFoundException],
    [() => tagsOf(none), aws.ResourceNotFoundException],
    [() => news.sns.send(new aws.CreateTopicCommand({ Name: 'a b' })), aws.InvalidParameterException],
    [() => news.call(aws.ConfirmSubscriptionCommand, { Token: 'x' }), aws.InvalidParameterException],
  ]) {
    await refused(call(), Class, 'what is wrong')
  }
}

await run('AWS SDK for JavaScript', version, {
  publish_to_queue, raw, fan_out, batches, structure, filters_on_attributes, filters_on_body, fifo, fifo_dedup, fair,
  dead_letters, http_endpoint, topic_attributes, subscription_attributes, unsubscribe, lists, tags, permissions, size,
  errors,
})
