package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// The checks of the AWS SDK for Go, version 2. It checks the digests of bodies itself.
var sqsChecks = map[string]check{
	"send_receive_delete": queueSendReceiveDelete,
	"attributes":          queueMessageAttributes,
	"filtered_attributes": queueFilteredAttributes,
	"batches":             queueBatches,
	"large_message":       queueLargeMessage,
	"long_poll":           queueLongPoll,
	"visibility":          queueVisibility,
	"visibility_changed":  queueVisibilityChanged,
	"delay":               queueDelay,
	"fifo_order":          queueFifoOrder,
	"fifo_dedup":          queueFifoDedup,
	"fifo_scope":          queueFifoScope,
	"dead_letters":        queueDeadLetters,
	"move_task":           queueMoveTask,
	"purge":               queuePurge,
	"queue_attributes":    queueAttributes,
	"queue_url":           queueURL,
	"tags":                queueTags,
	"permissions":         queuePermissions,
	"list_pages":          queueListPages,
	"errors":              queueErrors,
	"caller_identity":     callerIdentity,
}

var testCredentials = credentials.NewStaticCredentialsProvider("test", "test", "")

func sqsClient(endpoint string) *sqs.Client {
	return sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + endpoint), Credentials: testCredentials})
}

// ok returns what a call returned that must not fail.
func ok[T any](value T, err error) T {
	must(err)
	return value
}

type attributes = map[string]string

// queue is a queue, and the calls that name it.
type queue struct {
	*sqs.Client
	ctx context.Context
	url *string
}

func newQueue(ctx context.Context, endpoint string, wanted attributes) queue {
	client, name := sqsClient(endpoint), fresh("q")
	if wanted["FifoQueue"] != "" {
		name += ".fifo"
	}
	made := ok(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: wanted}))
	return queue{client, ctx, made.QueueUrl}
}

func (q queue) send(body string, change ...func(*sqs.SendMessageInput)) *sqs.SendMessageOutput {
	return ok(q.trySend(body, change...))
}

func (q queue) trySend(body string, change ...func(*sqs.SendMessageInput)) (*sqs.SendMessageOutput, error) {
	input := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}
	for _, each := range change {
		each(input)
	}
	return q.SendMessage(q.ctx, input)
}

func (q queue) receive(change ...func(*sqs.ReceiveMessageInput)) []types.Message {
	input := &sqs.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	}
	for _, each := range change {
		each(input)
	}
	return ok(q.ReceiveMessage(q.ctx, input)).Messages
}

func (q queue) remove(handle *string) error {
	_, err := q.DeleteMessage(q.ctx, &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: handle})
	return err
}

func (q queue) hold(handle *string, seconds int32) {
	input := &sqs.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: handle, VisibilityTimeout: seconds}
	ok(q.ChangeMessageVisibility(q.ctx, input))
}

func (q queue) shown(names ...types.QueueAttributeName) attributes {
	input := &sqs.GetQueueAttributesInput{QueueUrl: q.url, AttributeNames: names}
	return ok(q.GetQueueAttributes(q.ctx, input)).Attributes
}

// counts says how many messages can be received, are held, and are delayed.
func (q queue) counts() [3]int {
	var counts [3]int
	shown := q.shown("All")
	for place, which := range []string{"", "NotVisible", "Delayed"} {
		counts[place] = ok(strconv.Atoi(shown["ApproximateNumberOfMessages"+which]))
	}
	return counts
}

func (q queue) arn() *string { return aws.String(q.shown("QueueArn")["QueueArn"]) }

func (q queue) name() *string { return aws.String((*q.url)[strings.LastIndex(*q.url, "/")+1:]) }

func waiting(seconds int32) func(*sqs.ReceiveMessageInput) {
	return func(input *sqs.ReceiveMessageInput) { input.WaitTimeSeconds = seconds }
}

func bodies(messages []types.Message) string {
	var all []string
	for _, message := range messages {
		all = append(all, *message.Body)
	}
	return strings.Join(all, " ")
}

