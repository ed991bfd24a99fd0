//! Metadata: brokers, topics, and who leads which partition; may create topics.

use std::collections::BTreeSet;

use omnibus_engine::SubmitError;
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{Refusal, ShardId, TopicId, TopicName};

use super::Context;
use crate::cluster::{Broker, NO_BROKER};
use crate::errors::submit_error;
use crate::listed;
use crate::wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::{ErrorCode, WireString};

/// Everything that may be done to a topic, as bits (KIP-430): without access control, all.
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;

/// Everything that may be done to a cluster, as bits (KIP-430).
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Which topics are meant.
enum Wanted {
    All,
    These(Vec<MetadataRequestTopic>),
}

pub(super) async fn handle(context: &Context, request: MetadataRequest, version: i16) -> MetadataResponse {
    let mut topics = Vec::new();
    match wanted(&request, version) {
        Wanted::All => {
            let all = listed::topics(context.engine.catalog());
            context.know_leaders(&shards(&all)).await;
            topics.extend(all.iter().map(|topic| found(context, topic)));
        }
        Wanted::These(these) => {
            let known: Vec<SharedTopic> = these.iter().filter_map(|wanted| known(context, wanted)).collect();
            if known.len() < these.len() {
                // Somebody may have been told a moment ago that it is there.
                context.engine.learn_names().await;
            }
            context.know_leaders(&shards(&known)).await;
            for topic in these {
                topics.push(look_up(context, topic, may_create(&request, version)).await);
            }
        }
    }
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.name.is_some()) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    MetadataResponse {
        brokers: context.brokers().into_iter().map(broker).collect(),
        cluster_id: Some(context.settings.cluster_id.as_str().into()),
        controller_id: context.leader(ShardId::METADATA).unwrap_or(NO_BROKER),
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            i32::MIN
        },
        ..MetadataResponse::default()
    }
}

/// In version 0 an empty list means all; later an absent one does.
fn wanted(request: &MetadataRequest, version: i16) -> Wanted {
    match &request.topics {
        None => Wanted::All,
        Some(topics) if version == 0 && topics.is_empty() => Wanted::All,
        Some(topics) => Wanted::These(topics.clone()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Creation {
    Allowed,
    Forbidden,
}

fn may_create(request: &MetadataRequest, version: i16) -> Creation {
    if version < 4 || request.allow_auto_topic_creation { Creation::Allowed } else { Creation::Forbidden }
}

fn known(context: &Context, wanted: &MetadataRequestTopic) -> Option<SharedTopic> {
    let catalog = context.engine.catalog();
    match &wanted.name {
        Some(name) => listed::topic(catalog, name),
        None => listed::topic_by_id(catalog, wanted.topic_id),
    }
}

/// The shards that topics lie in.
pub(super) fn shards(topics: &[SharedTopic]) -> BTreeSet<ShardId> {
    topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.shard).collect()
}

async fn look_up(context: &Context, wanted: MetadataRequestTopic, creation: Creation) -> MetadataResponseTopic {
    let Some(name) = wanted.name.filter(|_| wanted.topic_id == TopicId::default()) else {
        return match listed::topic_by_id(context.engine.catalog(), wanted.topic_id) {
            Some(topic) => found(context, &topic),
            None => missing(None, wanted.topic_id, ErrorCode::UnknownTopicId),
        };
    };
    if let Some(topic) = listed::topic(context.engine.catalog(), &name) {
        return found(context, &topic);
    }
    let error = match (super::create_topics::topic_name(&name), creation) {
        (Err(_), _) => ErrorCode::InvalidTopicException,
        (Ok(topic), Creation::Allowed) if context.settings.auto_create_topics => match create(context, topic).await {
            Ok(topic) => return found(context, &topic),
            Err(error) => submit_error(&error),
        },
        (Ok(_), _) => ErrorCode::UnknownTopicOrPartition,
    };
    missing(Some(name), TopicId::default(), error)
}

async fn create(context: &Context, name: TopicName) -> Result<SharedTopic, SubmitError> {
    let command = CreateTopic {
        name: name.clone(),
        id: TopicId(context.engine.random()),
        partitions: context.settings.default_partitions,
        config: TopicConfig::default(),
    };
    match context.engine.create_topic(command).await {
        // Somebody else was faster.
        Err(SubmitError::Refused(Refusal::TopicExists { .. })) => Ok(context.engine.topic(&name)?),
        created => created,
    }
}

fn found(context: &Context, topic: &SharedTopic) -> MetadataResponseTopic {
    let (replicas, reachable) = (context.replicas(), context.reachable());
    let offline: Vec<i32> = replicas.iter().filter(|broker| !reachable.contains(broker)).copied().collect();
    let partitions = (0..).zip(topic.partitions.iter().enumerate()).map(|(partition_index, (place, partition))| {
        let (leader_id, leader_epoch) = context.wire_leader(partition.shard);
        let error = if leader_id == NO_BROKER { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
        MetadataResponsePartition {
            error_code: error.number(),
            partition_index,
            leader_id,
            leader_epoch,
            replica_nodes: context.in_order(&replicas, topic, place),
            isr_nodes: reachable.clone(),
            offline_replicas: offline.clone(),
        }
    });
    MetadataResponseTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id,
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

fn missing(name: Option<WireString>, topic_id: TopicId, error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code: error.number(), name, topic_id, ..MetadataResponseTopic::default() }
}

fn broker(broker: Broker) -> MetadataResponseBroker {
    let Broker { id, host, port, rack } = broker;
    MetadataResponseBroker { node_id: id, host: host.into(), port, rack: rack.map(WireString::from) }
}
