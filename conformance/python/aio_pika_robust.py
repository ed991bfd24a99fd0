"""aio-pika, by its robust connection, which comes back by itself."""

import asyncio
import datetime
import decimal

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.patterns import RPC, Master, NackMessage

from cut import Cable
from harness import equal, fresh, run

PATIENCE_SECONDS = 30


def checked(check):
    """Runs a check with a connection of its own."""

    def one(address):
        async def main():
            async with await connect(address) as connection:
                await check(address, connection)

        asyncio.run(main())

    return one


def connect(address, **more):
    return aio_pika.connect_robust(f"amqp://guest:guest@{address}/", **more)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_SECONDS)


async def queue(channel, *bodies, **arguments):
    """Declares a queue that nobody has used before, with these messages in it."""
    declared = await channel.declare_queue(fresh("q"), durable=True, arguments=arguments)
    for body in bodies:
        await channel.default_exchange.publish(Message(body.encode()), declared.name)
    return declared


async def take(messages, count):
    return [await soon(messages.get()) for _ in range(count)]


async def refused(awaitable, word, what):
    """The channel is closed; aio-pika tells what the broker said, whose first word stands for the code."""
    try:
        await soon(awaitable)
    except aio_pika.exceptions.ChannelClosed as error:
        equal(str(error).split(" - ")[0], word, f"the code of {what}")
        return
    raise AssertionError(f"{what} was accepted")


def bodies(messages):
    return [message.body.decode() for message in messages]


HEADERS = {
    "int": 1,
    "negative": -5,
    "long": 2**40,
    "bool": True,
    "float": 1.5,
    "text": "änd 🚌",
    "nothing": None,
    "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    "decimal": decimal.Decimal("1.25"),
    "list": [1, "a", [2]],
    "table": {"x": {"y": 1}},
}


@checked
async def values(address, connection):
    channel = await connection.channel()
    declared = await queue(channel)
    sent = Message(
        b"body", headers=HEADERS, content_type="text/plain", content_encoding="utf-8", correlation_id="c", reply_to="r",
        expiration=60, message_id="m", timestamp=1_700_000_000, type="t", user_id="guest", app_id="a", priority=7,
        delivery_mode=DeliveryMode.PERSISTENT,
    )
    await channel.default_exchange.publish(sent, declared.name)
    got = await declared.get(no_ack=True)
    equal(dict(got.headers), HEADERS, "headers")
    words = ("app_id", "content_encoding", "content_type", "correlation_id", "delivery_mode", "expiration", "message_id",
             "priority", "reply_to", "timestamp", "type", "user_id")
    equal({word: getattr(got, word) for word in words}, {word: getattr(sent, word) for word in words}, "properties")


@checked
async def frames(address, connection):
    channel = await connection.channel()
    declared = await queue(channel)
    for size in (5_000_000, 0, 131_064, 131_065):
        body = bytes(size % 251 for size in range(size))
        await channel.default_exchange.publish(Message(body), declared.name)
        got = await declared.get(no_ack=True)
        equal(got.body == body, True, f"{size} bytes are the same")


@checked
async def confirms(address, connection):
    channel = await connection.channel(on_return_raises=True)
    declared = await queue(channel)
    publishes = [channel.default_exchange.publish(Message(b"%d" % number), declared.name) for number in range(1_000)]
    answers = await soon(asyncio.gather(*publishes))
    equal({type(answer).__name__ for answer in answers}, {"Ack"}, "answers")
    again = await (await connection.channel()).declare_queue(declared.name, passive=True)
    equal(again.declaration_result.message_count, 1_000, "messages")
    try:
        await channel.default_exchange.publish(Message(b"lost"), fresh("nowhere"))
    except aio_pika.exceptions.DeliveryError as error:
        equal(error.message.delivery.reply_code, 312, "the code of what came back")
    else:
        raise AssertionError("a message that no queue takes did not come back")


@checked
async def consume(address, connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=3)
    declared, taken = await queue(channel, *"123456"), asyncio.Queue()
    tag = await declared.consume(taken.put)
    first = await take(taken, 3)
    await asyncio.sleep(0.2)
    equal((bodies(first), taken.empty()), (["1", "2", "3"], True), "within the prefetch")
    await first[1].ack(multiple=True)
    second = await take(taken, 2)
    await first[2].nack(requeue=True)
    [again] = await take(taken, 1)
    equal((again.body, again.redelivered), (b"3", True), "what was given back")
    await declared.cancel(tag)
    for message in (*second, again):
        await message.ack()
    last = await declared.get()
    equal(last.body, b"6", "what nobody was given")
    await last.reject()
    equal(await declared.get(fail=False), None, "what is left")


async def with_dead_letters(channel, **arguments):
    """A queue, and the queue of its dead letters."""
    exchange = await channel.declare_exchange(fresh("dlx"), ExchangeType.TOPIC)
    dead = await queue(channel)
    await dead.bind(exchange, "died.#")
    more = {"x-dead-letter-exchange": exchange.name, "x-dead-letter-routing-key": "died.here"}
    return await queue(channel, **more, **arguments), dead


