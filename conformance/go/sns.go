package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// The checks of the AWS SDK for Go, version 2, as a client of SNS.
var snsChecks = map[string]check{
	"publish_to_queue":        topicPublishToQueue,
	"raw":                     topicRaw,
	"fan_out":                 topicFanOut,
	"batches":                 topicBatches,
	"structure":               topicStructure,
	"filters_on_attributes":   topicFiltersOnAttributes,
	"filters_on_body":         topicFiltersOnBody,
	"fifo":                    topicFifo,
	"fifo_dedup":              topicFifoDedup,
	"fair":                    topicFair,
	"dead_letters":            topicDeadLetters,
	"http_endpoint":           topicHTTPEndpoint,
	"topic_attributes":        topicAttributes,
	"subscription_attributes": topicSubscriptionAttributes,
	"unsubscribe":             topicUnsubscribe,
	"lists":                   topicLists,
	"tags":                    topicTags,
	"permissions":             topicPermissions,
	"size":                    topicSize,
	"errors":                  topicErrors,
}

// topic is a topic, and the calls that name it.
type topic struct {
	*sns.Client
	ctx context.Context
	arn *string
}

func newTopic(ctx context.Context, endpoint string, wanted attributes) topic {
	options := sns.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + endpoint), Credentials: testCredentials}
	client, name := sns.New(options), fresh("t")
	if wanted["FifoTopic"] != "" {
		name += ".fifo"
	}
	made := ok(client.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: wanted}))
	return topic{client, ctx, made.TopicArn}
}

func (t topic) publish(message string, change ...func(*sns.PublishInput)) *sns.PublishOutput {
	return ok(t.tryPublish(message, change...))
}

func (t topic) tryPublish(message string, change ...func(*sns.PublishInput)) (*sns.PublishOutput, error) {
	input := &sns.PublishInput{TopicArn: t.arn, Message: &message}
	for _, each := range change {
		each(input)
	}
	return t.Publish(t.ctx, input)
}

func (t topic) batch(entries []types.PublishBatchRequestEntry) (*sns.PublishBatchOutput, error) {
	return t.PublishBatch(t.ctx, &sns.PublishBatchInput{TopicArn: t.arn, PublishBatchRequestEntries: entries})
}

func (t topic) set(name, value string) error {
	input := &sns.SetTopicAttributesInput{TopicArn: t.arn, AttributeName: &name, AttributeValue: &value}
	_, err := t.SetTopicAttributes(t.ctx, input)
	return err
}

func (t topic) shown() attributes {
	return ok(t.GetTopicAttributes(t.ctx, &sns.GetTopicAttributesInput{TopicArn: t.arn})).Attributes
}

func (t topic) subscribe(protocol, endpoint string, said attributes) (*string, error) {
	subscribed, err := t.Subscribe(t.ctx, &sns.SubscribeInput{
		TopicArn: t.arn, Protocol: &protocol, Endpoint: &endpoint, Attributes: said, ReturnSubscriptionArn: protocol == "sqs",
	})
	if err != nil {
		return nil, err
	}
	return subscribed.SubscriptionArn, nil
}

func (t topic) subscriptions() []types.Subscription {
	input := &sns.ListSubscriptionsByTopicInput{TopicArn: t.arn}
	return ok(t.ListSubscriptionsByTopic(t.ctx, input)).Subscriptions
}

func (t topic) setOf(subscription *string, name, value string) error {
	_, err := t.SetSubscriptionAttributes(t.ctx, &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: subscription, AttributeName: &name, AttributeValue: &value,
	})
	return err
}

// pair is a topic and a queue that has subscribed.
func pair(ctx context.Context, endpoint string, said attributes) (topic, queue, *string) {
	t, q := newTopic(ctx, endpoint, nil), newQueue(ctx, endpoint, nil)
	return t, q, ok(t.subscribe("sqs", *q.arn(), said))
}

type notification struct {
	Type, MessageId, Token, TopicArn, Subject, Message, SubscribeURL, UnsubscribeURL, SigningCertURL string
	MessageAttributes                                                                                map[string]struct{ Type, Value string }
}

func parsed(text string) notification {
	var said notification
	must(json.Unmarshal([]byte(text), &said))
	return said
}

