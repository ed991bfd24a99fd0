use std::time::Duration;

use bytes::Bytes;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{CursorConfig, DeliveryOrder, Envelope, QueueConfig};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{Millis, Offset, Timestamp, TopicId, TopicName};
use omnibus_record::{BatchHeader, Message, Native, Records, SqsAttribute, SqsMessage, SqsNative, SqsValue};

use super::{Node, batch};
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource, AlterableConfig};
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use crate::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::fetch_response::PartitionData;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use crate::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::wire::messages::produce_response::PartitionProduceResponse;

const SENT_AT: i64 = 1_700_000_000_000;

async fn queue(node: &Node, name: &str, order: DeliveryOrder) -> Partition {
    let cursor = CursorConfig { order, ..CursorConfig::default() };
    let create = CreateQueue {
        name: TopicName::new(name).unwrap(),
        id: TopicId(node.context.engine.random()),
        config: TopicConfig::default(),
        queue: QueueConfig { cursor, ..QueueConfig::default() },
    };
    node.context.engine.create_queue(create).await.unwrap().partitions[0]
}

/// Sends a message as SQS would, a second after the one before.
async fn send(node: &Node, queue: Partition, number: u64, body: &str) {
    let colour =
        SqsAttribute { name: "colour".into(), data_type: "String".into(), value: SqsValue::Text("red".into()) };
    let sent_at = Timestamp(SENT_AT + 1_000 * i64::try_from(number).unwrap());
    let native = SqsNative { id: 7, sent_at, attributes: vec![colour], ..SqsNative::default() };
    let message = Message {
        offset: Offset::ZERO,
        timestamp: sent_at,
        envelope: Envelope::default(),
        native: Native::Sqs(native),
        history: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let answers = node.context.engine.enqueue(queue, vec![(message.encode().unwrap(), None)]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap().base, Offset(number));
}

async fn fetch(node: &Node, topic: &str, offset: i64, bytes_max: i32) -> PartitionData {
    let partition = FetchPartition {
        fetch_offset: offset,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        partition_max_bytes: bytes_max,
        ..FetchPartition::default()
    };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..FetchTopic::default() };
    let request = FetchRequest { max_bytes: i32::MAX, topics: vec![topic], ..FetchRequest::default() };
    node.ask(12, request).await.responses.remove(0).partitions.remove(0)
}

async fn produce(node: &Node, topic: &str, value: &str) -> PartitionProduceResponse {
    let records = Some(crate::wire::Records(vec![batch(value)]));
    let data = TopicProduceData {
        name: topic.into(),
        partition_data: vec![PartitionProduceData { index: 0, records }],
        ..TopicProduceData::default()
    };
    let request = ProduceRequest { acks: -1, topic_data: vec![data], ..ProduceRequest::default() };
    node.ask(9, request).await.responses.remove(0).partition_responses.remove(0)
}

fn batches(data: PartitionData) -> Vec<Bytes> {
    assert_eq!(data.error_code, ErrorCode::None.number());
    let bytes: Bytes = data.records.unwrap().0.concat().into();
    omnibus_record::batches(bytes).collect()
}

/// Offset, time, value and headers of each record.
fn records(batches: &[Bytes]) -> Vec<(u64, i64, String, usize)> {
    let records = batches.iter().flat_map(|batch| Records::of(batch, 1 << 20).unwrap()).map(Result::unwrap);
    let view = |record: omnibus_record::Record| {
        let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        (record.offset.0, record.timestamp.0, value, record.headers.len())
    };
    records.map(view).collect()
}

