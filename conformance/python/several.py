"""What the programs about several doors share: the clients of one broker, and what they say."""

import json
import urllib.request

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from aws import client
from harness import equal, fresh, until


class Doors:
    """The addresses of one broker's doors."""

    def __init__(self, addresses):
        self.kafka, self.sqs_address, self.admin, self.amqp = addresses.split(",")
        self.sqs = client(self.sqs_address, "sqs")

    def queue(self, name=None, **attributes):
        """Creates a queue over SQS; returns its name, which is that of its topic, and its URL."""
        name = name or fresh("q")
        return name, self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def queue_with_history(self):
        """History is no attribute of SQS's, so the broker's own API creates this queue."""
        name = fresh("q")
        self.ask("/v1/queues", {"name": name, "config": {"history": "kept"}})
        return name, self.sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def ask(self, path, body):
        request = urllib.request.Request(f"http://{self.admin}{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def send(self, url, body, **more):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body, **more)

    def receive(self, url, count, **more):
        """Receives so many messages, in the order in which they come."""
        request = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        taken = []
        def enough():
            answer = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, **request, **more)
            taken.extend(answer.get("Messages", []))
            return len(taken) >= count
        until(enough, f"{count} messages")
        equal(len(taken), count, "messages")
        return taken

    def delete(self, url, messages):
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def produce(self, topic, *records, **config):
        """Produces the records, each of which is a dictionary, and waits for what becomes of them."""
        producer = Producer({"bootstrap.servers": self.kafka, **config})
        errors = []
        for record in records:
            producer.produce(topic, partition=0, on_delivery=lambda error, _: error and errors.append(error), **record)
        producer.flush(30)
        if errors:
            raise KafkaException(errors[0])

    def consumer(self, group):
        return Consumer({
            "bootstrap.servers": self.kafka,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })

    def read(self, topic, count, group=None):
        """Reads so many records from the beginning, or from where the group is; the group commits them."""
        consumer = self.consumer(group or fresh("g"))
        consumer.subscribe([topic]) if group else consumer.assign([TopicPartition(topic, 0, 0)])
        records = take(consumer, count)
        if group:
            consumer.commit(asynchronous=False)
        consumer.close()
        return records


def take(consumer, count):
    records = []
    def enough():
        records.extend(consumer.consume(count - len(records), timeout=0.2))
        return len(records) >= count
    until(enough, f"{count} records")
    for record in records:
        equal(record.error(), None, "errors")
    return records


def string(text):
    return {"DataType": "String", "StringValue": text}


def bodies(messages):
    return [message["Body"] for message in messages]


def values(records):
    return [record.value().decode() for record in records]
