//! DescribeConfigs: every config of a resource, with its type and where its value is from.

use omnibus_model::config::ConfigScope;

use super::Context;
use super::failure::Failure;
use super::resource::{self, Resource};
use crate::configs::{self, Entry, Synonym};
use crate::wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use crate::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::{ErrorCode, WireString};

pub(super) async fn handle(
    context: &Context,
    request: DescribeConfigsRequest,
    _version: i16,
) -> DescribeConfigsResponse {
    let mut results = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let found = entries(context, resource);
        let failure = found.as_ref().err();
        results.push(DescribeConfigsResult {
            error_code: failure.map_or(ErrorCode::None, |failure| failure.error).number(),
            error_message: failure.map_or(Some(WireString::new()), Failure::wire_message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: found.unwrap_or_default().into_iter().map(|entry| described(entry, &request)).collect(),
        });
    }
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

fn entries(context: &Context, wanted: &DescribeConfigsResource) -> Result<Vec<Entry>, Failure> {
    let entries = match resource::find(context, wanted.resource_type, &wanted.resource_name)? {
        Resource::Topic(topic) => configs::topic::describe(&topic.config, &context.engine.configs().inherited()),
        Resource::Brokers(ConfigScope::Node(_)) => configs::broker::describe(&resource::broker_facts(context)),
        Resource::Brokers(ConfigScope::Cluster) => {
            configs::broker::describe_cluster(&context.engine.configs().brokers(ConfigScope::Cluster))
        }
        Resource::Group(group) => {
            let config = context.engine.configs().group(&group);
            configs::group::describe(&config, &resource::group_facts(context))
        }
    };
    let keys = wanted.configuration_keys.as_deref().unwrap_or_default();
    let is_wanted = |entry: &Entry| keys.is_empty() || keys.iter().any(|key| *key == entry.name);
    Ok(entries.into_iter().filter(is_wanted).collect())
}

fn described(entry: Entry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: WireString::from_static(entry.name),
        read_only: entry.is_read_only(),
        config_source: entry.source as i8,
        is_sensitive: false,
        synonyms: if request.include_synonyms { entry.synonyms.into_iter().map(synonym).collect() } else { Vec::new() },
        config_type: entry.kind as i8,
        documentation: request.include_documentation.then(|| WireString::from_static(entry.documentation)),
        value: entry.value.map(WireString::from),
    }
}

fn synonym(synonym: Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: WireString::from_static(synonym.name),
        value: Some(synonym.value.into()),
        source: synonym.source as i8,
    }
}
