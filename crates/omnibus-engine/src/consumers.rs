//! Who is given records of a queue as they come, within a credit. All of it is in the leader's
//! memory: what somebody holds the broker knows, and when the leader goes, so does its consumers'
//! hold on their leases (ADR 0028).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::topic::QueuePlace;
use omnibus_model::{HolderId, StreamId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::error::SubmitError;
pub use crate::outbox::Ended;
use crate::outbox::{Outbox, Ringer};

/// What a consumer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerConfig {
    /// The most records that it may hold unsettled; of one whose records are settled at once, how many
    /// may wait for it.
    pub credit: u32,
    pub settling: Settling,
    pub access: Access,
    /// Who has a lower one gets something only while nobody with a higher one has credit left.
    pub priority: i32,
}

/// Who says that a record is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settling {
    /// The one who gets it.
    #[default]
    ByReceiver,
    /// It is done when it is handed out, and lost if its receiver is.
    Automatic,
}

/// Whom a consumer shares a queue with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    #[default]
    Shared,
    /// Only the one that came first is served, until it goes.
    SingleActive,
    /// Nobody else may consume.
    Exclusive,
    /// Is never served, and in nobody's way: it holds what its owner receives by himself.
    Pulls,
}

/// A queue has a consumer that shares it with nobody, or has some where one wants it for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the queue is consumed exclusively, or cannot be")]
pub struct Occupied;

/// What is asked of a shard about consumers.
#[derive(Debug)]
pub enum ConsumerRequest {
    Begin {
        queue: QueuePlace,
        config: ConsumerConfig,
        served: Served,
        reply: oneshot::Sender<Result<Result<Registration, Occupied>, SubmitError>>,
    },
    SetCredit {
        consumer: ConsumerKey,
        credit: u32,
    },
    /// What was handed out as done has been taken, so there may be room for more.
    Taken {
        consumer: ConsumerKey,
    },
    /// Serves no more; answered when all that was handed out has arrived.
    Cancel {
        consumer: ConsumerKey,
        reply: oneshot::Sender<Result<(), SubmitError>>,
    },
    /// Releases all that they hold; answered with how much it was.
    Close {
        consumers: Vec<ConsumerKey>,
        reply: oneshot::Sender<Result<u64, SubmitError>>,
    },
    /// Of a queue by its lowest stream.
    Count {
        stream: StreamId,
        reply: oneshot::Sender<Result<u32, SubmitError>>,
    },
    /// For how long nobody has used a queue; it is looked at from the first such question on.
    Idle {
        queue: QueuePlace,
        reply: oneshot::Sender<Result<Duration, SubmitError>>,
    },
    /// Somebody has hung up.
    Listen,
}

impl ConsumerRequest {
    /// Answers whoever waits for an answer.
    pub(crate) fn refuse(self, error: SubmitError) {
        // Whoever asked may have hung up.
        match self {
            Self::Begin { reply, .. } => drop(reply.send(Err(error))),
            Self::Cancel { reply, .. } => drop(reply.send(Err(error))),
            Self::Close { reply, .. } => drop(reply.send(Err(error))),
            Self::Count { reply, .. } => drop(reply.send(Err(error))),
            Self::Idle { reply, .. } => drop(reply.send(Err(error))),
            Self::SetCredit { .. } | Self::Taken { .. } | Self::Listen => {}
        }
    }
}

/// Where a consumer looks for what it is given.
#[derive(Clone, Debug, Default)]
pub struct Served(pub(crate) Option<Ringer>);

/// Names a consumer of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerKey {
    pub(crate) queue: QueuePlace,
    pub(crate) holder: HolderId,
}

/// A consumer's end of what it has with a shard. Whoever drops it hangs up.
#[derive(Debug)]
pub struct Registration {
    pub(crate) key: ConsumerKey,
    pub(crate) outbox: Arc<Outbox>,
    hang_ups: Arc<HangUps>,
    is_open: bool,
}

impl Registration {
    /// Says that somebody else sees to the end of it.
    pub(crate) const fn forget(&mut self) {
        self.is_open = false;
    }

