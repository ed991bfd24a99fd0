//! The catalog: topics by name, and where their partitions are. Only the metadata shard has one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use omnibus_model::command::{CreateQueue, CreateTopic};
use omnibus_model::config::ConfigChange;
use omnibus_model::outcome::Applied;
use omnibus_model::queue::{DeliveryOrder, Queue, QueueConfig, QueueLimits};
use omnibus_model::refusal::Limited;
use omnibus_model::topic::{Partition, Placement, SharedTopic, Topic, TopicConfig};
use omnibus_model::{
    Bug, Command, DeletionNumber, NodeId, Outcome, ProducerId, Refusal, ShardId, StreamId, TopicId, TopicName, planted,
};
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
    /// Deleted topics that some shard may remember yet: nobody gets their names before they are forgotten.
    departing: BTreeMap<TopicName, Departing>,
    deletions: DeletionNumber,
}

/// A deleted topic, and when it was deleted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Departing {
    deletion: DeletionNumber,
    topic: SharedTopic,
}

impl Topics {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SharedTopic> {
        self.by_name.values()
    }

    pub(crate) fn get(&self, name: &TopicName) -> Option<&SharedTopic> {
        self.by_name.get(name)
    }

    /// Creates a topic or a queue, or lets a topic grow.
    pub(crate) fn add_streams(&mut self, at: Moment<'_>, command: &Command) -> Result<Applied, Refusal> {
        match command {
            Command::CreateTopic(wish) => self.create(at, wish),
            Command::CreatePlacedTopic { create, placement } => self.create_placed(at, create, placement),
            Command::AddPartitions { topic, total } => self.add_partitions(at, topic, *total),
            Command::AddPlacedPartitions { topic, total, placement } => self.add_placed(at, topic, (*total, placement)),
            Command::CreateQueue(wish) => self.create_queue(at, wish),
            Command::CreatePriorityQueue { create, priorities } => self.create_graded(at, create, *priorities),
            Command::CreateLimitedQueue { create, priorities, limits } => {
                self.create_limited_queue(at, create, (*priorities, *limits))
            }
            other => unreachable!("{other:?} takes no streams"),
        }
    }

    fn create(&mut self, at: Moment<'_>, wish: &CreateTopic) -> Result<Applied, Refusal> {
        self.check_new(at, &wish.name, wish.partitions)?;
        let partitions = self.place(at.limits, wish.partitions);
        Ok(self.add_topic(at, wish, (partitions, Vec::new())))
    }

    fn create_placed(&mut self, at: Moment<'_>, wish: &CreateTopic, placement: &Placement) -> Result<Applied, Refusal> {
        self.check_new(at, &wish.name, wish.partitions)?;
        let partitions = self.place_by_hand(at.limits, (wish.partitions, placement))?;
        Ok(self.add_topic(at, wish, (partitions, placement.nodes.clone())))
    }

    fn add_topic(
        &mut self,
        at: Moment<'_>,
        wish: &CreateTopic,
        (partitions, placed): (Vec<Partition>, Vec<Vec<NodeId>>),
    ) -> Applied {
        let CreateTopic { name, id, config, .. } = wish;
        let (name, id, config) = (name.clone(), *id, config.clone());
        self.add(Topic { name, id, partitions, config, created_at: at.now, queue: None, placed })
    }

    fn create_queue(&mut self, at: Moment<'_>, wish: &CreateQueue) -> Result<Applied, Refusal> {
        self.check_new(at, &wish.name, 1)?;
        let partitions = self.place(at.limits, 1);
        Ok(self.add_queue(at, (wish, QueueLimits::default()), partitions))
    }

    fn create_limited_queue(
        &mut self,
        at: Moment<'_>,
        wish: &CreateQueue,
        (priorities, limits): (u8, QueueLimits),
    ) -> Result<Applied, Refusal> {
        let count = u32::from(priorities) + 1;
        Self::check_priorities(wish, priorities)?;
        self.check_new(at, &wish.name, count)?;
        let partitions = self.place_together(at.limits, count);
        Ok(self.add_queue(at, (wish, limits), partitions))
    }

    fn create_graded(&mut self, at: Moment<'_>, wish: &CreateQueue, priorities: u8) -> Result<Applied, Refusal> {
        if priorities == 0 {
            let reason = "a queue with priorities has at least one above 0".to_owned();
            return Err(Refusal::RequestInvalid { reason });
        }
        Self::check_priorities(wish, priorities)?;
        let count = u32::from(priorities) + 1;
        self.check_new(at, &wish.name, count)?;
        let partitions = self.place_together(at.limits, count);
        Ok(self.add_queue(at, (wish, QueueLimits::default()), partitions))
    }

