import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.sns.model.BatchEntryIdsNotDistinctException;
import software.amazon.awssdk.services.sns.model.BatchRequestTooLongException;
import software.amazon.awssdk.services.sns.model.EmptyBatchRequestException;
import software.amazon.awssdk.services.sns.model.InvalidBatchEntryIdException;
import software.amazon.awssdk.services.sns.model.InvalidParameterException;
import software.amazon.awssdk.services.sns.model.InvalidParameterValueException;
import software.amazon.awssdk.services.sns.model.MessageAttributeValue;
import software.amazon.awssdk.services.sns.model.NotFoundException;
import software.amazon.awssdk.services.sns.model.PublishBatchRequestEntry;
import software.amazon.awssdk.services.sns.model.PublishBatchResultEntry;
import software.amazon.awssdk.services.sns.model.PublishRequest;
import software.amazon.awssdk.services.sns.model.ResourceNotFoundException;
import software.amazon.awssdk.services.sns.model.Tag;
import software.amazon.awssdk.services.sns.model.TooManyEntriesInBatchRequestException;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;

/** The AWS SDK for Java, version 2, as a client of SNS. */
final class AwsSdkSns {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, String> RAW = Map.of("RawMessageDelivery", "true");

    public static void main(String[] arguments) throws Exception {
        Map<String, Harness.Check> checks = Map.ofEntries(
            Map.entry("publish_to_queue", AwsSdkSns::publishToQueue),
            Map.entry("raw", AwsSdkSns::raw),
            Map.entry("fan_out", AwsSdkSns::fanOut),
            Map.entry("batches", AwsSdkSns::batches),
            Map.entry("structure", AwsSdkSns::structure),
            Map.entry("filters_on_attributes", AwsSdkSns::filtersOnAttributes),
            Map.entry("filters_on_body", AwsSdkSns::filtersOnBody),
            Map.entry("fifo", AwsSdkSns::fifo),
            Map.entry("fifo_dedup", AwsSdkSns::fifoDedup),
            Map.entry("fair", AwsSdkSns::fair),
            Map.entry("dead_letters", AwsSdkSns::deadLetters),
            Map.entry("http_endpoint", AwsSdkSns::httpEndpoint),
            Map.entry("topic_attributes", AwsSdkSns::topicAttributes),
            Map.entry("subscription_attributes", AwsSdkSns::subscriptionAttributes),
            Map.entry("unsubscribe", AwsSdkSns::unsubscribe),
            Map.entry("lists", AwsSdkSns::lists),
            Map.entry("tags", AwsSdkSns::tags),
            Map.entry("permissions", AwsSdkSns::permissions),
            Map.entry("size", AwsSdkSns::size),
            Map.entry("errors", AwsSdkSns::errors));
        Harness.run("AWS SDK for Java", VersionInfo.SDK_VERSION, checks, arguments);
    }

    /** A topic, a queue that has subscribed, and the subscription. */
    private record Pair(Topic topic, Queue queue, String subscription) {
        static Pair create(String endpoint, Map<String, String> said) {
            Topic topic = Topic.create(endpoint, Map.of());
            Queue queue = Queue.create(endpoint, Map.of());
            return new Pair(topic, queue, topic.subscribe(queue, said));
        }
    }

    private static JsonNode notification(Message message) {
        try {
            return JSON.readTree(message.body());
        } catch (IOException wrong) {
            throw new AssertionError(wrong);
        }
    }

    private static Stream<String> texts(Queue queue) {
        return Topic.all(queue).stream().map(message -> notification(message).get("Message").asText());
    }

    private static List<String> sorted(Queue queue) {
        return texts(queue).sorted().toList();
    }

    private static MessageAttributeValue text(String kind, String value) {
        return MessageAttributeValue.builder().dataType(kind).stringValue(value).build();
    }

    private static MessageAttributeValue bytes(String kind) {
        var value = SdkBytes.fromByteArray(new byte[] {0, (byte) 255});
        return MessageAttributeValue.builder().dataType(kind).binaryValue(value).build();
    }