// refusedAs says that a call had to fail with an error of this type, and returns it.
func refusedAs[E error](err error, what string) E {
	var wanted E
	if !errors.As(err, &wanted) {
		panic(fmt.Sprintf("%s: got error %v, wanted a %T", what, err, wanted))
	}
	return wanted
}

// later receives what comes back or becomes visible, which must take at least so long from since on.
func (q queue) later(since time.Time, seconds float64) []types.Message {
	// The broker counts whole milliseconds, and its clock and ours are read at different moments.
	const clocksApart = 0.02
	taken := q.receive(waiting(15))
	equal(time.Since(since).Seconds() >= seconds-clocksApart, true, fmt.Sprintf("at least %v s later", seconds))
	return taken
}

func queueSendReceiveDelete(ctx context.Context, endpoint string) {
	q, text := newQueue(ctx, endpoint, nil), "plain, \"quoted\", <&>, \r\n\t, äöü, 🚌"
	sent, taken := q.send(text), q.receive()
	equal(len(taken), 1, "received")
	equal(*taken[0].Body, text, "the body")
	equal(*taken[0].MessageId+*taken[0].MD5OfBody, *sent.MessageId+*sent.MD5OfMessageBody, "id and digest")
	equal(q.counts(), [3]int{0, 1, 0}, "what is where")
	must(q.remove(taken[0].ReceiptHandle))
	equal(q.counts(), [3]int{0, 0, 0}, "what is where")
}

func stringValue(kind, text string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &text}
}

func queueMessageAttributes(ctx context.Context, endpoint string) {
	q, trace := newQueue(ctx, endpoint, nil), "Root=1-5759e988-bd862e3fe1be46a994272793"
	sent := q.send("x", func(input *sqs.SendMessageInput) {
		input.MessageAttributes = map[string]types.MessageAttributeValue{
			"text":      stringValue("String", "a b"),
			"number.of": stringValue("Number.int", "-7"),
			"bytes":     {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 255}},
		}
		input.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &trace},
		}
	})
	message := q.receive()[0]
	got := message.MessageAttributes
	equal(len(got), 3, "attributes")
	equal(*got["text"].DataType+*got["text"].StringValue, "Stringa b", "the text")
	equal(*got["number.of"].DataType+*got["number.of"].StringValue, "Number.int-7", "the number")
	equal(*got["bytes"].DataType+string(got["bytes"].BinaryValue), "Binary.png\x00\xff", "the bytes")
	const digest = "49d4e9525ea8d2518ae2391b3df21327" // By AWS's description of it.
	equal(*sent.MD5OfMessageAttributes, digest, "their digest, sent")
	equal(*message.MD5OfMessageAttributes, digest, "their digest, received")
	equal(message.Attributes["AWSTraceHeader"], trace, "the trace header")
}

func queueFilteredAttributes(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"VisibilityTimeout": "0"})
	q.send("x", func(input *sqs.SendMessageInput) {
		v := stringValue("String", "v")
		input.MessageAttributes = map[string]types.MessageAttributeValue{"a.one": v, "a.two": v, "b": v}
	})
	for names, wanted := range map[string]string{"a.*": "a.one a.two", "b c": "b", ".*": "a.one a.two b", "": ""} {
		message := q.receive(func(input *sqs.ReceiveMessageInput) { input.MessageAttributeNames = strings.Fields(names) })[0]
		var got []string
		for name := range message.MessageAttributes {
			got = append(got, name)
		}
		slices.Sort(got)
		equal(strings.Join(got, " "), wanted, "attributes by "+names)
	}
}

