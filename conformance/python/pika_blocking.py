"""pika, by its blocking connection."""

import datetime
import decimal
import os
import subprocess
import sys
import time

import pika
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, ProbableAuthenticationError, UnroutableError

from harness import equal, fresh, refused, run, until


def parameters(address, **more):
    host, port = address.rsplit(":", 1)
    return pika.ConnectionParameters(host, int(port), **more)


def connect(address, **more):
    connection = pika.BlockingConnection(parameters(address, **more))
    return connection, connection.channel()


def queue(channel, *bodies, **more):
    """Declares a queue that nobody has used before, with these messages in it."""
    name = fresh("q")
    channel.queue_declare(name, durable=True, **more)
    for body in bodies:
        channel.basic_publish("", name, body.encode())
    return name


def drain(channel, name):
    """Takes all that a queue holds; returns the bodies, and which came again."""
    taken = []
    while True:
        method, _, body = channel.basic_get(name, auto_ack=True)
        if method is None:
            return [body for body, _ in taken], [body for body, again in taken if again]
        taken.append((body.decode(), method.redelivered))


def ready(channel, name):
    return channel.queue_declare(name, passive=True).method.message_count


class Consumer:
    """Keeps what it is given."""

    def __init__(self, address, name, prefetch=0, **more):
        self.connection, self.channel = connect(address)
        if prefetch:
            self.channel.basic_qos(prefetch_count=prefetch)
        self.taken = []
        self.tag = self.channel.basic_consume(name, self.take, **more)

    def take(self, channel, method, properties, body):
        self.taken.append((method, properties, body.decode()))

    def bodies(self):
        return [body for _, _, body in self.taken]

    def await_count(self, count):
        def enough():
            self.connection.process_data_events(0.05)
            return len(self.taken) >= count
        until(enough, f"{count} messages")

    def rest(self):
        self.connection.process_data_events(0.3)


HEADERS = {
    "int": 1,
    "long": 2**40,
    "negative": -5,
    "bool": True,
    "text": "änd 🚌",
    "bytes": b"\x00\xff",
    "nothing": None,
    "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    "decimal": decimal.Decimal("1.25"),
    "list": [1, "a", [2]],
    "table": {"x": {"y": 1}},
}


def round_trip(address):
    connection, channel = connect(address)
    name = queue(channel)
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", headers=HEADERS, delivery_mode=2, priority=255,
        correlation_id="c", reply_to="r", expiration="99999", message_id="m", timestamp=1700000000, type="t",
        user_id="guest", app_id="a", cluster_id="cl",
    )
    for body in (b"", b"body \x00\xff"):
        channel.basic_publish("", name, body, sent)
        method, properties, got = channel.basic_get(name, auto_ack=True)
        equal((got, method.exchange, method.routing_key, method.redelivered), (body, "", name, False), "the message")
        equal(properties.headers, HEADERS, "headers")
        equal(list(properties.headers), list(HEADERS), "their order")
        equal(vars(properties), vars(sent), "properties")
    connection.close()


def large(address):
    connection, channel = connect(address)
    name = queue(channel)
    channel.basic_publish("", name, bytes(1_000_003))
    equal(len(channel.basic_get(name, auto_ack=True)[2]), 1_000_003, "bytes")
    channel.basic_publish("", name, b"x", pika.BasicProperties(headers={"h": "y" * 60_000}))
    equal(len(channel.basic_get(name, auto_ack=True)[1].headers["h"]), 60_000, "bytes of a header")
    connection.close()


def get_and_settle(address):
    connection, channel = connect(address)
    name = queue(channel, *"12345")
    tags = [channel.basic_get(name)[0].delivery_tag for _ in range(4)]
    channel.basic_ack(tags[3])
    channel.basic_reject(tags[1], requeue=True)
    channel.basic_nack(tags[0], requeue=False)
    equal(ready(channel, name), 2, "ready")
    channel.basic_recover(requeue=True)
    equal(drain(channel, name), (["2", "3", "5"], ["2", "3"]), "what is left, and what comes again")
    connection.close()


