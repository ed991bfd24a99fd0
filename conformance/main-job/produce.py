"""Produces this machine's own Debian package index: one record per package, keyed by its name.

    produce.py BOOTSTRAP TOPIC

Each record carries two headers: `number` counts all records, `sequence` those of its key.
Prints the number of records and of keys when all are acknowledged.
"""

import glob
import json
import subprocess
import sys

import lz4.frame
from confluent_kafka import KafkaException, Producer

LISTS = "/var/lib/apt/lists/*_Packages"


def index():
    """The text of the package index, from wherever this machine has it."""
    texts = [open(path, "rb").read() for path in sorted(glob.glob(LISTS))]
    texts += [lz4.frame.decompress(open(path, "rb").read()) for path in sorted(glob.glob(LISTS + ".lz4"))]
    if not texts:
        texts.append(subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True).stdout)
    return b"\n\n".join(texts)


def packages():
    """Pairs of a package's name and the paragraph that describes it."""
    for paragraph in index().split(b"\n\n"):
        paragraph = paragraph.strip()
        if paragraph.startswith(b"Package: "):
            yield paragraph[9:].split(b"\n", 1)[0], paragraph


def main(bootstrap, topic):
    failures = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "zstd"})

    def report(error, _message):
        if error:
            failures.append(error)

    sequences = {}
    number = 0
    for number, (name, paragraph) in enumerate(packages(), start=1):
        sequences[name] = sequences.get(name, 0) + 1
        headers = {"number": str(number), "sequence": str(sequences[name])}
        while True:
            try:
                producer.produce(topic, key=name, value=paragraph, headers=headers, on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60) or failures:
        raise KafkaException(failures[0] if failures else "not all records were acknowledged in time")
    print(json.dumps({"records": number, "keys": len(sequences)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
