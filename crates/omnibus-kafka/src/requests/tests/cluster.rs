use omnibus_model::node::{Address, NodeInfo};
use omnibus_model::{Command, NodeId, ShardId};

use super::Node;
use crate::wire::messages::api_versions_request::ApiVersionsRequest;
use crate::wire::messages::describe_cluster_request::DescribeClusterRequest;
use crate::wire::messages::describe_log_dirs_request::{DescribableLogDirTopic, DescribeLogDirsRequest};
use crate::wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use crate::wire::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use crate::wire::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use crate::wire::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::wire::messages::init_producer_id_request::InitProducerIdRequest;
use crate::wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use crate::wire::messages::metadata_request::MetadataRequest;
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::{ErrorCode, Request};

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<DescribeClusterRequest>().await;
    node.answers_every_version::<DescribeLogDirsRequest>().await;
    node.answers_every_version::<DescribeProducersRequest>().await;
    node.answers_every_version::<DescribeQuorumRequest>().await;
    node.answers_every_version::<ElectLeadersRequest>().await;
    node.answers_every_version::<FindCoordinatorRequest>().await;
    node.answers_every_version::<InitProducerIdRequest>().await;
    node.answers_every_version::<ListPartitionReassignmentsRequest>().await;
    node.answers_every_version::<OffsetForLeaderEpochRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn this_node_coordinates_every_group_and_no_transaction() {
    let node = Node::start();
    for (key_type, error) in [
        (0, ErrorCode::None),
        (1, ErrorCode::TransactionalIdAuthorizationFailed),
        (2, ErrorCode::InvalidRequest),
        (7, ErrorCode::InvalidRequest),
    ] {
        let node_id = if error.is_none() { 1 } else { -1 };
        for version in 1..=3 {
            let request = FindCoordinatorRequest { key: "k".into(), key_type, ..FindCoordinatorRequest::default() };
            let found = node.ask(version, request).await;
            assert_eq!((found.error_code, found.node_id), (error.number(), node_id));
        }
        for version in 4..=6 {
            let coordinator_keys = vec!["k".into(), "l".into()];
            let request = FindCoordinatorRequest { coordinator_keys, key_type, ..FindCoordinatorRequest::default() };
            let found = node.ask(version, request).await.coordinators;
            let found: Vec<_> = found.iter().map(|found| (&*found.key, found.error_code, found.node_id)).collect();
            assert_eq!(found, [("k", error.number(), node_id), ("l", error.number(), node_id)]);
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn producers_get_ids_that_nobody_had() {
    let node = Node::start();
    let ask = async |version, id: Option<&str>, producer_id, producer_epoch| {
        let request = InitProducerIdRequest {
            transactional_id: id.map(Into::into),
            producer_id,
            producer_epoch,
            ..InitProducerIdRequest::default()
        };
        let response = node.ask(version, request).await;
        (response.error_code, response.producer_id, response.producer_epoch)
    };
    let mut given = Vec::new();
    for version in 0..=5 {
        let (error, id, epoch) = ask(version, None, -1, -1).await;
        assert_eq!((error, epoch), (0, 0));
        given.push(id);
    }
    let (error, id, epoch) = ask(4, None, 5, 3).await;
    assert_eq!((error, epoch), (0, 0));
    given.push(id);
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 7);
    let invalid = (ErrorCode::InvalidRequest.number(), -1, -1);
    assert_eq!(ask(4, None, -1, 3).await, invalid);
    assert_eq!(ask(4, None, 5, -1).await, invalid);
    assert_eq!(ask(4, Some(""), -1, -1).await, invalid);
    let refused = ErrorCode::TransactionalIdAuthorizationFailed.number();
    assert_eq!(ask(4, Some("t"), -1, -1).await, (refused, -1, -1));
    node.stop().await;
}

#[tokio::test]
async fn epochs_end_where_the_partition_does() {
    let node = Node::start();
    node.create("a", 1).await;
    let current = node.context.leader_epoch(node.context.engine.catalog().topic("a").unwrap().partitions[0].shard);
    let ask = async |partition, current_leader_epoch, leader_epoch| {
        let partitions = vec![OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch }];
        let topics = vec![OffsetForLeaderTopic { topic: "a".into(), partitions }];
        let response = node.ask(4, OffsetForLeaderEpochRequest { replica_id: -1, topics }).await;
        let end = &response.topics[0].partitions[0];
        (end.error_code, end.leader_epoch, end.end_offset)
    };
    assert_eq!(ask(0, -1, current).await, (0, current, 0));
    assert_eq!(ask(0, current, current + 9).await, (0, -1, -1));
    assert_eq!(ask(0, -1, -1).await, (0, -1, -1));
    assert_eq!(ask(0, current + 1, current).await, (ErrorCode::UnknownLeaderEpoch.number(), -1, -1));
    assert_eq!(ask(7, -1, current).await, (ErrorCode::UnknownTopicOrPartition.number(), -1, -1));
    node.stop().await;
}

#[tokio::test]
async fn cluster_is_this_node() {
    let node = Node::start();
    let ask = async |version, endpoint_type| {
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            endpoint_type,
            ..DescribeClusterRequest::default()
        };
        node.ask(version, request).await
    };
    for version in 0..=2 {
        let cluster = ask(version, 1).await;
        assert_eq!((&*cluster.cluster_id, cluster.controller_id), ("omnibus", 1));
        assert_eq!((&*cluster.brokers[0].host, cluster.brokers[0].port), ("127.0.0.1", 9092));
        assert_eq!(cluster.cluster_authorized_operations, 8096);
    }
    assert_eq!(ask(2, 2).await.error_code, ErrorCode::MismatchedEndpointType.number());
    assert_eq!(ask(1, 7).await.error_code, ErrorCode::UnsupportedEndpointType.number());
    node.stop().await;
}

