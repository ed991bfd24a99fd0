"""The AWS command line interface: each step is a command of its own."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import awscli

from harness import equal, fresh, run, until

# The broker counts whole milliseconds, and its clock and ours are read at different moments.
CLOCKS_APART_SECONDS = 0.02
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_PAGER": "",
}


def command(endpoint, service, verb, *words, **options):
    """Runs `aws SERVICE VERB`; an option that is no text is written as JSON."""
    line = [os.path.join(os.path.dirname(sys.executable), "aws"), "--endpoint-url", f"http://{endpoint}", service, verb]
    for name, value in options.items():
        line += ["--" + name.replace("_", "-"), value if isinstance(value, str) else json.dumps(value)]
    return subprocess.run(line + list(words), env=ENVIRONMENT, capture_output=True, text=True)


def aws(endpoint, service, verb, *words, **options):
    """Runs a command that must succeed and returns what it prints."""
    ended = command(endpoint, service, verb, *words, **options)
    equal(ended.returncode, 0, f"the end of {verb} ({ended.stderr.strip()})")
    return json.loads(ended.stdout) if ended.stdout.strip() else {}


class Queue:
    """A queue, and the commands that name it."""

    def __init__(self, endpoint, attributes=None, url=None):
        self.endpoint = endpoint
        name = fresh("q") + (".fifo" if "FifoQueue" in (attributes or {}) else "")
        made = {} if url else aws(endpoint, "sqs", "create-queue", queue_name=name, attributes=attributes or {})
        self.url = url or made["QueueUrl"]

    def __call__(self, verb, *words, **options):
        return aws(self.endpoint, "sqs", verb, *words, queue_url=self.url, **options)

    def send(self, body, **options):
        return self("send-message", message_body=body, **options)

    def receive(self, **options):
        options = {"max_number_of_messages": 10, "attribute_names": "All", "message_attribute_names": "All", **options}
        return self("receive-message", **options).get("Messages", [])

    def remove(self, message):
        self("delete-message", receipt_handle=message["ReceiptHandle"])

    def counts(self):
        shown = self("get-queue-attributes", attribute_names="All")["Attributes"]
        return [int(shown[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible", "Delayed")]

    def arn(self):
        return self("get-queue-attributes", attribute_names="QueueArn")["Attributes"]["QueueArn"]


def bodies(messages):
    return [message["Body"] for message in messages]


def refused(code, endpoint, verb, **options):
    """The command must end with this code, as the command line tells it."""
    ended = command(endpoint, "sqs", verb, **options)
    equal((ended.returncode != 0, f"({code})" in ended.stderr), (True, True), f"{verb}: {ended.stderr.strip()}")


def send_receive_delete(endpoint):
    queue, text = Queue(endpoint), 'plain, "quoted", <&>, \t, äöü, 🚌'
    sent = queue.send(text)
    [message] = queue.receive()
    equal((message["Body"], message["MessageId"]), (text, sent["MessageId"]), "the message")
    digest = hashlib.md5(text.encode()).hexdigest()
    equal((sent["MD5OfMessageBody"], message["MD5OfBody"]), (digest, digest), "the digest")
    queue.remove(message)
    equal(queue.counts(), [0, 0, 0], "what is where")


def attributes(endpoint):
    queue = Queue(endpoint)
    wanted = {
        "text": {"StringValue": "a b", "DataType": "String"},
        "number.of": {"StringValue": "-7", "DataType": "Number.int"},
        "bytes": {"BinaryValue": "raw", "DataType": "Binary.png"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = queue.send("x", message_attributes=wanted, message_system_attributes=trace)
    [message] = queue.receive()
    wanted["bytes"]["BinaryValue"] = "cmF3"  # It takes bytes as they are and shows them in base64.
    equal(message["MessageAttributes"], wanted, "the attributes")
    # By AWS's description of it; this client does not check it.
    digest = "dd7ee14653b16fe9d8c246686b4f40c7"
    equal((sent["MD5OfMessageAttributes"], message["MD5OfMessageAttributes"]), (digest, digest), "their digest")
    equal(message["Attributes"]["AWSTraceHeader"], trace["AWSTraceHeader"]["StringValue"], "the trace header")


def filtered_attributes(endpoint):
    queue, text = Queue(endpoint, {"VisibilityTimeout": "0"}), {"DataType": "String", "StringValue": "v"}
    queue.send("x", message_attributes={"a.one": text, "a.two": text, "b": text})
    [message] = queue.receive(message_attribute_names="a.*")
    equal(set(message["MessageAttributes"]), {"a.one", "a.two"}, "attributes by prefix")


def batches(endpoint):
    queue = Queue(endpoint)
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(9)]
    sent = queue("send-message-batch", entries=entries + [{"Id": "bad", "MessageBody": "\x01"}])
    equal((len(sent["Successful"]), sent["Failed"][0]["Code"]), (9, "InvalidMessageContents"), "sent")
    handles = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(queue.receive())]
    longer = [{**handle, "VisibilityTimeout": 60} for handle in handles]
    equal(len(queue("change-message-visibility-batch", entries=longer)["Successful"]), 9, "made longer")
    deleted = queue("delete-message-batch", entries=handles + [{"Id": "bad", "ReceiptHandle": "garbage"}])
    equal((len(deleted["Successful"]), deleted["Failed"][0]["Code"]), (9, "ReceiptHandleIsInvalid"), "deleted")


def large_message(endpoint):
    queue, large = Queue(endpoint), "x" * (1 << 20)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:  # No argument can be that long.
        file.write(large)
        file.flush()
        queue.send(f"file://{file.name}")
        equal(queue.receive()[0]["Body"] == large, True, "the same body")
        file.write("x")
        file.flush()
        refused("InvalidParameterValue", endpoint, "send-message", queue_url=queue.url, message_body=f"file://{file.name}")


def long_poll(endpoint):
    queue = Queue(endpoint)
    sender = threading.Timer(1, lambda: queue.send("wake up"))
    started_at = time.monotonic()
    sender.start()
    equal(bodies(queue.receive(wait_time_seconds="20")), ["wake up"], "what came")
    equal(time.monotonic() - started_at < 15, True, "woken at once")
    sender.join()


def later(queue, since, seconds):
    """Receives what comes back or becomes visible, which must take at least so long from `since` on."""
    taken = queue.receive(wait_time_seconds="15")
    equal(time.monotonic() - since >= seconds - CLOCKS_APART_SECONDS, True, f"at least {seconds} s later")
    return taken


def visibility(endpoint):
    queue = Queue(endpoint, {"VisibilityTimeout": "2"})
    queue.send("x")
    since = time.monotonic()
    [first] = queue.receive()
    [second] = later(queue, since, 2)
    equal(second["MessageId"], first["MessageId"], "the message")
    equal(second["Attributes"]["ApproximateReceiveCount"], "2", "how often it came")


def visibility_changed(endpoint):
    queue = Queue(endpoint)
    queue.send("x")
    [message] = queue.receive()
    held = {"receipt_handle": message["ReceiptHandle"]}
    queue("change-message-visibility", **held, visibility_timeout="600")
    equal(queue.receive(), [], "while it is held")
    queue("change-message-visibility", **held, visibility_timeout="0")
    equal(bodies(queue.receive()), ["x"], "once it is given back")


def delay(endpoint):
    queue = Queue(endpoint, {"DelaySeconds": "900"})
    queue.send("late")
    equal(queue.counts(), [0, 0, 1], "what is where")
    since = time.monotonic()
    queue.send("soon", delay_seconds="2")
    equal(bodies(later(queue, since, 2)), ["soon"], "afterwards")


def fifo_order(endpoint):
    queue = Queue(endpoint, {"FifoQueue": "true", "ContentBasedDeduplication": "true"})
    numbers = [queue.send(body, message_group_id="g")["SequenceNumber"] for body in ("1", "2", "3")]
    equal(numbers, sorted(numbers), "sequence numbers")
    [first] = queue.receive(max_number_of_messages="1")
    equal((first["Body"], queue.receive()), ("1", []), "while the group is held")
    queue.remove(first)
    equal(bodies(queue.receive()), ["2", "3"], "the rest")


def fifo_dedup(endpoint):
    queue = Queue(endpoint, {"FifoQueue": "true", "ContentBasedDeduplication": "true"})
    same = [queue.send("same", message_group_id="g")["MessageId"] for _ in range(2)]
    equal(same[0], same[1], "by content")
    by_id = [queue.send(text, message_group_id="g", message_deduplication_id="i")["MessageId"] for text in "ab"]
    equal(by_id[0], by_id[1], "by id")
    equal(bodies(queue.receive()), ["same", "a"], "what is there")


def fifo_scope(endpoint):
    scope = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    queue = Queue(endpoint, {"FifoQueue": "true", **scope})
    for group in ("a", "b", "a"):
        queue.send(group, message_group_id=group, message_deduplication_id="id")
    equal(sorted(bodies(queue.receive() + queue.receive())), ["a", "b"], "one per group")


def with_dead_letters(endpoint, receives_max):
    target = Queue(endpoint)
    policy = json.dumps({"deadLetterTargetArn": target.arn(), "maxReceiveCount": receives_max})
    return target, Queue(endpoint, {"VisibilityTimeout": "0", "RedrivePolicy": policy})


def dead_letters(endpoint):
    target, queue = with_dead_letters(endpoint, 2)
    sent = queue.send("poison")
    until(lambda: not queue.receive(), "given up")
    [message] = target.receive(wait_time_seconds="10")
    equal(message["MessageId"], sent["MessageId"], "the id")
    equal(message["Attributes"]["DeadLetterQueueSourceArn"], queue.arn(), "where it came from")
    equal(target("list-dead-letter-source-queues")["queueUrls"], [queue.url], "the sources")


def move_task(endpoint):
    target, queue = with_dead_letters(endpoint, 1)
    queue.send("poison")
    until(lambda: not queue.receive(), "given up")
    until(lambda: target.counts()[0] == 1, "the dead letter")
    source = {"source_arn": target.arn()}
    aws(endpoint, "sqs", "start-message-move-task", **source)
    equal(bodies(queue.receive(wait_time_seconds="10")), ["poison"], "what came back")
    newest = lambda: aws(endpoint, "sqs", "list-message-move-tasks", **source)["Results"][0]
    until(lambda: newest()["Status"] == "COMPLETED", "the task is done")
    equal(newest()["ApproximateNumberOfMessagesMoved"], 1, "moved")


def purge(endpoint):
    queue = Queue(endpoint)
    queue.send("old")
    queue("purge-queue")
    queue.send("new")
    equal(bodies(queue.receive()), ["new"], "what came afterwards")


def queue_attributes(endpoint):
    queue = Queue(endpoint, {"VisibilityTimeout": "5"})
    queue("set-queue-attributes", attributes={"DelaySeconds": "3", "Policy": "{}"})
    shown = queue("get-queue-attributes", attribute_names="All")["Attributes"]
    wanted = {"VisibilityTimeout": "5", "DelaySeconds": "3", "MaximumMessageSize": "1048576", "Policy": "{}"}
    equal({name: shown[name] for name in wanted}, wanted, "attributes")
    name = queue.url.rsplit("/", 1)[1]
    again = aws(endpoint, "sqs", "create-queue", queue_name=name, attributes={"DelaySeconds": "3"})
    equal(again["QueueUrl"], queue.url, "the same queue")
    refused("QueueAlreadyExists", endpoint, "create-queue", queue_name=name, attributes={"DelaySeconds": "4"})


def queue_url(endpoint):
    queue, by_name = Queue(endpoint), endpoint.replace("127.0.0.1", "localhost")
    equal(queue.url.startswith(f"http://{endpoint}/"), True, "the URL of a new queue has our host")
    other = aws(by_name, "sqs", "get-queue-url", queue_name=queue.url.rsplit("/", 1)[1])["QueueUrl"]
    equal(other, queue.url.replace("127.0.0.1", "localhost"), "for one who calls it by another name")
    Queue(by_name, url=other).send("x")
    equal(bodies(queue.receive()), ["x"], "what came by the other URL")


def tags(endpoint):
    queue = Queue(endpoint)
    queue("tag-queue", tags={"a": "1", "b": ""})
    queue("untag-queue", tag_keys="a")
    equal(queue("list-queue-tags")["Tags"], {"b": ""}, "tags")


def permissions(endpoint):
    queue = Queue(endpoint)
    queue("add-permission", label="l", aws_account_ids="123456789012", actions="SendMessage")
    shown = queue("get-queue-attributes", attribute_names="Policy")["Attributes"]
    equal("SQS:SendMessage" in shown["Policy"], True, "the policy")
    queue("remove-permission", label="l")
    equal(queue("get-queue-attributes", attribute_names="Policy").get("Attributes"), None, "no policy")


def list_pages(endpoint):
    prefix = fresh("p")
    urls = [aws(endpoint, "sqs", "create-queue", queue_name=f"{prefix}-{number}")["QueueUrl"] for number in range(3)]
    listed = aws(endpoint, "sqs", "list-queues", queue_name_prefix=prefix, page_size="2")["QueueUrls"]
    equal(listed, urls, "all pages")
    first = aws(endpoint, "sqs", "list-queues", queue_name_prefix=prefix, max_items="2")
    equal((first["QueueUrls"], "NextToken" in first), (urls[:2], True), "the first two")
    aws(endpoint, "sqs", "delete-queue", queue_url=urls[0])
    equal(aws(endpoint, "sqs", "list-queues", queue_name_prefix=prefix)["QueueUrls"], urls[1:], "after one was deleted")


def errors(endpoint):
    queue = Queue(endpoint)
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    refused(missing, endpoint, "get-queue-url", queue_name=fresh("none"))
    refused("ReceiptHandleIsInvalid", endpoint, "delete-message", queue_url=queue.url, receipt_handle="x")
    refused("InvalidAttributeName", endpoint, "get-queue-attributes", queue_url=queue.url, attribute_names="Nothing")
    refused("InvalidParameterValue", endpoint, "receive-message", queue_url=queue.url, wait_time_seconds="21")


def caller_identity(endpoint):
    equal(aws(endpoint, "sts", "get-caller-identity")["Account"], "000000000000", "the account")


run("aws-cli", awscli.__version__, globals())