def consume(address):
    connection, channel = connect(address)
    name = queue(channel, *"123456")
    consumer = Consumer(address, name, prefetch=2)
    consumer.await_count(2)
    consumer.rest()
    equal(consumer.bodies(), ["1", "2"], "within the prefetch")
    consumer.channel.basic_ack(consumer.taken[1][0].delivery_tag, multiple=True)
    consumer.await_count(4)
    consumer.channel.basic_nack(consumer.taken[2][0].delivery_tag, requeue=True)
    consumer.await_count(5)
    equal(consumer.bodies(), ["1", "2", "3", "4", "3"], "what was given back comes first")
    consumer.connection.close()
    equal(drain(channel, name)[0], list("3456"), "what was not settled")
    fast = Consumer(address, name, auto_ack=True)
    for number in range(1_000):
        channel.basic_publish("", name, str(number).encode())
    fast.await_count(1_000)
    equal(fast.bodies(), [str(number) for number in range(1_000)], "in order")
    fast.connection.close()
    connection.close()


def cancel(address):
    connection, channel = connect(address)
    name = queue(channel, "1")
    consumer = Consumer(address, name, auto_ack=True)
    consumer.await_count(1)
    consumer.channel.basic_cancel(consumer.tag)
    channel.basic_publish("", name, b"2")
    consumer.rest()
    equal((consumer.bodies(), ready(channel, name)), (["1"], 1), "after the cancelling")
    told = []
    consumer.channel.add_on_cancel_callback(told.append)
    consumer.channel.basic_consume(name, consumer.take, auto_ack=True)
    consumer.await_count(2)
    channel.queue_delete(name)
    until(lambda: consumer.connection.process_data_events(0.05) or told, "the word that the queue is gone")
    equal(consumer.channel.is_open, True, "the channel stays open")
    consumer.connection.close()
    connection.close()


def confirms(address):
    connection, channel = connect(address)
    name = queue(channel)
    channel.confirm_delivery()
    for number in range(200):
        channel.basic_publish("", name, str(number).encode(), mandatory=True)
    equal(ready(channel, name), 200, "messages")
    try:
        channel.basic_publish("", fresh("nowhere"), b"lost", mandatory=True)
    except UnroutableError as error:
        equal([returned.body for returned in error.messages], [b"lost"], "what came back")
        equal(error.messages[0].method.reply_code, 312, "the code")
    else:
        raise AssertionError("a message that no queue takes did not come back")
    channel.basic_publish("", fresh("nowhere"), b"lost")
    connection.close()


LOSES_ITS_CONNECTION = """
import sys
from pika_blocking import Consumer
lost = Consumer(sys.argv[1], sys.argv[2], prefetch=3)
lost.await_count(3)
print("holds", flush=True)
sys.stdin.read()
"""


