"""Publishes to queues of a cluster and consumes from them over AMQP, through all that happens to its nodes.

    rabbits.py PLAN STATUS

PLAN is a file of JSON that is written anew now and then: `nodes`, where each is; `leaders`, who leads each queue; `calm`, for
each queue the times, in seconds since 1970, between which nobody began to lead it. Whenever the leaders are told, publishers
move to the node after the queue's leader and consumers to the one after that, so that all three are apart; whoever loses its
connection goes on at the next node, as clients do. STATUS says which queues there are, and where the first publisher and the
first consumer of each are now.

What must hold, and is judged at the end:

- What was confirmed is delivered until somebody settles it.
- What a transaction has settled does not come again. What was acknowledged, and is followed by an answer on the same channel,
  does not either, if nobody began to lead its queue between its delivery and that answer.
- While nobody begins to lead a queue, what one holds is not given to another, and one of the consumers that take turns is active.
- What is delivered to one consumer for the first time, of one publisher's connection, is in the order in which it was published,
  unless it was not confirmed.
- A stream has what was confirmed once, each of its readers reads all of it in order, and goes on where it was, and all find the same
  at the same place.
- A reply that was confirmed reaches whoever asked, if its connection lives; to others its queue is locked, and gone with it.

SIGTERM stops the publishers; the consumers go on until nothing comes any more. Then one line of JSON says what was found.
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

from rabbit import PADDING, PERSISTENT, is_cut

QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": -1}
IN_TURN = {"x-single-active-consumer": True}
#: Each with its arguments and with how it is used.
QUEUES = {
    "rabbits-shared": ({}, "shared"),
    "rabbits-shared-quorum": (QUORUM, "shared"),
    "rabbits-one": ({}, "one"),
    "rabbits-one-quorum": (QUORUM, "one"),
    "rabbits-turns": (IN_TURN, "turns"),
    "rabbits-turns-quorum": ({**QUORUM, **IN_TURN}, "turns"),
    "rabbits-stream": ({"x-queue-type": "stream"}, "stream"),
    "rabbits-requests": ({}, "requests"),
}
#: Publishes without a confirm, and the pause after each, of each publisher.
UNDER_WAY_MAX, PAUSE_SECONDS = 50, 0.01
#: Publishers wait while there are more in a queue.
BACKLOG_MAX = 2_000
PREFETCH = 20
#: Messages that are given back, where that is done.
LEFT = 0.05
#: How long a consumer works that is slow.
SLOW_SECONDS = 0.05
PROOF_SECONDS = 0.1
CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX = 3, 15
QUIET_SECONDS, DRAIN_SECONDS_MAX, GONE_SECONDS_MAX = 4, 60, 30
HEARTBEAT_SECONDS = 4


class Plan:
    """What is known of the cluster."""

    def __init__(self, path):
        self.path, self.text, self.version = path, None, 0
        self.nodes, self.leaders, self.calm = {}, {}, {}
        self.look()

    def look(self):
        with open(self.path, encoding="utf-8") as file:
            text = file.read()
        if text == self.text:
            return
        self.text, told = text, json.loads(text)
        self.nodes, self.calm = told["nodes"], told["calm"]
        if told["leaders"] != self.leaders:
            self.leaders, self.version = told["leaders"], self.version + 1

    async def watch(self):
        while True:
            self.look()
            await asyncio.sleep(0.05)

    def was_calm(self, queue, since, until):
        return any(start <= since and until <= end for start, end in self.calm.get(queue, []))


class Seat:
    """Where somebody wants to be: so many nodes after the leader of a queue."""

    def __init__(self, plan, queue, steps, note=None):
        self.plan, self.queue, self.steps, self.note = plan, queue, steps, note
        self.at, self.version = random.randrange(len(plan.nodes)), None

    def wanted(self):
        nodes = sorted(self.plan.nodes)
        leader = str(self.plan.leaders.get(self.queue, ""))
        return (nodes.index(leader) + self.steps) % len(nodes) if leader in nodes else None

    def next(self):
        """The node to try: the one that is wanted once, then one after the other."""
        wanted = self.wanted()
        if self.version != self.plan.version and wanted is not None:
            self.version, self.at = self.plan.version, wanted
        else:
            self.at = (self.at + 1) % len(self.plan.nodes)
        return sorted(self.plan.nodes)[self.at]

    def must_move(self):
        if self.version == self.plan.version:
            return False
        if self.wanted() in (None, self.at):
            self.version = self.plan.version
            return False
        return True

    def stay(self, life, channel):
        """Fails if the connection is lost, or somewhere else than it should be."""
        if life.ended_at or channel.is_closed:
            raise ConnectionError("cut off")
        if self.must_move():
            raise ConnectionError("moves")


class Life:
    """One connection of somebody. What it holds is given back when it ends."""

    numbers = itertools.count(1)

    def __init__(self, node):
        self.number, self.node, self.ended_at = next(Life.numbers), node, None
        #: The newest number of each publisher's connection that it was given for the first time.
        self.newest = {}

    def __str__(self):
        return f"{self.number} on node {self.node}" + (f", ended {self.ended_at:.3f}" if self.ended_at else "")

    def end(self, *_):
        self.ended_at = self.ended_at or time.time()


class Message:
    """What is known of one that was delivered."""

    def __init__(self):
        self.count, self.holder, self.last, self.held_at = 0, None, None, None
        #: How often it came as what was never delivered before.
        self.first, self.proof, self.proof_at = 0, None, None


class Queue:
    """What was promised of a queue, and what came of it."""

    def __init__(self, name, book):
        self.name, self.book = name, book
        self.numbers = itertools.count(1)
        self.confirmed, self.asked, self.known = set(), set(), {}
        #: With the times between which nobody may have begun to lead it if they are to count.
        self.returned, self.shared, self.switches = [], [], []
        #: What came for the first time behind what was published after it.
        self.behind = []
        self.active, self.active_at = None, None

    def backlog(self):
        return len(self.confirmed) - len(self.asked)

    def note(self, life, message):
        """Notes a delivery; returns its number."""
        sender, number, padding = bytes(message.body).split(b":", 2)
        sender, number, now = int(sender), int(number), time.time()
        if padding != PADDING:
            self.book.complain(f"{self.name}: not what was published: {number}")
        again = message.delivery.redelivered
        known = self.known.setdefault(number, Message())
        known.first += not again
        if known.count and known.first == 1 and not again:
            # What a node was about to deliver when it was stopped comes when it goes on, behind what others did meanwhile.
            self.book.count("late")
        elif known.count:
            self.note_again(known, number, (life, now, again))
        if not again:
            newest = life.newest.get(sender, 0)
            if number < newest:
                self.behind.append((number, newest))
            life.newest[sender] = max(number, newest)
        known.count, known.holder, known.last, known.held_at = known.count + 1, life, life, now
        self.book.heard_at = time.monotonic()
        self.book.count("deliveries")
        self.take_turns(life, now)
        return number

    def note_again(self, known, number, delivery):
        life, now, again = delivery
        self.book.count("again")
        if not again:
            self.book.count("unmarked")
            told = f"{now:.3f} to {life}, and at {known.held_at:.3f} to {known.last}, {known.proof or 'not proved'}"
            self.book.complain(f"{self.name}: {number} came twice for the first time: at {told}")
        if known.proof == "commit":
            self.book.count("returned")
            self.book.complain(f"{self.name}: {number} was settled by a transaction, and came again")
        elif known.proof == "answer":
            self.returned.append((number, known.held_at, known.proof_at))
        if known.holder is not None and known.holder.ended_at is None:
            self.book.count("again_to_holder" if known.holder is life else "again_to_another")
            self.shared.append((number, known.held_at, now))

    def take_turns(self, life, now):
        if self.active is not None and self.active is not life and self.active.ended_at is None:
            self.switches.append((life.number, self.active_at, now))
        self.active, self.active_at = life, now

    def let_go(self, number):
        """Somebody says what becomes of a message that he holds."""
        self.known[number].holder = None

    def ask(self, number):
        self.let_go(number)
        self.asked.add(number)
        return number, self.known[number].count

    def prove(self, settled, proof):
        """What was said of these deliveries is answered."""
        now = time.time()
        for number, count in settled:
            known = self.known[number]
            if known.count == count or proof == "commit":
                known.proof, known.proof_at = proof, now
                self.book.count(f"proved_by_{proof}")
            else:
                # It was given to somebody before its end was answered.
                self.book.count("in_vain")

    def judge(self, plan, takes_turns):
        lost, left = self.confirmed - set(self.known), self.confirmed - self.asked
        self.book.count("lost", len(lost | left))
        self.book.complaints += [f"{self.name}: confirmed and never delivered: {number}" for number in sorted(lost)[:5]]
        self.book.complaints += [f"{self.name}: gone, but never settled: {number}" for number in sorted(left - lost)[:5]]
        for number, newest in self.behind:
            # Of what was not confirmed nobody knows where it is.
            is_ours = number in self.confirmed
            told = f"{self.name}: {number} was confirmed, and came for the first time behind {newest}"
            self.book.judge(is_ours, ("out_of_order", "unconfirmed_behind"), told)
        for number, held_at, proof_at in self.returned:
            is_ours = plan.was_calm(self.name, held_at, proof_at)
            self.book.judge(is_ours, ("returned", "in_vain"), f"{self.name}: {number} was acknowledged, and came again")
        for number, held_at, at in self.shared:
            is_ours = plan.was_calm(self.name, held_at, at)
            self.book.judge(is_ours, ("shared", "shared_by_failover"), f"{self.name}: {number} has two holders")
        for life, last_at, at in self.switches if takes_turns else []:
            is_ours = plan.was_calm(self.name, last_at, at)
            self.book.judge(is_ours, ("two_active", "turns_by_failover"), f"{self.name}: {life} is active, too")


class Stream(Queue):
    """The same of one whose messages stay where they are."""

    def __init__(self, name, book):
        super().__init__(name, book)
        #: What is at each offset, and the newest number of each publisher's connection. Where each reader is.
        self.places, self.newest, self.readers = [], {}, []

    def read(self, reader, message):
        """Notes what a reader was given."""
        offset, body = message.header.properties.headers["x-stream-offset"], bytes(message.body)
        self.book.heard_at = time.monotonic()
        self.book.count("read")
        if offset != self.readers[reader]:
            self.book.complain(f"{self.name}: reader {reader} was given {offset} instead of {self.readers[reader]}")
        elif message.delivery.redelivered:
            self.book.complain(f"{self.name}: {offset} is said to come again")
        elif offset == len(self.places):
            self.places.append(body)
            self.note_new(body)
        elif body != self.places[offset]:
            self.book.complain(f"{self.name}: readers have found different messages at {offset}")
        self.readers[reader] = offset + 1

    def note_new(self, body):
        sender, number, _ = body.split(b":", 2)
        sender, number = int(sender), int(number)
        if number in self.known:
            self.book.complain(f"{self.name}: {number} is there twice")
        self.known[number] = Message()
        self.asked.add(number)
        newest = self.newest.get(sender, 0)
        if number < newest:
            self.behind.append((number, newest))
        self.newest[sender] = max(number, newest)

    def judge(self, plan, takes_turns):
        super().judge(plan, takes_turns)
        if set(self.readers) != {len(self.places)}:
            self.book.complain(f"{self.name}: its readers have stopped at {self.readers}")


class Book:
    """What was found."""

    def __init__(self):
        self.counts = dict.fromkeys((
            "published", "confirmed", "refused", "unanswered", "unroutable", "deliveries", "again", "again_to_holder",
            "again_to_another", "late", "unmarked", "out_of_order", "unconfirmed_behind", "proved_by_commit", "proved_by_answer", "commits_refused", "in_vain",
            "lost", "returned", "shared", "shared_by_failover", "two_active", "turns_by_failover", "cancelled", "connections", "moves",
            "read", "requests", "replies", "replies_lost", "locked", "left_behind"), 0)
        self.complaints = []
        self.heard_at = time.monotonic()

    def count(self, what, by=1):
        self.counts[what] += by

    def complain(self, text):
        self.complaints.append(text)

    def judge(self, is_ours, names, text):
        self.count(names[0] if is_ours else names[1])
        if is_ours:
            self.complain(text)


async def again_and_again(seat, book, work, until):
    """Works on a connection until it is lost or moves, and then on another one."""
    while not until.is_set():
        connection, node = None, seat.next()
        life = Life(node)
        try:
            url = f"amqp://guest:guest@{seat.plan.nodes[node]}/?heartbeat={HEARTBEAT_SECONDS}"
            connection = await asyncio.wait_for(aiormq.connect(url), CONNECT_SECONDS_MAX)
            connection.closing.add_done_callback(life.end)
            book.count("connections")
            if seat.note:
                seat.note(int(node))
            await work(connection, life)
        except Exception as error:
            if not is_cut(error):
                raise
            book.count("moves", int(str(error) == "moves"))
            await asyncio.sleep(0.02)
        finally:
            life.end()
            if connection is not None:
                await hang_up(connection)


async def channel_for(connection, life, book):
    """A channel to consume by: without its consumer, or if it is closed, nothing more comes, and a client begins anew."""
    channel = await connection.channel(publisher_confirms=False)

    def cancelled(_):
        book.count("cancelled")
        life.end()

    channel.on_consumer_cancel_callbacks.add(cancelled)
    channel.closing.add_done_callback(life.end)
    await channel.basic_qos(prefetch_count=PREFETCH)
    return channel


async def hang_up(connection):
    try:
        await asyncio.wait_for(connection.close(), 1)
    except Exception as error:
        if not is_cut(error):
            raise


async def publish(channel, book, to, body, properties=PERSISTENT):
    """Returns whether it was confirmed, or None if nobody knows."""
    book.count("published")
    try:
        answer = await channel.basic_publish(body, routing_key=to, properties=properties, mandatory=True)
    except aiormq.exceptions.DeliveryError:
        book.count("refused")
        return False
    except (Exception, asyncio.CancelledError) as error:
        if not is_cut(error) and not isinstance(error, asyncio.CancelledError):
            book.complain(repr(error))
        book.count("unanswered")
        return None
    book.count("confirmed", int(isinstance(answer, aiormq.spec.Basic.Ack)))
    return isinstance(answer, aiormq.spec.Basic.Ack)


def publisher(queue, seat, stopped):
    book = queue.book

    async def one(channel, life):
        number = next(queue.numbers)
        confirmed = await publish(channel, book, queue.name, b"%d:%d:%s" % (life.number, number, PADDING))
        if confirmed:
            queue.confirmed.add(number)

    async def work(connection, life):
        channel, under_way = await connection.channel(publisher_confirms=True, on_return_raises=False), set()
        channel.on_return_callbacks.add(lambda _: unroutable(book, queue.name))
        try:
            while not stopped.is_set():
                seat.stay(life, channel)
                if queue.backlog() > BACKLOG_MAX or len(under_way) >= UNDER_WAY_MAX:
                    await asyncio.sleep(0.01)
                    continue
                task = asyncio.create_task(one(channel, life))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            if under_way:
                await asyncio.wait(under_way, timeout=1 if channel.is_closed else ANSWER_SECONDS_MAX)

    return work


def unroutable(book, name):
    book.count("unroutable")
    book.complain(f"{name}: the broker says that there is no such queue")


def acker(queue, seat, ended, gives_back=False):
    """Acknowledges, and asks something behind that; or is slow, and gives some back."""
    async def work(connection, life):
        channel, acked = await channel_for(connection, life, queue.book), []

        async def take(message):
            number = queue.note(life, message)
            if gives_back:
                await asyncio.sleep(SLOW_SECONDS)
            if channel.is_closed:
                return
            if gives_back and random.random() < LEFT:
                queue.let_go(number)
                await channel.basic_nack(message.delivery_tag, requeue=True)
                return
            settled = queue.ask(number)
            await channel.basic_ack(message.delivery_tag)
            acked.append(settled)

        await channel.basic_consume(queue.name, take)
        while not ended.is_set():
            seat.stay(life, channel)
            await asyncio.sleep(PROOF_SECONDS)
            settled = acked[:]
            if settled and not gives_back:
                del acked[:len(settled)]
                await asyncio.wait_for(channel.queue_declare(queue.name, passive=True), ANSWER_SECONDS_MAX)
                queue.prove(settled, "answer")

    return work


def settler(queue, seat, ended):
    """Acknowledges in transactions, whose end the broker tells."""
    async def work(connection, life):
        channel, taken = await channel_for(connection, life, queue.book), asyncio.Queue()
        await channel.tx_select()

        async def take(message):
            taken.put_nowait((queue.note(life, message), message))

        await channel.basic_consume(queue.name, take)
        while not ended.is_set():
            seat.stay(life, channel)
            try:
                messages = [await asyncio.wait_for(taken.get(), 0.1)]
            except asyncio.TimeoutError:
                continue
            while not taken.empty():
                messages.append(taken.get_nowait())
            settled = [queue.ask(number) for number, _ in messages]
            for _, message in messages:
                await channel.basic_ack(message.delivery_tag)
            try:
                await asyncio.wait_for(channel.tx_commit(), ANSWER_SECONDS_MAX)
            except aiormq.exceptions.ChannelPreconditionFailed:
                queue.book.count("commits_refused")
                raise
            queue.prove(settled, "commit")

    return work


def reader(queue, seat, ended):
    """Reads a stream on from where it is, wherever it is connected."""
    queue.readers.append(0)
    number = len(queue.readers) - 1

    async def work(connection, life):
        channel = await channel_for(connection, life, queue.book)

        async def take(message):
            # What a connection had still to give that is gone comes by the next one.
            if life.ended_at is None:
                queue.read(number, message)
                await channel.basic_ack(message.delivery_tag)

        await channel.basic_consume(queue.name, take, arguments={"x-stream-offset": queue.readers[number]})
        while not ended.is_set():
            seat.stay(life, channel)
            await asyncio.sleep(0.05)

    return work


class Replies:
    """Who asked what, and which answers were confirmed."""

    def __init__(self, queue, seats, ends):
        self.queue, self.book = queue, queue.book
        (self.asker, self.answerer), (self.stopped, self.ended) = seats, ends
        #: By name: whose they are. By request: who asked, when an answer was confirmed, and whether it came.
        self.places, self.lives, self.answered, self.arrived = {}, {}, {}, set()

    async def ask(self, connection, life):
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        channel.on_return_callbacks.add(lambda _: unroutable(self.book, self.queue.name))
        place, came = (await channel.queue_declare("", exclusive=True)).queue, asyncio.Event()
        self.places[place] = life

        async def take(message):
            self.arrived.add(message.header.properties.correlation_id)
            self.book.heard_at = time.monotonic()
            came.set()
            await channel.basic_ack(message.delivery_tag)

        await channel.basic_consume(place, take)
        for number in itertools.count(1):
            if self.stopped.is_set():
                break
            request = f"{life.number}-{number}"
            self.lives[request] = life
            came.clear()
            properties = aiormq.spec.Basic.Properties(delivery_mode=2, reply_to=place, correlation_id=request)
            if await publish(channel, self.book, self.queue.name, b"what?", properties):
                self.book.count("requests")
                await self.wait(came, life, channel)
            self.asker.stay(life, channel)
            await asyncio.sleep(PAUSE_SECONDS)

    async def wait(self, came, life, channel):
        until = time.monotonic() + ANSWER_SECONDS_MAX
        while not came.is_set() and time.monotonic() < until:
            self.asker.stay(life, channel)
            try:
                await asyncio.wait_for(came.wait(), 0.1)
            except asyncio.TimeoutError:
                pass

    async def answer(self, connection, life):
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        await channel.basic_qos(prefetch_count=PREFETCH)
        count = itertools.count(1)

        async def take(message):
            properties = message.header.properties
            request, place = properties.correlation_id, properties.reply_to
            if next(count) % 20 == 0:
                await self.look_at(connection, place)
            told = aiormq.spec.Basic.Properties(delivery_mode=1, correlation_id=request)
            if await publish(channel, self.book, place, b"that", told):
                self.book.count("replies")
                self.answered.setdefault(request, time.time())
            if not channel.is_closed:
                await channel.basic_ack(message.delivery_tag)

        await channel.basic_consume(self.queue.name, take)
        while not self.ended.is_set():
            self.answerer.stay(life, channel)
            await asyncio.sleep(0.05)

    async def look_at(self, connection, place):
        """The queue is another connection's: it is locked, or gone with that."""
        try:
            channel = await connection.channel()
            await channel.queue_declare(place, passive=True)
            self.book.complain(f"{place} is not locked, and exclusive to another connection")
        except aiormq.exceptions.ChannelLockedResource:
            self.book.count("locked")
        except aiormq.exceptions.ChannelNotFoundEntity:
            pass
        except Exception as error:
            if not is_cut(error):
                raise

    def judge(self):
        for request, at in self.answered.items():
            life = self.lives[request]
            lived_on = life.ended_at is None or life.ended_at > at + ANSWER_SECONDS_MAX
            if request not in self.arrived and lived_on:
                self.book.count("replies_lost")
                self.book.complain(f"the answer to {request} was confirmed and did not arrive")

    async def await_gone(self, plan):
        """Queues of connections that are gone are gone."""
        until, left = time.monotonic() + GONE_SECONDS_MAX, set(self.places)
        while left and time.monotonic() < until:
            seat, one = Seat(plan, self.queue.name, 0), asyncio.Event()

            async def look(connection, _):
                for place in sorted(left):
                    channel = await connection.channel()
                    try:
                        await channel.queue_declare(place, passive=True)
                    except aiormq.exceptions.ChannelNotFoundEntity:
                        left.discard(place)
                    except aiormq.exceptions.ChannelLockedResource:
                        pass
                one.set()

            await again_and_again(seat, self.book, look, one)
            await asyncio.sleep(0.2)
        self.book.count("left_behind", len(left))
        self.book.complaints += [f"{place} is there, and its connection is not" for place in sorted(left)[:5]]


