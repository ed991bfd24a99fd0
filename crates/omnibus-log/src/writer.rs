//! The writer: gathers entries of all shards into blocks and makes them durable, in order.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omnibus_model::{Bug, planted};
use omnibus_model::{LogIndex, ShardId};

use crate::block::{BlockLink, BlockSize, ComposedBlock, compose};
use crate::buffer::PAGE_BYTES;
use crate::cache::Origin;
use crate::device::{Device, FLIGHTS_MAX};
use crate::entry::Entry;
use crate::error::{Action, LogError, OnDurable, WriteFailed};
use crate::file::LogFile;
use crate::footer::footer_bytes_max;
use crate::pending::PendingEntry;
use crate::queue::Taken;
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
    /// Entries that wait for a segment, because the disk is full.
    stalled: Option<Vec<Entry>>,
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
#[derive(Debug)]
struct Flight {
    seq: u64,
    position: u64,
    block: ComposedBlock,
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
        self.submit(&[]);
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
            self.submit(&entries);
            self.seal_due = true;
        }
        false
    }

    /// Goes on to the next segment if the block does not fit into this one; returns whether
    /// there is room for it.
    fn make_room(&mut self, entries: &[Entry]) -> bool {
        let size = entries.iter().map(BlockSize::of).fold(BlockSize::default(), BlockSize::plus);
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
        let bytes = block_bytes + footer_bytes_max(size.rows);
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

    fn submit(&mut self, entries: &[Entry]) {
        let link = BlockLink {
            log: self.shared.identity,
            epoch: self.tail.file.number,
            seq: self.tail.seq_next,
            durable_seq: self.tail.durable_seq,
            previous_crc: self.tail.previous_crc,
        };
        let position = self.tail.position;
        let block = compose(entries, link, position);
        let submitted = self.device.submit(&self.tail.file.handle, &block.bytes, position);
        self.tail.seq_next += 1;
        self.tail.previous_crc = block.header_crc;
        self.tail.position += block.bytes.len() as u64;
        self.note_space();
        self.flights.push_back(Flight { seq: link.seq, position, block });
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
        let Flight { position, block, .. } = flight;
        let file = &self.tail.file;
        self.count(&block);
        self.shared.cache.insert(file.key(), position, block.bytes.clone(), Origin::Written);
        {
            let mut facts = file.facts.lock();
            facts.data_end = position + block.bytes.len() as u64;
            facts.last_block = Some((flight.seq, block.header_crc));
            facts.bodies_bytes += block.bodies_bytes;
            for entry in &block.entries {
                let range = facts.shards.entry(entry.shard).or_insert((entry.index, entry.index));
                range.1 = range.1.max(entry.index);
            }
        }
        for entry in block.entries {
            let pending = PendingEntry { index: entry.index, file: Arc::clone(file), rows: entry.rows };
            self.shared.pending.push(entry.shard, pending);
            if planted(Bug::PublishBeforeCommit) {
                self.shared.pending.publish(entry.shard, entry.index, &self.shared.index);
            }
            (self.on_durable)(entry.shard, entry.index, Ok(()));
        }
    }

    fn count(&self, block: &ComposedBlock) {
        let counters = &self.shared.counters;
        Counters::add(&counters.payload_bytes, block.payload_bytes);
        Counters::add(&counters.blocks, 1);
        Counters::add(&counters.entries, block.entries.len() as u64);
        let written_bytes = counters.written_bytes.fetch_add(block.bytes.len() as u64, Ordering::Relaxed);
        let mut shards = self.shared.shards.lock();
        for entry in &block.entries {
            shards.entry(entry.shard).or_default().written(entry.index, written_bytes);
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
        let in_flight = self.flights.drain(..).flat_map(|flight| flight.block.entries);
        let mut lost: Vec<_> = in_flight.map(|entry| (entry.shard, entry.index)).collect();
        let queued = self.stalled.take().into_iter().flatten().chain(self.shared.queue.abandon());
        lost.extend(queued.map(|entry| (entry.shard, entry.index)));
        if lost.is_empty() {
            // Nobody waits now, but whoever comes later must know.
            lost.push((ShardId::METADATA, LogIndex(0)));
        }
        for (shard, index) in lost {
            (self.on_durable)(shard, index, Err(failed.clone()));
        }
    }
}
