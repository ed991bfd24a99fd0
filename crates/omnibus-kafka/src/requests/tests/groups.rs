use bytes::Bytes;

use super::Node;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::wire::messages::delete_groups_request::DeleteGroupsRequest;
use crate::wire::messages::describe_groups_request::DescribeGroupsRequest;
use crate::wire::messages::heartbeat_request::HeartbeatRequest;
use crate::wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::messages::join_group_response::JoinGroupResponse;
use crate::wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::list_groups_request::ListGroupsRequest;
use crate::wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::wire::{ErrorCode, Output, WireString};

/// What a consumer says that it reads.
fn subscription(topic: &str) -> Bytes {
    let message =
        ConsumerProtocolSubscription { topics: vec![topic.into()], ..ConsumerProtocolSubscription::default() };
    let mut out = Output::new();
    out.put_slice(&1_i16.to_be_bytes());
    message.encode(&mut out, 1).unwrap();
    out.into_bytes()
}

fn join(member_id: &WireString) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.clone(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: subscription("orders") }],
        ..JoinGroupRequest::default()
    }
}

fn sync(joined: &JoinGroupResponse) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(b"share"),
        }],
        ..SyncGroupRequest::default()
    }
}

/// Lets one member join a group and get its share.
async fn join_and_sync(node: &Node) -> JoinGroupResponse {
    let told = node.ask(9, join(&WireString::new())).await;
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired.number());
    let joined = node.ask(9, join(&told.member_id)).await;
    assert_eq!(joined.error_code, 0);
    let synced = node.ask(5, sync(&joined)).await;
    assert_eq!((synced.error_code, synced.assignment.as_ref()), (0, &b"share"[..]));
    joined
}

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<JoinGroupRequest>().await;
    node.answers_every_version::<SyncGroupRequest>().await;
    node.answers_every_version::<HeartbeatRequest>().await;
    node.answers_every_version::<LeaveGroupRequest>().await;
    node.answers_every_version::<DescribeGroupsRequest>().await;
    node.answers_every_version::<ListGroupsRequest>().await;
    node.answers_every_version::<DeleteGroupsRequest>().await;
    node.answers_every_version::<OffsetDeleteRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn new_member_learns_its_id_joins_and_gets_its_share() {
    let node = Node::start();
    let joined = join_and_sync(&node).await;
    assert!(joined.member_id.starts_with("tester-"), "{}", joined.member_id);
    assert_eq!((joined.leader.clone(), joined.members.len()), (joined.member_id.clone(), 1));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    let heartbeat = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    assert_eq!(node.ask(4, heartbeat.clone()).await.error_code, 0);
    let stale = HeartbeatRequest { generation_id: joined.generation_id - 1, ..heartbeat };
    assert_eq!(node.ask(4, stale).await.error_code, ErrorCode::IllegalGeneration.number());
    node.stop().await;
}

#[tokio::test]
async fn old_versions_join_without_learning_an_id_first() {
    for version in 0..=3 {
        let node = Node::start();
        let joined = node.ask(version, join(&WireString::new())).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        node.stop().await;
    }
}

