//! A lease cursor: what has become of a queue's records.
//!
//! ```text
//!              next                    horizon            end
//!   looked at   |    plain: ready         |   not looked at |
//!  -------------+-------------------------+-----------------+
//! ```
//!
//! Below `horizon` the queue has looked at every record's envelope. What is plain costs nothing: from
//! `next` on it is ready, below it is gone unless `records` knows better. What is not plain is
//! *aside* of this path: held back until its time, or in the index of its group. `horizon` stays
//! behind `end` only while the index is full.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use omnibus_model::batch::StreamBounds;
use omnibus_model::queue::{CursorConfig, DeadLetterCause, DeadLetters, DeliveryOrder, Move, QueueLimits};
use omnibus_model::{GroupHash, HolderId, LeaseEpoch, MoveId, Offset, Refusal, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

mod enqueue;
mod admit;
mod acquire;
mod settle;
mod sweep;
mod limits;
mod moves;
mod time;
mod look;
mod audit;
mod place;
mod delays;
mod repeats;
mod ages;
mod sizes;
mod index;
mod passed;

use crate::agenda::{Agenda, Due};
use crate::runs::Runs;
use ages::Ages;
use delays::{Delays, Expiries};
use index::{GroupIndex, Standing};
use passed::Passed;
use repeats::Repeats;
use sizes::Sizes;

pub(crate) use limits::{Bounds, Load, OVERFLOW_AT_ONCE};

/// The end of time: a lease until then never runs out.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// The memory of one queue.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    config: CursorConfig,
    limits: QueueLimits,
    bounds: Bounds,
    /// Where the stream ends.
    end: Offset,
    /// The first record whose envelope was not looked at.
    horizon: Offset,
    /// The first plain record that was never handed out; `horizon` if there is none.
    next: Offset,
    /// From `next` to `horizon`: records that are not ready plain ones.
    aside: Runs,
    /// From `horizon` on: records that were looked at before their turn.
    ahead: Runs,
    /// The first and the last record that was not plain.
    special: Option<(Offset, Offset)>,

    /// What is known of single records.
    records: BTreeMap<Offset, Record>,
    /// Plain records that are ready again, by where they stand.
    ready: BTreeSet<(Standing, Offset)>,
    /// When leases end, and delays of records that came back.
    timers: BTreeSet<(Timestamp, Offset)>,
    /// Records that were never ready yet.
    delays: Delays,
    expiries: Expiries,
    /// When records came, if they stay for so long only.
    ages: Ages,
    /// How long they are, if there may be only so many bytes.
    sizes: Sizes,
    /// Records of an ordered queue with a delay, in order: when they came, and whose they are.
    maturing: VecDeque<(Timestamp, Offset, GroupHash)>,
    groups: GroupIndex,
    dying: BTreeSet<Offset>,
    holders: BTreeMap<HolderId, BTreeSet<Offset>>,

    leased: u64,
    delayed: u64,
    /// Records with a group that were looked at and are not gone.
    grouped: u64,
    tallies: Tallies,
    #[serde(skip)]
    passed: Passed,
    epoch_last: LeaseEpoch,
    /// Records before this that come back have outlived the retention.
    retained: Offset,
    repeats: Repeats,
    /// Oldest first.
    moves: Vec<Move>,
    move_last: MoveId,
    /// When the agenda wakes the queue; may be early, never late.
    appointment: Option<Timestamp>,
}

/// A record that is known by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    delivery_count: u32,
    first_delivered_at: Timestamp,
    /// Of its latest lease.
    epoch: LeaseEpoch,
    group: Option<GroupHash>,
    place: Place,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Leased {
        until: Timestamp,
        holder: Option<HolderId>,
    },
    /// Ready again. Its rank is its offset, or that of the record before which it stands, alone or
    /// with its group.
    Ready {
        rank: Offset,
    },
    Delayed {
        until: Timestamp,
    },
    Dying {
        cause: DeadLetterCause,
        since: Timestamp,
    },
}

