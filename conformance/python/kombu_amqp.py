"""kombu over AMQP: what Celery stands on."""

import socket
import threading
import time

import amqp
import kombu
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.mixins import ConsumerProducerMixin
from kombu.pools import producers

from cut import ThreadedCable
from harness import equal, fresh, refused, run, until

PATIENCE_SECONDS = 30


def connect(address, **more):
    return Connection(f"amqp://guest:guest@{address}//", **more)


def confirming(address):
    """With the option that makes kombu wait for confirms."""
    return connect(address, transport_options={"confirm_publish": True})


def queue(channel, *bodies, **more):
    """Declares kombu's default queue, durable and bound to an exchange of its name, with these messages in it."""
    name = fresh("q")
    declared = Queue(name, Exchange(name), routing_key=name, **more)(channel)
    declared.declare()
    for body in bodies:
        Producer(channel).publish(body, exchange=declared.exchange, routing_key=name)
    return declared


def drain(connection, condition):
    """Lets what comes be handled until the condition holds."""
    def step():
        try:
            connection.drain_events(timeout=0.1)
        except socket.timeout:
            pass
        return condition()
    until(step, "what is to come", PATIENCE_SECONDS)


def wait_for(declared):
    return until(lambda: declared.get(), "a message")


def values(address):
    with connect(address) as connection:
        channel = connection.channel()
        declared = queue(channel)
        body = {"text": "änd 🚌", "list": [1, 2.5, None, True]}
        headers = {"int": 1, "long": 2**40, "bool": True, "float": 1.5, "table": {"x": [1, "a"]}, "nothing": None}
        for compression in (None, "zlib", "bzip2"):
            for serializer in ("json", "pickle"):
                Producer(channel).publish(
                    body, exchange=declared.exchange, routing_key=declared.name, headers=headers, serializer=serializer,
                    compression=compression, priority=5, correlation_id="c", reply_to="r", expiration=60, message_id="m")
                got = declared.get(no_ack=True, accept=["json", "pickle"])
                equal(got.payload, body, f"the body by {serializer}, {compression}")
                equal({word: got.headers[word] for word in headers}, headers, "headers")
                properties = {"priority": 5, "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m"}
                equal({word: got.properties[word] for word in properties}, properties, "properties")


def frames(address):
    with connect(address) as connection:
        channel = connection.channel()
        declared = queue(channel)
        for size in (5_000_000, 0, 131_064, 131_065):
            body = b"x" * size
            Producer(channel).publish(body, exchange=declared.exchange, routing_key=declared.name)
            equal(bytes(wait_for(declared).body or b"") == body, True, f"{size} bytes are the same")


def confirms(address):
    with confirming(address) as connection:
        channel, returned = connection.channel(), []
        declared = queue(channel, *range(200))
        equal(declared.queue_declare(passive=True).message_count, 200, "messages")
        producer = Producer(channel, on_return=lambda error, *_: returned.append(error))
        producer.publish("lost", routing_key=fresh("nowhere"), exchange="", mandatory=True)
        drain(connection, lambda: returned)
        equal(len(returned), 1, "what came back")


def consume(address):
    with connect(address) as connection:
        channel, taken = connection.channel(), []
        declared = queue(channel, *range(6))
        consumer = Consumer(channel, [declared], callbacks=[lambda _, message: taken.append(message)], prefetch_count=3)
        with consumer:
            drain(connection, lambda: len(taken) >= 3)
            refused(lambda: connection.drain_events(timeout=0.2), "more than the prefetch")
            equal([message.payload for message in taken], [0, 1, 2], "within the prefetch")
            taken[1].ack(multiple=True)
            drain(connection, lambda: len(taken) >= 5)
            taken[2].requeue()
            drain(connection, lambda: len(taken) >= 6)
            equal((taken[5].payload, taken[5].delivery_info["redelivered"]), (2, True), "what was given back")
            consumer.recover(requeue=True)
            drain(connection, lambda: len(taken) >= 9)
            equal([message.payload for message in taken[6:]], [2, 3, 4], "what comes again")


def with_dead_letters(channel, **arguments):
    """A queue, and the queue of its dead letters."""
    dead = queue(channel)
    arguments |= {"x-dead-letter-exchange": dead.exchange.name, "x-dead-letter-routing-key": dead.name}
    return queue(channel, queue_arguments=arguments), dead


