//! LeaveGroup: members leave, or are removed by an administrator.

use omnibus_model::command::Leaver;
use omnibus_model::{Command, GroupName, Outcome};

use super::Context;
use super::group::{group_name, instance_id, member_id};
use crate::errors::{member_error, refused};
use crate::wire::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};
use crate::wire::{ErrorCode, WireString};

/// From this version on many members may leave at once, each with its own error (KIP-345).
const BATCHED_FROM: i16 = 3;

pub(super) async fn handle(context: &Context, mut request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    if version < BATCHED_FROM {
        request.members = vec![MemberIdentity { member_id: request.member_id, ..MemberIdentity::default() }];
    }
    let errors = match group_name(&request.group_id) {
        Ok(group) => leave(context, group, &request.members).await,
        Err(error) => Err(error),
    };
    match errors {
        Ok(errors) if version < BATCHED_FROM => answer(errors.first().copied().unwrap_or_default(), Vec::new()),
        Ok(errors) => answer(ErrorCode::None, request.members.into_iter().zip(errors).map(member_left).collect()),
        Err(error) => answer(error, Vec::new()),
    }
}

/// Returns what became of each member, in order.
async fn leave(context: &Context, group: GroupName, members: &[MemberIdentity]) -> Result<Vec<ErrorCode>, ErrorCode> {
    let shard = context.engine.group_shard(&group);
    let members = members.iter().map(leaver).collect::<Result<Vec<_>, _>>()?;
    let count = members.len();
    match context.engine.submit(shard, Command::LeaveGroup { group, members }).await {
        Ok(Outcome::Left { members }) => Ok(members.iter().map(|(_, left)| leave_error(left)).collect()),
        Ok(other) => unreachable!("leaving a group ended in {other:?}"),
        Err(error) if member_error(&error) == ErrorCode::UnknownMemberId => Ok(vec![ErrorCode::UnknownMemberId; count]),
        Err(error) => Err(member_error(&error)),
    }
}

fn leaver(member: &MemberIdentity) -> Result<Leaver, ErrorCode> {
    Ok(Leaver {
        member: member_id(&member.member_id),
        instance: instance_id(member.group_instance_id.as_ref())?,
        reason: member.reason.as_ref().map(WireString::to_string),
    })
}

fn leave_error(left: &Result<(), omnibus_model::Refusal>) -> ErrorCode {
    left.as_ref().err().map_or(ErrorCode::None, refused)
}

fn member_left((member, error): (MemberIdentity, ErrorCode)) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: error.number(),
    }
}

fn answer(error: ErrorCode, members: Vec<MemberResponse>) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.number(), members, ..LeaveGroupResponse::default() }
}
