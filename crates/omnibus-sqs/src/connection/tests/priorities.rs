//! Queues with priorities, which other protocols make: SQS sends with the lowest and receives the highest first.

use omnibus_model::command::CreateQueue;
use omnibus_model::queue::{Envelope, QueueConfig};
use omnibus_model::topic::TopicConfig;
use omnibus_model::{Millis, Offset, Timestamp, TopicId, TopicName};
use omnibus_record::{Message, Native, SqsNative};
use serde_json::json;

use super::Node;

#[tokio::test]
async fn queue_with_priorities_is_received_from_the_highest_on() {
    let node = Node::new();
    let mut client = node.connect();
    let create = CreateQueue {
        name: TopicName::new("graded").unwrap(),
        id: TopicId(9),
        config: TopicConfig::default(),
        queue: QueueConfig { lease: Millis(30_000), ..QueueConfig::default() },
    };
    let queue = node.door.engine.create_priority_queue(create, 2).await.unwrap().queue_place().unwrap();
    let url = client.ok("GetQueueUrl", json!({"QueueName": "graded"})).await["QueueUrl"].clone();
    let url = url.as_str().unwrap();
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "by SQS"})).await;
    for (priority, body) in [(1, "middle"), (2, "high")] {
        let message = Message {
            offset: Offset::ZERO,
            timestamp: Timestamp(1_000),
            envelope: Envelope { priority, ..Envelope::default() },
            native: Native::Sqs(SqsNative { id: u128::from(priority), ..SqsNative::default() }),
            history: None,
            body: body.into(),
        };
        let answers = node.door.engine.enqueue(queue, vec![(message.encode().unwrap(), None)]).await.unwrap();
        assert!(answers[0].is_ok());
    }
    let count = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let counted = client.ok("GetQueueAttributes", count).await;
    assert_eq!(counted["Attributes"]["ApproximateNumberOfMessages"], "3");
    let received = client.receive(url).await;
    let bodies: Vec<_> = received.iter().map(|message| message["Body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["high", "middle", "by SQS"]);
    // Each handle knows which priority it is of, also among others.
    let handle = |place: usize| received[place]["ReceiptHandle"].clone();
    let back = json!([{"Id": "a", "ReceiptHandle": handle(2), "VisibilityTimeout": 0},
        {"Id": "b", "ReceiptHandle": handle(0), "VisibilityTimeout": 0}]);
    let changed = client.ok("ChangeMessageVisibilityBatch", json!({"QueueUrl": url, "Entries": back})).await;
    assert_eq!(changed["Successful"].as_array().unwrap().len(), 2, "{changed}");
    client.ok("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle(1)})).await;
    let again = client.receive(url).await;
    let bodies: Vec<_> = again.iter().map(|message| message["Body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["high", "by SQS"]);
    let entries = json!([{"Id": "a", "ReceiptHandle": again[1]["ReceiptHandle"]},
        {"Id": "b", "ReceiptHandle": again[0]["ReceiptHandle"]}]);
    client.ok("DeleteMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await;
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "more"})).await;
    client.ok("PurgeQueue", json!({"QueueUrl": url})).await;
    let counts = node.door.engine.queue_view(queue).await.unwrap().unwrap().counts;
    assert_eq!((counts.present(), counts.settled, counts.purged), (0, 3, 1));
}