#[tokio::test]
async fn other_brokers_are_where_they_said() {
    let node = Node::start();
    let there = |host: &str| Address { host: host.to_owned(), port: 9093 };
    // This node's clients stay where they came to, whatever it said; one without this door is no broker.
    for (number, door, host) in [(3, crate::DOOR, "c.example"), (1, crate::DOOR, "a.example"), (2, "sqs", "b.example")]
    {
        let info = NodeInfo { addresses: [(door.to_owned(), there(host))].into(), rack: Some("r1".to_owned()) };
        let command = Command::RegisterNode { node: NodeId(number), info: Box::new(info) };
        node.context.engine.submit(ShardId::METADATA, command).await.unwrap();
    }
    let response = node.ask(12, MetadataRequest::default()).await;
    let brokers: Vec<_> = response.brokers.iter().map(|b| (b.node_id, &*b.host, b.port, b.rack.as_deref())).collect();
    assert_eq!(brokers, [(1, "127.0.0.1", 9092, None), (3, "c.example", 9093, Some("r1"))]);
    assert_eq!(response.controller_id, 1);
    node.create("a", 1).await;
    let response = node.ask(12, MetadataRequest { topics: None, ..MetadataRequest::default() }).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.leader_id, &partition.replica_nodes[..]), (1, &[1, 3][..]));
    node.stop().await;
}

#[tokio::test]
async fn log_dirs_tell_of_topics_that_are_there() {
    let node = Node::start();
    node.create("a", 2).await;
    let all = node.ask(4, DescribeLogDirsRequest { topics: None }).await.results.remove(0);
    assert_eq!((all.topics.len(), all.topics[0].partitions.len()), (1, 2));
    assert!(all.total_bytes >= all.usable_bytes && all.usable_bytes > 0, "{all:?}");
    let topic = |name: &str, partitions| DescribableLogDirTopic { topic: name.into(), partitions };
    let request = DescribeLogDirsRequest { topics: Some(vec![topic("a", vec![1, 7]), topic("none", vec![0])]) };
    let some = node.ask(1, request).await.results.remove(0);
    assert_eq!((some.topics.len(), some.topics[0].partitions.len()), (1, 1));
    node.stop().await;
}

#[tokio::test]
async fn leader_stays() {
    let node = Node::start();
    node.create("a", 1).await;
    let partitions = vec![TopicPartitions { topic: "a".into(), partitions: vec![0, 9] }];
    for version in 0..=2 {
        let request =
            ElectLeadersRequest { topic_partitions: Some(partitions.clone()), ..ElectLeadersRequest::default() };
        let results = node.ask(version, request).await.replica_election_results;
        let errors: Vec<i16> = results[0].partition_result.iter().map(|result| result.error_code).collect();
        let wanted = [ErrorCode::ElectionNotNeeded, ErrorCode::UnknownTopicOrPartition];
        assert_eq!(errors, wanted.map(ErrorCode::number));
    }
    let unknown =
        ElectLeadersRequest { election_type: 3, topic_partitions: Some(partitions), ..ElectLeadersRequest::default() };
    assert_eq!(node.ask(2, unknown).await.error_code, ErrorCode::InvalidRequest.number());
    node.stop().await;
}

#[tokio::test]
async fn partition_without_producers_has_none() {
    let node = Node::start();
    node.create("a", 1).await;
    let topic = |name: &str| TopicRequest { name: name.into(), partition_indexes: vec![0] };
    let request = DescribeProducersRequest { topics: vec![topic("a"), topic("none"), topic("a:b")] };
    let topics = node.ask(0, request).await.topics;
    let errors: Vec<i16> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    let wanted = [ErrorCode::None, ErrorCode::UnknownTopicOrPartition, ErrorCode::InvalidTopicException];
    assert_eq!(errors, wanted.map(ErrorCode::number));
    node.stop().await;
}

#[tokio::test]
async fn only_clients_that_understand_it_are_told_of_a_feature_that_may_be_off() {
    let node = Node::start();
    for version in ApiVersionsRequest::KEY.served().iter() {
        let (client_software_name, client_software_version) = ("tester".into(), "1.0".into());
        let request = ApiVersionsRequest { client_software_name, client_software_version };
        let response = node.ask(version, request).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(!response.supported_features.is_empty(), version >= 4, "version {version}");
    }
    node.stop().await;
}

fn quorum_of(topic: &str, partition_index: i32) -> DescribeQuorumRequest {
    let topic = TopicData { topic_name: topic.into(), partitions: vec![PartitionData { partition_index }] };
    DescribeQuorumRequest { topics: vec![topic] }
}

#[tokio::test]
async fn one_voter_decides_about_topics_and_has_all_that_is_committed() {
    let node = Node::start();
    for version in 0..=2 {
        let before = node.ask(version, quorum_of("__cluster_metadata", 0)).await.topics[0].partitions[0].clone();
        assert_eq!((before.error_code, before.leader_id, before.current_voters.len()), (0, 1, 1));
        assert_eq!(before.current_voters[0].log_end_offset, before.high_watermark);
        node.create(&format!("orders-{version}"), 1).await;
        let after = node.ask(version, quorum_of("__cluster_metadata", 0)).await;
        assert_eq!(after.topics[0].partitions[0].high_watermark, before.high_watermark + 1);
        assert_eq!(after.nodes.len(), usize::from(version >= 2));
    }
    for (topic, partition) in [("__cluster_metadata", 1), ("orders-0", 0)] {
        let told = node.ask(2, quorum_of(topic, partition)).await;
        assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.number());
        assert_eq!(told.nodes.len(), 0);
    }
    node.stop().await;
}
