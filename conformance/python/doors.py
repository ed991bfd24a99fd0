"""One message over several doors, as docs/conversion.md says: boto3 and confluent-kafka on the same stream."""

import base64
import json
import threading
import time

import boto3
import confluent_kafka
from confluent_kafka import TopicPartition

from harness import equal, fresh, refused, run, until
from several import Doors, bodies, string, take, values


ATTRIBUTES = {
    "text": string("a b"),
    "number": {"DataType": "Number.int", "StringValue": "-7"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793"


def sqs_to_kafka(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    system = {"AWSTraceHeader": string(TRACE)}
    before = int(time.time() * 1000)
    sent = doors.send(url, "änd 🚌", MessageGroupId="group", MessageAttributes=ATTRIBUTES, MessageSystemAttributes=system)
    [record] = doors.read(name, 1)
    equal((record.key(), record.value().decode(), record.offset()), (b"group", "änd 🚌", 0), "the record")
    headers = dict(record.headers())
    wanted = {
        "text": b"a b",
        "number": b"-7",
        "omnibus.sqs.type.number": b"Number.int",
        "bytes": b"\x00\xff",
        "omnibus.sqs.type.bytes": b"Binary",
        "omnibus.sqs.system.AWSTraceHeader": TRACE.encode(),
        "omnibus.sqs.message-id": sent["MessageId"].encode(),
    }
    equal({key: headers[key] for key in wanted}, wanted, "headers")
    equal("omnibus.sqs.type.text" in headers, False, "a type that goes without saying")
    sent_at = int(headers["omnibus.sqs.sent-at"])
    equal((record.timestamp()[1], before <= sent_at <= time.time() * 1000), (sent_at, True), "the time of sending")


def kafka_to_sqs(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    a_minute_ago = int(time.time() * 1000) - 60_000
    headers = [("text", b"a b"), ("bytes", b"\xff"), ("no name!", b"1"), ("text", b"again"), ("none", None)]
    doors.produce(
        name,
        {"value": "plain ä".encode(), "key": b"key", "headers": headers, "timestamp": a_minute_ago},
        {"value": b"\xff\x00", "key": b"\x00 odd"},
        {"value": None})
    plain, binary, none = doors.receive(url, 3)
    equal((plain["Body"], plain["Attributes"]["MessageGroupId"]), ("plain ä", "key"), "the first")
    equal(plain["Attributes"]["SentTimestamp"], str(a_minute_ago), "its time")
    attributes = plain["MessageAttributes"]
    others = json.loads(attributes.pop("omnibus.kafka.headers")["StringValue"])
    equal(attributes, {"text": string("a b"), "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"}}, "its attributes")
    decoded = [(base64.b64decode(key), value and base64.b64decode(value)) for key, value in others]
    equal(decoded, [(b"no name!", b"1"), (b"text", b"again"), (b"none", None)], "its other headers")
    equal(base64.b64decode(binary["Body"]), b"\xff\x00", "the second")
    odd_key = {"DataType": "Binary", "BinaryValue": b"\x00 odd"}
    equal(binary["MessageAttributes"], {"omnibus.body": string("base64"), "omnibus.kafka.key": odd_key}, "its attributes")
    equal((none.get("Body", ""), none["MessageAttributes"]), ("", {"omnibus.body": string("null")}), "the third")
    equal(len({message["MessageId"] for message in (plain, binary, none)}), 3, "ids")


def there_and_back(addresses):
    doors = Doors(addresses)
    (name, url), (copy, copy_url) = doors.queue(), doors.queue()
    doors.send(url, "text", MessageGroupId="group", MessageAttributes=ATTRIBUTES)
    [record] = doors.read(name, 1)
    doors.produce(copy, {"value": record.value(), "key": record.key(), "headers": record.headers()})
    [message] = doors.receive(copy_url, 1)
    equal((message["Body"], message["Attributes"]["MessageGroupId"]), ("text", "group"), "the copy")
    equal({key: message["MessageAttributes"][key] for key in ATTRIBUTES}, ATTRIBUTES, "attributes with their types")


def one_stream(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    for number in range(0, 20, 2):
        doors.send(url, str(number))
        doors.produce(name, {"value": str(number + 1).encode()})
    wanted = [str(number) for number in range(20)]
    records = doors.read(name, 20)
    equal((values(records), [record.offset() for record in records]), (wanted, list(range(20))), "over Kafka")
    equal(bodies(doors.receive(url, 20)), wanted, "over SQS")


def batches(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    numbers = [str(number) for number in range(50)]
    records = [{"value": number.encode(), "key": b"k"} for number in numbers]
    doors.produce(name, *records, **{"compression.type": "zstd", "linger.ms": 100})
    taken = doors.receive(url, 50)
    equal(sorted(bodies(taken), key=int), numbers, "messages")
    doors.delete(url, taken[::2])
    for message in taken[1::2]:
        handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        doors.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    equal(sorted(bodies(doors.receive(url, 25))), sorted(bodies(taken[1::2])), "those that were not deleted")


def woken(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    sender = threading.Timer(0.5, lambda: doors.produce(name, {"value": b"to SQS"}))
    sender.start()
    answer = doors.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    equal(bodies(answer["Messages"]), ["to SQS"], "what woke the receiver")
    sender.join()
    consumer = doors.consumer(fresh("g"))
    consumer.assign([TopicPartition(name, 0, 1)])
    equal(consumer.poll(0.5), None, "before anything is sent")
    doors.send(url, "to Kafka")
    equal(values(take(consumer, 1)), ["to Kafka"], "what woke the consumer")
    consumer.close()


def fifo(addresses):
    doors = Doors(addresses)
    name, url = doors.queue(fresh("q") + ".fifo", FifoQueue="true")
    for group, text in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "3")]:
        doors.send(url, text, MessageGroupId=group, MessageDeduplicationId=text)
    records = doors.read(name, 3)
    equal([(record.key(), record.value()) for record in records], [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], "records")
    equal(dict(records[0].headers())["omnibus.sqs.deduplication-id"], b"1", "the deduplication id")
    refused(lambda: doors.produce(name, {"value": b"x", "key": b"a"}), "a Kafka producer")
    taken = bodies(doors.receive(url, 3))
    equal((sorted(taken), taken.index("1") < taken.index("3")), (["1", "2", "3"], True), "over SQS")


def low_offset(doors, name):
    consumer = doors.consumer(fresh("g"))
    low, _ = consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=10)
    consumer.close()
    return low


def consumed_is_trimmed(addresses):
    doors = Doors(addresses)
    name, url = doors.queue()
    for number in range(3):
        doors.send(url, str(number))
    taken = doors.receive(url, 3)
    equal(values(doors.read(name, 3)), ["0", "1", "2"], "while they are held")
    doors.delete(url, taken[:2])
    until(lambda: low_offset(doors, name) == 2, "the first two are gone", seconds=45)


def rewind(addresses):
    doors = Doors(addresses)
    name, url = doors.queue_with_history()
    wanted = [str(number) for number in range(10)]
    for number in wanted:
        doors.send(url, number)
    doors.delete(url, doors.receive(url, 10))
    group = fresh("g")
    equal(values(doors.read(name, 10, group)), wanted, "what is deleted is there for a group")
    doors.send(url, "new")
    equal(values(doors.read(name, 1, group)), ["new"], "the group goes on where it was")
    consumer = doors.consumer(group)
    consumer.commit(offsets=[TopicPartition(name, 0, 0)], asynchronous=False)
    consumer.close()
    equal(values(doors.read(name, 11, group)), wanted + ["new"], "all of it again")
    equal(bodies(doors.receive(url, 1)), ["new"], "which is nothing to the queue")


def queue_rewind(addresses):
    doors = Doors(addresses)
    name, url = doors.queue_with_history()
    for number in range(5):
        doors.send(url, str(number))
    doors.delete(url, doors.receive(url, 5))
    doors.ask(f"/v1/queues/{name}/rewind", {"offset": 2})
    equal(bodies(doors.receive(url, 3)), ["2", "3", "4"], "what comes again")


run("boto3 with confluent-kafka", f"{boto3.__version__}, {confluent_kafka.__version__}", globals())
