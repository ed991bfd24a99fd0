"""Background job: a request is answered at once with a place where the job's state can be asked for."""

import http.server
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import urllib.request
import uuid

import boto3

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9324"
RUN = uuid.uuid4().hex[:8]
STEPS = 4
# How long a job is its worker's alone; then another one may take it.
VISIBILITY_SECONDS = 5
POLL_SECONDS = 0.05


def connect():
    return boto3.client(
        "sqs", endpoint_url=f"http://{ENDPOINT}", region_name="us-east-1",
        aws_access_key_id="any", aws_secret_access_key="any")


class FrontDesk:
    """Takes jobs over HTTP, hands them to the workers, and knows from their reports how each is going."""

    def __init__(self, jobs, reports):
        self.sqs, self.jobs, self.reports, self.states = connect(), jobs, reports, {}
        self.stopped = threading.Event()
        desk = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                job = desk.submit(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(202, {"state": "queued"}, Location=f"/jobs/{job}")

            def do_GET(self):
                state = desk.states.get(self.path.rsplit("/", 1)[1])
                self.answer(200 if state else 404, state or {})

            def answer(self, code, body, **headers):
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.threads = [threading.Thread(target=run) for run in (self.server.serve_forever, self.listen)]
        for thread in self.threads:
            thread.start()

    def submit(self, work):
        job = uuid.uuid4().hex
        self.states[job] = {"state": "queued", "tries": 0}
        self.sqs.send_message(QueueUrl=self.jobs, MessageBody=json.dumps({"job": job, **work}))
        return job

    def listen(self):
        sqs = connect()
        while not self.stopped.is_set():
            answer = sqs.receive_message(QueueUrl=self.reports, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                report = json.loads(message["Body"])
                job = report.pop("job")
                # A worker that was thought dead may report late.
                if report["tries"] >= self.states[job]["tries"]:
                    self.states[job] = report
                sqs.delete_message(QueueUrl=self.reports, ReceiptHandle=message["ReceiptHandle"])

    def end(self):
        self.stopped.set()
        self.server.shutdown()
        for thread in self.threads:
            thread.join()
        self.server.server_close()


def work(jobs, reports, stopped, steps_before_death=None):
    """A worker: counts primes in steps and reports each, in order, since a job's reports are one group."""
    sqs, steps = connect(), 0
    while not stopped.is_set():
        answer = sqs.receive_message(
            QueueUrl=jobs, MaxNumberOfMessages=1, WaitTimeSeconds=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"])
        for message in answer.get("Messages", []):
            task = json.loads(message["Body"])
            tries = int(message["Attributes"]["ApproximateReceiveCount"])

            def report(state, **more):
                body = json.dumps({"job": task["job"], "state": state, "tries": tries, **more})
                sqs.send_message(QueueUrl=reports, MessageBody=body, MessageGroupId=task["job"])

            try:
                primes, below = 0, task["primes_below"]
                for step in range(STEPS):
                    report("running", progress=step / STEPS)
                    if steps == steps_before_death:
                        os.kill(os.getpid(), signal.SIGKILL)
                    primes += sum(map(is_prime, range(below * step // STEPS, below * (step + 1) // STEPS)))
                    steps += 1
                report("done", result=primes)
            except TypeError as error:
                report("failed", reason=str(error))
            sqs.delete_message(QueueUrl=jobs, ReceiptHandle=message["ReceiptHandle"])


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, int(number ** 0.5) + 1))


def submit(desk, **work):
    request = urllib.request.Request(f"{desk.url}/jobs", json.dumps(work).encode())
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202
        return desk.url + answer.headers["Location"]


def ask(job):
    with urllib.request.urlopen(job) as answer:
        return json.loads(answer.read())


def poll(job, *states):
    """Asks again and again until the job is in one of these states."""
    while True:
        state = ask(job)
        if state["state"] in states:
            return state
        time.sleep(POLL_SECONDS)


def create(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def main():
    sqs = connect()
    jobs = create(sqs, f"jobs-{RUN}", VisibilityTimeout=str(VISIBILITY_SECONDS))
    reports = create(sqs, f"reports-{RUN}.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    processes = multiprocessing.get_context("spawn")
    stopped, desk, workers = processes.Event(), FrontDesk(jobs, reports), []
    try:
        first = submit(desk, primes_below=10_000)
        assert ask(first) == {"state": "queued", "tries": 0}
        print("the job is queued, and its client may go and ask later")

        unlucky = processes.Process(target=work, args=(jobs, reports, stopped, 2))
        unlucky.start()
        unlucky.join()
        state = poll(first, "running")
        while state["progress"] < 0.5:
            state = poll(first, "running")
        print(f"its worker was killed half way: {state}")

        workers += [processes.Process(target=work, args=(jobs, reports, stopped)) for _ in range(2)]
        for worker in workers:
            worker.start()
        others = [submit(desk, primes_below=below) for below in (10, 100, 1_000)]
        bad = submit(desk, primes_below="many")
        results = [poll(job, "done", "failed") for job in (first, *others)]
        assert [state.get("result") for state in results] == [1229, 4, 25, 168], results
        assert results[0]["tries"] > 1, results[0]
        print(f"another worker did it from the start: {results[0]}")
        failed = poll(bad, "done", "failed")
        assert failed["state"] == "failed" and "reason" in failed, failed
        print(f"a job that cannot be done says so: {failed}")
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
        desk.end()
    print("ok")


if __name__ == "__main__":
    main()
