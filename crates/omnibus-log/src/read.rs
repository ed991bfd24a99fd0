//! Reading: a plan says which batches, the cache or the disk gives them, checksums decide.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::batch::StreamBounds;
use omnibus_model::{Bug, planted};
use omnibus_model::{Offset, StreamId};

use crate::cache::Origin;
use crate::entry::{BatchPosition, Replacement};
use crate::error::ReadError;
use crate::file::LogFile;
use crate::index::{Rows, Run, Stream};
use crate::row::Row;
use crate::rows::{Miss, Patience, Reader};
use crate::shared::Shared;

/// Which batches to read. As long as it lives, their files stay as they are (I6).
pub struct ReadPlan {
    /// The stream's bounds when the plan was made.
    pub bounds: StreamBounds,
    shared: Arc<Shared>,
    stream: StreamId,
    range: Range<Offset>,
    bytes_max: usize,
    runs: Vec<Run>,
}

/// Payloads that lie side by side in one file, or one that shares its body.
#[derive(Debug)]
struct Piece {
    file: Arc<LogFile>,
    position: u64,
    bytes: u64,
    rows: Vec<Row>,
}

/// What was got of a piece.
enum Fetched {
    Sound(Bytes),
    /// What lies before a damaged batch.
    SoundUpTo(Bytes),
}

impl fmt::Debug for ReadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plan = f.debug_struct("ReadPlan");
        plan.field("stream", &self.stream).field("range", &self.range).field("bounds", &self.bounds);
        plan.finish_non_exhaustive()
    }
}

/// Plans to read whole batches from the one that contains the begin of `range`, up to its end or
/// `bytes_max` but at least one.
pub(crate) fn plan(
    shared: &Arc<Shared>,
    stream: StreamId,
    range: Range<Offset>,
    bytes_max: usize,
) -> Result<ReadPlan, ReadError> {
    shared.index.with(stream, |known| {
        let bounds = known.map(Stream::bounds).unwrap_or_default();
        if range.start < bounds.start || bounds.end < range.start {
            return Err(ReadError::OffsetOutOfRange { bounds });
        }
        let runs = known.map(|known| runs_of(known, &range, bytes_max)).unwrap_or_default();
        Ok(ReadPlan { bounds, shared: Arc::clone(shared), stream, range, bytes_max, runs })
    })
}

/// Copies the runs that a reader needs; of rows in memory only those that it needs.
fn runs_of(stream: &Stream, range: &Range<Offset>, bytes_max: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut bytes = 0;
    for run in &stream.runs[stream.run_at(range.start)..] {
        if !runs.is_empty() && (bytes >= bytes_max || run.base >= range.end) {
            break;
        }
        let (run, run_bytes) = part_of(run, range, bytes_max.saturating_sub(bytes));
        bytes += run_bytes;
        runs.push(run);
    }
    runs
}

fn part_of(run: &Run, range: &Range<Offset>, bytes_max: usize) -> (Run, usize) {
    let Rows::Memory(rows) = &run.rows else {
        let wanted = run.end.0 - range.start.max(run.base).0;
        let bytes = u128::from(run.bytes) * u128::from(wanted) / u128::from(run.end.0 - run.base.0);
        return (run.clone(), usize::try_from(bytes).unwrap_or(usize::MAX));
    };
    let first = rows.partition_point(|row| row.end() <= range.start);
    let mut bytes = 0;
    let wanted = rows[first..].iter().take_while(|row| {
        let fits = bytes == 0 || (bytes + row.bytes() as usize <= bytes_max && row.base < range.end);
        bytes += row.bytes() as usize;
        fits
    });
    let rows = Rows::Memory(wanted.copied().collect());
    let part = Run { file: Arc::clone(&run.file), rows, ..*run };
    (part, bytes)
}

impl ReadPlan {
    /// Returns the batches if all of them are in memory.
    #[must_use]
    pub fn cached(&self) -> Option<Vec<Bytes>> {
        self.collect(Patience::CacheOnly).ok()
    }

    /// Returns the batches, reading from the disk what is not in memory.
    pub(crate) fn load(&self) -> Result<Vec<Bytes>, ReadError> {
        match self.collect(Patience::Disk).map_err(Miss::into_error) {
            Err(ReadError::Io { .. }) if planted(Bug::UnreadableAsEnd) => Ok(Vec::new()),
            loaded => loaded,
        }
    }

    /// Reads the batches one by one, and where the last of them ends, or the gap if there is none.
    pub(crate) fn batches(&self) -> Result<(Vec<Replacement>, Offset), ReadError> {
        let reader = Reader { shared: &self.shared, patience: Patience::Disk };
        let mut batches: Vec<Replacement> = Vec::new();
        for piece in self.pieces(&reader).map_err(Miss::into_error)? {
            match self.fetch(&reader, &piece) {
                Ok(Fetched::Sound(bytes)) => add_batches(&mut batches, &piece, &bytes),
                Ok(Fetched::SoundUpTo(bytes)) => {
                    add_batches(&mut batches, &piece, &bytes);
                    break;
                }
                // Whoever goes on there is told.
                Err(Miss::Failed(_)) if !batches.is_empty() => break,
                Err(miss) => return Err(miss.into_error()),
            }
        }
        let end = batches.last().map(|last| last.base.plus(last.count.into()));
        let end = end.or(self.runs.last().map(|run| run.end)).unwrap_or(self.range.end);
        Ok((batches, end))
    }

