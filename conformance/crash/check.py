"""Reads a topic to its end and compares it with what its producer noted.

    check.py BOOTSTRAP TOPIC NOTES all|some

`all`: no acknowledged record is lost, none is there twice, none at another place, and the
offsets of each partition are dense. `some`: the broker may keep records back that it knows
to be damaged, but what it serves is what was sent.
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

QUIET_SECONDS = 5


def main(bootstrap, topic, path, mode):
    acknowledged, somewhere = {}, set()
    for line in open(path):
        partition, offset, number = map(int, line.split()[:3])
        if offset < 0:
            somewhere.add((partition, number))
        else:
            acknowledged[partition, offset] = number
    reader = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "check",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
        "auto.offset.reset": "error",
        # A batch that is not what was sent must come through to be caught here.
        "check.crcs": False,
        "log_level": 2,
    })
    partitions = sorted(reader.list_topics(topic, timeout=20).topics[topic].partitions)
    complaints, served = [], {}
    for partition in partitions:
        complaints += read(reader, TopicPartition(topic, partition, 0), served)
    for place, number in served.items():
        if acknowledged.get(place, number) != number:
            complaints.append(f"at {place} record {number} is served, {acknowledged[place]} was acknowledged")
    numbers = sorted(served.values())
    twice = [one for one, other in zip(numbers, numbers[1:]) if one == other]
    complaints += [f"record {one} is there twice" for one in twice]
    lost = [(number, place) for place, number in acknowledged.items() if place not in served]
    found = {(partition, number) for (partition, _), number in served.items()}
    lost += [(number, f"partition {partition}") for partition, number in somewhere - found]
    if mode == "all":
        complaints += [f"acknowledged and lost: {number} at {place}" for number, place in lost]
    print(json.dumps({
        "served": len(served),
        "acknowledged": len(acknowledged) + len(somewhere),
        "lost": len(lost),
        "twice": len(twice),
        "gaps": len([text for text in complaints if " follows " in text]),
        "complaints": complaints[:10],
    }), flush=True)
    sys.exit(1 if [text for text in complaints if mode == "all" or not text.startswith("kept back")] else 0)


def read(reader, at, served):
    """Reads one partition to its end or to the first record that the broker keeps back."""
    reader.assign([at])
    expected, complaints, heard_at = 0, [], time.monotonic()
    while True:
        message = reader.poll(0.2)
        if message is None:
            if time.monotonic() - heard_at > QUIET_SECONDS:
                return complaints + [f"kept back: partition {at.partition} from {expected} on"]
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                return complaints
            if message.error().retriable():
                continue
            return complaints + [f"kept back: partition {at.partition} from {expected} on: {message.error().str()}"]
        heard_at = time.monotonic()
        if message.offset() != expected:
            complaints.append(f"partition {at.partition}: offset {message.offset()} follows {expected - 1}")
        expected = message.offset() + 1
        value = message.value()
        if len(value) != 254 or value[:1] != b"#" or not value.endswith(b"#" + b"x" * 240):
            complaints.append(f"partition {at.partition}, offset {message.offset()}: not what was sent")
            continue
        served[at.partition, message.offset()] = int(value[1:13])


if __name__ == "__main__":
    main(*sys.argv[1:])