func queueBatches(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	batch := &sqs.SendMessageBatchInput{QueueUrl: q.url}
	for number := range 9 {
		id := strconv.Itoa(number)
		batch.Entries = append(batch.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String("m" + id)})
	}
	bad := types.SendMessageBatchRequestEntry{Id: aws.String("bad"), MessageBody: aws.String("\x01")}
	batch.Entries = append(batch.Entries, bad)
	sent := ok(q.SendMessageBatch(ctx, batch))
	equal(len(sent.Successful), 9, "sent")
	equal(len(sent.Failed), 1, "failed")
	equal(*sent.Failed[0].Id+*sent.Failed[0].Code, "badInvalidMessageContents", "what failed")
	taken := q.receive()
	equal(len(taken), 9, "received")
	held := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q.url}
	gone := &sqs.DeleteMessageBatchInput{QueueUrl: q.url}
	for place, message := range taken {
		id, handle := aws.String(strconv.Itoa(place)), message.ReceiptHandle
		held.Entries = append(held.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: handle, VisibilityTimeout: 60})
		gone.Entries = append(gone.Entries, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: handle})
	}
	equal(len(ok(q.ChangeMessageVisibilityBatch(ctx, held)).Successful), 9, "made longer")
	garbage := types.DeleteMessageBatchRequestEntry{Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")}
	gone.Entries = append(gone.Entries, garbage)
	deleted := ok(q.DeleteMessageBatch(ctx, gone))
	equal(len(deleted.Successful), 9, "deleted")
	equal(*deleted.Failed[0].Code, "ReceiptHandleIsInvalid", "what was not deleted")
	equal(q.counts(), [3]int{0, 0, 0}, "what is where")
}

func queueLargeMessage(ctx context.Context, endpoint string) {
	q, large := newQueue(ctx, endpoint, nil), strings.Repeat("x", 1<<20)
	q.send(large)
	equal(*q.receive()[0].Body == large, true, "the same body")
	_, err := q.trySend(large + "x")
	equal(refusedAs[smithy.APIError](err, "too long a message").ErrorCode(), "InvalidParameterValue", "the code")
}

func queueLongPoll(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	startedAt := time.Now()
	sent := make(chan error, 1)
	time.AfterFunc(500*time.Millisecond, func() {
		_, err := q.trySend("wake up")
		sent <- err
	})
	equal(bodies(q.receive(waiting(20))), "wake up", "what came")
	equal(time.Since(startedAt) < 10*time.Second, true, "woken at once")
	// The check's context ends with it, and the sender may not have its answer yet.
	must(<-sent)
}

func queueVisibility(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"VisibilityTimeout": "1"})
	q.send("x")
	since := time.Now()
	first, second := q.receive()[0], q.later(since, 1)[0]
	equal(*second.MessageId, *first.MessageId, "the message")
	equal(second.Attributes["ApproximateReceiveCount"], "2", "how often it came")
	equal(*first.ReceiptHandle != *second.ReceiptHandle, true, "handles differ")
}

func queueVisibilityChanged(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"VisibilityTimeout": "600"})
	q.send("x")
	first := q.receive(func(input *sqs.ReceiveMessageInput) { input.VisibilityTimeout = 4 })[0]
	since := time.Now()
	q.hold(first.ReceiptHandle, 6)
	second := q.later(since, 6)[0]
	equal(bodies(q.receive()), "", "while it is held")
	q.hold(second.ReceiptHandle, 0)
	equal(bodies(q.receive()), "x", "once it is given back")
}

func queueDelay(ctx context.Context, endpoint string) {
	delayed := func(seconds int32) func(*sqs.SendMessageInput) {
		return func(input *sqs.SendMessageInput) { input.DelaySeconds = seconds }
	}
	q, since := newQueue(ctx, endpoint, nil), time.Now()
	q.send("x", delayed(1))
	equal(bodies(q.later(since, 1)), "x", "after the message's delay")
	q, since = newQueue(ctx, endpoint, attributes{"DelaySeconds": "1"}), time.Now()
	q.send("x")
	equal(bodies(q.later(since, 1)), "x", "after the queue's delay")
	q = newQueue(ctx, endpoint, nil)
	q.send("x", delayed(900))
	equal(bodies(q.receive()), "", "while it is delayed")
	equal(q.counts(), [3]int{0, 0, 1}, "what is where")
}