    /// How much is wanted.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Returns where what this reads ends; none if there is nothing, or if its index is not in
    /// memory, as it is once it has been read.
    #[must_use]
    pub fn next(&self) -> Option<Offset> {
        let reader = Reader { shared: &self.shared, patience: Patience::CacheOnly };
        let pieces = self.pieces(&reader).ok()?;
        Some(pieces.last()?.rows.last()?.end())
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Collects batches up to the first that is damaged: who begins there is told.
    fn collect(&self, patience: Patience) -> Result<Vec<Bytes>, Miss> {
        let reader = Reader { shared: &self.shared, patience };
        let mut found: Vec<Bytes> = Vec::new();
        for piece in self.pieces(&reader)? {
            match self.fetch(&reader, &piece) {
                Ok(Fetched::Sound(bytes)) => found.push(bytes),
                Ok(Fetched::SoundUpTo(bytes)) => {
                    found.push(bytes);
                    break;
                }
                Err(Miss::Failed(_)) if !found.is_empty() => break,
                Err(miss) => return Err(miss),
            }
        }
        match self.behind() {
            Some(plan) if found.is_empty() && !planted(Bug::GapEndsRead) => plan.collect(patience),
            _ => Ok(found),
        }
    }

    /// What compaction has emptied holds no batch, however long it was: the plan for what
    /// lies behind it.
    fn behind(&self) -> Option<Self> {
        let end = self.runs.last()?.end;
        if end >= self.bounds.end.min(self.range.end) {
            return None;
        }
        plan(&self.shared, self.stream, end..self.range.end, self.bytes_max).ok()
    }

    fn pieces(&self, reader: &Reader<'_>) -> Result<Vec<Piece>, Miss> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut bytes = 0;
        let mut full = false;
        for run in &self.runs {
            let rows = reader.rows_from(self.stream, run, self.range.start, |row| {
                let fits = bytes + row.bytes() as usize <= self.bytes_max && row.base < self.range.end;
                full = bytes > 0 && !fits;
                if !full {
                    bytes += row.bytes() as usize;
                    add(&mut pieces, &run.file, row);
                }
                !full
            });
            match rows {
                Err(Miss::Failed(_)) if !pieces.is_empty() => break,
                rows => rows?,
            }
            if full {
                break;
            }
        }
        Ok(pieces)
    }

    fn fetch(&self, reader: &Reader<'_>, piece: &Piece) -> Result<Fetched, Miss> {
        if let [row] = &piece.rows[..]
            && row.shares().is_some()
        {
            return reader.joined(self.stream, &piece.file, row).map(Fetched::Sound);
        }
        let (bytes, origin) = reader.payload(&piece.file, piece.position, piece.bytes)?;
        let mut sound_bytes = 0;
        if origin == Origin::Read {
            for row in &piece.rows {
                let rest = &bytes[sound_bytes..];
                let payload = &rest[..rest.len().min(row.stored_bytes() as usize)];
                match row.check(payload, self.stream, &piece.file) {
                    Ok(()) => sound_bytes += payload.len(),
                    Err(error) if sound_bytes == 0 => return Err(error.into()),
                    Err(_) => return Ok(Fetched::SoundUpTo(bytes.slice(..sound_bytes))),
                }
            }
        }
        Ok(Fetched::Sound(bytes))
    }
}

/// Adds the batches of a piece, of which the last may be missing.
fn add_batches(batches: &mut Vec<Replacement>, piece: &Piece, bytes: &Bytes) {
    let mut at = 0;
    for row in &piece.rows {
        let end = at + row.bytes() as usize;
        if end > bytes.len() {
            return;
        }
        let BatchPosition { base, count, timestamp_max } = row.batch_position();
        batches.push(Replacement { base, count, timestamp_max, bytes: bytes.slice(at..end) });
        at = end;
    }
}

/// Adds a row to those that lie side by side. What shares a body is put together by itself.
fn add(pieces: &mut Vec<Piece>, file: &Arc<LogFile>, row: Row) {
    let (position, bytes) = (u64::from(row.position), u64::from(row.stored_bytes()));
    if let Some(last) = pieces.last_mut()
        && Arc::ptr_eq(&last.file, file)
        && last.position + last.bytes == position
        && row.shares().is_none()
        && last.rows.last().is_some_and(|row| row.shares().is_none())
    {
        last.bytes += bytes;
        last.rows.push(row);
        return;
    }
    pieces.push(Piece { file: Arc::clone(file), position, bytes, rows: vec![row] });
}
