package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func inGroup(group, deduplication string) func(*sqs.SendMessageInput) {
	return func(input *sqs.SendMessageInput) {
		input.MessageGroupId = &group
		if deduplication != "" {
			input.MessageDeduplicationId = &deduplication
		}
	}
}

func queueFifoOrder(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	var numbers []string
	for _, body := range []string{"a0", "b0", "a1", "b1", "a2", "b2"} {
		numbers = append(numbers, *q.send(body, inGroup(body[:1], "")).SequenceNumber)
	}
	equal(slices.IsSorted(numbers), true, "sequence numbers rise")
	first := q.receive(func(input *sqs.ReceiveMessageInput) { input.MaxNumberOfMessages = 1 })[0]
	group, other := "a", "b"
	if *first.Body == "b0" {
		group, other = "b", "a"
	}
	equal(*first.Body, group+"0", "the first")
	equal(bodies(q.receive()), fmt.Sprintf("%[1]s0 %[1]s1 %[1]s2", other), "the other group, in order")
	equal(bodies(q.receive()), "", "while both are held")
	must(q.remove(first.ReceiptHandle))
	equal(bodies(q.receive()), fmt.Sprintf("%[1]s1 %[1]s2", group), "the rest of the first group")
}

func queueFifoDedup(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	first, again := q.send("same", inGroup("g", "")), q.send("same", inGroup("g", ""))
	equal(*again.MessageId+*again.SequenceNumber, *first.MessageId+*first.SequenceNumber, "by content")
	one, two := q.send("one", inGroup("g", "id")), q.send("two", inGroup("g", "id"))
	equal(*two.MessageId, *one.MessageId, "by id")
	equal(bodies(q.receive()), "same one", "what is there")
}

func queueFifoScope(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{
		"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
	})
	for _, group := range []string{"a", "b", "a"} {
		q.send(group, inGroup(group, "id"))
	}
	taken := strings.Fields(bodies(append(q.receive(), q.receive()...)))
	slices.Sort(taken)
	equal(strings.Join(taken, " "), "a b", "one per group")
}

// withDeadLetters makes a queue for dead letters, and one that gives up after so many receives.
func withDeadLetters(ctx context.Context, endpoint string, receivesMax int) (target, source queue) {
	target = newQueue(ctx, endpoint, nil)
	policy := fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":%d}`, *target.arn(), receivesMax)
	return target, newQueue(ctx, endpoint, attributes{"VisibilityTimeout": "0", "RedrivePolicy": policy})
}

func queueDeadLetters(ctx context.Context, endpoint string) {
	target, source := withDeadLetters(ctx, endpoint, 2)
	sent := source.send("poison")
	until(ctx, func() bool { return len(source.receive()) == 0 }, "given up")
	message := target.receive(waiting(10))[0]
	equal(*message.MessageId, *sent.MessageId, "the id")
	equal(message.Attributes["DeadLetterQueueSourceArn"], *source.arn(), "where it came from")
	input := &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: target.url}
	sources := ok(target.ListDeadLetterSourceQueues(ctx, input)).QueueUrls
	equal(strings.Join(sources, " "), *source.url, "the sources")
}

func queueMoveTask(ctx context.Context, endpoint string) {
	target, source := withDeadLetters(ctx, endpoint, 1)
	source.send("poison")
	until(ctx, func() bool { return len(source.receive()) == 0 }, "given up")
	until(ctx, func() bool { return target.counts()[0] == 1 }, "the dead letter")
	task := ok(target.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: target.arn()}))
	equal(bodies(source.receive(waiting(10))), "poison", "what came back")
	newest := func() types.ListMessageMoveTasksResultEntry {
		return ok(target.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: target.arn()})).Results[0]
	}
	until(ctx, func() bool { return *newest().Status == "COMPLETED" }, "the task is done")
	equal(newest().ApproximateNumberOfMessagesMoved, 1, "moved")
	_, err := target.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: task.TaskHandle})
	refusedAs[*types.ResourceNotFoundException](err, "ending what has ended")
}

func queuePurge(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	for range 5 {
		q.send("old")
	}
	q.receive(func(input *sqs.ReceiveMessageInput) { input.MaxNumberOfMessages = 2 })
	ok(q.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: q.url}))
	equal(q.counts(), [3]int{0, 0, 0}, "what is where")
	q.send("new")
	equal(bodies(q.receive()), "new", "what came afterwards")
}

