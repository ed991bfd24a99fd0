//! What can be observed of the node under test; checkers see nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::batch::StreamBounds;
use omnibus_model::group::{Joined, TopicPartitions};
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{Lease, LeaseKey, QueueCounts};
use omnibus_model::topic::Topic;
use omnibus_model::{GroupName, LogIndex, MemberId, Offset, ProducerId, ShardId, StreamId, Term, TopicId, TopicName};

use crate::deed::Deed;
use crate::oracle::MessageId;

/// One observation.
#[derive(Debug)]
pub(crate) enum Fact<'a> {
    /// The node is open and leads in this term.
    Opened {
        term: Term,
    },
    /// A new life begins, which had to repeat so many entries.
    Begun {
        after_clean_end: bool,
        repeated: usize,
    },
    /// The node could not be opened, although its disk works.
    OpenRefused {
        reason: String,
        rot: Option<&'a str>,
    },
    /// A shard's state as it was found saved.
    CheckpointFound {
        shard: ShardId,
        index: LogIndex,
        digest: u64,
    },
    /// An entry that was found behind a shard's saved state.
    Replayed {
        shard: ShardId,
        index: LogIndex,
        head: &'a Bytes,
    },
    /// A shard's state after all that was found.
    Recovered {
        shard: ShardId,
        last: LogIndex,
        digest: u64,
    },
    /// The log took an entry; `digest` is of the state that its commands lead to.
    Proposed {
        shard: ShardId,
        index: LogIndex,
        head: &'a Bytes,
        digest: u64,
    },
    /// The state of a shard that waits for nothing.
    Settled {
        shard: ShardId,
        last: LogIndex,
        digest: u64,
    },
    /// A shard's state on its way into a checkpoint.
    Saving {
        shard: ShardId,
        index: LogIndex,
        digest: u64,
    },
    /// The log reported a shard's entries as durable up to here.
    Committed {
        shard: ShardId,
        index: LogIndex,
    },
    /// A write or a sync of the log's failed.
    WriteFailed,
    /// The process ended.
    Killed,
    /// A change was acknowledged.
    Acknowledged,
    /// A message was acknowledged.
    Appended {
        message: MessageId,
        appended: Appended,
    },
    /// Somebody read a part of a stream.
    Read(&'a Reading),
    /// All of a stream was read.
    Audited(&'a Reading),
    /// A stream is not on the disk.
    Missing {
        stream: StreamId,
    },
    /// All that the client asked before is committed: what was known of a group's offset
    /// when it asked, and what it was told.
    OffsetSeen {
        group: &'a GroupName,
        floor: u64,
        seen: Option<u64>,
    },
    /// A group has an offset for the topic of a name.
    OffsetFound(FoundOffset<'a>),
    TopicCreated(&'a Topic),
    ProducerAllocated(ProducerId),
    /// What a member of the consumer group owns now.
    Held(Holding<'a>),
    GroupJoined {
        group: &'a GroupName,
        joined: &'a Joined,
        now: Duration,
    },
    /// Time passed, nothing failed, and still something waits.
    Stuck {
        what: String,
    },
    /// Something was done to a queue, and cannot be lost any more. The oracle learns of it next.
    Done(&'a Deed),
    /// How a queue stands after all that the oracle knows.
    Counted {
        stream: StreamId,
        counts: QueueCounts,
    },
    /// Every record that a queue has, when nothing is under way.
    Listed {
        stream: StreamId,
        records: &'a BTreeSet<Offset>,
    },
    /// A client was told that its message is in a queue.
    Sent {
        stream: StreamId,
        offset: Offset,
        number: u64,
    },
    /// A client was told that a record is done.
    Accepted {
        stream: StreamId,
        key: LeaseKey,
    },
    /// A client was given a record.
    Delivered(Delivered),
    /// There is nothing in any queue any more, and nobody has anything left to do.
    Drained,
}

/// A record that a client was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) stream: StreamId,
    pub(crate) lease: Lease,
    /// Which message it is; `None` if nobody sent it.
    pub(crate) number: Option<u64>,
}

/// An offset, the topic it was committed for, and the one that has its name now.
#[derive(Debug)]
pub(crate) struct FoundOffset<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) committed_for: TopicId,
    pub(crate) present: Option<TopicId>,
    /// Nobody was served before it was looked for.
    pub(crate) at_start: bool,
}

/// A member's partitions.
#[derive(Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) member: &'a MemberId,
    pub(crate) partitions: &'a [TopicPartitions],
    pub(crate) now: Duration,
    /// Until when they are its own if it is not heard of again.
    pub(crate) until: Duration,
}

/// What a reader got.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) stream: StreamId,
    pub(crate) bounds: StreamBounds,
    /// Where the reader began.
    pub(crate) from: Offset,
    pub(crate) batches: Vec<SeenBatch>,
    /// Ranges that the node would not serve because they are damaged, and the file it names.
    pub(crate) damaged: Vec<(Offset, Offset, String)>,
    /// What the node said when the disk did not let it read.
    pub(crate) unreadable: Option<String>,
    /// The file in which a bit was turned over before, if one was.
    pub(crate) rot: Option<String>,
}

/// One batch that a reader got.
#[derive(Debug)]
pub(crate) struct SeenBatch {
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    /// Whose bytes these are; `None` if nobody's.
    pub(crate) message: Option<MessageId>,
    pub(crate) bytes: Bytes,
}
