"""One message over AMQP and another door, as docs/conversion.md says: pika, boto3 and confluent-kafka on the same stream.

What a message is to each of them is compared with `conformance/golden/amqp-doors.json`; with CONFORMANCE_WRITE_GOLDEN it is
written there instead.
"""

import base64
import datetime
import decimal
import json
import os
import subprocess
from pathlib import Path

import boto3
import confluent_kafka
import pika

from harness import equal, fresh, run, until
from several import Doors, string

GOLDEN = Path(__file__).parent.parent / "golden/amqp-doors.json"
#: The clocks' times, and names that are never the same, are told by what they are.
VARY = {"SentTimestamp", "ApproximateFirstReceiveTimestamp", "omnibus.sqs.sent-at", "omnibus.sqs.message-id", "MessageId"}


def connect(doors):
    host, port = doors.amqp.rsplit(":", 1)
    connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port)))
    return connection, connection.channel()


def plain(value):
    """A value as JSON can say it, with what JSON has no word for as `[type, text]`."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        try:
            return ["bytes", value.decode()]
        except UnicodeDecodeError:
            return ["base64", base64.b64encode(value).decode()]
    if isinstance(value, datetime.datetime):
        return ["time", int(value.timestamp())]
    if isinstance(value, decimal.Decimal):
        return ["decimal", str(value)]
    return value


def steady(value, name):
    """Without what differs from run to run: the queue's name is called QUEUE."""
    if isinstance(value, dict):
        return {key: "(varies)" if key in VARY else steady(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [steady(each, name) for each in value]
    return "QUEUE" if value == name else value


def golden(check, name, told):
    """Compares with what is kept, or keeps it."""
    told = steady(plain(told), name)
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("CONFORMANCE_WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(kept | {check: told}, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        equal(told, kept.get(check), "what the message is to them")


def over_kafka(record):
    headers = [f"{key} is null" if value is None else f"{key} = {plain(value)[1]}" for key, value in record.headers() or []]
    return {"key": record.key(), "value": record.value(), "headers": headers}


def over_sqs(message):
    words = ("Body", "Attributes", "MessageAttributes")
    return {word: message[word] for word in words if word in message}


def over_amqp(method, properties, body):
    told = {word: value for word, value in vars(properties).items() if value is not None}
    return {"exchange": method.exchange, "routing_key": method.routing_key, "properties": told, "body": body}


HEADERS = {
    "text": "änd 🚌",
    "bytes": b"\x00\xff",
    "int": -5,
    "long": 2**40,
    "yes": True,
    "nothing": None,
    "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    "decimal": decimal.Decimal("1.25"),
    "list": [1, "a", [2]],
    "table": {"x": {"y": 1}},
    "not a name!": "of SQS",
}
PROPERTIES = {
    "content_type": "text/plain", "content_encoding": "utf-8", "headers": HEADERS, "delivery_mode": 2, "priority": 7,
    "correlation_id": "c", "reply_to": "r", "message_id": "m", "timestamp": 1_700_000_000, "type": "t",
    "user_id": "guest", "app_id": "a", "cluster_id": "cl",
}


def published(doors, body="änd 🚌".encode(), **properties):
    """Publishes a message to a new queue by way of a topic exchange; returns the queue's name."""
    connection, channel = connect(doors)
    name = fresh("q")
    channel.queue_declare(name, durable=True)
    channel.exchange_declare("golden", "topic", durable=True)
    channel.queue_bind(name, "golden", "orders.*")
    channel.confirm_delivery()
    channel.basic_publish("golden", "orders.new", body, pika.BasicProperties(**(properties or PROPERTIES)), mandatory=True)
    channel.queue_unbind(name, "golden", "orders.*")
    connection.close()
    return name


def fetched(doors, name, count=1):
    """Takes so many messages of a queue over AMQP."""
    connection, channel = connect(doors)
    taken = []
    def enough():
        method, properties, body = channel.basic_get(name, auto_ack=True)
        taken.extend([over_amqp(method, properties, body)] if method else [])
        return len(taken) >= count
    until(enough, f"{count} messages")
    connection.close()
    return taken


def amqp_to_kafka(addresses):
    doors = Doors(addresses)
    name = published(doors)
    [record] = doors.read(name, 1)
    golden("amqp_to_kafka", name, over_kafka(record))


def amqp_to_sqs(addresses):
    doors = Doors(addresses)
    name = published(doors)
    [message] = doors.receive(doors.sqs.get_queue_url(QueueName=name)["QueueUrl"], 1)
    golden("amqp_to_sqs", name, over_sqs(message))
    # A body that is no text.
    name = published(doors, b"\xff\x00", content_type="application/octet-stream")
    [message] = doors.receive(doors.sqs.get_queue_url(QueueName=name)["QueueUrl"], 1)
    golden("amqp_bytes_to_sqs", name, over_sqs(message))


def kafka_to_amqp(addresses):
    doors = Doors(addresses)
    name, _ = doors.queue()
    headers = [
        ("text", b"a b"), ("bytes", b"\xff"), ("none", None), ("content-type", b"text/plain"),
        ("number", b"-7"), ("omnibus.amqp.type.number", b"I"), ("omnibus.amqp.correlation-id", b"c"),
    ]
    time = 1_700_000_000_000
    doors.produce(name, {"value": "plain ä".encode(), "key": b"key", "headers": headers, "timestamp": time})
    doors.produce(name, {"value": None, "key": None, "timestamp": time})
    golden("kafka_to_amqp", name, fetched(doors, name, 2))


def sqs_to_amqp(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    attributes = {
        "text": string("a b"),
        "number": {"DataType": "Number.int", "StringValue": "-7"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    doors.send(url, "änd 🚌", MessageGroupId="group", MessageAttributes=attributes)
    [message] = fetched(doors, name)
    # The time of sending.
    message["properties"].pop("timestamp")
    golden("sqs_to_amqp", name, message)


def there_and_back(addresses):
    doors = Doors(addresses)
    name = published(doors)
    [record] = doors.read(name, 1)
    copy, _ = doors.queue()
    doors.produce(copy, {"value": record.value(), "key": record.key(), "headers": record.headers()})
    [first], [second] = fetched(doors, name), fetched(doors, copy)
    back = {key: value for key, value in second["properties"]["headers"].items() if not key.startswith("omnibus.")}
    for told in (first, second):
        told["properties"].pop("headers")
    equal(second, first, "the copy")
    # Lists, tables and decimals come back as the texts by which Kafka's clients read them.
    same = {key: value for key, value in HEADERS.items() if key not in ("list", "table", "decimal")}
    equal({key: back[key] for key in same}, same, "its headers")


def one_stream(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    connection, channel = connect(doors)
    channel.confirm_delivery()
    for number in range(0, 30, 3):
        channel.basic_publish("", name, str(number).encode())
        doors.send(url, str(number + 1))
        doors.produce(name, {"value": str(number + 2).encode()})
    wanted = [str(number) for number in range(30)]
    equal([record.value().decode() for record in doors.read(name, 30)], wanted, "over Kafka")
    equal([message["body"].decode() for message in fetched(doors, name, 30)], wanted, "over AMQP")
    connection.close()


def shared(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    connection, channel = connect(doors)
    taken = []
    channel.basic_qos(prefetch_count=5)
    def take(channel, method, properties, body):
        taken.append(body.decode())
        channel.basic_ack(method.delivery_tag)
    for number in range(0, 100):
        doors.send(url, str(number))
    received = [message["Body"] for message in doors.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    channel.basic_consume(name, take)
    until(lambda: connection.process_data_events(0.1) or len(taken) + len(received) >= 100, "all messages")
    equal(sorted(taken + received, key=int), [str(number) for number in range(100)], "each once")
    connection.close()


def stream(addresses):
    doors = Doors(addresses)
    connection, channel = connect(doors)
    channel.confirm_delivery()
    name, taken = fresh("s"), []
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream"})
    url = doors.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    for number in range(0, 30, 3):
        channel.basic_publish("", name, str(number).encode())
        doors.send(url, str(number + 1))
        doors.produce(name, {"value": str(number + 2).encode()})
    wanted = [str(number) for number in range(30)]
    doors.delete(url, doors.receive(url, 30))
    equal([record.value().decode() for record in doors.read(name, 30)], wanted, "over Kafka")
    def take(channel, method, properties, body):
        taken.append((properties.headers["x-stream-offset"], body.decode()))
        channel.basic_ack(method.delivery_tag)
    channel.basic_qos(prefetch_count=7)
    channel.basic_consume(name, take, arguments={"x-stream-offset": "first"})
    until(lambda: connection.process_data_events(0.1) or len(taken) >= 30, "all messages")
    equal(taken, list(enumerate(wanted)), "over AMQP")
    equal(channel.queue_declare(name, passive=True).method.message_count, 30, "what is there")
    connection.close()


def omnibus(doors, *words):
    """Runs a verb of the command line; returns what it tells as JSON, or nothing."""
    line = [os.environ["CONFORMANCE_OMNIBUS"], "queue", *words, "--admin", doors.admin, "--output", "json"]
    return json.loads(subprocess.run(line, check=True, capture_output=True).stdout or "null")


def browsed(addresses):
    doors = Doors(addresses)
    connection, channel = connect(doors)
    name, held = fresh("q"), []
    channel.queue_declare(name, durable=True)
    for number in range(6):
        channel.basic_publish("", name, str(number).encode())
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume(name, lambda channel, method, properties, body: held.append(method.delivery_tag))
    until(lambda: connection.process_data_events(0.1) or len(held) == 3, "what the consumer holds")
    for _ in range(2):
        equal(len(omnibus(doors, "peek", name)["records"]), 6, "what is there")
    channel.basic_ack(held[-1], multiple=True)
    until(lambda: connection.process_data_events(0.1) or len(held) == 6, "the rest")
    channel.basic_ack(held[-1], multiple=True)
    connection.process_data_events(0.1)
    until(lambda: not omnibus(doors, "peek", name)["records"], "nothing is left")
    connection.close()


def rewound(addresses):
    doors = Doors(addresses)
    name, _ = doors.queue_with_history()
    connection, channel = connect(doors)
    taken = []
    def take(channel, method, properties, body):
        taken.append(body.decode())
        channel.basic_ack(method.delivery_tag)
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume(name, take)
    for number in range(5):
        channel.basic_publish("", name, str(number).encode())
    until(lambda: connection.process_data_events(0.1) or len(taken) == 5, "all of it")
    omnibus(doors, "rewind", name, "--to-offset", "2")
    until(lambda: connection.process_data_events(0.1) or len(taken) == 8, "the end of it again")
    equal(taken, list("01234") + list("234"), "what came")
    connection.close()


if __name__ == "__main__":
    versions = f"{pika.__version__}, {boto3.__version__}, {confluent_kafka.__version__}"
    run("pika with boto3 and confluent-kafka", versions, globals())