class Status:
    """Where publishers and consumers are."""

    def __init__(self, path):
        self.path, self.where = path, {name: [None, None] for name in QUEUES}

    def noting(self, name, place):
        def note(node):
            self.where[name][place] = node
            self.write()

        return note

    def write(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.where, file)
        os.replace(self.path + ".new", self.path)


def users(queue, kind, seat, ends):
    """Who works on a queue, where, and until when."""
    stopped, ended = ends
    at = [seat(1, 0), seat(2, 1), seat(2), seat(1), seat(0)]
    if kind == "requests":
        replies = Replies(queue, at[:2], ends)
        return replies, [(at[0], replies.ask, stopped), (at[1], replies.answer, ended)]
    if kind == "stream":
        work = [(at[place], reader(queue, at[place], ended), ended) for place in (1, 3, 4)]
        return None, [(at[0], publisher(queue, at[0], stopped), stopped), *work]
    work = [(at[0], publisher(queue, at[0], stopped), stopped), (at[1], acker(queue, at[1], ended), ended)]
    if kind == "shared":
        work.append((at[2], settler(queue, at[2], ended), ended))
        work.append((at[3], acker(queue, at[3], ended, gives_back=True), ended))
    if kind == "turns":
        work.append((at[4], acker(queue, at[4], ended), ended))
    return None, work