async def wait_for_one(declared):
    async with declared.iterator(no_ack=True) as messages:
        return await soon(anext(messages))


@checked
async def dead_letters(address, connection):
    channel = await connection.channel()
    declared, dead = await with_dead_letters(channel)
    for body, expiration in (("refused", None), ("expired", 0.05)):
        await channel.default_exchange.publish(Message(body.encode(), expiration=expiration), declared.name)
        if expiration is None:
            await (await declared.get()).reject(requeue=False)
        letter = await wait_for_one(dead)
        [death] = letter.headers["x-death"]
        reason = "rejected" if expiration is None else "expired"
        equal((letter.body.decode(), letter.routing_key), (body, "died.here"), "the dead letter")
        equal((death["reason"], death["queue"], death["count"]), (reason, declared.name, 1), "how it died")
        equal(letter.expiration, None, "it does not expire again")


@checked
async def quorum(address, connection):
    channel = await connection.channel()
    declared, dead = await with_dead_letters(channel, **{"x-queue-type": "quorum", "x-delivery-limit": 2})
    await channel.default_exchange.publish(Message(b"worn"), declared.name)
    counts = []

    async def give_back(message):
        counts.append(message.headers.get("x-delivery-count", 0))
        await message.nack(requeue=True)

    await declared.consume(give_back)
    letter = await wait_for_one(dead)
    equal(letter.headers["x-death"][0]["reason"], "delivery_limit", "how it wore out")
    equal(counts, [0, 1, 2], "deliveries before")


async def wait_for(declared):
    """Fetches as soon as there is something."""
    for _ in range(PATIENCE_SECONDS * 20):
        message = await declared.get(fail=False)
        if message is not None:
            return message
        await asyncio.sleep(0.05)
    raise AssertionError("no message")


@checked
async def full(address, connection):
    channel = await connection.channel()
    declared = await queue(channel, "1", "2", **{"x-max-length": 2, "x-overflow": "reject-publish"})
    try:
        await channel.default_exchange.publish(Message(b"3"), declared.name)
    except aio_pika.exceptions.DeliveryError as error:
        equal(type(error.frame).__name__, "Nack", "the answer")
    else:
        raise AssertionError("one more than the queue takes was accepted")


@checked
async def delayed(address, connection):
    channel = await connection.channel()
    kind = aio_pika.ExchangeType.X_DELAYED_MESSAGE
    exchange = await channel.declare_exchange(fresh("x"), kind, arguments={"x-delayed-type": "topic"})
    declared = await queue(channel)
    await declared.bind(exchange, "#")
    began_at = asyncio.get_running_loop().time()
    await exchange.publish(Message(b"late", headers={"x-delay": 600}), "k")
    equal((await wait_for_one(declared)).body, b"late", "what came")
    equal(asyncio.get_running_loop().time() - began_at >= 0.6, True, "it was held back")


@checked
async def rpc(address, connection):
    """As RabbitMQ's tutorial does it: an exclusive queue for the answers."""
    channel, answers = await connection.channel(), asyncio.Queue()
    asked = await queue(channel)
    mine = await channel.declare_queue(exclusive=True)
    await mine.consume(answers.put, no_ack=True)

    async def answer(message):
        async with message.process():
            reply = Message(message.body.upper(), correlation_id=message.correlation_id)
            await channel.default_exchange.publish(reply, message.reply_to)

    await asked.consume(answer)
    for name in (mine.name, "amq.rabbitmq.reply-to"):
        if name != mine.name:
            direct = await channel.get_queue(name, ensure=False)
            await direct.consume(answers.put, no_ack=True)
        question = Message(b"question", correlation_id=name, reply_to=name)
        await channel.default_exchange.publish(question, asked.name)
        [got] = await take(answers, 1)
        equal((got.body, got.correlation_id), (b"QUESTION", name), "the answer")


@checked
async def topology(address, connection):
    channel = await connection.channel()
    outer = await channel.declare_exchange(fresh("outer"), ExchangeType.HEADERS, auto_delete=True)
    inner = await channel.declare_exchange(fresh("inner"), ExchangeType.FANOUT, internal=True)
    declared = await queue(channel)
    await inner.bind(outer, arguments={"x-match": "all", "colour": "red"})
    await declared.bind(inner)
    for colour in ("blue", "red"):
        await outer.publish(Message(colour.encode(), headers={"colour": colour}), "")
    equal((await wait_for_one(declared)).body, b"red", "what matches")
    other = await connection.channel()
    await refused(other.exchange_delete(inner.name, if_unused=True), "PRECONDITION_FAILED", "deleting what is used")
    await inner.unbind(outer, arguments={"x-match": "all", "colour": "red"})
    other = await connection.channel()
    await refused(other.declare_exchange(outer.name, passive=True), "NOT_FOUND", "an auto-delete exchange that is gone")


