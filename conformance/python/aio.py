"""aiokafka."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from harness import TIME, equal, fresh, run

WAIT_SECONDS_MAX = 45


class Client:
    """Everything that one check opens, closed when the check is over."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.open = []

    async def start(self, thing):
        self.open.append(thing)
        await thing.start()
        return thing

    async def close(self):
        for thing in reversed(self.open):
            await (thing.close() if isinstance(thing, AIOKafkaAdminClient) else thing.stop())

    async def admin(self):
        return await self.start(AIOKafkaAdminClient(bootstrap_servers=self.bootstrap))

    async def create(self, partitions=1, config=None):
        topic = fresh("t")
        refuse((await (await self.admin()).create_topics([NewTopic(topic, partitions, 1, topic_configs=config or {})])).topic_errors)
        return topic

    async def produce(self, topic, records, **config):
        """Records are dicts of send()'s arguments; returns their offsets."""
        producer = await self.start(AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20, acks="all", **config))
        futures = [await producer.send(topic, **record) for record in records]
        return [(await future).offset for future in futures]

    async def consumer(self, *topics, group=None, **config):
        settings = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False, **config}
        return await self.start(AIOKafkaConsumer(*topics, bootstrap_servers=self.bootstrap, **settings))

    async def read(self, topic, count):
        reader = await self.consumer()
        reader.assign([TopicPartition(topic, 0)])
        return await take(reader, count)


def check(function):
    """Makes an ordinary function of a check that is given a client."""
    def synchronous(bootstrap):
        async def whole():
            client = Client(bootstrap)
            try:
                await function(client)
            finally:
                await client.close()
        asyncio.run(whole())
    return synchronous


def refuse(errors):
    """Raises the first error of an admin answer."""
    for topic, code, *_ in errors:
        if code:
            raise for_code(code)(topic)


async def refused(call, name, what):
    try:
        await call
    except KafkaError as error:
        equal(type(error).__name__, name, f"the error of {what}")
        return
    raise AssertionError(f"{what} was accepted")


async def until(condition, what):
    async def repeat():
        while not await condition():
            await asyncio.sleep(0.05)
    await asyncio.wait_for(repeat(), WAIT_SECONDS_MAX)


async def take(reader, count):
    async def repeat():
        return [await reader.getone() for _ in range(count)]
    return await asyncio.wait_for(repeat(), WAIT_SECONDS_MAX)


def values(count):
    return [f"value {number}".encode() for number in range(count)]


def compression(codec):
    async def both_ways(client):
        topic = await client.create()
        sent = values(500)
        await client.produce(topic, [{"value": value} for value in sent], compression_type=codec)
        equal([record.value for record in await client.read(topic, 500)], sent, "values")
    return check(both_ways)


compression_none, compression_gzip, compression_snappy, compression_lz4, compression_zstd = map(
    compression, [None, "gzip", "snappy", "lz4", "zstd"])


@check
async def record_fields(client):
    topic = await client.create()
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("missing", None)]
    await client.produce(topic, [
        {"key": b"key", "value": b"value", "headers": headers, "timestamp_ms": TIME + 123},
        {"key": b"", "value": b"", "timestamp_ms": TIME + 124},
        {"key": b"gone", "value": None, "timestamp_ms": TIME + 125},
    ])
    got = [(r.key, r.value, list(r.headers), r.timestamp) for r in await client.read(topic, 3)]
    equal(got[0], (b"key", b"value", headers, TIME + 123), "record 0")
    equal(got[1], (b"", b"", [], TIME + 124), "record 1")
    equal(got[2], (b"gone", None, [], TIME + 125), "record 2")


@check
async def order_per_key(client):
    topic = await client.create(partitions=4)
    await client.produce(topic, [{"key": b"%d" % (n % 100), "value": b"%d" % n} for n in range(10_000)])
    reader = await client.consumer(topic, group=fresh("g"))
    last = {}
    for record in await take(reader, 10_000):
        number = int(record.value)
        equal(last.get(record.key, number % 100 - 100), number - 100, f"the record before {number}")
        last[record.key] = number
    equal(len(last), 100, "keys")


@check
async def large_record(client):
    topic = await client.create()
    body = bytes(range(256)) * 3516
    await client.produce(topic, [{"value": body}])
    equal((await client.read(topic, 1))[0].value == body, True, "the same bytes")


@check
async def idempotence(client):
    topic = await client.create()
    offsets = await client.produce(topic, [{"value": value} for value in values(2000)], enable_idempotence=True)
    equal(offsets, list(range(2000)), "offsets")


@check
async def auto_create(client):
    topic = fresh("auto")
    await client.produce(topic, [{"value": b"first"}])
    equal(topic in await (await client.admin()).list_topics(), True, "the topic exists")


@check
async def seek(client):
    topic = await client.create()
    at = TopicPartition(topic, 0)
    await client.produce(topic, [{"value": b"%d" % n, "timestamp_ms": TIME + n} for n in range(100)])
    reader = await client.consumer()
    reader.assign([at])
    await take(reader, 100)
    reader.seek(at, 40)
    equal((await take(reader, 1))[0].value, b"40", "after seeking offset 40")
    reader.seek(at, (await reader.offsets_for_times({at: TIME + 70}))[at].offset)
    equal((await take(reader, 1))[0].value, b"70", "after seeking a time")
    await reader.seek_to_beginning(at)
    equal((await take(reader, 1))[0].value, b"0", "after seeking the beginning")