def dead_letters(address):
    with connect(address) as connection:
        channel = connection.channel()
        declared, dead = with_dead_letters(channel)
        for body, expiration in (("rejected", None), ("expired", 0.05)):
            Producer(channel).publish(body, exchange=declared.exchange, routing_key=declared.name, expiration=expiration)
            if expiration is None:
                declared.get().reject()
            letter = wait_for(dead)
            letter.ack()
            equal((letter.payload, letter.headers["x-death"][0]["reason"]), (body, body), "how it died")
            equal(letter.headers["x-death"][0]["queue"], declared.name, "where it died")


def quorum(address):
    with connect(address) as connection:
        channel = connection.channel()
        declared, dead = with_dead_letters(channel, **{"x-queue-type": "quorum", "x-delivery-limit": 1})
        Producer(channel).publish("worn", exchange=declared.exchange, routing_key=declared.name)
        counts, letters = [], []

        def give_back(message):
            counts.append(message.headers.get("x-delivery-count", 0))
            message.requeue()

        with Consumer(channel, [declared], on_message=give_back), Consumer(channel, [dead], on_message=letters.append):
            drain(connection, lambda: letters)
        equal(counts, [0, 1], "deliveries before")
        equal(letters[0].headers["x-death"][0]["reason"], "delivery_limit", "how it wore out")


def full(address):
    with confirming(address) as connection:
        channel = connection.channel()
        declared = queue(channel, "1", max_length=1, queue_arguments={"x-overflow": "reject-publish"})
        publish = lambda: Producer(channel).publish("2", exchange=declared.exchange, routing_key=declared.name)
        error = refused(publish, "one more than the queue takes")
        equal(type(error).__name__, "MessageNacked", "how it is refused")


def delayed(address):
    with connect(address) as connection:
        channel, name = connection.channel(), fresh("x")
        exchange = Exchange(name, "x-delayed-message", arguments={"x-delayed-type": "direct"})
        declared = Queue(name, exchange, routing_key="k")(channel)
        declared.declare()
        began_at = time.monotonic()
        Producer(channel).publish("late", exchange=exchange, routing_key="k", headers={"x-delay": 600})
        equal((wait_for(declared).payload, time.monotonic() - began_at >= 0.6), ("late", True), "it was held back")


class Upper(ConsumerProducerMixin):
    """kombu's own server of questions."""

    def __init__(self, connection, asked):
        self.connection, self.asked = connection, asked

    def get_consumers(self, Consumer, channel):
        return [Consumer(queues=[self.asked], on_message=self.answer, prefetch_count=1)]

    def answer(self, message):
        properties = message.properties
        self.producer.publish(
            message.payload.upper(), exchange="", routing_key=properties["reply_to"],
            correlation_id=properties["correlation_id"], retry=True)
        message.ack()


def serving(address, asked):
    server = Upper(connect(address), asked)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    return server, thread


def ask(connection, asked, text):
    """Asks with a queue of its own for the answer, which is kombu's `exclusive` and `auto_delete`."""
    mine, answers = Queue(fresh("reply"), exclusive=True, auto_delete=True), []
    with Producer(connection) as producer:
        with Consumer(connection, [mine], on_message=lambda message: answers.append(message), no_ack=True):
            producer.publish(text, exchange="", routing_key=asked.name, declare=[mine], reply_to=mine.name, correlation_id="c")
            drain(connection, lambda: answers)
    equal(answers[0].properties["correlation_id"], "c", "what the answer is to")
    return answers[0].payload


def rpc(address):
    asked = Queue(fresh("asked"))
    server, thread = serving(address, asked)
    with connect(address) as connection:
        asked(connection.channel()).declare()
        equal(ask(connection, asked, "question"), "QUESTION", "the answer")
    server.should_stop = True
    thread.join(PATIENCE_SECONDS)


