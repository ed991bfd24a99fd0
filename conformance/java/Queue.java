import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;

/** A queue, and the calls that name it. */
record Queue(SqsClient sqs, String url) {
    static SqsClient client(String endpoint) {
        return Aws.client(SqsClient.builder(), endpoint);
    }

    static Queue create(String endpoint, Map<String, String> attributes) {
        String name = Harness.fresh("q") + (attributes.containsKey("FifoQueue") ? ".fifo" : "");
        SqsClient sqs = client(endpoint);
        return new Queue(sqs, sqs.createQueue(it -> it.queueName(name).attributesWithStrings(attributes)).queueUrl());
    }

    String name() {
        return url.substring(url.lastIndexOf('/') + 1);
    }

    SendMessageResponse send(String body) {
        return send(body, it -> {});
    }

    SendMessageResponse send(String body, Consumer<SendMessageRequest.Builder> more) {
        return sqs.sendMessage(it -> more.accept(it.queueUrl(url).messageBody(body)));
    }

    List<Message> receive() {
        return receive(it -> {});
    }

    List<Message> receive(Consumer<ReceiveMessageRequest.Builder> more) {
        return sqs.receiveMessage(it -> more.accept(it.queueUrl(url)
            .maxNumberOfMessages(10)
            .messageAttributeNames("All")
            .messageSystemAttributeNames(MessageSystemAttributeName.ALL))).messages();
    }

    /** Receives what comes back or becomes visible, which must take at least so long from `since` on. */
    List<Message> later(long since, int seconds) {
        List<Message> taken = receive(it -> it.waitTimeSeconds(15));
        // The broker counts whole milliseconds, and its clock and ours are read at different moments.
        long nanosMin = seconds * 1_000_000_000L - 20_000_000L;
        Harness.equal(System.nanoTime() - since >= nanosMin, true, "at least " + seconds + " s later");
        return taken;
    }

    void remove(String handle) {
        sqs.deleteMessage(it -> it.queueUrl(url).receiptHandle(handle));
    }

    void hold(Message message, int seconds) {
        sqs.changeMessageVisibility(it -> it.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(seconds));
    }

    Map<String, String> attributes(String... names) {
        return sqs.getQueueAttributes(it -> it.queueUrl(url).attributeNamesWithStrings(names)).attributesAsStrings();
    }

    void set(Map<QueueAttributeName, String> attributes) {
        sqs.setQueueAttributes(it -> it.queueUrl(url).attributes(attributes));
    }

    /** How many messages can be received, are held, and are delayed. */
    List<String> counts() {
        Map<String, String> shown = attributes("All");
        return Stream.of("", "NotVisible", "Delayed").map(which -> shown.get("ApproximateNumberOfMessages" + which)).toList();
    }

    String arn() {
        return attributes("QueueArn").get("QueueArn");
    }

    static List<String> bodies(List<Message> messages) {
        return messages.stream().map(Message::body).toList();
    }
}
