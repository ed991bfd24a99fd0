"""Publish-subscribe: every subscription gets every message, however many share the work in it."""

import sys
import threading
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
TOPIC = f"prices-{uuid.uuid4().hex[:8]}"
PARTITIONS = 6
SHARES = [f"share-{n}" for n in range(40)]
PRICES = [(share, f"{share} costs {price}") for price in range(25) for share in SHARES]


class Subscription:
    """A consumer group. Each member is a thread here; it could as well be a machine."""

    def __init__(self, name, members):
        self.name = f"{name}-{TOPIC}"
        self.owned = [0] * members
        self.seen = [[] for _ in range(members)]
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.read, args=(n,)) for n in range(members)]
        for thread in self.threads:
            thread.start()

    def read(self, member):
        consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP,
            "group.id": self.name,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 300,
        })
        consumer.subscribe([TOPIC])
        while not self.done.is_set():
            message = consumer.poll(0.1)
            self.owned[member] = len(consumer.assignment())
            if message is not None and message.error() is None:
                self.seen[member].append(message.value().decode())
        consumer.close()

    def wait(self, condition, what):
        for _ in range(600):
            if condition():
                return
            self.done.wait(0.05)
        raise AssertionError(f"{self.name}: {what} did not come true")

    def received(self):
        return [value for seen in self.seen for value in seen]

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.join()


def publish():
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
    for share, price in PRICES:
        producer.produce(TOPIC, key=share, value=price)
    assert producer.flush(30) == 0, "not everything was acknowledged"


def check(subscription):
    """Everything arrived once, and what is said of one share arrived in its order, at one member."""
    subscription.wait(lambda: len(subscription.received()) >= len(PRICES), "everything arrives")
    assert sorted(subscription.received()) == sorted(price for _, price in PRICES)
    for share in SHARES:
        told = [price for key, price in PRICES if key == share]
        heard = [[price for price in seen if price.startswith(f"{share} ")] for seen in subscription.seen]
        assert told in heard, f"{share} was not heard in order"


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result()
    audit, billing = Subscription("audit", members=1), Subscription("billing", members=3)
    subscriptions = [audit, billing]
    try:
        audit.wait(lambda: audit.owned == [6], "the one member has every partition")
        billing.wait(lambda: billing.owned == [2, 2, 2], "three members share the partitions")
        publish()
        check(audit)
        check(billing)
        print(f"audit and billing got {len(PRICES)} messages each; billing's members "
              f"{', '.join(str(len(seen)) for seen in billing.seen)}")
        late = Subscription("late", members=1)
        subscriptions.append(late)
        check(late)
        print("a subscription that came later got them all too")
    finally:
        for subscription in subscriptions:
            subscription.end()
    print("ok")


if __name__ == "__main__":
    main()
