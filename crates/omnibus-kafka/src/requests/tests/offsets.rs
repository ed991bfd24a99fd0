use omnibus_model::TopicId;

use super::Node;
use crate::wire::messages::delete_groups_request::DeleteGroupsRequest;
use crate::wire::messages::describe_groups_request::DescribeGroupsRequest;
use crate::wire::messages::list_groups_request::ListGroupsRequest;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use crate::wire::{ErrorCode, Request};

fn partition(partition_index: i32, committed_offset: i64, metadata: &str) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        committed_metadata: Some(metadata.into()),
        ..OffsetCommitRequestPartition::default()
    }
}

fn commit(topic: &str, partitions: Vec<OffsetCommitRequestPartition>) -> OffsetCommitRequest {
    let topic = OffsetCommitRequestTopic { name: topic.into(), partitions, ..OffsetCommitRequestTopic::default() };
    OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..OffsetCommitRequest::default() }
}

fn group(topics: Option<Vec<OffsetFetchRequestTopics>>) -> OffsetFetchRequest {
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics, ..OffsetFetchRequestGroup::default() };
    OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
}

fn named(name: &str, partition_indexes: Vec<i32>) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics { name: name.into(), partition_indexes, ..OffsetFetchRequestTopics::default() }
}

fn by_id(topic_id: TopicId, partition_indexes: Vec<i32>) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics { topic_id, partition_indexes, ..OffsetFetchRequestTopics::default() }
}

async fn errors(node: &Node, version: i16, request: OffsetCommitRequest) -> Vec<i16> {
    let response = node.ask(version, request).await;
    response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect()
}

fn told(partitions: &[OffsetFetchResponsePartitions]) -> Vec<(i64, &str, i16)> {
    let metadata = |partition: &OffsetFetchResponsePartitions| partition.metadata.is_some();
    assert!(partitions.iter().all(metadata));
    let told = partitions.iter();
    told.map(|told| (told.committed_offset, told.metadata.as_deref().unwrap(), told.error_code)).collect()
}

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<OffsetCommitRequest>().await;
    node.answers_every_version::<OffsetFetchRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn what_was_never_committed_is_minus_one_and_no_error() {
    let node = Node::start();
    node.create("orders", 1).await;
    let wanted = vec![named("orders", vec![0, 9]), named("none", vec![0])];
    let fetched = node.ask(9, group(Some(wanted))).await.groups.remove(0);
    assert_eq!(fetched.error_code, 0);
    assert_eq!(told(&fetched.topics[0].partitions), [(-1, "", 0), (-1, "", 0)]);
    assert_eq!(told(&fetched.topics[1].partitions), [(-1, "", 0)]);
    assert_eq!(node.ask(9, group(None)).await.groups[0].topics.len(), 0);
    node.stop().await;
}

#[tokio::test]
async fn committed_offsets_come_back_in_every_version() {
    let node = Node::start();
    let id = node.create("orders", 2).await;
    for version in 2..=9 {
        assert_eq!(errors(&node, version, commit("orders", vec![partition(0, 5, "note")])).await, [0]);
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic { name: "orders".into(), partition_indexes: vec![0, 1] };
        let request =
            OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..OffsetFetchRequest::default() };
        let topics = node.ask(version, request).await.topics;
        let offsets: Vec<i64> = topics[0].partitions.iter().map(|partition| partition.committed_offset).collect();
        assert_eq!(offsets, [5, -1], "version {version}");
    }
    for version in [8, 9] {
        let all = node.ask(version, group(None)).await.groups.remove(0);
        assert_eq!(&*all.topics[0].name, "orders");
        assert_eq!(told(&all.topics[0].partitions), [(5, "note", 0)]);
    }
    let all = node.ask(10, group(None)).await.groups.remove(0);
    assert_eq!((all.topics[0].topic_id, told(&all.topics[0].partitions)), (id, vec![(5, "note", 0)]));
    node.stop().await;
}

#[tokio::test]
async fn each_partition_has_its_own_error() {
    let node = Node::start();
    node.create("orders", 1).await;
    let long = "x".repeat(4097);
    let partitions = vec![partition(0, 5, ""), partition(9, 5, ""), partition(0, 5, &long), partition(0, -5, "")];
    let wanted = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::OffsetMetadataTooLarge,
        ErrorCode::OffsetOutOfRange,
    ];
    assert_eq!(errors(&node, 9, commit("orders", partitions)).await, wanted.map(ErrorCode::number));
    let unknown = commit("none", vec![partition(0, 5, "")]);
    assert_eq!(errors(&node, 9, unknown).await, [ErrorCode::UnknownTopicOrPartition.number()]);
    node.stop().await;
}

