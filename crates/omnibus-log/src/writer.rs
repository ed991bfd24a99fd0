//! The writer: gathers entries of all shards into blocks and makes them durable, in order.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omnibus_model::{Bug, planted};
use omnibus_model::{LogIndex, ShardId};

use crate::block::{BlockLink, BlockSize, Composed, ComposedBlock, ComposedEntry, Record, compose};
use crate::buffer::PAGE_BYTES;
use crate::cache::Origin;
use crate::device::{Device, FLIGHTS_MAX};
use crate::entry::EntryKind;
use crate::error::{Action, LogError, OnDurable, WriteFailed};
use crate::file::LogFile;
use crate::footer::footer_bytes_max;
use crate::kept::Place;
use crate::mark::{Mark, OnMarked};
use crate::pending::PendingEntry;
use crate::queue::{Queued, Taken};
use crate::shared::{Counters, Shared};

/// How long a writer without room waits before it looks again by itself.
const STALL: Duration = Duration::from_millis(100);

/// The one thread, or the simulator's hand, that writes blocks.
pub struct Writer {
    shared: Arc<Shared>,
    device: Device,
    on_durable: OnDurable,
    tail: Tail,
    flights: VecDeque<Flight>,
    /// What waits for a segment, because the disk is full.
    stalled: Option<Vec<Queued>>,
    /// The newest durable block has not been announced by a later one.
    seal_due: bool,
}

/// Where the next block goes.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) file: Arc<LogFile>,
    pub(crate) position: u64,
    pub(crate) capacity: u64,
    /// The segment is slow to write to: better to go on in another once there is one.
    pub(crate) unwritten: bool,
    /// Rows that the segment's footer will need room for, at most.
    pub(crate) rows: usize,
    pub(crate) seq_next: u64,
    pub(crate) durable_seq: u64,
    pub(crate) previous_crc: u32,
}