def lost_connection(address):
    connection, channel = connect(address)
    name = queue(channel, *"1234")
    program = [sys.executable, "-c", LOSES_ITS_CONNECTION, address, name]
    lost = subprocess.Popen(program, cwd=os.path.dirname(__file__), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    equal(lost.stdout.readline(), b"holds\n", "what it says")
    other = Consumer(address, name)
    other.await_count(1)
    lost.kill()
    lost.wait()
    other.await_count(4)
    equal(other.bodies(), ["4", "1", "2", "3"], "what the other is given")
    equal([method.redelivered for method, _, _ in other.taken], [False, True, True, True], "which come again")
    other.connection.close()
    connection.close()


def exclusive(address):
    connection, channel = connect(address)
    name = channel.queue_declare("", exclusive=True).method.queue
    equal(name.startswith("amq.gen-"), True, "a name of the server's")
    other, others_channel = connect(address)
    error = refused(lambda: others_channel.queue_declare(name, passive=True), "another connection's queue")
    equal(error.reply_code, 405, "the code")
    connection.close()
    others_channel = other.channel()
    error = refused(lambda: others_channel.queue_declare(name, passive=True), "a queue that is gone")
    equal(error.reply_code, 404, "the code")
    other.close()


def auto_delete(address):
    connection, channel = connect(address)
    name = fresh("q")
    channel.queue_declare(name, auto_delete=True)
    consumer = Consumer(address, name)
    channel.basic_get(name)
    channel.queue_declare(name, passive=True)
    consumer.channel.basic_cancel(consumer.tag)
    error = refused(lambda: channel.queue_declare(name, passive=True), "a queue that is gone")
    equal(error.reply_code, 404, "the code")
    consumer.connection.close()
    connection.close()


def refusals(address):
    def channel_error(action, code):
        connection, channel = connect(address)
        try:
            action(channel)
            channel.queue_declare(fresh("q"), exclusive=True)
        except ChannelClosedByBroker as error:
            equal(error.reply_code, code, "the code")
            equal(connection.is_open, True, "the connection stays open")
        else:
            raise AssertionError(f"{code} did not come")
        connection.close()

    connection, channel = connect(address)
    name = queue(channel)
    channel_error(lambda channel: channel.queue_declare(fresh("q"), passive=True), 404)
    channel_error(lambda channel: channel.queue_declare(name, durable=False), 406)
    channel_error(lambda channel: channel.queue_declare("amq.mine"), 403)
    channel_error(lambda channel: channel.basic_get(fresh("q")), 404)
    channel_error(lambda channel: channel.basic_ack(77), 406)
    channel_error(lambda channel: channel.basic_publish(fresh("x"), "k", b""), 404)
    channel_error(lambda channel: channel.queue_declare(fresh("q"), arguments={"x-message-ttl": -1}), 406)
    for action in (lambda channel: channel.basic_recover(requeue=False), lambda channel: channel.basic_qos(10)):
        other, others_channel = connect(address)
        try:
            action(others_channel)
        except ConnectionClosedByBroker as error:
            equal(error.reply_code, 540, "the code")
        else:
            raise AssertionError("540 did not come")
    connection.close()


def exchanges(address):
    connection, channel = connect(address)
    names = {kind: fresh(kind) for kind in ("direct", "fanout", "topic", "headers")}
    for kind, name in names.items():
        channel.exchange_declare(name, kind, durable=True)
    bound = {}
    for word, kind, key, arguments in (
        ("direct", "direct", "a.b", {}),
        ("fanout", "fanout", "", {}),
        ("words", "topic", "a.*", {}),
        ("rest", "topic", "#", {}),
        ("headers", "headers", "", {"x-match": "any", "colour": "red", "size": 1}),
    ):
        bound[word] = queue(channel)
        channel.queue_bind(bound[word], names[kind], key, arguments)
    # All of them get what one gets, and those that are bound twice get it once.
    channel.exchange_bind(names["topic"], names["direct"], "a.b")
    channel.exchange_bind(names["fanout"], names["topic"], "#")
    channel.queue_bind(bound["fanout"], names["topic"], "a.#")
    channel.basic_publish(names["direct"], "a.b", b"1")
    channel.basic_publish(names["topic"], "c", b"2")
    channel.basic_publish(names["headers"], "", b"3", pika.BasicProperties(headers={"colour": "blue", "size": 1}))
    channel.basic_publish(names["headers"], "", b"4", pika.BasicProperties(headers={"colour": "blue"}))
    wanted = {"direct": ["1"], "fanout": ["1", "2"], "words": ["1"], "rest": ["1", "2"], "headers": ["3"]}
    equal({word: drain(channel, name)[0] for word, name in bound.items()}, wanted, "who got what")
    channel.exchange_unbind(names["topic"], names["direct"], "a.b")
    channel.basic_publish(names["direct"], "a.b", b"5")
    equal((drain(channel, bound["rest"])[0], drain(channel, bound["direct"])[0]), ([], ["5"]), "after the unbinding")
    channel.exchange_delete(names["direct"])
    error = refused(lambda: channel.exchange_declare(names["direct"], passive=True), "an exchange that is gone")
    equal(error.reply_code, 404, "the code")
    connection.close()


def alternate(address):
    connection, channel = connect(address)
    spare, main = fresh("spare"), fresh("main")
    channel.exchange_declare(spare, "fanout")
    channel.exchange_declare(main, "direct", arguments={"alternate-exchange": spare})
    name = queue(channel)
    channel.queue_bind(name, spare)
    channel.confirm_delivery()
    channel.basic_publish(main, "nobody", b"1", mandatory=True)
    equal(drain(channel, name)[0], ["1"], "what nobody wants")
    copy, blind = queue(channel), queue(channel)
    headers = {"CC": [copy, name], "BCC": [blind]}
    channel.basic_publish("", name, b"2", pika.BasicProperties(headers=headers))
    for each in (name, copy, blind):
        method, properties, body = channel.basic_get(each, auto_ack=True)
        equal((body, method.routing_key, list(properties.headers)), (b"2", name, ["CC"]), f"the copy in {each}")
    equal([ready(channel, each) for each in (name, copy, blind)], [0, 0, 0], "one copy each")
    connection.close()


def delayed(address):
    connection, channel = connect(address)
    exchange, name = fresh("x"), queue(channel)
    channel.exchange_declare(exchange, "x-delayed-message", arguments={"x-delayed-type": "direct"})
    channel.queue_bind(name, exchange, "k")
    sent = time.monotonic()
    channel.basic_publish(exchange, "k", b"late", pika.BasicProperties(headers={"x-delay": 700}))
    channel.basic_publish(exchange, "k", b"now")
    consumer = Consumer(address, name, auto_ack=True)
    consumer.await_count(2)
    equal(consumer.bodies(), ["now", "late"], "the order")
    equal(time.monotonic() - sent >= 0.7, True, "it was held back")
    consumer.connection.close()
    connection.close()


def transactions(address):
    connection, channel = connect(address)
    other, others_channel = connect(address)
    name = queue(channel, "0")
    channel.tx_select()
    channel.basic_publish("", name, b"1")
    equal(ready(others_channel, name), 1, "before the commit")
    channel.tx_commit()
    equal(ready(others_channel, name), 2, "after the commit")
    channel.basic_publish("", name, b"2")
    tag = channel.basic_get(name)[0].delivery_tag
    channel.basic_ack(tag)
    channel.tx_rollback()
    channel.basic_ack(tag)
    channel.tx_commit()
    channel.close()
    equal(drain(others_channel, name), (["1"], []), "after the rollback")
    other.close()
    connection.close()


def direct_reply(address):
    connection, channel = connect(address)
    other, others_channel = connect(address)
    name, answers = queue(channel), []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *answer: answers.append(answer), auto_ack=True)
    asks = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="1")
    channel.basic_publish("", name, b"question", asks)
    _, properties, _ = await_one(others_channel, name)
    declared = others_channel.queue_declare(properties.reply_to, passive=True).method
    equal((declared.message_count, declared.consumer_count), (0, 1), "who waits")
    others_channel.basic_publish("", properties.reply_to, b"answer", pika.BasicProperties(correlation_id="1"))
    until(lambda: connection.process_data_events(0.05) or answers, "the answer")
    equal([(properties.correlation_id, body) for _, _, properties, body in answers], [("1", b"answer")], "the answer")
    other.close()
    connection.close()


