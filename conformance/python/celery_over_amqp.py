"""Celery over AMQP: real workers, in processes of their own."""

import atexit
import datetime
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import celery
import kombu
from celery import chain, chord, group
from kombu import Connection, Exchange, Queue

from harness import equal, fresh, refused, run, until

PLACE = tempfile.mkdtemp(prefix="celery-")
ADDRESS = sys.argv[1]
os.environ.update(CONFORMANCE_AMQP=ADDRESS, CONFORMANCE_RESULTS=PLACE, CONFORMANCE_QUEUE=fresh("celery"))
os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))

# A timer of the worker's may be early by this much.
EARLY_SECONDS_MAX = 0.1
RESULT_SECONDS_MAX = 45
workers = []


def application(kind):
    """The application of this kind, for this process."""
    os.environ["CONFORMANCE_KIND"] = kind
    sys.modules.pop("celery_amqp_app", None)
    return importlib.import_module("celery_amqp_app")


def worker(kind, queue=None):
    """Starts a worker of one process, in a group of processes that can be killed."""
    arguments = ["worker", "--concurrency", "1", "--loglevel", "WARNING", "--hostname", fresh("w") + "@%h"]
    if queue:
        arguments += ["--queues", queue]
    line = [sys.executable, "-m", "celery", "--app", "celery_amqp_app", *arguments, "--without-mingle"]
    environment = {**os.environ, "CONFORMANCE_KIND": kind}
    workers.append(subprocess.Popen(line, stdout=sys.stderr, start_new_session=True, env=environment))
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


plain, quorum, files = application("plain"), application("quorum"), application("files")


def result(promise):
    return promise.get(timeout=RESULT_SECONDS_MAX)


def results(_):
    sums = [plain.add.delay(number, number) for number in range(100)]
    equal([result(promise) for promise in sums], [2 * number for number in range(100)], "sums")


def failure(_):
    error = refused(lambda: result(plain.fail.delay("no luck")), "a task that fails")
    equal((type(error), str(error)), (ValueError, "no luck"), "the error")


def retry(_):
    equal(result(plain.succeed_after.delay(2)), 2, "retries")


def workflows(_):
    equal(result(chain(plain.add.s(1, 2), plain.add.s(3), plain.add.s(4)).delay()), 10, "the end of a chain")
    equal(result(group(plain.add.s(number, 1) for number in range(5)).delay()), [1, 2, 3, 4, 5], "a group")
    error = refused(lambda: chord([plain.add.s(1, 1)])(plain.total.s()), "a chord over the rpc backend")
    equal(type(error), NotImplementedError, "what Celery says to it")
    worker("files")
    equal(result(chord([files.add.s(1, 1), files.add.s(2, 2)])(files.total.s())), 6, "a chord")


def routing(_):
    exchange = Exchange(fresh("tasks"), type="topic")
    mine = Queue(fresh("mine"), exchange, routing_key="#.important", max_priority=10)
    ended = Queue(fresh("ended"), exchange, routing_key="#")
    with Connection(f"amqp://guest:guest@{ADDRESS}//") as connection:
        for queue in (mine, ended):
            queue(connection.channel()).declare()
    promises = [
        plain.name.apply_async((str(priority),), exchange=exchange, routing_key="very.important", priority=priority)
        for priority in (1, 9, 5)
    ]
    with Connection(f"amqp://guest:guest@{ADDRESS}//") as connection:
        channel = connection.channel()
        got = [until(lambda: mine(channel).get(no_ack=True), "a task") for _ in range(3)]
        equal([message.payload[0] for message in got], [["9"], ["5"], ["1"]], "by their priorities")
        equal(ended(channel).queue_declare(passive=True).message_count, 3, "what the other queue got")
    del promises


def control(_):
    asked = plain.app.control
    until(lambda: len(asked.ping(timeout=1)) >= 2, "two workers answer")
    waiting = plain.clock.apply_async(countdown=3600)
    def scheduled():
        told = asked.inspect(timeout=1).scheduled() or {}
        return any(task["request"]["id"] == waiting.id for tasks in told.values() for task in tasks)
    until(scheduled, "a worker holds the task")
    waiting.revoke()
    until(lambda: any(waiting.id in ids for ids in (asked.inspect(timeout=1).revoked() or {}).values()), "it is forgotten")


def late(tasks):
    now = datetime.datetime.now(datetime.timezone.utc)
    began_at = time.time()
    promises = [tasks.clock.apply_async(countdown=3), tasks.clock.apply_async(eta=now + datetime.timedelta(seconds=3))]
    for promise in promises:
        equal(result(promise) - began_at >= 3 - EARLY_SECONDS_MAX, True, "not before its time")


def countdown(_):
    late(plain)


def await_levels():
    """The worker declares the queues of delay when it starts."""
    def are_there():
        try:
            with Connection(f"amqp://guest:guest@{ADDRESS}//") as connection:
                for level in (0, 27):
                    connection.channel().queue_declare(f"celery_delayed_{level}", passive=True)
                return result(quorum.add.delay(1, 1)) == 2
        except Exception:
            return False
    until(are_there, "the queues of delay")


def delay_levels(_):
    await_levels()
    far = quorum.clock.apply_async(countdown=100_000)
    with Connection(f"amqp://guest:guest@{ADDRESS}//") as connection:
        # 100,000 seconds have their highest bit at level 16.
        held = lambda: connection.channel().queue_declare("celery_delayed_16", passive=True).message_count
        until(lambda: held() == 1, "the far one waits at its level")
        late(quorum)
        equal(held(), 1, "what still waits")
    del far


def quorum_retry(_):
    equal(result(quorum.succeed_after.delay(2)), 2, "retries")


def killed_worker(_):
    queue, mark = fresh("fragile"), os.path.join(PLACE, "mark")
    first = worker("plain", queue)
    promise = plain.hang_once.apply_async((mark,), queue=queue)
    until(lambda: os.path.exists(mark), "the task is at work")
    kill(first)
    worker("plain", queue)
    equal(result(promise), "done", "what the other worker made of it")


for kind in ("plain", "plain", "quorum"):
    worker(kind)
run("Celery", f"{celery.__version__} (kombu {kombu.__version__})", globals())
