//! The index: for each stream, its bounds and the runs of batches that hold it.
//!
//! A *run* is a stretch of one stream in one file. While the file is written its rows are in
//! memory; later they are in the file's footer and the run only says where. An idle stream
//! costs about a hundred bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::batch::StreamBounds;
use omnibus_model::{Offset, ShardId, StreamId, Timestamp};
use parking_lot::Mutex;

use crate::file::{FileKind, LogFile};
use crate::footer::{Footer, FooterRun};
use crate::row::Row;

const PARTS: usize = 64;

/// All streams, in parts with a lock each. No lock is held across I/O.
#[derive(Debug)]
pub(crate) struct Index {
    parts: [Mutex<BTreeMap<StreamId, Stream>>; PARTS],
}

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) shard: ShardId,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    /// In the order of offsets, without overlap.
    pub(crate) runs: Vec<Run>,
}

/// A stretch of a stream in one file. It speaks for all offsets from `base` to `end`, also
/// where compaction left nothing.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) file: Arc<LogFile>,
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    pub(crate) timestamp_max: Timestamp,
    /// Payload bytes that are live, of shared bodies its part; an estimate once a part was cut off.
    pub(crate) bytes: u32,
    pub(crate) rows: Rows,
}

impl Run {
    /// A run as the end of a sealed file tells it.
    pub(crate) fn of_footer(file: &Arc<LogFile>, run: &FooterRun) -> Self {
        Self {
            file: Arc::clone(file),
            base: run.base,
            end: run.end,
            timestamp_max: run.timestamp_max,
            bytes: run.bytes,
            rows: Rows::Footer { first: run.first, count: run.count },
        }
    }
}

/// Where the rows of a run are. Rows that begin outside of the run are not part of it.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    Memory(Vec<Row>),
    Footer { first: u32, count: u32 },
}

impl Default for Index {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Index {
    fn part(&self, stream: StreamId) -> &Mutex<BTreeMap<StreamId, Stream>> {
        let spread = stream.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        &self.parts[usize::try_from(spread).expect("six bits") % PARTS]
    }

    /// Looks at a stream under its lock.
    pub(crate) fn with<R>(&self, stream: StreamId, look: impl FnOnce(Option<&Stream>) -> R) -> R {
        look(self.part(stream).lock().get(&stream))
    }

    /// Changes a stream under its lock, if it is known.
    pub(crate) fn change<R>(&self, stream: StreamId, change: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        self.part(stream).lock().get_mut(&stream).map(change)
    }

    /// Takes what a sealed file says of its streams.
    pub(crate) fn take_footer(&self, file: &Arc<LogFile>, footer: &Footer) {
        for run in &footer.runs {
            self.change_or_make(run.stream, run.shard, |stream| {
                stream.end = stream.end.max(run.end);
                stream.replace(Run::of_footer(file, run));
            });
        }
    }

    /// Changes a stream under its lock, making it first if it is not known.
    pub(crate) fn change_or_make<R>(
        &self,
        stream: StreamId,
        shard: ShardId,
        change: impl FnOnce(&mut Stream) -> R,
    ) -> R {
        change(self.part(stream).lock().entry(stream).or_insert_with(|| Stream::new(shard)))
    }

    /// Forgets a stream.
    pub(crate) fn remove(&self, stream: StreamId) {
        let removed = self.part(stream).lock().remove(&stream);
        removed.iter().flat_map(|removed| &removed.runs).for_each(Run::die);
    }

    /// Returns all streams in order.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        let mut streams: Vec<StreamId> = Vec::new();
        for part in &self.parts {
            streams.extend(part.lock().keys());
        }
        streams.sort_unstable();
        streams
    }

    /// Returns the bounds of a shard's streams, in order.
    pub(crate) fn bounds_of_shard(&self, shard: ShardId) -> Vec<(StreamId, StreamBounds)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let part = part.lock();
            let of_shard = part.iter().filter(|(_, stream)| stream.shard == shard);
            all.extend(of_shard.map(|(id, stream)| (*id, stream.bounds())));
        }
        all.sort_unstable_by_key(|(stream, _)| *stream);
        all
    }
}

impl Stream {
    /// Whether a pack speaks for a batch already: a replica that is being filled may have it before its entry comes.
    fn has_packed(&self, row: Row) -> bool {
        self.runs.last().is_some_and(|run| run.file.kind == FileKind::Pack && row.end() <= run.end)
    }

    fn new(shard: ShardId) -> Self {
        Self { shard, start: Offset::ZERO, end: Offset::ZERO, runs: Vec::new() }
    }

