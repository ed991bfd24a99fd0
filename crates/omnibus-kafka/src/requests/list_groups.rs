//! ListGroups: all groups, by state and type if so wanted.

use omnibus_model::group::{GroupKind, GroupListing};

use super::Context;
use super::group::state_name;
use crate::errors::coordinator_error;
use crate::wire::WireString;
use crate::wire::messages::list_groups_request::ListGroupsRequest;
use crate::wire::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

pub(super) async fn handle(context: &Context, request: ListGroupsRequest, _version: i16) -> ListGroupsResponse {
    match context.engine.groups().await {
        Ok(groups) => {
            // Each broker lists those that it coordinates.
            let wanted = groups.iter().filter(|group| {
                context.coordinates(&group.group)
                    && names(&request.states_filter, state_name(group.state))
                    && names(&request.types_filter, kind_name(group.kind))
            });
            ListGroupsResponse { groups: wanted.map(listed).collect(), ..ListGroupsResponse::default() }
        }
        Err(error) => {
            ListGroupsResponse { error_code: coordinator_error(&error).number(), ..ListGroupsResponse::default() }
        }
    }
}

/// Whether a filter lets `name` through: an empty one lets everything.
fn names(filter: &[WireString], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn listed(group: &GroupListing) -> ListedGroup {
    ListedGroup {
        group_id: group.group.as_str().into(),
        protocol_type: group.protocol_type.as_str().into(),
        group_state: WireString::from_static(state_name(group.state)),
        group_type: WireString::from_static(kind_name(group.kind)),
    }
}

const fn kind_name(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Classic => "classic",
        GroupKind::Consumer => "consumer",
    }
}
