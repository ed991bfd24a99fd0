"""boto3."""

import hashlib
import threading
import time

import boto3
from botocore.exceptions import ClientError

from aws import client
from harness import equal, fresh, refused, run, until

# The broker counts whole milliseconds, and its clock and ours are read at different moments.
CLOCKS_APART_SECONDS = 0.02


def create(endpoint, fifo=False, **attributes):
    sqs = client(endpoint, "sqs")
    if fifo:
        attributes["FifoQueue"] = "true"
    url = sqs.create_queue(QueueName=fresh("q") + (".fifo" if fifo else ""), Attributes=attributes)["QueueUrl"]
    return sqs, url


def send(sqs, url, body, **more):
    return sqs.send_message(QueueUrl=url, MessageBody=body, **more)


def receive(sqs, url, **more):
    request = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **more}
    return sqs.receive_message(QueueUrl=url, **request).get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def counts(sqs, url):
    names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(shown[name]) for name in names]


def arn(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def code(error):
    return error.response["Error"]["Code"]


def send_receive_delete(endpoint):
    sqs, url = create(endpoint)
    text = 'plain, "quoted", <&>, \r\n\t, äöü, 🚌'
    sent = send(sqs, url, text)
    [message] = receive(sqs, url)
    equal(message["Body"], text, "the body")
    equal(message["MessageId"], sent["MessageId"], "the id")
    digest = hashlib.md5(text.encode()).hexdigest()
    equal((sent["MD5OfMessageBody"], message["MD5OfBody"]), (digest, digest), "the digest")
    equal(counts(sqs, url), [0, 1, 0], "what is where")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    equal(counts(sqs, url), [0, 0, 0], "what is where")


def attributes(endpoint):
    sqs, url = create(endpoint)
    wanted = {
        "text": {"DataType": "String", "StringValue": "a b"},
        "number.of": {"DataType": "Number.int", "StringValue": "-7"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = send(sqs, url, "x", MessageAttributes=wanted, MessageSystemAttributes=trace)
    [message] = receive(sqs, url)
    equal(message["MessageAttributes"], wanted, "the attributes")
    # By AWS's description of it; this client does not check it.
    digest = "49d4e9525ea8d2518ae2391b3df21327"
    equal((sent["MD5OfMessageAttributes"], message["MD5OfMessageAttributes"]), (digest, digest), "their digest")
    equal(message["Attributes"]["AWSTraceHeader"], trace["AWSTraceHeader"]["StringValue"], "the trace header")
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount"):
        int(message["Attributes"][name])


def filtered_attributes(endpoint):
    sqs, url = create(endpoint, VisibilityTimeout="0")
    text = {"DataType": "String", "StringValue": "v"}
    send(sqs, url, "x", MessageAttributes={"a.one": text, "a.two": text, "b": text})
    for names, wanted in [(["a.*"], {"a.one", "a.two"}), (["b", "c"], {"b"}), ([".*"], {"a.one", "a.two", "b"})]:
        [message] = receive(sqs, url, MessageAttributeNames=names)
        equal(set(message["MessageAttributes"]), wanted, f"attributes by {names}")
    [message] = receive(sqs, url, MessageAttributeNames=[])
    equal("MessageAttributes" in message, False, "attributes that nobody wants")


def batches(endpoint):
    sqs, url = create(endpoint)
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(9)]
    entries.append({"Id": "bad", "MessageBody": "\x00"})
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    equal([entry["Id"] for entry in sent["Successful"]], [str(number) for number in range(9)], "sent")
    equal([entry["Code"] for entry in sent["Failed"]], ["InvalidMessageContents"], "failed")
    taken = receive(sqs, url)
    equal(len(taken), 9, "received")
    handles = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(taken)]
    longer = [{**handle, "VisibilityTimeout": 60} for handle in handles]
    equal(len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=longer)["Successful"]), 9, "made longer")
    handles.append({"Id": "bad", "ReceiptHandle": "garbage"})
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    equal((len(deleted["Successful"]), deleted["Failed"][0]["Code"]), (9, "ReceiptHandleIsInvalid"), "deleted")
    equal(counts(sqs, url), [0, 0, 0], "what is where")


def large_message(endpoint):
    sqs, url = create(endpoint)
    send(sqs, url, "x" * (1 << 20))
    [message] = receive(sqs, url)
    equal(len(message["Body"]), 1 << 20, "the length")
    equal(code(refused(lambda: send(sqs, url, "x" * ((1 << 20) + 1)), "too long a message")), "InvalidParameterValue", "the code")


def long_poll(endpoint):
    sqs, url = create(endpoint)
    sender = threading.Timer(0.5, lambda: send(client(endpoint, "sqs"), url, "wake up"))
    sender.start()
    started_at = time.monotonic()
    equal(bodies(receive(sqs, url, WaitTimeSeconds=20)), ["wake up"], "what came")
    equal(time.monotonic() - started_at < 10, True, "woken at once")
    sender.join()


