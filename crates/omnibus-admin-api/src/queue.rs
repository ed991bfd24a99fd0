//! Queues: `/v1/queues`, `/v1/queues/{queue}` and what lies below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::RecordView;

/// All queues by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueList {
    pub queues: Vec<QueueLine>,
}

/// One line of the list of queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLine {
    pub name: String,
    /// How many priorities above 0 it has.
    #[serde(default)]
    pub priorities: u8,
    /// Whether each group of records is handed out strictly in order.
    pub ordered: bool,
    pub dead_letters_to: Option<String>,
    pub counts: QueueCounts,
    /// How old the first record is that is not gone, in milliseconds.
    pub oldest_age: Option<u64>,
}

/// How many records are where, and how many went where since the queue was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    pub ready: u64,
    pub leased: u64,
    pub delayed: u64,
    /// On their way to another queue.
    pub dying: u64,
    pub enqueued: u64,
    pub rewound: u64,
    pub settled: u64,
    pub expired: u64,
    /// Given up without a place to go.
    pub dropped: u64,
    pub dead_lettered: u64,
    /// Taken to another queue by a move.
    pub moved: u64,
    pub purged: u64,
}

/// A queue with its settings and moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    pub id: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub shard: u16,
    pub stream: u64,
    /// The first offset that can be read, and the one that the next record will take; of a queue with priorities,
    /// where those of the lowest are, as its stream and its floor.
    pub start: u64,
    pub end: u64,
    /// The first record that is not gone.
    pub floor: u64,
    /// Of all priorities.
    pub bytes: u64,
    /// Each priority of a queue that has some, the highest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_priority: Vec<PriorityView>,
    #[serde(flatten)]
    pub line: QueueLine,
    pub config: BTreeMap<String, String>,
    pub moves: Vec<MoveView>,
}

/// The records of one priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityView {
    pub priority: u8,
    pub stream: u64,
    pub start: u64,
    pub end: u64,
    pub floor: u64,
    pub counts: QueueCounts,
}

/// A task that moves records to another queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveView {
    pub task: u64,
    /// `None`: each goes back to where it came from.
    pub target: Option<String>,
    /// Records per second.
    pub rate_max: Option<u32>,
    /// running, finishing, completed or cancelled.
    pub state: String,
    pub started_at: i64,
    pub planned: u64,
    pub moved: u64,
}

/// `POST /v1/queues`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueCreate {
    pub name: String,
    /// How many priorities above 0 it shall have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priorities: u8,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

const fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// `PATCH /v1/queues/{queue}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueAlter {
    pub config: BTreeMap<String, String>,
}

/// `POST /v1/queues/{queue}/rewind`: one of both; a queue with priorities only goes to a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueRewind {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
}

/// `POST /v1/queues/{queue}/moves`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueMove {
    /// The queue that the records go to; absent, each goes back to where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The most records per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_max: Option<u32>,
}

/// The number of a move that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveStarted {
    pub task: u64,
}

/// How many records were concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    pub records: u64,
}

/// Which records to look at, as the query of `/v1/queues/{queue}/records`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuePeek {
    /// The priority to begin with, from which it goes down; absent, the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The first offset in that priority; absent, the first record that is not gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Only records that hold this text in their body, their key, or a header's or attribute's
    /// name or value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
}

/// Records that are not gone, those of higher priorities first, then in order of offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePeeked {
    pub records: Vec<QueuedRecord>,
    /// Whether more was there than one answer may hold.
    pub truncated: bool,
    /// Where a search goes on that has not come to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// In which priority that is, of a queue that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_priority: Option<u8>,
}

/// A record, and what the queue knows of it. Its partition is its priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRecord {
    /// ready, leased, delayed or dying.
    pub state: String,
    pub deliveries: u32,
    /// When a lease or a delay ends, in milliseconds since 1970.
    pub until: Option<i64>,
    pub moved: Option<MovedView>,
    #[serde(flatten)]
    pub record: RecordView,
}

/// How a record came here from another queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedView {
    pub queue: String,
    pub offset: u64,
    /// rejected, exhausted, expired or moved.
    pub cause: String,
    /// How often it was delivered there.
    pub deliveries: u32,
    pub first_delivered_at: Option<i64>,
    pub at: i64,
    /// How often it became a dead letter in all.
    pub deaths: u32,
}
