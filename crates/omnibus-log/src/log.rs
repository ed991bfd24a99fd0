//! The log: what its owner may ask of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::Disk;
use omnibus_model::batch::StreamBounds;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};

use crate::backfill::{self, Holdings, Stretch};
use crate::block::{BlockSize, Record};
use crate::checkpoint::CheckpointName;
use crate::config::LogConfig;
use crate::entry::{BatchPosition, Checkpoint, Entry, EntryBatch, Replacement, Room};
use crate::error::{Affected, LogError, OnDurable, ReadError, SubmitRefused, WriteFailed};
use crate::index::Stream;
use crate::maintain::{self, MaintainReport};
use crate::mark::{EntryId, Mark, Marks, OnMarked};
use crate::mend;
use crate::open::open;
use crate::queue::{Queued, Refused};
use crate::read::{ReadPlan, plan};
use crate::read_back::read_back;
use crate::recover::RecoveryReport;
use crate::replace;
use crate::replay::Replay;
use crate::retention;
use crate::scrub::{Rot, Scrub};
use crate::shared::Shared;
use crate::stats::{LogStats, stats};
use crate::writer::Writer;

/// A log on a disk. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

/// A log that was just opened.
#[derive(Debug)]
pub struct Opened {
    pub log: Log,
    /// Writes what is submitted; somebody must run it.
    pub writer: Writer,
    /// How often the log has been opened, this time included; durable before it is told.
    pub incarnation: u64,
    pub checkpoints: Vec<Checkpoint>,
    /// The entries after each shard's checkpoint. Readers see their batches once they are
    /// published again.
    pub replay: Replay,
    /// What is remembered of each shard that has more than one replica, or may have.
    pub marks: BTreeMap<ShardId, Marks>,
    pub report: RecoveryReport,
}

impl Log {
    /// Opens the log on a disk, making it if the disk is empty.
    ///
    /// # Errors
    /// If something acknowledged is damaged in what must be read again, if a file is missing
    /// or of another version, if the configuration cannot be had, and if the disk fails.
    pub fn open(disk: Arc<dyn Disk>, config: LogConfig, on_durable: OnDurable) -> Result<Opened, LogError> {
        let parts = open(disk, config, on_durable)?;
        Ok(Opened {
            log: Self { shared: parts.shared },
            writer: parts.writer,
            incarnation: parts.incarnation,
            checkpoints: parts.checkpoints,
            replay: parts.replay,
            marks: parts.marks,
            report: parts.report,
        })
    }

    /// Says what there is room for; costs next to nothing.
    #[must_use]
    pub fn room(&self) -> Room {
        self.shared.room()
    }

    /// Returns how long an entry may be, as a block of its own.
    #[must_use]
    pub fn entry_bytes_max(&self) -> u64 {
        self.shared.config.entry_bytes_max
    }

    /// Hands an entry to the writer without waiting.
    ///
    /// # Errors
    /// If it will not be written; nothing has happened then.
    pub fn submit(&self, entry: Entry) -> Result<(), SubmitRefused> {
        if let Some(failed) = self.shared.failure.get() {
            return Err(SubmitRefused::Failed(failed.clone()));
        }
        self.check_parts(&entry.head, &entry.bodies, &entry.batches)?;
        // Whoever appends asks for room before it decides. What it has decided then must get in,
        // out of the reserve: behind it wait the deletes that make room.
        if self.room() == Room::None {
            return Err(SubmitRefused::DiskFull);
        }
        self.shared.queue.push(entry).map_err(|refused| match (refused, self.shared.failure.get()) {
            (_, Some(failed)) => SubmitRefused::Failed(failed.clone()),
            (Refused::Closed, None) => SubmitRefused::Closed,
            (Refused::Full, None) => SubmitRefused::QueueFull,
        })
    }

    /// Hands an entry to the writer that was decided elsewhere or before, so that neither the
    /// length of the queue nor a full disk is a reason to refuse it: it waits.
    ///
    /// # Errors
    /// If it will never be written.
    pub fn submit_decided(&self, entry: Entry) -> Result<(), SubmitRefused> {
        self.decided(Queued { record: Record::Entry(entry), done: None }).map_err(|(refused, _)| refused)
    }