def later(sqs, url, since, seconds):
    """Receives what comes back or becomes visible, which must take at least so long from `since` on."""
    taken = receive(sqs, url, WaitTimeSeconds=15)
    equal(time.monotonic() - since >= seconds - CLOCKS_APART_SECONDS, True, f"at least {seconds} s later")
    return taken


def visibility(endpoint):
    sqs, url = create(endpoint, VisibilityTimeout="1")
    send(sqs, url, "x")
    since = time.monotonic()
    [first] = receive(sqs, url)
    [second] = later(sqs, url, since, 1)
    equal(second["MessageId"], first["MessageId"], "the message")
    equal(second["Attributes"]["ApproximateReceiveCount"], "2", "how often it came")
    equal(first["ReceiptHandle"] != second["ReceiptHandle"], True, "handles differ")


def visibility_changed(endpoint):
    sqs, url = create(endpoint, VisibilityTimeout="600")
    send(sqs, url, "x")
    [first] = receive(sqs, url, VisibilityTimeout=4)
    since = time.monotonic()
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=6)
    [second] = later(sqs, url, since, 6)
    equal(receive(sqs, url), [], "while it is held")
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    equal(bodies(receive(sqs, url)), ["x"], "once it is given back")


def delay(endpoint):
    for queue, message in [({}, {"DelaySeconds": 1}), ({"DelaySeconds": "1"}, {})]:
        sqs, url = create(endpoint, **queue)
        since = time.monotonic()
        send(sqs, url, "x", **message)
        equal(bodies(later(sqs, url, since, 1)), ["x"], "afterwards")
    sqs, url = create(endpoint)
    send(sqs, url, "x", DelaySeconds=900)
    equal((receive(sqs, url), counts(sqs, url)), ([], [0, 0, 1]), "while it is delayed")


def fifo_order(endpoint):
    sqs, url = create(endpoint, fifo=True, ContentBasedDeduplication="true")
    sent = [send(sqs, url, f"{group}{number}", MessageGroupId=group) for number in range(3) for group in "ab"]
    numbers = [message["SequenceNumber"] for message in sent]
    equal(numbers, sorted(numbers), "sequence numbers")
    [first] = receive(sqs, url, MaxNumberOfMessages=1)
    others = receive(sqs, url)
    equal({body[0] for body in bodies(others)}, {"b"} if first["Body"][0] == "a" else {"a"}, "the other group")
    equal(bodies(others), sorted(bodies(others)), "in order")
    equal(receive(sqs, url), [], "while both are held")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    equal([body[1] for body in bodies(receive(sqs, url))], ["1", "2"], "the rest of the first group")


def fifo_dedup(endpoint):
    sqs, url = create(endpoint, fifo=True, ContentBasedDeduplication="true")
    first = send(sqs, url, "same", MessageGroupId="g")
    again = send(sqs, url, "same", MessageGroupId="g")
    equal((again["MessageId"], again["SequenceNumber"]), (first["MessageId"], first["SequenceNumber"]), "by content")
    one = send(sqs, url, "one", MessageGroupId="g", MessageDeduplicationId="id")
    two = send(sqs, url, "two", MessageGroupId="g", MessageDeduplicationId="id")
    equal(two["MessageId"], one["MessageId"], "by id")
    taken = receive(sqs, url)
    equal(bodies(taken), ["same", "one"], "what is there")
    for message in taken:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    send(sqs, url, "same", MessageGroupId="g")
    equal(receive(sqs, url), [], "also after it was deleted")


def fifo_scope(endpoint):
    scope = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    sqs, url = create(endpoint, fifo=True, **scope)
    for group in ("a", "b", "a"):
        send(sqs, url, group, MessageGroupId=group, MessageDeduplicationId="id")
    equal(sorted(bodies(receive(sqs, url) + receive(sqs, url))), ["a", "b"], "one per group")


def with_dead_letters(endpoint, receives_max):
    sqs, target = create(endpoint)
    policy = f'{{"deadLetterTargetArn":"{arn(sqs, target)}","maxReceiveCount":{receives_max}}}'
    _, url = create(endpoint, VisibilityTimeout="0", RedrivePolicy=policy)
    return sqs, target, url


def dead_letters(endpoint):
    sqs, target, url = with_dead_letters(endpoint, 2)
    sent = send(sqs, url, "poison")
    until(lambda: not receive(sqs, url), "given up")
    [message] = receive(sqs, target, WaitTimeSeconds=10)
    equal(message["MessageId"], sent["MessageId"], "the id")
    equal(message["Attributes"]["DeadLetterQueueSourceArn"], arn(sqs, url), "where it came from")
    equal(sqs.list_dead_letter_source_queues(QueueUrl=target)["queueUrls"], [url], "the sources")


