//! Heartbeat: a classic member is alive, and learns whether a new round has begun.

use super::Context;
use super::group::{group_name, instance_id, member_id};
use crate::errors::member_error;
use crate::wire::ErrorCode;
use crate::wire::messages::heartbeat_request::HeartbeatRequest;
use crate::wire::messages::heartbeat_response::HeartbeatResponse;

pub(super) async fn handle(context: &Context, request: HeartbeatRequest, _version: i16) -> HeartbeatResponse {
    let error = beat(context, &request).await.err().unwrap_or(ErrorCode::None);
    HeartbeatResponse { error_code: error.number(), ..HeartbeatResponse::default() }
}

async fn beat(context: &Context, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
    let group = group_name(&request.group_id)?;
    let member = member_id(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    let instance = instance_id(request.group_instance_id.as_ref())?;
    let alive = context.engine.heartbeat(group, member, instance, request.generation_id).await;
    alive.map_err(|error| member_error(&error))
}
