"""Sends to queues and receives from them without a pause, through every death of the broker.

    queues.py ENDPOINT[,ENDPOINT]...

Whoever gets no answer at one endpoint goes on at the next. One queue without an order and one FIFO queue. Every message has a number. What is sent to the FIFO
queue is sent again until it is acknowledged, with the same deduplication id, and now and then once
more although it was; each group's messages are numbered without gaps, so what is lost, doubled or out
of order shows. Receivers delete most of what they get and let the rest come back.

SIGTERM stops the senders; the receivers go on until nothing comes any more. Then one line of JSON
says what was promised and what was kept.
"""

import collections
import hashlib
import json
import random
import signal
import sys
import threading
import time

from sqs import UNKNOWN, Client

VISIBILITY_SECONDS = 1
#: How often a message was delivered.
DELIVERY = "ApproximateReceiveCount"
#: Messages that are left to come back, of a queue without an order and of a FIFO queue.
LEFT, LEFT_IN_ORDER = 0.1, 0.01
#: Senders wait while there are more.
BACKLOG_MAX, BACKLOG_IN_ORDER_MAX = 1_000, 300
QUIET_SECONDS = 4
DRAIN_SECONDS_MAX = 60
GROUPS_PER_SENDER = 4
PADDING = "x" * 100


class Book:
    """What was promised, and what came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.complaints = []
        self.sent = set()  # numbers that were acknowledged, of the queue without an order
        self.received = set()
        self.asked = set()  # numbers whose deletion was asked for
        self.deleted = {}  # when the deletion of a number was acknowledged, and in which of its deliveries
        self.newest = collections.Counter()  # of each group: the last that was acknowledged
        self.seen = collections.Counter()  # of each group: the last that came
        self.deleted_in_order = 0
        self.repeats = 0
        self.returned = 0
        self.heard_at = time.monotonic()

    def backlog(self):
        return len(self.sent) - (len(self.deleted) - self.deleted_in_order)

    def backlog_in_order(self):
        return sum(self.newest.values()) - self.deleted_in_order

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)


def body(key):
    return f"{key}#{PADDING}"


def key_of(message):
    """What the message was sent as: a number, or a group and a number."""
    text = message["Body"]
    if hashlib.md5(text.encode()).hexdigest() != message["MD5OfBody"] or not text.endswith("#" + PADDING):
        return None
    return text[: -len(PADDING) - 1]


def send_any(endpoint, url, book, stopped, numbers):
    """A batch that may be lost is not sent again: nothing was promised of it."""
    client = Client(endpoint)
    while not stopped.is_set():
        if book.backlog() > BACKLOG_MAX:
            time.sleep(0.01)
            continue
        batch = [next(numbers) for _ in range(10)]
        entries = [{"Id": str(place), "MessageBody": body(number)} for place, number in enumerate(batch)]
        try:
            done = client.ask("SendMessageBatch", QueueUrl=url, Entries=entries)
        except UNKNOWN:
            continue
        with book.lock:
            book.sent.update(str(batch[int(one["Id"])]) for one in done.get("Successful", []))
        time.sleep(0.01)


def send_in_order(endpoint, url, book, stopped, groups):
    client, told = Client(endpoint), {}
    while not stopped.is_set():
        if book.backlog_in_order() > BACKLOG_IN_ORDER_MAX:
            time.sleep(0.01)
            continue
        batch = []
        for group in random.choices(groups, k=9):
            number = 1 + max([book.newest[group], *(other for of, other in batch if of == group)])
            batch.append((group, number))
        if told and random.random() < 0.5:
            batch.append(random.choice(list(told)[-300:]))
            book.repeats += 1
        keys = [f"{group}:{number}" for group, number in batch]
        entries = [
            {"Id": str(place), "MessageBody": body(key), "MessageGroupId": group, "MessageDeduplicationId": key}
            for place, ((group, _), key) in enumerate(zip(batch, keys))
        ]
        done = client.insist("SendMessageBatch", QueueUrl=url, Entries=entries)
        if done.get("Failed"):
            book.complain(f"not taken: {done['Failed'][0]}")
        for one in done.get("Successful", []):
            sent, place = batch[int(one["Id"])], (one["MessageId"], one["SequenceNumber"])
            if told.setdefault(sent, place)[1] != place[1]:
                book.complain(f"{sent} was taken as {told[sent]}, and again as {place}")
            with book.lock:
                book.newest[sent[0]] = max(book.newest[sent[0]], sent[1])
        time.sleep(0.01)


def receive(endpoint, url, book, ended, in_order):
    client = Client(endpoint)
    while not ended.is_set():
        asked_at = time.monotonic()
        try:
            messages = client.ask(
                "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=[DELIVERY]
            ).get("Messages", [])
        except UNKNOWN:
            continue
        entries, keys = [], []
        for message in messages:
            key = key_of(message)
            if key is None:
                book.complain(f"not what was sent: {message}")
                continue
            delivery = int(message["Attributes"][DELIVERY])
            note(book, (key, delivery), asked_at, in_order)
            # The rest comes back.
            if random.random() >= (LEFT_IN_ORDER if in_order else LEFT):
                entries.append({"Id": str(len(entries)), "ReceiptHandle": message["ReceiptHandle"]})
                keys.append((key, delivery))
        delete(client, url, book, entries, keys)


def note(book, message, asked_at, in_order):
    key, delivery = message
    with book.lock:
        book.heard_at = time.monotonic()
        book.received.add(key)
        deleted_at, deleted_in = book.deleted.get(key, (asked_at, delivery))
        # Without an order, whoever deletes what was handed out once more meanwhile is told yes, and it stays: SQS says so.
        is_superseded = not in_order and delivery > deleted_in + 1
        if deleted_at < asked_at and not is_superseded:
            book.returned += 1
            book.complaints.append(f"{key} was deleted in its delivery {deleted_in}, and came again as {delivery}")
        if in_order:
            group, number = key.split(":")
            if int(number) > book.seen[group] + 1:
                book.complaints.append(f"{key} came, the last before was {book.seen[group]}")
            book.seen[group] = max(book.seen[group], int(number))


def delete(client, url, book, entries, keys):
    if not entries:
        return
    with book.lock:
        book.asked.update(key for key, _ in keys)
    try:
        done = client.ask("DeleteMessageBatch", QueueUrl=url, Entries=entries)
    except UNKNOWN:
        return
    with book.lock:
        now = time.monotonic()
        for one in done.get("Successful", []):
            key, delivery = keys[int(one["Id"])]
            book.deleted_in_order += ":" in key and key not in book.deleted
            known = book.deleted.setdefault(key, (now, delivery))
            if known[1] < delivery:
                book.deleted[key] = (now, delivery)


def await_known(endpoint, names):
    """Another node than the one that was asked may learn of a queue a moment later."""
    client = Client(endpoint)
    for name in names:
        while True:
            try:
                client.insist("GetQueueUrl", QueueName=name)
                break
            except RuntimeError as error:
                if "QueueDoesNotExist" not in str(error):
                    raise
                time.sleep(0.02)


def numbers_of(sender):
    number = sender
    while True:
        yield f"{number:012d}"
        number += 2


def main(endpoint):
    stopped, ended, book = threading.Event(), threading.Event(), Book()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    client, visibility = Client(endpoint), {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    plain = client.insist("CreateQueue", QueueName="crash-jobs", Attributes=visibility)["QueueUrl"]
    fifo = {**visibility, "FifoQueue": "true"}
    fifo = client.insist("CreateQueue", QueueName="crash-jobs.fifo", Attributes=fifo)["QueueUrl"]
    for one in endpoint.split(","):
        await_known(one, ["crash-jobs", "crash-jobs.fifo"])
    print("ready", flush=True)
    work = []
    for sender in range(2):
        groups = [f"g{sender * GROUPS_PER_SENDER + group}" for group in range(GROUPS_PER_SENDER)]
        work.append((send_any, (endpoint, plain, book, stopped, numbers_of(sender))))
        work.append((send_in_order, (endpoint, fifo, book, stopped, groups)))
        work.append((receive, (endpoint, plain, book, ended, False)))
        work.append((receive, (endpoint, fifo, book, ended, True)))
    threads = [threading.Thread(target=guard, args=(book, target, args)) for target, args in work]
    for thread in threads:
        thread.start()
    stopped.wait()
    stopped_at = time.monotonic()
    while time.monotonic() - max(book.heard_at, stopped_at) < QUIET_SECONDS:
        if time.monotonic() - stopped_at > DRAIN_SECONDS_MAX:
            book.complain("the queues do not run empty")
            break
        time.sleep(0.05)
    ended.set()
    for thread in threads:
        thread.join()
    tell(book)


def guard(book, target, args):
    try:
        target(*args)
    except Exception as error:  # Told below, with all else.
        book.complain(f"{target.__name__}: {error!r}")


def tell(book):
    promised = set(book.sent)
    for group, newest in book.newest.items():
        promised.update(f"{group}:{number}" for number in range(1, newest + 1))
    lost = promised - book.received
    # What was never asked to be deleted comes until it is.
    left = promised - book.asked
    book.complaints += [f"acknowledged and never received: {key}" for key in sorted(lost)[:5]]
    book.complaints += [f"received and gone, but never deleted: {key}" for key in sorted(left - lost)[:5]]
    print(json.dumps({
        "sent": len(promised),
        "received": len(book.received),
        "deleted": len(book.deleted),
        "repeated": book.repeats,
        "asked": Client.asked,
        "unanswered": Client.unanswered.total(),
        "reasons": dict(Client.unanswered.most_common(12)),
        "lost": len(lost | left),
        "returned": book.returned,
        "complaints": book.complaints[:10],
    }), flush=True)
    sys.exit(1 if book.complaints else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
