"""Sends to queues without a pause, and notes each message that is acknowledged.

    senders.py ENDPOINT[,ENDPOINT]... NOTES QUEUES MILLIS

One sender for each of QUEUES queues, a message every MILLIS milliseconds at most; whoever gets no answer at one
endpoint goes on at the next. Each line of NOTES is `queue 0 number sent acknowledged`, the last two in seconds since
1970: a message counts as sent when it was tried first. SIGTERM stops it.
"""

import itertools
import os
import signal
import sys
import threading
import time

from sqs import Client

NAME = "failover-{}"
#: What nobody takes goes as soon as may be.
RETENTION_SECONDS = "60"


def send(endpoints, queue, notes, pause, stopped):
    client = Client(endpoints)
    attributes = {"MessageRetentionPeriod": RETENTION_SECONDS}
    url = client.insist("CreateQueue", QueueName=NAME.format(queue), Attributes=attributes)["QueueUrl"]
    for number in itertools.count():
        sent_at = time.time()
        client.insist("SendMessage", QueueUrl=url, MessageBody=str(number))
        now = time.time()
        os.write(notes, f"{queue} 0 {number} {sent_at:.4f} {now:.4f}\n".encode())
        if stopped.wait(max(0.0, sent_at + pause - now)):
            return


def main(endpoints, path, queues, millis):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    rest = (notes, int(millis) / 1_000, stopped)
    threads = [threading.Thread(target=send, args=(endpoints, queue, *rest)) for queue in range(int(queues))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
