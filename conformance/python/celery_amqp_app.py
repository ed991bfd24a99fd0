"""The application that Celery's worker and its clients share over AMQP; which kind of it, the environment says.

Plain: classic queues, with results by Celery's rpc backend. Quorum: quorum queues and a topic exchange, as Celery's manual
wants them for its native delayed delivery. Files: as plain, but that results are kept in files, for chords.
"""

import os
import time

from celery import Celery

KIND = os.environ["CONFORMANCE_KIND"]
QUEUE = os.environ["CONFORMANCE_QUEUE"] + "-" + KIND

app = Celery(
    "conformance",
    broker=f"amqp://guest:guest@{os.environ['CONFORMANCE_AMQP']}//",
    backend=f"file://{os.environ['CONFORMANCE_RESULTS']}" if KIND == "files" else "rpc://",
)
app.conf.update(
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_routing_key=QUEUE,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=2,
    result_persistent=True,
)
if KIND == "quorum":
    app.conf.update(
        task_default_queue_type="quorum",
        task_default_exchange_type="topic",
        broker_transport_options={"confirm_publish": True},
    )


@app.task
def add(one, other):
    return one + other


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task
def clock():
    return time.time()


@app.task
def name(text):
    return text


@app.task(bind=True, max_retries=5)
def succeed_after(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=1)
    return self.request.retries


@app.task(acks_late=True, reject_on_worker_lost=True)
def hang_once(mark):
    """Hangs for whoever comes first, and says by a file that it does."""
    if not os.path.exists(mark):
        with open(mark, "w"):
            time.sleep(3600)
    return "done"
