//! The engine's queues under their names in AMQP. Those of the virtual host `/` are topics of the same name.

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_model::command::CreateQueue;
use omnibus_model::queue::{QueueConfig, QueueLimits};
use omnibus_model::topic::{Partition, QueuePlace, SharedTopic, TopicConfig};
use omnibus_model::{Command, Outcome, Refusal, TopicId, TopicName};

use crate::arguments::{Declaration, EXPIRES, Made, Nature};
use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Named, plain};
use crate::meter::QueueMeter;
use crate::routing::Destination;
use crate::terms::governed;

/// Names that are the broker's own.
const HIDDEN: &str = "__";

/// How names begin that clients may not choose.
const RESERVED: &str = "amq.";

/// How many records are purged by one command while others are held.
const TAKEN_AT_ONCE: u32 = 1_000;

/// How often is tried to get a name that is being given up, and how long apart.
const ATTEMPTS_MAX: u32 = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// A queue that is there.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) topic: SharedTopic,
    pub(crate) place: QueuePlace,
    pub(crate) nature: Arc<Nature>,
}

/// A queue that is there as it was declared.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) queue: Queue,
    /// Nobody has it but who declared it: it is empty.
    pub(crate) is_new: bool,
}

impl Queue {
    pub(crate) fn name(&self) -> &str {
        self.topic.name.as_str()
    }

    /// Makes sure that a connection may use it.
    pub(crate) fn open_to(self, owner: &str) -> Result<Self, Fault> {
        match &self.nature.owner {
            Some(other) if other != owner => Err(Fault::Locked(self.name().to_owned())),
            _ => Ok(self),
        }
    }

    /// Makes sure that records can be taken out of it: those of a stream stay.
    pub(crate) fn check_leasable(&self, what: &str) -> Result<(), Fault> {
        if self.nature.is_stream() {
            return Err(Fault::NotImplemented(format!(
                "{what} not supported by stream queues queue {}",
                Named(self.name())
            )));
        }
        Ok(())
    }

    /// Makes sure that whoever is no connection may choose a name.
    pub(crate) fn check_name(name: &str) -> Result<(), Fault> {
        if plain(name).starts_with(RESERVED) { Err(Fault::QueueNameReserved(name.to_owned())) } else { Ok(()) }
    }
}

impl Door {
    /// Takes a topic for the queue that it is; `None` if it is none.
    pub(crate) fn queue(&self, topic: SharedTopic) -> Option<Queue> {
        let (place, nature) = (topic.queue_place()?, self.natures.of(&topic)?);
        Some(Queue { topic, place, nature })
    }

    /// Finds a queue among the names that this node knows.
    pub(crate) fn find(&self, name: &str) -> Option<Queue> {
        if name.starts_with(HIDDEN) {
            return None;
        }
        self.queue(self.engine.catalog().topic(name)?)
    }

