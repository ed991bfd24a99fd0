use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::exchange::{BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey, ExchangeKind};
use omnibus_model::{ExchangeName, TopicId};

use super::Node;
use crate::wire::ErrorCode;
use crate::wire::WireString;
use crate::wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use crate::wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::wire::messages::describe_topic_partitions_request::{Cursor, DescribeTopicPartitionsRequest, TopicRequest};
use crate::wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..CreatableTopic::default() }
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: brokers.to_vec(),
    };
    let assignments = assignments.iter().map(assignment).collect();
    CreatableTopic { num_partitions: -1, replication_factor: -1, assignments, ..topic(name) }
}

fn configured(name: &str, config: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig { name: config.into(), value: value.map(Into::into) };
    CreatableTopic { configs: vec![config], ..topic(name) }
}

/// Creates topics, and returns what became of each.
async fn create(node: &Node, topics: Vec<CreatableTopic>) -> Vec<(String, i16)> {
    let response = node.ask(7, CreateTopicsRequest { topics, ..CreateTopicsRequest::default() }).await;
    response.topics.iter().map(|topic| (topic.name.to_string(), topic.error_code)).collect()
}

async fn error(node: &Node, topic: CreatableTopic) -> i16 {
    create(node, vec![topic]).await[0].1
}

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<CreateTopicsRequest>().await;
    node.answers_every_version::<DeleteTopicsRequest>().await;
    node.answers_every_version::<CreatePartitionsRequest>().await;
    node.answers_every_version::<DeleteRecordsRequest>().await;
    node.answers_every_version::<DescribeTopicPartitionsRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn topics_are_created_in_every_version() {
    let node = Node::start();
    for version in 2..=7 {
        let request =
            CreateTopicsRequest { topics: vec![topic(&format!("t{version}"))], ..CreateTopicsRequest::default() };
        let created = node.ask(version, request).await.topics.remove(0);
        assert_eq!(created.error_code, 0);
        if version >= 5 {
            assert_eq!((created.num_partitions, created.replication_factor), (1, 1));
            assert_eq!(created.configs.unwrap().len(), 33);
        }
    }
    assert_eq!(node.context.engine.catalog().topics().len(), 6);
    node.stop().await;
}

#[tokio::test]
async fn creation_is_refused_where_kafka_refuses_it() {
    let node = Node::start();
    node.create("a.b", 1).await;
    let partitions = |num_partitions| CreatableTopic { num_partitions, ..topic("x") };
    let replicas = |replication_factor| CreatableTopic { replication_factor, ..topic("x") };
    let refused = [
        (topic("a.b"), ErrorCode::TopicAlreadyExists),
        (topic("a_b"), ErrorCode::InvalidTopicException),
        (topic("a:b"), ErrorCode::InvalidTopicException),
        (topic(""), ErrorCode::InvalidTopicException),
        (partitions(0), ErrorCode::InvalidPartitions),
        (partitions(-2), ErrorCode::InvalidPartitions),
        (partitions(10_001), ErrorCode::PolicyViolation),
        (replicas(0), ErrorCode::InvalidReplicationFactor),
        (replicas(3), ErrorCode::InvalidReplicationFactor),
        (configured("x", "foo", Some("1")), ErrorCode::InvalidConfig),
        (configured("x", "retention.ms", Some("abc")), ErrorCode::InvalidConfig),
        (configured("x", "retention.ms", None), ErrorCode::InvalidConfig),
        (configured("x", "compression.type", Some("none")), ErrorCode::InvalidConfig),
        (CreatableTopic { num_partitions: 1, ..assigned("x", &[(0, &[1])]) }, ErrorCode::InvalidRequest),
        (assigned("x", &[(1, &[1])]), ErrorCode::InvalidReplicaAssignment),
        (assigned("x", &[(0, &[7])]), ErrorCode::InvalidReplicaAssignment),
        (assigned("x", &[(0, &[])]), ErrorCode::InvalidReplicaAssignment),
        (assigned("x", &[(0, &[1, 1])]), ErrorCode::InvalidReplicaAssignment),
    ];
    for (topic, wanted) in refused {
        assert_eq!(error(&node, topic.clone()).await, wanted.number(), "{topic:?}");
    }
    assert_eq!(error(&node, assigned("x", &[(1, &[1]), (0, &[1])])).await, 0);
    assert_eq!(node.context.engine.catalog().topic("x").unwrap().partitions.len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn answers_are_in_the_order_of_the_request() {
    let node = Node::start();
    let created = create(&node, vec![topic("b"), topic("dup"), topic("a"), topic("dup"), topic("-")]).await;
    let invalid = ErrorCode::InvalidRequest.number();
    let wanted = [("b", 0), ("dup", invalid), ("a", 0), ("-", 0)].map(|(name, error)| (name.to_owned(), error));
    assert_eq!(created, wanted);
    node.stop().await;
}

#[tokio::test]
async fn checked_topic_is_described_and_not_created() {
    let node = Node::start();
    let wanted = CreatableTopic { num_partitions: -1, replication_factor: -1, ..topic("x") };
    let request = CreateTopicsRequest { topics: vec![wanted], validate_only: true, ..CreateTopicsRequest::default() };
    let checked = node.ask(7, request).await.topics.remove(0);
    assert_eq!((checked.error_code, checked.num_partitions), (0, 4));
    assert!(node.context.engine.catalog().topic("x").is_none());
    node.stop().await;
}

#[tokio::test]
async fn topics_are_deleted_by_name_or_id() {
    let node = Node::start();
    node.create("a", 1).await;
    let id = node.create("b", 1).await;
    let none = TopicId::default();
    let state = |name: Option<&str>, topic_id| DeleteTopicState { name: name.map(Into::into), topic_id };
    let topics = vec![
        state(None, id),
        state(Some("none"), none),
        state(None, TopicId(1)),
        state(Some("a"), id),
        state(None, none),
        state(Some("a"), none),
    ];
    let deleted = node.ask(6, DeleteTopicsRequest { topics, ..DeleteTopicsRequest::default() }).await.responses;
    let wanted = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicId,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
        ErrorCode::None,
    ];
    assert_eq!(deleted.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), wanted.map(ErrorCode::number));
    assert_eq!(deleted[0].name.as_deref(), Some("b"));
    assert!(node.context.engine.catalog().topics().is_empty());
    node.create("a", 1).await;
    let again = DeleteTopicsRequest { topic_names: vec!["a".into(), "a".into()], ..DeleteTopicsRequest::default() };
    let again = node.ask(1, again).await.responses;
    assert_eq!((again.len(), again[0].error_code), (1, ErrorCode::InvalidRequest.number()));
    node.stop().await;
}

