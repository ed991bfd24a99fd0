import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.sqs.model.ChangeMessageVisibilityBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.EmptyBatchRequestException;
import software.amazon.awssdk.services.sqs.model.InvalidAttributeNameException;
import software.amazon.awssdk.services.sqs.model.InvalidAttributeValueException;
import software.amazon.awssdk.services.sqs.model.InvalidMessageContentsException;
import software.amazon.awssdk.services.sqs.model.ListMessageMoveTasksResultEntry;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeNameForSends;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeValue;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.QueueNameExistsException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.ResourceNotFoundException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;
import software.amazon.awssdk.services.sqs.model.SqsException;
import software.amazon.awssdk.services.sts.StsClient;

/** The AWS SDK for Java, version 2. It checks every digest itself. */
final class AwsSdk {
    public static void main(String[] arguments) throws Exception {
        Map<String, Harness.Check> checks = Map.ofEntries(
            Map.entry("send_receive_delete", AwsSdk::sendReceiveDelete),
            Map.entry("attributes", AwsSdk::attributes),
            Map.entry("filtered_attributes", AwsSdk::filteredAttributes),
            Map.entry("batches", AwsSdk::batches),
            Map.entry("large_message", AwsSdk::largeMessage),
            Map.entry("long_poll", AwsSdk::longPoll),
            Map.entry("visibility", AwsSdk::visibility),
            Map.entry("visibility_changed", AwsSdk::visibilityChanged),
            Map.entry("delay", AwsSdk::delay),
            Map.entry("fifo_order", AwsSdk::fifoOrder),
            Map.entry("fifo_dedup", AwsSdk::fifoDedup),
            Map.entry("fifo_scope", AwsSdk::fifoScope),
            Map.entry("dead_letters", AwsSdk::deadLetters),
            Map.entry("move_task", AwsSdk::moveTask),
            Map.entry("purge", AwsSdk::purge),
            Map.entry("queue_attributes", AwsSdk::queueAttributes),
            Map.entry("queue_url", AwsSdk::queueUrl),
            Map.entry("tags", AwsSdk::tags),
            Map.entry("permissions", AwsSdk::permissions),
            Map.entry("list_pages", AwsSdk::listPages),
            Map.entry("errors", AwsSdk::errors),
            Map.entry("caller_identity", AwsSdk::callerIdentity));
        Harness.run("AWS SDK for Java", VersionInfo.SDK_VERSION, checks, arguments);
    }

    private static void code(Harness.Call call, String wanted, String what) throws Exception {
        try {
            call.run();
        } catch (SqsException error) {
            Harness.equal(error.awsErrorDetails().errorCode(), wanted, "the code of " + what);
            return;
        }
        throw new AssertionError(what + " was accepted");
    }

    private static void sendReceiveDelete(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        String text = "plain, \"quoted\", <&>, \r\n\t, äöü, 🚌";
        SendMessageResponse sent = queue.send(text);
        Message message = queue.receive().get(0);
        Harness.equal(message.body(), text, "the body");
        Harness.equal(message.messageId(), sent.messageId(), "the id");
        Harness.equal(message.md5OfBody(), sent.md5OfMessageBody(), "the digest");
        Harness.equal(queue.counts(), List.of("0", "1", "0"), "what is where");
        queue.remove(message.receiptHandle());
        Harness.equal(queue.counts(), List.of("0", "0", "0"), "what is where");
    }

    private static MessageAttributeValue text(String type, String value) {
        return MessageAttributeValue.builder().dataType(type).stringValue(value).build();
    }

