"""confluent-kafka for Python (librdkafka)."""

import functools
import time

import confluent_kafka
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    ConsumerGroupState,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from harness import TIME, equal, fresh, refused, run, until


@functools.cache  # A client that nobody holds any more gives up its requests.
def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


def done(futures):
    """Waits for the futures of an admin call and returns their results by key."""
    return {key: future.result(timeout=30) for key, future in futures.items()}


def create(bootstrap, partitions=1, config=None, word="t"):
    topic = fresh(word)
    done(admin(bootstrap).create_topics([NewTopic(topic, partitions, 1, config=config or {})]))
    return topic


def produce(bootstrap, topic, records, **config):
    """Records are dicts of produce()'s arguments; returns their reports."""
    reports = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, **dotted(config)})

    def report(error, message):
        if error:
            raise KafkaException(error)
        reports.append((message.partition(), message.offset()))

    for record in records:
        producer.produce(topic, on_delivery=report, **record)
        producer.poll(0)
    equal(producer.flush(30), 0, "records left unsent")
    equal(len(reports), len(records), "delivery reports")
    return reports


def dotted(config):
    return {key.replace("_", "."): value for key, value in config.items()}


def consumer(bootstrap, group=None, **config):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group or fresh("g"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **dotted(config),
    })


def take(reader, count):
    taken = []
    def enough():
        message = reader.poll(0.2)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            taken.append(message)
        return len(taken) >= count
    until(enough, f"{count} records")
    return taken


def read(bootstrap, topic, count, partition=0):
    reader = consumer(bootstrap)
    reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    taken = take(reader, count)
    reader.close()
    return taken


def values(count, word="value"):
    return [f"{word} {number}".encode() for number in range(count)]


def compression(codec):
    def check(bootstrap):
        topic = create(bootstrap)
        sent = values(500)
        produce(bootstrap, topic, [{"value": value} for value in sent], compression_type=codec)
        equal([message.value() for message in read(bootstrap, topic, 500)], sent, "values")
    return check


compression_none, compression_gzip, compression_snappy, compression_lz4, compression_zstd = map(
    compression, ["none", "gzip", "snappy", "lz4", "zstd"])


def record_fields(bootstrap):
    topic = create(bootstrap)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("missing", None)]
    produce(bootstrap, topic, [
        {"key": b"key", "value": b"value", "headers": headers, "timestamp": TIME + 123},
        {"key": b"", "value": b"", "timestamp": TIME + 124},
        {"key": None, "value": None, "timestamp": TIME + 125},
    ])
    got = [(m.key(), m.value(), m.headers(), m.timestamp()[1]) for m in read(bootstrap, topic, 3)]
    equal(got[0], (b"key", b"value", headers, TIME + 123), "record 0")
    equal(got[1][:2] + got[1][3:], (b"", b"", TIME + 124), "record 1")
    equal(got[2][:2] + got[2][3:], (None, None, TIME + 125), "record 2")


def order_per_key(bootstrap):
    topic = create(bootstrap, partitions=4)
    produce(bootstrap, topic, [{"key": str(n % 100), "value": str(n)} for n in range(10_000)])
    reader = consumer(bootstrap)
    reader.subscribe([topic])
    last = {}
    for message in take(reader, 10_000):
        number = int(message.value())
        equal(last.get(message.key(), number % 100 - 100), number - 100, f"the record before {number}")
        last[message.key()] = number
    reader.close()
    equal(len(last), 100, "keys")


def large_record(bootstrap):
    topic = create(bootstrap)
    body = bytes(range(256)) * 3516
    produce(bootstrap, topic, [{"value": body}], compression_type="none")
    equal(read(bootstrap, topic, 1)[0].value() == body, True, "the same bytes")


def idempotence(bootstrap):
    topic = create(bootstrap)
    reports = produce(bootstrap, topic, [{"value": value} for value in values(2000)], enable_idempotence=True)
    equal([offset for _, offset in reports], list(range(2000)), "offsets")


def auto_create(bootstrap):
    topic = fresh("auto")
    produce(bootstrap, topic, [{"value": b"first"}])
    equal(topic in admin(bootstrap).list_topics(timeout=10).topics, True, "the topic exists")


