//! Queues: a stream and a lease cursor over it, or one of each for every priority.
//!
//! The metadata shard keeps a [`Queue`] with its topic; the data shard of the stream keeps the
//! cursor, which acts on its [`CursorConfig`] only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{DedupHash, GroupHash, HolderId, LeaseEpoch, Millis, MoveId, Offset, StreamId, Timestamp, TopicName};

/// What makes a topic a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub config: QueueConfig,
    pub limits: QueueLimits,
    /// When it was created or its configuration or its limits changed last.
    pub altered_at: Timestamp,
}

/// What a queue's creator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConfig {
    /// What the data shard's cursor acts on.
    pub cursor: CursorConfig,
    /// How long a lease lasts if its taker does not say.
    pub lease: Millis,
    /// How long a record is held back if its producer does not say.
    pub delay: Millis,
    /// How long a receive waits for a record if it does not say.
    pub wait: Millis,
    /// How long a record stays; the leader says so with [`crate::Command::ExpireBefore`].
    pub retention: Option<Millis>,
    /// The most bytes of one record.
    pub record_bytes_max: Option<u32>,
    /// Where dead letters go; without it they are dropped.
    pub dead_letters_to: Option<TopicName>,
    /// What else was asked for, under the asking protocol's names, so that it can be shown again.
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// What a lease cursor acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorConfig {
    /// Fixed at creation.
    pub order: DeliveryOrder,
    /// The most records that may be leased at a time.
    pub leases_max: u32,
    /// A record that comes back after so many deliveries is a dead letter.
    pub deliveries_max: Option<u32>,
    /// A record that comes back after so many deliveries goes behind all that are there then; in an
    /// ordered queue its group goes with it.
    pub back_after: Option<u32>,
    /// What becomes of dead letters.
    pub dead_letters: DeadLetters,
    /// What becomes of records that outlive the retention or their own expiry.
    pub expired: DeadLetters,
    /// Whether who held a record may still settle or extend when the lease has run out.
    pub late: LateHolders,
    /// How long every record of an ordered queue is held back; a change holds for all that are
    /// there. Other queues say it per record, as [`Envelope::deliver_at`].
    pub delay: Millis,
    /// How long a deduplication id is remembered.
    pub dedup_window: Millis,
    /// The most records with a group that the cursor keeps in its index.
    pub grouped_max: u32,
    /// Whether settled records stay, so that the queue can be rewound.
    pub history: History,
}

/// How much a queue takes, and for how long it keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLimits {
    /// The most records that may be ready.
    pub records_max: Option<u64>,
    /// The most bytes of all records that are neither leased nor on their way out.
    pub bytes_max: Option<u64>,
    /// What becomes of what is more than that.
    pub overflow: Overflow,
    /// How long after it came a record is handed out; one that is on lease by then goes when it comes back.
    pub ttl: Option<Millis>,
}

/// What a queue gives up that has more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// What would be handed out next is a dead letter.
    #[default]
    DropOldest,
    /// What comes is refused. What comes back is not.
    RefuseNewest,
}

/// In which order records are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryOrder {
    /// Lowest offset first; records with a group take turns, quiet groups first.
    #[default]
    Standard,
    /// Each group strictly in order: nothing of it while an earlier record of it is held.
    Ordered,
}

/// What becomes of records that a queue gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeadLetters {
    /// They are gone.
    #[default]
    Dropped,
    /// They are carried to another queue.
    Moved,
}

/// What somebody may do whose lease has run out, while nobody else has taken the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LateHolders {
    #[default]
    Refused,
    Heard,
}

/// Whether settled records stay in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum History {
    #[default]
    Trimmed,
    /// For as long as the topic's retention says. What is not settled stays, however old it is.
    Kept,
    /// All records stay for as long as the topic's retention says and no longer, settled or not.
    Retained,
}

impl Default for CursorConfig {
    fn default() -> Self {
        Self {
            order: DeliveryOrder::Standard,
            leases_max: 120_000,
            deliveries_max: None,
            back_after: None,
            dead_letters: DeadLetters::Dropped,
            expired: DeadLetters::Dropped,
            late: LateHolders::Refused,
            delay: Millis(0),
            dedup_window: Millis(5 * 60 * 1_000),
            grouped_max: 120_000,
            history: History::Trimmed,
        }
    }
}

/// What the broker acts on of a record that was sent to a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Before this the record is held back.
    pub deliver_at: Option<Timestamp>,
    /// From this on the record is not delivered any more.
    pub expires_at: Option<Timestamp>,
    /// Whose order or fair share the record belongs to.
    pub group: Option<GroupHash>,
    /// A second record with the same id within the window is the first one.
    pub dedup: Option<DedupHash>,
    /// 0 is the lowest. One above a queue's highest counts as that.
    pub priority: u8,
}

/// A record's envelope as it was read back from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    pub offset: Offset,
    pub envelope: Envelope,
    /// When the record was appended.
    pub enqueued_at: Timestamp,
}

/// Where a record came from that was moved here. A queue takes each origin once, until it is
/// told to forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    pub stream: StreamId,
    pub offset: Offset,
}

/// Names one lease of one record: another lease of the record has another epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseKey {
    pub offset: Offset,
    pub epoch: LeaseEpoch,
}