// all receives what is there. What was published is there when Publish has answered.
func (q queue) all() []string {
	var all []string
	for {
		taken := q.receive()
		if len(taken) == 0 {
			return all
		}
		for _, message := range taken {
			all = append(all, *message.Body)
		}
	}
}

func (q queue) texts() []string {
	texts := q.all()
	for place, body := range texts {
		texts[place] = parsed(body).Message
	}
	return texts
}

func sorted(texts []string) string {
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func topicText(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

func attributed(said map[string]types.MessageAttributeValue) func(*sns.PublishInput) {
	return func(input *sns.PublishInput) { input.MessageAttributes = said }
}

func get(url string) (int, string) {
	answer := ok(http.Get(url))
	defer answer.Body.Close()
	return answer.StatusCode, string(ok(io.ReadAll(answer.Body)))
}

func topicPublishToQueue(ctx context.Context, endpoint string) {
	t, q, subscription := pair(ctx, endpoint, nil)
	said := "plain, \"quoted\", <&>, \r\n\t, äöü, 🚌"
	published := t.publish(said, func(input *sns.PublishInput) {
		input.Subject = aws.String("spring")
		input.MessageAttributes = map[string]types.MessageAttributeValue{
			"text":  topicText("String", "a b"),
			"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		}
	})
	came := q.all()
	equal(len(came), 1, "messages")
	got := parsed(came[0])
	equal([5]string{got.Type, got.MessageId, got.TopicArn, got.Subject, got.Message},
		[5]string{"Notification", *published.MessageId, *t.arn, "spring", said}, "the envelope")
	equal(fmt.Sprint(got.MessageAttributes), "map[bytes:{Binary AP8=} text:{String a b}]", "attributes")
	equal(strings.HasSuffix(got.UnsubscribeURL, *subscription), true, "UnsubscribeURL")
	_, certificate := get(got.SigningCertURL)
	equal(strings.HasPrefix(certificate, "-----BEGIN CERTIFICATE-----"), true, "the certificate")
}

func topicRaw(ctx context.Context, endpoint string) {
	t, q, _ := pair(ctx, endpoint, attributes{"RawMessageDelivery": "true"})
	t.publish("alone", attributed(map[string]types.MessageAttributeValue{
		"n":     topicText("Number.int", "-7"),
		"bytes": {DataType: aws.String("Binary.png"), BinaryValue: []byte{0, 255}},
	}))
	taken := q.receive()
	equal(len(taken), 1, "messages")
	got := taken[0].MessageAttributes
	equal([3]string{*taken[0].Body, *got["n"].DataType, *got["n"].StringValue}, [3]string{"alone", "Number.int", "-7"}, "message")
	equal(string(got["bytes"].BinaryValue), "\x00\xff", "bytes")
}

func topicFanOut(ctx context.Context, endpoint string) {
	t, ids := newTopic(ctx, endpoint, nil), map[string]bool{}
	var queues []queue
	for range 20 {
		q := newQueue(ctx, endpoint, nil)
		ok(t.subscribe("sqs", *q.arn(), attributes{"RawMessageDelivery": "true"}))
		queues = append(queues, q)
	}
	t.publish("to all")
	for _, q := range queues {
		taken := q.receive()
		equal(bodies(taken), "to all", "what a queue got")
		ids[*taken[0].MessageId] = true
	}
	equal(len(ids), 20, "ids")
}

func topicBatches(ctx context.Context, endpoint string) {
	t, q, _ := pair(ctx, endpoint, nil)
	entry := func(id, message string) types.PublishBatchRequestEntry {
		return types.PublishBatchRequestEntry{Id: &id, Message: &message}
	}
	var entries []types.PublishBatchRequestEntry
	for number := range 10 {
		entries = append(entries, entry(fmt.Sprint(number), fmt.Sprint("m", number)))
	}
	answer := ok(t.batch(entries))
	equal([2]int{len(answer.Successful), len(answer.Failed)}, [2]int{10, 0}, "successes and failures")
	equal(sorted(q.texts()), "m0, m1, m2, m3, m4, m5, m6, m7, m8, m9", "what came")
	_, err := t.batch(append(entries, entry("x", "x")))
	refusedAs[*types.TooManyEntriesInBatchRequestException](err, "eleven")
	_, err = t.batch([]types.PublishBatchRequestEntry{entry("a", "x"), entry("a", "x")})
	refusedAs[*types.BatchEntryIdsNotDistinctException](err, "an id twice")
	_, err = t.batch([]types.PublishBatchRequestEntry{entry("a.b", "x")})
	refusedAs[*types.InvalidBatchEntryIdException](err, "an id that is none")
	long := strings.Repeat("x", 200_000)
	_, err = t.batch([]types.PublishBatchRequestEntry{entry("a", long), entry("b", long)})
	refusedAs[*types.BatchRequestTooLongException](err, "too long a batch")
	equal(len(q.all()), 0, "what came of bad batches")
}

func topicStructure(ctx context.Context, endpoint string) {
	t, q, _ := pair(ctx, endpoint, nil)
	structured := func(input *sns.PublishInput) { input.MessageStructure = aws.String("json") }
	t.publish(`{"default": "d", "sqs": "for queues"}`, structured)
	t.publish(`{"default": "d", "http": "for others"}`, structured)
	equal(sorted(q.texts()), "d, for queues", "what came")
	for _, wrong := range []string{"{", `{"sqs": "x"}`, `{"default": {}}`} {
		_, err := t.tryPublish(wrong, structured)
		refusedAs[*types.InvalidParameterException](err, wrong)
	}
}

func topicFiltersOnAttributes(ctx context.Context, endpoint string) {
	policy := `{"colour": ["red", {"prefix": "gr"}, {"anything-but": ["blue", "black"]}], "price": [{"numeric": ["<", 5]}]}`
	t, q, subscription := pair(ctx, endpoint, attributes{"FilterPolicy": policy})
	for _, said := range [][2]string{{"red", "1"}, {"green", "4.5"}, {"red", "5"}, {"blue", "1"}, {"white", "-3"}} {
		t.publish(said[0]+" "+said[1], attributed(map[string]types.MessageAttributeValue{
			"colour": topicText("String", said[0]), "price": topicText("Number", said[1]),
		}))
	}
	t.publish("nothing said")
	equal(sorted(q.texts()), "green 4.5, red 1, white -3", "what came")
	must(t.setOf(subscription, "FilterPolicy", "{}"))
	t.publish("all")
	equal(sorted(q.texts()), "all", "what came without a filter")
	err := t.setOf(subscription, "FilterPolicy", `{"a": [{"like": "b"}]}`)
	refusedAs[*types.InvalidParameterException](err, "an unknown operator")
}

func topicFiltersOnBody(ctx context.Context, endpoint string) {
	policy := `{"order": {"state": ["paid"], "items": {"kind": [{"suffix": "book"}]}}}`
	t, q, _ := pair(ctx, endpoint, attributes{"FilterPolicy": policy, "FilterPolicyScope": "MessageBody"})
	order := `{"order": {"state": "%s", "items": [{"kind": "%s"}]}}`
	for _, said := range [][2]any{{"paid", "notebook"}, {"open", "notebook"}, {"paid", "pen"}} {
		t.publish(fmt.Sprintf(order, said[0], said[1]))
	}
	t.publish("no JSON")
	equal(sorted(q.texts()), fmt.Sprintf(order, "paid", "notebook"), "what came")
}

func topicFifo(ctx context.Context, endpoint string) {
	t, q := newTopic(ctx, endpoint, attributes{"FifoTopic": "true"}), newQueue(ctx, endpoint, attributes{"FifoQueue": "true"})
	ok(t.subscribe("sqs", *q.arn(), nil))
	before := ""
	for number := range 6 {
		sequence := *t.publish(fmt.Sprint(number), func(input *sns.PublishInput) {
			input.MessageGroupId = aws.String(fmt.Sprint("g", number%2))
			input.MessageDeduplicationId = aws.String(fmt.Sprint(number))
		}).SequenceNumber
		equal(len(sequence) > len(before) || len(sequence) == len(before) && sequence > before, true, "sequence numbers rise")
		before = sequence
	}
	groups := map[string]string{}
	for _, message := range q.receive() {
		groups[message.Attributes["MessageGroupId"]] += parsed(*message.Body).Message
	}
	equal(fmt.Sprint(groups), "map[g0:024 g1:135]", "what came, by group")
	_, err := t.tryPublish("x", func(input *sns.PublishInput) { input.MessageDeduplicationId = aws.String("x") })
	refusedAs[*types.InvalidParameterException](err, "no group")
	_, err = newTopic(ctx, endpoint, nil).subscribe("sqs", *q.arn(), nil)
	refusedAs[*types.InvalidParameterException](err, "a FIFO queue at a standard topic")
}

func topicFifoDedup(ctx context.Context, endpoint string) {
	t := newTopic(ctx, endpoint, attributes{"FifoTopic": "true", "ContentBasedDeduplication": "true"})
	ordered, plain := newQueue(ctx, endpoint, attributes{"FifoQueue": "true"}), newQueue(ctx, endpoint, nil)
	for _, q := range []queue{ordered, plain} {
		ok(t.subscribe("sqs", *q.arn(), nil))
	}
	for _, said := range [][2]string{{"a", ""}, {"a", ""}, {"b", "x"}, {"c", "x"}} {
		t.publish(said[0], func(input *sns.PublishInput) {
			input.MessageGroupId = aws.String("g")
			if said[1] != "" {
				input.MessageDeduplicationId = &said[1]
			}
		})
	}
	equal(strings.Join(ordered.texts(), ", "), "a, b", "what the FIFO queue got")
	equal(sorted(plain.texts()), "a, b", "what the standard queue got")
}

func topicFair(ctx context.Context, endpoint string) {
	t, q, _ := pair(ctx, endpoint, nil)
	t.publish("x", func(input *sns.PublishInput) { input.MessageGroupId = aws.String("tenant") })
	equal(q.receive()[0].Attributes["MessageGroupId"], "tenant", "MessageGroupId")
}

func topicDeadLetters(ctx context.Context, endpoint string) {
	dead := newQueue(ctx, endpoint, nil)
	redrive := fmt.Sprintf(`{"deadLetterTargetArn": "%s"}`, *dead.arn())
	t, q, _ := pair(ctx, endpoint, attributes{"RedrivePolicy": redrive})
	ok(q.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: q.url}))
	t.publish("x")
	equal(sorted(dead.texts()), "x", "dead letters")
}

type told struct {
	header http.Header
	body   string
}

// httpEndpoint is a server that keeps what it is told, and fails as often as it was told to.
type httpEndpoint struct {
	*httptest.Server
	told     chan told
	failures atomic.Int32
}

func newHTTPEndpoint() *httpEndpoint {
	endpoint := &httpEndpoint{told: make(chan told, 100)}
	endpoint.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if endpoint.failures.Add(-1) >= 0 {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
		if err == nil {
			endpoint.told <- told{request.Header, string(body)}
		}
	}))
	return endpoint
}

