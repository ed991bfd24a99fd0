"""boto3, as a client of SNS."""

import http.server
import json
import threading
import urllib.request
from queue import SimpleQueue

import boto3

from aws import client
from harness import equal, fresh, refused, run

def topic(sns, fifo=False, **attributes):
    if fifo:
        attributes["FifoTopic"] = "true"
    return sns.create_topic(Name=fresh("t") + (".fifo" if fifo else ""), Attributes=attributes)["TopicArn"]


class Queue:
    def __init__(self, endpoint, fifo=False, **attributes):
        self.sqs = client(endpoint, "sqs")
        if fifo:
            attributes["FifoQueue"] = "true"
        name = fresh("q") + (".fifo" if fifo else "")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        shown = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = shown["Attributes"]["QueueArn"]

    def subscribe(self, sns, topic_arn, **attributes):
        written = attributes.items()
        attributes = {name: value if isinstance(value, str) else json.dumps(value) for name, value in written}
        subscribed = sns.subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=self.arn, Attributes=attributes, ReturnSubscriptionArn=True
        )
        return subscribed["SubscriptionArn"]

    def receive(self):
        """All that is there. What was published is there when Publish has answered."""
        received = []
        while True:
            more = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
            ).get("Messages", [])
            if not more:
                return received
            received += more

    def notifications(self):
        return [json.loads(message["Body"]) for message in self.receive()]

    def texts(self):
        return [notification["Message"] for notification in self.notifications()]


def text(value, kind="String"):
    return {"DataType": kind, "StringValue": value}


def publish_to_queue(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    subscription = queue.subscribe(sns, arn)
    said = 'plain, "quoted", <&>, \r\n\t, äöü, 🚌'
    attributes = {"text": text("a b"), "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    published = sns.publish(TopicArn=arn, Message=said, Subject="spring", MessageAttributes=attributes)
    [notification] = queue.notifications()
    wanted = {"Type": "Notification", "TopicArn": arn, "Subject": "spring", "Message": said}
    equal({name: notification[name] for name in wanted}, wanted, "the envelope")
    equal(notification["MessageId"], published["MessageId"], "the id")
    shown = {"text": {"Type": "String", "Value": "a b"}, "bytes": {"Type": "Binary", "Value": "AP8="}}
    equal(notification["MessageAttributes"], shown, "attributes")
    equal(notification["UnsubscribeURL"].endswith(subscription), True, "UnsubscribeURL")
    equal(notification["SignatureVersion"], "1", "SignatureVersion")
    certificate = urllib.request.urlopen(notification["SigningCertURL"]).read()
    equal(certificate.startswith(b"-----BEGIN CERTIFICATE-----"), True, "the certificate")
    equal(len(notification["Timestamp"]), len("2023-11-14T22:13:20.000Z"), "Timestamp")


def raw(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn, RawMessageDelivery="true")
    attributes = {"n": text("-7", "Number.int"), "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"}}
    sns.publish(TopicArn=arn, Message="alone", MessageAttributes=attributes)
    [message] = queue.receive()
    equal(message["Body"], "alone", "the body")
    equal(message["MessageAttributes"], attributes, "attributes")


def fan_out(endpoint):
    sns, queues = client(endpoint, "sns"), [Queue(endpoint) for _ in range(20)]
    arn = topic(sns)
    for queue in queues:
        queue.subscribe(sns, arn, RawMessageDelivery="true")
    sns.publish(TopicArn=arn, Message="to all")
    received = [queue.receive() for queue in queues]
    equal([[message["Body"] for message in messages] for messages in received], [["to all"]] * 20, "what each got")
    equal(len({messages[0]["MessageId"] for messages in received}), 20, "ids")


def batches(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn)
    entries = [{"Id": str(number), "Message": f"m{number}"} for number in range(10)]
    answer = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    equal([entry["Id"] for entry in answer["Successful"]], [entry["Id"] for entry in entries], "successes")
    equal(answer["Failed"], [], "failures")
    equal(sorted(queue.texts()), [f"m{number}" for number in range(10)], "what came")
    for wrong, error in [
        (entries + [{"Id": "x", "Message": "x"}], sns.exceptions.TooManyEntriesInBatchRequestException),
        (entries[:1] * 2, sns.exceptions.BatchEntryIdsNotDistinctException),
        ([{"Id": "a.b", "Message": "x"}], sns.exceptions.InvalidBatchEntryIdException),
        ([{"Id": "a", "Message": "x" * 200_000}, {"Id": "b", "Message": "x" * 200_000}],
         sns.exceptions.BatchRequestTooLongException),
    ]:
        got = refused(lambda: sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=wrong), "a bad batch")
        equal(isinstance(got, error), True, f"{got!r} is {error.__name__}")
    equal(queue.texts(), [], "what came of bad batches")


