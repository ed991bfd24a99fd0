"""Uses a broker whose disk is too small.

    full.py BOOTSTRAP fill|use|again

`fill` appends numbered records until one is refused. `use`: all that is acknowledged is read,
offsets are committed, topics are created and deleted, appends are refused as soon as nothing
fits. `again`: the room of the deleted topic takes records.
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC, OTHER = "fill", "other"
PARTITIONS = 4
PADDING = "x" * 10_000
DEADLINE_SECONDS = 120


def produce(bootstrap, topic, count_max):
    """Produces until something is refused; returns how many were taken, and the errors' names."""
    acknowledged, errors = [], set()

    def report(error, message):
        if error:
            errors.add(error.name())
        else:
            acknowledged.append(message.offset())

    # Without retries the broker's own error comes through.
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "retries": 0, "log_level": 2})
    number, deadline = 0, time.monotonic() + DEADLINE_SECONDS
    while number < count_max and not errors and time.monotonic() < deadline:
        try:
            producer.produce(topic, value=f"{number:012d}{PADDING}", on_delivery=report, partition=number % PARTITIONS)
            number += 1
        except BufferError:
            producer.poll(0.05)
        producer.poll(0)
    producer.flush(30)
    return len(acknowledged), sorted(errors)


def create(admin, topic):
    for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        try:
            created.result()
        except Exception as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def read_all(bootstrap, complaints):
    """Reads all of the full topic; offsets are dense and values whole."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "enable.auto.commit": False, "log_level": 2})
    count = 0
    for partition in range(PARTITIONS):
        low, high = reader.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=20)
        reader.assign([TopicPartition(TOPIC, partition, low)])
        expected, deadline = low, time.monotonic() + DEADLINE_SECONDS
        while expected < high and time.monotonic() < deadline:
            message = reader.poll(1)
            if message is None or message.error():
                continue
            if message.offset() != expected or len(message.value()) != 12 + len(PADDING):
                complaints.append(f"partition {partition}: {message.offset()} instead of {expected}")
            expected = message.offset() + 1
            count += 1
        if expected < high:
            complaints.append(f"partition {partition} is read to {expected}, not to {high}")
        committed = reader.commit(offsets=[TopicPartition(TOPIC, partition, expected)], asynchronous=False)
        complaints += [f"commit: {place.error}" for place in committed if place.error]
    reader.close()
    return count


def use(bootstrap, admin):
    complaints = []
    count = read_all(bootstrap, complaints)
    # A start and the upkeep after it may have freed a little.
    taken, errors = produce(bootstrap, TOPIC, 10**9)
    if errors != ["KAFKA_STORAGE_ERROR"]:
        complaints.append(f"appends to a full disk: {taken} taken, then {errors}")
    create(admin, OTHER)
    admin.delete_topics([TOPIC])[TOPIC].result()
    return count, [], complaints


def again(bootstrap):
    """Room is made by housekeeping, some seconds after the deletion."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        taken, errors = produce(bootstrap, OTHER, 100)
        if taken == 100:
            return taken, [], []
        time.sleep(1)
    return taken, errors, [f"after {DEADLINE_SECONDS} s appends are still refused: {errors}"]


def main(bootstrap, phase):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    if phase == "fill":
        create(admin, TOPIC)
        acknowledged, errors, complaints = *produce(bootstrap, TOPIC, 10**9), []
    elif phase == "use":
        acknowledged, errors, complaints = use(bootstrap, admin)
    else:
        acknowledged, errors, complaints = again(bootstrap)
    print(json.dumps({"acknowledged": acknowledged, "errors": errors, "complaints": complaints[:10]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
