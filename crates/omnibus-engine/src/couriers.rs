//! Consumers of this node whose queue another node leads: a courier for each such node carries what it
//! hands out to all of them, and tells it what they have to say (ADR 0053).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omnibus_model::{HolderId, NodeId, ShardId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::baskets::{CourierId, Load, Note, Parcel};
use crate::outbox::{Ended, Outbox};

/// The couriers of this node, by where they go.
#[derive(Debug, Default)]
pub(crate) struct Couriers(Mutex<BTreeMap<NodeId, Arc<Courier>>>);

impl Couriers {
    /// The courier to a node, if there is one that still goes, or a new one, which is to be sent.
    pub(crate) fn to(&self, leader: NodeId, name: impl FnOnce() -> CourierId) -> (Arc<Courier>, bool) {
        let mut couriers = self.0.lock();
        match couriers.get(&leader).filter(|courier| !courier.is_over()) {
            Some(courier) => (Arc::clone(courier), false),
            None => {
                let courier = Arc::new(Courier::new(name(), leader));
                couriers.insert(leader, Arc::clone(&courier));
                (courier, true)
            }
        }
    }
}

/// One that goes to a node and back, for as long as anybody here consumes there.
#[derive(Debug)]
pub(crate) struct Courier {
    pub(crate) id: CourierId,
    pub(crate) leader: NodeId,
    state: Mutex<State>,
    /// Rung when there is something to tell.
    bell: Notify,
    /// Rung when the leader knows the courier.
    met: Notify,
}

#[derive(Debug, Default)]
struct State {
    posts: BTreeMap<u64, Place>,
    /// By consumer, what is to be told.
    notes: BTreeMap<u64, Note>,
    last: u64,
    has_met: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Place {
    shard: ShardId,
    outbox: Arc<Outbox>,
}

impl Courier {
    fn new(id: CourierId, leader: NodeId) -> Self {
        Self { id, leader, state: Mutex::default(), bell: Notify::new(), met: Notify::new() }
    }

    /// Makes a post for a consumer; none if this courier goes no more.
    pub(crate) fn post(self: &Arc<Self>, shard: ShardId) -> Option<Post> {
        let mut state = self.state.lock();
        if state.is_over {
            return None;
        }
        state.last += 1;
        let (number, outbox) = (state.last, Arc::<Outbox>::default());
        state.posts.insert(number, Place { shard, outbox: Arc::clone(&outbox) });
        Some(Post { courier: Arc::clone(self), number, outbox, taken: AtomicU64::new(0), is_open: true })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    pub(crate) fn has_met(&self) -> bool {
        self.state.lock().has_met
    }

    /// Notes that the leader knows this courier.
    pub(crate) fn meet(&self) {
        self.state.lock().has_met = true;
        self.met.notify_waiters();
    }

    /// Waits until it does.
    pub(crate) async fn met(&self) {
        loop {
            // The bell counts from here on, so nothing is missed between the look and the wait.
            let met = self.met.notified();
            if self.has_met() {
                return;
            }
            met.await;
        }
    }

    /// The shards that anybody consumes.
    pub(crate) fn shards(&self) -> Vec<ShardId> {
        let mut shards: Vec<ShardId> = self.state.lock().posts.values().map(|place| place.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Ends those who consume a shard: somebody else leads it.
    pub(crate) fn end_shard(&self, shard: ShardId, leader: Option<NodeId>) {
        let mut state = self.state.lock();
        let gone: Vec<u64> =
            state.posts.iter().filter(|(_, place)| place.shard == shard).map(|(number, _)| *number).collect();
        for number in gone {
            let ended = state.posts.remove(&number);
            ended.into_iter().for_each(|place| place.outbox.end(Ended::NotLeader { leader }));
            state.note(number).is_gone = true;
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Gives everybody what has come.
    pub(crate) fn distribute(&self, load: Load) {
        let mut state = self.state.lock();
        let mut strangers = false;
        for parcel in load.parcels {
            match parcel {
                Parcel::Batch { consumer, batch } => match state.posts.get(&consumer) {
                    Some(place) => {
                        place.outbox.promise(batch.leases.len() as u64);
                        place.outbox.put(batch);
                    }
                    // It has gone, and that was told or is about to be; or nobody here ever heard that it began.
                    None => {
                        state.note(consumer).is_gone = true;
                        strangers = true;
                    }
                },
                Parcel::Ended { consumer, ended } => {
                    if let Some(place) = state.posts.get(&consumer) {
                        place.outbox.end(match ended {
                            // It is that node which ends, and not this one.
                            Ended::Closing | Ended::Broken => Ended::NotLeader { leader: None },
                            ended => ended,
                        });
                    }
                }
            }
        }
        drop(state);
        if strangers {
            self.bell.notify_one();
        }
    }

    /// Waits until there is something to tell.
    pub(crate) async fn to_tell(&self) -> Vec<Note> {
        loop {
            let notes = std::mem::take(&mut self.state.lock().notes);
            if !notes.is_empty() {
                return notes.into_values().collect();
            }
            self.bell.notified().await;
        }
    }

    /// Goes no more, if nobody needs it.
    pub(crate) fn end_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        if state.posts.is_empty() && (state.notes.is_empty() || !state.has_met) {
            state.is_over = true;
        }
        state.is_over
    }

    /// Goes no more: nobody gets anything.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        state.notes.clear();
        for place in std::mem::take(&mut state.posts).into_values() {
            place.outbox.end(Ended::NotLeader { leader: None });
        }
    }

    fn note(&self, number: u64, note: impl FnOnce(&mut Note)) {
        let mut state = self.state.lock();
        if !state.is_over {
            note(state.note(number));
            drop(state);
            self.bell.notify_one();
        }
    }
}

impl State {
    fn note(&mut self, consumer: u64) -> &mut Note {
        self.notes.entry(consumer).or_insert(Note { consumer, ..Note::default() })
    }
}

/// A consumer's place with a courier. Whoever drops it hangs up.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) courier: Arc<Courier>,
    pub(crate) number: u64,
    pub(crate) outbox: Arc<Outbox>,
    taken: AtomicU64,
    is_open: bool,
}

impl Post {
    pub(crate) fn set_credit(&self, credit: u32) {
        self.courier.note(self.number, |note| note.credit = Some(credit));
    }

    /// Notes that so many more records were taken.
    pub(crate) fn took(&self, count: u64) {
        let taken = self.taken.fetch_add(count, Ordering::Relaxed) + count;
        self.courier.note(self.number, |note| note.taken = taken);
    }

    /// Says that somebody else sees to the end of it.
    pub(crate) fn forget(&mut self) {
        self.is_open = false;
        self.courier.state.lock().posts.remove(&self.number);
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if std::mem::replace(&mut self.is_open, false) {
            self.courier.state.lock().posts.remove(&self.number);
            self.courier.note(self.number, |note| note.is_gone = true);
        }
    }
}

/// A consumer on this node of a queue that is led elsewhere.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) post: Post,
    pub(crate) holder: HolderId,
}