def structure(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn)
    for message in [{"default": "d", "sqs": "for queues"}, {"default": "d", "http": "for others"}]:
        sns.publish(TopicArn=arn, MessageStructure="json", Message=json.dumps(message))
    equal(sorted(queue.texts()), ["d", "for queues"], "what came")
    for wrong in ["{", '{"sqs": "x"}', '{"default": {}}']:
        error = refused(lambda: sns.publish(TopicArn=arn, MessageStructure="json", Message=wrong), wrong)
        equal(isinstance(error, sns.exceptions.InvalidParameterException), True, wrong)


def filters_on_attributes(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    colours = ["red", {"prefix": "gr"}, {"anything-but": ["blue", "black"]}]
    policy = {"colour": colours, "price": [{"numeric": ["<", 5]}]}
    subscription = queue.subscribe(sns, arn, FilterPolicy=policy)
    for colour, price in [("red", "1"), ("green", "4.5"), ("red", "5"), ("blue", "1"), ("white", "-3")]:
        attributes = {"colour": text(colour), "price": text(price, "Number")}
        sns.publish(TopicArn=arn, Message=f"{colour} {price}", MessageAttributes=attributes)
    sns.publish(TopicArn=arn, Message="nothing said")
    equal(sorted(queue.texts()), ["green 4.5", "red 1", "white -3"], "what came")
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue="{}")
    sns.publish(TopicArn=arn, Message="all")
    equal(queue.texts(), ["all"], "what came without a filter")
    error = refused(
        lambda: sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue='{"a": [{"like": "b"}]}'
        ),
        "an unknown operator",
    )
    equal(isinstance(error, sns.exceptions.InvalidParameterException), True, f"{error!r}")


def filters_on_body(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    policy = {"order": {"state": ["paid"], "items": {"kind": [{"suffix": "book"}]}}}
    queue.subscribe(sns, arn, FilterPolicy=policy, FilterPolicyScope="MessageBody")
    for state, kind in [("paid", "notebook"), ("open", "notebook"), ("paid", "pen")]:
        sns.publish(TopicArn=arn, Message=json.dumps({"order": {"state": state, "items": [{"kind": kind}]}}))
    sns.publish(TopicArn=arn, Message="no JSON")
    equal([json.loads(came)["order"]["items"] for came in queue.texts()], [[{"kind": "notebook"}]], "what came")


def fifo(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint, fifo=True)
    arn = topic(sns, fifo=True)
    queue.subscribe(sns, arn)
    numbers = []
    for number in range(6):
        answer = sns.publish(
            TopicArn=arn, Message=f"{number}", MessageGroupId=f"g{number % 2}", MessageDeduplicationId=str(number)
        )
        numbers.append(int(answer["SequenceNumber"]))
    equal(numbers, sorted(set(numbers)), "sequence numbers")
    received = queue.receive()
    for group in ["g0", "g1"]:
        of_group = [json.loads(each["Body"]) for each in received if each["Attributes"]["MessageGroupId"] == group]
        equal([each["Message"] for each in of_group], [str(number) for number in range(int(group[1]), 6, 2)], group)
    error = refused(lambda: sns.publish(TopicArn=arn, Message="x", MessageDeduplicationId="x"), "no group")
    equal("MessageGroupId" in str(error), True, f"{error}")
    standard = topic(sns)
    refused(lambda: queue.subscribe(sns, standard), "a FIFO queue at a standard topic")


def fifo_dedup(endpoint):
    sns, ordered, plain = client(endpoint, "sns"), Queue(endpoint, fifo=True), Queue(endpoint)
    arn = topic(sns, fifo=True, ContentBasedDeduplication="true")
    ordered.subscribe(sns, arn)
    plain.subscribe(sns, arn)
    for message, more in [("a", {}), ("a", {}), ("b", {"MessageDeduplicationId": "x"}),
                          ("c", {"MessageDeduplicationId": "x"})]:
        sns.publish(TopicArn=arn, Message=message, MessageGroupId="g", **more)
    equal(ordered.texts(), ["a", "b"], "what the FIFO queue got")
    equal(sorted(plain.texts()), ["a", "b"], "what the standard queue got")


def fair(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn)
    sns.publish(TopicArn=arn, Message="x", MessageGroupId="tenant")
    [message] = queue.receive()
    equal(message["Attributes"]["MessageGroupId"], "tenant", "MessageGroupId")


def dead_letters(endpoint):
    sns, queue, dead = client(endpoint, "sns"), Queue(endpoint), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn, RedrivePolicy={"deadLetterTargetArn": dead.arn})
    queue.sqs.delete_queue(QueueUrl=queue.url)
    sns.publish(TopicArn=arn, Message="x")
    equal(dead.texts(), ["x"], "dead letters")


