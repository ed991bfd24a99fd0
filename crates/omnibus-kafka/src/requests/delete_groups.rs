//! DeleteGroups: groups without members are forgotten with all their offsets.

use omnibus_model::Command;

use super::Context;
use super::distinct::distinct;
use super::group::any_group_name;
use crate::errors::coordinator_error;
use crate::wire::messages::delete_groups_request::DeleteGroupsRequest;
use crate::wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use crate::wire::{ErrorCode, WireString};

pub(super) async fn handle(context: &Context, request: DeleteGroupsRequest, _version: i16) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for (group_id, _) in distinct(request.groups_names, WireString::clone) {
        let error = delete(context, &group_id).await.err().unwrap_or(ErrorCode::None);
        results.push(DeletableGroupResult { group_id, error_code: error.number() });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}

async fn delete(context: &Context, group_id: &WireString) -> Result<(), ErrorCode> {
    let group = any_group_name(group_id).map_err(|_| ErrorCode::GroupIdNotFound)?;
    let shard = context.engine.group_shard(&group);
    let deleted = context.engine.submit(shard, Command::DeleteGroup { group }).await;
    deleted.map(|_| ()).map_err(|error| coordinator_error(&error))
}