    private static void attributes(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        var bytes = SdkBytes.fromByteArray(new byte[] {0, -1});
        Map<String, MessageAttributeValue> wanted = Map.of(
            "text", text("String", "a b"),
            "number.of", text("Number.int", "-7"),
            "bytes", MessageAttributeValue.builder().dataType("Binary.png").binaryValue(bytes).build());
        String header = "Root=1-5759e988-bd862e3fe1be46a994272793";
        var trace = MessageSystemAttributeValue.builder().dataType("String").stringValue(header).build();
        SendMessageResponse sent = queue.send("x", it -> it.messageAttributes(wanted)
            .messageSystemAttributes(Map.of(MessageSystemAttributeNameForSends.AWS_TRACE_HEADER, trace)));
        Message message = queue.receive().get(0);
        Harness.equal(message.messageAttributes(), wanted, "the attributes");
        String digest = "49d4e9525ea8d2518ae2391b3df21327"; // By AWS's description of it.
        Harness.equal(List.of(sent.md5OfMessageAttributes(), message.md5OfMessageAttributes()), List.of(digest, digest), "their digest");
        Harness.equal(message.attributes().get(MessageSystemAttributeName.AWS_TRACE_HEADER), header, "the trace header");
    }

    private static void filteredAttributes(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of("VisibilityTimeout", "0"));
        var value = text("String", "v");
        queue.send("x", it -> it.messageAttributes(Map.of("a.one", value, "a.two", value, "b", value)));
        Map<List<String>, List<String>> cases = Map.of(
            List.of("a.*"), List.of("a.one", "a.two"),
            List.of("b", "c"), List.of("b"),
            List.of(".*"), List.of("a.one", "a.two", "b"),
            List.of(), List.of());
        cases.forEach((names, wanted) -> {
            Message message = queue.receive(it -> it.messageAttributeNames(names)).get(0);
            Harness.equal(List.copyOf(new TreeSet<>(message.messageAttributes().keySet())), wanted, "attributes by " + names);
        });
    }

    private static void batches(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        var entries = new ArrayList<SendMessageBatchRequestEntry>();
        for (int number = 0; number < 9; number++) {
            entries.add(SendMessageBatchRequestEntry.builder().id("" + number).messageBody("m" + number).build());
        }
        entries.add(SendMessageBatchRequestEntry.builder().id("bad").messageBody("\u0001").build());
        var sent = queue.sqs().sendMessageBatch(it -> it.queueUrl(queue.url()).entries(entries));
        Harness.equal(sent.successful().size(), 9, "sent");
        Harness.equal(sent.failed().stream().map(it -> it.id() + " " + it.code()).toList(),
            List.of("bad InvalidMessageContents"), "failed");
        List<String> handles = queue.receive().stream().map(Message::receiptHandle).toList();
        Harness.equal(handles.size(), 9, "received");
        var longer = IntStream.range(0, 9).mapToObj(place -> ChangeMessageVisibilityBatchRequestEntry.builder()
            .id("" + place).receiptHandle(handles.get(place)).visibilityTimeout(60).build()).toList();
        var held = queue.sqs().changeMessageVisibilityBatch(it -> it.queueUrl(queue.url()).entries(longer));
        Harness.equal(held.successful().size(), 9, "made longer");
        var gone = Stream.concat(handles.stream(), Stream.of("garbage")).toList();
        var deleted = queue.sqs().deleteMessageBatch(it -> it.queueUrl(queue.url()).entries(
            IntStream.range(0, 10).mapToObj(place -> DeleteMessageBatchRequestEntry.builder()
                .id("" + place).receiptHandle(gone.get(place)).build()).toList()));
        Harness.equal(deleted.successful().size(), 9, "deleted");
        Harness.equal(deleted.failed().get(0).code(), "ReceiptHandleIsInvalid", "what was not deleted");
        Harness.equal(queue.counts(), List.of("0", "0", "0"), "what is where");
    }

    private static void largeMessage(String endpoint) throws Exception {
        Queue queue = Queue.create(endpoint, Map.of());
        String large = "x".repeat(1 << 20);
        queue.send(large);
        Harness.equal(queue.receive().get(0).body().equals(large), true, "the same body");
        code(() -> queue.send(large + "x"), "InvalidParameterValue", "too long a message");
    }

    private static void longPoll(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        var timer = Executors.newSingleThreadScheduledExecutor();
        long startedAt = System.nanoTime();
        timer.schedule(() -> queue.send("wake up"), 500, TimeUnit.MILLISECONDS);
        Harness.equal(Queue.bodies(queue.receive(it -> it.waitTimeSeconds(20))), List.of("wake up"), "what came");
        Harness.equal(System.nanoTime() - startedAt < 10_000_000_000L, true, "woken at once");
        timer.shutdown();
    }

    private static void visibility(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of("VisibilityTimeout", "1"));
        queue.send("x");
        long since = System.nanoTime();
        Message first = queue.receive().get(0);
        Message second = queue.later(since, 1).get(0);
        Harness.equal(second.messageId(), first.messageId(), "the message");
        String times = second.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT);
        Harness.equal(times, "2", "how often it came");
        Harness.equal(first.receiptHandle().equals(second.receiptHandle()), false, "handles are the same");
    }

    private static void visibilityChanged(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of("VisibilityTimeout", "600"));
        queue.send("x");
        Message first = queue.receive(it -> it.visibilityTimeout(4)).get(0);
        long since = System.nanoTime();
        queue.hold(first, 6);
        Message second = queue.later(since, 6).get(0);
        Harness.equal(queue.receive(), List.of(), "while it is held");
        queue.hold(second, 0);
        Harness.equal(Queue.bodies(queue.receive()), List.of("x"), "once it is given back");
    }

    private static void delay(String endpoint) {
        for (boolean ofQueue : List.of(true, false)) {
            Queue queue = Queue.create(endpoint, ofQueue ? Map.of("DelaySeconds", "1") : Map.of());
            long since = System.nanoTime();
            queue.send("x", it -> it.delaySeconds(ofQueue ? null : 1));
            Harness.equal(Queue.bodies(queue.later(since, 1)), List.of("x"), "afterwards");
        }
        Queue queue = Queue.create(endpoint, Map.of());
        queue.send("x", it -> it.delaySeconds(900));
        Harness.equal(queue.receive(), List.of(), "while it is delayed");
        Harness.equal(queue.counts(), List.of("0", "0", "1"), "what is where");
    }

    private static final Map<String, String> BY_CONTENT = Map.of("FifoQueue", "true", "ContentBasedDeduplication", "true");

    private static Consumer<SendMessageRequest.Builder> inGroup(String group, String deduplication) {
        return it -> it.messageGroupId(group).messageDeduplicationId(deduplication);
    }

    private static void fifoOrder(String endpoint) {
        Queue queue = Queue.create(endpoint, BY_CONTENT);
        List<String> numbers = Stream.of("a0", "b0", "a1", "b1", "a2", "b2")
            .map(body -> queue.send(body, inGroup(body.substring(0, 1), null)).sequenceNumber()).toList();
        Harness.equal(numbers, numbers.stream().sorted().toList(), "sequence numbers");
        Message first = queue.receive(it -> it.maxNumberOfMessages(1)).get(0);
        String group = first.body().substring(0, 1);
        String other = group.equals("a") ? "b" : "a";
        Harness.equal(Queue.bodies(queue.receive()), List.of(other + "0", other + "1", other + "2"), "the other group");
        Harness.equal(queue.receive(), List.of(), "while both are held");
        queue.remove(first.receiptHandle());
        Harness.equal(Queue.bodies(queue.receive()), List.of(group + "1", group + "2"), "the rest of the first group");
    }

    private static void fifoDedup(String endpoint) {
        Queue queue = Queue.create(endpoint, BY_CONTENT);
        SendMessageResponse first = queue.send("same", inGroup("g", null));
        SendMessageResponse again = queue.send("same", inGroup("g", null));
        Harness.equal(again.messageId(), first.messageId(), "by content");
        Harness.equal(again.sequenceNumber(), first.sequenceNumber(), "the sequence number");
        String one = queue.send("one", inGroup("g", "id")).messageId();
        Harness.equal(queue.send("two", inGroup("g", "id")).messageId(), one, "by id");
        Harness.equal(Queue.bodies(queue.receive()), List.of("same", "one"), "what is there");
    }

    private static void fifoScope(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of(
            "FifoQueue", "true", "DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId"));
        List.of("a", "b", "a").forEach(group -> queue.send(group, inGroup(group, "id")));
        var taken = Stream.concat(queue.receive().stream(), queue.receive().stream()).map(Message::body);
        Harness.equal(taken.sorted().toList(), List.of("a", "b"), "one per group");
    }

    private record DeadLetters(Queue target, Queue source) {
        static DeadLetters create(String endpoint, int receivesMax) {
            Queue target = Queue.create(endpoint, Map.of());
            String policy = "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}".formatted(target.arn(), receivesMax);
            return new DeadLetters(target, Queue.create(endpoint, Map.of("VisibilityTimeout", "0", "RedrivePolicy", policy)));
        }
    }

    private static void deadLetters(String endpoint) throws InterruptedException {
        var queues = DeadLetters.create(endpoint, 2);
        SendMessageResponse sent = queues.source.send("poison");
        Harness.until(() -> queues.source.receive().isEmpty(), "given up");
        Message message = queues.target.receive(it -> it.waitTimeSeconds(10)).get(0);
        Harness.equal(message.messageId(), sent.messageId(), "the id");
        String from = message.attributes().get(MessageSystemAttributeName.DEAD_LETTER_QUEUE_SOURCE_ARN);
        Harness.equal(from, queues.source.arn(), "where it came from");
        var sources = queues.target.sqs().listDeadLetterSourceQueues(it -> it.queueUrl(queues.target.url()));
        Harness.equal(sources.queueUrls(), List.of(queues.source.url()), "the sources");
    }

    private static void moveTask(String endpoint) throws Exception {
        var queues = DeadLetters.create(endpoint, 1);
        var sqs = queues.target.sqs();
        String arn = queues.target.arn();
        queues.source.send("poison");
        Harness.until(() -> queues.source.receive().isEmpty(), "given up");
        Harness.until(() -> queues.target.counts().get(0).equals("1"), "the dead letter");
        String task = sqs.startMessageMoveTask(it -> it.sourceArn(arn)).taskHandle();
        Harness.equal(Queue.bodies(queues.source.receive(it -> it.waitTimeSeconds(10))), List.of("poison"), "what came back");
        Harness.until(() -> newestTask(queues.target, arn).status().equals("COMPLETED"), "the task is done");
        Harness.equal(newestTask(queues.target, arn).approximateNumberOfMessagesMoved(), 1L, "moved");
        Harness.refused(() -> sqs.cancelMessageMoveTask(it -> it.taskHandle(task)),
            ResourceNotFoundException.class, "ending what has ended");
    }

    private static ListMessageMoveTasksResultEntry newestTask(Queue queue, String arn) {
        return queue.sqs().listMessageMoveTasks(it -> it.sourceArn(arn)).results().get(0);
    }

    private static void purge(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        for (int number = 0; number < 5; number++) {
            queue.send("old");
        }
        queue.receive(it -> it.maxNumberOfMessages(2));
        queue.sqs().purgeQueue(it -> it.queueUrl(queue.url()));
        Harness.equal(queue.counts(), List.of("0", "0", "0"), "what is where");
        queue.send("new");
        Harness.equal(Queue.bodies(queue.receive()), List.of("new"), "what came afterwards");
    }

    private static void queueAttributes(String endpoint) throws Exception {
        Queue queue = Queue.create(endpoint, Map.of("VisibilityTimeout", "5"));
        queue.set(Map.of(QueueAttributeName.DELAY_SECONDS, "3", QueueAttributeName.POLICY, "{}"));
        Map<String, String> shown = queue.attributes("All");
        Map.of("VisibilityTimeout", "5", "DelaySeconds", "3", "MaximumMessageSize", "1048576", "Policy", "{}")
            .forEach((name, wanted) -> Harness.equal(shown.get(name), wanted, name));
        Harness.equal(createAgain(queue, "3"), queue.url(), "the same queue");
        Harness.refused(() -> createAgain(queue, "4"), QueueNameExistsException.class, "another delay");
        Harness.refused(() -> queue.set(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "43201")),
            InvalidAttributeValueException.class, "a visibility timeout of 43201 s");
    }

    private static String createAgain(Queue queue, String delay) {
        Map<String, String> attributes = Map.of("DelaySeconds", delay);
        return queue.sqs().createQueue(it -> it.queueName(queue.name()).attributesWithStrings(attributes)).queueUrl();
    }

    private static void queueUrl(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        Harness.equal(queue.url().startsWith("http://" + endpoint + "/"), true, "the URL of a new queue has our host");
        Harness.equal(queue.sqs().getQueueUrl(it -> it.queueName(queue.name())).queueUrl(), queue.url(), "the URL of its name");
        var sqs = Queue.client(endpoint.replace("127.0.0.1", "localhost"));
        var other = new Queue(sqs, sqs.getQueueUrl(it -> it.queueName(queue.name())).queueUrl());
        Harness.equal(other.url(), queue.url().replace("127.0.0.1", "localhost"), "for one who calls it by another name");
        other.send("x");
        Harness.equal(Queue.bodies(queue.receive()), List.of("x"), "what came by the other URL");
    }

    private static void tags(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        queue.sqs().tagQueue(it -> it.queueUrl(queue.url()).tags(Map.of("a", "1", "b", "")));
        queue.sqs().untagQueue(it -> it.queueUrl(queue.url()).tagKeys("a"));
        Harness.equal(queue.sqs().listQueueTags(it -> it.queueUrl(queue.url())).tags(), Map.of("b", ""), "tags");
    }

    private static void permissions(String endpoint) {
        Queue queue = Queue.create(endpoint, Map.of());
        queue.sqs().addPermission(it -> it.queueUrl(queue.url()).label("l").awsAccountIds("123456789012").actions("SendMessage"));
        Harness.equal(queue.attributes("Policy").get("Policy").contains("SQS:SendMessage"), true, "the policy");
        queue.sqs().removePermission(it -> it.queueUrl(queue.url()).label("l"));
        Harness.equal(queue.attributes("Policy"), Map.of(), "policies");
    }

    private static void listPages(String endpoint) {
        var sqs = Queue.client(endpoint);
        String prefix = Harness.fresh("p");
        List<String> urls = IntStream.range(0, 5)
            .mapToObj(number -> sqs.createQueue(it -> it.queueName(prefix + "-" + number)).queueUrl()).toList();
        var pages = sqs.listQueuesPaginator(it -> it.queueNamePrefix(prefix).maxResults(2));
        var listed = pages.stream().map(page -> List.copyOf(page.queueUrls())).toList();
        Harness.equal(listed, List.of(urls.subList(0, 2), urls.subList(2, 4), urls.subList(4, 5)), "pages");
        sqs.deleteQueue(it -> it.queueUrl(urls.get(0)));
        List<String> left = sqs.listQueues(it -> it.queueNamePrefix(prefix)).queueUrls();
        Harness.equal(List.copyOf(left), urls.subList(1, 5), "after one was deleted");
    }

    private static void errors(String endpoint) throws Exception {
        Queue queue = Queue.create(endpoint, Map.of());
        var sqs = queue.sqs();
        Harness.refused(() -> sqs.getQueueUrl(it -> it.queueName(Harness.fresh("none"))),
            QueueDoesNotExistException.class, "a queue that is not there");
        Harness.refused(() -> queue.remove("x"), ReceiptHandleIsInvalidException.class, "a handle that is none");
        Harness.refused(() -> sqs.sendMessageBatch(it -> it.queueUrl(queue.url()).entries(List.of())),
            EmptyBatchRequestException.class, "an empty batch");
        Harness.refused(() -> queue.send("\u0001"), InvalidMessageContentsException.class, "a character that is not allowed");
        Harness.refused(() -> queue.attributes("Nothing"), InvalidAttributeNameException.class, "an attribute that is none");
        code(() -> queue.receive(it -> it.waitTimeSeconds(21)), "InvalidParameterValue", "a wait of 21 s");
    }

    private static void callerIdentity(String endpoint) {
        try (var sts = Aws.client(StsClient.builder(), endpoint)) {
            Harness.equal(sts.getCallerIdentity().account(), "000000000000", "the account");
        }
    }
}