func (e *httpEndpoint) next(ctx context.Context, kind string) told {
	select {
	case told := <-e.told:
		equal(told.header.Get("x-amz-sns-message-type"), kind, "the kind of message")
		return told
	case <-ctx.Done():
		panic("never told: " + kind)
	}
}

func topicHTTPEndpoint(ctx context.Context, endpoint string) {
	t, server := newTopic(ctx, endpoint, nil), newHTTPEndpoint()
	defer server.Close()
	policy := attributes{"DeliveryPolicy": `{"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1}}`}
	equal(*ok(t.subscribe("http", server.URL, policy)), "pending confirmation", "the ARN")
	question := parsed(server.next(ctx, "SubscriptionConfirmation").body)
	status, _ := get(question.SubscribeURL)
	equal(status, 200, "the confirmation")
	confirm := &sns.ConfirmSubscriptionInput{TopicArn: t.arn, Token: &question.Token}
	subscription := ok(t.ConfirmSubscription(ctx, confirm)).SubscriptionArn
	published := t.publish("spring", func(input *sns.PublishInput) { input.Subject = aws.String("season") })
	first := server.next(ctx, "Notification")
	got := parsed(first.body)
	equal([2]string{got.Message, got.Subject}, [2]string{"spring", "season"}, "the notification")
	ids := [2]string{first.header.Get("x-amz-sns-message-id"), first.header.Get("x-amz-sns-subscription-arn")}
	equal(ids, [2]string{*published.MessageId, *subscription}, "the ids")
	must(t.setOf(subscription, "RawMessageDelivery", "true"))
	server.failures.Store(1)
	t.publish("again")
	for range 2 {
		raw := server.next(ctx, "Notification")
		equal([2]string{raw.header.Get("x-amz-sns-rawdelivery"), raw.body}, [2]string{"true", "again"}, "the raw message")
	}
	status, _ = get(got.UnsubscribeURL)
	equal(status, 200, "the end")
	equal(len(t.subscriptions()), 0, "subscriptions")
	farewell := parsed(server.next(ctx, "UnsubscribeConfirmation").body)
	status, _ = get(farewell.SubscribeURL)
	equal(status, 200, "the way back")
	equal(len(t.subscriptions()), 1, "subscriptions")
}