    pub(crate) fn bounds(&self) -> StreamBounds {
        StreamBounds { start: self.start, end: self.end }
    }

    /// Adds the next batch; returns whether it is the first here of its file.
    pub(crate) fn append(&mut self, file: &Arc<LogFile>, row: Row) -> bool {
        self.end = self.end.max(row.end());
        if row.end() <= self.start || self.has_packed(row) {
            return false;
        }
        file.add_live(u64::from(row.weight()));
        if let Some(run) = self.runs.last_mut() {
            assert!(run.end <= row.base, "a batch at {} follows one that ends at {}", row.base, run.end);
            if let (true, Rows::Memory(rows)) = (Arc::ptr_eq(&run.file, file), &mut run.rows) {
                rows.push(row);
                run.end = row.end();
                run.timestamp_max = run.timestamp_max.max(row.timestamp_max);
                run.bytes += row.weight();
                return false;
            }
        }
        // Most streams are idle: no room is taken for what may never come.
        self.runs.reserve_exact(usize::from(self.runs.len() < 4));
        self.runs.push(Run {
            file: Arc::clone(file),
            base: row.base,
            end: row.end(),
            timestamp_max: row.timestamp_max,
            bytes: row.weight(),
            rows: Rows::Memory(vec![row]),
        });
        true
    }

    /// Forgets what lies before an offset.
    pub(crate) fn trim(&mut self, before: Offset) {
        let start_before = self.start;
        self.start = self.start.max(before.min(self.end));
        let gone = self.runs.partition_point(|run| run.end <= self.start);
        self.runs.drain(..gone).for_each(|run| run.die());
        if let Some(first) = self.runs.first_mut() {
            first.trim(start_before, self.start);
        }
    }

    /// Makes `run` speak for its range, instead of all runs that did.
    pub(crate) fn replace(&mut self, run: Run) {
        assert!(run.base < run.end, "a run speaks for no offset");
        let mut runs = Vec::with_capacity(self.runs.len() + 2);
        for old in self.runs.drain(..) {
            let (before, after) = old.without(run.base, run.end);
            runs.extend(before);
            runs.extend(after);
        }
        let place = runs.partition_point(|old| old.end <= run.base);
        run.file.add_live(u64::from(run.bytes));
        runs.insert(place, run);
        runs.shrink_to_fit();
        self.runs = runs;
    }

    /// Returns the first run that has something at or after an offset.
    pub(crate) fn run_at(&self, offset: Offset) -> usize {
        self.runs.partition_point(|run| run.end <= offset)
    }
}

impl Run {
    /// Takes its bytes off its file's count.
    fn die(&self) {
        self.file.remove_live(u64::from(self.bytes));
    }

    fn trim(&mut self, start_before: Offset, start: Offset) {
        let from = self.base.max(start_before);
        if start <= from {
            return;
        }
        let bytes = match &mut self.rows {
            Rows::Memory(rows) => {
                let gone = rows.partition_point(|row| row.end() <= start);
                rows.drain(..gone).map(|row| row.weight()).sum()
            }
            Rows::Footer { .. } => self.bytes - share(self.bytes, self.end.0 - start.0, self.end.0 - from.0),
        };
        self.bytes -= bytes;
        self.file.remove_live(u64::from(bytes));
    }

    /// Cuts a range out; returns what is left on either side of it.
    fn without(self, from: Offset, to: Offset) -> (Option<Self>, Option<Self>) {
        if self.end <= from || to <= self.base {
            return (Some(self), None);
        }
        self.die();
        (self.part(self.base, from), self.part(to, self.end))
    }

    fn part(&self, base: Offset, end: Offset) -> Option<Self> {
        if end <= base {
            return None;
        }
        let rows = match &self.rows {
            Rows::Memory(rows) => {
                let inside = rows.iter().filter(|row| base <= row.base && row.base < end);
                Rows::Memory(inside.copied().collect())
            }
            rows @ Rows::Footer { .. } => rows.clone(),
        };
        let bytes = match &rows {
            Rows::Memory(rows) => rows.iter().map(Row::weight).sum(),
            Rows::Footer { .. } => share(self.bytes, end.0 - base.0, self.end.0 - self.base.0),
        };
        self.file.add_live(u64::from(bytes));
        Some(Self { file: Arc::clone(&self.file), base, end, timestamp_max: self.timestamp_max, bytes, rows })
    }
}

/// Returns `part` of `whole` of some bytes.
fn share(bytes: u32, part: u64, whole: u64) -> u32 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u32::try_from(share).unwrap_or(bytes).min(bytes)
}