    pub(crate) fn hang_up(&mut self) {
        if std::mem::replace(&mut self.is_open, false) {
            self.hang_ups.0.lock().push(self.key);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Consumers that went without a word.
#[derive(Debug, Default)]
struct HangUps(Mutex<Vec<ConsumerKey>>);

/// A shard's end of a consumer.
#[derive(Debug)]
struct Consumer {
    holder: HolderId,
    config: ConsumerConfig,
    outbox: Arc<Outbox>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.outbox.end(Ended::Closing);
    }
}

/// The consumers of one queue, in order of arrival.
#[derive(Debug)]
struct Ring {
    queue: QueuePlace,
    consumers: Vec<Consumer>,
    /// Whose turn it is.
    turn: usize,
}

/// One whose turn it is.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) holder: HolderId,
    pub(crate) settling: Settling,
    /// How many more it may get.
    pub(crate) free: u32,
    pub(crate) outbox: Arc<Outbox>,
}

impl Turn {
    /// Notes what it is going to get.
    pub(crate) fn promise(&self, count: usize) {
        self.outbox.promise(count as u64);
    }
}

/// The consumers of a shard's queues.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    /// By the lowest stream of each queue.
    rings: BTreeMap<StreamId, Ring>,
    /// Queues where there may be something for somebody.
    unserved: BTreeSet<StreamId>,
    arrivals: u64,
    hang_ups: Arc<HangUps>,
    /// Queues of which somebody wants to know since when nobody uses them, by their lowest streams.
    watched: BTreeMap<StreamId, (QueuePlace, Duration)>,
}

impl Consumers {
    /// For how long nobody has used a queue, which is looked at from now on.
    pub(crate) fn idle(&mut self, queue: QueuePlace, now: Duration) -> Duration {
        let stream = queue.lowest.stream;
        let is_consumed = self.count(stream) > 0;
        let (_, since) = self.watched.entry(stream).or_insert((queue, now));
        if is_consumed {
            *since = now;
        }
        now.saturating_sub(*since)
    }

    /// Notes that somebody uses a queue, by any of its streams.
    pub(crate) fn used(&mut self, stream: StreamId, now: Duration) {
        if let Some((_, (queue, since))) = self.watched.range_mut(..=stream).next_back()
            && queue.priority_of(stream).is_some()
        {
            *since = now;
        }
    }

    /// Adds a consumer.
    ///
    /// # Errors
    /// [`Occupied`].
    pub(crate) fn begin(
        &mut self,
        queue: QueuePlace,
        (config, served): (ConsumerConfig, Served),
        name: impl FnOnce(u64) -> HolderId,
    ) -> Result<Registration, Occupied> {
        let stream = queue.lowest.stream;
        let takes_all = |access: Access| access == Access::Exclusive;
        let others = self.rings.get(&stream).map_or(&[][..], |ring| &ring.consumers);
        let mut others = others.iter().map(|other| other.config.access).filter(|access| *access != Access::Pulls);
        let occupied = others.any(|other| takes_all(other) || takes_all(config.access));
        if occupied && config.access != Access::Pulls {
            return Err(Occupied);
        }
        self.arrivals += 1;
        let (holder, outbox) = (name(self.arrivals), Arc::new(Outbox::new(served.0)));
        let consumer = Consumer { holder, config, outbox: Arc::clone(&outbox) };
        let ring = self.rings.entry(stream).or_insert_with(|| Ring { queue, consumers: Vec::new(), turn: 0 });
        ring.consumers.push(consumer);
        self.unserved.insert(stream);
        let hang_ups = Arc::clone(&self.hang_ups);
        Ok(Registration { key: ConsumerKey { queue, holder }, outbox, hang_ups, is_open: true })
    }

    pub(crate) fn set_credit(&mut self, key: ConsumerKey, credit: u32) {
        let stream = key.queue.lowest.stream;
        let ring = self.rings.get_mut(&stream);
        let consumer = ring.and_then(|ring| ring.consumers.iter_mut().find(|it| it.holder == key.holder));
        if let Some(consumer) = consumer {
            consumer.config.credit = credit;
            self.unserved.insert(stream);
        }
    }

    /// Serves a consumer no more.
    pub(crate) fn remove(&mut self, key: ConsumerKey, ended: Ended) {
        let stream = key.queue.lowest.stream;
        let Some(ring) = self.rings.get_mut(&stream) else { return };
        let Some(place) = ring.consumers.iter().position(|it| it.holder == key.holder) else { return };
        ring.consumers.remove(place).outbox.end(ended);
        if place < ring.turn {
            ring.turn -= 1;
        }
        if ring.consumers.is_empty() {
            self.rings.remove(&stream);
            self.unserved.remove(&stream);
        } else {
            // It may have been the active one.
            self.unserved.insert(stream);
        }
    }

    /// Tells the consumers of a queue that it is gone, or one of its streams is.
    pub(crate) fn dismiss(&mut self, stream: StreamId) {
        self.watched.remove(&stream);
        let Some(stream) = self.queue_of(stream).map(|queue| queue.lowest.stream) else { return };
        self.unserved.remove(&stream);
        if let Some(ring) = self.rings.remove(&stream) {
            ring.consumers.iter().for_each(|consumer| consumer.outbox.end(Ended::QueueDeleted));
        }
    }

