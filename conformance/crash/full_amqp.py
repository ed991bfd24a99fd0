"""Publishes over AMQP to a broker whose disk is too small.

    full_amqp.py ADDRESS NOTES fill|drain

`fill` publishes, one confirm after the other on some connections, until each of them is told that it has to wait, and hangs up
as it is; what was confirmed is noted. `drain` publishes until all are told again, then consumes: all that was ever confirmed
comes, also to those who wait it is told when there is room, and what they had sent meanwhile is confirmed, and more.
"""

import json
import os
import sys
import threading
import time

import pika
import pika.exceptions

QUEUE = "fill"
PUBLISHERS = 4
PADDING = b"x" * 50_000
#: What each publisher sends when there is room again.
MORE = 25
PREFETCH = 50
DEADLINE_SECONDS = 120
PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Book:
    """What was told."""

    def __init__(self, path):
        self.lock, self.path = threading.Lock(), path
        self.confirmed, self.nacks, self.reasons, self.complaints = set(), 0, set(), []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.confirmed.update(file.read().split())
        #: Who was told to wait and not yet that it is over, how often somebody was told that, and who has sent enough.
        self.waiting, self.times_over, self.done = set(), 0, set()
        #: Consumers make room.
        self.is_draining = False

    def keep(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(sorted(self.confirmed)))


def connect(address):
    host, port = address.rsplit(":", 1)
    return pika.BlockingConnection(pika.ConnectionParameters(host, int(port), heartbeat=30))


def publish(address, place, life, book):
    connection = connect(address)

    def blocked(_, frame):
        with book.lock:
            book.waiting.add(place)
            book.reasons.add(frame.method.reason)

    def unblocked(_, __):
        with book.lock:
            book.waiting.discard(place)
            book.times_over += 1

    # Of the connection within: what is around it tells that only to who does not wait for a confirm.
    connection._impl.add_on_connection_blocked_callback(blocked)
    connection._impl.add_on_connection_unblocked_callback(unblocked)
    channel = connection.channel()
    channel.confirm_delivery()
    number, more = 0, 0
    while more < MORE:
        number += 1
        key = f"{life}-{place}-{number:08d}"
        try:
            channel.basic_publish("", QUEUE, key.encode() + PADDING, PERSISTENT, mandatory=True)
        except pika.exceptions.NackError:
            with book.lock:
                book.nacks += 1
            continue
        with book.lock:
            book.confirmed.add(key)
            more += book.is_draining and place not in book.waiting
    with book.lock:
        book.done.add(place)
    connection.close()


def consume(address, received, enough):
    connection = connect(address)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    for method, _, body in channel.consume(QUEUE, inactivity_timeout=0.1):
        if method is not None:
            received.add(body[: -len(PADDING)].decode())
            channel.basic_ack(method.delivery_tag)
        elif enough.is_set():
            break
    connection.close()


def guard(book, work, *args):
    try:
        work(*args)
    except Exception as error:  # Told with all else.
        with book.lock:
            book.complaints.append(f"{work.__name__}: {error!r}")


def wait_until(book, what, is_so):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and not book.complaints:
        with book.lock:
            if is_so():
                return
        time.sleep(0.05)
    with book.lock:
        book.complaints.append(f"after {DEADLINE_SECONDS} s: {what}")


def fill(address, book, life):
    """Until all publishers wait, and go on waiting."""
    for place in range(PUBLISHERS):
        threading.Thread(target=guard, args=(book, publish, address, place, life, book), daemon=True).start()
    is_over = True
    while is_over and not book.complaints:
        wait_until(book, "not all publishers are told to wait", lambda: len(book.waiting) == PUBLISHERS)
        with book.lock:
            confirmed, times_over = len(book.confirmed), book.times_over
        time.sleep(1)
        with book.lock:
            # The last entries before the disk is full may make a little room again.
            is_over = book.times_over > times_over
            if not is_over and len(book.confirmed) > confirmed + PUBLISHERS:
                book.complaints.append(f"{len(book.confirmed) - confirmed} were confirmed although publishers wait")


def drain(address, book):
    """Until all has come, and those who waited have gone on."""
    received, enough = set(), threading.Event()
    with book.lock:
        book.is_draining = True
    reader = threading.Thread(target=guard, args=(book, consume, address, received, enough), daemon=True)
    reader.start()
    wait_until(book, "not all publishers go on", lambda: len(book.done) == PUBLISHERS)
    wait_until(book, "what was confirmed does not come", lambda: book.confirmed <= set(received))
    enough.set()
    reader.join(10)
    missing = book.confirmed - received
    book.complaints += [f"confirmed and never delivered: {key}" for key in sorted(missing)[:5]]


def main(address, path, phase):
    book = Book(path)
    connection = connect(address)
    connection.channel().queue_declare(QUEUE, durable=True)
    connection.close()
    before = len(book.confirmed)
    fill(address, book, phase)
    if phase == "drain":
        drain(address, book)
    with book.lock:
        book.keep()
        told = {"acknowledged": len(book.confirmed) - before, "errors": sorted(book.reasons), "refused": book.nacks}
        print(json.dumps({**told, "complaints": book.complaints[:10]}), flush=True)
        os._exit(1 if book.complaints else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