#[tokio::test]
async fn joining_is_refused_where_kafka_refuses_it() {
    let node = Node::start();
    let join = || join(&WireString::new());
    let refused = [
        (JoinGroupRequest { group_id: "".into(), ..join() }, ErrorCode::InvalidGroupId),
        (JoinGroupRequest { session_timeout_ms: 100, ..join() }, ErrorCode::InvalidSessionTimeout),
        (JoinGroupRequest { member_id: "x".into(), ..join() }, ErrorCode::UnknownMemberId),
        (JoinGroupRequest { protocols: Vec::new(), ..join() }, ErrorCode::InconsistentGroupProtocol),
        (JoinGroupRequest { protocol_type: "".into(), ..join() }, ErrorCode::InconsistentGroupProtocol),
    ];
    for (request, error) in refused {
        for version in [5, 9] {
            let response = node.ask(version, request.clone()).await;
            assert_eq!(response.error_code, error.number(), "{request:?}");
            assert_eq!(response.member_id, request.member_id);
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn group_that_is_not_there_is_none_that_anybody_is_a_member_of() {
    let node = Node::start();
    let (group_id, member_id) = (WireString::from("g"), WireString::from("m"));
    let unknown = ErrorCode::UnknownMemberId.number();
    let heartbeat =
        HeartbeatRequest { group_id: group_id.clone(), member_id: member_id.clone(), ..HeartbeatRequest::default() };
    assert_eq!(node.ask(4, heartbeat).await.error_code, unknown);
    let left = LeaveGroupRequest { group_id, member_id: member_id.clone(), ..LeaveGroupRequest::default() };
    assert_eq!(node.ask(1, left.clone()).await.error_code, unknown);
    let member = MemberIdentity { member_id, ..MemberIdentity::default() };
    let left = LeaveGroupRequest { member_id: "".into(), members: vec![member], ..left };
    let left = node.ask(5, left).await;
    assert_eq!((left.error_code, left.members[0].error_code), (0, unknown));
    let delete = DeleteGroupsRequest { groups_names: vec!["g".into(), "".into(), "g".into()] };
    let errors: Vec<i16> = node.ask(2, delete).await.results.iter().map(|result| result.error_code).collect();
    assert_eq!(errors, [ErrorCode::GroupIdNotFound.number(); 2]);
    node.stop().await;
}

#[tokio::test]
async fn missing_group_is_dead_or_from_version_6_on_an_error() {
    let node = Node::start();
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], ..DescribeGroupsRequest::default() };
    for (version, error) in [(0, ErrorCode::None), (5, ErrorCode::None), (6, ErrorCode::GroupIdNotFound)] {
        let group = node.ask(version, describe.clone()).await.groups.remove(0);
        assert_eq!((&*group.group_state, group.error_code), ("Dead", error.number()));
    }
    node.stop().await;
}

#[tokio::test]
async fn group_is_described_listed_left_and_deleted() {
    let node = Node::start();
    let joined = join_and_sync(&node).await;
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], include_authorized_operations: true };
    let group = node.ask(6, describe).await.groups.remove(0);
    assert_eq!((&*group.group_state, &*group.protocol_type, &*group.protocol_data), ("Stable", "consumer", "range"));
    assert_eq!((&*group.members[0].client_id, &*group.members[0].client_host), ("tester", "/127.0.0.1"));
    assert_eq!(group.members[0].member_assignment, &b"share"[..]);
    assert_eq!(group.authorized_operations, 3400);

    let delete = DeleteGroupsRequest { groups_names: vec!["g".into()] };
    assert_eq!(node.ask(2, delete.clone()).await.results[0].error_code, ErrorCode::NonEmptyGroup.number());
    let leave = LeaveGroupRequest {
        group_id: "g".into(),
        members: vec![MemberIdentity { member_id: joined.member_id, ..MemberIdentity::default() }],
        ..LeaveGroupRequest::default()
    };
    assert_eq!(node.ask(5, leave).await.members[0].error_code, 0);
    let states = ListGroupsRequest { states_filter: vec!["empty".into()], ..ListGroupsRequest::default() };
    let listed = node.ask(5, states).await.groups;
    assert_eq!((listed.len(), &*listed[0].group_state, &*listed[0].group_type), (1, "Empty", "classic"));
    let types = ListGroupsRequest { types_filter: vec!["consumer".into()], ..ListGroupsRequest::default() };
    assert_eq!(node.ask(5, types).await.groups.len(), 0);
    assert_eq!(node.ask(2, delete).await.results[0].error_code, 0);
    assert_eq!(node.ask(0, ListGroupsRequest::default()).await.groups.len(), 0);
    node.stop().await;
}

#[tokio::test]
async fn offsets_of_a_topic_that_is_being_read_are_not_deleted() {
    let node = Node::start();
    node.create("orders", 1).await;
    node.create("others", 1).await;
    join_and_sync(&node).await;
    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request =
        OffsetDeleteRequest { group_id: "g".into(), topics: vec![topic("orders"), topic("others"), topic("none")] };
    let deleted = node.ask(0, request.clone()).await;
    let errors: Vec<i16> = deleted.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    let wanted = [ErrorCode::GroupSubscribedToTopic, ErrorCode::None, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(errors, wanted.map(ErrorCode::number));
    let other = node.ask(0, OffsetDeleteRequest { group_id: "none".into(), ..request }).await;
    assert_eq!((other.error_code, other.topics.len()), (ErrorCode::GroupIdNotFound.number(), 0));
    node.stop().await;
}