func topicAttributes(ctx context.Context, endpoint string) {
	t := newTopic(ctx, endpoint, attributes{"DisplayName": "News"})
	must(t.set("SignatureVersion", "2"))
	shown := t.shown()
	equal([4]string{shown["DisplayName"], shown["SignatureVersion"], shown["TopicArn"], shown["SubscriptionsConfirmed"]},
		[4]string{"News", "2", *t.arn, "0"}, "attributes")
	name := (*t.arn)[strings.LastIndex(*t.arn, ":")+1:]
	equal(*ok(t.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})).TopicArn, *t.arn, "the same topic")
	_, err := t.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: attributes{"DisplayName": "Olds"}})
	refusedAs[*types.InvalidParameterException](err, "another name")
	refusedAs[*types.InvalidParameterException](t.set("ArchivePolicy", "{}"), "an archive")
}

func topicSubscriptionAttributes(ctx context.Context, endpoint string) {
	t, q, subscription := pair(ctx, endpoint, attributes{"RawMessageDelivery": "TRUE"})
	input := &sns.GetSubscriptionAttributesInput{SubscriptionArn: subscription}
	shown := ok(t.GetSubscriptionAttributes(ctx, input)).Attributes
	equal([4]string{shown["RawMessageDelivery"], shown["Protocol"], shown["Endpoint"], shown["PendingConfirmation"]},
		[4]string{"true", "sqs", *q.arn(), "false"}, "attributes")
	equal(*ok(t.subscribe("sqs", *q.arn(), nil)), *subscription, "the same subscription")
	_, err := t.subscribe("sqs", *q.arn(), attributes{"RawMessageDelivery": "false"})
	refusedAs[*types.InvalidParameterException](err, "another form")
	_, err = t.subscribe("sms", "+123456", nil)
	refusedAs[*types.InvalidParameterException](err, "a text message")
}