def seek(bootstrap):
    topic = create(bootstrap)
    produce(bootstrap, topic, [{"value": str(n), "timestamp": TIME + n} for n in range(100)])
    reader = consumer(bootstrap)
    reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    take(reader, 100)
    reader.seek(TopicPartition(topic, 0, 40))
    equal(take(reader, 1)[0].value(), b"40", "after seeking offset 40")
    found = reader.offsets_for_times([TopicPartition(topic, 0, TIME + 70)], timeout=10)
    reader.seek(found[0])
    equal(take(reader, 1)[0].value(), b"70", "after seeking a time")
    reader.seek(TopicPartition(topic, 0, OFFSET_BEGINNING))
    equal(take(reader, 1)[0].value(), b"0", "after seeking the beginning")
    reader.close()


def group_resume(bootstrap):
    topic, group = create(bootstrap), fresh("g")
    produce(bootstrap, topic, [{"value": value} for value in values(100)])
    first = consumer(bootstrap, group)
    first.subscribe([topic])
    take(first, 30)
    first.commit(offsets=[TopicPartition(topic, 0, 30, "a note")], asynchronous=False)
    first.close()
    second = consumer(bootstrap, group)
    committed = second.committed([TopicPartition(topic, 0)], timeout=10)[0]
    equal((committed.offset, committed.metadata), (30, "a note"), "committed")
    second.subscribe([topic])
    equal(take(second, 1)[0].value(), b"value 30", "the next record")
    second.close()


def shares(readers, wanted):
    """Polls until the readers' shares have these sizes."""
    def settled():
        for reader in readers:
            reader.poll(0.1)
        return sorted(len(reader.assignment()) for reader in readers) == wanted
    until(settled, f"shares of {wanted}", 45)
    owned = [(p.topic, p.partition) for reader in readers for p in reader.assignment()]
    equal(len(owned), len(set(owned)), "partitions with one owner")


def rebalance(bootstrap, **config):
    topic, group = create(bootstrap, partitions=4), fresh("g")
    readers = [consumer(bootstrap, group, **config) for _ in range(2)]
    for reader in readers:
        reader.subscribe([topic])
    shares(readers, [2, 2])
    readers[0].close()
    shares(readers[1:], [4])
    produce(bootstrap, topic, [{"key": str(n), "value": str(n)} for n in range(40)])
    take(readers[1], 40)
    readers[1].commit(asynchronous=False)
    readers[1].close()


def group_rebalance(bootstrap):
    rebalance(bootstrap, partition_assignment_strategy="range")


def group_cooperative(bootstrap):
    rebalance(bootstrap, partition_assignment_strategy="cooperative-sticky")


def group_kip848(bootstrap):
    rebalance(bootstrap, group_protocol="consumer")


def group_static(bootstrap):
    topic, group = create(bootstrap, partitions=4), fresh("g")
    def member(name):
        reader = consumer(bootstrap, group, group_instance_id=name, session_timeout_ms=30000)
        reader.subscribe([topic])
        return reader
    readers = [member("one"), member("two")]
    shares(readers, [2, 2])
    before = sorted(p.partition for p in readers[0].assignment())
    readers[0].close()
    time.sleep(1)
    equal(len(readers[1].assignment()), 2, "the other's share while the member is away")
    readers[0] = member("one")
    shares(readers, [2, 2])
    equal(sorted(p.partition for p in readers[0].assignment()), before, "its share when it is back")
    for reader in readers:
        reader.close()


def admin_topics(bootstrap):
    topic, client = create(bootstrap, partitions=3), admin(bootstrap)
    described = done(client.describe_topics(TopicCollection([topic])))[topic]
    equal(len(described.partitions), 3, "partitions")
    error = refused(lambda: done(client.create_topics([NewTopic(topic, 1, 1)])), "a topic that exists")
    equal(error.args[0].name(), "TOPIC_ALREADY_EXISTS", "error")
    done(client.delete_topics([topic]))
    until(lambda: topic not in client.list_topics(timeout=10).topics, "the topic is gone")
    error = refused(lambda: done(client.delete_topics([topic])), "deleting it twice")
    equal(error.args[0].name(), "UNKNOWN_TOPIC_OR_PART", "error")