def shared_prefetch(address):
    connection, channel = connect(address)
    name, taken = queue(channel, *"123456"), []
    channel.basic_qos(prefetch_count=3, global_qos=True)
    for _ in range(2):
        channel.basic_consume(name, lambda _, method, properties, body: taken.append(method.delivery_tag))
    connection.process_data_events(0.5)
    equal(len(taken), 3, "messages that both hold")
    channel.basic_ack(taken[-1], multiple=True)
    connection.process_data_events(0.5)
    equal(len(taken), 6, "messages after those were settled")
    connection.close()


def expiry(address):
    connection, channel = connect(address)
    name = queue(channel, arguments={"x-message-ttl": 60_000})
    channel.basic_publish("", name, b"short", pika.BasicProperties(expiration="50"))
    channel.basic_publish("", name, b"long")
    until(lambda: ready(channel, name) == 1, "one message")
    equal(drain(channel, name)[0], ["long"], "what is left")
    short = queue(channel, "1", "2", arguments={"x-message-ttl": 50})
    until(lambda: ready(channel, short) == 0, "no message")
    connection.close()


def unused(address):
    connection, channel = connect(address)
    arguments = {"x-expires": 500}
    idle, consumed, fetched = (queue(channel, arguments=arguments) for _ in range(3))
    tag = channel.basic_consume(consumed, lambda *delivery: None)

    def is_there(name):
        other = connection.channel()
        try:
            other.queue_bind(name, "amq.direct")
        except ChannelClosedByBroker:
            return False
        other.close()
        return True

    def is_gone(name):
        connection.process_data_events(0.05)
        channel.basic_get(fetched)
        return not is_there(name)

    until(lambda: is_gone(idle), "the end of an unused queue")
    equal((is_there(consumed), is_there(fetched)), (True, True), "queues in use")
    channel.basic_cancel(tag)
    until(lambda: is_gone(consumed), "the end of a queue that is not consumed any more")
    connection.close()


def await_one(channel, name):
    return until(lambda: next((got for got in [channel.basic_get(name, auto_ack=True)] if got[0]), None), "a message")


