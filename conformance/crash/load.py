"""Produces numbered records without a pause, and notes each that is acknowledged.

    load.py BOOTSTRAP TOPIC NOTES [RECORDS_PER_SECOND]

The producer is idempotent and goes on through every death of the broker. Each line of NOTES
is `partition offset number sent acknowledged`, the last two in seconds since 1970; the offset is −1 if
the producer was not told of it. SIGTERM stops it: what is under way must still arrive.
"""

import json
import os
import signal
import sys
import time

from confluent_kafka import KafkaException, Producer

PADDING = "x" * 240
#: Of several brokers, one that stands still without a word is not waited for long.
AMONG_OTHERS = {"retry.backoff.max.ms": 100, "request.timeout.ms": 3_000, "socket.timeout.ms": 4_000}


def main(bootstrap, topic, path, rate="4000"):
    stopped, failures, rate = [], [], int(rate)
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    acknowledged = []

    def report(error, message):
        if error:
            failures.append(error)
        else:
            # Of a batch whose answer was lost, and that a later one proves to be there, it knows no offset.
            offset = -1 if message.offset() is None else message.offset()
            place, number, now = (message.partition(), offset), message.value()[1:13].decode(), time.time()
            acknowledged.append(f"{place[0]} {place[1]} {number} {now - message.latency():.4f} {now:.4f}\n")

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 1,
        "message.timeout.ms": 600_000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
        "retry.backoff.ms": 20,
        "log_level": 2,
        **(AMONG_OTHERS if "," in bootstrap else {}),
    })
    number, started_at = 0, time.monotonic()
    while not stopped and not failures:
        due = int((time.monotonic() - started_at) * rate)
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
