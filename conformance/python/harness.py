"""Runs the checks of one client and prints what came of each as one line of JSON."""

import json
import signal
import sys
import time
import traceback
import uuid

CHECK_SECONDS_MAX = 60
# The time of a check's first record: within every default retention, or housekeeping takes the records away.
TIME = (int(time.time()) - 3600) * 1000


class Absent(Exception):
    """The client has no such feature."""


class TimedOut(Exception):
    """A check took too long."""


def run(client, version, module):
    """Calls the function of the module that is named after each check of the list."""
    bootstrap, list_path = sys.argv[1], sys.argv[2]
    words = sys.argv[3:]
    print(json.dumps({"client": client, "version": version}), flush=True)
    for check in json.load(open(list_path)):
        name = check["check"]
        if words and name not in words:
            continue
        outcome, detail, seconds = one(module.get(name), bootstrap)
        print(json.dumps({"check": name, "outcome": outcome, "detail": detail, "seconds": seconds}), flush=True)


def one(function, bootstrap):
    started_at = time.monotonic()
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimedOut(f"more than {CHECK_SECONDS_MAX} s")))
    signal.alarm(CHECK_SECONDS_MAX)
    try:
        if function is None:
            raise Absent("the client has no such feature")
        function(bootstrap)
        outcome, detail = "pass", ""
    except Absent as absent:
        outcome, detail = "absent", str(absent)
    except BaseException as error:  # Whatever happens is a result.
        outcome, detail = "fail", f"{type(error).__name__}: {error}"
        traceback.print_exc()
    finally:
        signal.alarm(0)
    return outcome, detail, round(time.monotonic() - started_at, 2)


def fresh(word):
    """A name that nobody has used before."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def until(condition, what, seconds=30):
    """Repeats until the condition holds and returns what it returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
    raise TimedOut(f"{what}: not within {seconds} s")


def refused(action, what):
    """The action must raise an error; returns it."""
    try:
        action()
    except (TimedOut, AssertionError):
        raise
    except Exception as error:
        return error
    raise AssertionError(f"{what} was accepted")