#[tokio::test]
async fn topic_that_is_made_anew_has_another_id() {
    let node = Node::start();
    let first = node.create("a", 1).await;
    let delete = DeleteTopicsRequest { topic_names: vec!["a".into()], ..DeleteTopicsRequest::default() };
    assert_eq!(node.ask(5, delete).await.responses[0].error_code, 0);
    assert_ne!(node.create("a", 1).await, first);
    node.stop().await;
}

#[tokio::test]
async fn topics_grow_and_never_shrink() {
    let node = Node::start();
    node.create("a", 2).await;
    let topic = |name: &str, count, brokers: Option<Vec<Vec<i32>>>| CreatePartitionsTopic {
        name: name.into(),
        count,
        assignments: brokers
            .map(|brokers| brokers.into_iter().map(|broker_ids| CreatePartitionsAssignment { broker_ids }).collect()),
    };
    let wanted = [
        (topic("none", 4, None), ErrorCode::UnknownTopicOrPartition),
        (topic("a", 2, None), ErrorCode::InvalidPartitions),
        (topic("a", 0, None), ErrorCode::InvalidPartitions),
        (topic("a", 3, Some(vec![vec![1], vec![1]])), ErrorCode::InvalidReplicaAssignment),
        (topic("a", 3, Some(vec![vec![9]])), ErrorCode::InvalidReplicaAssignment),
        (topic("a", 3, Some(vec![vec![1]])), ErrorCode::None),
        (topic("a", 5, None), ErrorCode::None),
    ];
    for (topic, error) in wanted {
        let request = CreatePartitionsRequest { topics: vec![topic.clone()], ..CreatePartitionsRequest::default() };
        assert_eq!(node.ask(3, request).await.results[0].error_code, error.number(), "{topic:?}");
    }
    let check = CreatePartitionsRequest {
        topics: vec![topic("a", 9, None)],
        validate_only: true,
        ..CreatePartitionsRequest::default()
    };
    assert_eq!(node.ask(0, check).await.results[0].error_code, 0);
    assert_eq!(node.context.engine.catalog().topic("a").unwrap().partitions.len(), 5);
    node.stop().await;
}

#[tokio::test]
async fn records_are_deleted_up_to_the_end_at_most() {
    let node = Node::start();
    node.create("a", 1).await;
    create(&node, vec![configured("compacted", "cleanup.policy", Some("compact"))]).await;
    let delete = async |topic: &str, partition_index, offset| {
        let partitions = vec![DeleteRecordsPartition { partition_index, offset }];
        let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
        let response = node.ask(2, DeleteRecordsRequest { topics, ..DeleteRecordsRequest::default() }).await;
        let partition = &response.topics[0].partitions[0];
        (partition.low_watermark, partition.error_code)
    };
    assert_eq!(delete("a", 0, -1).await, (0, 0));
    assert_eq!(delete("a", 0, 5).await, (-1, ErrorCode::OffsetOutOfRange.number()));
    assert_eq!(delete("a", 0, -2).await, (-1, ErrorCode::OffsetOutOfRange.number()));
    assert_eq!(delete("a", 9, 0).await, (-1, ErrorCode::UnknownTopicOrPartition.number()));
    assert_eq!(delete("compacted", 0, 0).await, (-1, ErrorCode::PolicyViolation.number()));
    node.stop().await;
}