#[tokio::test]
async fn messages_are_fetched_as_batches_at_their_offsets() {
    let node = Node::start();
    let queue = queue(&node, "orders", DeliveryOrder::Standard).await;
    send(&node, queue, 0, "a").await;
    send(&node, queue, 1, "b").await;
    assert_eq!(produce(&node, "orders", "c").await.base_offset, 2);
    let all = batches(fetch(&node, "orders", 0, i32::MAX).await);
    assert!(all.iter().all(|batch| BatchHeader::read(batch).is_ok()));
    let read = records(&all);
    assert_eq!(read[0], (0, SENT_AT, "a".into(), 3));
    assert_eq!(read[1], (1, SENT_AT + 1_000, "b".into(), 3));
    assert_eq!(read[2], (2, 1_000, "c".into(), 0));
    assert_eq!(records(&batches(fetch(&node, "orders", 1, i32::MAX).await)).len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn queue_with_priorities_is_a_topic_with_a_partition_for_each() {
    let node = Node::start();
    let create = CreateQueue {
        name: TopicName::new("graded").unwrap(),
        id: TopicId(9),
        config: TopicConfig::default(),
        queue: QueueConfig::default(),
    };
    let topic = node.context.engine.create_priority_queue(create, 1).await.unwrap();
    assert_eq!(topic.partitions.len(), 2);
    send(&node, topic.partitions[1], 0, "high").await;
    send(&node, topic.partitions[0], 0, "low").await;
    assert_eq!(produce(&node, "graded", "by Kafka").await.base_offset, 1);
    let values = |batches: Vec<Bytes>| records(&batches).into_iter().map(|record| record.2).collect::<Vec<_>>();
    assert_eq!(values(batches(fetch(&node, "graded", 0, i32::MAX).await)), ["low", "by Kafka"]);
    let acquire = Acquire {
        stream: topic.partitions[0].stream,
        count_max: 10,
        lease: Millis(30_000),
        holder: None,
        attempt: None,
    };
    let engine = &node.context.engine;
    let received = engine.receive(topic.queue_place().unwrap(), acquire, Duration::ZERO).await.unwrap();
    let counts: Vec<usize> = received.batches.iter().map(|(_, leases)| leases.len()).collect();
    assert_eq!(counts, [1, 2], "the highest first");
    node.stop().await;
}

#[tokio::test]
async fn the_first_message_is_sent_whatever_its_size_and_no_more_than_asked_for() {
    let node = Node::start();
    let queue = queue(&node, "orders", DeliveryOrder::Standard).await;
    for number in 0..3 {
        send(&node, queue, number, "a").await;
    }
    assert_eq!(batches(fetch(&node, "orders", 1, 1).await).len(), 1);
    let one = batches(fetch(&node, "orders", 0, 1).await)[0].len();
    // Stored they take less than as batches.
    let two = i32::try_from(2 * one).unwrap();
    assert_eq!(batches(fetch(&node, "orders", 0, two).await).len(), 2);
    assert_eq!(batches(fetch(&node, "orders", 0, two - 1).await).len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn messages_are_found_by_time() {
    let node = Node::start();
    let queue = queue(&node, "orders", DeliveryOrder::Standard).await;
    for number in 0..3 {
        send(&node, queue, number, "a").await;
    }
    for (time, expected) in [(SENT_AT, 0), (SENT_AT + 1, 1), (SENT_AT + 2_000, 2), (SENT_AT + 2_001, -1), (-3, 2)] {
        let partition =
            ListOffsetsPartition { timestamp: time, current_leader_epoch: -1, ..ListOffsetsPartition::default() };
        let topic = ListOffsetsTopic { name: "orders".into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        let listed = node.ask(9, request).await.topics.remove(0).partitions.remove(0);
        assert_eq!((listed.error_code, listed.offset), (0, expected), "{time}");
    }
    node.stop().await;
}

#[tokio::test]
async fn records_of_kafka_are_received_as_messages() {
    let node = Node::start();
    let queue = queue(&node, "orders", DeliveryOrder::Standard).await;
    assert_eq!(produce(&node, "orders", "hello").await.error_code, 0);
    let engine = &node.context.engine;
    let acquire = Acquire { stream: queue.stream, count_max: 10, lease: Millis(30_000), holder: None, attempt: None };
    let acquired = engine.receive(queue, acquire, Duration::ZERO).await.unwrap();
    let deliveries = engine.received(&acquired).await.unwrap().remove(0).deliveries;
    let message = SqsMessage::of(&deliveries[0].message, queue.stream);
    assert_eq!((&*message.body, message.native.group.as_deref()), ("hello", Some("key")));
    node.stop().await;
}

#[tokio::test]
async fn ordered_queue_takes_no_records_of_kafka() {
    let node = Node::start();
    queue(&node, "orders", DeliveryOrder::Ordered).await;
    let refused = produce(&node, "orders", "hello").await;
    assert_eq!(refused.error_code, ErrorCode::InvalidRecord.number());
    assert!(refused.error_message.unwrap().contains("order of groups"));
    node.stop().await;
}

#[tokio::test]
async fn queue_is_neither_cut_nor_configured_like_a_topic() {
    let node = Node::start();
    let queue = queue(&node, "orders", DeliveryOrder::Standard).await;
    send(&node, queue, 0, "a").await;
    let partition = DeleteRecordsPartition { partition_index: 0, offset: 1 };
    let topic = DeleteRecordsTopic { name: "orders".into(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], ..DeleteRecordsRequest::default() };
    let deleted = node.ask(2, request).await.topics.remove(0).partitions.remove(0);
    assert_eq!(deleted.error_code, ErrorCode::PolicyViolation.number());
    let config = AlterableConfig { name: "retention.ms".into(), value: Some("1".into()) };
    let resource = AlterConfigsResource { resource_type: 2, resource_name: "orders".into(), configs: vec![config] };
    let request = AlterConfigsRequest { resources: vec![resource], ..AlterConfigsRequest::default() };
    let altered = node.ask(2, request).await.responses.remove(0);
    assert_eq!(altered.error_code, ErrorCode::PolicyViolation.number());
    node.stop().await;
}
