//! What is known of a queue from what was asked of it and answered: the oracle of queues.
//!
//! It follows history and knows nothing of cursors. What a queue decides by itself, such as that a
//! record is too old, it does not decide again: such a record is in doubt.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::command::{Acquire, Enqueue};
use omnibus_model::queue::{CursorConfig, DeadLetters, Delivery, DeliveryOrder, Envelope, Lease, Origin, Settlement};
use omnibus_model::{Command, DedupHash, GroupHash, HolderId, LeaseEpoch, Offset, Outcome, StreamId, Timestamp};

use crate::deed::Deed;

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct QueueMemories {
    pub(crate) by_stream: BTreeMap<StreamId, QueueMemory>,
    /// Queues that are gone.
    pub(crate) dropped: BTreeSet<StreamId>,
    /// How often the record of an origin has arrived, and was buried.
    pub(crate) journeys: BTreeMap<Origin, Journeys>,
}

/// How often a record was carried elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Journeys {
    pub(crate) arrived: u64,
    pub(crate) buried: u64,
    /// Where it arrived last.
    place: StreamId,
    /// That place was deleted before the record was buried, so it may arrive elsewhere too.
    pub(crate) is_lost: bool,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct QueueMemory {
    pub(crate) config: CursorConfig,
    pub(crate) records: BTreeMap<Offset, Known>,
    pub(crate) totals: Totals,
    pub(crate) sent: BTreeMap<DedupHash, Timestamp>,
    /// What is on its way out.
    pub(crate) dying: BTreeSet<Offset>,
}

/// What happened so often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) enqueued: u64,
    pub(crate) rewound: u64,
    pub(crate) settled: u64,
    pub(crate) purged: u64,
    pub(crate) buried: u64,
}

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) envelope: Envelope,
    /// Whether it is ready for sure, and at its own place.
    pub(crate) in_line: bool,
    /// It is not delivered before.
    pub(crate) not_before: Timestamp,
    pub(crate) fate: Fate,
    /// The latest lease, and until when it is the only one.
    pub(crate) lease: Option<(LeaseEpoch, Timestamp)>,
    holder: Option<HolderId>,
    /// Deliveries that count.
    pub(crate) deliveries: u32,
    /// Whether it was ever delivered since it was new.
    pub(crate) was_out: bool,
    /// Which message it is, once somebody was told.
    pub(crate) number: Option<u64>,
    /// All leases of it that there ever were; a receive that is repeated gets one of them again.
    pub(crate) epochs: BTreeSet<LeaseEpoch>,
    pub(crate) was_accepted: bool,
    /// Where it was moved from.
    pub(crate) origin: Option<Origin>,
}

/// Whether a record is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Here,
    /// The queue may have given it up.
    Doubtful,
    Gone,
}

impl QueueMemories {
    /// Remembers what happened.
    pub(crate) fn note(&mut self, deed: &Deed) {
        let stream = deed.stream;
        match &deed.command {
            Command::DropStream { .. } => {
                self.by_stream.remove(&stream);
                self.dropped.insert(stream);
                return;
            }
            Command::Enqueue(Enqueue { origin: Some(origin), .. }) => {
                let journeys = self.journeys.entry(*origin).or_default();
                let arrived = if journeys.is_lost { journeys.arrived } else { journeys.arrived + 1 };
                *journeys = Journeys { arrived, place: stream, is_lost: false, ..*journeys };
            }
            Command::Bury { offset, .. } => {
                let origin = Origin { stream, offset: *offset };
                let journeys = self.journeys.entry(origin).or_default();
                (journeys.buried, journeys.is_lost) = (journeys.buried + 1, false);
            }
            _ => {}
        }
        let Some(config) = deed.config else { return };
        let memory = self.by_stream.entry(stream).or_insert_with(|| QueueMemory::new(config));
        memory.note(deed, config);
    }
}

impl QueueMemories {
    /// Notes that a queue is deleted: what arrived there and is not buried yet may arrive elsewhere.
    pub(crate) fn deleted(&mut self, stream: StreamId) {
        let lost = |journeys: &&mut Journeys| journeys.place == stream && journeys.arrived > journeys.buried;
        self.journeys.values_mut().filter(lost).for_each(|journeys| journeys.is_lost = true);
    }
}