def move_task(endpoint):
    sqs, target, url = with_dead_letters(endpoint, 1)
    send(sqs, url, "poison")
    until(lambda: not receive(sqs, url), "given up")
    until(lambda: counts(sqs, target)[0] == 1, "the dead letter")
    source = {"SourceArn": arn(sqs, target)}
    task = sqs.start_message_move_task(**source)
    equal(bodies(receive(sqs, url, WaitTimeSeconds=10)), ["poison"], "what came back")
    until(lambda: sqs.list_message_move_tasks(**source)["Results"][0]["Status"] == "COMPLETED", "the task is done")
    equal(sqs.list_message_move_tasks(**source)["Results"][0]["ApproximateNumberOfMessagesMoved"], 1, "moved")
    error = refused(lambda: sqs.cancel_message_move_task(TaskHandle=task["TaskHandle"]), "ending what has ended")
    equal(isinstance(error, sqs.exceptions.ResourceNotFoundException), True, "ResourceNotFoundException")


def purge(endpoint):
    sqs, url = create(endpoint)
    for number in range(5):
        send(sqs, url, str(number))
    receive(sqs, url, MaxNumberOfMessages=2)
    sqs.purge_queue(QueueUrl=url)
    equal(counts(sqs, url), [0, 0, 0], "what is where")
    send(sqs, url, "new")
    equal(bodies(receive(sqs, url)), ["new"], "what came afterwards")


def queue_attributes(endpoint):
    sqs, url = create(endpoint, VisibilityTimeout="5")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3", "Policy": "{}"})
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    wanted = {"VisibilityTimeout": "5", "DelaySeconds": "3", "MaximumMessageSize": "1048576", "Policy": "{}"}
    equal({name: shown[name] for name in wanted}, wanted, "attributes")
    name = url.rsplit("/", 1)[1]
    equal(sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"], url, "the same queue")
    error = refused(lambda: sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "4"}), "another delay")
    equal(isinstance(error, sqs.exceptions.QueueNameExists), True, "QueueNameExists")
    out_of_range = {"VisibilityTimeout": "43201"}
    refused(lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=out_of_range), "a visibility timeout of 43201 s")


def queue_url(endpoint):
    sqs, url = create(endpoint)
    account, name = url.split("/")[-2:]
    equal(url, f"http://{endpoint}/{account}/{name}", "the URL of a new queue")
    equal(sqs.get_queue_url(QueueName=name)["QueueUrl"], url, "the URL of its name")
    elsewhere = client(endpoint.replace("127.0.0.1", "localhost"), "sqs")
    other = elsewhere.get_queue_url(QueueName=name)["QueueUrl"]
    equal(other, url.replace("127.0.0.1", "localhost"), "for one who calls it by another name")
    send(elsewhere, other, "x")
    equal(bodies(receive(sqs, url)), ["x"], "what came by the other URL")


def tags(endpoint):
    sqs, url = create(endpoint)
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": ""})
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    equal(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"b": ""}, "tags")


def permissions(endpoint):
    sqs, url = create(endpoint)
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    equal("SQS:SendMessage" in shown["Policy"], True, "the policy")
    sqs.remove_permission(QueueUrl=url, Label="l")
    equal("Attributes" in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]), False, "no policy")


def list_pages(endpoint):
    sqs, prefix = client(endpoint, "sqs"), fresh("p")
    urls = [sqs.create_queue(QueueName=f"{prefix}-{number}")["QueueUrl"] for number in range(5)]
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2})
    listed = [page["QueueUrls"] for page in pages]
    equal(listed, [urls[:2], urls[2:4], urls[4:]], "pages")
    sqs.delete_queue(QueueUrl=urls[0])
    equal(sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"], urls[1:], "after one was deleted")


def errors(endpoint):
    sqs, url = create(endpoint)
    for action, wanted in [
        (lambda: sqs.get_queue_url(QueueName=fresh("none")), sqs.exceptions.QueueDoesNotExist),
        (lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"), sqs.exceptions.ReceiptHandleIsInvalid),
        (lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]), sqs.exceptions.EmptyBatchRequest),
        (lambda: send(sqs, url, "\x00"), sqs.exceptions.InvalidMessageContents),
        (lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Nothing"]), ClientError),
    ]:
        error = refused(action, "what is wrong")
        equal(isinstance(error, wanted), True, f"{error} is {wanted.__name__}")
    equal(code(refused(lambda: receive(sqs, url, WaitTimeSeconds=21), "21 s")), "InvalidParameterValue", "the code")


def caller_identity(endpoint):
    equal(client(endpoint, "sts").get_caller_identity()["Account"], "000000000000", "the account")


# Since botocore 1.31.81 it speaks JSON, before that Query.
PROTOCOL = client("127.0.0.1:1", "sqs").meta.service_model.metadata["protocol"]
run("boto3" if PROTOCOL == "json" else f"boto3, {PROTOCOL} protocol", boto3.__version__, globals())