func queueAttributes(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, attributes{"VisibilityTimeout": "5"})
	set := func(wanted attributes) error {
		_, err := q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: q.url, Attributes: wanted})
		return err
	}
	must(set(attributes{"DelaySeconds": "3", "Policy": "{}"}))
	shown := q.shown("All")
	for name, wanted := range (attributes{"VisibilityTimeout": "5", "DelaySeconds": "3", "MaximumMessageSize": "1048576", "Policy": "{}"}) {
		equal(shown[name], wanted, name)
	}
	again := func(delay string) (*sqs.CreateQueueOutput, error) {
		return q.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: q.name(), Attributes: attributes{"DelaySeconds": delay}})
	}
	equal(*ok(again("3")).QueueUrl, *q.url, "the same queue")
	_, err := again("4")
	refusedAs[*types.QueueNameExists](err, "another delay")
	err = set(attributes{"VisibilityTimeout": "43201"})
	refusedAs[*types.InvalidAttributeValue](err, "a visibility timeout of 43201 s")
}

func queueURL(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	equal(strings.HasPrefix(*q.url, "http://"+endpoint+"/"), true, "the URL of a new queue has our host")
	lookup := &sqs.GetQueueUrlInput{QueueName: q.name()}
	equal(*ok(q.GetQueueUrl(ctx, lookup)).QueueUrl, *q.url, "the URL of its name")
	byName := func(text string) string { return strings.Replace(text, "127.0.0.1", "localhost", 1) }
	other := queue{sqsClient(byName(endpoint)), ctx, nil}
	other.url = ok(other.GetQueueUrl(ctx, lookup)).QueueUrl
	equal(*other.url, byName(*q.url), "for one who calls it by another name")
	other.send("x")
	equal(bodies(q.receive()), "x", "what came by the other URL")
}

func queueTags(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	ok(q.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: q.url, Tags: map[string]string{"a": "1", "b": ""}}))
	ok(q.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: q.url, TagKeys: []string{"a"}}))
	tags := ok(q.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: q.url})).Tags
	value, isThere := tags["b"]
	equal(len(tags) == 1 && isThere && value == "", true, "one tag is left")
}

func queuePermissions(ctx context.Context, endpoint string) {
	q, label := newQueue(ctx, endpoint, nil), aws.String("l")
	ok(q.AddPermission(ctx, &sqs.AddPermissionInput{
		QueueUrl: q.url, Label: label, AWSAccountIds: []string{"123456789012"}, Actions: []string{"SendMessage"},
	}))
	equal(strings.Contains(q.shown("Policy")["Policy"], "SQS:SendMessage"), true, "the policy")
	ok(q.RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: q.url, Label: label}))
	equal(len(q.shown("Policy")), 0, "policies")
}

func queueListPages(ctx context.Context, endpoint string) {
	client, prefix := sqsClient(endpoint), fresh("p")
	var urls []string
	for number := range 5 {
		name := fmt.Sprintf("%s-%d", prefix, number)
		urls = append(urls, *ok(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})).QueueUrl)
	}
	pages := sqs.NewListQueuesPaginator(client, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
	var listed []string
	for pages.HasMorePages() {
		page := ok(pages.NextPage(ctx)).QueueUrls
		equal(len(page) <= 2, true, "at most two on a page")
		listed = append(listed, page...)
	}
	equal(strings.Join(listed, " "), strings.Join(urls, " "), "all pages")
	ok(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &urls[0]}))
	left := ok(client.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: &prefix})).QueueUrls
	equal(strings.Join(left, " "), strings.Join(urls[1:], " "), "after one was deleted")
}

func queueErrors(ctx context.Context, endpoint string) {
	q := newQueue(ctx, endpoint, nil)
	_, err := q.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(fresh("none"))})
	refusedAs[*types.QueueDoesNotExist](err, "a queue that is not there")
	refusedAs[*types.ReceiptHandleIsInvalid](q.remove(aws.String("x")), "a handle that is none")
	_, err = q.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: []types.SendMessageBatchRequestEntry{}})
	refusedAs[*types.EmptyBatchRequest](err, "an empty batch")
	_, err = q.trySend("\x01")
	refusedAs[*types.InvalidMessageContents](err, "a character that is not allowed")
	_, err = q.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: q.url, AttributeNames: []types.QueueAttributeName{"Nothing"}})
	refusedAs[*types.InvalidAttributeName](err, "an attribute that is none")
	_, err = q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.url, WaitTimeSeconds: 21})
	equal(refusedAs[smithy.APIError](err, "21 s").ErrorCode(), "InvalidParameterValue", "the code")
}

func callerIdentity(ctx context.Context, endpoint string) {
	client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + endpoint), Credentials: testCredentials})
	equal(*ok(client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})).Account, "000000000000", "the account")
}