async def declare(plan, book):
    """Makes the queues; nodes that were not asked know of them when this ends."""
    for steps in range(len(plan.nodes)):
        done, seat = asyncio.Event(), Seat(plan, "", steps)
        seat.at = steps

        async def work(connection, _):
            channel = await connection.channel()
            for name, (arguments, _) in QUEUES.items():
                await channel.queue_declare(name, durable=True, arguments=arguments)
            done.set()

        await again_and_again(seat, book, work, done)


async def main(plan, status):
    stopped, ended, book, plan, status = asyncio.Event(), asyncio.Event(), Book(), Plan(plan), Status(status)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    watching = asyncio.create_task(plan.watch())
    await declare(plan, book)
    status.write()
    queues, tasks, replies = {}, [], None
    for name, (_, kind) in QUEUES.items():
        queues[name] = (Stream if kind == "stream" else Queue)(name, book)
    for name, (_, kind) in QUEUES.items():
        def seat(steps, place=None, name=name):
            return Seat(plan, name, steps, None if place is None else status.noting(name, place))

        asking, work = users(queues[name], kind, seat, (stopped, ended))
        replies = asking or replies
        tasks += [asyncio.create_task(again_and_again(at, book, each, until)) for at, each, until in work]
    print("ready", flush=True)
    await stopped.wait()
    await drain(book)
    ended.set()
    await asyncio.wait(tasks, timeout=ANSWER_SECONDS_MAX + 5)
    for task in [*tasks, watching]:
        if task.done() and task.exception():
            book.complain(repr(task.exception()))
        task.cancel()
    await replies.await_gone(plan)
    replies.judge()
    for name, (_, kind) in QUEUES.items():
        queues[name].judge(plan, kind == "turns")
    print(json.dumps({**book.counts, "complaints": book.complaints[:10]}), flush=True)
    # What a client's own tasks still wait for is of no interest.
    os._exit(1 if book.complaints else 0)


async def drain(book):
    stopped_at = time.monotonic()
    while time.monotonic() - max(book.heard_at, stopped_at) < QUIET_SECONDS:
        if time.monotonic() - stopped_at > DRAIN_SECONDS_MAX:
            book.complain("the queues do not run empty")
            break
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
