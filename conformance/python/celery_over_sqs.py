"""Celery over SQS: real workers, in processes of their own."""

import atexit
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import celery
import kombu

from aws import client
from harness import equal, fresh, refused, run, until

PLACE = tempfile.mkdtemp(prefix="celery-")
os.environ.update(CONFORMANCE_SQS=sys.argv[1], CONFORMANCE_RESULTS=PLACE, CONFORMANCE_PREFIX=fresh("celery") + "-")

import celery_app as tasks
from celery import chain, chord, group

# A timer of the worker's may be early by this much.
EARLY_SECONDS_MAX = 0.1
RESULT_SECONDS_MAX = 45
workers = []


def worker(queue="celery"):
    """Starts a worker of one process, in a group of processes that can be killed."""
    arguments = ["worker", "--concurrency", "1", "--loglevel", "WARNING", "--queues", queue, "--hostname", fresh("w") + "@%h"]
    line = [sys.executable, "-m", "celery", "--app", "celery_app", *arguments, "--without-gossip", "--without-mingle"]
    here = os.path.dirname(os.path.abspath(__file__))
    workers.append(subprocess.Popen(line, cwd=here, stdout=sys.stderr, start_new_session=True))
    return workers[-1]


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@atexit.register
def kill_all():
    for process in workers:
        kill(process)
    shutil.rmtree(PLACE)


def result(promise):
    return promise.get(timeout=RESULT_SECONDS_MAX, interval=0.05)


def results(_):
    sums = [tasks.add.delay(number, number) for number in range(100)]
    equal([result(promise) for promise in sums], [2 * number for number in range(100)], "sums")


def failure(_):
    error = refused(lambda: result(tasks.fail.delay("no luck")), "a task that fails")
    equal((type(error), str(error)), (ValueError, "no luck"), "the error")


def countdown(_):
    now = datetime.datetime.now(datetime.timezone.utc)
    began_at = time.time()
    promises = [tasks.clock.apply_async(countdown=3), tasks.clock.apply_async(eta=now + datetime.timedelta(seconds=3))]
    for promise in promises:
        equal(result(promise) - began_at >= 3 - EARLY_SECONDS_MAX, True, "not before its time")


def retry(_):
    equal(result(tasks.succeed_after.delay(2)), 2, "retries")


def workflows(_):
    equal(result(chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4)).delay()), 10, "the end of a chain")
    equal(result(group(tasks.add.s(number, 1) for number in range(5)).delay()), [1, 2, 3, 4, 5], "a group")
    equal(result(chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())), 6, "a chord")


def routing(endpoint):
    queue = "of-its.own"  # Celery writes a dash for the dot.
    worker(queue)
    equal(result(tasks.add.apply_async((1, 2), queue=queue)), 3, "the sum")
    urls = client(endpoint, "sqs").list_queues(QueueNamePrefix=os.environ["CONFORMANCE_PREFIX"])["QueueUrls"]
    wanted = os.environ["CONFORMANCE_PREFIX"] + "of-its-own"
    equal(wanted in {url.rsplit("/", 1)[1] for url in urls}, True, f"{wanted} is among {urls}")


def killed_worker(_):
    queue, mark = "fragile", os.path.join(PLACE, "mark")
    first = worker(queue)
    promise = tasks.hang_once.apply_async((mark,), queue=queue)
    until(lambda: os.path.exists(mark), "the task is at work")
    kill(first)
    worker(queue)
    equal(result(promise), "done", "what the other worker made of it")


worker()
worker()
run("Celery", f"{celery.__version__} (kombu {kombu.__version__})", globals())