    private static HttpResponse<String> get(String url) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(url)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    }

    private static void publishToQueue(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, Map.of());
        String said = "plain, \"quoted\", <&>, \r\n\t, äöü, 🚌";
        var attributes = Map.of("text", text("String", "a b"), "bytes", bytes("Binary"));
        String id = pair.topic.publish(said, it -> it.subject("spring").messageAttributes(attributes)).messageId();
        JsonNode got = notification(Topic.all(pair.queue).get(0));
        var members = Stream.of("Type", "MessageId", "TopicArn", "Subject", "Message").map(name -> got.get(name).asText());
        Harness.equal(members.toList(), List.of("Notification", id, pair.topic.arn(), "spring", said), "the envelope");
        var shown = "{\"bytes\":{\"Type\":\"Binary\",\"Value\":\"AP8=\"},\"text\":{\"Type\":\"String\",\"Value\":\"a b\"}}";
        Harness.equal(got.get("MessageAttributes"), JSON.readTree(shown), "attributes");
        Harness.equal(got.get("UnsubscribeURL").asText().endsWith(pair.subscription), true, "UnsubscribeURL");
        String certificate = get(got.get("SigningCertURL").asText()).body();
        Harness.equal(certificate.startsWith("-----BEGIN CERTIFICATE-----"), true, "the certificate");
    }

    private static void raw(String endpoint) {
        Pair pair = Pair.create(endpoint, RAW);
        var attributes = Map.of("n", text("Number.int", "-7"), "bytes", bytes("Binary.png"));
        pair.topic.publish("alone", it -> it.messageAttributes(attributes));
        Message message = pair.queue.receive().get(0);
        var got = message.messageAttributes();
        Harness.equal(List.of(message.body(), got.get("n").stringValue()), List.of("alone", "-7"), "message");
        Harness.equal(got.get("bytes").binaryValue(), attributes.get("bytes").binaryValue(), "bytes");
    }

    private static void fanOut(String endpoint) {
        Topic topic = Topic.create(endpoint, Map.of());
        List<Queue> queues = IntStream.range(0, 20).mapToObj(number -> Queue.create(endpoint, Map.of())).toList();
        queues.forEach(queue -> topic.subscribe(queue, RAW));
        topic.publish("to all");
        var ids = new HashSet<String>();
        for (Queue queue : queues) {
            List<Message> taken = queue.receive();
            Harness.equal(Queue.bodies(taken), List.of("to all"), "what a queue got");
            ids.add(taken.get(0).messageId());
        }
        Harness.equal(ids.size(), 20, "ids");
    }

    private static PublishBatchRequestEntry entry(String id, String message) {
        return PublishBatchRequestEntry.builder().id(id).message(message).build();
    }

    private static void batches(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, Map.of());
        var entries = new ArrayList<PublishBatchRequestEntry>();
        IntStream.range(0, 10).forEach(number -> entries.add(entry("" + number, "m" + number)));
        var answer = pair.topic.batch(entries);
        var ids = answer.successful().stream().map(PublishBatchResultEntry::id).toList();
        Harness.equal(ids, entries.stream().map(PublishBatchRequestEntry::id).toList(), "successes");
        Harness.equal(answer.failed().size(), 0, "failures");
        Harness.equal(sorted(pair.queue), entries.stream().map(PublishBatchRequestEntry::message).toList(), "what came");
        entries.add(entry("x", "x"));
        Harness.refused(() -> pair.topic.batch(entries), TooManyEntriesInBatchRequestException.class, "eleven");
        var twice = List.of(entry("a", "x"), entry("a", "x"));
        Harness.refused(() -> pair.topic.batch(twice), BatchEntryIdsNotDistinctException.class, "an id twice");
        var odd = List.of(entry("a.b", "x"));
        Harness.refused(() -> pair.topic.batch(odd), InvalidBatchEntryIdException.class, "an id that is none");
        var large = List.of(entry("a", "x".repeat(200_000)), entry("b", "x".repeat(200_000)));
        Harness.refused(() -> pair.topic.batch(large), BatchRequestTooLongException.class, "too long a batch");
        Harness.equal(sorted(pair.queue), List.of(), "what came of bad batches");
    }

    private static void structure(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, Map.of());
        Consumer<PublishRequest.Builder> structured = it -> it.messageStructure("json");
        pair.topic.publish("{\"default\": \"d\", \"sqs\": \"for queues\"}", structured);
        pair.topic.publish("{\"default\": \"d\", \"http\": \"for others\"}", structured);
        Harness.equal(sorted(pair.queue), List.of("d", "for queues"), "what came");
        for (String wrong : List.of("{", "{\"sqs\": \"x\"}", "{\"default\": {}}")) {
            Harness.refused(() -> pair.topic.publish(wrong, structured), InvalidParameterException.class, wrong);
        }
    }

    private static void filtersOnAttributes(String endpoint) throws Exception {
        String policy = """
            {"colour": ["red", {"prefix": "gr"}, {"anything-but": ["blue", "black"]}], "price": [{"numeric": ["<", 5]}]}""";
        Pair pair = Pair.create(endpoint, Map.of("FilterPolicy", policy));
        for (String said : List.of("red 1", "green 4.5", "red 5", "blue 1", "white -3")) {
            String[] parts = said.split(" ");
            var attributes = Map.of("colour", text("String", parts[0]), "price", text("Number", parts[1]));
            pair.topic.publish(said, it -> it.messageAttributes(attributes));
        }
        pair.topic.publish("nothing said");
        Harness.equal(sorted(pair.queue), List.of("green 4.5", "red 1", "white -3"), "what came");
        pair.topic.setOf(pair.subscription, "FilterPolicy", "{}");
        pair.topic.publish("all");
        Harness.equal(sorted(pair.queue), List.of("all"), "what came without a filter");
        Harness.Call unknown = () -> pair.topic.setOf(pair.subscription, "FilterPolicy", "{\"a\": [{\"like\": \"b\"}]}");
        Harness.refused(unknown, InvalidParameterException.class, "an unknown operator");
    }

    private static void filtersOnBody(String endpoint) {
        String policy = "{\"order\": {\"state\": [\"paid\"], \"items\": {\"kind\": [{\"suffix\": \"book\"}]}}}";
        Pair pair = Pair.create(endpoint, Map.of("FilterPolicy", policy, "FilterPolicyScope", "MessageBody"));
        String order = "{\"order\": {\"state\": \"%s\", \"items\": [{\"kind\": \"%s\"}]}}";
        String wanted = order.formatted("paid", "notebook");
        for (String said : List.of(wanted, order.formatted("open", "notebook"), order.formatted("paid", "pen"), "no JSON")) {
            pair.topic.publish(said);
        }
        Harness.equal(sorted(pair.queue), List.of(wanted), "what came");
    }

    private static void fifo(String endpoint) throws Exception {
        Topic topic = Topic.create(endpoint, Map.of("FifoTopic", "true"));
        Queue queue = Queue.create(endpoint, Map.of("FifoQueue", "true"));
        topic.subscribe(queue, Map.of());
        var numbers = new ArrayList<BigInteger>();
        for (int number = 0; number < 6; number++) {
            String group = "g" + number % 2;
            String id = "" + number;
            var published = topic.publish(id, it -> it.messageGroupId(group).messageDeduplicationId(id));
            numbers.add(new BigInteger(published.sequenceNumber()));
        }
        Harness.equal(numbers, numbers.stream().sorted().distinct().toList(), "sequence numbers");
        List<Message> taken = Topic.all(queue);
        for (var group : Map.of("g0", List.of("0", "2", "4"), "g1", List.of("1", "3", "5")).entrySet()) {
            var of = taken.stream()
                .filter(it -> it.attributes().get(MessageSystemAttributeName.MESSAGE_GROUP_ID).equals(group.getKey()))
                .map(it -> notification(it).get("Message").asText());
            Harness.equal(of.toList(), group.getValue(), group.getKey());
        }
        Harness.Call without = () -> topic.publish("x", it -> it.messageDeduplicationId("x"));
        Harness.refused(without, InvalidParameterException.class, "no group");
        Topic standard = Topic.create(endpoint, Map.of());
        Harness.Call ordered = () -> standard.subscribe(queue, Map.of());
        Harness.refused(ordered, InvalidParameterException.class, "a FIFO queue at a standard topic");
    }

    private static void fifoDedup(String endpoint) {
        Topic topic = Topic.create(endpoint, Map.of("FifoTopic", "true", "ContentBasedDeduplication", "true"));
        Queue ordered = Queue.create(endpoint, Map.of("FifoQueue", "true"));
        Queue plain = Queue.create(endpoint, Map.of());
        List.of(ordered, plain).forEach(queue -> topic.subscribe(queue, Map.of()));
        for (String said : List.of("a", "a", "b x", "c x")) {
            String id = said.length() > 1 ? "x" : null;
            topic.publish(said.substring(0, 1), it -> it.messageGroupId("g").messageDeduplicationId(id));
        }
        Harness.equal(texts(ordered).toList(), List.of("a", "b"), "what the FIFO queue got");
        Harness.equal(sorted(plain), List.of("a", "b"), "what the standard queue got");
    }

    private static void fair(String endpoint) {
        Pair pair = Pair.create(endpoint, Map.of());
        pair.topic.publish("x", it -> it.messageGroupId("tenant"));
        var shown = pair.queue.receive().get(0).attributes();
        Harness.equal(shown.get(MessageSystemAttributeName.MESSAGE_GROUP_ID), "tenant", "MessageGroupId");
    }

    private static void deadLetters(String endpoint) {
        Queue dead = Queue.create(endpoint, Map.of());
        String redrive = "{\"deadLetterTargetArn\": \"%s\"}".formatted(dead.arn());
        Pair pair = Pair.create(endpoint, Map.of("RedrivePolicy", redrive));
        pair.queue.sqs().deleteQueue(it -> it.queueUrl(pair.queue.url()));
        pair.topic.publish("x");
        Harness.equal(sorted(dead), List.of("x"), "dead letters");
    }

    private static void httpEndpoint(String endpoint) throws Exception {
        Topic topic = Topic.create(endpoint, Map.of());
        try (var server = new HttpEndpoint()) {
            var policy = Map.of("DeliveryPolicy", "{\"healthyRetryPolicy\": {\"numRetries\": 1, \"numNoDelayRetries\": 1}}");
            String pending = topic.sns().subscribe(it ->
                it.topicArn(topic.arn()).protocol("http").endpoint(server.url()).attributes(policy)).subscriptionArn();
            Harness.equal(pending, "pending confirmation", "the ARN");
            JsonNode question = JSON.readTree(server.next("SubscriptionConfirmation").body());
            Harness.equal(get(question.get("SubscribeURL").asText()).statusCode(), 200, "the confirmation");
            String token = question.get("Token").asText();
            String subscription =
                topic.sns().confirmSubscription(it -> it.topicArn(topic.arn()).token(token)).subscriptionArn();
            String id = topic.publish("spring", it -> it.subject("season")).messageId();
            HttpEndpoint.Told told = server.next("Notification");
            JsonNode got = JSON.readTree(told.body());
            var said = List.of(got.get("Message").asText(), got.get("Subject").asText());
            Harness.equal(said, List.of("spring", "season"), "the notification");
            var ids = List.of(told.header("x-amz-sns-message-id"), told.header("x-amz-sns-subscription-arn"));
            Harness.equal(ids, List.of(id, subscription), "the ids");
            topic.setOf(subscription, "RawMessageDelivery", "true");
            server.fail(1);
            topic.publish("again");
            for (int time = 0; time < 2; time++) {
                HttpEndpoint.Told raw = server.next("Notification");
                var form = List.of(raw.header("x-amz-sns-rawdelivery"), raw.body());
                Harness.equal(form, List.of("true", "again"), "the raw message");
            }
            Harness.equal(get(got.get("UnsubscribeURL").asText()).statusCode(), 200, "the end");
            Harness.equal(topic.subscriptions().size(), 0, "subscriptions");
            JsonNode farewell = JSON.readTree(server.next("UnsubscribeConfirmation").body());
            Harness.equal(get(farewell.get("SubscribeURL").asText()).statusCode(), 200, "the way back");
            Harness.equal(topic.subscriptions().size(), 1, "subscriptions");
        }
    }

    private static List<String> picked(Map<String, String> from, String... names) {
        return Stream.of(names).map(from::get).toList();
    }

    private static void topicAttributes(String endpoint) throws Exception {
        Topic topic = Topic.create(endpoint, Map.of("DisplayName", "News"));
        topic.set("SignatureVersion", "2");
        var shown = picked(topic.attributes(), "DisplayName", "SignatureVersion", "TopicArn", "SubscriptionsConfirmed");
        Harness.equal(shown, List.of("News", "2", topic.arn(), "0"), "attributes");
        String name = topic.arn().substring(topic.arn().lastIndexOf(':') + 1);
        Harness.equal(topic.sns().createTopic(it -> it.name(name)).topicArn(), topic.arn(), "the same topic");
        Harness.Call other = () -> topic.sns().createTopic(it -> it.name(name).attributes(Map.of("DisplayName", "Olds")));
        Harness.refused(other, InvalidParameterException.class, "another name");
        Harness.refused(() -> topic.set("ArchivePolicy", "{}"), InvalidParameterException.class, "an archive");
    }

    private static void subscriptionAttributes(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, Map.of("RawMessageDelivery", "TRUE"));
        Topic topic = pair.topic;
        var shown = topic.sns().getSubscriptionAttributes(it -> it.subscriptionArn(pair.subscription)).attributes();
        var wanted = List.of("true", "sqs", pair.queue.arn(), "false");
        Harness.equal(picked(shown, "RawMessageDelivery", "Protocol", "Endpoint", "PendingConfirmation"), wanted, "attributes");
        Harness.equal(topic.subscribe(pair.queue, Map.of()), pair.subscription, "the same subscription");
        Harness.Call other = () -> topic.subscribe(pair.queue, Map.of("RawMessageDelivery", "false"));
        Harness.refused(other, InvalidParameterException.class, "another form");
        Harness.Call sms = () -> topic.sns().subscribe(it -> it.topicArn(topic.arn()).protocol("sms").endpoint("+123456"));
        Harness.refused(sms, InvalidParameterException.class, "a text message");
    }

    private static void unsubscribe(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, Map.of());
        Topic topic = pair.topic;
        for (int time = 0; time < 2; time++) {
            topic.sns().unsubscribe(it -> it.subscriptionArn(pair.subscription));
        }
        topic.publish("x");
        Harness.equal(sorted(pair.queue), List.of(), "what came");
        for (int time = 0; time < 2; time++) {
            topic.sns().deleteTopic(it -> it.topicArn(topic.arn()));
        }
        Harness.refused(() -> topic.publish("x"), NotFoundException.class, "a topic that is gone");
    }

    private static void lists(String endpoint) {
        Pair pair = Pair.create(endpoint, Map.of());
        var sns = pair.topic.sns();
        var arns = new ArrayList<>(List.of(pair.topic.arn()));
        for (int number = 0; number < 100; number++) {
            Topic topic = pair.topic.called(sns.createTopic(it -> it.name(Harness.fresh("t"))).topicArn());
            topic.subscribe(pair.queue, Map.of());
            arns.add(topic.arn());
        }
        var pages = sns.listTopicsPaginator().stream().map(page -> page.topics().size()).toList();
        Harness.equal(pages.get(0), 100, "topics on a page");
        var listed = sns.listTopicsPaginator().topics().stream().map(it -> it.topicArn()).toList();
        Harness.equal(listed.size(), new HashSet<>(listed).size(), "topics that are listed twice");
        Harness.equal(new HashSet<>(listed).containsAll(arns), true, "all are listed");
        String queue = pair.queue.arn();
        var ours = sns.listSubscriptionsPaginator().subscriptions().stream().filter(it -> it.endpoint().equals(queue));
        Harness.equal(ours.map(it -> it.topicArn()).sorted().toList(), arns.stream().sorted().toList(), "subscriptions");
        var of = pair.topic.subscriptions().stream().map(it -> List.of(it.protocol(), it.endpoint())).toList();
        Harness.equal(of, List.of(List.of("sqs", queue)), "the subscription of a topic");
    }

    private static void tags(String endpoint) {
        Topic topic = Topic.create(endpoint, Map.of());
        Tag kept = Tag.builder().key("b").value("").build();
        var tags = List.of(Tag.builder().key("a").value("1").build(), kept);
        topic.sns().tagResource(it -> it.resourceArn(topic.arn()).tags(tags));
        topic.sns().untagResource(it -> it.resourceArn(topic.arn()).tagKeys("a"));
        Harness.equal(topic.sns().listTagsForResource(it -> it.resourceArn(topic.arn())).tags(), List.of(kept), "tags");
    }

    private static List<String> labels(Topic topic) throws IOException {
        JsonNode statements = JSON.readTree(topic.attributes().get("Policy")).get("Statement");
        return StreamSupport.stream(statements.spliterator(), false).map(it -> it.get("Sid").asText()).toList();
    }

    private static void permissions(String endpoint) throws Exception {
        Topic topic = Topic.create(endpoint, Map.of());
        topic.sns().addPermission(it ->
            it.topicArn(topic.arn()).label("l").awsAccountIds("123456789012").actionNames("Publish"));
        Harness.equal(labels(topic), List.of("__default_statement_ID", "l"), "labels");
        topic.sns().removePermission(it -> it.topicArn(topic.arn()).label("l"));
        Harness.equal(labels(topic), List.of("__default_statement_ID"), "labels");
    }

    private static void size(String endpoint) throws Exception {
        Pair pair = Pair.create(endpoint, RAW);
        pair.topic.publish("x".repeat(262_144));
        Harness.Call more = () -> pair.topic.publish("x".repeat(262_145));
        Harness.refused(more, InvalidParameterException.class, "one byte more");
        pair.topic.set("MaximumMessageSize", "1048576");
        pair.topic.publish("y".repeat(1_048_576));
        var lengths = Topic.all(pair.queue).stream().map(it -> it.body().length()).sorted().toList();
        Harness.equal(lengths, List.of(262_144, 1_048_576), "bytes");
    }

    private static void errors(String endpoint) throws Exception {
        Topic topic = Topic.create(endpoint, Map.of());
        Topic none = topic.called(topic.arn() + "x");
        String nobody = topic.arn() + ":00000000-0000-0000-0000-000000000000";
        var invalid = InvalidParameterException.class;
        Harness.refused(() -> none.publish("x"), NotFoundException.class, "a topic that is not there");
        Harness.refused(() -> topic.called("arn").publish("x"), invalid, "an ARN that is none");
        Harness.refused(() -> topic.publish(""), invalid, "no message");
        Harness.refused(() -> topic.publish("x", it -> it.subject("")), invalid, "an empty subject");
        var empty = Map.of("a", text("String", ""));
        Harness.Call attributes = () -> topic.publish("x", it -> it.messageAttributes(empty));
        Harness.refused(attributes, InvalidParameterValueException.class, "an empty attribute");
        Harness.refused(() -> topic.batch(List.of()), EmptyBatchRequestException.class, "an empty batch");
        Harness.Call shown = () -> topic.sns().getSubscriptionAttributes(it -> it.subscriptionArn(nobody));
        Harness.refused(shown, NotFoundException.class, "a subscription that is not there");
        Harness.Call tags = () -> topic.sns().listTagsForResource(it -> it.resourceArn(none.arn()));
        Harness.refused(tags, ResourceNotFoundException.class, "tags of nothing");
        Harness.refused(() -> topic.sns().createTopic(it -> it.name("a b")), invalid, "a name that is none");
        Harness.Call confirm = () -> topic.sns().confirmSubscription(it -> it.topicArn(topic.arn()).token("x"));
        Harness.refused(confirm, invalid, "a token that is none");
    }

    private AwsSdkSns() {}
}
