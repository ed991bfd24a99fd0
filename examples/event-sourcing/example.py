"""Event sourcing: what happened is kept, and the state is what it adds up to.

Snapshots go to a compacted topic: a restart reads the newest of each partition, and then only the
events after it.
"""

import json
import random
import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
RUN = uuid.uuid4().hex[:8]
EVENTS, SNAPSHOTS = f"account-events-{RUN}", f"account-snapshots-{RUN}"
PARTITIONS = 3
ACCOUNTS = [f"account-{n}" for n in range(30)]


def apply(balances, account, event):
    """What an event does to the balances."""
    if event["kind"] == "closed":
        del balances[account]
    else:
        sign = -1 if event["kind"] == "withdrawn" else 1
        balances[account] = balances.get(account, 0) + sign * event["amount"]


def read(topic, offsets):
    """Every record from these offsets, one for each partition, up to where the partitions end now."""
    consumer = Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "unused",  # No offset is committed.
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
    })
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in enumerate(offsets)])
    open_partitions = len(offsets)
    while open_partitions > 0:
        message = consumer.poll(30)
        assert message is not None, f"{topic} does not end"
        if message.error() is None:
            yield message
        else:
            assert message.error().name() == "_PARTITION_EOF", message.error()
            open_partitions -= 1
    consumer.close()


class Service:
    """Holds the state of all accounts, and nothing that it could not build again."""

    def __init__(self, from_snapshots):
        self.partitions = [{"next": 0, "balances": {}} for _ in range(PARTITIONS)]
        self.replayed = 0
        if from_snapshots:
            for message in read(SNAPSHOTS, [0]):
                self.partitions[int(message.key())] = json.loads(message.value())
        for message in read(EVENTS, [partition["next"] for partition in self.partitions]):
            partition = self.partitions[message.partition()]
            apply(partition["balances"], message.key().decode(), json.loads(message.value()))
            partition["next"] = message.offset() + 1
            self.replayed += 1

    def balances(self):
        return {account: balance for p in self.partitions for account, balance in p["balances"].items()}

    def snapshot(self, producer):
        """A record holds the state of one partition and the offset that it goes up to: never one without the other."""
        for number, partition in enumerate(self.partitions):
            producer.produce(SNAPSHOTS, key=str(number), value=json.dumps(partition))
        flush(producer)


def flush(producer):
    assert producer.flush(30) == 0, "not everything was acknowledged"


def live(producer, chance, balances, steps):
    """Things happen to the accounts: each is an event, and goes where its account's events go."""
    for _ in range(steps):
        account = chance.choice(ACCOUNTS)
        if account not in balances:
            event = {"kind": "opened", "amount": 0}
        elif chance.random() < 0.02:
            event = {"kind": "closed"}
        else:
            event = {"kind": chance.choice(["deposited", "deposited", "withdrawn"]), "amount": chance.randrange(100)}
        producer.produce(EVENTS, key=account, value=json.dumps(event))
        apply(balances, account, event)
    flush(producer)


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for created in admin.create_topics([
        NewTopic(EVENTS, PARTITIONS, config={"retention.ms": "-1"}),
        NewTopic(SNAPSHOTS, 1, config={"cleanup.policy": "compact"}),
    ]).values():
        created.result()
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
    chance, truth = random.Random(7), {}

    for _ in range(3):
        live(producer, chance, truth, steps=2000)
        Service(from_snapshots=True).snapshot(producer)
    live(producer, chance, truth, steps=500)

    full, quick = Service(from_snapshots=False), Service(from_snapshots=True)
    assert full.balances() == truth, "all events add up to the state"
    assert quick.balances() == truth, "so do the snapshots and the events after them"
    assert (full.replayed, quick.replayed) == (6500, 500), (full.replayed, quick.replayed)
    print(f"{len(truth)} accounts: the same from all {full.replayed} events and from snapshots and {quick.replayed} events")

    # A question that nobody had when the events were written.
    closed = [m.key().decode() for m in read(EVENTS, [0] * PARTITIONS) if json.loads(m.value())["kind"] == "closed"]
    assert len(closed) > 0
    print(f"accounts were closed {len(closed)} times, as their history tells")
    print("ok")


if __name__ == "__main__":
    main()
