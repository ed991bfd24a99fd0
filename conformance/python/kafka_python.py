"""kafka-python."""

import threading
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from harness import TIME, equal, fresh, refused, run, until

EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3


def admin(bootstrap):
    return KafkaAdminClient(bootstrap_servers=bootstrap)


def create(bootstrap, partitions=1, configs=None):
    topic, client = fresh("t"), admin(bootstrap)
    wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": configs or {}}
    client.create_topics({topic: wanted})
    client.close()
    return topic


def produce(bootstrap, topic, records, **config):
    """Records are dicts of send()'s arguments; returns their offsets."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all", **config)
    futures = [producer.send(topic, **record) for record in records]
    producer.flush()
    offsets = [future.get(timeout=30).offset for future in futures]
    producer.close()
    return offsets


def consumer(bootstrap, group=None, **config):
    settings = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False, **config}
    return KafkaConsumer(bootstrap_servers=bootstrap, **settings)


def take(reader, count):
    taken = []
    def enough():
        for records in reader.poll(timeout_ms=200, max_records=count - len(taken)).values():
            taken.extend(records)
        return len(taken) >= count
    until(enough, f"{count} records")
    return taken


def read(bootstrap, topic, count):
    reader = consumer(bootstrap)
    reader.assign([TopicPartition(topic, 0)])
    taken = take(reader, count)
    reader.close()
    return taken


def values(count):
    return [f"value {number}".encode() for number in range(count)]


def compression(codec):
    def check(bootstrap):
        topic = create(bootstrap)
        sent = values(500)
        produce(bootstrap, topic, [{"value": value} for value in sent], compression_type=codec)
        equal([record.value for record in read(bootstrap, topic, 500)], sent, "values")
    return check


compression_none, compression_gzip, compression_snappy, compression_lz4, compression_zstd = map(
    compression, [None, "gzip", "snappy", "lz4", "zstd"])


def record_fields(bootstrap):
    topic = create(bootstrap)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b"")]
    produce(bootstrap, topic, [
        {"key": b"key", "value": b"value", "headers": headers, "timestamp_ms": TIME + 123},
        {"key": b"", "value": b"", "timestamp_ms": TIME + 124},
        {"key": b"gone", "value": None, "timestamp_ms": TIME + 125},
    ])
    got = [(r.key, r.value, list(r.headers), r.timestamp) for r in read(bootstrap, topic, 3)]
    equal(got[0], (b"key", b"value", headers, TIME + 123), "record 0")
    equal(got[1], (b"", b"", [], TIME + 124), "record 1")
    equal(got[2], (b"gone", None, [], TIME + 125), "record 2")


def order_per_key(bootstrap):
    topic = create(bootstrap, partitions=4)
    produce(bootstrap, topic, [{"key": b"%d" % (n % 100), "value": b"%d" % n} for n in range(10_000)])
    reader = consumer(bootstrap, fresh("g"))
    reader.subscribe([topic])
    last = {}
    for record in take(reader, 10_000):
        number = int(record.value)
        equal(last.get(record.key, number % 100 - 100), number - 100, f"the record before {number}")
        last[record.key] = number
    reader.close()
    equal(len(last), 100, "keys")


def large_record(bootstrap):
    topic = create(bootstrap)
    body = bytes(range(256)) * 3516
    produce(bootstrap, topic, [{"value": body}])
    equal(read(bootstrap, topic, 1)[0].value == body, True, "the same bytes")


def idempotence(bootstrap):
    topic = create(bootstrap)
    offsets = produce(bootstrap, topic, [{"value": value} for value in values(2000)], enable_idempotence=True)
    equal(offsets, list(range(2000)), "offsets")


def auto_create(bootstrap):
    topic, client = fresh("auto"), admin(bootstrap)
    produce(bootstrap, topic, [{"value": b"first"}])
    equal(topic in client.list_topics(), True, "the topic exists")


def seek(bootstrap):
    topic = create(bootstrap)
    at = TopicPartition(topic, 0)
    produce(bootstrap, topic, [{"value": b"%d" % n, "timestamp_ms": TIME + n} for n in range(100)])
    reader = consumer(bootstrap)
    reader.assign([at])
    take(reader, 100)
    reader.seek(at, 40)
    equal(take(reader, 1)[0].value, b"40", "after seeking offset 40")
    reader.seek(at, reader.offsets_for_times({at: TIME + 70})[at].offset)
    equal(take(reader, 1)[0].value, b"70", "after seeking a time")
    reader.seek_to_beginning(at)
    equal(take(reader, 1)[0].value, b"0", "after seeking the beginning")
    reader.close()


def group_resume(bootstrap):
    topic, group = create(bootstrap), fresh("g")
    at = TopicPartition(topic, 0)
    produce(bootstrap, topic, [{"value": value} for value in values(100)])
    first = consumer(bootstrap, group)
    first.subscribe([topic])
    take(first, 30)
    first.commit({at: OffsetAndMetadata(30, "a note", -1)})
    first.close()
    second = consumer(bootstrap, group)
    committed = second.committed(at, metadata=True)
    equal((committed.offset, committed.metadata), (30, "a note"), "committed")
    second.subscribe([topic])
    equal(take(second, 1)[0].value, b"value 30", "the next record")
    second.close()


class Member(threading.Thread):
    """A reader of a group with a thread of its own, as a program would have it.

    Its polls are long, and one follows the other at once: when a poll of kafka-python 3.0.12 ends
    while a join is under way, and the join ends before the next poll, the client drops the answer to
    its SyncGroup. It joins once more then, or, if it led the group, takes itself for joined and
    sends neither a heartbeat nor anything else. Two members polled in turn by one thread, 100 ms
    each, fall into that gap against any broker.
    """

    def __init__(self, bootstrap, topic, group, **config):
        super().__init__(daemon=True)
        self.reader = consumer(bootstrap, group, heartbeat_interval_ms=500, **config)
        self.reader.subscribe([topic])
        self.taken = []
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.is_set():
            for records in self.reader.poll(timeout_ms=2000).values():
                self.taken.extend(records)
        self.reader.close()

    def share(self):
        return {partition.partition for partition in self.reader.assignment()}

    def leave(self):
        self.stopped.set()
        self.join()


def shares(members, wanted):
    def settled():
        time.sleep(0.05)
        shares = [member.share() for member in members]
        return sorted(map(len, shares)) == wanted and len(set().union(*shares)) == 4
    until(settled, f"shares of {wanted}", 45)


def rebalance(bootstrap, assignor):
    topic, group = create(bootstrap, partitions=4), fresh("g")
    members = [Member(bootstrap, topic, group, partition_assignment_strategy=[assignor]) for _ in range(2)]
    shares(members, [2, 2])
    members[0].leave()
    shares(members[1:], [4])
    produce(bootstrap, topic, [{"key": b"%d" % n, "value": b"%d" % n} for n in range(40)])
    until(lambda: len(members[1].taken) == 40, "40 records")
    members[1].leave()


def group_rebalance(bootstrap):
    rebalance(bootstrap, RangePartitionAssignor)


def group_cooperative(bootstrap):
    rebalance(bootstrap, CooperativeStickyAssignor)


def group_static(bootstrap):
    topic, group = create(bootstrap, partitions=4), fresh("g")
    def member(name):
        return Member(bootstrap, topic, group, group_instance_id=name, session_timeout_ms=30000)
    members = [member("one"), member("two")]
    shares(members, [2, 2])
    before = members[0].share()
    members[0].leave()
    time.sleep(1)
    equal(len(members[1].share()), 2, "the other's share while the member is away")
    members[0] = member("one")
    shares(members, [2, 2])
    equal(members[0].share(), before, "its share when it is back")
    for one in members:
        one.leave()


def admin_topics(bootstrap):
    topic, client = create(bootstrap, partitions=3), admin(bootstrap)
    equal(len(client.describe_topics([topic])[0]["partitions"]), 3, "partitions")
    equal(topic in client.list_topics(), True, "the topic is listed")
    again = {topic: {"num_partitions": 1, "replication_factor": 1}}
    error = refused(lambda: client.create_topics(again), "a topic that exists")
    equal(type(error).__name__, "TopicAlreadyExistsError", "error")
    client.delete_topics([topic])
    until(lambda: topic not in client.list_topics(), "the topic is gone")
    error = refused(lambda: client.delete_topics([topic]), "deleting it twice")
    equal(type(error).__name__, "UnknownTopicOrPartitionError", "error")


def retention(client, topic):
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic)]
    return client.describe_configs(wanted, config_filter="all")["topic"][topic]["retention.ms"]["value"]


def admin_configs(bootstrap):
    topic, client = create(bootstrap, configs={"retention.ms": "1000000"}), admin(bootstrap)
    equal(str(retention(client, topic)), "1000000", "retention.ms")
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "2000000"})])
    equal(str(retention(client, topic)), "2000000", "retention.ms, altered")


def unknown_config_refused(bootstrap):
    error = refused(lambda: create(bootstrap, configs={"no.such.config": "1"}), "an unknown config")
    equal(type(error).__name__, "InvalidConfigurationError", "error")


def admin_partitions(bootstrap):
    topic, client = create(bootstrap, partitions=2), admin(bootstrap)
    client.create_partitions({topic: 5})
    until(lambda: len(client.describe_topics([topic])[0]["partitions"]) == 5, "five partitions")
    error = refused(lambda: client.create_partitions({topic: 1}), "fewer partitions")
    equal(type(error).__name__, "InvalidPartitionsError", "error")


def admin_delete_records(bootstrap):
    topic, client = create(bootstrap), admin(bootstrap)
    produce(bootstrap, topic, [{"value": value} for value in values(100)])
    client.delete_records({TopicPartition(topic, 0): 60})
    equal(read(bootstrap, topic, 1)[0].offset, 60, "the first offset")


def admin_offsets(bootstrap):
    topic, client = create(bootstrap), admin(bootstrap)
    at = TopicPartition(topic, 0)
    for stamp in (1000, 3000, 2000):
        produce(bootstrap, topic, [{"value": b"x", "timestamp_ms": TIME + stamp}])
    def offset(spec):
        return client.list_partition_offsets({at: spec})[at].offset
    equal(offset(EARLIEST), 0, "earliest")
    equal(offset(LATEST), 3, "latest")
    equal(offset(TIME + 1001), 1, "by time")
    equal(offset(TIME + 9000), -1, "after the newest")
    equal(offset(MAX_TIMESTAMP), 1, "newest timestamp")


def admin_groups(bootstrap):
    topic, group, client = create(bootstrap), fresh("g"), admin(bootstrap)
    at = TopicPartition(topic, 0)
    produce(bootstrap, topic, [{"value": value} for value in values(10)])
    reader = consumer(bootstrap, group)
    reader.subscribe([topic])
    take(reader, 10)
    reader.commit()
    described = client.describe_groups([group])[group]
    equal((described["group_state"], len(described["members"])), ("Stable", 1), "the group at work")
    equal(client.delete_groups([group])[group], "NonEmptyGroupError", "deleting a group at work")
    reader.close()
    def is_listed():
        return any(item["group_id"] == group for item in client.list_groups())
    equal(is_listed(), True, "the group is listed")
    def committed():
        return client.list_group_offsets(group)[group].get(at)
    equal(committed().offset, 10, "committed")
    client.alter_group_offsets(group, {at: OffsetAndMetadata(4, "", -1)})
    equal(committed().offset, 4, "rewound")
    client.delete_group_offsets(group, [at])
    equal(committed(), None, "offsets deleted")
    client.delete_groups([group])
    equal(is_listed(), False, "the group is listed")


def transactions_refused(bootstrap):
    def begin():
        producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=fresh("x"), max_block_ms=15000)
        producer.init_transactions()
    equal(isinstance(refused(begin, "a transaction"), KafkaError), True, "an error of the client's own")


if __name__ == "__main__":
    run("kafka-python", kafka.__version__, globals())
