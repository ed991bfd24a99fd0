//! DescribeGroups: classic groups and their members.

use bytes::Bytes;
use omnibus_model::group::{GroupKind, GroupState, GroupView, MemberView};

use super::Context;
use super::group::{GROUP_OPERATIONS, OPERATIONS_UNKNOWN, any_group_name, state_name};
use crate::errors::coordinator_error;
use crate::wire::messages::describe_groups_request::DescribeGroupsRequest;
use crate::wire::messages::describe_groups_response::{DescribeGroupsResponse, DescribedGroup, DescribedGroupMember};
use crate::wire::{ErrorCode, WireString};

/// From this version on a group that is not there is an error (KIP-1043).
const NOT_FOUND_FROM: i16 = 6;

pub(super) async fn handle(context: &Context, request: DescribeGroupsRequest, version: i16) -> DescribeGroupsResponse {
    let authorized_operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_UNKNOWN };
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        groups.push(DescribedGroup { authorized_operations, ..describe(context, group_id, version).await });
    }
    DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
}

async fn describe(context: &Context, group_id: WireString, version: i16) -> DescribedGroup {
    let Ok(group) = any_group_name(&group_id) else { return dead(group_id, "not found", version) };
    match context.engine.group(group).await {
        Ok(Some(view)) if view.kind == GroupKind::Classic => found(group_id, view),
        Ok(Some(_)) => dead(group_id, "not a classic group", version),
        Ok(None) => dead(group_id, "not found", version),
        Err(error) => {
            DescribedGroup { group_id, error_code: coordinator_error(&error).number(), ..DescribedGroup::default() }
        }
    }
}

/// Before there was an error for it, a group that is not there was said to be dead.
fn dead(group_id: WireString, what: &str, version: i16) -> DescribedGroup {
    let is_error = version >= NOT_FOUND_FROM;
    DescribedGroup {
        error_code: if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None }.number(),
        error_message: is_error.then(|| format!("group {group_id} is {what}").into()),
        group_id,
        group_state: WireString::from_static(state_name(GroupState::Dead)),
        ..DescribedGroup::default()
    }
}

fn found(group_id: WireString, group: GroupView) -> DescribedGroup {
    // Only in a stable group is it settled which protocol counts and who has what.
    let is_stable = group.state == GroupState::Stable;
    let member = |member| if is_stable { settled(member) } else { unsettled(member) };
    DescribedGroup {
        group_id,
        group_state: WireString::from_static(state_name(group.state)),
        protocol_type: group.protocol_type.into(),
        protocol_data: if is_stable { group.protocol.into() } else { WireString::new() },
        members: group.members.into_iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn settled(member: MemberView) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.map(|instance| instance.as_str().into()),
        client_id: member.client.id.into(),
        client_host: member.client.host.into(),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}

fn unsettled(member: MemberView) -> DescribedGroupMember {
    DescribedGroupMember { member_metadata: Bytes::new(), member_assignment: Bytes::new(), ..settled(member) }
}
