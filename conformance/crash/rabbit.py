"""Publishes to queues and consumes from them over AMQP without a pause, through every death of the broker.

    rabbit.py ADDRESS[,ADDRESS]...

Whoever loses its connection goes on at the next address. Every message has a number and is promised once it is confirmed;
what has no confirm is not sent again. Some consumers settle in transactions, whose commits the broker answers when they are
on its disk: what was settled so must not come back. Others only acknowledge, which nobody answers, and let some come back.
One of them is slow, so that a queue is long.

SIGTERM stops the publishers; the consumers go on until nothing comes any more. Then one line of JSON says what was promised
and what was kept.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time

import aiormq

QUEUES = {"crash-rabbit": {}, "crash-rabbit-quorum": {"x-queue-type": "quorum", "x-delivery-limit": -1}}
#: Publishes without a confirm, of each publisher.
UNDER_WAY_MAX = 100
#: Publishers wait while there are more.
BACKLOG_MAX = 5_000
PREFETCH = 50
#: Messages that are given back.
LEFT = 0.05
QUIET_SECONDS = 4
DRAIN_SECONDS_MAX = 60
CONNECT_SECONDS_MAX = 10
PADDING = b"x" * 200
PERSISTENT = aiormq.spec.Basic.Properties(delivery_mode=2)
#: What a broker that dies looks like to a client.
CUT = (aiormq.exceptions.AMQPError, OSError, asyncio.TimeoutError, RuntimeError, asyncio.IncompleteReadError)


class Book:
    """What was promised, and what came."""

    def __init__(self):
        self.complaints = []
        self.published, self.unanswered, self.refused = 0, 0, 0
        self.confirmed, self.received = set(), set()
        self.asked, self.settled = set(), {}
        self.returned, self.unmarked = 0, 0
        self.heard_at = time.monotonic()

    def backlog(self):
        return len(self.confirmed) - len(self.asked)

    def complain(self, text):
        self.complaints.append(text)

    def note(self, message):
        """Notes a delivery; returns its number."""
        body = bytes(message.body)
        number = body[:12].decode(errors="replace")
        if body[12:] != PADDING:
            self.complain(f"not what was published: {body[:40]}")
        self.heard_at = time.monotonic()
        if number in self.settled:
            self.returned += 1
            self.complain(f"{number} was settled, and came again")
        if number in self.received and not message.delivery.redelivered:
            self.unmarked += 1
        self.received.add(number)
        return number


class Places:
    """The addresses of the brokers: whoever loses one goes on at the next."""

    def __init__(self, addresses):
        self.turns = itertools.cycle(addresses)

    async def connect(self):
        url = f"amqp://guest:guest@{next(self.turns)}/?heartbeat=10"
        return await asyncio.wait_for(aiormq.connect(url), CONNECT_SECONDS_MAX)


def is_cut(error):
    """Whether this is how aiormq says that its connection is gone: of a channel it is sometimes a bare exception."""
    return isinstance(error, CUT) or type(error) is Exception


async def again_and_again(places, work, ended):
    """Works on a connection until it is lost, and then on another one."""
    while not ended.is_set():
        connection = None
        try:
            connection = await places.connect()
            await work(connection)
        except Exception as error:
            if not is_cut(error):
                raise
            await asyncio.sleep(0.02)
        finally:
            if connection is not None:
                try:
                    await asyncio.wait_for(connection.close(), 1)
                except Exception as error:
                    if not is_cut(error):
                        raise


def publisher(queue, numbers, book, stopped):
    async def work(connection):
        channel, under_way = await connection.channel(publisher_confirms=True), set()

        async def publish(number):
            book.published += 1
            try:
                answer = await channel.basic_publish(
                    number.encode() + PADDING, routing_key=queue, properties=PERSISTENT, mandatory=True)
            except aiormq.exceptions.DeliveryError:
                book.refused += 1
                return
            except (Exception, asyncio.CancelledError) as error:
                if not is_cut(error) and not isinstance(error, asyncio.CancelledError):
                    book.complain(repr(error))
                book.unanswered += 1
                return
            if isinstance(answer, aiormq.spec.Basic.Ack):
                book.confirmed.add(number)
            else:
                book.unanswered += 1

        while not stopped.is_set():
            if connection.is_closed or channel.is_closed:
                raise ConnectionError("cut off")
            if book.backlog() > BACKLOG_MAX or len(under_way) >= UNDER_WAY_MAX:
                await asyncio.sleep(0.005)
                continue
            task = asyncio.create_task(publish(next(numbers)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(0)
        if under_way:
            await asyncio.wait(under_way, timeout=CONNECT_SECONDS_MAX)

    return work


def consumer(queue, book, ended, seconds_each=0.0):
    """Acknowledges most, and gives the rest back."""
    async def work(connection):
        channel = await connection.channel(publisher_confirms=False)
        await channel.basic_qos(prefetch_count=PREFETCH)

        async def take(message):
            number = book.note(message)
            if seconds_each:
                await asyncio.sleep(seconds_each)
            if random.random() < LEFT:
                await channel.basic_nack(message.delivery_tag, requeue=True)
            else:
                book.asked.add(number)
                await channel.basic_ack(message.delivery_tag)

        await channel.basic_consume(queue, take)
        await until_cut(connection, channel, ended)

    return work


def settler(queue, book, ended):
    """Acknowledges in transactions, whose end the broker tells."""
    async def work(connection):
        channel, taken = await connection.channel(publisher_confirms=False), asyncio.Queue()
        await channel.tx_select()
        await channel.basic_qos(prefetch_count=PREFETCH)
        await channel.basic_consume(queue, taken.put)
        while not ended.is_set():
            if connection.is_closed or channel.is_closed:
                raise ConnectionError("cut off")
            try:
                messages = [await asyncio.wait_for(taken.get(), 0.1)]
            except asyncio.TimeoutError:
                continue
            while not taken.empty():
                messages.append(taken.get_nowait())
            numbers = [book.note(message) for message in messages]
            book.asked.update(numbers)
            for message in messages:
                await channel.basic_ack(message.delivery_tag)
            await asyncio.wait_for(channel.tx_commit(), CONNECT_SECONDS_MAX)
            book.settled.update((number, time.monotonic()) for number in numbers)

    return work


async def until_cut(connection, channel, ended):
    while not ended.is_set():
        if connection.is_closed or channel.is_closed:
            raise ConnectionError("cut off")
        await asyncio.sleep(0.05)


def declare(declared):
    """Also who declares may lose its broker."""
    async def work(connection):
        channel = await connection.channel()
        for queue, arguments in QUEUES.items():
            await channel.queue_declare(queue, durable=True, arguments=arguments)
        declared.set()

    return work


def numbers_of(one, of):
    return (f"{number:012d}" for number in itertools.count(one, of))


async def main(addresses):
    stopped, ended, book, places = asyncio.Event(), asyncio.Event(), Book(), Places(addresses.split(","))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    declared = asyncio.Event()
    await again_and_again(places, declare(declared), declared)
    print("ready", flush=True)
    work = []
    for place, queue in enumerate(QUEUES):
        work.append(publisher(queue, numbers_of(place, len(QUEUES)), book, stopped))
        work += [consumer(queue, book, ended), consumer(queue, book, ended, seconds_each=0.02), settler(queue, book, ended)]
    tasks = [asyncio.create_task(again_and_again(places, one, stopped if at % 4 == 0 else ended)) for at, one in enumerate(work)]
    await stopped.wait()
    stopped_at = time.monotonic()
    while time.monotonic() - max(book.heard_at, stopped_at) < QUIET_SECONDS:
        if time.monotonic() - stopped_at > DRAIN_SECONDS_MAX:
            book.complain("the queues do not run empty")
            break
        await asyncio.sleep(0.05)
    ended.set()
    await asyncio.wait(tasks, timeout=CONNECT_SECONDS_MAX)
    for task in tasks:
        if task.done() and task.exception():
            book.complain(repr(task.exception()))
        task.cancel()
    tell(book)


def tell(book):
    lost = book.confirmed - book.received
    left = book.confirmed - book.asked
    book.complaints += [f"confirmed and never delivered: {number}" for number in sorted(lost)[:5]]
    book.complaints += [f"delivered and gone, but never settled: {number}" for number in sorted(left - lost)[:5]]
    print(json.dumps({
        "sent": len(book.confirmed),
        "received": len(book.received),
        "deleted": len(book.settled),
        "repeated": 0,
        "asked": book.published,
        "unanswered": book.unanswered,
        "refused": book.refused,
        "unmarked": book.unmarked,
        "lost": len(lost | left),
        "returned": book.returned,
        "complaints": book.complaints[:10],
    }), flush=True)
    # What a client's own tasks still wait for is of no interest.
    sys.stdout.flush()
    os._exit(1 if book.complaints else 0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