    /// Hands a mark to the writer, behind everything that was handed over before; `done` is
    /// told when it is durable. With its first mark a shard becomes a replicated one: from then
    /// on its entries can be read back until they are purged.
    pub fn mark(&self, shard: ShardId, mark: Mark, done: OnMarked) {
        let queued = Queued { record: Record::Mark(shard, mark), done: Some(done) };
        if let Err((refused, Queued { done: Some(done), .. })) = self.decided(queued) {
            let failed = match refused {
                SubmitRefused::Failed(failed) => failed,
                _ => WriteFailed { source: Arc::new(std::io::ErrorKind::BrokenPipe.into()) },
            };
            done(Err(failed));
        }
    }

    fn decided(&self, queued: Queued) -> Result<(), (SubmitRefused, Queued)> {
        if let Some(failed) = self.shared.failure.get() {
            return Err((SubmitRefused::Failed(failed.clone()), queued));
        }
        self.shared.queue.push_decided(queued).map_err(|queued| match self.shared.failure.get() {
            Some(failed) => (SubmitRefused::Failed(failed.clone()), queued),
            None => (SubmitRefused::Closed, queued),
        })
    }

    /// Whether so much waits for the writer that no more should be decided now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.shared.queue.is_full()
    }

    /// Whether an entry of these parts is short enough, as a block of its own.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn check_parts(&self, head: &Bytes, bodies: &[Bytes], batches: &[EntryBatch]) -> Result<(), SubmitRefused> {
        let bytes = BlockSize::of_parts(head, bodies, batches).block_bytes() as u64;
        let bytes_max = self.shared.config.entry_bytes_max;
        if bytes > bytes_max { Err(SubmitRefused::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    /// Notes how far a replicated shard is committed; written with the next block, whenever
    /// that is, since it is learned anew where it is lost.
    pub fn note_committed(&self, shard: ShardId, id: EntryId) {
        self.shared.marks.lock().note_committed(shard, id);
    }

    /// Returns what is durable of a shard's marks, if it is replicated.
    #[must_use]
    pub fn marks(&self, shard: ShardId) -> Option<Marks> {
        self.shared.marks.lock().durable.get(&shard).cloned()
    }

    /// Returns the index of the oldest durable entry of a replicated shard that was not purged.
    #[must_use]
    pub fn first_kept(&self, shard: ShardId) -> Option<LogIndex> {
        self.shared.kept.lock().first(shard)
    }

    /// Returns the newest durable entry of a replicated shard, unless it was purged.
    #[must_use]
    pub fn last_kept(&self, shard: ShardId) -> Option<EntryId> {
        self.shared.kept.lock().last(shard)
    }

    /// Returns the term of a durable entry of a replicated shard, unless it was purged.
    #[must_use]
    pub fn term_of(&self, shard: ShardId, index: LogIndex) -> Option<Term> {
        self.shared.kept.lock().place(shard, index).map(|place| place.term)
    }

    /// Reads a durable entry of a replicated shard back, from the disk where the cache does not
    /// have it; none if it was purged. Blocks.
    ///
    /// # Errors
    /// If a checksum does not hold or the disk fails.
    pub fn entry(&self, shard: ShardId, index: LogIndex) -> Result<Option<Entry>, ReadError> {
        read_back(&self.shared, shard, index)
    }

    /// Lets readers see a shard's entries up to `index`, which are committed.
    pub fn publish(&self, shard: ShardId, index: LogIndex) {
        self.shared.pending.publish(shard, index, &self.shared.index);
    }

    /// Returns which offsets of a stream can be read; none if it is not known.
    #[must_use]
    pub fn bounds(&self, stream: StreamId) -> StreamBounds {
        self.shared.index.with(stream, |known| known.map(Stream::bounds).unwrap_or_default())
    }

    /// Plans to read whole batches, from the one that contains `from`, up to `bytes_max` but
    /// at least one. At the end of the stream the plan is empty.
    ///
    /// # Errors
    /// If `from` lies outside of the stream.
    pub fn plan(&self, stream: StreamId, from: Offset, bytes_max: usize) -> Result<ReadPlan, ReadError> {
        self.plan_range(stream, from..Offset(u64::MAX), bytes_max)
    }

    /// Plans to read whole batches as [`Log::plan`] does, but none that begins behind `range`,
    /// except the first.
    ///
    /// # Errors
    /// If the begin of `range` lies outside of the stream.
    pub fn plan_range(&self, stream: StreamId, range: Range<Offset>, bytes_max: usize) -> Result<ReadPlan, ReadError> {
        plan(&self.shared, stream, range, bytes_max)
    }

    /// Reads what was planned, from the disk where the cache does not have it; blocks.
    /// Batches that lie side by side come as one slice.
    ///
    /// # Errors
    /// If a checksum does not hold or the disk fails; a wrong byte is never served.
    pub fn load(&self, plan: &ReadPlan) -> Result<Vec<Bytes>, ReadError> {
        plan.load()
    }

    /// Forgets the records of a stream before an offset. Doing so again changes nothing.
    pub fn trim(&self, stream: StreamId, before: Offset) {
        // A stream that is not known has nothing to forget.
        self.shared.index.change(stream, |known| known.trim(before));
    }

    /// Forgets a stream. Doing so again changes nothing.
    pub fn drop_stream(&self, stream: StreamId) {
        self.shared.index.remove(stream);
    }

    /// Finds the first batch with a record at or after a time. May read index pages.
    #[must_use]
    pub fn find_timestamp(&self, stream: StreamId, time: Timestamp) -> Option<BatchPosition> {
        retention::find_timestamp(&self.shared, stream, time)
    }

    /// Finds the batch with the newest record. May read index pages.
    #[must_use]
    pub fn newest_timestamp(&self, stream: StreamId) -> Option<BatchPosition> {
        retention::newest_timestamp(&self.shared, stream)
    }

    /// Returns the first offset that retention must keep: records from `not_before` on stay,
    /// unless what follows them is `bytes_max` already. May read index pages.
    #[must_use]
    pub fn retained_from(&self, stream: StreamId, not_before: Option<Timestamp>, bytes_max: Option<u64>) -> Offset {
        retention::retained_from(&self.shared, stream, not_before, bytes_max)
    }

    /// Returns how many payload bytes a stream has, about; of what it shares with others, its part.
    #[must_use]
    pub fn stream_bytes(&self, stream: StreamId) -> u64 {
        let sum = |known: &Stream| known.runs.iter().map(|run| u64::from(run.bytes)).sum();
        self.shared.index.with(stream, |known| known.map_or(0, sum))
    }

    /// Returns all streams, in order.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamId> {
        self.shared.index.streams()
    }

    /// What the disk has room for in all, if it says so.
    #[must_use]
    pub fn disk_bytes(&self) -> Option<u64> {
        self.shared.disk.space().ok().map(|space| space.total_bytes)
    }

    /// Returns numbers for whoever watches.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        stats(&self.shared)
    }

    /// Returns how many bytes of the log would have to be read again after a crash.
    #[must_use]
    pub fn wal_bytes_since_checkpoint(&self) -> u64 {
        self.shared.unsaved_bytes()
    }

    /// Saves a shard's state as it is after `index`; blocks. Entries up to there are not
    /// replayed any more.
    ///
    /// # Errors
    /// If the disk is full or fails; the checkpoint before still counts then.
    pub fn save_checkpoint(&self, shard: ShardId, term: Term, index: LogIndex, state: &[u8]) -> Result<(), LogError> {
        maintain::save_checkpoint(&self.shared, shard, (term, index), state)
    }

    /// Reads a shard's newest saved state, if one was ever saved; blocks.
    ///
    /// # Errors
    /// If it is damaged or the disk fails.
    pub fn checkpoint(&self, shard: ShardId) -> Result<Option<Checkpoint>, LogError> {
        let newest = || self.shared.manifest.lock().list.checkpoints.get(&shard).copied();
        let mut known = newest();
        while let Some((term, index)) = known {
            let name = CheckpointName { log: self.shared.identity, shard, term, index };
            let loaded = name.load(self.shared.disk.as_ref());
            let renewed = newest();
            match loaded {
                // A newer one took its place while it was read.
                Err(_) if renewed != known => known = renewed,
                loaded => return loaded.map(|content| Some(Checkpoint { shard, term, index, state: content.state })),
            }
        }
        Ok(None)
    }

    /// Puts batches in the place of all that a stream has from `from` to `to`, both where a
    /// batch begins; offsets that none of them spans are gaps. Blocks.
    ///
    /// # Errors
    /// If the range or the batches make no sense, or the disk is full or fails; nothing has
    /// changed then.
    pub fn replace(
        &self,
        stream: StreamId,
        from: Offset,
        to: Offset,
        batches: Vec<Replacement>,
    ) -> Result<(), LogError> {
        replace::replace(&self.shared, stream, (from, to), batches)
    }

    /// Says what a replica elsewhere needs that begins with the checkpoint `id` of a shard; none if that is not
    /// the newest any more, or some entry behind it is gone. Blocks.
    ///
    /// # Errors
    /// If the checkpoint or an entry is damaged, or the disk fails.
    pub fn holdings(&self, shard: ShardId, id: EntryId) -> Result<Option<Holdings>, LogError> {
        backfill::holdings(&self.shared, shard, id)
    }

    /// Reads the next part of a stream, of about `bytes_max` but at least one batch, and all of its first batch;
    /// none if a batch lies across its end. What was trimmed is left out. Blocks.
    ///
    /// # Errors
    /// If a checksum does not hold or the disk fails.
    pub fn stretch(
        &self,
        stream: StreamId,
        range: Range<Offset>,
        bytes_max: usize,
    ) -> Result<Option<Stretch>, ReadError> {
        backfill::stretch(&self.shared, stream, range, bytes_max)
    }

    /// Forgets all streams of a shard of which nothing counts, so that others are taken in their place.
    pub fn clear(&self, shard: ShardId) {
        backfill::clear(&self.shared, shard);
    }

    /// Takes parts of a shard's streams that were read elsewhere, in the place of what is there; durable on return.
    /// Blocks.
    ///
    /// # Errors
    /// If they make no sense, or the disk is full or fails.
    pub fn fill(&self, shard: ShardId, stretches: Vec<Stretch>) -> Result<(), LogError> {
        backfill::fill(&self.shared, shard, stretches)
    }

    /// Makes a state count that was saved elsewhere, and all of whose records have been taken; durable on return.
    /// Blocks.
    ///
    /// # Errors
    /// If more was taken than it knows, or the disk is full or fails.
    pub fn install(&self, holdings: &Holdings) -> Result<(), LogError> {
        backfill::install(&self.shared, holdings)
    }

    /// The name of this log among all logs.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.shared.identity
    }

    /// Does a bounded part of what there is to do: prepares, seals, packs and recycles files.
    /// Blocks; whoever owns the log calls it again and again.
    ///
    /// # Errors
    /// If the disk fails. A full disk is told in the report.
    pub fn maintain(&self) -> Result<MaintainReport, LogError> {
        maintain::maintain(&self.shared)
    }

    /// Begins to read all that is at rest and to check every checksum, past the kernel's cache: what has rotted is
    /// found before somebody needs it. Files that come to be later are not read.
    #[must_use]
    pub fn scrub(&self) -> Scrub {
        Scrub::begin(&self.shared)
    }

    /// What of the records that a damaged place held is still to be read from there: they were neither mended nor trimmed.
    #[must_use]
    pub fn still_affected(&self, rot: &Rot) -> Vec<Affected> {
        mend::still_affected(&self.shared, rot)
    }

    /// Puts batches that were read elsewhere in the place of such as cannot be read here; durable on return. They must be
    /// all that is between their ends, and what was written here, as far as the index can tell. In the order of streams and
    /// offsets. Blocks.
    ///
    /// # Errors
    /// If they are something else, or the disk is full or fails; nothing has changed then.
    pub fn mend(&self, stretches: Vec<Stretch>) -> Result<(), LogError> {
        mend::mend(&self.shared, stretches)
    }

    /// Whether a damaged place without records matters still: a start would read it, or a replica may ask for what it held.
    #[must_use]
    pub fn misses(&self, rot: &Rot) -> bool {
        mend::is_missed(&self.shared, &rot.damage.file)
    }

    /// Has maintenance carry elsewhere what lives in a damaged file, as soon as all of that can be read, so that the file
    /// is given up.
    pub fn leave(&self, path: &str) {
        mend::leave(&self.shared, path);
    }

    /// Takes no more entries; the writer writes those it has and returns.
    pub fn close(&self) {
        self.shared.queue.close();
    }
}
