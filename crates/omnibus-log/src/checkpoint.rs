//! A shard's saved state, and the bounds of its streams beside it.
//!
//! The bounds are the log's own part: what was trimmed, and where a stream goes on whose
//! last batch is gone, cannot be seen from the batches that are left.

use std::io;

use bytes::Bytes;
use omnibus_io::{Access, Caching, Disk, Durability, OpenMode};
use omnibus_model::batch::StreamBounds;
use omnibus_model::{Bug, planted};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};

use crate::cursor::Cursor;
use crate::error::{Action, Damage, Gravity, LogError};

const MAGIC: u32 = u32::from_le_bytes(*b"OmCk");
const VERSION: u32 = 1;
/// What comes before the streams.
pub(crate) const HEADER_BYTES: usize = 64;
const STREAM_BYTES: usize = 24;

/// Which checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointName {
    pub(crate) log: u64,
    pub(crate) shard: ShardId,
    pub(crate) term: Term,
    pub(crate) index: LogIndex,
}

/// What the first bytes of a checkpoint say of those behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    stream_count: u64,
    streams_bytes: u64,
    /// All that follows the first [`HEADER_BYTES`], and its checksum.
    pub(crate) body_bytes: u64,
    pub(crate) body_crc: u32,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointContent {
    pub(crate) streams: Vec<(StreamId, StreamBounds)>,
    pub(crate) state: Bytes,
}

impl CheckpointName {
    pub(crate) fn directory(shard: ShardId) -> String {
        format!("ckpt/{shard}")
    }

    pub(crate) fn path(&self) -> String {
        format!("ckpt/{}/{}-{}", self.shard, self.term, self.index)
    }

    /// Writes a checkpoint; durable on return.
    pub(crate) fn save(
        &self,
        disk: &dyn Disk,
        streams: &[(StreamId, StreamBounds)],
        state: &[u8],
    ) -> Result<(), LogError> {
        let bytes = self.encode(streams, state);
        let failed = |source| LogError::Io { action: Action::Write, path: self.path(), source };
        let directory = Self::directory(self.shard);
        disk.create_dir(&directory).map_err(failed)?;
        let mode = OpenMode { access: Access::Create, caching: Caching::Kernel };
        let file = disk.open(&self.path(), mode).map_err(failed)?;
        file.set_len(bytes.len() as u64).map_err(failed)?;
        if planted(Bug::PurgeBeforeCheckpoint) {
            return file.write_at(&bytes, 0, Durability::Deferred).map_err(failed);
        }
        file.write_at(&bytes, 0, Durability::Durable).map_err(failed)?;
        file.sync().map_err(failed)?;
        disk.sync_dir(&directory).map_err(failed)
    }

    /// Reads a checkpoint that must be there.
    pub(crate) fn load(&self, disk: &dyn Disk) -> Result<CheckpointContent, LogError> {
        let failed = |source| LogError::Io { action: Action::Read, path: self.path(), source };
        let bytes = match read(disk, &self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.damaged("missing checkpoint")),
            Err(error) => return Err(failed(error)),
        };
        self.decode(bytes).ok_or_else(|| self.damaged("a checkpoint"))
    }

    fn damaged(&self, what: &'static str) -> LogError {
        LogError::Damaged(Box::new(Damage {
            file: self.path(),
            position: 0,
            block_seq: None,
            what,
            affected: Vec::new(),
            gravity: Gravity::Acknowledged,
        }))
    }

    fn encode(&self, streams: &[(StreamId, StreamBounds)], state: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + streams.len() * STREAM_BYTES + state.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let fields = [self.log, u64::from(self.shard.0), self.term.0, self.index.0];
        for field in fields.into_iter().chain([streams.len() as u64, state.len() as u64]) {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 8]);
        for (stream, bounds) in streams {
            for field in [stream.0, bounds.start.0, bounds.end.0] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        bytes.extend_from_slice(state);
        let body_crc = crc32c::crc32c(&bytes[HEADER_BYTES..]);
        bytes[56..60].copy_from_slice(&body_crc.to_le_bytes());
        let header_crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&header_crc.to_le_bytes());
        bytes
    }

    /// Reads what the first bytes say of the rest; `None` if they are not those of this checkpoint.
    pub(crate) fn outline(&self, bytes: &[u8]) -> Option<Outline> {
        let mut cursor = Cursor::new(bytes);
        let named = cursor.u32()? == MAGIC
            && cursor.u32()? == VERSION
            && (cursor.u64()?, cursor.u64()?) == (self.log, u64::from(self.shard.0))
            && (cursor.u64()?, cursor.u64()?) == (self.term.0, self.index.0);
        let (stream_count, state_bytes) = (cursor.u64()?, cursor.u64()?);
        let (body_crc, header_crc) = (cursor.u32()?, cursor.u32()?);
        let sound = named && header_crc == crc32c::crc32c(&bytes[..60]);
        let streams_bytes = stream_count.checked_mul(STREAM_BYTES as u64)?;
        let body_bytes = streams_bytes.checked_add(state_bytes)?;
        sound.then_some(Outline { stream_count, streams_bytes, body_bytes, body_crc })
    }

    fn decode(&self, bytes: Vec<u8>) -> Option<CheckpointContent> {
        let Outline { stream_count, streams_bytes, body_bytes, body_crc } = self.outline(&bytes)?;
        let body = bytes.get(HEADER_BYTES..)?;
        if body_crc != crc32c::crc32c(body) || body_bytes != body.len() as u64 {
            return None;
        }
        let mut cursor = Cursor::new(body);
        let mut streams = Vec::new();
        for _ in 0..stream_count {
            let stream = StreamId(cursor.u64()?);
            let bounds = StreamBounds { start: Offset(cursor.u64()?), end: Offset(cursor.u64()?) };
            streams.push((stream, bounds));
        }
        let state_start = HEADER_BYTES + usize::try_from(streams_bytes).ok()?;
        Some(CheckpointContent { streams, state: Bytes::from(bytes).slice(state_start..) })
    }
}

fn read(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode { access: Access::Read, caching: Caching::Kernel })?;
    let length = usize::try_from(file.size()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let filled = file.read_at(&mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}
