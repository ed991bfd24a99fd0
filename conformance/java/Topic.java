import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sns.model.PublishBatchRequestEntry;
import software.amazon.awssdk.services.sns.model.PublishBatchResponse;
import software.amazon.awssdk.services.sns.model.PublishRequest;
import software.amazon.awssdk.services.sns.model.PublishResponse;
import software.amazon.awssdk.services.sns.model.Subscription;
import software.amazon.awssdk.services.sqs.model.Message;

/** A topic, and the calls that name it. */
record Topic(SnsClient sns, String arn) {
    static Topic create(String endpoint, Map<String, String> attributes) {
        SnsClient sns = Aws.client(SnsClient.builder(), endpoint);
        String name = Harness.fresh("t") + (attributes.containsKey("FifoTopic") ? ".fifo" : "");
        return new Topic(sns, sns.createTopic(it -> it.name(name).attributes(attributes)).topicArn());
    }

    /** The topic of another name at the same place. */
    Topic called(String other) {
        return new Topic(sns, other);
    }

    PublishResponse publish(String message) {
        return publish(message, it -> {});
    }

    PublishResponse publish(String message, Consumer<PublishRequest.Builder> more) {
        return sns.publish(it -> more.accept(it.topicArn(arn).message(message)));
    }

    PublishBatchResponse batch(List<PublishBatchRequestEntry> entries) {
        return sns.publishBatch(it -> it.topicArn(arn).publishBatchRequestEntries(entries));
    }

    Map<String, String> attributes() {
        return sns.getTopicAttributes(it -> it.topicArn(arn)).attributes();
    }

    void set(String name, String value) {
        sns.setTopicAttributes(it -> it.topicArn(arn).attributeName(name).attributeValue(value));
    }

    String subscribe(Queue queue, Map<String, String> attributes) {
        return sns.subscribe(it -> it.topicArn(arn)
            .protocol("sqs")
            .endpoint(queue.arn())
            .attributes(attributes)
            .returnSubscriptionArn(true)).subscriptionArn();
    }

    List<Subscription> subscriptions() {
        return sns.listSubscriptionsByTopic(it -> it.topicArn(arn)).subscriptions();
    }

    void setOf(String subscription, String name, String value) {
        sns.setSubscriptionAttributes(it -> it.subscriptionArn(subscription).attributeName(name).attributeValue(value));
    }

    /** All that is in a queue. What was published is there when Publish has answered. */
    static List<Message> all(Queue queue) {
        var all = new ArrayList<Message>();
        List<Message> more = queue.receive();
        while (!more.isEmpty()) {
            all.addAll(more);
            more = queue.receive();
        }
        return all;
    }
}
