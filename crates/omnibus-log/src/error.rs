//! What can go wrong, one type per boundary.

use std::fmt;
use std::io;
use std::sync::Arc;

use omnibus_model::{Offset, ShardId, StreamId, batch::StreamBounds};

/// Why the log could not be opened, or could not keep its house.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{action} {path}")]
    Io { action: Action, path: String, source: io::Error },
    #[error("{0}")]
    Damaged(Box<Damage>),
    #[error("{path} is of format version {version}, this program reads version {supported}")]
    Version { path: String, version: u32, supported: u32 },
    #[error("the machine refuses {feature}, which the configuration demands")]
    Refused { feature: &'static str, source: io::Error },
    #[error("{field} is {value}, but must be {rule}")]
    Config { field: &'static str, value: u64, rule: &'static str },
    #[error("stream {stream} was asked to replace {from} to {to}, but {rule}")]
    Replacement { stream: StreamId, from: Offset, to: Offset, rule: &'static str },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0}")]
    Failed(#[from] WriteFailed),
}

/// What was tried on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Open,
    Read,
    Write,
    /// Making, renaming or removing a name.
    Name,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "cannot open",
            Self::Read => "cannot read",
            Self::Write => "cannot write",
            Self::Name => "cannot make, rename or remove",
        })
    }
}

impl LogError {
    pub(crate) fn io(action: Action, path: &str, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether what is on disk is not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Read(ReadError::Corrupt { .. } | ReadError::CorruptEntry { .. }) => true,
            Self::Io { source, .. } => matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof),
            _ => false,
        }
    }

    /// Whether it will pass when there is room again.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// A place on disk whose checksum does not hold, and what it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: String,
    pub position: u64,
    /// The block's number, where the damage lies in one.
    pub block_seq: Option<u64>,
    pub what: &'static str,
    /// The records that are affected, as far as can be told.
    pub affected: Vec<Affected>,
    pub gravity: Gravity,
}

/// Whether damage took something that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Something acknowledged is lost.
    Acknowledged,
    /// The end of a write that was never acknowledged; opening removes it.
    TornTail,
    /// It is kept elsewhere as well; opening repairs it.
    Redundant,
}

/// A range of records of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    pub stream: StreamId,
    pub from: Offset,
    pub to: Offset,
}

impl Damage {
    pub(crate) fn at(self, position: u64) -> Self {
        Self { position, ..self }
    }

    pub(crate) fn without_block(self) -> Self {
        Self { block_seq: None, ..self }
    }
}

impl From<Damage> for LogError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} of {}", self.what, self.position, self.file)?;
        if let Some(seq) = self.block_seq {
            write!(f, ", block {seq}")?;
        }
        let gravity = match self.gravity {
            Gravity::Acknowledged => "acknowledged data is affected",
            Gravity::TornTail => "a write that was never acknowledged",
            Gravity::Redundant => "kept elsewhere too",
        };
        write!(f, ": {gravity}")?;
        for Affected { stream, from, to } in &self.affected {
            write!(f, "; stream {stream}, offsets {from} to {to}")?;
        }
        Ok(())
    }
}

/// Why an entry was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefused {
    #[error("the log is closed")]
    Closed,
    #[error("too many entries wait for the writer")]
    QueueFull,
    #[error("the disk is full")]
    DiskFull,
    #[error("an entry of {bytes} bytes is longer than {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error(transparent)]
    Failed(WriteFailed),
}

/// A write or sync failed, so nothing is acknowledged any more (I10).
#[derive(Clone, Debug, thiserror::Error)]
#[error("writing the log failed, nothing is acknowledged any more")]
pub struct WriteFailed {
    pub source: Arc<io::Error>,
}

impl PartialEq for WriteFailed {
    fn eq(&self, other: &Self) -> bool {
        self.source.kind() == other.source.kind()
    }
}

impl Eq for WriteFailed {}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the offset lies outside {} to {}", bounds.start, bounds.end)]
    OffsetOutOfRange { bounds: StreamBounds },
    #[error("stream {stream}, offsets {from} to {to}: damaged at byte {position} of {file}")]
    Corrupt { stream: StreamId, from: Offset, to: Offset, file: String, position: u64 },
    #[error("an entry is damaged in the block at byte {position} of {file}")]
    CorruptEntry { file: String, position: u64 },
    #[error("reading {file}")]
    Io { file: String, source: io::Error },
}

/// Told by the writer, in order per shard: an entry is durable, or will never be acknowledged.
pub type OnDurable = Box<dyn Fn(ShardId, omnibus_model::LogIndex, Result<(), WriteFailed>) + Send>;
