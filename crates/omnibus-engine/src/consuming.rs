//! Consumers, as front ends use them: records that come by themselves, within a credit.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use omnibus_model::queue::{Delivery as Counting, Lease, Settlement};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{HolderId, Millis, Offset, ShardId, StreamId};
use thiserror::Error;

use crate::consumers::{Batch, ConsumerConfig, ConsumerRequest, Ended, Occupied, Registration, Settling};
use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};
use crate::queues::{Deliveries, Delivery};
use crate::shard::Request;

/// What is read for one delivery of records, unless the first is longer.
const DELIVERY_BYTES: usize = 1 << 20;

/// The most records of one delivery.
const DELIVERY_RECORDS: usize = 512;

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

/// Somebody who is given records of a queue as they come, and holds them for as long as he lives: what
/// he has not settled is released when this is dropped, in order, and its delivery counts.
#[derive(Debug)]
pub struct Consumer {
    engine: Engine,
    shard: ShardId,
    settling: Settling,
    registration: Registration,
    /// Handed out, and not delivered yet.
    batches: VecDeque<Batch>,
    /// The shard is to know that there is room again.
    owes_word: bool,
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
        let shard = queue.shard();
        let begin = |reply| Request::Consumer(ConsumerRequest::Begin { queue, config, reply });
        let registration = self.request(shard, begin).await??;
        Ok(Consumer {
            engine: self.clone(),
            shard,
            settling: config.settling,
            registration,
            batches: VecDeque::new(),
            owes_word: false,
        })
    }

    /// How many consume a queue.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn consumer_count(&self, queue: impl Into<QueuePlace>) -> Result<u32, SubmitError> {
        let Partition { stream, shard } = queue.into().lowest;
        self.request(shard, |reply| Request::Consumer(ConsumerRequest::Count { stream, reply })).await
    }

    /// Ends consumers, as when their connection is closed: all that they hold of a queue is released
    /// before anybody else is served there. Returns how much it was.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn close_consumers(&self, consumers: Vec<Consumer>) -> Result<u64, SubmitError> {
        let mut by_shard: BTreeMap<ShardId, Vec<Consumer>> = BTreeMap::new();
        for consumer in consumers {
            by_shard.entry(consumer.shard).or_default().push(consumer);
        }
        let mut released = 0;
        for (shard, mut consumers) in by_shard {
            let keys = consumers.iter().map(|consumer| consumer.registration.key).collect();
            let close = |reply| Request::Consumer(ConsumerRequest::Close { consumers: keys, reply });
            // Whoever stops waiting hangs up.
            released += self.request(shard, close).await?;
            consumers.iter_mut().for_each(|consumer| consumer.registration.forget());
        }
        Ok(released)
    }
}

impl Consumer {
    /// Who holds what was delivered; he may receive by himself, too, with a lease for ever.
    #[must_use]
    pub const fn holder(&self) -> HolderId {
        self.registration.key.holder
    }

    /// Waits for records, all of one partition of the queue. Who stops waiting loses nothing.
    ///
    /// # Errors
    /// [`NextError`].
    pub async fn next(&mut self) -> Result<Deliveries, NextError> {
        loop {
            if self.owes_word {
                let taken = ConsumerRequest::Taken { consumer: self.registration.key };
                // If nobody hears it, the consumer has ended, which is told below.
                drop(self.engine.send(self.shard, Request::Consumer(taken)).await);
                self.owes_word = false;
            }
            if self.batches.is_empty() {
                self.batches = self.registration.outbox.next().await?;
                self.owes_word = self.settling == Settling::Automatic;
                continue;
            }
            let deliveries = self.read_on().await?;
            if !deliveries.deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    /// Says how much it may hold from now on; what it holds already it keeps.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn set_credit(&self, credit: u32) -> Result<(), SubmitError> {
        let consumer = self.registration.key;
        self.engine.send(self.shard, Request::Consumer(ConsumerRequest::SetCredit { consumer, credit })).await
    }

    /// Wants no more. What was not delivered yet goes back as if it had never been handed out; if it is
    /// done already, it can still be had. What was delivered stays leased.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn cancel(&mut self) -> Result<(), SubmitError> {
        let consumer = self.registration.key;
        let cancel = |reply| Request::Consumer(ConsumerRequest::Cancel { consumer, reply });
        self.engine.request(self.shard, cancel).await?;
        self.batches.extend(self.registration.outbox.take());
        while let (Settling::ByReceiver, Some((stream, leases))) = (self.settling, self.batches.front()) {
            let queue = Partition { stream: *stream, shard: self.shard };
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

    /// Reads the next of what was handed out, as much as is one delivery.
    async fn read_on(&mut self) -> Result<Deliveries, ReadError> {
        let Some((stream, leases)) = self.batches.front_mut() else {
            unreachable!("who reads on has something to read");
        };
        let queue = Partition { stream: *stream, shard: self.shard };
        let found = self.engine.first_deliveries(*stream, leases).await;
        let (count, deliveries) = found?;
        leases.drain(..count);
        if leases.is_empty() {
            self.batches.pop_front();
        }
        Ok(Deliveries { queue, deliveries })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.registration.hang_up();
        // If its queue is full, the shard listens after it has worked on it.
        self.engine.nudge(self.shard, Request::Consumer(ConsumerRequest::Listen));
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
