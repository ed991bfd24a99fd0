//! Consumers, as front ends use them: records that come by themselves, within a credit.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use omnibus_model::command::Acquire;
use omnibus_model::queue::{Delivery as Counting, Lease, Settlement};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{HolderId, Millis, Offset, Refusal, ShardId, StreamId};
use omnibus_record::Message;
use thiserror::Error;
use tokio::time::sleep;

use crate::baskets::CourierId;
use crate::consumers::{ConsumerConfig, ConsumerRequest, Ended, Occupied, Settling};
use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};
use crate::forward::{Attached, CloseConsumers, CountConsumers};
use crate::outbox::Batch;
use crate::queues::{Deliveries, Delivery};
use crate::shard::Request;

/// What is read for one delivery of records, unless the first is longer.
const DELIVERY_BYTES: usize = 1 << 20;

/// The most records of one delivery.
const DELIVERY_RECORDS: usize = 512;

/// How soon a consumer that was lost begins anew.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a consumer could not begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConsumeError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Occupied(#[from] Occupied),
}

/// Why a consumer got nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NextError {
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The records are leased and cannot be read now; the next call tries again.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a consumer could not receive by itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PullError {
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The records are leased and cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Somebody who is given records of a queue as they come, and holds them for as long as he lives: what
/// he has not settled is released when this is dropped, in order, and its delivery counts.
///
/// Whichever node leads the queue. When another one begins to, what he holds is released there, and he begins there by
/// himself: what was delivered before comes again, and is settled in vain ([`Consumer::times_lost`]).
#[derive(Debug)]
pub struct Consumer {
    engine: Engine,
    queue: QueuePlace,
    config: ConsumerConfig,
    /// How much it may hold now.
    credit: AtomicU32,
    attached: Attached,
    /// Handed out, and not delivered yet.
    batches: VecDeque<Batch>,
    /// The shard is to know that there is room again.
    owes_word: bool,
    times_lost: u64,
    is_cancelled: bool,
}

impl Engine {
    /// Begins to consume a queue.
    ///
    /// # Errors
    /// [`ConsumeError`].
    pub async fn consume(
        &self,
        queue: impl Into<QueuePlace>,
        config: ConsumerConfig,
    ) -> Result<Consumer, ConsumeError> {
        let queue = queue.into();
        let attached = self.attach(queue, config).await??;
        Ok(Consumer {
            engine: self.clone(),
            queue,
            config,
            credit: AtomicU32::new(config.credit),
            attached,
            batches: VecDeque::new(),
            owes_word: false,
            times_lost: 0,
            is_cancelled: false,
        })
    }

    /// How many consume a queue.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn consumer_count(&self, queue: impl Into<QueuePlace>) -> Result<u32, SubmitError> {
        let Partition { stream, shard } = queue.into().lowest;
        self.carry_out(shard, CountConsumers(stream)).await
    }

    /// For how long nobody has consumed a queue of a shard that this node leads, or received from it. Counted from when
    /// this was first asked of whoever leads; in memory, so whoever leads next begins anew.
    ///
    /// # Errors
    /// [`SubmitError`]; of a shard that is led elsewhere [`SubmitError::NotLeader`].
    pub async fn idle_time(&self, queue: impl Into<QueuePlace>) -> Result<Duration, SubmitError> {
        let queue = queue.into();
        self.request(queue.shard(), |reply| Request::Consumer(ConsumerRequest::Idle { queue, reply })).await
    }

    /// Ends consumers, as when their connection is closed: all that they hold of a queue is released
    /// before anybody else is served there. Returns how much it was.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn close_consumers(&self, consumers: Vec<Consumer>) -> Result<u64, SubmitError> {
        let mut by_way: BTreeMap<(ShardId, Option<CourierId>), Vec<Consumer>> = BTreeMap::new();
        for consumer in consumers {
            let way = (consumer.queue.shard(), consumer.attached.courier());
            by_way.entry(way).or_default().push(consumer);
        }
        let mut released = 0;
        for ((shard, courier), mut consumers) in by_way {
            // Whoever stops waiting hangs up.
            released += match courier {
                None => {
                    let keys = consumers.iter().filter_map(|consumer| consumer.attached.key()).collect();
                    self.close_keys(shard, keys).await?
                }
                Some(courier) => {
                    let consumers = consumers.iter().filter_map(|consumer| consumer.attached.number()).collect();
                    self.carry_out(shard, CloseConsumers { courier, consumers }).await?
                }
            };
            consumers.iter_mut().for_each(|consumer| consumer.attached.forget());
        }
        Ok(released)
    }
}

impl Consumer {
    /// Who holds what was delivered; he may receive by himself, too, with a lease for ever.
    #[must_use]
    pub const fn holder(&self) -> HolderId {
        self.attached.holder()
    }