    /// Tells all consumers that nothing comes any more.
    pub(crate) fn end_all(&mut self, ended: Ended) {
        self.unserved.clear();
        self.watched.clear();
        // Whoever has hung up is gone, too.
        drop(self.take_hang_ups());
        for ring in std::mem::take(&mut self.rings).into_values() {
            ring.consumers.iter().for_each(|consumer| consumer.outbox.end(ended));
        }
    }

    /// Whether somebody is a consumer of a queue now, or holds what its owner receives there.
    pub(crate) fn knows(&self, queue: QueuePlace, holder: HolderId) -> bool {
        let ring = self.rings.get(&queue.lowest.stream);
        ring.is_some_and(|ring| ring.consumers.iter().any(|it| it.holder == holder))
    }

    pub(crate) fn count(&self, stream: StreamId) -> u32 {
        let consumers = self.rings.get(&stream).map_or(&[][..], |ring| &ring.consumers);
        let count = consumers.iter().filter(|consumer| consumer.config.access != Access::Pulls).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The queue that a stream is of, if somebody consumes it. Queues do not overlap, so it is the next below.
    pub(crate) fn queue_of(&self, stream: StreamId) -> Option<QueuePlace> {
        let (_, ring) = self.rings.range(..=stream).next_back()?;
        ring.queue.priority_of(stream).map(|_| ring.queue)
    }

    /// Whether whose turn it is takes what comes at once, as nothing is on its way to it.
    pub(crate) fn take_at_once(&self, stream: StreamId) -> bool {
        let ring = self.rings.range(..=stream).next_back().map(|(_, ring)| ring);
        let ring = ring.filter(|ring| ring.queue.priority_of(stream).is_some());
        let next = ring.and_then(|ring| ring.consumers.get(ring.turn).or_else(|| ring.consumers.first()));
        next.is_some_and(|consumer| consumer.outbox.takes_at_once())
    }

    /// Notes that there may be something in a stream of a queue.
    pub(crate) fn note(&mut self, stream: StreamId) {
        self.unserved.extend(self.queue_of(stream).map(|queue| queue.lowest.stream));
    }

    /// Notes that there may be something in any queue.
    pub(crate) fn note_all(&mut self) {
        self.unserved.extend(self.rings.keys());
    }

    pub(crate) fn take_unserved(&mut self) -> BTreeSet<StreamId> {
        std::mem::take(&mut self.unserved)
    }

    /// The queue that a stream is of, if there may be something in it for its consumers.
    pub(crate) fn take_noted(&mut self, stream: StreamId) -> Option<QueuePlace> {
        let queue = self.queue_of(stream)?;
        self.unserved.remove(&queue.lowest.stream).then_some(queue)
    }

    /// Whether there may be something to do.
    pub(crate) fn is_unserved(&self) -> bool {
        !self.unserved.is_empty() || !self.hang_ups.0.lock().is_empty()
    }

    /// Those who have hung up.
    pub(crate) fn take_hang_ups(&self) -> Vec<ConsumerKey> {
        std::mem::take(&mut *self.hang_ups.0.lock())
    }

    /// Those of a queue's consumers who may get something, in the order of their turns: the ones with
    /// the highest priority of all who have credit left. It looks at every consumer.
    pub(crate) fn round(&self, stream: StreamId, held: impl Fn(HolderId) -> usize) -> Vec<Turn> {
        let Some(ring) = self.rings.get(&stream) else { return Vec::new() };
        let (before, from) = ring.consumers.split_at(ring.turn.min(ring.consumers.len()));
        let first = ring.consumers.iter().find(|it| it.config.access != Access::Pulls).map(|it| it.holder);
        let mut turns = Vec::new();
        let mut highest = i32::MIN;
        for consumer in from.iter().chain(before) {
            let ConsumerConfig { credit, settling, access, priority } = consumer.config;
            let waits = access == Access::SingleActive && first != Some(consumer.holder);
            if access == Access::Pulls || waits || priority < highest {
                continue;
            }
            let held = match settling {
                Settling::ByReceiver => held(consumer.holder) as u64,
                Settling::Automatic => consumer.outbox.promised(),
            };
            let free = credit.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
            if free == 0 {
                continue;
            }
            if priority > highest {
                turns.clear();
                highest = priority;
            }
            turns.push(Turn { holder: consumer.holder, settling, free, outbox: Arc::clone(&consumer.outbox) });
        }
        turns
    }

    /// Notes that one has had its turn.
    pub(crate) fn had_turn(&mut self, stream: StreamId, holder: HolderId) {
        let Some(ring) = self.rings.get_mut(&stream) else { return };
        if let Some(place) = ring.consumers.iter().position(|it| it.holder == holder) {
            ring.turn = (place + 1) % ring.consumers.len();
        }
    }
}
