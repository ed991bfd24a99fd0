//! ConsumerGroupDescribe: consumer groups and their members (KIP-848).

use omnibus_engine::catalog::Catalog;
use omnibus_model::PartitionIndex;
use omnibus_model::group::{GroupKind, GroupView, MemberView, TopicPartitions as Share};

use super::Context;
use super::group::{GROUP_OPERATIONS, OPERATIONS_UNKNOWN, group_name, state_name};
use crate::errors::coordinator_error;
use crate::wire::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use crate::wire::messages::consumer_group_describe_response::{
    Assignment, ConsumerGroupDescribeResponse, DescribedGroup, Member, TopicPartitions,
};
use crate::wire::{ErrorCode, WireString};

/// The kind of a member that heartbeats by this protocol; a classic one would be 0.
const MEMBER_TYPE_CONSUMER: i8 = 1;

pub(super) async fn handle(
    context: &Context,
    request: ConsumerGroupDescribeRequest,
    _version: i16,
) -> ConsumerGroupDescribeResponse {
    let authorized_operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_UNKNOWN };
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let described = match describe(context, &group_id).await {
            Ok(group) => DescribedGroup { authorized_operations, ..group },
            Err((error, message)) => DescribedGroup {
                error_code: error.number(),
                error_message: Some(message.into()),
                ..DescribedGroup::default()
            },
        };
        groups.push(DescribedGroup { group_id, ..described });
    }
    ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
}

async fn describe(context: &Context, group_id: &str) -> Result<DescribedGroup, (ErrorCode, String)> {
    let group = group_name(group_id).map_err(|error| (error, String::from("the group's name is not valid")))?;
    match context.engine.group(group).await {
        Ok(Some(view)) if view.kind == GroupKind::Consumer => Ok(found(context.engine.catalog(), view)),
        Ok(Some(_)) => Err((ErrorCode::GroupIdNotFound, format!("group {group_id} is not a consumer group"))),
        Ok(None) => Err((ErrorCode::GroupIdNotFound, format!("group {group_id} is not found"))),
        Err(error) => Err((coordinator_error(&error), error.to_string())),
    }
}

fn found(catalog: &Catalog, group: GroupView) -> DescribedGroup {
    DescribedGroup {
        group_state: WireString::from_static(state_name(group.state)),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.protocol.into(),
        members: group.members.into_iter().filter_map(|view| member(catalog, view)).collect(),
        ..DescribedGroup::default()
    }
}

fn member(catalog: &Catalog, member: MemberView) -> Option<Member> {
    let consumer = member.consumer?;
    Some(Member {
        member_id: member.member.as_str().into(),
        instance_id: member.instance.map(|instance| instance.as_str().into()),
        rack_id: member.client.rack.map(WireString::from),
        member_epoch: consumer.epoch,
        client_id: member.client.id.into(),
        client_host: member.client.host.into(),
        subscribed_topic_names: consumer.subscribed.iter().map(|topic| topic.as_str().into()).collect(),
        subscribed_topic_regex: Some(consumer.subscribed_pattern.unwrap_or_default().into()),
        assignment: assignment(catalog, consumer.owned),
        target_assignment: assignment(catalog, consumer.target),
        member_type: MEMBER_TYPE_CONSUMER,
    })
}

/// Adds the names of topics; those that are gone have none and are left out.
fn assignment(catalog: &Catalog, shares: Vec<Share>) -> Assignment {
    let index = |partition: PartitionIndex| i32::try_from(partition.0).unwrap_or(i32::MAX);
    let named = |share: Share| {
        let topic = catalog.topic_by_id(share.topic)?;
        Some(TopicPartitions {
            topic_id: share.topic,
            topic_name: topic.name.as_str().into(),
            partitions: share.partitions.into_iter().map(index).collect(),
        })
    };
    Assignment { topic_partitions: shares.into_iter().filter_map(named).collect() }
}