/// The right to process one record until a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub key: LeaseKey,
    /// How often the record was delivered, this time included.
    pub delivery_count: u32,
    pub first_delivered_at: Timestamp,
    pub deadline: Timestamp,
}

/// How a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settlement {
    /// The record is done.
    Accept,
    /// The record is there again, after a delay.
    Release { delay: Millis, delivery: Delivery },
    /// The record is a dead letter.
    Reject,
}

/// Whether a delivery that came to nothing is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    Counts,
    DidNotHappen,
}

/// Why a lease could not be settled or extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum LeaseRefusal {
    /// The record is there, but the lease has run out or was given up. It may be held by another:
    /// by this lease.
    #[error("the lease is over")]
    Lost { current: Option<LeaseEpoch> },
    #[error("the record was settled before")]
    AlreadySettled,
    #[error("the record was never leased")]
    Unknown,
}

/// Why a record is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeadLetterCause {
    /// Its holder said so.
    Rejected,
    /// It was delivered too often.
    Exhausted,
    /// It was there for too long.
    Expired,
    /// It is no dead letter: a move task takes it elsewhere.
    Moved(MoveId),
    /// The queue had more than it may.
    Overflow,
}

/// A record on its way out of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dying {
    pub offset: Offset,
    pub cause: DeadLetterCause,
    pub delivery_count: u32,
    /// `None` if it was never delivered.
    pub first_delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub died_at: Timestamp,
}

/// A task that moves the records of a queue elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub id: MoveId,
    /// Where they go; `None` sends each back to where it came from.
    pub target: Option<StreamId>,
    /// The most records per second.
    pub rate_max: Option<u32>,
    pub state: MoveState,
    pub started_at: Timestamp,
    /// Records from here on came after the task.
    pub until: Offset,
    /// How many there were to move when it began.
    pub planned: u64,
    /// How many were taken out of the queue.
    pub taken: u64,
    /// How many have arrived.
    pub moved: u64,
}

/// How far a move task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveState {
    Running,
    /// Nothing is left to take; what was taken is on its way.
    Finishing,
    Completed,
    Cancelled,
}

/// How many records of a queue are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// Could be taken now, or when their group lets them.
    pub ready: u64,
    pub leased: u64,
    pub delayed: u64,
    /// On their way out.
    pub dying: u64,
    /// All that were ever sent, and those that a rewind brought back.
    pub enqueued: u64,
    pub rewound: u64,
    pub settled: u64,
    pub expired: u64,
    /// Given up without a place to go.
    pub dropped: u64,
    /// Arrived in their dead-letter queue.
    pub dead_lettered: u64,
    /// Taken elsewhere by move tasks.
    pub moved: u64,
    pub purged: u64,
}

/// What has come to a queue, and, since the process that is asked has known it, has passed through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTraffic {
    /// All that were ever sent.
    pub enqueued: u64,
    /// Handed out to be settled, and as done.
    pub leased: u64,
    pub taken: u64,
    /// Of both, those not for the first time.
    pub redelivered: u64,
    /// Settled as done by who held them.
    pub accepted: u64,
}

/// What a cursor knows of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    Ready {
        delivery_count: u32,
    },
    Leased(Lease),
    Delayed {
        until: Timestamp,
        delivery_count: u32,
    },
    Dying(Dying),
    /// Not there yet, or not any more.
    Absent,
}

/// Who may hold leases and lose them all at once: a connection, or a consumer on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub holder: HolderId,
    pub leases: u64,
}

impl QueueLimits {
    /// Whether a queue may have only so much.
    #[must_use]
    pub const fn are_bounds(&self) -> bool {
        self.records_max.is_some() || self.bytes_max.is_some()
    }

    /// Whether records are kept for the shortest time that there is: they are for whoever waits for them, and nobody else.
    #[must_use]
    pub fn is_fleeting(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl <= Millis(1))
    }
}

impl QueueCounts {
    /// Counts the records of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            ready: self.ready + other.ready,
            leased: self.leased + other.leased,
            delayed: self.delayed + other.delayed,
            dying: self.dying + other.dying,
            enqueued: self.enqueued + other.enqueued,
            rewound: self.rewound + other.rewound,
            settled: self.settled + other.settled,
            expired: self.expired + other.expired,
            dropped: self.dropped + other.dropped,
            dead_lettered: self.dead_lettered + other.dead_lettered,
            moved: self.moved + other.moved,
            purged: self.purged + other.purged,
        }
    }

    /// Counts those that are not gone.
    #[must_use]
    pub const fn present(&self) -> u64 {
        self.ready + self.leased + self.delayed + self.dying
    }

    /// Checks that no record came from nowhere and none got lost.
    #[must_use]
    pub const fn add_up(&self) -> bool {
        let gone = self.settled + self.expired + self.dropped + self.dead_lettered + self.moved + self.purged;
        self.enqueued + self.rewound == self.ready + self.leased + self.delayed + self.dying + gone
    }
}

impl Envelope {
    /// Whether the broker need not remember anything of the record.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.deliver_at.is_none() && self.expires_at.is_none() && self.group.is_none()
    }
}
