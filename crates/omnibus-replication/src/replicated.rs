//! What the engine asks of a replicated log, whoever keeps it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use omnibus_log::{EntryBatch, EntryKind, LogError, Room};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use thiserror::Error;

/// Takes proposals for many shards and commits each shard's in their order.
pub trait ReplicatedLog: Debug + Send + Sync {
    /// Says who leads a shard now.
    fn leadership(&self, shard: ShardId) -> Leadership;

    /// Makes sure that nobody had begun to lead a shard in a newer term by the time this was asked: what this node has
    /// applied in `term` was all there was. None where nobody else ever leads. Those who ask at once share a round.
    fn confirm(&self, shard: ShardId, term: Term) -> Option<Confirming>;

    /// Whether another node has all of a shard that is committed, or lacks next to nothing. Only who leads it knows.
    fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool;

    /// Who votes about a shard, as far as this node knows; nobody where nobody else ever leads.
    fn voters(&self, shard: ShardId) -> BTreeSet<NodeId>;

    /// Puts an entry behind all earlier ones of its shard and returns its place. It is
    /// committed only when [`OnEvent`] says so.
    ///
    /// # Errors
    /// [`ProposeError`]; the entry will then never be committed.
    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError>;

    /// Returns the newest index that this node has given a place or been told of.
    fn newest(&self, shard: ShardId) -> LogIndex;

    /// Learns that a node that follows has done what it was told up to `index`. A log keeps no more
    /// of a shard waiting for this than it has memory for.
    fn applied(&self, shard: ShardId, index: LogIndex);

    /// Learns that a shard's state is saved as it was after `index`: nothing up to there has to
    /// be kept for replicas that are behind.
    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex);

    /// Whether a replica elsewhere waits for newer saved states than there are.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Says how much more can be taken, so that the engine can refuse before it decides.
    fn room(&self) -> Room;
}

/// Who leads a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This node does, in this term.
    Here { term: Term },
    /// Another node does, in this term, or nobody is known to.
    Elsewhere { leader: Option<NodeId>, term: Term },
}

/// A look whether a majority still follows this node.
pub type Confirming = Pin<Box<dyn Future<Output = Result<(), NotConfirmed>> + Send>>;

/// A node leads no more, or hears too few of the others to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this node does not know to lead the shard")]
pub struct NotConfirmed {
    pub leader: Option<NodeId>,
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

/// What a log tells of a shard. All of one shard comes in order, and the indexes that it tells only
/// grow. What is told as committed is durable on this node, too, and can be published and read back
/// there: it is in a checkpoint, was recovered when the log was opened, or was told before.
#[derive(Debug)]
pub enum ReplicationEvent {
    /// All up to here is committed. Of what was not told before, a leader has proposed all that says anything to the
    /// shard; to a follower none of it does, and what it has proposed at such a place is lost.
    Committed(LogIndex),
    /// The next entry is committed, and this node has not proposed it in its present leadership. All before it
    /// was told, or recovered.
    Entry(CommittedEntry),
    /// This node leads: all that earlier leaders have committed has been told, and so has
    /// everything up to `from`. It may propose in this term, behind `from`.
    Leads { term: Term, from: LogIndex },
    /// This node does not lead. What it has proposed and not been told of may be committed yet: it
    /// comes as an [`Self::Entry`] then, or something else comes at its place. Also told where
    /// nothing but the leader's name changes.
    Follows { leader: Option<NodeId> },
    /// A state that another node has sent is this node's newest checkpoint of the shard now, and all up to there is
    /// committed. Nothing of the shard was here before.
    Installed { term: Term, index: LogIndex },
    /// This process can commit no more, of any shard.
    Failed(ReplicationError),
}

/// An entry that somebody else decided. Its payloads are in this node's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedEntry {
    pub term: Term,
    pub index: LogIndex,
    pub kind: EntryKind,
    /// The commands, opaque here.
    pub head: Bytes,
}

/// Called with what happens to each shard; it must not block.
pub type OnEvent = Box<dyn Fn(ShardId, ReplicationEvent) + Send + Sync>;

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
