"""Windowed aggregation: averages per sensor and minute, by the time at which things were measured.

A partition's clock is the newest time seen in it. A window closes when the clock is past its end and
the grace; what comes later goes to a topic of its own. All follows from the log alone, so that a
worker that takes over from a dead one comes to the same results.
"""

import json
import random
import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
RUN = uuid.uuid4().hex[:8]
MEASURED, AVERAGES, LATE = f"measured-{RUN}", f"averages-{RUN}", f"late-{RUN}"
GROUP = f"averages-{RUN}"
PARTITIONS, SENSORS = 3, 9
MINUTE, GRACE = 60_000, 20_000
START = 1_700_000_040_000
COMMIT_EVERY = 200


class Partition:
    """The open windows of one partition."""

    def __init__(self, clock=0, next_offset=0):
        self.clock, self.next, self.windows = clock, next_offset, {}

    def take(self, message):
        """Returns what this record closes, and whether it came too late itself."""
        _, time = message.timestamp()
        start = time - time % MINUTE
        closed_before = self.is_closed(start)
        late = closed_before and message.offset() >= self.next  # Others are read again, and known.
        self.next = max(self.next, message.offset() + 1)
        if not closed_before:
            key = (start, message.key().decode())
            window = self.windows.setdefault(key, {"count": 0, "sum": 0, "first": message.offset()})
            window["count"] += 1
            window["sum"] += json.loads(message.value())
        self.clock = max(self.clock, time)
        closed = [key for key in self.windows if self.is_closed(key[0])]
        return [(key, self.windows.pop(key)) for key in closed], late

    def is_closed(self, start):
        return start + MINUTE + GRACE <= self.clock

    def resume_at(self):
        """The first record that an open window needs."""
        return min((window["first"] for window in self.windows.values()), default=self.next)


class Worker:
    """Goes on where the group's committed offsets are. Beside each stands the clock of that time and
    how far it had read: that tells what of the records that it reads again has had its effect."""

    def __init__(self):
        self.consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        })
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
        known = self.consumer.committed([TopicPartition(MEASURED, p) for p in range(PARTITIONS)], timeout=30)
        self.partitions = [Partition(*map(int, (at.metadata or "0 0").split())) for at in known]
        self.consumer.assign([TopicPartition(MEASURED, at.partition, max(at.offset, 0)) for at in known])

    def work(self, records_max):
        taken, ended = 0, set()
        while taken < records_max and len(ended) < PARTITIONS:
            message = self.consumer.poll(30)
            assert message is not None, "the topic does not end"
            if message.error() is not None:
                assert message.error().name() == "_PARTITION_EOF", message.error()
                ended.add(message.partition())
                continue
            self.take(message)
            taken += 1
            if taken % COMMIT_EVERY == 0:
                self.commit()
        return taken

    def take(self, message):
        closed, late = self.partitions[message.partition()].take(message)
        for (start, sensor), window in closed:
            average = {"count": window["count"], "average": window["sum"] / window["count"]}
            self.producer.produce(AVERAGES, key=f"{sensor} {start}", value=json.dumps(average))
        if late:
            self.producer.produce(LATE, key=f"{message.partition()} {message.offset()}", value=message.value())

    def commit(self):
        """First the results, then the offsets: a result may be written twice, and is the same both times."""
        assert self.producer.flush(30) == 0, "not everything was acknowledged"
        self.consumer.commit(asynchronous=False, offsets=[
            TopicPartition(MEASURED, number, partition.resume_at(), f"{partition.clock} {partition.next}")
            for number, partition in enumerate(self.partitions) if partition.next > 0])

    def die(self):
        self.producer.flush(30)  # What it wrote may be there; what it remembers is gone.
        self.consumer.close()


def measure(chance):
    """Ten minutes of measurements, some a little out of order, a few very late; returns what is to come of them."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
    windows, late = {}, 0
    for second in range(600):
        for sensor in range(SENSORS):
            name, value, time = f"sensor-{sensor}", chance.randrange(100), START + second * 1000
            if second > 200 and chance.random() < 0.005:
                time, late = time - 150_000, late + 1
            else:
                time -= chance.randrange(GRACE // 2)
                windows.setdefault(f"{name} {time - time % MINUTE}", []).append(value)
            producer.produce(MEASURED, key=name, value=str(value), partition=sensor % PARTITIONS, timestamp=time)
    for partition in range(PARTITIONS):  # The clock runs on, which closes the last windows.
        producer.produce(MEASURED, key="end", value="0", partition=partition, timestamp=START + 3_600_000)
    assert producer.flush(30) == 0, "not everything was acknowledged"
    return {key: {"count": len(of), "average": sum(of) / len(of)} for key, of in windows.items()}, late


def read(topic):
    """What a compacted topic says: the newest value of each key, and how many records there are."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, records = {}, 0
    while (message := consumer.poll(30)).error() is None:
        values[message.key().decode()], records = json.loads(message.value()), records + 1
    consumer.close()
    return values, records


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    compact = {"cleanup.policy": "compact"}
    for created in admin.create_topics([
        NewTopic(MEASURED, PARTITIONS, config={"retention.ms": "-1"}),
        NewTopic(AVERAGES, 1, config=compact),
        NewTopic(LATE, 1, config=compact),
    ]).values():
        created.result()
    wanted, late_wanted = measure(random.Random(11))
    assert late_wanted > 0

    worker = Worker()
    before = worker.work(2_500)
    worker.die()
    worker = Worker()
    after = worker.work(1_000_000)
    worker.commit()
    worker.die()
    assert before + after > 600 * SENSORS, "some records were read twice"

    averages, records = read(AVERAGES)
    assert averages == wanted, "each sensor's average of each minute"
    late, _ = read(LATE)
    assert len(late) == late_wanted, "what came too late"
    print(f"{len(averages)} averages of {600 * SENSORS - late_wanted} measurements; {late_wanted} came too late")
    print(f"a worker died; the next one read {before + after - 600 * SENSORS - PARTITIONS} records again "
          f"and wrote {records - len(averages)} results a second time, unchanged")
    print("ok")


if __name__ == "__main__":
    main()
