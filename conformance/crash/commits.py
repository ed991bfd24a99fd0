"""Reads a topic in a group of two and commits as it goes, through every death of the broker.

    commits.py BOOTSTRAP TOPIC

An offset whose commit was acknowledged is not taken back: whoever asks later, and whoever gets the
partition later, is told that one or one behind it, and never one that nobody wanted to commit. What
is read in between has no gaps. SIGTERM ends it; then one line of JSON says how it was.
"""

import json
import signal
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

MEMBERS = 2
COMMIT_SECONDS = 0.2


class Book:
    """What was asked for and what was acknowledged, by partition."""

    def __init__(self):
        self.lock = threading.Lock()
        self.wanted, self.acknowledged = {}, {}
        self.read, self.commits, self.failed, self.asked, self.returned = 0, 0, 0, 0, 0
        self.complaints = []

    def snapshot(self):
        with self.lock:
            return dict(self.acknowledged)

    def complain(self, text):
        with self.lock:
            self.returned += " again" in text
            self.complaints.append(text)


def consumer(bootstrap):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "crash-commits",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 500,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "socket.timeout.ms": 4_000,
        "log_level": 2,
    })


def member(bootstrap, topic, book, stopped):
    one, begins, expected = consumer(bootstrap), {}, {}

    def assigned(_, partitions):
        known = book.snapshot()
        begins.clear()
        expected.clear()
        begins.update({place.partition: known.get(place.partition, 0) for place in partitions})

    one.subscribe([topic], on_assign=assigned)
    commit_at = time.monotonic() + COMMIT_SECONDS
    while not stopped.is_set():
        # One by one: of many at once, some may be of before the partitions were given out again.
        message = one.poll(0.1)
        if message is not None and message.error() is None:
            note(message, book, begins, expected)
        if time.monotonic() >= commit_at:
            commit(one, topic, book, expected)
            commit_at = time.monotonic() + COMMIT_SECONDS
    one.close()


def note(message, book, begins, expected):
    partition, offset = message.partition(), message.offset()
    if partition in expected:
        if offset != expected[partition]:
            book.complain(f"partition {partition}: {offset} follows {expected[partition] - 1}")
    elif partition in begins:
        with book.lock:
            wanted = book.wanted.get(partition, 0)
        if offset < begins[partition]:
            book.complain(f"partition {partition}: {offset} is given again, {begins[partition]} was committed")
        if offset > wanted:
            book.complain(f"partition {partition}: {offset} is given first, nobody wanted more than {wanted}")
    expected[partition] = offset + 1
    with book.lock:
        book.read += 1


def commit(one, topic, book, expected):
    places = [TopicPartition(topic, partition, offset) for partition, offset in expected.items()]
    if not places:
        return
    with book.lock:
        book.wanted.update({at.partition: max(at.offset, book.wanted.get(at.partition, 0)) for at in places})
    try:
        done = one.commit(offsets=places, asynchronous=False)
    except KafkaException:
        with book.lock:
            book.failed += 1
        return
    with book.lock:
        for at in done:
            if at.error is None:
                book.commits += 1
                book.acknowledged[at.partition] = max(at.offset, book.acknowledged.get(at.partition, 0))


def ask(bootstrap, topic, partitions, book, stopped):
    one = consumer(bootstrap)
    while not stopped.wait(0.1):
        known = book.snapshot()
        try:
            told = one.committed([TopicPartition(topic, partition) for partition in partitions], timeout=10)
        except KafkaException:
            with book.lock:
                book.failed += 1
            continue
        with book.lock:
            book.asked += 1
        for at in told:
            if at.error is None and at.offset < known.get(at.partition, -2_000):
                book.complain(f"partition {at.partition}: {at.offset} is told again, {known[at.partition]} was committed")
    one.close()


def guard(book, target, args):
    try:
        target(*args)
    except Exception as error:  # Told below, with all else.
        book.complain(f"{target.__name__}: {error!r}")


def main(bootstrap, topic):
    stopped, book = threading.Event(), Book()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    first = consumer(bootstrap)
    partitions = sorted(first.list_topics(topic, timeout=60).topics[topic].partitions)
    first.close()
    work = [(member, (bootstrap, topic, book, stopped))] * MEMBERS
    work.append((ask, (bootstrap, topic, partitions, book, stopped)))
    threads = [threading.Thread(target=guard, args=(book, target, args)) for target, args in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({
        "read": book.read,
        "commits": book.commits,
        "asked": book.asked,
        "failed": book.failed,
        "returned": book.returned,
        "complaints": book.complaints[:10],
    }), flush=True)
    sys.exit(1 if book.complaints else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
