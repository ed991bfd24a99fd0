"""Produces numbered records without a pause, and notes each that is acknowledged.

    load.py BOOTSTRAP TOPIC NOTES

The producer is idempotent and goes on through every death of the broker. Each line of NOTES
is `partition offset number`. SIGTERM stops it: what is under way must still arrive.
"""

import json
import os
import signal
import sys
import time

from confluent_kafka import KafkaException, Producer

RECORDS_PER_SECOND = 4000
PADDING = "x" * 240


def main(bootstrap, topic, path):
    stopped, failures = [], []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    acknowledged = []

    def report(error, message):
        if error:
            failures.append(error)
        else:
            acknowledged.append(f"{message.partition()} {message.offset()} {message.value()[1:13].decode()}\n")

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 1,
        "message.timeout.ms": 600_000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "retry.backoff.ms": 20,
        "log_level": 2,
    })
    number, started_at = 0, time.monotonic()
    while not stopped and not failures:
        due = int((time.monotonic() - started_at) * RECORDS_PER_SECOND)
        # What the broker did not take while it was away is not made up for in one rush.
        for _ in range(min(due - number, 200, 50_000 - len(producer))):
            producer.produce(topic, key=str(number % 97), value=f"#{number:012d}#{PADDING}", on_delivery=report)
            number += 1
        producer.poll(0.005)
        os.write(notes, "".join(acknowledged).encode())
        acknowledged.clear()
    left = producer.flush(60)
    os.write(notes, "".join(acknowledged).encode())
    if left or failures:
        raise KafkaException(failures[0] if failures else f"{left} records were never acknowledged")
    print(json.dumps({"sent": number}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