impl QueueMemory {
    const fn new(config: CursorConfig) -> Self {
        let totals = Totals { enqueued: 0, rewound: 0, settled: 0, purged: 0, buried: 0 };
        Self { config, records: BTreeMap::new(), totals, sent: BTreeMap::new(), dying: BTreeSet::new() }
    }

    pub(crate) fn is_ordered(&self) -> bool {
        self.config.order == DeliveryOrder::Ordered
    }

    /// Whether a record must be in the queue.
    pub(crate) fn is_here(&self, known: &Known) -> bool {
        let worn_out = self.config.deliveries_max.is_some_and(|max| known.deliveries >= max);
        let expires = known.envelope.expires_at.is_some();
        known.fate == Fate::Here && !worn_out && !expires
    }

    /// The records of a group before an offset, or behind it.
    pub(crate) fn of_group(&self, group: GroupHash) -> impl Iterator<Item = (Offset, &Known)> {
        let known = self.records.iter().map(|(offset, known)| (*offset, known));
        known.filter(move |(_, known)| known.envelope.group == Some(group))
    }

    fn note(&mut self, deed: &Deed, config: CursorConfig) {
        self.config = config;
        self.dying.clone_from(&deed.dying);
        match (&deed.command, &deed.outcome) {
            (Command::Enqueue(enqueue), Outcome::Enqueued(appended)) => {
                self.enqueued(deed.now, enqueue, appended.base);
            }
            (Command::Acquire(acquire), Outcome::Acquired(acquired)) => {
                acquired.leases.iter().for_each(|lease| self.leased(acquire, lease));
            }
            (Command::Take { .. }, Outcome::Acquired(acquired)) => {
                acquired.leases.iter().for_each(|lease| self.taken(lease));
            }
            (Command::Settle { settlements, .. }, Outcome::Settled { results, .. }) => {
                let done = settlements.iter().zip(results).filter(|(_, result)| result.is_ok());
                done.for_each(|((key, settlement), _)| self.settled(deed.now, key.offset, *settlement));
            }
            (Command::Extend { leases, .. }, Outcome::Extended { results }) => {
                for ((key, span), result) in leases.iter().zip(results) {
                    if let (Ok(until), Some(known)) = (result, self.records.get_mut(&key.offset)) {
                        known.lease = (span.0 > 0).then_some((key.epoch, *until));
                    }
                }
            }
            (Command::ReleaseHolder { holder, .. }, _) => {
                self.released(|held_by| held_by == *holder);
            }
            (Command::EndSessions, _) => self.released(HolderId::is_session),
            (Command::Bury { offset, .. }, _) => {
                self.totals.buried += 1;
                self.change(*offset, |known| known.fate = Fate::Gone);
            }
            (Command::Purge { .. }, Outcome::Purged { count }) => self.purged(*count),
            (Command::Rewind { to, .. }, Outcome::Rewound { count }) => self.rewound(*to, *count),
            (Command::ExpireBefore { .. }, Outcome::Expired { before, .. }) => {
                let old = self.records.range_mut(..*before).filter(|(_, known)| known.fate == Fate::Here);
                old.for_each(|(_, known)| known.fate = Fate::Doubtful);
            }
            _ => {}
        }
        self.pass(deed.now);
    }

    /// Notes what is over by a time. It may be earlier than the time before: a new leader's clock
    /// may go behind.
    fn pass(&mut self, now: Timestamp) {
        self.sent.retain(|_, until| now < *until);
        for known in self.records.values_mut() {
            if known.lease.is_some_and(|(_, until)| until <= now) {
                known.lease = None;
            }
            if known.not_before <= now {
                known.not_before = Timestamp(0);
            }
        }
    }

    fn change(&mut self, offset: Offset, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.records.get_mut(&offset) {
            change(known);
        }
    }

