"""Request-reply: a question goes to a topic, and its answer comes back on the topic that it names."""

import concurrent.futures
import json
import sys
import threading
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
RUN = uuid.uuid4().hex[:8]
REQUESTS = f"squares-{RUN}"


class Requester:
    """Asks, and keeps a promise for each question until the answer with its number comes."""

    def __init__(self, name):
        self.replies = f"replies-to-{name}-{RUN}"
        create(self.replies, partitions=1, config={"retention.ms": "600000"})
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 1})
        self.open = {}
        self.stopped = threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def ask(self, question):
        number, promise = str(uuid.uuid4()), concurrent.futures.Future()
        self.open[number] = promise
        headers = {"reply-to": self.replies, "correlation-id": number}
        self.producer.produce(REQUESTS, value=json.dumps(question), headers=headers)
        self.producer.poll(0)
        return promise

    def read(self):
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
        consumer.assign([TopicPartition(self.replies, 0, 0)])
        while not self.stopped.is_set():
            message = consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            promise = self.open.pop(dict(message.headers())["correlation-id"].decode(), None)
            if promise is not None:  # An answer may come twice, or after nobody waits for it.
                answer = json.loads(message.value())
                if "error" in answer:
                    promise.set_exception(ValueError(answer["error"]))
                else:
                    promise.set_result(answer["result"])
        consumer.close()

    def end(self):
        self.producer.flush(10)
        self.stopped.set()
        self.reader.join()


class Responder(threading.Thread):
    """One of those who answer: they are a group, and share the questions."""

    def __init__(self):
        super().__init__()
        self.stopped, self.answered, self.partitions = threading.Event(), 0, 0
        self.start()

    def run(self):
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 1})
        consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP,
            "group.id": f"responders-{RUN}",
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 300,
        })
        consumer.subscribe([REQUESTS])
        while not self.stopped.is_set():
            message = consumer.poll(0.1)
            self.partitions = len(consumer.assignment())
            if message is None or message.error() is not None:
                continue
            headers = dict(message.headers())
            producer.produce(
                headers["reply-to"].decode(),
                value=json.dumps(answer(json.loads(message.value()))),
                headers={"correlation-id": headers["correlation-id"]})
            producer.poll(0)
            self.answered += 1
        producer.flush(10)
        consumer.close()

    def end(self):
        self.stopped.set()
        self.join()


def answer(question):
    if not isinstance(question, int):
        return {"error": f"{question!r} is no number"}
    return {"result": question * question}


def create(topic, partitions, config=None):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, partitions, config=config or {})])[topic].result()


def main():
    create(REQUESTS, partitions=4)
    requesters = [Requester("north"), Requester("south")]
    early = requesters[0].ask(7)
    responders = []
    try:
        try:
            early.result(timeout=0.5)
            raise AssertionError("nobody was there to answer")
        except concurrent.futures.TimeoutError:
            print("nobody answers yet, and the question waits in the log")
        responders = [Responder(), Responder()]
        assert early.result(timeout=30) == 49
        while [responder.partitions for responder in responders] != [2, 2]:
            responders[0].stopped.wait(0.05)

        asked = [(number, requester, requester.ask(number)) for number in range(1000) for requester in requesters]
        for number, _, promise in asked:
            assert promise.result(timeout=30) == number * number, number
        print(f"{len(asked)} answers, each to who asked for it; "
              f"the responders gave {responders[0].answered} and {responders[1].answered}")
        assert min(responder.answered for responder in responders) > 0

        try:
            requesters[1].ask("seven").result(timeout=30)
            raise AssertionError("that was no number")
        except ValueError as refused:
            print(f"an error comes back as one: {refused}")
        assert all(not requester.open for requester in requesters)
    finally:
        for thread in requesters + responders:
            thread.end()
    print("ok")


if __name__ == "__main__":
    main()
