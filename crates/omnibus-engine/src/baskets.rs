//! What this node has handed out to consumers that are connected to others: each of those nodes has a
//! basket here, out of which its courier takes what there is for all of them at once (ADR 0053).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::refusal::Limited;
use omnibus_model::{HolderId, LogIndex, NodeId, Refusal, ShardId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::consumers::{ConsumerKey, Registration};
use crate::outbox::{Batch, Bells, Ended, Ringer};

/// Consumers of one node that may be in a basket.
pub(crate) const CONSUMERS_MAX: usize = 65_536;

/// The most leases that a courier is given at a time, and of them for one consumer.
const LEASES_AT_ONCE: usize = 4_096;
const LEASES_OF_ONE: usize = 512;

/// Which courier of which node: it names itself by chance when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct CourierId {
    pub(crate) node: NodeId,
    pub(crate) number: u64,
}

/// What a courier carries to one of its consumers. New ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Parcel {
    Batch { consumer: u64, batch: Batch },
    Ended { consumer: u64, ended: Ended },
}

/// What a courier takes at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    /// The same again has the same number.
    pub(crate) number: u64,
    pub(crate) parcels: Vec<Parcel>,
}

/// What a consumer on another node has to say. All of it may be said again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) consumer: u64,
    /// How many records it has taken since it began, if it is not told otherwise that they are done.
    pub(crate) taken: u64,
    pub(crate) credit: Option<u32>,
    pub(crate) is_gone: bool,
}

/// The baskets of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Baskets(Mutex<BTreeMap<NodeId, Arc<Basket>>>);

impl Baskets {
    /// Finds the basket of a courier; of an older one of its node there is none.
    pub(crate) fn find(&self, courier: CourierId) -> Option<Arc<Basket>> {
        let baskets = self.0.lock();
        baskets.get(&courier.node).filter(|basket| basket.courier == courier && !basket.is_closed()).map(Arc::clone)
    }

    /// Finds the basket of a courier, or makes one, and says what its node had before.
    pub(crate) fn find_or_make(&self, courier: CourierId, now: Duration) -> (Arc<Basket>, Before) {
        let mut baskets = self.0.lock();
        let found = baskets.get(&courier.node).filter(|basket| basket.courier == courier && !basket.is_closed());
        if let Some(found) = found {
            return (Arc::clone(found), Before::Same);
        }
        let basket = Arc::new(Basket::new(courier, now));
        let before = baskets.insert(courier.node, Arc::clone(&basket));
        (basket, before.map_or(Before::Nothing, Before::Another))
    }

    /// Forgets a basket, unless its node has another one already.
    pub(crate) fn forget(&self, courier: CourierId) {
        if let Entry::Occupied(found) = self.0.lock().entry(courier.node)
            && found.get().courier == courier
        {
            found.remove();
        }
    }
}

/// What a node had before its courier asked for a basket.
#[derive(Debug)]
pub(crate) enum Before {
    Same,
    Another(Arc<Basket>),
    Nothing,
}

/// What one courier has here.
#[derive(Debug)]
pub(crate) struct Basket {
    pub(crate) courier: CourierId,
    bells: Arc<Bells>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When its courier was last here.
    heard: Duration,
    is_closed: bool,
    consumers: BTreeMap<u64, Place>,
    /// Who was looked after last.
    turn: u64,
    /// What was given last, until the courier says that it has it.
    load: Load,
    /// How its courier numbers what it tells.
    told: u64,
}

/// One consumer's place in a basket.
#[derive(Debug)]
enum Place {
    /// Its shard is asked.
    Asked,
    Known(Known),
}

#[derive(Debug)]
struct Known {
    registration: Registration,
    /// How much it was heard to have taken.
    taken: u64,
    /// All that was handed out before it was cancelled has arrived.
    is_cancelled: bool,
}

impl Basket {
    fn new(courier: CourierId, now: Duration) -> Self {
        let state = State { heard: now, ..State::default() };
        Self { courier, bells: Arc::default(), state: Mutex::new(state) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// How long its courier was not here.
    pub(crate) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.state.lock().heard)
    }