/// A block on its way to the disk.
struct Flight {
    seq: u64,
    position: u64,
    block: ComposedBlock,
    /// Those who wait for its marks.
    marked: Vec<OnMarked>,
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("seq", &self.seq).field("position", &self.position).finish_non_exhaustive()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("tail", &self.tail).field("flights", &self.flights).finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, device: Device, tail: Tail, on_durable: OnDurable) -> Self {
        let writer =
            Self { shared, device, on_durable, tail, flights: VecDeque::new(), stalled: None, seal_due: false };
        writer.note_space();
        writer
    }

    /// Writes until the log is closed or a write fails.
    pub fn run(mut self) {
        while self.turn() {}
    }

    /// Writes what is queued, at most two blocks at a time, and completes it; returns
    /// whether there was anything to do. This is what [`Self::run`] does without waiting.
    pub fn step(&mut self) -> bool {
        self.fill();
        let busy = !self.flights.is_empty();
        self.drain();
        if self.shared.failure.get().is_some() {
            self.abandon();
        }
        busy
    }

    /// Announces the newest durable block by an empty one, so that damage to it is told
    /// from a torn write. Returns false if that was done already.
    pub fn seal(&mut self) -> bool {
        let room = self.tail.position + PAGE_BYTES as u64 <= self.tail.capacity;
        if !self.seal_due || !room || self.stalled.is_some() || self.shared.failure.get().is_some() {
            return false;
        }
        self.seal_due = false;
        if planted(Bug::SealForgotten) {
            return true;
        }
        self.submit(Vec::new());
        self.drain();
        if self.shared.failure.get().is_some() {
            self.abandon();
        }
        true
    }

    fn turn(&mut self) -> bool {
        let closed = self.fill();
        if self.shared.failure.get().is_some() {
            self.abandon();
            return false;
        }
        if !self.flights.is_empty() {
            self.complete();
        } else if self.stalled.is_some() {
            if self.shared.queue.is_closed() {
                self.abandon();
                return false;
            }
            self.shared.queue.wait_for_call(STALL);
        } else if closed {
            self.seal();
            return false;
        } else if self.shared.queue.wait(self.seal_due.then_some(self.shared.config.seal_after)) {
            self.seal();
        }
        true
    }

    /// Starts blocks until enough are in flight or nothing waits; returns whether nothing
    /// will come any more.
    fn fill(&mut self) -> bool {
        while self.flights.len() < FLIGHTS_MAX && self.shared.failure.get().is_none() {
            let entries = match self.stalled.take() {
                Some(stalled) => stalled,
                None => match self.shared.queue.take(self.shared.config.block_bytes_max) {
                    Taken::Entries(entries) => entries,
                    Taken::Nothing => return false,
                    Taken::Closed => return true,
                },
            };
            if !self.make_room(&entries) {
                self.stalled = Some(entries);
                return false;
            }
            self.submit(entries);
            self.seal_due = true;
        }
        false
    }

    /// Goes on to the next segment if the block does not fit into this one; returns whether
    /// there is room for it.
    fn make_room(&mut self, entries: &[Queued]) -> bool {
        let size = self.size_with_marks(entries);
        // Room for an announcing block stays behind it.
        let block_bytes = (size.block_bytes() + PAGE_BYTES) as u64;
        let footer_bytes = footer_bytes_max(self.tail.rows + size.rows);
        let fits = self.tail.position + block_bytes + footer_bytes <= self.tail.capacity;
        if fits && !(self.tail.unwritten && self.shared.has_zeroed_segment()) {
            self.tail.rows += size.rows;
            return true;
        }
        // A segment begins only when all before it is durable, so only the last one can be torn.
        self.drain();
        if self.shared.failure.get().is_some() {
            return false;
        }
        if !fits {
            // Once it is full it is as good as one that was zeroed, and can be used again.
            self.tail.file.facts.lock().unwritten = false;
        }
        let size = self.size_with_marks(entries);
        let bytes = (size.block_bytes() + PAGE_BYTES) as u64 + footer_bytes_max(size.rows);
        match self.begin_segment(bytes) {
            Ok(()) => {
                self.tail.rows = size.rows;
                true
            }
            Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                self.shared.refresh_space();
                false
            }
            Err(LogError::Io { source, .. }) => self.fail(source),
            Err(error) => self.fail(io::Error::other(error.to_string())),
        }
    }

    /// How long a block of some records may get with the marks that are added to it.
    fn size_with_marks(&self, records: &[Queued]) -> BlockSize {
        let size = BlockSize::of_all(records.iter().map(|queued| &queued.record));
        size.plus(BlockSize::of_marks(self.shared.marks.lock().frames_max()))
    }

    /// The marks that the next block must tell, or can, beside what is in the queue.
    fn due_marks(&self) -> Vec<Record> {
        let mut marks = self.shared.marks.lock();
        let mut due = if self.tail.position == 0 { marks.all() } else { Vec::new() };
        due.extend(marks.take_committed());
        due.into_iter().map(|(shard, mark)| Record::Mark(shard, mark)).collect()
    }

    fn begin_segment(&mut self, bytes: u64) -> Result<(), LogError> {
        let file = self.shared.begin_segment(bytes, self.tail.seq_next)?;
        let capacity = file.handle.size();
        let failed = |source| LogError::Io { action: Action::Read, path: file.path.clone(), source };
        self.tail.capacity = capacity.map_err(failed)?;
        self.tail.file.facts.lock().closed = true;
        self.tail.unwritten = file.facts.lock().unwritten;
        (self.tail.file, self.tail.position) = (file, 0);
        self.shared.refresh_space();
        self.note_space();
        Ok(())
    }

    fn note_space(&self) {
        let used = self.tail.position + footer_bytes_max(self.tail.rows);
        let left = self.tail.capacity.saturating_sub(used);
        self.shared.space.active.store(left, Ordering::Relaxed);
    }

    fn submit(&mut self, queued: Vec<Queued>) {
        let mut records = self.due_marks();
        let is_announcement = queued.is_empty();
        if is_announcement && BlockSize::of_all(&records).block_bytes() > PAGE_BYTES {
            // There is room for one page only. A commit that is told later is told soon enough.
            records.clear();
        }
        let mut marked = Vec::new();
        for Queued { record, done } in queued {
            records.push(record);
            marked.extend(done);
        }
        let link = BlockLink {
            log: self.shared.identity,
            epoch: self.tail.file.number,
            seq: self.tail.seq_next,
            durable_seq: self.tail.durable_seq,
            previous_crc: self.tail.previous_crc,
        };
        let position = self.tail.position;
        let block = compose(&records, link, position);
        let submitted = self.device.submit(&self.tail.file.handle, &block.bytes, position);
        self.tail.seq_next += 1;
        self.tail.previous_crc = block.header_crc;
        self.tail.position += block.bytes.len() as u64;
        self.note_space();
        self.flights.push_back(Flight { seq: link.seq, position, block, marked });
        if let Err(error) = submitted {
            self.fail(error);
        }
    }

    fn drain(&mut self) {
        while !self.flights.is_empty() && self.shared.failure.get().is_none() {
            self.complete();
        }
    }

    /// Waits for the oldest block in flight and reports what is durable then.
    fn complete(&mut self) {
        match self.device.wait() {
            // Somebody else's write failed meanwhile: these are not acknowledged either.
            Ok(_) if self.shared.failure.get().is_some() => {}
            Ok(blocks) => {
                Counters::add(&self.shared.counters.syncs, 1);
                for flight in self.flights.drain(..blocks).collect::<Vec<_>>() {
                    self.land(flight);
                }
            }
            Err(_) if planted(Bug::WriteAfterFailure) => {
                for flight in self.flights.drain(..).collect::<Vec<_>>() {
                    self.land(flight);
                }
            }
            Err(error) => {
                self.fail(error);
            }
        }
    }

    /// Reports a durable block.
    fn land(&mut self, flight: Flight) {
        assert_eq!(flight.seq, self.tail.durable_seq + 1, "blocks become durable in order");
        self.tail.durable_seq = flight.seq;
        let Flight { position, block, marked, .. } = flight;
        let file = Arc::clone(&self.tail.file);
        self.count(&block);
        self.shared.cache.insert(file.key(), position, block.bytes.slice(..block.used_bytes), Origin::Written);
        {
            let mut facts = file.facts.lock();
            facts.data_end = position + block.bytes.len() as u64;
            facts.last_block = Some((flight.seq, block.header_crc));
            facts.bodies_bytes += block.bodies_bytes;
            for entry in entries_of(&block) {
                let range = facts.shards.entry(entry.shard).or_insert((entry.id.index, entry.id.index));
                range.1 = range.1.max(entry.id.index);
            }
        }
        for frame in block.frames {
            match frame {
                Composed::Entry(entry) => self.land_entry(&file, position, entry),
                Composed::Mark(shard, mark) => self.land_mark(&file, shard, &mark),
            }
        }
        marked.into_iter().for_each(|marked| marked(Ok(())));
    }

    fn land_entry(&self, file: &Arc<LogFile>, block: u64, entry: ComposedEntry) {
        let ComposedEntry { shard, id, kind, head, rows } = entry;
        let is_replicated = {
            let mut marks = self.shared.marks.lock();
            let marks = marks.durable.get_mut(&shard);
            let is_replicated = marks.is_some();
            if let (Some(marks), EntryKind::Membership) = (marks, kind) {
                marks.take(&Mark::Membership(id, head));
            }
            is_replicated
        };
        if is_replicated {
            let place = Place { term: id.term, segment: file.number, block };
            self.shared.kept.lock().push(shard, id.index, place);
        }
        let pending = PendingEntry { index: id.index, file: Arc::clone(file), rows };
        self.shared.pending.push(shard, pending);
        if planted(Bug::PublishBeforeCommit) {
            self.shared.pending.publish(shard, id.index, &self.shared.index);
        }
        (self.on_durable)(shard, id.index, Ok(()));
    }

    fn land_mark(&self, file: &LogFile, shard: ShardId, mark: &Mark) {
        match mark {
            Mark::Truncated { from } => {
                self.shared.pending.truncate(shard, *from);
                self.shared.kept.lock().truncate(shard, *from);
                let mut shards = self.shared.shards.lock();
                let facts = shards.entry(shard).or_default();
                // It stays as long as a segment that has what is void.
                file.note_entry(shard, facts.newest);
                facts.truncated(*from);
            }
            Mark::Purged(id) => self.shared.kept.lock().purge(shard, id.index),
            Mark::Vote(_) | Mark::Committed(_) | Mark::Membership(..) => {}
        }
        self.shared.marks.lock().durable.entry(shard).or_default().take(mark);
    }

    fn count(&self, block: &ComposedBlock) {
        let counters = &self.shared.counters;
        Counters::add(&counters.payload_bytes, block.payload_bytes);
        Counters::add(&counters.blocks, 1);
        let written_bytes = counters.written_bytes.fetch_add(block.bytes.len() as u64, Ordering::Relaxed);
        let mut shards = self.shared.shards.lock();
        for entry in entries_of(block) {
            Counters::add(&counters.entries, 1);
            shards.entry(entry.shard).or_default().written(entry.id.index, written_bytes);
        }
    }

    /// Ends all acknowledging; always returns false.
    fn fail(&self, error: io::Error) -> bool {
        self.shared.fail(error);
        false
    }

    /// Tells everybody who waits that their entry will never be acknowledged.
    fn abandon(&mut self) {
        let disk_full = || WriteFailed { source: Arc::new(io::ErrorKind::StorageFull.into()) };
        let failed = self.shared.failure.get().cloned().unwrap_or_else(disk_full);
        let (mut lost, mut marked) = (Vec::new(), Vec::new());
        for flight in self.flights.drain(..) {
            lost.extend(entries_of(&flight.block).map(|entry| (entry.shard, entry.id.index)));
            marked.extend(flight.marked);
        }
        for queued in self.stalled.take().into_iter().flatten().chain(self.shared.queue.abandon()) {
            if let Record::Entry(entry) = queued.record {
                lost.push((entry.shard, entry.index));
            }
            marked.extend(queued.done);
        }
        if lost.is_empty() {
            // Nobody waits now, but whoever comes later must know.
            lost.push((ShardId::METADATA, LogIndex(0)));
        }
        for (shard, index) in lost {
            (self.on_durable)(shard, index, Err(failed.clone()));
        }
        marked.into_iter().for_each(|marked| marked(Err(failed.clone())));
    }
}

fn entries_of(block: &ComposedBlock) -> impl Iterator<Item = &ComposedEntry> {
    block.frames.iter().filter_map(|frame| match frame {
        Composed::Entry(entry) => Some(entry),
        Composed::Mark(..) => None,
    })
}
