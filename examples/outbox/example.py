"""Outbox: a change in a database and the message about it, both or neither.

The order and its message are rows of one transaction. A relay sends what is in the outbox and then
takes it out: when it dies in between, it sends again, and the receiver knows a message by its id.
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
TOPIC = f"orders-{uuid.uuid4().hex[:8]}"
PARTITIONS = 3
ORDERS, CUSTOMERS, BATCH = 600, 10, 50


def shop(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, customer TEXT, number INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS outbox (at INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, key TEXT, value TEXT)")
    return database


def take_order(database, customer, number, fails):
    """The shop's own work. It never talks to the broker, and works while the broker is away."""
    order = str(uuid.uuid4())
    database.execute("BEGIN")
    database.execute("INSERT INTO orders VALUES (?, ?, ?)", (order, customer, number))
    database.execute("INSERT INTO outbox (id, key, value) VALUES (?, ?, ?)",
                     (order, customer, json.dumps({"order": order, "number": number})))
    database.execute("ROLLBACK" if fails else "COMMIT")


class Died(Exception):
    """The relay's process ended."""


def relay(database, dies_after=None):
    """Sends what is in the outbox, oldest first, and takes out what is acknowledged."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 1})
    sent = 0
    while rows := database.execute(f"SELECT at, id, key, value FROM outbox ORDER BY at LIMIT {BATCH}").fetchall():
        for _, message_id, key, value in rows:
            producer.produce(TOPIC, key=key, value=value, headers={"id": message_id})
        assert producer.flush(30) == 0, "not everything was acknowledged"
        sent += len(rows)
        if dies_after is not None and sent >= dies_after:
            raise Died
        database.execute("DELETE FROM outbox WHERE at <= ?", (rows[-1][0],))
    return sent


def receive():
    """Reads all there is; acts on each message once and counts those it knew already."""
    consumer = Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    known, shipped, repeats, ended = set(), {}, 0, 0
    while ended < PARTITIONS:
        message = consumer.poll(30)
        assert message is not None, "the topic does not end"
        if message.error() is not None:
            assert message.error().name() == "_PARTITION_EOF", message.error()
            ended += 1
        elif (message_id := dict(message.headers())["id"]) in known:
            repeats += 1
        else:
            known.add(message_id)  # A receiver with a database keeps this beside what it does.
            shipped.setdefault(message.key().decode(), []).append(json.loads(message.value()))
    consumer.close()
    return shipped, repeats


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result()
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as directory:
        database = shop(os.path.join(directory, "shop.db"))
        database.execute("PRAGMA synchronous = OFF")  # Only to be quick: this example cuts no power.
        for number in range(ORDERS):
            take_order(database, f"customer-{number % CUSTOMERS}", number, fails=chance.random() < 0.2)
        kept = database.execute("SELECT id, customer, number FROM orders ORDER BY number").fetchall()

        try:
            relay(database, dies_after=200)
            raise AssertionError("the relay was to die")
        except Died:
            left = database.execute("SELECT count(*) FROM outbox").fetchone()[0]
        again = relay(database)
        assert again == left and database.execute("SELECT count(*) FROM outbox").fetchone()[0] == 0
        database.close()

    shipped, repeats = receive()
    assert repeats == BATCH, f"what was sent before the relay died was sent again: {repeats}"
    for customer in {customer for _, customer, _ in kept}:
        wanted = [{"order": order, "number": number} for order, whose, number in kept if whose == customer]
        assert shipped[customer] == wanted, f"{customer}: the orders that were kept, in their order"
    assert sum(map(len, shipped.values())) == len(kept)
    print(f"{ORDERS} orders were tried, {len(kept)} kept, and each of those was shipped once, in its customer's order")
    print(f"the relay died before it took {repeats} out, sent them again, and the receiver knew them")
    print("ok")


if __name__ == "__main__":
    main()