#[tokio::test]
async fn member_of_a_group_that_is_not_there_cannot_commit() {
    let node = Node::start();
    node.create("orders", 1).await;
    let request =
        || OffsetCommitRequest { generation_id_or_member_epoch: 3, ..commit("orders", vec![partition(0, 5, "")]) };
    assert_eq!(errors(&node, 8, request()).await, [ErrorCode::IllegalGeneration.number()]);
    assert_eq!(errors(&node, 9, request()).await, [ErrorCode::GroupIdNotFound.number()]);
    node.stop().await;
}

#[tokio::test]
async fn topics_are_named_by_id_from_version_10_on() {
    let node = Node::start();
    let id = node.create("orders", 1).await;
    let topic = |topic_id| OffsetCommitRequestTopic {
        topic_id,
        partitions: vec![partition(0, 7, "")],
        ..OffsetCommitRequestTopic::default()
    };
    let topics = vec![topic(id), topic(TopicId(1))];
    let request = OffsetCommitRequest { topics, ..commit("", Vec::new()) };
    assert_eq!(errors(&node, 10, request).await, [0, ErrorCode::UnknownTopicId.number()]);
    let wanted = vec![by_id(id, vec![0]), by_id(TopicId(1), vec![0])];
    let fetched = node.ask(10, group(Some(wanted))).await.groups.remove(0);
    assert_eq!(told(&fetched.topics[0].partitions), [(7, "", 0)]);
    assert_eq!(told(&fetched.topics[1].partitions), [(-1, "", ErrorCode::UnknownTopicId.number())]);
    node.stop().await;
}

#[tokio::test]
async fn ends_are_listed_in_every_version() {
    const LATEST: i64 = -1;
    let node = Node::start();
    node.create("orders", 1).await;
    for version in ListOffsetsRequest::KEY.served().iter() {
        let partition = ListOffsetsPartition { timestamp: LATEST, ..ListOffsetsPartition::default() };
        let topic = ListOffsetsTopic { name: "orders".into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
        let listed = node.ask(version, request).await.topics.remove(0).partitions.remove(0);
        assert_eq!((listed.error_code, listed.offset), (0, 0));
        assert_eq!(listed.leader_epoch >= 0, version >= 4, "version {version}");
    }
    node.stop().await;
}

/// A special time that a version does not know yet is refused in it, as Kafka does.
#[tokio::test]
async fn special_times_need_their_version() {
    let node = Node::start();
    node.create("orders", 1).await;
    for (timestamp, first) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
        for version in [first - 1, first] {
            let partitions = vec![ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() }];
            let topics = vec![ListOffsetsTopic { name: "orders".into(), partitions }];
            let request = ListOffsetsRequest { topics, ..ListOffsetsRequest::default() };
            let answer = node.ask(version, request).await;
            let expected = if version < first { ErrorCode::UnsupportedVersion } else { ErrorCode::None };
            assert_eq!(answer.topics[0].partitions[0].error_code, expected.number(), "{timestamp} in {version}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn group_without_a_name_keeps_offsets_and_has_no_members() {
    let node = Node::start();
    node.create("orders", 1).await;
    let nameless = || OffsetCommitRequest { group_id: "".into(), ..commit("orders", vec![partition(0, 7, "m")]) };
    for version in 2..=9 {
        assert_eq!(errors(&node, version, nameless()).await, [0]);
    }
    let all = OffsetFetchRequestGroup { topics: None, ..OffsetFetchRequestGroup::default() };
    let request = OffsetFetchRequest { groups: vec![all], ..OffsetFetchRequest::default() };
    let fetched = node.ask(8, request).await.groups.remove(0);
    assert_eq!((fetched.error_code, told(&fetched.topics[0].partitions)), (0, vec![(7, "m", 0)]));
    let listed = node.ask(5, ListGroupsRequest::default()).await.groups;
    assert_eq!(listed.iter().map(|group| &*group.group_id).collect::<Vec<_>>(), [""]);
    let described = DescribeGroupsRequest { groups: vec!["".into()], ..DescribeGroupsRequest::default() };
    assert_eq!(&*node.ask(6, described).await.groups[0].group_state, "Empty");
    let delete = || DeleteGroupsRequest { groups_names: vec!["".into()] };
    assert_eq!(node.ask(2, delete()).await.results[0].error_code, 0);
    assert_eq!(node.ask(2, delete()).await.results[0].error_code, ErrorCode::GroupIdNotFound.number());
    node.stop().await;
}