@checked
async def errors(address, connection):
    channel = await connection.channel()
    declared = await queue(channel)
    for word, what, action in (
        ("PRECONDITION_FAILED", "other arguments", lambda channel: channel.declare_queue(declared.name, durable=False)),
        ("NOT_FOUND", "a queue that is not there", lambda channel: channel.declare_queue(fresh("q"), passive=True)),
        ("ACCESS_REFUSED", "a name of the server's", lambda channel: channel.declare_queue("amq.mine")),
        ("PRECONDITION_FAILED", "a type that is not there", lambda channel: channel.declare_queue(fresh("q"), arguments={"x-queue-type": "odd"})),
    ):
        other = await connection.channel()
        await refused(action(other), word, what)
    equal(connection.connected.is_set(), True, "the connection goes on")
    await channel.default_exchange.publish(Message(b"1"), declared.name)


@checked
async def heartbeat(address, connection):
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    # Who has only said hello is not waited for.
    writer.write(b"AMQP\x00\x00\x09\x01")
    silent = asyncio.create_task(reader.read())
    async with await connect(address, heartbeat=1) as beating:
        channel = await beating.channel()
        declared, taken = await queue(channel), asyncio.Queue()
        await declared.consume(taken.put, no_ack=True)
        await asyncio.sleep(3.5)
        await (await connection.channel()).default_exchange.publish(Message(b"1"), declared.name)
        await take(taken, 1)
    # Its end may be a sudden one.
    await soon(asyncio.wait([silent]))
    writer.close()


@checked
async def channels(address, connection):
    async def one():
        async with connection.channel() as channel:
            declared = await channel.declare_queue(exclusive=True)
            for number in range(10):
                await channel.default_exchange.publish(Message(b"%d" % number), declared.name)
            got = [(await declared.get(no_ack=True)).body for _ in range(10)]
            equal(got, [b"%d" % number for number in range(10)], "what a channel gets")

    await soon(asyncio.gather(*(one() for _ in range(100))))


@checked
async def gone(address, connection):
    channel, told = await connection.channel(), asyncio.Event()
    declared, taken = await queue(channel, "1"), asyncio.Queue()
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: told.set())
    await declared.consume(taken.put, no_ack=True)
    await take(taken, 1)
    await (await connection.channel()).queue_delete(declared.name)
    await soon(told.wait())
    # It answers what the broker says, and its channel is as good as before.
    await channel.declare_queue(exclusive=True)


@checked
async def transactions(address, connection):
    channel = await connection.channel(publisher_confirms=False)
    declared = await queue(await connection.channel())
    async with channel.transaction():
        await channel.default_exchange.publish(Message(b"1"), declared.name)
    try:
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"2"), declared.name)
            raise KeyError
    except KeyError:
        pass
    equal((await wait_for(declared)).body, b"1", "what was committed")
    equal(await declared.get(fail=False), None, "what was not")


@checked
async def cut_off(address, _):
    """Queues of all kinds come back, and their consumers with them."""
    async with Cable(address) as cable:
        async with await connect(cable.address, reconnect_interval=0.1) as connection:
            channel, taken = await connection.channel(), asyncio.Queue()
            await channel.set_qos(prefetch_count=10)
            exchange = await channel.declare_exchange(fresh("x"), ExchangeType.TOPIC, auto_delete=True)
            kept = await queue(channel)
            mine = await channel.declare_queue(fresh("mine"), exclusive=True)
            for declared in (kept, mine):
                await declared.bind(exchange, "#")
                await declared.consume(taken.put)
            confirmed, got = set(), set()
            for number in range(60):
                if number % 20 == 10:
                    cable.cut()
                while number not in confirmed:
                    try:
                        await soon(exchange.publish(Message(b"%d" % number), "k"))
                        confirmed.add(number)
                    except (aio_pika.exceptions.AMQPError, ConnectionError, asyncio.CancelledError, RuntimeError):
                        await asyncio.sleep(0.05)
            while not confirmed <= got:
                [message] = await take(taken, 1)
                if message.consumer_tag in kept_tags(kept):
                    got.add(int(message.body))
                try:
                    await message.ack()
                except (aio_pika.exceptions.AMQPError, ConnectionError, RuntimeError):
                    pass  # What was not settled comes again.
            equal(cable.cuts, 3, "cuts")


def kept_tags(declared):
    return set(declared._consumers)


@checked
async def patterns(address, connection):
    channel = await connection.channel()
    rpc = await RPC.create(channel)
    name = fresh("double")

    async def double(number):
        return 2 * number

    await rpc.register(name, double)
    equal(await soon(rpc.call(name, kwargs={"number": 21})), 42, "what RPC returns")
    await rpc.close()
    master, done, tried = Master(await connection.channel()), asyncio.Event(), []

    async def work(task):
        tried.append(task)
        if len(tried) < 3:
            raise NackMessage(requeue=True)
        done.set()

    tasks = fresh("tasks")
    worker = await master.create_worker(tasks, work, durable=True)
    await master.create_task(tasks, {"task": "t"})
    await soon(done.wait())
    equal(tried, ["t"] * 3, "what the worker was given")
    await worker.close()


if __name__ == "__main__":
    run("aio-pika", aio_pika.__version__ if hasattr(aio_pika, "__version__") else "", globals())
