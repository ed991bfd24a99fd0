//! SyncGroup: a classic member asks for its share; the leader brings everybody's.

use bytes::Bytes;
use omnibus_model::MemberId;
use omnibus_model::command::SyncGroup;

use super::Context;
use super::group::{group_name, instance_id, member_id};
use crate::errors::member_error;
use crate::wire::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::wire::messages::sync_group_response::SyncGroupResponse;
use crate::wire::{ErrorCode, WireString};

/// From this version on a member says which protocol it has in mind (KIP-559).
const PROTOCOL_NAMED_FROM: i16 = 5;

pub(super) async fn handle(context: &Context, request: SyncGroupRequest, version: i16) -> SyncGroupResponse {
    let answer = match command(&request, version) {
        Ok(command) => context.engine.sync_group(command).await.map_err(|error| member_error(&error)),
        Err(error) => Err(error),
    };
    match answer {
        Ok(synced) => SyncGroupResponse {
            protocol_type: Some(synced.protocol_type.into()),
            protocol_name: Some(synced.protocol.into()),
            assignment: synced.assignment,
            ..SyncGroupResponse::default()
        },
        Err(error) => SyncGroupResponse { error_code: error.number(), ..SyncGroupResponse::default() },
    }
}

fn command(request: &SyncGroupRequest, version: i16) -> Result<SyncGroup, ErrorCode> {
    let unnamed = request.protocol_type.is_none() || request.protocol_name.is_none();
    if version >= PROTOCOL_NAMED_FROM && unnamed {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    Ok(SyncGroup {
        group: group_name(&request.group_id)?,
        member: member_id(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?,
        instance: instance_id(request.group_instance_id.as_ref())?,
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_ref().map(WireString::to_string),
        protocol: request.protocol_name.as_ref().map(WireString::to_string),
        assignments: request.assignments.iter().filter_map(share).collect(),
    })
}

/// Copies what the broker will remember: it would keep the whole frame otherwise.
fn share(assignment: &SyncGroupRequestAssignment) -> Option<(MemberId, Bytes)> {
    Some((member_id(&assignment.member_id)?, Bytes::copy_from_slice(&assignment.assignment)))
}