def topic_attributes(endpoint):
    sns = client(endpoint, "sns")
    arn = topic(sns, DisplayName="News")
    sns.set_topic_attributes(TopicArn=arn, AttributeName="SignatureVersion", AttributeValue="2")
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    wanted = {"DisplayName": "News", "SignatureVersion": "2", "TopicArn": arn, "SubscriptionsConfirmed": "0"}
    equal({name: shown[name] for name in wanted}, wanted, "attributes")
    name = arn.rsplit(":", 1)[1]
    equal(sns.create_topic(Name=name)["TopicArn"], arn, "the same topic")
    error = refused(lambda: sns.create_topic(Name=name, Attributes={"DisplayName": "Olds"}), "another name")
    equal(isinstance(error, sns.exceptions.InvalidParameterException), True, f"{error!r}")
    refused(
        lambda: sns.set_topic_attributes(TopicArn=arn, AttributeName="ArchivePolicy", AttributeValue="{}"), "an archive"
    )


def subscription_attributes(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    subscription = queue.subscribe(sns, arn, RawMessageDelivery="TRUE")
    shown = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    wanted = {"RawMessageDelivery": "true", "Protocol": "sqs", "Endpoint": queue.arn, "PendingConfirmation": "false"}
    equal({name: shown[name] for name in wanted}, wanted, "attributes")
    equal(queue.subscribe(sns, arn), subscription, "the same subscription")
    error = refused(lambda: queue.subscribe(sns, arn, RawMessageDelivery="false"), "another form")
    equal(isinstance(error, sns.exceptions.InvalidParameterException), True, f"{error!r}")
    refused(lambda: sns.subscribe(TopicArn=arn, Protocol="sms", Endpoint="+123456"), "a text message")


class HttpEndpoint:
    """A server that keeps what it is told, and fails as often as it was told to."""

    def __init__(self):
        self.told, self.failures = SimpleQueue(), 0
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fails = endpoint.failures > 0
                endpoint.failures -= fails
                self.send_response(503 if fails else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                endpoint.told.put((self.headers, body))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, kind):
        headers, body = self.told.get(timeout=30)
        equal(headers["x-amz-sns-message-type"], kind, "the kind of message")
        return headers, body


def http_endpoint(endpoint):
    sns, server = client(endpoint, "sns"), HttpEndpoint()
    arn = topic(sns)
    policy = {"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1}}
    attributes = {"DeliveryPolicy": json.dumps(policy)}
    wanted = {"TopicArn": arn, "Protocol": "http", "Endpoint": server.url, "Attributes": attributes}
    equal(sns.subscribe(**wanted)["SubscriptionArn"], "pending confirmation", "the ARN")
    _, question = server.next("SubscriptionConfirmation")
    with urllib.request.urlopen(json.loads(question)["SubscribeURL"]) as answer:
        equal(answer.status, 200, "the confirmation")
    token = json.loads(question)["Token"]
    subscription = sns.confirm_subscription(TopicArn=arn, Token=token)["SubscriptionArn"]
    published = sns.publish(TopicArn=arn, Message="spring", Subject="season")
    headers, body = server.next("Notification")
    notification = json.loads(body)
    equal((notification["Message"], notification["Subject"]), ("spring", "season"), "the notification")
    equal(headers["x-amz-sns-message-id"], published["MessageId"], "the id")
    equal(headers["x-amz-sns-subscription-arn"], subscription, "the subscription")
    raw = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    sns.set_subscription_attributes(SubscriptionArn=subscription, **raw)
    server.failures = 1
    sns.publish(TopicArn=arn, Message="again")
    for _ in range(2):
        headers, body = server.next("Notification")
        equal((headers["x-amz-sns-rawdelivery"], body), ("true", "again"), "the raw message")
    with urllib.request.urlopen(notification["UnsubscribeURL"]) as answer:
        equal(answer.status, 200, "the end")
    equal(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"], [], "subscriptions")
    _, farewell = server.next("UnsubscribeConfirmation")
    with urllib.request.urlopen(json.loads(farewell)["SubscribeURL"]) as answer:
        equal(answer.status, 200, "the way back")
    equal(len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]), 1, "subscriptions")
    server.server.shutdown()


def unsubscribe(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    subscription = queue.subscribe(sns, arn)
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.publish(TopicArn=arn, Message="x")
    equal(queue.texts(), [], "what came")
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    error = refused(lambda: sns.publish(TopicArn=arn, Message="x"), "a topic that is gone")
    equal(isinstance(error, sns.exceptions.NotFoundException), True, f"{error!r}")


def lists(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arns = [topic(sns) for _ in range(101)]
    for arn in arns:
        queue.subscribe(sns, arn)
    pages = list(sns.get_paginator("list_topics").paginate())
    listed = [each["TopicArn"] for page in pages for each in page["Topics"]]
    equal(len(listed), len(set(listed)), "topics that are listed twice")
    equal(set(arns) <= set(listed), True, "all are listed")
    equal(max(len(page["Topics"]) for page in pages), 100, "topics on a page")
    pages = sns.get_paginator("list_subscriptions").paginate()
    ours = [each["TopicArn"] for page in pages for each in page["Subscriptions"] if each["Endpoint"] == queue.arn]
    equal(sorted(ours), sorted(arns), "subscriptions")
    [only] = sns.list_subscriptions_by_topic(TopicArn=arns[0])["Subscriptions"]
    equal((only["Protocol"], only["Endpoint"]), ("sqs", queue.arn), "the subscription of a topic")


def tags(endpoint):
    sns = client(endpoint, "sns")
    arn = topic(sns)
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    equal(sns.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "b", "Value": ""}], "tags")


def permissions(endpoint):
    sns = client(endpoint, "sns")
    arn = topic(sns)
    sns.add_permission(TopicArn=arn, Label="l", AWSAccountId=["123456789012"], ActionName=["Publish"])

    def labels():
        policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
        return [statement["Sid"] for statement in policy["Statement"]]

    equal(labels(), ["__default_statement_ID", "l"], "labels")
    sns.remove_permission(TopicArn=arn, Label="l")
    equal(labels(), ["__default_statement_ID"], "labels")


def size(endpoint):
    sns, queue = client(endpoint, "sns"), Queue(endpoint)
    arn = topic(sns)
    queue.subscribe(sns, arn, RawMessageDelivery="true")
    sns.publish(TopicArn=arn, Message="x" * 262_144)
    refused(lambda: sns.publish(TopicArn=arn, Message="x" * 262_145), "one byte more")
    sns.set_topic_attributes(TopicArn=arn, AttributeName="MaximumMessageSize", AttributeValue="1048576")
    sns.publish(TopicArn=arn, Message="y" * 1_048_576)
    equal(sorted(len(message["Body"]) for message in queue.receive()), [262_144, 1_048_576], "bytes")


def errors(endpoint):
    sns = client(endpoint, "sns")
    arn = topic(sns)
    none = arn + "x"
    for action, wanted in [
        (lambda: sns.publish(TopicArn=none, Message="x"), sns.exceptions.NotFoundException),
        (lambda: sns.publish(TopicArn="arn", Message="x"), sns.exceptions.InvalidParameterException),
        (lambda: sns.publish(TopicArn=arn, Message=""), sns.exceptions.InvalidParameterException),
        (lambda: sns.publish(TopicArn=arn, Message="x", Subject=""), sns.exceptions.InvalidParameterException),
        (lambda: sns.publish(TopicArn=arn, Message="x", MessageAttributes={"a": text("")}),
         sns.exceptions.InvalidParameterValueException),
        (lambda: sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=[]),
         sns.exceptions.EmptyBatchRequestException),
        (lambda: sns.get_subscription_attributes(SubscriptionArn=f"{arn}:{'0' * 8}-0000-0000-0000-{'0' * 12}"),
         sns.exceptions.NotFoundException),
        (lambda: sns.list_tags_for_resource(ResourceArn=none), sns.exceptions.ResourceNotFoundException),
        (lambda: sns.create_topic(Name="a b"), sns.exceptions.InvalidParameterException),
        (lambda: sns.confirm_subscription(TopicArn=arn, Token="x"), sns.exceptions.InvalidParameterException),
    ]:
        error = refused(action, "what is wrong")
        equal(isinstance(error, wanted), True, f"{error!r} is {wanted.__name__}")


run("boto3", boto3.__version__, globals())
