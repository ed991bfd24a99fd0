use super::Node;
use crate::wire::ErrorCode;
use crate::wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use crate::wire::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::wire::messages::describe_groups_request::DescribeGroupsRequest;
use crate::wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};

fn join() -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 5000,
        subscribed_topic_names: Some(vec!["orders".into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

fn beat(member_epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch,
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// The partitions that the answer gives, of all topics together.
fn assigned(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<ConsumerGroupHeartbeatRequest>().await;
    node.answers_every_version::<ConsumerGroupDescribeRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn malformed_heartbeats_are_refused() {
    let node = Node::start();
    let malformed = [
        ConsumerGroupHeartbeatRequest { group_id: "".into(), ..join() },
        ConsumerGroupHeartbeatRequest { member_id: "".into(), ..join() },
        ConsumerGroupHeartbeatRequest { instance_id: Some("".into()), ..join() },
        ConsumerGroupHeartbeatRequest { rack_id: Some("".into()), ..join() },
        ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..join() },
        ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..join() },
        ConsumerGroupHeartbeatRequest { topic_partitions: None, ..join() },
        beat(-2),
        beat(-3),
    ];
    for request in malformed {
        let response = node.ask(1, request.clone()).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.number(), "{request:?}");
        assert!(response.error_message.is_some());
    }
    let assignor = ConsumerGroupHeartbeatRequest { server_assignor: Some("foo".into()), ..join() };
    assert_eq!(node.ask(1, assignor).await.error_code, ErrorCode::UnsupportedAssignor.number());
    let pattern = ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("(".into()), ..join() };
    assert_eq!(node.ask(1, pattern).await.error_code, ErrorCode::InvalidRegularExpression.number());
    assert_eq!(node.ask(1, beat(1)).await.error_code, ErrorCode::GroupIdNotFound.number());
    node.stop().await;
}

#[tokio::test]
async fn member_joins_by_name_and_leaves() {
    let node = Node::start();
    node.create("orders", 3).await;
    let joined = node.ask(1, join()).await;
    assert_eq!((joined.error_code, joined.member_id.as_deref()), (0, Some("m")), "{:?}", joined.error_message);
    assert_eq!((joined.heartbeat_interval_ms, assigned(&joined)), (5000, Some(vec![0, 1, 2])));
    let again = node.ask(1, beat(joined.member_epoch)).await;
    assert_eq!((again.error_code, assigned(&again)), (0, None));
    let ahead = node.ask(1, beat(joined.member_epoch + 1)).await;
    assert_eq!(ahead.error_code, ErrorCode::FencedMemberEpoch.number());
    let left = node.ask(1, beat(-1)).await;
    assert_eq!((left.error_code, left.member_epoch, left.heartbeat_interval_ms), (0, -1, 0));
    node.stop().await;
}

#[tokio::test]
async fn version_0_gets_its_member_id_from_the_broker() {
    let node = Node::start();
    node.create("orders", 1).await;
    let joined = node.ask(0, ConsumerGroupHeartbeatRequest { member_id: "".into(), ..join() }).await;
    assert_eq!(joined.error_code, 0);
    assert!(joined.member_id.is_some_and(|id| !id.is_empty()));
    node.stop().await;
}

#[tokio::test]
async fn pattern_takes_in_topics_that_come_later() {
    let node = Node::start();
    node.create("orders", 1).await;
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some("or.*".into()),
        ..join()
    };
    let joined = node.ask(1, request).await;
    assert_eq!(assigned(&joined), Some(vec![0]));
    node.create("origins", 1).await;
    node.create("others", 1).await;
    let grown = node.ask(1, beat(joined.member_epoch)).await;
    assert_eq!(assigned(&grown), Some(vec![0, 0]));
    node.stop().await;
}

#[tokio::test]
async fn consumer_group_is_described_with_its_topics() {
    let node = Node::start();
    let id = node.create("orders", 2).await;
    node.ask(1, join()).await;
    let describe = ConsumerGroupDescribeRequest {
        group_ids: vec!["g".into(), "none".into(), "".into()],
        ..ConsumerGroupDescribeRequest::default()
    };
    let groups = node.ask(1, describe).await.groups;
    let member = &groups[0].members[0];
    assert_eq!((&*groups[0].group_state, &*groups[0].assignor_name), ("Stable", "uniform"));
    assert_eq!((&*member.client_id, member.member_type), ("tester", 1));
    let share = &member.assignment.topic_partitions[0];
    assert_eq!((share.topic_id, &*share.topic_name, &*share.partitions), (id, "orders", &[0, 1][..]));
    assert_eq!(groups[1].error_code, ErrorCode::GroupIdNotFound.number());
    assert_eq!(groups[2].error_code, ErrorCode::InvalidGroupId.number());
    let classic = DescribeGroupsRequest { groups: vec!["g".into()], ..DescribeGroupsRequest::default() };
    assert_eq!(node.ask(6, classic).await.groups[0].error_code, ErrorCode::GroupIdNotFound.number());
    node.stop().await;
}

#[tokio::test]
async fn classic_group_is_none_that_describes_or_heartbeats_as_a_consumer_group() {
    let node = Node::start();
    node.create("orders", 1).await;
    let classic = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), ..JoinGroupRequestProtocol::default() }],
        ..JoinGroupRequest::default()
    };
    assert_eq!(node.ask(3, JoinGroupRequest { rebalance_timeout_ms: 10_000, ..classic }).await.error_code, 0);
    let describe =
        ConsumerGroupDescribeRequest { group_ids: vec!["g".into()], ..ConsumerGroupDescribeRequest::default() };
    assert_eq!(node.ask(1, describe).await.groups[0].error_code, ErrorCode::GroupIdNotFound.number());
    assert_eq!(node.ask(1, join()).await.error_code, ErrorCode::GroupIdNotFound.number());
    node.stop().await;
}
