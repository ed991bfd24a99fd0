//! ListConfigResources: what has configs that can be described (KIP-1142).

use super::Context;
use super::resource::{BROKER, GROUP, TOPIC};
use crate::listed;
use crate::wire::ErrorCode;
use crate::wire::messages::list_config_resources_request::ListConfigResourcesRequest;
use crate::wire::messages::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};

/// Before this version the request asked for subscriptions to clients' metrics only: there are none.
const TYPES_FROM: i16 = 1;

/// The kinds of resources that Kafka lists, by their numbers on the wire.
const LISTED: [i8; 5] = [2, 4, 8, 16, 32];

pub(super) async fn handle(
    context: &Context,
    request: ListConfigResourcesRequest,
    version: i16,
) -> ListConfigResourcesResponse {
    if version < TYPES_FROM {
        return ListConfigResourcesResponse::default();
    }
    if request.resource_types.iter().any(|wanted| !LISTED.contains(wanted)) {
        let error_code = ErrorCode::UnsupportedVersion.number();
        return ListConfigResourcesResponse { error_code, ..ListConfigResourcesResponse::default() };
    }
    let is_wanted = |kind: i8| request.resource_types.is_empty() || request.resource_types.contains(&kind);
    let mut config_resources = Vec::new();
    if is_wanted(BROKER) {
        let resource_name = context.settings.node_id.to_string().into();
        config_resources.push(ConfigResource { resource_name, resource_type: BROKER });
    }
    if is_wanted(GROUP) {
        let groups = context.engine.configs().groups();
        let groups = groups.iter().map(|group| group.as_str().into());
        config_resources.extend(groups.map(|resource_name| ConfigResource { resource_name, resource_type: GROUP }));
    }
    if is_wanted(TOPIC) {
        let topics = listed::topics(context.engine.catalog());
        let topics = topics.iter().map(|topic| topic.name.as_str().into());
        config_resources.extend(topics.map(|resource_name| ConfigResource { resource_name, resource_type: TOPIC }));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