/// How many records came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tallies {
    enqueued: u64,
    rewound: u64,
    settled: u64,
    expired: u64,
    dropped: u64,
    dead_lettered: u64,
    moved: u64,
    purged: u64,
}

impl Cursor {
    /// Begins with all records of a stream ready.
    pub(crate) fn new(config: CursorConfig, bounds: StreamBounds) -> Self {
        // What is there already was appended by somebody who knows nothing of groups.
        let next = bounds.start;
        Self {
            config,
            limits: QueueLimits::default(),
            bounds: Bounds::Own,
            end: bounds.end,
            horizon: bounds.end,
            next,
            aside: Runs::default(),
            ahead: Runs::default(),
            special: None,
            records: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            delays: Delays::default(),
            expiries: Expiries::default(),
            ages: Ages::default(),
            sizes: Sizes::default(),
            maturing: VecDeque::new(),
            groups: GroupIndex::new(config.order),
            dying: BTreeSet::new(),
            holders: BTreeMap::new(),
            leased: 0,
            delayed: 0,
            grouped: 0,
            tallies: Tallies { enqueued: bounds.end.0 - bounds.start.0, ..Tallies::default() },
            passed: Passed::default(),
            epoch_last: LeaseEpoch(0),
            retained: Offset::ZERO,
            repeats: Repeats::default(),
            moves: Vec::new(),
            move_last: MoveId(0),
            appointment: None,
        }
    }

    pub(crate) const fn config(&self) -> &CursorConfig {
        &self.config
    }

    /// Acts on another configuration from now on.
    pub(crate) fn configure(&mut self, config: CursorConfig) -> Result<(), Refusal> {
        if config.order != self.config.order {
            return Err(Refusal::QueueOrderFixed);
        }
        self.config = config;
        // Who dies has no place to go any more.
        for offset in self.dying.clone() {
            let Place::Dying { cause, .. } = self.records[&offset].place else {
                unreachable!("{offset} dies and does not");
            };
            if self.fate(cause) == DeadLetters::Dropped {
                self.dying.remove(&offset);
                self.records.remove(&offset);
                self.forget(offset, None);
                self.tally_dropped(cause, 1);
            }
        }
        Ok(())
    }

    /// Sees to it that the agenda wakes the queue in time.
    pub(crate) fn keep_appointment(&mut self, agenda: &mut Agenda, stream: StreamId) {
        let Some(deadline) = self.next_deadline() else { return };
        if self.appointment.is_none_or(|appointment| deadline < appointment) {
            if let Some(appointment) = self.appointment {
                agenda.remove(appointment, Due::Queue(stream));
            }
            agenda.add(deadline, Due::Queue(stream));
            self.appointment = Some(deadline);
        }
    }

    /// Forgets the agenda's entry, which goes with the queue.
    pub(crate) fn cancel_appointment(&mut self, agenda: &mut Agenda, stream: StreamId) {
        if let Some(appointment) = self.appointment.take() {
            agenda.remove(appointment, Due::Queue(stream));
        }
    }

    /// Notes that the agenda has woken the queue.
    pub(crate) fn woken(&mut self) {
        self.appointment = None;
    }

    fn is_ordered(&self) -> bool {
        self.config.order == DeliveryOrder::Ordered
    }

    /// Whether the records of a cause have a place to go.
    const fn fate(&self, cause: DeadLetterCause) -> DeadLetters {
        match cause {
            DeadLetterCause::Rejected | DeadLetterCause::Exhausted | DeadLetterCause::Overflow => {
                self.config.dead_letters
            }
            DeadLetterCause::Expired => self.config.expired,
            DeadLetterCause::Moved(_) => DeadLetters::Moved,
        }
    }

    const fn tally_dropped(&mut self, cause: DeadLetterCause, count: u64) {
        match cause {
            DeadLetterCause::Expired => self.tallies.expired += count,
            DeadLetterCause::Rejected
            | DeadLetterCause::Exhausted
            | DeadLetterCause::Overflow
            | DeadLetterCause::Moved(_) => {
                self.tallies.dropped += count;
            }
        }
    }
}
