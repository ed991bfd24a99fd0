//! A replica's log through many starts: whatever was appended, taken back, committed, saved, purged and packed
//! before, a start knows exactly what counts.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{Entry, EntryBatch, EntryId, EntryKind, Log, Mark, Opened, Replacement, Vote, Writer};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};
use support::{batch, batches_of, payload, small};

const SHARD: ShardId = ShardId(1);
const SEEDS: u64 = 150;
const STEPS: u64 = 160;

/// Numbers that look drawn.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One entry as it should be there.
#[derive(Clone)]
struct Known {
    term: u64,
    /// Stream, offset, count and length of each batch.
    batches: Vec<(u64, u64, u32, usize)>,
}

/// A replica and what is known of it.
struct Replica {
    memory: FaultDisk,
    log: Log,
    writer: Writer,
    term: u64,
    /// All entries that are not void, from the first on.
    entries: Vec<Known>,
    /// What is committed, whether or not the log knows it.
    decided: u64,
    /// What it is told of that.
    committed: u64,
    published: u64,
    saved: u64,
    purged: u64,
    trimmed: BTreeMap<u64, u64>,
}

fn opened(memory: &FaultDisk) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    Log::open(
        disk,
        omnibus_log::LogConfig { segment_bytes: 64 << 10, block_bytes_max: 8 << 10, ..small() },
        Box::new(|_, _, _| {}),
    )
    .unwrap()
}

impl Replica {
    fn new(seed: u64) -> Self {
        let memory = FaultDisk::new(seed);
        let Opened { log, writer, .. } = opened(&memory);
        let (entries, trimmed) = (Vec::new(), BTreeMap::new());
        let mut replica = Self {
            memory,
            log,
            writer,
            term: 1,
            entries,
            decided: 0,
            committed: 0,
            published: 0,
            saved: 0,
            purged: 0,
            trimmed,
        };
        replica.mark(Mark::Vote(Vote { term: Term(1), node: 3, granted: true }));
        replica
    }

    fn mark(&mut self, mark: Mark) {
        self.log.mark(SHARD, mark, Box::new(|written| written.unwrap()));
        while self.writer.step() {}
    }

    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    fn id(&self, index: u64) -> EntryId {
        EntryId { term: Term(self.entries[index as usize - 1].term), index: LogIndex(index) }
    }

    /// Where a stream ends by the entries up to an index.
    fn end(&self, stream: u64, index: u64) -> u64 {
        let batches = self.entries[..index as usize].iter().flat_map(|entry| &entry.batches);
        batches.filter(|batch| batch.0 == stream).map(|batch| batch.1 + u64::from(batch.2)).max().unwrap_or_default()
    }

    fn append(&mut self, random: &mut Random) {
        let batches: Vec<_> = (1..=3)
            .filter_map(|stream| {
                let base = self.end(stream, self.last());
                (random.below(2) == 0)
                    .then(|| (stream, base, 1 + random.below(4) as u32, 100 + random.below(6000) as usize))
            })
            .collect();
        self.entries.push(Known { term: self.term, batches });
        let entry = self.entry(self.last());
        self.log.submit_decided(entry).unwrap();
        while self.writer.step() {}
    }

