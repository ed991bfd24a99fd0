//! Groups and their members, as requests name them and responses describe them.

use omnibus_model::group::{ClientInfo, GroupState};
use omnibus_model::{GroupName, InstanceId, MemberId};

use super::Context;
use crate::wire::{ErrorCode, WireString};

/// Everything that may be done to a group, as bits (KIP-430): without access control, all.
pub(super) const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

/// Stands for operations that nobody asked for.
pub(super) const OPERATIONS_UNKNOWN: i32 = i32::MIN;

/// The most bytes that a client may note beside an offset.
pub(super) const METADATA_BYTES_MAX: usize = 4096;

/// From this version on requests for offsets name topics by their ids.
pub(super) const TOPIC_ID_FROM: i16 = 10;

/// Reads the name of a group that can have members.
pub(super) fn group_name(name: &str) -> Result<GroupName, ErrorCode> {
    if name.is_empty() { Err(ErrorCode::InvalidGroupId) } else { any_group_name(name) }
}

/// Reads the name of a group that may only keep offsets: old clients that chose no name share
/// the empty one.
pub(super) fn any_group_name(name: &str) -> Result<GroupName, ErrorCode> {
    GroupName::new(name).map_err(|_| ErrorCode::InvalidGroupId)
}

/// Reads a member's id; an empty one is none, and nobody has one that is too long.
pub(super) fn member_id(id: &str) -> Option<MemberId> {
    MemberId::new(id).ok()
}

/// Reads a static member's name.
pub(super) fn instance_id(id: Option<&WireString>) -> Result<Option<InstanceId>, ErrorCode> {
    id.map(|id| InstanceId::new(id)).transpose().map_err(|_| ErrorCode::InvalidRequest)
}

/// Who a member is, for those who look.
pub(super) fn client(context: &Context) -> ClientInfo {
    ClientInfo { id: context.client.id.to_string(), host: context.client.host.to_string(), rack: None }
}

/// A group's state, by the name that tools print.
pub(super) const fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::PreparingRebalance => "PreparingRebalance",
        GroupState::CompletingRebalance => "CompletingRebalance",
        GroupState::Stable => "Stable",
        GroupState::Assigning => "Assigning",
        GroupState::Reconciling => "Reconciling",
        GroupState::Dead => "Dead",
    }
}
