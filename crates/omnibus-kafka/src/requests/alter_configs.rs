//! AlterConfigs: replaces all configs of a resource; what is not named goes back to its default.

use super::Context;
use super::config_changes::{Base, Changes, change_brokers, change_group, rewrite_topic};
use super::distinct::distinct;
use super::failure::Failure;
use super::mode::Mode;
use super::resource::{self, Resource};
use crate::configs::{self, topic::Change};
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use crate::wire::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

pub(super) async fn handle(context: &Context, request: AlterConfigsRequest, _version: i16) -> AlterConfigsResponse {
    let mode = Mode::from(request.validate_only);
    let key = |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let mut responses = Vec::with_capacity(request.resources.len());
    for (resource, times) in distinct(request.resources, key) {
        let failure = match times.check() {
            Ok(()) => alter(context, &resource, mode).await.err(),
            Err(failure) => Some(failure),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code: failure.as_ref().map_or(ErrorCode::None, |failure| failure.error).number(),
            error_message: failure.as_ref().and_then(Failure::wire_message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

async fn alter(context: &Context, wanted: &AlterConfigsResource, mode: Mode) -> Result<(), Failure> {
    let resource = resource::find_to_alter(context, wanted.resource_type, &wanted.resource_name)?;
    let pairs = || wanted.configs.iter().map(|config| (&*config.name, config.value.as_deref()));
    if let Some((name, _)) = pairs().find(|(_, value)| value.is_none()) {
        return Err(Failure::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {name}")));
    }
    let changes: Changes<'_> = pairs().map(|(name, value)| (name, Change::Set(value.unwrap_or_default()))).collect();
    match resource {
        Resource::Topic(topic) => {
            let defaults = context.engine.config_defaults();
            rewrite_topic(context, topic, mode, |_| configs::topic::read(pairs(), &defaults)).await
        }
        Resource::Brokers(scope) => change_brokers(context, scope, (Base::Nothing, &changes), mode).await,
        Resource::Group(group) => change_group(context, group, (Base::Nothing, &changes), mode).await,
    }
}
