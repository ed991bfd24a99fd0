"""Fan-out: an order is published once, and every service that wants it has it in a queue of its own."""

import json
import sys
import uuid

import boto3

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9324"
RUN = uuid.uuid4().hex[:8]
ORDERS = [{"order": number, "total": 30 * number} for number in range(1, 9)]


def client(service):
    return boto3.client(
        service,
        endpoint_url=f"http://{ADDRESS}",
        region_name="us-east-1",
        aws_access_key_id="fan-out",
        aws_secret_access_key="fan-out",
    )


sns, sqs = client("sns"), client("sqs")


class Service:
    """A queue, and what it was told."""

    def __init__(self, name, **attributes):
        self.name = name
        self.seen = []
        attributes = {"VisibilityTimeout": "1", **attributes}
        self.url = sqs.create_queue(QueueName=f"{name}-{RUN}", Attributes=attributes)["QueueUrl"]
        shown = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = shown["Attributes"]["QueueArn"]

    def subscribe(self, topic, **attributes):
        attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn, Attributes=attributes)

    def receive(self, wait=0):
        answer = sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        return answer.get("Messages", [])

    def work(self, read, wanted):
        """Takes messages until it has seen so many different orders."""
        while len(self.seen) < wanted:
            for message in self.receive(wait=5):
                order = read(message["Body"])
                if order not in self.seen:
                    self.seen.append(order)
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        print(f"{self.name} saw orders {sorted(order['order'] for order in self.seen)}")


def enveloped(body):
    return json.loads(json.loads(body)["Message"])


def main():
    topic = sns.create_topic(Name=f"orders-{RUN}")["TopicArn"]
    shipping, loyalty, audit = Service("shipping"), Service("loyalty"), Service("audit")
    closed, left_over = Service("closed"), Service("left-over")
    shipping.subscribe(topic)
    loyalty.subscribe(topic, FilterPolicy={"total": [{"numeric": [">", 100]}]}, FilterPolicyScope="MessageBody")
    audit.subscribe(topic, RawMessageDelivery="true")
    closed.subscribe(topic, RedrivePolicy={"deadLetterTargetArn": left_over.arn})
    sqs.delete_queue(QueueUrl=closed.url)

    entries = [{"Id": str(order["order"]), "Message": json.dumps(order)} for order in ORDERS]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len(answer["Successful"]) == len(ORDERS), answer

    # Dies with an order in its hands: it is not deleted, and comes again.
    lost = shipping.receive()
    print(f"shipping died over {len(lost)} orders")
    shipping.work(enveloped, len(ORDERS))
    loyalty.work(enveloped, sum(order["total"] > 100 for order in ORDERS))
    audit.work(json.loads, len(ORDERS))
    left_over.work(enveloped, len(ORDERS))

    def by_number(orders):
        return sorted(orders, key=lambda order: order["order"])

    assert by_number(shipping.seen) == ORDERS
    assert by_number(loyalty.seen) == [order for order in ORDERS if order["total"] > 100]
    assert by_number(audit.seen) == ORDERS
    assert by_number(left_over.seen) == ORDERS
    assert loyalty.receive() == [], "an order that nobody wanted"
    print("ok")


main()