def topology(address):
    with connect(address) as connection:
        channel = connection.channel()
        declared = queue(channel)
        outer = Exchange(fresh("outer"), "headers", auto_delete=True)(channel)
        outer.declare()
        declared.exchange.bind_to(outer, routing_key=declared.name, arguments={"x-match": "all", "colour": "red"})
        declared.bind_to(outer, arguments={"x-match": "any", "size": 1, "weight": 2})
        for number, headers in enumerate(({"colour": "blue"}, {"colour": "red"}, {"size": 1})):
            Producer(channel).publish(number, exchange=outer, routing_key=declared.name, headers=headers)
        got = [wait_for(declared) for _ in range(2)]
        equal([message.payload for message in got], [1, 2], "what matches")
        error = refused(lambda: declared.exchange(connection.channel()).delete(if_unused=True), "deleting what is used")
        equal(error.code, 406, "the code")


def errors(address):
    with connect(address) as connection:
        name = queue(connection.channel()).name
        for code, what in ((406, Queue(name, durable=False)), (403, Queue("amq.mine")), (406, Queue(fresh("q"), max_length=-1))):
            error = refused(lambda: what(connection.channel()).queue_declare(), f"{what}")
            equal((error.code, isinstance(error, connection.channel_errors)), (code, True), "the code")
        equal(connection.connected, True, "the connection goes on")
        equal(Queue(name)(connection.channel()).queue_declare().queue, name, "a new channel")


def heartbeat(address):
    beating, silent = connect(address, heartbeat=2), connect(address, heartbeat=2)
    silent.connect()
    with beating:
        beating.connect()
        for _ in range(16):
            refused(lambda: beating.drain_events(timeout=0.5), "anything but heartbeats")
            beating.heartbeat_check(rate=2)
        queue(beating.channel(), 1)
    # What the broker had said before it hung up is read first.
    until(lambda: isinstance(silence(silent), silent.connection_errors), "a connection that said nothing is ended")


def silence(connection):
    """Waits on a connection without a word; returns what it raises."""
    try:
        connection.drain_events(timeout=1)
    except Exception as error:
        return error


def channels(address):
    with connect(address) as connection:
        declared = [queue(connection.channel(), number) for number in range(100)]
        for number, one in enumerate(declared):
            equal(wait_for(one).payload, number, "what a channel gets")


def gone(address):
    with connect(address) as connection:
        channel, told = connection.channel(), []
        declared = queue(channel)
        consumer = Consumer(channel, [declared], on_message=lambda _: None)
        channel.basic_consume(declared.name, on_cancel=told.append)
        declared(connection.channel()).delete()
        try:
            drain(connection, lambda: told)
        except amqp.exceptions.ConsumerCancelled as error:
            told.append(error)
        equal(len(told), 1, "what it is told")
        del consumer


def cut_off(address):
    """The mixin consumes again after each cut, and a pool's producer publishes again."""
    cable = ThreadedCable(address)
    name = fresh("q")
    declared = Queue(name, Exchange(name, "topic"), routing_key="#")
    options = {"transport_options": {"confirm_publish": True}}

    class Keeper(kombu.mixins.ConsumerMixin):
        connection, taken = connect(cable.address), set()

        def get_consumers(self, Consumer, channel):
            return [Consumer(queues=[declared], on_message=self.take, prefetch_count=10)]

        def take(self, message):
            self.taken.add(message.payload)
            message.ack()

    keeper = Keeper()
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    with producers[connect(cable.address, **options)].acquire(block=True) as producer:
        policy = {"interval_start": 0, "interval_step": 0.05, "max_retries": 100}
        for number in range(60):
            if number % 20 == 10:
                cable.cut()
            producer.publish(number, exchange=declared.exchange, routing_key="k", declare=[declared], retry=True, retry_policy=policy)
    until(lambda: keeper.taken == set(range(60)), "all that was confirmed")
    equal(cable.cable.cuts, 3, "cuts")
    keeper.should_stop = True
    thread.join(PATIENCE_SECONDS)


def patterns(address):
    with connect(address) as connection:
        simple, buffer = connection.SimpleQueue(fresh("simple")), connection.SimpleBuffer(fresh("buffer"))
        for one in (simple, buffer):
            for number in range(3):
                one.put({"number": number}, compression="zlib")
            until(lambda: one.qsize() == 3, "three messages")
            for number in range(3):
                message = one.get(timeout=5)
                equal(message.payload, {"number": number}, "the next")
                message.ack()
            refused(lambda: one.get_nowait(), "more than there are")
            one.close()


if __name__ == "__main__":
    run("kombu", f"{kombu.__version__} (py-amqp {amqp.__version__})", globals())
