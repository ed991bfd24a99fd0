//! What the engine asks of a replicated log, whoever keeps it.

use std::fmt::Debug;

use bytes::Bytes;
use omnibus_log::{EntryBatch, LogError, Room};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use thiserror::Error;

/// Takes proposals for many shards and commits each shard's in their order.
pub trait ReplicatedLog: Debug + Send + Sync {
    /// Says who leads a shard now.
    fn leadership(&self, shard: ShardId) -> Leadership;

    /// Puts an entry behind all earlier ones of its shard and returns its place. It is
    /// committed only when [`OnCommitted`] says so.
    ///
    /// # Errors
    /// [`ProposeError`]; the entry will then never be committed.
    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError>;

    /// Returns the newest index that this node has given a place or been told of.
    fn newest(&self, shard: ShardId) -> LogIndex;

    /// Learns that a shard's state is saved as it was after `index`: nothing up to there has to
    /// be kept for replicas that are behind.
    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex);

    /// Says how much more can be taken, so that the engine can refuse before it decides.
    fn room(&self) -> Room;
}

/// Who leads a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This node does, in this term.
    Here { term: Term },
    /// Another node does, or nobody is known to.
    Elsewhere { leader: Option<NodeId> },
}

/// An entry that wants a place in a shard's log.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub shard: ShardId,
    pub term: Term,
    /// The commands, opaque here.
    pub head: Bytes,
    /// What several payloads share.
    pub bodies: Vec<Bytes>,
    /// The payloads, sorted by stream.
    pub batches: Vec<EntryBatch>,
}

/// Called with each shard's newest committed index, in order; it must not block. An error
/// says that this process can commit no more.
pub type OnCommitted = Box<dyn Fn(ShardId, Result<LogIndex, ReplicationError>) + Send + Sync>;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    #[error("this node does not lead the shard")]
    NotLeader { leader: Option<NodeId> },
    #[error("the disk is full")]
    DiskFull,
    #[error("the log is busy")]
    Busy,
    #[error("an entry of {bytes} bytes is longer than {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("the log takes no more entries")]
    Closed,
}

/// Something broke, for the operator.
#[derive(Debug, Error)]
pub enum ReplicationError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log on this disk belongs to a set of replicas, who alone say what of it is committed")]
    Replicated,
    #[error("shard {shard} has other voters than this node, which cannot be reached from here")]
    OtherVoters { shard: ShardId },
    #[error("consensus about shard {shard} ended: {reason}")]
    Consensus { shard: ShardId, reason: String },
    #[error("a write to the log failed: {reason}")]
    WriteFailed { reason: String },
}