def config_of(client, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return done(client.describe_configs([resource]))[resource]


def admin_configs(bootstrap):
    topic, client = create(bootstrap, config={"retention.ms": "1000000"}), admin(bootstrap)
    equal(config_of(client, topic)["retention.ms"].value, "1000000", "retention.ms")
    equal(config_of(client, topic)["cleanup.policy"].is_default, True, "cleanup.policy is the default")
    change = ConfigEntry("retention.ms", "2000000", incremental_operation=AlterConfigOpType.SET)
    done(client.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])]))
    equal(config_of(client, topic)["retention.ms"].value, "2000000", "retention.ms, altered")


def unknown_config_refused(bootstrap):
    topic, client = NewTopic(fresh("t"), 1, 1, config={"no.such.config": "1"}), admin(bootstrap)
    error = refused(lambda: done(client.create_topics([topic])), "an unknown config")
    equal(error.args[0].name(), "INVALID_CONFIG", "error")


def admin_partitions(bootstrap):
    topic, client = create(bootstrap, partitions=2), admin(bootstrap)
    done(client.create_partitions([NewPartitions(topic, 5)]))
    until(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 5, "five partitions")
    error = refused(lambda: done(client.create_partitions([NewPartitions(topic, 1)])), "fewer partitions")
    equal(error.args[0].name(), "INVALID_PARTITIONS", "error")


def admin_delete_records(bootstrap):
    topic, client = create(bootstrap), admin(bootstrap)
    produce(bootstrap, topic, [{"value": value} for value in values(100)])
    done(client.delete_records([TopicPartition(topic, 0, 60)]))
    equal(read(bootstrap, topic, 1)[0].offset(), 60, "the first offset")


def admin_offsets(bootstrap):
    topic, client = create(bootstrap), admin(bootstrap)
    for stamp in (1000, 3000, 2000):
        produce(bootstrap, topic, [{"value": b"x", "timestamp": TIME + stamp}])
    def offset(spec):
        at = TopicPartition(topic, 0)
        return done(client.list_offsets({at: spec}))[at].offset
    equal(offset(OffsetSpec.earliest()), 0, "earliest")
    equal(offset(OffsetSpec.latest()), 3, "latest")
    equal(offset(OffsetSpec.for_timestamp(TIME + 1001)), 1, "by time")
    equal(offset(OffsetSpec.for_timestamp(TIME + 9000)), -1, "after the newest")
    equal(offset(OffsetSpec.max_timestamp()), 1, "newest timestamp")


def admin_groups(bootstrap):
    topic, group, client = create(bootstrap), fresh("g"), admin(bootstrap)
    produce(bootstrap, topic, [{"value": value} for value in values(10)])
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    take(reader, 10)
    reader.commit(asynchronous=False)
    described = client.describe_consumer_groups([group])[group].result(timeout=30)
    equal((described.state, len(described.members)), (ConsumerGroupState.STABLE, 1), "the group at work")
    refused(lambda: client.delete_consumer_groups([group])[group].result(timeout=30), "deleting a group at work")
    reader.close()
    listed = client.list_consumer_groups().result(timeout=30).valid
    equal(group in [item.group_id for item in listed], True, "the group is listed")
    def committed():
        wanted = [ConsumerGroupTopicPartitions(group)]
        found = client.list_consumer_group_offsets(wanted)[group].result(timeout=30)
        return [(p.topic, p.partition, p.offset) for p in found.topic_partitions]
    equal(committed(), [(topic, 0, 10)], "committed")
    back = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 4)])]
    client.alter_consumer_group_offsets(back)[group].result(timeout=30)
    equal(committed(), [(topic, 0, 4)], "rewound")
    client.delete_consumer_groups([group])[group].result(timeout=30)
    listed = client.list_consumer_groups().result(timeout=30).valid
    equal(group in [item.group_id for item in listed], False, "the group is listed")


def transactions_refused(bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": fresh("x"), "transaction.timeout.ms": 5000})
    refused(lambda: producer.init_transactions(20), "a transaction")


if __name__ == "__main__":
    run("confluent-kafka (Python)", confluent_kafka.__version__, globals())
