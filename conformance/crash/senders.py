"""Sends to queues without a pause, and notes each message that is acknowledged.

    senders.py ENDPOINT[,ENDPOINT]... NOTES QUEUES MILLIS

One sender for each of QUEUES queues, a message every MILLIS milliseconds at most; whoever gets no answer at one
endpoint goes on at the next. Each line of NOTES is `queue 0 number sent acknowledged`, the last two in seconds since
1970: a message counts as sent when it was tried first. SIGTERM stops it.
"""

import http.client
import itertools
import json
import os
import signal
import sys
import threading
import time

NAME = "failover-{}"
#: What nobody takes goes as soon as may be.
RETENTION_SECONDS = "60"
UNKNOWN = (OSError, http.client.HTTPException)


class Client:
    """One connection that speaks SQS's JSON protocol."""

    def __init__(self, endpoints, place):
        self.endpoints, self.place, self.connection = endpoints, place, None

    def ask(self, action, **request):
        """Asks until there is an answer."""
        while True:
            try:
                return self.ask_once(action, request)
            except UNKNOWN:
                self.place += 1
                if self.connection is not None:
                    self.connection.close()
                    self.connection = None
                time.sleep(0.01)

    def ask_once(self, action, request):
        if self.connection is None:
            host, port = self.endpoints[self.place % len(self.endpoints)].rsplit(":", 1)
            self.connection = http.client.HTTPConnection(host, int(port), timeout=20)
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        self.connection.request("POST", "/", json.dumps(request), headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 500:
            raise http.client.HTTPException(text)
        if response.status != 200:
            raise RuntimeError(f"{action}: {response.status} {text}")
        return json.loads(text or b"{}")


def send(endpoints, queue, notes, pause, stopped):
    client = Client(endpoints, queue)
    attributes = {"MessageRetentionPeriod": RETENTION_SECONDS}
    url = client.ask("CreateQueue", QueueName=NAME.format(queue), Attributes=attributes)["QueueUrl"]
    for number in itertools.count():
        sent_at = time.time()
        client.ask("SendMessage", QueueUrl=url, MessageBody=str(number))
        now = time.time()
        os.write(notes, f"{queue} 0 {number} {sent_at:.4f} {now:.4f}\n".encode())
        if stopped.wait(max(0.0, sent_at + pause - now)):
            return


def main(endpoints, path, queues, millis):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    rest = (notes, int(millis) / 1_000, stopped)
    threads = [threading.Thread(target=send, args=(endpoints.split(","), queue, *rest)) for queue in range(int(queues))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