def dead_letters(address):
    connection, channel = connect(address)
    exchange, dead = fresh("dlx"), queue(channel)
    channel.exchange_declare(exchange, "fanout")
    channel.queue_bind(dead, exchange)
    arguments = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "died"}
    name = queue(channel, "rejected", arguments=arguments)
    channel.basic_reject(channel.basic_get(name)[0].delivery_tag, requeue=False)
    method, properties, body = await_one(channel, dead)
    equal((body, method.exchange, method.routing_key), (b"rejected", exchange, "died"), "the dead letter")
    [death] = properties.headers["x-death"]
    wanted = {"count": 1, "reason": "rejected", "queue": name, "exchange": "", "routing-keys": [name]}
    equal({word: death[word] for word in wanted}, wanted, "how it died")
    equal(properties.headers["x-first-death-reason"], "rejected", "how it died first")
    short = queue(channel, "expired", arguments={**arguments, "x-message-ttl": 30})
    equal(await_one(channel, dead)[1].headers["x-death"][0]["queue"], short, "where it expired")
    worn = queue(channel, "worn", arguments={**arguments, "x-queue-type": "quorum", "x-delivery-limit": 1})
    for _ in range(2):
        channel.basic_nack(channel.basic_get(worn)[0].delivery_tag, requeue=True)
    equal(channel.basic_get(worn)[0], None, "what is left")
    equal(await_one(channel, dead)[1].headers["x-death"][0]["reason"], "delivery_limit", "how it wore out")
    connection.close()


