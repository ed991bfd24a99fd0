//! FindCoordinator: which node speaks for a group.

use omnibus_model::GroupName;

use super::Context;
use crate::cluster::Broker;
use crate::wire::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::wire::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use crate::wire::{ErrorCode, WireString};

/// The kinds of keys, by their numbers on the wire.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// From this version on many keys are asked for at once (KIP-699).
const BATCHED_FROM: i16 = 4;

pub(super) async fn handle(
    context: &Context,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let keys = request.coordinator_keys.iter().chain([&request.key]);
    let groups = keys.filter(|_| request.key_type == GROUP).filter_map(|key| GroupName::new(key).ok());
    context.know_leaders(&groups.map(|group| context.engine.group_shard(&group)).collect()).await;
    if version >= BATCHED_FROM {
        let keys = request.coordinator_keys.into_iter();
        let coordinators = keys.map(|key| find(context, request.key_type, key)).collect();
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let found = find(context, request.key_type, request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message.filter(|message| !message.is_empty()).or(Some("NONE".into())),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn find(context: &Context, key_type: i8, key: WireString) -> Coordinator {
    match key_type {
        GROUP => match coordinator(context, &key) {
            Ok(Broker { id, host, port, .. }) => Coordinator {
                key,
                node_id: id,
                host: host.into(),
                port,
                error_code: ErrorCode::None.number(),
                error_message: Some(WireString::new()),
            },
            Err(error) => refuse(key, error, "nobody coordinates this group now"),
        },
        // Clients take any other error for one that passes, and ask for ever.
        TRANSACTION => {
            refuse(key, ErrorCode::TransactionalIdAuthorizationFailed, "this broker has no transactions yet")
        }
        _ => refuse(key, ErrorCode::InvalidRequest, "this broker coordinates consumer groups only"),
    }
}

/// The broker that leads the shard of a group. A name that is none has this one, which refuses it.
fn coordinator(context: &Context, group: &str) -> Result<Broker, ErrorCode> {
    let Ok(group) = GroupName::new(group) else { return Ok(context.this_broker()) };
    let leader = context.leader(context.engine.group_shard(&group));
    leader.and_then(|leader| context.broker(leader)).ok_or(ErrorCode::CoordinatorNotAvailable)
}

fn refuse(key: WireString, error: ErrorCode, message: &'static str) -> Coordinator {
    Coordinator {
        key,
        node_id: -1,
        host: WireString::new(),
        port: -1,
        error_code: error.number(),
        error_message: Some(WireString::from_static(message)),
    }
}