    /// How often all that was delivered so far was released because another node began to lead the queue, or this one
    /// was cut off from it. It is delivered again, and counted as such; whoever settles it as it was delivered before is refused.
    #[must_use]
    pub const fn times_lost(&self) -> u64 {
        self.times_lost
    }

    /// Waits for records, all of one partition of the queue. Who stops waiting loses nothing.
    ///
    /// # Errors
    /// [`NextError`]; if another node leads the queue now and it cannot be consumed there, [`Ended::NotLeader`].
    pub async fn next(&mut self) -> Result<Deliveries, NextError> {
        loop {
            self.say_that_there_is_room().await;
            if self.is_lost() {
                // What nobody settles is done, and so it is delivered.
                if self.config.settling == Settling::ByReceiver {
                    self.batches.clear();
                    drop(self.attached.outbox().take());
                }
                if self.batches.is_empty() {
                    self.batches = self.attached.outbox().take();
                }
                if self.batches.is_empty() {
                    self.attach_again().await?;
                    continue;
                }
            }
            if self.batches.is_empty() {
                match self.attached.outbox().next().await {
                    Ok(batches) => self.batches = batches,
                    Err(_) if self.is_lost() => {}
                    Err(ended) => return Err(self.ended(ended).into()),
                }
                continue;
            }
            let deliveries = self.read_on().await?;
            if !deliveries.deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    /// Receives by itself what is ready now, up to so many records, strictly those of higher priorities first.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn pull(&mut self, count_max: u32) -> Result<Vec<Deliveries>, PullError> {
        loop {
            if self.is_lost() {
                self.attach_again().await?;
            }
            let (stream, holder) = (self.queue.lowest.stream, Some(self.holder()));
            let acquire = Acquire { stream, count_max, lease: Millis(u64::MAX), holder, attempt: None };
            match self.engine.receive(self.queue, acquire, Duration::ZERO).await {
                Ok(received) => return Ok(self.engine.received(&received).await?),
                // The leader changed, and this node has not heard of it.
                Err(SubmitError::Refused(Refusal::UnknownHolder { .. }))
                    if !self.is_cancelled && self.engine.has_peers() =>
                {
                    self.attach_again().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says how much it may hold from now on; what it holds already it keeps.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn set_credit(&self, credit: u32) -> Result<(), SubmitError> {
        self.credit.store(credit, Ordering::Relaxed);
        match &self.attached {
            Attached::Here(registration) => {
                let set = ConsumerRequest::SetCredit { consumer: registration.key, credit };
                self.engine.send(self.queue.shard(), Request::Consumer(set)).await
            }
            Attached::There(posted) => {
                posted.post.set_credit(credit);
                Ok(())
            }
        }
    }

    /// Wants no more. What was not delivered yet goes back as if it had never been handed out; if it is
    /// done already, it can still be had. What was delivered stays leased.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn cancel(&mut self) -> Result<(), SubmitError> {
        self.is_cancelled = true;
        let shard = self.queue.shard();
        let is_lost = match &self.attached {
            Attached::Here(registration) => {
                let consumer = registration.key;
                let cancel = |reply| Request::Consumer(ConsumerRequest::Cancel { consumer, reply });
                match self.engine.unless_cut_off(shard, self.engine.request(shard, cancel)).await {
                    Some(Ok(())) => false,
                    // Whoever leads the others has released it, or will.
                    None | Some(Err(SubmitError::NotLeader { .. })) => true,
                    Some(Err(error)) => return Err(error),
                }
            }
            Attached::There(posted) => matches!(self.engine.cancel_there(posted).await, Ended::NotLeader { .. }),
        };
        let waiting = self.attached.outbox().take();
        self.batches.extend(waiting);
        if self.config.settling == Settling::Automatic {
            return Ok(());
        }
        if is_lost {
            // It was released, with all that was delivered.
            self.batches.clear();
        }
        while let Some(Batch { stream, leases, .. }) = self.batches.front() {
            let queue = Partition { stream: *stream, shard };
            let settlements = leases.iter().map(|lease| (lease.key, released())).collect();
            self.engine.settle(queue, settlements).await?;
            self.batches.pop_front();
        }
        Ok(())
    }

    /// Ends it, as [`Engine::close_consumers`] does.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn close(self) -> Result<u64, SubmitError> {
        self.engine.clone().close_consumers(vec![self]).await
    }

    /// Whether it may begin anew somewhere else.
    fn is_lost(&self) -> bool {
        let is_lost = matches!(self.attached.outbox().ended(), Some(Ended::NotLeader { .. }));
        is_lost && !self.is_cancelled && self.engine.has_peers()
    }

    const fn ended(&self, ended: Ended) -> Ended {
        match ended {
            Ended::NotLeader { .. } if self.is_cancelled => Ended::Cancelled,
            ended => ended,
        }
    }

    /// Has the shard look whether there is more for one who has room again.
    async fn say_that_there_is_room(&mut self) {
        if !std::mem::take(&mut self.owes_word) {
            return;
        }
        if let Some(consumer) = self.attached.key() {
            let taken = Request::Consumer(ConsumerRequest::Taken { consumer });
            // If nobody hears it, the consumer has ended, which is told later.
            drop(self.engine.send(self.queue.shard(), taken).await);
        }
    }

    /// Begins anew at whoever leads the queue now.
    async fn attach_again(&mut self) -> Result<(), Ended> {
        loop {
            let config = ConsumerConfig { credit: self.credit.load(Ordering::Relaxed), ..self.config };
            match self.engine.attach(self.queue, config).await {
                Ok(Ok(attached)) => {
                    self.attached = attached;
                    self.owes_word = false;
                    self.times_lost += 1;
                    return Ok(());
                }
                Err(SubmitError::Refused(Refusal::UnknownQueue { .. })) => return Err(Ended::QueueDeleted),
                Err(SubmitError::Closing) => return Err(Ended::Closing),
                Err(SubmitError::Broken) => return Err(Ended::Broken),
                // Nobody leads, for longer than an election takes.
                Err(SubmitError::NotLeader { .. } | SubmitError::Lost { .. }) => sleep(PAUSE).await,
                Ok(Err(Occupied)) | Err(_) => {
                    return Err(Ended::NotLeader { leader: self.engine.leader(self.queue.shard()) });
                }
            }
        }
    }

    /// Reads the next of what was handed out, as much as is one delivery.
    async fn read_on(&mut self) -> Result<Deliveries, ReadError> {
        let Some(Batch { stream, leases, at, messages }) = self.batches.front_mut() else {
            unreachable!("who reads on has something to read");
        };
        let queue = Partition { stream: *stream, shard: self.queue.shard() };
        let (count, deliveries) = if messages.is_empty() {
            self.engine.inner.reached.wait(queue.shard, *at).await;
            self.engine.first_deliveries(*stream, leases).await?
        } else {
            let count = messages.len().min(DELIVERY_RECORDS);
            let delivery = |(lease, message): (&Lease, Message)| Delivery { lease: *lease, message };
            (count, leases.iter().zip(messages.drain(..count)).map(delivery).collect())
        };
        leases.drain(..count);
        if leases.is_empty() {
            self.batches.pop_front();
        }
        if self.config.settling == Settling::Automatic {
            self.attached.took(count as u64);
            self.owes_word = true;
        }
        Ok(Deliveries { queue, deliveries })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.attached.hang_up() {
            self.engine.listen(self.queue.shard());
        }
    }
}

impl Engine {
    /// Reads the first of some leased records, up to a limit; returns how many that speaks of. Records
    /// that are gone are left out; so is one that is damaged, and stays leased.
    async fn first_deliveries(
        &self,
        stream: StreamId,
        leases: &VecDeque<Lease>,
    ) -> Result<(usize, Vec<Delivery>), ReadError> {
        let (mut count, mut bytes) = (0, 0);
        let mut deliveries = Vec::new();
        let mut wanted = Vec::new();
        while count < leases.len().min(DELIVERY_RECORDS) && bytes < DELIVERY_BYTES {
            if wanted.is_empty() {
                wanted = ascending(leases, count..leases.len().min(DELIVERY_RECORDS));
            }
            let (reached, found) = match self.first_messages(stream, &wanted, DELIVERY_BYTES - bytes).await {
                Ok(found) => found,
                // One damaged record holds up no other.
                Err(error @ ReadError::Damaged { .. }) => {
                    tracing::error!(%stream, %error, "a leased record is not delivered, those beside it are");
                    (wanted[0].plus(1), Vec::new())
                }
                Err(_) if !deliveries.is_empty() => break,
                Err(error) => return Err(error),
            };
            let spoken_of = wanted.partition_point(|offset| *offset < reached);
            let mut of_those = leases.range(count..count + spoken_of);
            for message in found {
                bytes += message.body.len();
                let lease = of_those.find(|lease| lease.key.offset == message.offset);
                deliveries.extend(lease.map(|lease| Delivery { lease: *lease, message }));
            }
            count += spoken_of;
            wanted.drain(..spoken_of);
        }
        Ok((count, deliveries))
    }
}

/// The offsets of some leases, for as long as each lies behind the one before.
fn ascending(leases: &VecDeque<Lease>, places: Range<usize>) -> Vec<Offset> {
    let mut offsets: Vec<Offset> = leases.range(places).map(|lease| lease.key.offset).collect();
    let count = offsets.windows(2).take_while(|pair| pair[0] < pair[1]).count() + 1;
    offsets.truncate(count);
    offsets
}

const fn released() -> Settlement {
    Settlement::Release { delay: Millis(0), delivery: Counting::DidNotHappen }
}
