"""Makes many topics of one partition and many queues.

    many.py BOOTSTRAP ENDPOINT[,ENDPOINT]... TOPICS QUEUES
"""

import sys
import threading

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from sqs import Client

AT_ONCE = 200
MAKERS = 16


def make_topics(bootstrap, count):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    names = [f"many-{number}" for number in range(count)]
    for first in range(0, count, AT_ONCE):
        make(admin, names[first : first + AT_ONCE])


def make(admin, names):
    while names:
        missing = []
        for name, made in admin.create_topics([NewTopic(name, 1) for name in names], request_timeout=60).items():
            error = made.exception()
            if error is not None and error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                missing.append(name)
        names = missing


def make_queues(endpoints, numbers):
    client = Client(endpoints)
    for number in numbers:
        client.insist("CreateQueue", QueueName=f"many-queue-{number}")


def main(bootstrap, endpoints, topics, queues):
    make_topics(bootstrap, int(topics))
    shares = [range(int(queues))[maker::MAKERS] for maker in range(MAKERS)]
    threads = [threading.Thread(target=make_queues, args=(endpoints, share)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
