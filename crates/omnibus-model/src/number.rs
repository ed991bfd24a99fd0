//! Numbers that pass a function boundary, each with its own type.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// A dense, ordered sequence of records: a partition. Never reused.
    StreamId(u64);
    /// A consensus group that owns many streams. Shard 0 is the metadata shard.
    ShardId(u16);
    /// The position of a record in its stream, from 0 without gaps at append.
    Offset(u64);
    /// The position of an entry in a shard's replicated log. Never called offset.
    LogIndex(u64);
    /// The reign of one leader of a shard.
    Term(u64);
    /// The term of a shard's leader as its streams' readers see it.
    LeaderEpoch(u32);
    /// One broker node. Never reused.
    NodeId(u32);
    /// The position of a partition in its topic, from 0.
    PartitionIndex(u32);
    /// An idempotent producer, allocated by the metadata shard. Never reused.
    ProducerId(u64);
    /// The incarnation of a producer; a newer one fences the older.
    ProducerEpoch(u16);
    /// A group of records, hashed by the front end: an order of its own, or a tenant.
    GroupHash(u64);
    /// A deduplication id with its scope, hashed by the front end.
    DedupHash(u128);
    /// An id with which a client repeats a receive, hashed by the front end.
    AttemptHash(u128);
    /// Which lease of a record; grows with every lease of its queue.
    LeaseEpoch(u64);
    /// Who holds leases, never used twice: chosen by the front end, or a session of the engine's.
    HolderId(u64);
    /// A move task of a queue.
    MoveId(u64);
    /// How many topics had been deleted when one was.
    DeletionNumber(u64);
}

impl ShardId {
    /// The shard of names: topics, their streams and where these live.
    pub const METADATA: Self = Self(0);
}

impl HolderId {
    const SESSION: u64 = 1 << 63;
    const NUMBER_BITS: u32 = 40;

    /// Names who holds leases for as long as he is connected and the leader of this term leads. The
    /// term wraps after eight million, the number after a million million.
    #[must_use]
    pub const fn of_session(term: Term, number: u64) -> Self {
        let (term, number) = (term.0 << Self::NUMBER_BITS, number & ((1 << Self::NUMBER_BITS) - 1));
        Self(Self::SESSION | term | number)
    }

    /// Whether what he holds ends with the leader of its term. A front end chooses other numbers.
    #[must_use]
    pub const fn is_session(self) -> bool {
        self.0 & Self::SESSION != 0
    }
}

impl Offset {
    pub const ZERO: Self = Self(0);

    /// Returns the offset `count` records further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl LogIndex {
    /// Returns the index of the next entry.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The identity of a topic: a re-created topic of the same name has another.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(pub u128);

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({:032x})", self.0)
    }
}