    pub(crate) fn delete(&mut self, name: &TopicName) -> Result<Applied, Refusal> {
        let topic = self.by_name.remove(name).ok_or_else(|| unknown(name))?;
        self.partitions -= topic.partitions.len() as u64;
        self.deletions.0 += 1;
        let departing = Departing { deletion: self.deletions, topic: Arc::clone(&topic) };
        self.departing.insert(name.clone(), departing);
        Ok(Applied::changed(Outcome::TopicDeleted { topic }))
    }

    /// The deleted topics whose names are not free yet, oldest deletion first.
    pub(crate) fn departing(&self) -> Vec<(DeletionNumber, SharedTopic)> {
        let departing = self.departing.values().map(|gone| (gone.deletion, Arc::clone(&gone.topic)));
        let mut departing: Vec<_> = departing.collect();
        departing.sort_by_key(|(deletion, _)| *deletion);
        departing
    }

    pub(crate) fn release(&mut self, name: &TopicName, id: TopicId) -> Applied {
        let changed = self.departing.get(name).is_some_and(|gone| gone.topic.id == id);
        if changed {
            self.departing.remove(name);
        }
        Applied { outcome: Outcome::NameReleased, changed }
    }

    fn add_partitions(&mut self, at: Moment<'_>, name: &TopicName, total: u32) -> Result<Applied, Refusal> {
        let more = self.check_growth(at, name, total)?;
        let more = self.place(at.limits, more);
        Ok(self.alter_topic(name, |topic| topic.partitions.extend(more)))
    }

    fn add_placed(
        &mut self,
        at: Moment<'_>,
        name: &TopicName,
        (total, placement): (u32, &Placement),
    ) -> Result<Applied, Refusal> {
        let more = self.check_growth(at, name, total)?;
        let more = self.place_by_hand(at.limits, (more, placement))?;
        Ok(self.alter_topic(name, |topic| {
            topic.placed.resize(topic.partitions.len(), Vec::new());
            topic.placed.extend(placement.nodes.iter().cloned());
            topic.partitions.extend(more);
        }))
    }

    /// Says how many partitions a topic is to get.
    fn check_growth(&self, at: Moment<'_>, name: &TopicName, total: u32) -> Result<u32, Refusal> {
        let topic = self.known(name)?;
        if topic.queue.is_some() {
            return Err(Refusal::TopicIsQueue { topic: name.clone() });
        }
        let present = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        if total <= present {
            return Err(Refusal::PartitionsOnlyGrow { topic: name.clone(), present, wanted: total });
        }
        self.check_partitions(at.limits, total - present, total)?;
        Ok(total - present)
    }

    pub(crate) fn alter(&mut self, name: &TopicName, change: &ConfigChange<TopicConfig>) -> Result<Applied, Refusal> {
        let topic = self.known(name)?;
        if topic.config != change.before {
            return Err(Refusal::ConfigChangedMeanwhile { topic: name.clone() });
        }
        if change.before == change.after {
            return Ok(Applied::unchanged(Outcome::TopicAltered { topic: Arc::clone(topic) }));
        }
        Ok(self.alter_topic(name, |topic| topic.config = change.after.clone()))
    }

    pub(crate) fn alter_queue(
        &mut self,
        at: Moment<'_>,
        name: &TopicName,
        change: &ConfigChange<QueueConfig>,
    ) -> Result<Applied, Refusal> {
        let topic = self.known(name)?;
        let queue = topic.queue.as_ref().ok_or_else(|| Refusal::NotAQueue { topic: name.clone() })?;
        if queue.config != change.before {
            return Err(Refusal::ConfigChangedMeanwhile { topic: name.clone() });
        }
        if change.before.cursor.order != change.after.cursor.order {
            return Err(Refusal::QueueOrderFixed);
        }
        if change.before == change.after {
            return Ok(Applied::unchanged(Outcome::TopicAltered { topic: Arc::clone(topic) }));
        }
        let queue = Queue { config: change.after.clone(), limits: queue.limits, altered_at: at.now };
        Ok(self.alter_topic(name, |topic| topic.queue = Some(Box::new(queue))))
    }

    pub(crate) fn limit_queue(
        &mut self,
        at: Moment<'_>,
        name: &TopicName,
        change: &ConfigChange<QueueLimits>,
    ) -> Result<Applied, Refusal> {
        let topic = self.known(name)?;
        let queue = topic.queue.as_ref().ok_or_else(|| Refusal::NotAQueue { topic: name.clone() })?;
        if queue.limits != change.before {
            return Err(Refusal::ConfigChangedMeanwhile { topic: name.clone() });
        }
        if change.before == change.after {
            return Ok(Applied::unchanged(Outcome::TopicAltered { topic: Arc::clone(topic) }));
        }
        let queue = Queue { config: queue.config.clone(), limits: change.after, altered_at: at.now };
        Ok(self.alter_topic(name, |topic| topic.queue = Some(Box::new(queue))))
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
        let is_placed = |topic: &SharedTopic| topic.placed.len() <= topic.partitions.len();
        assert!(self.by_name.values().all(is_placed), "no more are placed than there are");
        for queue in self.by_name.values().filter_map(|topic| Some((topic, topic.queue_place()?))) {
            let (topic, place) = queue;
            assert!(place.partitions().eq(topic.partitions.iter().rev().copied()), "a queue lies together");
        }
    }

