"""Choreography: services that know each other's events, and nobody who conducts.

An order is placed; payment takes the money or refuses; shipping sends it or has none; payment gives
the money back. Each service reacts to events with events, and tells in each why: by that, one that
died half way knows after its restart what it has done.
"""

import json
import random
import sys
import threading
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
RUN = uuid.uuid4().hex[:8]
EVENTS = f"shop-{RUN}"
PARTITIONS, ORDERS = 3, 300


class Service:
    """Reacts to events. Its group's offsets say how far it has come, its own events what it has done."""

    def __init__(self, name, reactions):
        self.name, self.reactions = name, reactions
        self.stopped, self.dies_after = threading.Event(), None
        self.skipped, self.error = 0, None
        self.start()

    def start(self):
        self.stopped.clear()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.serve({event["because"] for event in history() if event["by"] == self.name})
        except Exception as error:
            self.error = error

    def serve(self, done):
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 1})
        consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP,
            "group.id": f"{self.name}-{RUN}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })
        consumer.subscribe([EVENTS])
        reacted = 0
        while not self.stopped.is_set():
            events = [json.loads(message.value()) for message in consumer.consume(20, timeout=0.1)]
            for event in [event for event in events if event["kind"] in self.reactions]:
                if event["id"] in done:
                    self.skipped += 1
                    continue
                say(producer, self.name, self.reactions[event["kind"]](event["order"]), event["order"], event["id"])
                done.add(event["id"])
                reacted += 1
            assert producer.flush(30) == 0, "not everything was acknowledged"
            if self.dies_after is not None and reacted >= self.dies_after:
                break  # Between what it did and its note of having done it.
            if events:
                consumer.commit(asynchronous=False)
        consumer.close()

    def end(self):
        self.stopped.set()
        self.thread.join()
        assert self.error is None, self.error


def say(producer, by, kind, order, because=None):
    event = {"id": str(uuid.uuid4()), "kind": kind, "order": order, "by": by, "because": because}
    producer.produce(EVENTS, key=order["id"], value=json.dumps(event))


def history():
    """All that has happened until now."""
    consumer = Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
    })
    consumer.assign([TopicPartition(EVENTS, partition, 0) for partition in range(PARTITIONS)])
    events, ended = [], set()
    while len(ended) < PARTITIONS:
        message = consumer.poll(30)
        assert message is not None, "the topic does not end"
        if message.error() is None:
            events.append(json.loads(message.value()))
        else:
            assert message.error().name() == "_PARTITION_EOF", message.error()
            ended.add(message.partition())
    consumer.close()
    return events


def take_money(order):
    return "payment refused" if order["price"] > 900 else "paid"


def ship(order):
    return "out of stock" if order["article"] == "rare" else "shipped"


def expected(order):
    """What is to come of an order, and by which way."""
    if take_money(order) == "payment refused":
        return ["placed", "payment refused"]
    if ship(order) == "out of stock":
        return ["placed", "paid", "out of stock", "money returned"]
    return ["placed", "paid", "shipped"]


def wait_until_all_is_over(orders):
    wanted = sum(len(expected(order)) for order in orders)
    for _ in range(300):
        if len(events := history()) >= wanted:
            return events
        threading.Event().wait(0.1)
    raise AssertionError(f"{len(events)} events of {wanted}")


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(EVENTS, PARTITIONS, config={"retention.ms": "-1"})])[EVENTS].result()
    chance, orders = random.Random(2), []
    for number in range(ORDERS):
        article = chance.choice(["common", "common", "rare"])
        orders.append({"id": f"order-{number}", "article": article, "price": chance.randrange(1000)})

    payment = Service("payment", {"placed": take_money, "out of stock": lambda order: "money returned"})
    payment.dies_after = 100
    shipping = Service("shipping", {"paid": ship})
    try:
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
        for order in orders:
            say(producer, "shop", "placed", order)
        assert producer.flush(30) == 0, "not everything was acknowledged"
        payment.thread.join()
        payment.dies_after = None
        payment.start()
        events = wait_until_all_is_over(orders)
    finally:
        payment.end()
        shipping.end()

    assert payment.skipped > 0, "the service that died met some events again"
    told = {}
    for event in events:
        told.setdefault(event["order"]["id"], []).append(event["kind"])
    assert told == {order["id"]: expected(order) for order in orders}, "each order went its way, each step once"
    ends = [kinds[-1] for kinds in told.values()]
    print(", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends))))
    print(f"payment died, met {payment.skipped} events again, and took nobody's money twice")
    print("ok")


if __name__ == "__main__":
    main()