    fn enqueued(&mut self, now: Timestamp, enqueue: &Enqueue, offset: Offset) {
        self.totals.enqueued += 1;
        let envelope = enqueue.envelope;
        if let Some(id) = envelope.dedup {
            self.sent.insert(id, now.plus(self.config.dedup_window));
        }
        let known = Known {
            envelope,
            in_line: envelope.is_plain() && self.is_in_line(),
            not_before: self.first_at(&envelope, now.min(enqueue.append.batch.timestamp_max)),
            fate: Fate::Here,
            lease: None,
            holder: None,
            deliveries: 0,
            was_out: false,
            number: None,
            epochs: BTreeSet::new(),
            was_accepted: false,
            origin: enqueue.origin,
        };
        self.records.insert(offset, known);
    }

    /// When a record that came at a time may be delivered first.
    fn first_at(&self, envelope: &Envelope, came_at: Timestamp) -> Timestamp {
        match envelope.deliver_at {
            Some(at) => at,
            None if self.is_ordered() => came_at.plus(self.config.delay),
            None => came_at,
        }
    }

    /// Whether a plain record that comes, or comes back at once, stands at its own place.
    fn is_in_line(&self) -> bool {
        !self.is_ordered() && self.config.back_after.is_none() && self.config.grouped_max >= 1_000
    }

    /// Notes that all leases of some holders have ended.
    fn released(&mut self, goes: impl Fn(HolderId) -> bool) {
        let in_line = self.is_in_line();
        let held = self.records.values_mut().filter(|known| known.holder.is_some_and(&goes) && known.lease.is_some());
        held.for_each(|known| {
            known.lease = None;
            known.in_line = known.envelope.is_plain() && in_line;
        });
    }

    /// Notes that a record was handed out as done.
    fn taken(&mut self, lease: &Lease) {
        self.totals.settled += 1;
        self.change(lease.key.offset, |known| {
            (known.fate, known.was_accepted, known.in_line) = (Fate::Gone, true, false);
            (known.lease, known.holder, known.was_out) = (None, None, true);
            known.deliveries = lease.delivery_count;
            known.epochs.insert(lease.key.epoch);
        });
    }

    fn leased(&mut self, acquire: &Acquire, lease: &Lease) {
        let (epoch, until) = (lease.key.epoch, lease.deadline);
        self.change(lease.key.offset, |known| {
            known.in_line = false;
            // A receive that is repeated gets what it got.
            if !known.epochs.contains(&epoch) {
                known.holder = acquire.holder;
            }
            known.lease = Some((epoch, until));
            known.deliveries = lease.delivery_count;
            known.was_out = true;
            known.epochs.insert(epoch);
        });
    }

    fn settled(&mut self, now: Timestamp, offset: Offset, settlement: Settlement) {
        let dropped = self.config.dead_letters == DeadLetters::Dropped;
        let in_line = self.is_in_line();
        self.totals.settled += u64::from(settlement == Settlement::Accept);
        self.change(offset, |known| {
            known.lease = None;
            match settlement {
                Settlement::Accept => (known.fate, known.was_accepted) = (Fate::Gone, true),
                Settlement::Reject if dropped => known.fate = Fate::Gone,
                // It is there until it has been carried away.
                Settlement::Reject => {}
                Settlement::Release { delay, delivery } => {
                    known.in_line = known.envelope.is_plain() && delay.0 == 0 && in_line;
                    known.not_before = if delay.0 > 0 { now.plus(delay) } else { known.not_before };
                    known.deliveries -= u32::from(delivery == Delivery::DidNotHappen && known.deliveries > 0);
                }
            }
        });
    }

    fn purged(&mut self, count: u64) {
        self.totals.purged += count;
        self.sent.clear();
        let stays = |offset: &Offset| self.dying.contains(offset);
        for (_, known) in self.records.iter_mut().filter(|(offset, _)| !stays(offset)) {
            (known.fate, known.lease) = (Fate::Gone, None);
        }
    }

    fn rewound(&mut self, to: Offset, count: u64) {
        self.totals.rewound += count;
        let stays = |offset: &Offset| self.dying.contains(offset);
        for (_, known) in self.records.range_mut(to..).filter(|(offset, _)| !stays(offset)) {
            known.fate = Fate::Here;
            (known.lease, known.deliveries, known.was_out, known.in_line) = (None, 0, false, false);
            known.not_before = known.envelope.deliver_at.unwrap_or(Timestamp(0));
        }
    }
}