#[tokio::test]
async fn topics_are_described_page_by_page() {
    let node = Node::start();
    node.create("a", 4).await;
    node.create("b", 2).await;
    let ask = async |topics: &[&str], limit, cursor: Option<(&str, i32)>| {
        let request = DescribeTopicPartitionsRequest {
            topics: topics.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
            response_partition_limit: limit,
            cursor: cursor.map(|(name, partition_index)| Cursor { topic_name: name.into(), partition_index }),
        };
        let response = node.ask(0, request).await;
        let topic = |topic: &crate::wire::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic| {
            let indexes: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
            (topic.name.as_ref().unwrap().to_string(), topic.error_code, indexes)
        };
        let topics: Vec<_> = response.topics.iter().map(topic).collect();
        (topics, response.next_cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index)))
    };
    let row = |name: &str, error: ErrorCode, partitions: &[i32]| (name.to_owned(), error.number(), partitions.to_vec());
    let (topics, next) = ask(&["none", "a", "b:c"], 3, None).await;
    let invalid = row("b:c", ErrorCode::InvalidTopicException, &[]);
    assert_eq!(topics, [row("a", ErrorCode::None, &[0, 1, 2])]);
    assert_eq!(next, Some((String::from("a"), 3)));
    let (topics, next) = ask(&["none", "a", "b:c"], 3, Some(("a", 3))).await;
    let missing = row("none", ErrorCode::UnknownTopicOrPartition, &[]);
    assert_eq!((topics, next), (vec![row("a", ErrorCode::None, &[3]), invalid, missing], None));
    let (topics, next) = ask(&[], 2000, None).await;
    assert_eq!(topics, [row("a", ErrorCode::None, &[0, 1, 2, 3]), row("b", ErrorCode::None, &[0, 1])]);
    assert_eq!(next, None);
    let (topics, _) = ask(&["a"], 3, Some(("a", -3))).await;
    assert_eq!(topics, [row("a", ErrorCode::InvalidRequest, &[])]);
    node.stop().await;
}

#[tokio::test]
async fn queues_of_push_bindings_are_not_there() {
    let node = Node::start();
    let engine = &node.context.engine;
    let key = ExchangeKey { kind: ExchangeKind::Sns, name: ExchangeName::new("news").unwrap() };
    engine.create_exchange(CreateExchange { key: key.clone(), config: ExchangeConfig::default() }).await.unwrap();
    let bind = Bind {
        exchange: key,
        id: BindingId(7),
        label: "http".to_owned(),
        target: BindingTarget::Push { url: "http://localhost/".to_owned() },
        config: BindingConfig::default(),
    };
    engine.bind(bind).await.unwrap();
    assert!(engine.catalog().topic(BindingId(7).push_queue().as_str()).is_some());
    create(&node, vec![topic("orders")]).await;
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let names: Vec<_> = node.ask(12, all).await.topics.into_iter().filter_map(|topic| topic.name).collect();
    assert_eq!(names, ["orders"]);
    let described = node.ask(0, DescribeTopicPartitionsRequest::default()).await.topics;
    assert_eq!(described.len(), 1);
    // Not even to who knows the name, or the id.
    let hidden = engine.catalog().topic(BindingId(7).push_queue().as_str()).unwrap();
    let name: WireString = hidden.name.as_str().into();
    let mut asked = MetadataRequestTopic { name: Some(name.clone()), ..MetadataRequestTopic::default() };
    for (id, error) in [(TopicId::default(), ErrorCode::InvalidTopicException), (hidden.id, ErrorCode::UnknownTopicId)]
    {
        asked = MetadataRequestTopic { topic_id: id, name: asked.name.filter(|_| id == TopicId::default()) };
        let request = MetadataRequest {
            topics: Some(vec![asked.clone()]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        assert_eq!(node.ask(12, request).await.topics[0].error_code, error.number());
    }
    assert_eq!(error(&node, topic(&name)).await, ErrorCode::InvalidTopicException.number());
    let delete = DeleteTopicsRequest { topic_names: vec![name.clone()], ..DeleteTopicsRequest::default() };
    assert_eq!(node.ask(5, delete).await.responses[0].error_code, ErrorCode::UnknownTopicOrPartition.number());
    let partition = super::super::partition::by_name(&node.context, &name, 0);
    assert_eq!(partition.unwrap_err(), ErrorCode::UnknownTopicOrPartition);
    let partition = super::super::partition::by_id(&node.context, hidden.id, 0);
    assert_eq!(partition.unwrap_err(), ErrorCode::UnknownTopicId);
    node.stop().await;
}
