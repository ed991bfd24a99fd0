//! What a start finds on the disk: every shard's broker as it was.

use std::collections::HashSet;

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_log::{Checkpoint, Log, ReplayEntry};
use omnibus_model::queue::{CursorConfig, QueueLimits};
use omnibus_model::topic::{QueuePlace, SharedTopic};
use omnibus_model::{Bug, planted};
use omnibus_model::{LogIndex, NodeId, ShardId, StreamId, Term, TopicId, TopicName};

use crate::applying::apply_entry;
use crate::catalog::Catalog;
use crate::configs::Configs;
use crate::departing::Leftovers;
use crate::error::EngineError;

/// A shard's broker, and the newest entry that it knows.
#[derive(Debug)]
pub struct Recovered {
    pub broker: Broker,
    pub last: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// Entries that were repeated because no checkpoint held them yet.
    pub repeated: u64,
}

impl Recovered {
    const fn begin(broker: Broker, (last, term): (LogIndex, Term)) -> Self {
        Self { broker, last, term, repeated: 0 }
    }
}

/// Rebuilds every shard's broker from its checkpoint and the entries behind it.
///
/// # Errors
/// [`EngineError`] if either cannot be understood.
pub fn recover(
    limits: &BrokerLimits,
    shards: u16,
    checkpoints: &[Checkpoint],
    entries: &mut dyn Iterator<Item = ReplayEntry>,
) -> Result<Vec<Recovered>, EngineError> {
    let mut recovered: Vec<Recovered> =
        (0..shards).map(|_| Recovered::begin(Broker::new(*limits), (LogIndex(0), Term(0)))).collect();
    for checkpoint in checkpoints {
        let unreadable = |reason| EngineError::Checkpoint { shard: checkpoint.shard, reason };
        let shard = recovered.get_mut(usize::from(checkpoint.shard.0));
        let shard = shard.ok_or_else(|| unreadable(format!("there are only {shards} shards")))?;
        let broker = Broker::decode(*limits, &checkpoint.state).map_err(|error| unreadable(error.to_string()))?;
        *shard = Recovered::begin(broker, (checkpoint.index, checkpoint.term));
    }
    for entry in entries {
        let unreadable = |reason| EngineError::Entry { shard: entry.shard, index: entry.index, reason };
        let shard = recovered.get_mut(usize::from(entry.shard.0));
        let shard = shard.ok_or_else(|| unreadable(format!("there are only {shards} shards")))?;
        assert!(entry.index > shard.last, "entries behind a checkpoint come in order");
        (shard.last, shard.term) = (entry.index, entry.term);
        shard.repeated += 1;
        apply_entry(&mut shard.broker, (entry.kind, &entry.head), |_, _| {}).map_err(unreadable)?;
    }
    Ok(recovered)
}

/// Tells the log what the brokers know of its streams: where they begin, and which are gone.
///
/// # Panics
/// If a stream's records and its broker disagree on where it ends.
pub fn settle_streams(log: &Log, recovered: &[Recovered]) {
    for (number, shard) in (0..).zip(recovered) {
        log.publish(ShardId(number), shard.last);
    }
    for shard in recovered {
        for (stream, known) in shard.broker.streams() {
            log.trim(stream, known.start());
            let end = log.bounds(stream).end;
            assert!(end == known.end(), "stream {stream} ends at {end} on disk, at {} in memory", known.end());
        }
    }
    let known = |stream: &StreamId| recovered.iter().any(|shard| shard.broker.stream(*stream).is_some());
    for stream in log.streams() {
        if !known(&stream) {
            log.drop_stream(stream);
        }
    }
}

/// Finds what is left of deleted topics in each shard, and which queues are half made. A name is not taken again before all
/// shards have forgotten who had it (ADR 0025), so a name that the catalog has is not left over.
#[must_use]
pub fn leftovers(recovered: &[Recovered], catalog: &Catalog) -> Vec<Leftovers> {
    let topics = catalog.topics();
    let owned: HashSet<StreamId> =
        topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.stream).collect();
    let of_shard = |(number, shard): (u16, &Recovered)| {
        let streams = shard.broker.streams().map(|(stream, _)| stream);
        // A queue whose stream never had a record has only a cursor.
        let queues = shard.broker.queues().map(|(stream, _)| stream);
        let queues = queues.filter(|stream| shard.broker.stream(*stream).is_none());
        let remembered = shard.broker.remembered_topics().into_iter();
        let is_gone = |(name, _): &(TopicName, TopicId)| catalog.topic(name.as_str()).is_none();
        Leftovers {
            streams: streams.chain(queues).filter(|stream| !owned.contains(stream)).collect(),
            topics: remembered.filter(|topic| is_gone(topic) && !planted(Bug::TopicRemembered)).collect(),
            cursors: half_made(&topics, ShardId(number), &shard.broker),
            names: shard
                .broker
                .departing_topics()
                .into_iter()
                .map(|(_, topic)| (topic.name.clone(), topic.id))
                .collect(),
        }
    };
    (0..).zip(recovered).map(of_shard).collect()
}

/// The queues of a shard whose cursor is not as the catalog has it.
fn half_made(topics: &[SharedTopic], shard: ShardId, broker: &Broker) -> Vec<(QueuePlace, CursorConfig, QueueLimits)> {
    let here = topics.iter().filter_map(|topic| {
        let place = topic.queue_place().filter(|place| place.shard() == shard)?;
        let queue = topic.queue.as_ref()?;
        Some((place, queue.config.cursor, queue.limits))
    });
    let differs = |(place, config, limits): &(QueuePlace, CursorConfig, QueueLimits)| {
        let differs = |stream| broker.queue(stream) != Some(config) || broker.queue_limits(stream) != Some(limits);
        place.streams().any(differs)
    };
    here.filter(differs).collect()
}

/// The names that the metadata shard's broker remembers.
#[must_use]
pub fn catalog(recovered: &[Recovered]) -> Catalog {
    let catalog = Catalog::default();
    catalog.learn(&recovered[usize::from(ShardId::METADATA.0)].broker);
    catalog
}

/// What the metadata shard's broker remembers that administrators have set.
#[must_use]
pub fn configs(recovered: &[Recovered], node: NodeId, limits: &BrokerLimits) -> Configs {
    let configs = Configs::new(node, limits);
    configs.learn(&recovered[usize::from(ShardId::METADATA.0)].broker);
    configs
}