    /// Finds a queue, also one that was created by another node a moment ago.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Queue, Fault> {
        if let Some(queue) = self.find(name) {
            return Ok(queue);
        }
        self.engine.learn_names().await;
        self.find(name).ok_or_else(|| Fault::NoQueue(name.to_owned()))
    }

    /// Creates a queue, or finds the one that has the name and is the same.
    pub(crate) async fn declare(&self, wanted: &Declaration, owner: &str) -> Result<Declared, Fault> {
        QueueMeter::count(&self.queue_meter.declared);
        let present = |queue: Queue| {
            let queue = queue.open_to(owner)?;
            if wanted.is_exclusive != queue.nature.owner.is_some() {
                return Err(Fault::Locked(wanted.queue.clone()));
            }
            queue.nature.check_same(wanted).map(|()| queue)
        };
        // Whether what is wanted can be had is asked first only where there is nothing yet.
        if let Some(queue) = self.find(&wanted.queue) {
            let queue = present(queue)?;
            // Who is told that it is there may send to it at once: one that somebody else is still creating is not yet.
            if self.engine.queue_counts(queue.place).await?.is_some() {
                self.use_once(&queue).await?;
                return Ok(Declared { queue, is_new: false });
            }
        }
        let _underway = self.take_queue(&wanted.queue).await?;
        let made = self.held(wanted.made(owner)?, &wanted.queue);
        if Nature::of(&made.config).overflow_falls_back() {
            tracing::warn!(queue = wanted.queue, "a quorum queue gives up its oldest also with reject-publish-dlx");
        }
        let unusable = |reason| Fault::NameUnusable(wanted.queue.clone(), reason);
        if wanted.queue.starts_with(HIDDEN) {
            return Err(unusable("the broker has those that begin with __ for itself"));
        }
        let name = TopicName::new(&wanted.queue).map_err(|_| unusable("it is too long"))?;
        for _ in 0..ATTEMPTS_MAX {
            match self.create(name.clone(), made.clone()).await {
                Ok(topic) => {
                    QueueMeter::count(&self.queue_meter.created);
                    // Those of a namesake that went by another door.
                    self.unbind_all(&Destination::Queue(topic.name.clone())).await?;
                    let topic = self.hold_new(topic).await?;
                    let queue = self.queue(topic).ok_or_else(|| Fault::NoQueue(wanted.queue.clone()))?;
                    return Ok(Declared { queue, is_new: true });
                }
                Err(SubmitError::Refused(Refusal::TopicExists { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            match self.look_up(&wanted.queue).await {
                Ok(queue) => return Ok(Declared { queue: present(queue)?, is_new: false }),
                Err(_) if self.engine.catalog().topic(&wanted.queue).is_some() => {
                    return Err(unusable("a topic has it"));
                }
                // A queue of this name is on its way out, as when a client comes back whose connection was lost.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(unusable("a queue has it that is being deleted"))
    }

    /// Holds what is to be made to the policies that are there.
    fn held(&self, made: Made, name: &str) -> Made {
        let Some(config) = governed(&made.config, name, &self.policies()) else { return made };
        let limits = Nature::of(&config).terms().limits;
        Made { config, limits, ..made }
    }

    async fn create(
        &self,
        name: TopicName,
        Made { config, priorities, limits }: Made,
    ) -> Result<SharedTopic, SubmitError> {
        let id = TopicId(self.engine.random());
        let topic = TopicConfig::default();
        let topic = Nature::of(&config).keeping(&topic).unwrap_or(topic);
        let command = CreateQueue { name, id, config: topic, queue: config };
        match priorities {
            priorities if limits != QueueLimits::default() => {
                self.engine.create_limited_queue(command, (priorities, limits)).await
            }
            0 => self.engine.create_queue(command).await,
            priorities => self.engine.create_priority_queue(command, priorities).await,
        }
    }

    /// Lets a queue that goes when nobody uses it know that somebody does.
    pub(crate) async fn use_once(&self, queue: &Queue) -> Result<(), Fault> {
        if queue.nature.number(EXPIRES).is_some() {
            let config =
                ConsumerConfig { credit: 0, settling: Settling::ByReceiver, access: Access::Pulls, priority: 0 };
            let user = self.engine.consume(queue.place, config).await?;
            self.engine.close_consumers(vec![user]).await?;
        }
        Ok(())
    }

    /// Deletes a queue, if it is there.
    pub(crate) async fn delete(&self, queue: &Queue) -> Result<(), Fault> {
        match self.engine.delete_topic(queue.topic.name.clone()).await {
            Ok(()) => QueueMeter::count(&self.queue_meter.deleted),
            Err(SubmitError::Refused(Refusal::UnknownTopic { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        self.unbind_all(&Destination::Queue(queue.topic.name.clone())).await
    }

    /// Deletes a queue that was a connection's alone, which has ended, if it is still there.
    pub(crate) async fn delete_own(&self, queue: String, owner: &str) {
        let is_own = |queue: &Queue| queue.nature.owner.as_deref() == Some(owner);
        let Some(queue) = self.find(&queue).filter(is_own) else { return };
        if let Err(fault) = self.delete(&queue).await {
            tracing::warn!(queue = queue.name(), %fault, "an exclusive queue was not deleted with its connection");
        }
    }

    /// Deletes a queue, unless somebody consumes it or something is ready in it, if that matters; returns how much
    /// was ready.
    pub(crate) async fn delete_if(&self, queue: &Queue, (unused, empty): (bool, bool)) -> Result<u32, Fault> {
        if unused && self.engine.consumer_count(queue.place).await? > 0 {
            return Err(Fault::InUse(queue.name().to_owned()));
        }
        let ready = self.ready(queue).await?;
        if empty && ready > 0 {
            return Err(Fault::NotEmpty(queue.name().to_owned()));
        }
        self.delete(queue).await?;
        Ok(ready)
    }

    /// Takes out what is ready, as much as that is now; what somebody holds stays his. Returns how many records it was.
    pub(crate) async fn purge(&self, queue: &Queue) -> Result<u32, Fault> {
        queue.check_leasable("queue.purge")?;
        let counts = self.engine.queue_counts(queue.place).await?;
        let (ready, leased) = counts.map_or((0, 0), |counts| (counts.ready, counts.leased));
        let purged =
            if leased == 0 { self.engine.purge(queue.place).await? } else { self.take_all(queue, ready).await? };
        Ok(u32::try_from(purged).unwrap_or(u32::MAX))
    }

    async fn take_all(&self, queue: &Queue, ready: u64) -> Result<u64, Fault> {
        let mut taken = 0;
        for Partition { stream, shard } in queue.place.partitions() {
            while taken < ready {
                let left = u32::try_from(ready - taken).unwrap_or(u32::MAX);
                let take = Command::Take { stream, count_max: left.min(TAKEN_AT_ONCE) };
                let leases = match self.engine.submit(shard, take).await? {
                    Outcome::Acquired(acquired) => acquired.leases,
                    other => unreachable!("taking ended in {other:?}"),
                };
                if leases.is_empty() {
                    break;
                }
                taken += leases.len() as u64;
            }
        }
        Ok(taken)
    }

    /// How many records a stream keeps now.
    pub(crate) async fn kept(&self, queue: QueuePlace) -> Result<u64, Fault> {
        let Partition { stream, shard } = queue.lowest;
        // This node knows then what was acknowledged anywhere.
        self.engine.committed(shard).await?;
        let bounds = self.engine.bounds(stream);
        Ok(bounds.end.0.saturating_sub(bounds.start.0))
    }

    /// How many records could be had now.
    pub(crate) async fn ready(&self, queue: &Queue) -> Result<u32, Fault> {
        if queue.nature.is_stream() {
            return Ok(u32::try_from(self.kept(queue.place).await?).unwrap_or(u32::MAX));
        }
        let counts = self.engine.queue_counts(queue.place).await?;
        Ok(counts.map_or(0, |counts| u32::try_from(counts.ready).unwrap_or(u32::MAX)))
    }

    /// Who begins to own queues: a name that no other connection ever had.
    pub(crate) fn new_owner(&self) -> String {
        format!("{}.{:032x}", self.settings.node, self.engine.random())
    }

    /// Deletes the queues that were exclusive to connections of this node before it was started anew.
    pub(crate) async fn forget_old_owners(&self) {
        let ours = format!("{}.", self.settings.node);
        let is_left_over =
            |config: &QueueConfig| Nature::of(config).owner.is_some_and(|owner| owner.starts_with(&ours));
        for topic in self.engine.catalog().topics() {
            if !topic.queue.as_deref().is_some_and(|queue| is_left_over(&queue.config)) {
                continue;
            }
            let Some(queue) = self.queue(topic) else { continue };
            if let Err(fault) = self.delete(&queue).await {
                tracing::warn!(queue = queue.name(), %fault, "a queue whose connection is gone was not deleted");
            }
        }
    }
}