    /// Keeps a place for a consumer that is about to begin.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`].
    pub(crate) fn expect(&self, number: u64) -> Result<Ringer, Refusal> {
        let mut state = self.state.lock();
        if state.consumers.len() >= CONSUMERS_MAX {
            return Err(Refusal::LimitReached { what: Limited::Consumers, max: CONSUMERS_MAX as u64 });
        }
        state.consumers.insert(number, Place::Asked);
        Ok(Ringer { bells: Arc::clone(&self.bells), number })
    }

    /// Takes in a consumer that has begun, unless it has gone meanwhile.
    pub(crate) fn begin(&self, number: u64, registration: Registration) -> Option<HolderId> {
        let mut state = self.state.lock();
        let place = state.consumers.get_mut(&number)?;
        let holder = registration.key.holder;
        *place = Place::Known(Known { registration, taken: 0, is_cancelled: false });
        drop(state);
        // It may have got something already.
        self.bells.ring(number);
        Some(holder)
    }

    /// Takes out some consumers, to be closed.
    pub(crate) fn take_out(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<Registration> {
        let mut state = self.state.lock();
        let places = numbers.into_iter().filter_map(|number| state.consumers.remove(&number));
        places.filter_map(Place::registration).collect()
    }

    /// Takes out all consumers, for ever.
    pub(crate) fn close(&self) -> Vec<Registration> {
        let mut state = self.state.lock();
        state.is_closed = true;
        let places = std::mem::take(&mut state.consumers).into_values();
        let closed = places.filter_map(Place::registration).collect();
        drop(state);
        self.bells.wake();
        closed
    }

    pub(crate) fn key(&self, number: u64) -> Option<ConsumerKey> {
        match self.state.lock().consumers.get(&number) {
            Some(Place::Known(known)) => Some(known.registration.key),
            Some(Place::Asked) | None => None,
        }
    }

    /// Learns how many records a consumer has taken; says whether they are more than before.
    pub(crate) fn took(&self, number: u64, taken: u64) -> bool {
        let mut state = self.state.lock();
        let Some(Place::Known(known)) = state.consumers.get_mut(&number) else { return false };
        let more = taken.saturating_sub(known.taken);
        known.taken += more;
        known.registration.outbox.took(more);
        more > 0
    }

    /// Learns that all has arrived that was handed out to a consumer before it was cancelled.
    pub(crate) fn cancelled(&self, number: u64) {
        if let Some(Place::Known(known)) = self.state.lock().consumers.get_mut(&number) {
            known.is_cancelled = true;
        }
        self.bells.ring(number);
    }

    /// Whether what a courier tells is not older than what it told last.
    pub(crate) fn is_news(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let is_news = number >= state.told;
        state.told = state.told.max(number);
        is_news
    }

    /// Begins to wait for something to take.
    pub(crate) fn rung(&self) -> tokio::sync::futures::Notified<'_> {
        self.bells.rung()
    }

    /// Gives the courier what there is, or once more what it does not have yet. `at` says how far a shard is.
    ///
    /// # Errors
    /// [`Gone`] if the courier has missed something, or the basket was closed.
    pub(crate) fn collect(
        &self,
        (has, now): (u64, Duration),
        at: impl Fn(ShardId) -> LogIndex,
    ) -> Result<Option<Load>, Gone> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Gone);
        }
        state.heard = now;
        let again = state.load.number == has.saturating_add(1);
        if !again && state.load.number != has {
            return Err(Gone);
        }
        if !again {
            let parcels = state.fill(&self.bells, at);
            if parcels.is_empty() {
                state.load.parcels = parcels;
                return Ok(None);
            }
            state.load = Load { number: has + 1, parcels };
        }
        Ok(Some(state.load.clone()))
    }
}

/// A courier's basket is there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl Place {
    fn registration(self) -> Option<Registration> {
        match self {
            Self::Asked => None,
            Self::Known(known) => Some(known.registration),
        }
    }
}