func topicUnsubscribe(ctx context.Context, endpoint string) {
	t, q, subscription := pair(ctx, endpoint, nil)
	for range 2 {
		ok(t.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: subscription}))
	}
	t.publish("x")
	equal(len(q.all()), 0, "what came")
	for range 2 {
		ok(t.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: t.arn}))
	}
	_, err := t.tryPublish("x")
	refusedAs[*types.NotFoundException](err, "a topic that is gone")
}

func topicLists(ctx context.Context, endpoint string) {
	q, wanted, listed, longest := newQueue(ctx, endpoint, nil), map[string]bool{}, map[string]int{}, 0
	var t topic
	for range 101 {
		t = newTopic(ctx, endpoint, nil)
		ok(t.subscribe("sqs", *q.arn(), nil))
		wanted[*t.arn] = true
	}
	for topics := sns.NewListTopicsPaginator(t, &sns.ListTopicsInput{}); topics.HasMorePages(); {
		page := ok(topics.NextPage(ctx)).Topics
		longest = max(longest, len(page))
		for _, each := range page {
			listed[*each.TopicArn]++
		}
	}
	equal(longest, 100, "topics on a page")
	for arn := range wanted {
		equal(listed[arn], 1, "how often a topic is listed")
	}
	ours := 0
	for all := sns.NewListSubscriptionsPaginator(t, &sns.ListSubscriptionsInput{}); all.HasMorePages(); {
		for _, each := range ok(all.NextPage(ctx)).Subscriptions {
			if *each.Endpoint == *q.arn() && wanted[*each.TopicArn] {
				ours++
			}
		}
	}
	equal(ours, 101, "subscriptions")
	of := t.subscriptions()
	equal(len(of), 1, "subscriptions of a topic")
	equal([2]string{*of[0].Protocol, *of[0].Endpoint}, [2]string{"sqs", *q.arn()}, "the subscription of a topic")
}

