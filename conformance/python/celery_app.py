"""The application that Celery's worker and its clients share; where it lives, the environment says."""

import os
import time

from celery import Celery

app = Celery(
    "conformance",
    broker=f"sqs://test:test@{os.environ['CONFORMANCE_SQS']}//",
    backend=f"file://{os.environ['CONFORMANCE_RESULTS']}",
)
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "visibility_timeout": 10,
        "polling_interval": 0,
        "queue_name_prefix": os.environ["CONFORMANCE_PREFIX"],
    },
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
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


@app.task(bind=True, max_retries=5)
def succeed_after(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=1)
    return self.request.retries


@app.task(acks_late=True)
def hang_once(mark):
    """Hangs for whoever comes first, and says by a file that it does."""
    if not os.path.exists(mark):
        with open(mark, "w"):
            time.sleep(3600)
    return "done"