    fn known(&self, name: &TopicName) -> Result<&SharedTopic, Refusal> {
        self.by_name.get(name).ok_or_else(|| unknown(name))
    }

    fn check_new(&self, at: Moment<'_>, name: &TopicName, partitions: u32) -> Result<(), Refusal> {
        let is_departing = self.departing.contains_key(name) && !planted(Bug::NameFreeEarly);
        if self.by_name.contains_key(name) || is_departing {
            return Err(Refusal::TopicExists { topic: name.clone() });
        }
        self.check_partitions(at.limits, partitions, partitions)
    }

    fn check_priorities(wish: &CreateQueue, priorities: u8) -> Result<(), Refusal> {
        if priorities > 0 && wish.queue.cursor.order == DeliveryOrder::Ordered {
            let reason = "an ordered queue has no priorities".to_owned();
            return Err(Refusal::RequestInvalid { reason });
        }
        Ok(())
    }

    fn add_queue(
        &mut self,
        at: Moment<'_>,
        (wish, limits): (&CreateQueue, QueueLimits),
        partitions: Vec<Partition>,
    ) -> Applied {
        self.add(Topic {
            name: wish.name.clone(),
            id: wish.id,
            partitions,
            config: wish.config.clone(),
            created_at: at.now,
            queue: Some(Box::new(Queue { config: wish.queue.clone(), limits, altered_at: at.now })),
            placed: Vec::new(),
        })
    }

    fn add(&mut self, topic: Topic) -> Applied {
        let topic = Arc::new(topic);
        self.by_name.insert(topic.name.clone(), Arc::clone(&topic));
        Applied::changed(Outcome::TopicCreated { topic })
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
        let departing: usize = self.departing.values().map(|gone| gone.topic.partitions.len()).sum();
        if self.partitions + departing as u64 + u64::from(more) > max {
            return Err(Refusal::LimitReached { what: Limited::Partitions, max });
        }
        Ok(())
    }

    /// Takes fresh streams. They go to the data shards in turn across all topics, so that many
    /// topics of one partition spread as evenly as one topic of many.
    fn place(&mut self, limits: &BrokerLimits, count: u32) -> Vec<Partition> {
        let streams = self.take_streams(count);
        streams.map(|stream| Partition { stream: StreamId(stream), shard: shard_of(limits, stream) }).collect()
    }

    /// Takes fresh streams for one shard, as who serves a queue strictly by priority has to see all of it.
    fn place_together(&mut self, limits: &BrokerLimits, count: u32) -> Vec<Partition> {
        let streams = self.take_streams(count);
        let shard = shard_of(limits, streams.start);
        streams.map(|stream| Partition { stream: StreamId(stream), shard }).collect()
    }

    /// Takes fresh streams, each for that shard of those that its first node is to lead which has the fewest.
    fn place_by_hand(
        &mut self,
        limits: &BrokerLimits,
        (count, placement): (u32, &Placement),
    ) -> Result<Vec<Partition>, Refusal> {
        let invalid = |reason: String| Refusal::RequestInvalid { reason };
        if placement.nodes.len() != count as usize {
            return Err(invalid(format!("{count} partitions are wanted, and {} are placed", placement.nodes.len())));
        }
        let mut load: BTreeMap<ShardId, u64> = BTreeMap::new();
        let partitions = self.by_name.values().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| *load.entry(partition.shard).or_default() += 1);
        let mut chosen = Vec::with_capacity(placement.nodes.len());
        for nodes in &placement.nodes {
            let shards = nodes.first().and_then(|first| placement.shards.get(first)).into_iter().flatten().copied();
            let shards = shards.filter(|shard| (1..=limits.data_shards).contains(&shard.0));
            let fewest = shards.min_by_key(|shard| (load.get(shard).copied().unwrap_or_default(), *shard));
            let shard = fewest.ok_or_else(|| invalid("nothing is led by whom a partition names first".to_owned()))?;
            *load.entry(shard).or_default() += 1;
            chosen.push(shard);
        }
        let streams = self.take_streams(count).map(StreamId);
        Ok(streams.zip(chosen).map(|(stream, shard)| Partition { stream, shard }).collect())
    }

    const fn take_streams(&mut self, count: u32) -> Range<u64> {
        let streams = self.stream_next..self.stream_next + count as u64;
        self.stream_next = streams.end;
        self.partitions += count as u64;
        streams
    }
}

fn shard_of(limits: &BrokerLimits, stream: u64) -> ShardId {
    let shards = u64::from(limits.data_shards.max(1));
    ShardId(u16::try_from(1 + stream % shards).expect("as many as data shards"))
}

fn unknown(name: &TopicName) -> Refusal {
    Refusal::UnknownTopic { topic: name.clone() }
}