func topicTags(ctx context.Context, endpoint string) {
	t := newTopic(ctx, endpoint, nil)
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("")}}
	ok(t.TagResource(ctx, &sns.TagResourceInput{ResourceArn: t.arn, Tags: tags}))
	ok(t.UntagResource(ctx, &sns.UntagResourceInput{ResourceArn: t.arn, TagKeys: []string{"a"}}))
	left := ok(t.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: t.arn})).Tags
	equal(len(left), 1, "tags")
	equal([2]string{*left[0].Key, *left[0].Value}, [2]string{"b", ""}, "the tag")
}

func topicPermissions(ctx context.Context, endpoint string) {
	t, label := newTopic(ctx, endpoint, nil), aws.String("l")
	labels := func() string {
		var policy struct{ Statement []struct{ Sid string } }
		must(json.Unmarshal([]byte(t.shown()["Policy"]), &policy))
		return fmt.Sprint(policy.Statement)
	}
	ok(t.AddPermission(ctx, &sns.AddPermissionInput{
		TopicArn: t.arn, Label: label, AWSAccountId: []string{"123456789012"}, ActionName: []string{"Publish"},
	}))
	equal(labels(), "[{__default_statement_ID} {l}]", "labels")
	ok(t.RemovePermission(ctx, &sns.RemovePermissionInput{TopicArn: t.arn, Label: label}))
	equal(labels(), "[{__default_statement_ID}]", "labels")
}

func topicSize(ctx context.Context, endpoint string) {
	t, q, _ := pair(ctx, endpoint, attributes{"RawMessageDelivery": "true"})
	t.publish(strings.Repeat("x", 262_144))
	_, err := t.tryPublish(strings.Repeat("x", 262_145))
	refusedAs[*types.InvalidParameterException](err, "one byte more")
	must(t.set("MaximumMessageSize", "1048576"))
	t.publish(strings.Repeat("y", 1_048_576))
	var lengths []int
	for _, body := range q.all() {
		lengths = append(lengths, len(body))
	}
	slices.Sort(lengths)
	equal(fmt.Sprint(lengths), "[262144 1048576]", "bytes")
}

func topicErrors(ctx context.Context, endpoint string) {
	t := newTopic(ctx, endpoint, nil)
	none := topic{t.Client, ctx, aws.String(*t.arn + "x")}
	_, err := none.tryPublish("x")
	refusedAs[*types.NotFoundException](err, "a topic that is not there")
	_, err = topic{t.Client, ctx, aws.String("arn")}.tryPublish("x")
	refusedAs[*types.InvalidParameterException](err, "an ARN that is none")
	_, err = t.tryPublish("")
	refusedAs[*types.InvalidParameterException](err, "no message")
	_, err = t.tryPublish("x", func(input *sns.PublishInput) { input.Subject = aws.String("") })
	refusedAs[*types.InvalidParameterException](err, "an empty subject")
	_, err = t.tryPublish("x", attributed(map[string]types.MessageAttributeValue{"a": topicText("String", "")}))
	refusedAs[*types.InvalidParameterValueException](err, "an empty attribute")
	_, err = t.batch([]types.PublishBatchRequestEntry{})
	refusedAs[*types.EmptyBatchRequestException](err, "an empty batch")
	nobody := aws.String(*t.arn + ":00000000-0000-0000-0000-000000000000")
	_, err = t.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: nobody})
	refusedAs[*types.NotFoundException](err, "a subscription that is not there")
	_, err = t.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: none.arn})
	refusedAs[*types.ResourceNotFoundException](err, "tags of nothing")
	_, err = t.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("a b")})
	refusedAs[*types.InvalidParameterException](err, "a name that is none")
	_, err = t.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: t.arn, Token: aws.String("x")})
	refusedAs[*types.InvalidParameterException](err, "a token that is none")
}
