"""CQRS: commands are decided on one side, and read from views that follow the events on the other.

The view is a table in SQLite. It keeps the offsets it has read in the same transaction as what
they changed, so it counts each event once, whenever it is killed.
"""

import json
import os
import random
import sqlite3
import sys
import tempfile
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
EVENTS = f"stock-events-{uuid.uuid4().hex[:8]}"
PARTITIONS = 4
ARTICLES = [f"article-{n}" for n in range(20)]


class Refused(Exception):
    """The command is against a rule."""


class Commands:
    """The side that decides. It knows what it needs for its one rule: nothing is sold that is not there."""

    def __init__(self):
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
        self.there = dict.fromkeys(ARTICLES, 0)

    def handle(self, article, change):
        if self.there[article] + change < 0:
            raise Refused(f"{article}: {-change} wanted, {self.there[article]} there")
        self.there[article] += change
        self.producer.produce(EVENTS, key=article, value=json.dumps({"change": change}))

    def flush(self):
        assert self.producer.flush(30) == 0, "not everything was acknowledged"


class View:
    """The side that answers questions: a table that follows the events."""

    def __init__(self, path, schema, change):
        self.change = change
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute(schema)
        self.database.execute("CREATE TABLE IF NOT EXISTS offsets (partition INTEGER PRIMARY KEY, next INTEGER)")
        known = dict(self.database.execute("SELECT partition, next FROM offsets"))
        self.consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP,
            "group.id": "unused",  # No offset is committed: the table keeps them.
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        })
        self.consumer.assign([TopicPartition(EVENTS, p, known.get(p, 0)) for p in range(PARTITIONS)])

    def follow(self, events_max):
        """Takes what there is, but no more than so many events; returns how many it took."""
        taken, ended = 0, set()
        while taken < events_max and len(ended) < PARTITIONS:
            messages = self.consumer.consume(min(100, events_max - taken), timeout=0.2)
            ended.update(message.partition() for message in messages if message.error() is not None)
            events = [message for message in messages if message.error() is None]
            self.begin(events)
            self.database.execute("COMMIT")
            taken += len(events)
        return taken

    def begin(self, events):
        """What the events change and how far they go belongs to one transaction."""
        self.database.execute("BEGIN")
        for event in events:
            self.change(self.database, event.key().decode(), json.loads(event.value())["change"])
            at = (event.partition(), event.offset() + 1)
            self.database.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", at)

    def die_in_the_middle(self):
        """Some events are half taken when the process ends."""
        events = []
        while not events:
            events = [event for event in self.consumer.consume(100, timeout=1) if event.error() is None]
        self.begin(events)
        self.close()

    def close(self):
        self.consumer.close()
        self.database.close()


def stock(path):
    def change(database, article, change):
        database.execute(
            "INSERT INTO stock VALUES (?1, ?2) ON CONFLICT (article) DO UPDATE SET there = there + ?2", (article, change))
    return View(path, "CREATE TABLE IF NOT EXISTS stock (article TEXT PRIMARY KEY, there INTEGER)", change)


def best_sellers(path):
    def change(database, article, change):
        database.execute(
            "INSERT INTO sold VALUES (?1, ?2) ON CONFLICT (article) DO UPDATE SET sold = sold + ?2",
            (article, max(0, -change)))
    return View(path, "CREATE TABLE IF NOT EXISTS sold (article TEXT PRIMARY KEY, sold INTEGER)", change)


def trade(commands, chance, count):
    """Makes so many changes; returns what was sold of each article, and how many commands were refused."""
    sold, refused, made = dict.fromkeys(ARTICLES, 0), 0, 0
    while made < count:
        article, change = chance.choice(ARTICLES), chance.randrange(-30, 25)
        try:
            commands.handle(article, change)
            made, sold[article] = made + 1, sold[article] + max(0, -change)
        except Refused:
            refused += 1
    commands.flush()
    return sold, refused


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(EVENTS, PARTITIONS, config={"retention.ms": "-1"})])[EVENTS].result()
    commands = Commands()
    sold, refused = trade(commands, random.Random(3), 3000)
    assert refused > 0, "the rule never mattered"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "stock.db")
        view, before = stock(path), 1000
        assert view.follow(before) == before
        view.die_in_the_middle()
        view = stock(path)
        after = view.follow(10_000)
        assert before + after == 3000, f"{before} and {after} events"
        there = dict(view.database.execute("SELECT article, there FROM stock"))
        assert there == commands.there, "the view agrees with the side that decides"
        view.close()
        print(f"the view died after {before} events, took {after} more, and counted each of them once")

        another = best_sellers(os.path.join(directory, "sold.db"))
        another.follow(10_000)
        assert dict(another.database.execute("SELECT article, sold FROM sold")) == sold
        another.close()
        print("a view that nobody had thought of was built from the same events")
    print(f"{refused} commands were refused, and no event tells of them")
    print("ok")


if __name__ == "__main__":
    main()
