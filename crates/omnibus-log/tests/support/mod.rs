//! A log on a disk, driven by hand, and what was promised to its user.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use omnibus_io::Disk;
use omnibus_log::{
    Entry, EntryBatch, EntryKind, Log, LogConfig, LogError, Marks, Opened, ReadError, RecoveryReport, ReplayEntry,
    Rest, Writer,
};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};

/// A configuration so small that a few entries fill segments.
pub(crate) fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 128 << 10,
        block_bytes_max: 32 << 10,
        entry_bytes_max: 1 << 20,
        cache_bytes: 256 << 10,
        reserve_bytes: 0,
        identity: 0x1234_5678,
        ..LogConfig::default()
    }
}

type Answers = Arc<Mutex<Vec<(ShardId, LogIndex, bool)>>>;

/// An open log and what it answered.
pub(crate) struct Bench {
    pub(crate) log: Log,
    pub(crate) writer: Writer,
    pub(crate) answers: Answers,
    pub(crate) report: RecoveryReport,
    pub(crate) incarnation: u64,
    pub(crate) replayed: Vec<ReplayEntry>,
    pub(crate) marks: BTreeMap<ShardId, Marks>,
    pub(crate) saved: BTreeMap<ShardId, LogIndex>,
    next: BTreeMap<ShardId, u64>,
}

impl Bench {
    /// Opens a log and publishes what it replays.
    pub(crate) fn open(disk: &Arc<dyn Disk>, config: LogConfig) -> Result<Self, LogError> {
        let answers = Answers::default();
        let told = Arc::clone(&answers);
        let on_durable = Box::new(move |shard, index, result: Result<(), _>| {
            told.lock().unwrap().push((shard, index, result.is_ok()));
        });
        let Opened { log, writer, incarnation, checkpoints, replay, marks, report } =
            Log::open(Arc::clone(disk), config, on_durable)?;
        let saved: BTreeMap<_, _> = checkpoints.iter().map(|saved| (saved.shard, saved.index)).collect();
        let mut next: BTreeMap<_, _> = saved.iter().map(|(shard, index)| (*shard, index.0 + 1)).collect();
        let replayed = replay.collect::<Result<Vec<_>, _>>()?;
        for entry in &replayed {
            log.publish(entry.shard, entry.index);
            next.insert(entry.shard, entry.index.0 + 1);
        }
        Ok(Self { log, writer, answers, report, incarnation, replayed, marks, saved, next })
    }

    /// Submits an entry with one batch per stream and returns its index.
    pub(crate) fn submit(&mut self, shard: u16, batches: Vec<EntryBatch>) -> LogIndex {
        self.submit_with(shard, Vec::new(), batches)
    }

    /// Submits an entry whose batches share bodies.
    pub(crate) fn submit_with(&mut self, shard: u16, bodies: Vec<Bytes>, batches: Vec<EntryBatch>) -> LogIndex {
        let shard = ShardId(shard);
        let next = self.next.entry(shard).or_insert(1);
        let index = LogIndex(*next);
        *next += 1;
        let head = Bytes::from(format!("head of {shard}/{index}"));
        let (bodies, batches) = (Arc::new(bodies), Arc::new(batches));
        self.log
            .submit(Entry { shard, term: Term(1), index, kind: EntryKind::Commands, head, bodies, batches })
            .unwrap();
        index
    }

    /// Writes everything that is queued and publishes what became durable.
    pub(crate) fn settle(&mut self) {
        while self.writer.step() {}
        let answers = self.answers.lock().unwrap().clone();
        for (shard, index, good) in answers {
            if good {
                self.log.publish(shard, index);
            }
        }
    }

    /// Reads a whole stream.
    pub(crate) fn read_all(&self, stream: StreamId) -> Result<Vec<u8>, ReadError> {
        let mut at = self.log.bounds(stream).start;
        let mut all = Vec::new();
        loop {
            let plan = self.log.plan(stream, at, 10_000)?;
            if at == plan.bounds.end {
                return Ok(all);
            }
            let cached = plan.cached();
            let loaded = self.log.load(&plan)?;
            if let Some(cached) = cached {
                assert_eq!(cached.concat(), loaded.concat());
            }
            let bytes = loaded.concat();
            if bytes.is_empty() {
                // Compaction left nothing up to the end.
                return Ok(all);
            }
            at = end_of(&bytes);
            all.extend(bytes);
        }
    }
}

/// The bytes of a batch that says where it belongs: a test payload is a list of frames
/// `length, stream, base, count, filling`.
pub(crate) fn payload(stream: StreamId, base: u64, count: u32, length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length.max(24));
    bytes.extend((length.max(24) as u32).to_le_bytes());
    bytes.extend(stream.0.to_le_bytes());
    bytes.extend(base.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    let mut state = stream.0 ^ (base << 20) | 1;
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.push((state >> 40) as u8);
    }
    Bytes::from(bytes)
}

/// A batch for an entry.
pub(crate) fn batch(stream: u64, base: u64, count: u32, length: usize) -> EntryBatch {
    let stream = StreamId(stream);
    let bytes = payload(stream, base, count, length);
    EntryBatch {
        stream,
        base: Offset(base),
        count,
        timestamp_max: Timestamp(base as i64 * 10),
        prefix: bytes.slice(..8),
        rest: Rest::Own(bytes.slice(8..)),
    }
}

/// One record for each of some streams, all from the same offset on; they share a body.
pub(crate) fn fan_out(streams: &[u64], base: u64, length: usize) -> (Vec<Bytes>, Vec<EntryBatch>) {
    let body = shared_payload(StreamId(0), base, length).slice(24..);
    let batch = |stream: &u64| EntryBatch {
        stream: StreamId(*stream),
        base: Offset(base),
        count: 1,
        timestamp_max: Timestamp(base as i64 * 10),
        prefix: shared_payload(StreamId(*stream), base, length).slice(..24),
        rest: Rest::Shared(0),
    };
    (vec![body], streams.iter().map(batch).collect())
}

/// The bytes of such a record.
pub(crate) fn shared_payload(stream: StreamId, base: u64, length: usize) -> Bytes {
    let mut bytes = payload(StreamId(77), base, 1, length).to_vec();
    bytes[4..12].copy_from_slice(&stream.0.to_le_bytes());
    Bytes::from(bytes)
}

/// Splits what was read into batches: stream, base, count and bytes.
pub(crate) fn batches_of(mut bytes: &[u8]) -> Vec<(StreamId, Offset, u32, Bytes)> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        let stream = StreamId(u64::from_le_bytes(bytes[4..12].try_into().unwrap()));
        let base = Offset(u64::from_le_bytes(bytes[12..20].try_into().unwrap()));
        let count = u32::from_le_bytes(bytes[20..24].try_into().unwrap());
        batches.push((stream, base, count, Bytes::copy_from_slice(&bytes[..length])));
        bytes = &bytes[length..];
    }
    batches
}

fn end_of(bytes: &[u8]) -> Offset {
    let batches = batches_of(bytes);
    let (_, base, count, _) = batches.last().unwrap();
    base.plus(u64::from(*count))
}
