//! IncrementalAlterConfigs: changes single configs of a resource (KIP-339).

use omnibus_model::topic::{EffectiveConfig, TopicConfig};

use super::Context;
use super::config_changes::{Base, Changes, change_brokers, change_group, rewrite_topic};
use super::distinct::{Times, distinct};
use super::failure::Failure;
use super::mode::Mode;
use super::resource::{self, Resource};
use crate::configs::ConfigError;
use crate::configs::topic::{self, Change};
use crate::wire::ErrorCode;
use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::wire::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

/// What is to be done to a config, by its number on the wire.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) async fn handle(
    context: &Context,
    request: IncrementalAlterConfigsRequest,
    _version: i16,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

async fn alter(context: &Context, wanted: &AlterConfigsResource, mode: Mode) -> Result<(), Failure> {
    let resource = resource::find_to_alter(context, wanted.resource_type, &wanted.resource_name)?;
    let names = distinct(wanted.configs.iter().map(|config| &config.name).collect(), |name| name.to_string());
    if names.iter().any(|(_, times)| *times == Times::Often) {
        return Err(Failure::new(ErrorCode::InvalidRequest, "a config is named more than once"));
    }
    let changes: Changes<'_> = wanted.configs.iter().map(change).collect::<Result<_, _>>()?;
    match resource {
        Resource::Topic(topic) => {
            let defaults = context.engine.config_defaults();
            rewrite_topic(context, topic, mode, |before| rewrite(before, &changes, &defaults)).await
        }
        Resource::Brokers(scope) => change_brokers(context, scope, (Base::Present, &changes), mode).await,
        Resource::Group(group) => change_group(context, group, (Base::Present, &changes), mode).await,
    }
}

fn change(config: &AlterableConfig) -> Result<(&str, Change<'_>), Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    let change = match (config.config_operation, config.value.as_deref()) {
        (DELETE, _) => Change::Clear,
        (SET, Some(value)) => Change::Set(value),
        (APPEND, Some(value)) => Change::Append(value),
        (SUBTRACT, Some(value)) => Change::Subtract(value),
        (SET | APPEND | SUBTRACT, None) => {
            return Err(invalid(format!("Null value not supported for : {}", config.name)));
        }
        (other, _) => return Err(invalid(format!("Unknown operations type {other}"))),
    };
    Ok((&config.name, change))
}

fn rewrite(
    before: &TopicConfig,
    changes: &[(&str, Change<'_>)],
    defaults: &EffectiveConfig,
) -> Result<TopicConfig, ConfigError> {
    let mut after = before.clone();
    for (name, change) in changes {
        topic::change(&mut after, name, *change, defaults)?;
    }
    topic::check(&after, defaults)?;
    Ok(after)
}
