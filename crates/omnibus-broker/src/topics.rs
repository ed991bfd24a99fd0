//! The catalog: topics by name, and where their partitions are. Only the metadata shard has one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use omnibus_model::command::CreateTopic;
use omnibus_model::outcome::Applied;
use omnibus_model::refusal::Limited;
use omnibus_model::topic::{ConfigChange, Partition, SharedTopic, Topic};
use omnibus_model::{Outcome, ProducerId, Refusal, ShardId, StreamId, TopicName};
use serde::{Deserialize, Serialize};

use crate::limits::BrokerLimits;
use crate::moment::Moment;

/// Every topic, and the next of the numbers that are never handed out twice.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Topics {
    by_name: BTreeMap<TopicName, SharedTopic>,
    partitions: u64,
    stream_next: u64,
    producer_next: u64,
}

impl Topics {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SharedTopic> {
        self.by_name.values()
    }

    pub(crate) fn get(&self, name: &TopicName) -> Option<&SharedTopic> {
        self.by_name.get(name)
    }

    pub(crate) fn create(&mut self, at: Moment<'_>, wish: &CreateTopic) -> Result<Applied, Refusal> {
        if self.by_name.contains_key(&wish.name) {
            return Err(Refusal::TopicExists { topic: wish.name.clone() });
        }
        self.check_partitions(at.limits, wish.partitions, wish.partitions)?;
        let topic = Arc::new(Topic {
            name: wish.name.clone(),
            id: wish.id,
            partitions: self.place(at.limits, wish.partitions),
            config: wish.config.clone(),
            created_at: at.now,
        });
        self.by_name.insert(wish.name.clone(), Arc::clone(&topic));
        Ok(Applied::changed(Outcome::TopicCreated { topic }))
    }

    pub(crate) fn delete(&mut self, name: &TopicName) -> Result<Applied, Refusal> {
        let topic = self.by_name.remove(name).ok_or_else(|| unknown(name))?;
        self.partitions -= topic.partitions.len() as u64;
        Ok(Applied::changed(Outcome::TopicDeleted { topic }))
    }

    pub(crate) fn add_partitions(&mut self, at: Moment<'_>, name: &TopicName, total: u32) -> Result<Applied, Refusal> {
        let present = u32::try_from(self.known(name)?.partitions.len()).unwrap_or(u32::MAX);
        if total <= present {
            return Err(Refusal::PartitionsOnlyGrow { topic: name.clone(), present, wanted: total });
        }
        self.check_partitions(at.limits, total - present, total)?;
        let more = self.place(at.limits, total - present);
        Ok(self.alter_topic(name, |topic| topic.partitions.extend(more)))
    }

    pub(crate) fn alter(&mut self, name: &TopicName, change: &ConfigChange) -> Result<Applied, Refusal> {
        let topic = self.known(name)?;
        if topic.config != change.before {
            return Err(Refusal::ConfigChangedMeanwhile { topic: name.clone() });
        }
        if change.before == change.after {
            return Ok(Applied::unchanged(Outcome::TopicAltered { topic: Arc::clone(topic) }));
        }
        Ok(self.alter_topic(name, |topic| topic.config = change.after.clone()))
    }

    pub(crate) const fn allocate_producer(&mut self) -> Applied {
        let producer = ProducerId(self.producer_next);
        self.producer_next += 1;
        Applied::changed(Outcome::ProducerAllocated { producer })
    }

    /// Checks that the counts are right and that no stream is placed twice.
    pub(crate) fn audit(&self) {
        let partitions = || self.by_name.values().flat_map(|topic| &topic.partitions);
        let streams: BTreeSet<StreamId> = partitions().map(|partition| partition.stream).collect();
        assert_eq!(streams.len() as u64, self.partitions, "each partition has a stream of its own");
        assert_eq!(partitions().count() as u64, self.partitions, "partitions are counted");
        assert!(streams.last().is_none_or(|last| last.0 < self.stream_next), "the next stream is new");
    }

    fn known(&self, name: &TopicName) -> Result<&SharedTopic, Refusal> {
        self.by_name.get(name).ok_or_else(|| unknown(name))
    }

    /// Changes a topic; whoever still reads the old one keeps it.
    fn alter_topic(&mut self, name: &TopicName, change: impl FnOnce(&mut Topic)) -> Applied {
        let topic = self.by_name.get_mut(name).expect("the caller found the topic");
        change(Arc::make_mut(topic));
        Applied::changed(Outcome::TopicAltered { topic: Arc::clone(topic) })
    }

    fn check_partitions(&self, limits: &BrokerLimits, more: u32, total: u32) -> Result<(), Refusal> {
        let max = limits.partitions_max;
        if total == 0 || u64::from(total) > max {
            let max = u32::try_from(max).unwrap_or(u32::MAX);
            return Err(Refusal::PartitionCountInvalid { partitions: total, max });
        }
        if self.partitions + u64::from(more) > max {
            return Err(Refusal::LimitReached { what: Limited::Partitions, max });
        }
        Ok(())
    }

    /// Takes fresh streams. They go to the data shards in turn across all topics, so that many
    /// topics of one partition spread as evenly as one topic of many.
    fn place(&mut self, limits: &BrokerLimits, count: u32) -> Vec<Partition> {
        let shards = u64::from(limits.data_shards.max(1));
        let streams = self.stream_next..self.stream_next + u64::from(count);
        self.stream_next = streams.end;
        self.partitions += u64::from(count);
        let shard = |stream: u64| u16::try_from(1 + stream % shards).expect("as many as data shards");
        streams.map(|stream| Partition { stream: StreamId(stream), shard: ShardId(shard(stream)) }).collect()
    }
}

fn unknown(name: &TopicName) -> Refusal {
    Refusal::UnknownTopic { topic: name.clone() }
}