def bounds(address):
    connection, channel = connect(address)
    channel.confirm_delivery()
    name = queue(channel, *"1234", arguments={"x-max-length": 2})
    equal(drain(channel, name)[0], ["3", "4"], "the newest")
    full = queue(channel, *"12", arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    error = refused(lambda: channel.basic_publish("", full, b"3"), "one more")
    equal(type(error).__name__, "NackError", "how it was refused")
    equal(drain(channel, full)[0], ["1", "2"], "the oldest")
    dead = queue(channel)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": ""}
    full = queue(channel, "1", arguments={**arguments, "x-dead-letter-routing-key": dead})
    refused(lambda: channel.basic_publish("", full, b"2"), "one more")
    equal(await_one(channel, dead)[1].headers["x-death"][0]["reason"], "maxlen", "how it died")
    equal(drain(channel, full)[0], ["1"], "the oldest")
    connection.close()


def priorities(address):
    connection, channel = connect(address)
    name = queue(channel, arguments={"x-max-priority": 10})
    for priority in (0, 5, 9, 4, None, 20, 5):
        channel.basic_publish("", name, f"p{priority}".encode(), pika.BasicProperties(priority=priority))
    equal(drain(channel, name)[0], ["p20", "p9", "p5", "p5", "p4", "p0", "pNone"], "the order")
    bounded = queue(channel, arguments={"x-max-priority": 10, "x-max-length": 2})
    for priority in (0, 9, 4):
        channel.basic_publish("", bounded, f"p{priority}".encode(), pika.BasicProperties(priority=priority))
    equal(drain(channel, bounded)[0], ["p4", "p0"], "what a bounded queue keeps")
    connection.close()


def single_active(address):
    connection, channel = connect(address)
    name = queue(channel, arguments={"x-single-active-consumer": True})
    first, second = Consumer(address, name, auto_ack=True), Consumer(address, name, auto_ack=True)
    for body in "123":
        channel.basic_publish("", name, body.encode())
    first.await_count(3)
    first.channel.basic_cancel(first.tag)
    for body in "45":
        channel.basic_publish("", name, body.encode())
    second.await_count(2)
    first.rest()
    equal((first.bodies(), second.bodies()), (list("123"), list("45")), "who got what")
    for consumer in (first, second):
        consumer.connection.close()
    connection.close()


def stream(channel, count, **arguments):
    """Declares a stream that nobody has used before, with so many messages in it, called 0, 1 and so on."""
    name = fresh("s")
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream", **arguments})
    publish(channel, name, range(count))
    return name


def publish(channel, name, numbers):
    for number in numbers:
        channel.basic_publish("", name, str(number).encode(), mandatory=True)


def offsets(consumer):
    return [properties.headers["x-stream-offset"] for _, properties, _ in consumer.taken]


def streams(address):
    connection, channel = connect(address)
    channel.confirm_delivery()
    name = stream(channel, 6, **{"x-max-age": "7D", "x-max-length-bytes": 10_000_000})
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    starts = [("first", 0), (4, 4), (long_ago, 0), ("1h", 0), ("next", 6), (None, 6)]
    consumers = []
    for start, begins in starts:
        arguments = {} if start is None else {"x-stream-offset": start}
        consumers.append((Consumer(address, name, prefetch=3, arguments=arguments), begins))
    newest = Consumer(address, name, prefetch=100, arguments={"x-stream-offset": "last"})
    newest.await_count(1)
    publish(channel, name, range(6, 9))
    for consumer, begins in consumers:
        consumer.await_count(3)
        consumer.rest()
        equal(offsets(consumer), list(range(begins, begins + 3)), "within the prefetch")
        equal(any(method.redelivered for method, _, _ in consumer.taken), False, "what comes again")
        tags = [method.delivery_tag for method, _, _ in consumer.taken]
        consumer.channel.basic_ack(tags[1])
        consumer.channel.basic_ack(tags[2], multiple=True)
        consumer.await_count(min(6, 9 - begins))
        consumer.rest()
        equal(consumer.bodies(), [str(offset) for offset in offsets(consumer)], "messages and their places")
        consumer.connection.close()
    newest.await_count(4)
    equal(newest.bodies()[-4:], list("5678"), "from the newest on")
    channel.queue_declare(name, durable=True, passive=True)
    again = Consumer(address, name, prefetch=9, arguments={"x-stream-offset": "first"})
    again.await_count(9)
    told = []
    again.channel.add_on_cancel_callback(told.append)
    channel.queue_delete(name)
    until(lambda: again.connection.process_data_events(0.05) or told, "the word that it is gone")
    for one in again, newest:
        one.connection.close()
    connection.close()


def stream_refusals(address):
    connection, channel = connect(address)
    channel.confirm_delivery()
    name, kind = stream(channel, 1), {"x-queue-type": "stream"}
    for options in (
        {"durable": False}, {"exclusive": True}, {"auto_delete": True}, {"queue": ""},
        *({"arguments": {**kind, **more}} for more in (
            {"x-max-age": "7"}, {"x-max-age": 7}, {"x-max-length-bytes": -1}, {"x-max-priority": 5}, {"x-expires": 1000},
            {"x-message-ttl": 1000}, {"x-overflow": "reject-publish"}, {"x-delivery-limit": 1}, {"x-queue-mode": "lazy"},
            {"x-stream-max-segment-size-bytes": 3_000_000_001}, {"x-initial-cluster-size": 0},
            {"x-queue-leader-locator": "nobody"},
        )),
        {"queue": name, "arguments": {**kind, "x-max-age": "7D"}},
        {"queue": name, "arguments": {}},
    ):
        wanted = {"queue": fresh("s"), "durable": True, "arguments": kind, **options}
        error = refused(lambda: connection.channel().queue_declare(**wanted), str(options))
        equal(getattr(error, "reply_code", error), 406, f"the code of {options}")
    for what, prefetch, code, begin in (
        ("get", 1, 540, lambda channel: channel.basic_get(name)),
        ("purge", 1, 540, lambda channel: channel.queue_purge(name)),
        ("no prefetch", 0, 406, lambda channel: channel.basic_consume(name, print)),
        ("no acknowledgements", 1, 540, lambda channel: channel.basic_consume(name, print, auto_ack=True)),
        ("a priority", 1, 406, lambda channel: channel.basic_consume(name, print, arguments={"x-priority": 1})),
    ):
        other, channel = connect(address)
        if prefetch:
            channel.basic_qos(prefetch_count=prefetch)
        error = refused(lambda: begin(channel), what)
        equal(getattr(error, "reply_code", error), code, f"the code of {what}")
        if other.is_open:
            other.close()
    connection.close()


def virtual_hosts(address):
    (first, one), (second, other) = connect(address), connect(address, virtual_host="staging")
    name, exchange = fresh("q"), fresh("x")
    for channel, body in (one, b"of /"), (other, b"of staging"):
        equal(channel.queue_declare(name, durable=True).method.queue, name, "the name")
        channel.exchange_declare(exchange)
        for bound in exchange, "amq.direct":
            channel.queue_bind(name, bound, "k")
            channel.basic_publish(bound, "k", body)
        channel.basic_publish("", name, body)
    equal(drain(one, name)[0], ["of /"] * 3, "messages of the host /")
    equal(drain(other, name)[0], ["of staging"] * 3, "messages of the other host")
    one.queue_delete(name)
    equal(ready(other, name), 0, "what is there still")
    other.queue_delete(name)
    first.close()
    second.close()


def logins(address):
    wrong = pika.PlainCredentials("guest", "wrong")
    error = refused(lambda: connect(address, credentials=wrong), "a wrong password")
    equal(isinstance(error, ProbableAuthenticationError), True, f"{error!r} says so")
    error = refused(lambda: connect(address, virtual_host="nope"), "a virtual host that is not there")
    equal("530" in str(error) or getattr(error, "reply_code", 0) == 530, True, f"{error!r} says so")


if __name__ == "__main__":
    run("pika", pika.__version__, globals())