    fn entry(&self, index: u64) -> Entry {
        let Known { term, batches } = &self.entries[index as usize - 1];
        let batch = |(stream, base, count, length): &(u64, u64, u32, usize)| batch(*stream, *base, *count, *length);
        let batches: Vec<EntryBatch> = batches.iter().map(batch).collect();
        Entry {
            shard: SHARD,
            term: Term(*term),
            index: LogIndex(index),
            kind: EntryKind::Commands,
            head: Bytes::from(format!("{term} {index}")),
            bodies: Arc::default(),
            batches: Arc::new(batches),
        }
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=4 | 6..=9 => self.append(random),
            10..=11 if self.last() > self.decided => {
                let from = self.decided + 1 + random.below(self.last() - self.decided);
                self.term += 1;
                self.entries.truncate(from as usize - 1);
                self.mark(Mark::Truncated { from: LogIndex(from) });
            }
            12..=14 if self.last() > self.committed => {
                self.committed += 1 + random.below(self.last() - self.committed);
                self.decided = self.decided.max(self.committed);
                self.log.note_committed(SHARD, self.id(self.committed));
                self.publish(random);
            }
            15 => self.publish(random),
            16..=17 => self.save(random),
            5 if random.below(2) == 0 => self.rewrite(random),
            18 if self.saved > self.purged => {
                self.purged += 1 + random.below(self.saved - self.purged);
                self.mark(Mark::Purged(self.id(self.purged)));
            }
            19 => {
                let stream = 1 + random.below(3);
                let end = self.end(stream, self.published);
                let before = self.trimmed.entry(stream).or_default();
                *before = end.min(*before + random.below(20)).max(*before);
                self.log.trim(StreamId(stream), Offset(*before));
                self.save(random);
            }
            20..=22 => while self.log.maintain().unwrap().goes_on {},
            23 => self.restart(),
            _ => {}
        }
    }

    fn publish(&mut self, random: &mut Random) {
        self.published += random.below(self.committed - self.published + 1);
        self.log.publish(SHARD, LogIndex(self.published));
    }

    /// Compaction that finds nothing to leave out.
    fn rewrite(&mut self, random: &mut Random) {
        let stream = 1 + random.below(3);
        let trimmed = self.trimmed.get(&stream).copied().unwrap_or_default();
        let published = self.entries[..self.published as usize].iter().flat_map(|entry| &entry.batches);
        let mut batches: Vec<_> = published.filter(|batch| batch.0 == stream && batch.1 >= trimmed).cloned().collect();
        batches.drain(..random.below(batches.len() as u64 + 1) as usize);
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return };
        let (from, to) = (Offset(first.1), Offset(last.1 + u64::from(last.2)));
        let replacement = |(stream, base, count, length): &(u64, u64, u32, usize)| Replacement {
            base: Offset(*base),
            count: *count,
            timestamp_max: Timestamp(0),
            bytes: payload(StreamId(*stream), *base, *count, *length),
        };
        let batches = batches.iter().map(replacement).collect();
        self.log.replace(StreamId(stream), from, to, batches).unwrap();
    }

    /// Saves a state that was taken some time ago.
    fn save(&mut self, random: &mut Random) {
        if self.published > self.saved {
            self.saved += 1 + random.below(self.published - self.saved);
            let EntryId { term, index } = self.id(self.saved);
            self.log.save_checkpoint(SHARD, term, index, b"state").unwrap();
        }
    }

    fn restart(&mut self) {
        self.memory.restart();
        let Opened { log, writer, checkpoints, replay, marks, .. } = opened(&self.memory);
        (self.log, self.writer) = (log, writer);
        assert_eq!(checkpoints.iter().map(|saved| saved.index.0).sum::<u64>(), self.saved);
        let said = marks[&SHARD].committed.index.0.max(self.saved);
        assert!(said <= self.decided, "{said} counts as committed, {} is", self.decided);
        let replayed = replay.map(|entry| entry.unwrap()).collect::<Vec<_>>();
        let expected: Vec<_> = (self.saved + 1..=self.last()).map(|index| self.id(index)).collect();
        let replayed: Vec<_> = replayed.iter().map(|entry| EntryId { term: entry.term, index: entry.index }).collect();
        assert_eq!(replayed, expected, "what is applied again");
        self.log.publish(SHARD, LogIndex(said));
        (self.committed, self.published) = (said, said);
        for stream in 1..=3 {
            // What is applied again trims again.
            let end = self.end(stream, said);
            let before = self.trimmed.entry(stream).or_default();
            *before = end.min(*before);
            self.log.trim(StreamId(stream), Offset(*before));
        }
        self.check();
    }

    /// Compares all that is there with what should be.
    fn check(&self) {
        let first = self.log.first_kept(SHARD).map_or(self.last() + 1, |first| first.0);
        assert!(first <= self.purged + 1, "{first} is the first, {} were purged", self.purged);
        assert_eq!(self.log.last_kept(SHARD), (first <= self.last()).then(|| self.id(self.last())));
        for index in first..=self.last() {
            let (read, entry) = (self.log.entry(SHARD, LogIndex(index)).unwrap().unwrap(), self.entry(index));
            assert_eq!((read.term, &read.head, read.batches.len()), (entry.term, &entry.head, entry.batches.len()));
        }
        (1..=3).for_each(|stream| self.check_stream(stream));
    }

    fn check_stream(&self, stream: u64) {
        let bounds = self.log.bounds(StreamId(stream));
        assert_eq!(bounds.end.0, self.end(stream, self.published), "the end of stream {stream} by {}", self.published);
        let trimmed = self.trimmed.get(&stream).copied().unwrap_or_default();
        assert_eq!(bounds.start.0, trimmed, "the start of stream {stream}");
        let published = self.entries[..self.published as usize].iter().flat_map(|entry| &entry.batches);
        let of_stream = published.filter(|batch| batch.0 == stream && batch.1 + u64::from(batch.2) > trimmed);
        let expected: Vec<_> = of_stream
            .map(|(_, base, count, length)| {
                (StreamId(stream), Offset(*base), *count, payload(StreamId(stream), *base, *count, *length))
            })
            .collect();
        let (mut found, mut at) = (Vec::new(), bounds.start);
        while at < bounds.end {
            let bytes = self.log.load(&self.log.plan(StreamId(stream), at, 10_000).unwrap()).unwrap().concat();
            found.extend(batches_of(&bytes));
            let (_, base, count, _) = found.last().unwrap();
            at = base.plus(u64::from(*count));
        }
        assert!(found == expected, "stream {stream} has other batches");
    }
}

#[test]
fn a_start_knows_what_counts() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let mut replica = Replica::new(seed);
        for step in 0..STEPS {
            let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replica.step(&mut random)));
            assert!(stepped.is_ok(), "seed {seed}, step {step}");
        }
        replica.restart();
    }
}
