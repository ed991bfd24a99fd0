//! Why the engine could not: of the moment, not of history.

use omnibus_model::{NodeId, Offset, Refusal, StreamId};
use omnibus_replication::ReplicationError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What became of a command that got an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will never happen; asking again is safe.
    NotApplied,
    /// It may have happened or may happen yet.
    Unknown,
}

/// Why a command got no outcome. New ones go to the end: it is told to other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum SubmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("this node does not lead the shard{}", whom_to_ask(*leader))]
    NotLeader { leader: Option<NodeId> },
    #[error("the disk is full: free some space or shorten retention; reads, commits and deletes go on")]
    DiskFull,
    #[error("{bytes} bytes are more than the {bytes_max} that one entry of the log can take")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("a write to the log failed, this process acknowledges nothing more")]
    Broken,
    #[error("the broker is shutting down")]
    Closing,
    #[error("node {leader}, which leads the shard, went away or was cut off before it answered: it may have been done")]
    Lost { leader: NodeId },
    #[error("another node asked for something that this one does not know: it is newer, or its request was damaged")]
    NotUnderstood,
}

impl SubmitError {
    /// Says whether the command can still happen.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        match self {
            Self::Refused(_)
            | Self::NotLeader { .. }
            | Self::DiskFull
            | Self::TooLarge { .. }
            | Self::NotUnderstood => Fate::NotApplied,
            Self::Broken | Self::Closing | Self::Lost { .. } => Fate::Unknown,
        }
    }
}

fn whom_to_ask(leader: Option<NodeId>) -> String {
    let known = |leader| format!(", node {leader} does");
    leader.map_or_else(|| ", and knows nobody who does: another node may".to_owned(), known)
}

/// Why records could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("the offset is not within {start} to {end}")]
    OutOfRange { start: Offset, end: Offset },
    #[error("records {from} to {to} of stream {stream} are damaged on disk: {place}")]
    Damaged { stream: StreamId, from: Offset, to: Offset, place: String },
    #[error("the disk could not be read: {reason}")]
    Disk { reason: String },
}

/// Why the engine did not open.
#[derive(Debug, Error)]
pub enum EngineError {
    #[error(transparent)]
    Replication(#[from] ReplicationError),
    #[error("the checkpoint of shard {shard} cannot be understood: {reason}")]
    Checkpoint { shard: omnibus_model::ShardId, reason: String },
    #[error("entry {index} of shard {shard} cannot be understood: {reason}")]
    Entry { shard: omnibus_model::ShardId, index: omnibus_model::LogIndex, reason: String },
    #[error("entries of {bytes} bytes are too short, {bytes_min} are the least")]
    EntriesTooShort { bytes: u64, bytes_min: u64 },
    #[error("a thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

impl EngineError {
    /// Whether what is on disk is not what was written; a check of the directory tells more then.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Replication(ReplicationError::Log(error)) => error.is_damage(),
            Self::Replication(
                ReplicationError::WriteFailed { .. }
                | ReplicationError::Replicated
                | ReplicationError::OtherVoters { .. }
                | ReplicationError::Consensus { .. },
            )
            | Self::EntriesTooShort { .. }
            | Self::Thread(_) => false,
            Self::Checkpoint { .. } | Self::Entry { .. } => true,
        }
    }
}

impl From<omnibus_log::ReadError> for ReadError {
    fn from(error: omnibus_log::ReadError) -> Self {
        match error {
            omnibus_log::ReadError::OffsetOutOfRange { bounds } => {
                Self::OutOfRange { start: bounds.start, end: bounds.end }
            }
            omnibus_log::ReadError::Corrupt { stream, from, to, file, position } => {
                let place = format!("byte {position} of {file}");
                tracing::error!(%stream, %from, %to, place, "damaged records are not served");
                Self::Damaged { stream, from, to, place }
            }
            omnibus_log::ReadError::CorruptEntry { file, position } => {
                Self::Disk { reason: format!("byte {position} of {file} is damaged") }
            }
            omnibus_log::ReadError::Io { file, source } => Self::Disk { reason: format!("{file}: {source}") },
        }
    }
}