impl State {
    fn fill(&mut self, bells: &Bells, at: impl Fn(ShardId) -> LogIndex) -> Vec<Parcel> {
        let (mut parcels, mut left, mut waiting) = (Vec::new(), LEASES_AT_ONCE, Vec::new());
        while left > 0
            && parcels.len() < LEASES_AT_ONCE
            && let Some(number) = bells.take_behind(self.turn)
        {
            self.turn = number;
            let Some(Place::Known(known)) = self.consumers.get(&number) else { continue };
            let (outbox, shard) = (&known.registration.outbox, known.registration.key.queue.shard());
            // Looked at before what comes before it.
            let ended = outbox.ended().filter(|ended| *ended != Ended::Cancelled || known.is_cancelled);
            let (batches, has_more) = outbox.carry(left.min(LEASES_OF_ONE));
            left = left.saturating_sub(batches.iter().map(|batch| batch.leases.len()).sum());
            let at = at(shard);
            let batches = batches.into_iter().map(|batch| Batch { at, ..batch });
            parcels.extend(batches.map(|batch| Parcel::Batch { consumer: number, batch }));
            if has_more {
                waiting.push(number);
            } else if let Some(ended) = ended {
                parcels.push(Parcel::Ended { consumer: number, ended });
                // What one holds who was cancelled is released when he goes.
                if ended != Ended::Cancelled {
                    self.consumers.remove(&number);
                }
            }
        }
        waiting.into_iter().for_each(|number| bells.ring(number));
        parcels
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use omnibus_model::queue::{Lease, LeaseKey};
    use omnibus_model::topic::{Partition, QueuePlace};
    use omnibus_model::{LeaseEpoch, Offset, StreamId, Timestamp};

    use super::*;
    use crate::consumers::{Access, ConsumerConfig, Consumers, Served, Settling};

    const COURIER: CourierId = CourierId { node: NodeId(3), number: 77 };
    const SHARD: ShardId = ShardId(1);

    fn basket_with_consumers(count: u64) -> (Basket, Consumers) {
        let (basket, mut consumers) = (Basket::new(COURIER, Duration::ZERO), Consumers::default());
        for number in 1..=count {
            let ringer = basket.expect(number).unwrap();
            let config =
                ConsumerConfig { credit: 9, settling: Settling::Automatic, access: Access::Shared, priority: 0 };
            let queue = QueuePlace::from(Partition { stream: StreamId(number), shard: SHARD });
            let registration = consumers.begin(queue, (config, Served(Some(ringer))), HolderId).unwrap();
            assert_eq!(basket.begin(number, registration), Some(HolderId(number)));
        }
        (basket, consumers)
    }

    fn put(basket: &Basket, number: u64, offsets: std::ops::Range<u64>) {
        let lease = |offset| Lease {
            key: LeaseKey { offset: Offset(offset), epoch: LeaseEpoch(1) },
            delivery_count: 1,
            first_delivered_at: Timestamp(0),
            deadline: Timestamp(0),
        };
        let leases = offsets.map(lease).collect();
        let batch = Batch { stream: StreamId(number), leases, at: LogIndex(0), messages: VecDeque::new() };
        let state = basket.state.lock();
        let Some(Place::Known(known)) = state.consumers.get(&number) else { panic!("it is known") };
        let outbox = Arc::clone(&known.registration.outbox);
        drop(state);
        outbox.promise(batch.leases.len() as u64);
        outbox.put(batch);
    }

    /// What comes for whom: how many records, none if it has ended.
    fn collect(basket: &Basket, has: u64) -> Vec<(u64, Option<usize>)> {
        let load = basket.collect((has, Duration::ZERO), |_| LogIndex(5)).unwrap();
        let parcels = load.map(|load| load.parcels).unwrap_or_default().into_iter();
        let told = parcels.map(|parcel| match parcel {
            Parcel::Batch { consumer, batch } => (consumer, Some(batch.leases.len())),
            Parcel::Ended { consumer, .. } => (consumer, None),
        });
        told.collect()
    }

    #[test]
    fn what_a_courier_does_not_have_it_is_given_again_and_nothing_else() {
        let (basket, _consumers) = basket_with_consumers(2);
        assert_eq!(collect(&basket, 0), []);
        put(&basket, 1, 0..2);
        assert_eq!(collect(&basket, 0), [(1, Some(2))]);
        put(&basket, 2, 0..1);
        assert_eq!(collect(&basket, 0), [(1, Some(2))], "the answer was lost");
        assert_eq!(collect(&basket, 1), [(2, Some(1))]);
        assert_eq!(collect(&basket, 2), []);
        assert_eq!(basket.collect((1, Duration::ZERO), |_| LogIndex(5)), Ok(Some(Load { number: 2, parcels: vec![] })));
        assert_eq!(basket.collect((0, Duration::ZERO), |_| LogIndex(5)), Err(Gone), "it has missed something");
    }

    #[test]
    fn one_with_much_keeps_nobody_waiting() {
        let (basket, _consumers) = basket_with_consumers(2);
        put(&basket, 1, 0..2 * LEASES_AT_ONCE as u64);
        put(&basket, 2, 0..1);
        assert_eq!(collect(&basket, 0), [(1, Some(LEASES_OF_ONE)), (2, Some(1))]);
        assert_eq!(collect(&basket, 1), [(1, Some(LEASES_OF_ONE))]);
    }

    #[test]
    fn cancelled_consumer_ends_when_all_has_arrived_and_keeps_its_place() {
        let (basket, mut consumers) = basket_with_consumers(1);
        consumers.remove(basket.key(1).unwrap(), Ended::Cancelled);
        put(&basket, 1, 0..1);
        assert_eq!(collect(&basket, 0), [(1, Some(1))]);
        basket.cancelled(1);
        assert_eq!(collect(&basket, 1), [(1, None)]);
        assert_eq!(basket.take_out([1]).len(), 1);
        assert_eq!(basket.key(1), None);
    }

    #[test]
    fn who_goes_before_it_has_begun_has_no_place() {
        let (basket, consumers) = basket_with_consumers(1);
        let registration = basket.take_out([1]).remove(0);
        assert_eq!(basket.begin(1, registration), None);
        assert_eq!(consumers.take_hang_ups().len(), 1);
        let (basket, mut consumers) = basket_with_consumers(1);
        consumers.end_all(Ended::NotLeader { leader: None });
        assert_eq!(collect(&basket, 0), [(1, None)]);
        assert_eq!(basket.close().len(), 0, "whoever has ended has no place");
        assert_eq!(basket.collect((1, Duration::ZERO), |_| LogIndex(5)), Err(Gone));
    }

    #[test]
    fn what_was_taken_is_said_as_often_as_one_likes() {
        let (basket, _consumers) = basket_with_consumers(1);
        put(&basket, 1, 0..5);
        assert!(basket.took(1, 3));
        assert!(!basket.took(1, 3) && !basket.took(1, 2) && !basket.took(9, 1));
        assert!(basket.took(1, 5));
    }

    #[test]
    fn a_node_has_one_basket_and_it_is_that_of_its_newest_courier() {
        let baskets = Baskets::default();
        let (first, before) = baskets.find_or_make(COURIER, Duration::ZERO);
        assert!(matches!(before, Before::Nothing) && Arc::ptr_eq(&baskets.find(COURIER).unwrap(), &first));
        assert!(matches!(baskets.find_or_make(COURIER, Duration::ZERO), (_, Before::Same)));
        let next = CourierId { number: 78, ..COURIER };
        assert!(baskets.find(next).is_none());
        let (second, before) = baskets.find_or_make(next, Duration::ZERO);
        assert!(matches!(before, Before::Another(before) if Arc::ptr_eq(&before, &first)));
        assert!(baskets.find(COURIER).is_none());
        baskets.forget(COURIER);
        assert!(Arc::ptr_eq(&baskets.find(next).unwrap(), &second));
        second.close();
        assert!(baskets.find(next).is_none());
    }
}