@check
async def group_resume(client):
    topic, group = await client.create(), fresh("g")
    at = TopicPartition(topic, 0)
    await client.produce(topic, [{"value": value} for value in values(100)])
    first = await client.consumer(topic, group=group)
    await take(first, 30)
    await first.commit({at: (30, "a note")})
    await first.stop()
    second = await client.consumer(topic, group=group)
    equal(await second.committed(at), 30, "committed")
    kept = await (await client.admin()).list_consumer_group_offsets(group)
    equal(kept[at], OffsetAndMetadata(30, "a note"), "committed, with its metadata")
    equal((await take(second, 1))[0].value, b"value 30", "the next record")


async def shares(readers, wanted):
    async def settled():
        return sorted(len(reader.assignment()) for reader in readers) == wanted
    await until(settled, f"shares of {wanted}")
    owned = [partition for reader in readers for partition in reader.assignment()]
    equal(len(owned), len(set(owned)), "partitions with one owner")


@check
async def group_rebalance(client):
    topic, group = await client.create(partitions=4), fresh("g")
    config = {"group": group, "partition_assignment_strategy": [RangePartitionAssignor], "heartbeat_interval_ms": 500}
    readers = await asyncio.gather(*(client.consumer(topic, **config) for _ in range(2)))
    await shares(readers, [2, 2])
    await readers[0].stop()
    await shares(readers[1:], [4])
    await client.produce(topic, [{"key": b"%d" % n, "value": b"%d" % n} for n in range(40)])
    await take(readers[1], 40)
    await readers[1].commit()


@check
async def group_static(client):
    topic, group = await client.create(partitions=4), fresh("g")
    async def member(name):
        config = {"group_instance_id": name, "session_timeout_ms": 30000, "heartbeat_interval_ms": 500}
        return await client.consumer(topic, group=group, **config)
    readers = list(await asyncio.gather(member("one"), member("two")))
    await shares(readers, [2, 2])
    before = readers[0].assignment()
    await readers[0].stop()
    await asyncio.sleep(1)
    equal(len(readers[1].assignment()), 2, "the other's share while the member is away")
    readers[0] = await member("one")
    await shares(readers, [2, 2])
    equal(readers[0].assignment(), before, "its share when it is back")


@check
async def admin_topics(client):
    topic, admin = await client.create(partitions=3), await client.admin()
    equal(len((await admin.describe_topics([topic]))[0]["partitions"]), 3, "partitions")
    async def create_again():
        refuse((await admin.create_topics([NewTopic(topic, 1, 1)])).topic_errors)
    await refused(create_again(), "TopicAlreadyExistsError", "a topic that exists")
    async def delete():
        refuse((await admin.delete_topics([topic])).topic_error_codes)
    await delete()
    async def is_gone():
        return topic not in await admin.list_topics()
    await until(is_gone, "the topic is gone")
    await refused(delete(), "UnknownTopicOrPartitionError", "deleting it twice")


async def retention(admin, topic):
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answers[0].resources[0][4]
    return {entry[0]: entry[1] for entry in entries}["retention.ms"]


@check
async def admin_configs(client):
    topic, admin = await client.create(config={"retention.ms": "1000000"}), await client.admin()
    equal(await retention(admin, topic), "1000000", "retention.ms")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "2000000"})
    equal((await admin.alter_configs([change]))[0].resources[0][0], 0, "error code of the change")
    equal(await retention(admin, topic), "2000000", "retention.ms, altered")


@check
async def unknown_config_refused(client):
    await refused(client.create(config={"no.such.config": "1"}), "InvalidConfigurationError", "an unknown config")


@check
async def admin_partitions(client):
    topic, admin = await client.create(partitions=2), await client.admin()
    await admin.create_partitions({topic: NewPartitions(5)})
    async def has_five():
        return len((await admin.describe_topics([topic]))[0]["partitions"]) == 5
    await until(has_five, "five partitions")
    await refused(admin.create_partitions({topic: NewPartitions(1)}), "InvalidPartitionsError", "fewer partitions")


@check
async def admin_delete_records(client):
    topic, admin = await client.create(), await client.admin()
    await client.produce(topic, [{"value": value} for value in values(100)])
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(60)})
    equal((await client.read(topic, 1))[0].offset, 60, "the first offset")


@check
async def admin_offsets(client):
    topic = await client.create()
    at = TopicPartition(topic, 0)
    for stamp in (1000, 3000, 2000):
        await client.produce(topic, [{"value": b"x", "timestamp_ms": TIME + stamp}])
    reader = await client.consumer()
    equal((await reader.beginning_offsets([at]))[at], 0, "earliest")
    equal((await reader.end_offsets([at]))[at], 3, "latest")
    equal((await reader.offsets_for_times({at: TIME + 1001}))[at].offset, 1, "by time")
    equal((await reader.offsets_for_times({at: TIME + 9000}))[at], None, "after the newest")


@check
async def admin_groups(client):
    topic, group, admin = await client.create(), fresh("g"), await client.admin()
    at = TopicPartition(topic, 0)
    await client.produce(topic, [{"value": value} for value in values(10)])
    reader = await client.consumer(topic, group=group)
    await take(reader, 10)
    await reader.commit()
    described = (await admin.describe_consumer_groups([group]))[0].groups[0]
    equal((described[2], len(described[5])), ("Stable", 1), "the group at work")
    await reader.stop()
    equal(group in [item[0] for item in await admin.list_consumer_groups()], True, "the group is listed")
    equal((await admin.list_consumer_group_offsets(group))[at].offset, 10, "committed")


@check
async def transactions_refused(client):
    producer = AIOKafkaProducer(bootstrap_servers=client.bootstrap, transactional_id=fresh("x"))
    try:
        await asyncio.wait_for(producer.start(), 20)
    except KafkaError:
        return
    finally:
        await producer.stop()
    raise AssertionError("a transaction was accepted")


if __name__ == "__main__":
    run("aiokafka", aiokafka.__version__, globals())
