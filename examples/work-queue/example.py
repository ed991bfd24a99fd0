"""Work queue: workers share the jobs of one queue, and what one of them leaves behind another one does."""

import json
import multiprocessing
import os
import signal
import sys
import uuid

import boto3

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9324"
JOBS = 300
WORKERS = 3
TRIES_MAX = 3
# How long a job is its worker's alone; then another one may take it.
VISIBILITY_SECONDS = 5


def connect():
    return boto3.client(
        "sqs", endpoint_url=f"http://{ENDPOINT}", region_name="us-east-1",
        aws_access_key_id="any", aws_secret_access_key="any")


class Worker:
    """Takes one job after the other and tells what came of each, before it deletes the job."""

    def __init__(self, name, jobs, reports):
        self.name, self.jobs, self.reports, self.sqs = name, jobs, reports, connect()

    def run(self, stopped, jobs_before_death=None):
        done = 0
        while not stopped.is_set():
            answer = self.sqs.receive_message(
                QueueUrl=self.jobs, MaxNumberOfMessages=1, WaitTimeSeconds=1,
                MessageSystemAttributeNames=["ApproximateReceiveCount"])
            for message in answer.get("Messages", []):
                if done == jobs_before_death:
                    os.kill(os.getpid(), signal.SIGKILL)  # With a job in its hands.
                self.work(message)
                done += 1

    def work(self, message):
        handle = {"QueueUrl": self.jobs, "ReceiptHandle": message["ReceiptHandle"]}
        try:
            square = int(message["Body"]) ** 2
        except ValueError:
            # Given back at once, until it has been tried too often.
            self.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            return
        tries = int(message["Attributes"]["ApproximateReceiveCount"])
        report = {"job": int(message["Body"]), "square": square, "by": self.name, "tries": tries}
        self.sqs.send_message(QueueUrl=self.reports, MessageBody=json.dumps(report))
        self.sqs.delete_message(**handle)


def work(name, jobs, reports, stopped, jobs_before_death=None):
    Worker(name, jobs, reports).run(stopped, jobs_before_death)


def start(processes, *arguments):
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def create(sqs, name, **attributes):
    return sqs.create_queue(QueueName=f"{name}-{uuid.uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]


def create_jobs(sqs, dead):
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": TRIES_MAX})
    return create(sqs, "jobs", VisibilityTimeout=str(VISIBILITY_SECONDS), RedrivePolicy=policy)


def send_all(sqs, jobs):
    bodies = [*map(str, range(JOBS)), "no number"]
    for at in range(0, len(bodies), 10):
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[at:at + 10])]
        assert not sqs.send_message_batch(QueueUrl=jobs, Entries=entries).get("Failed")


def take(sqs, queue):
    """Waits for messages of a queue and takes them away."""
    taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages", [])
    for message in taken:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in taken]


def main():
    sqs = connect()
    dead, reports = create(sqs, "dead"), create(sqs, "reports")
    jobs = create_jobs(sqs, dead)
    send_all(sqs, jobs)
    processes = multiprocessing.get_context("spawn")
    stopped = processes.Event()
    unlucky = start(processes, "unlucky", jobs, reports, stopped, 20)
    unlucky.join()
    print("a worker did 20 jobs and was killed with the next one in its hands")

    workers = [start(processes, f"worker {number}", jobs, reports, stopped) for number in range(WORKERS)]
    try:
        done = {}
        while len(done) < JOBS:
            for report in map(json.loads, take(sqs, reports)):
                done[report["job"]] = report  # A job may be done twice; its result is the same.
        letters = []
        while not letters:
            letters = take(sqs, dead)
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
    assert all(report["square"] == job ** 2 for job, report in done.items())
    again = [report for report in done.values() if report["tries"] > 1]
    shares = {name: sum(report["by"] == name for report in done.values()) for name in sorted({r["by"] for r in done.values()})}
    print(f"all {JOBS} jobs are done: {shares}")
    assert 0 < shares["unlucky"] <= 20 and again, shares
    print(f"the job that it left behind came again: {again[0]}")
    assert letters == ["no number"], letters
    print(f"a job that nobody can do was tried {TRIES_MAX} times and put aside")
    print("ok")


if __name__ == "__main__":
    main()
