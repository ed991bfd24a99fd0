//! Keeps the last record of each key: rewrites a stream's older batches without what newer
//! records have replaced. Offsets stay as they are.
//!
//! It is local upkeep, not history: replicas may compact at different times.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use omnibus_log::Replacement;
use omnibus_model::topic::{EffectiveConfig, SharedTopic};
use omnibus_model::{Offset, StreamId, Timestamp};
use omnibus_record::{BatchView, DECOMPRESSED_BYTES_MAX, Filtered, InvalidBatch, Record, Records};

use crate::engine::Engine;
use crate::error::ReadError;

/// Keys remembered in one round; more wait for the next.
const KEYS_MAX: usize = 1 << 20;

/// Bytes read and rewritten at a time.
const STEP_BYTES: usize = 4 << 20;

/// Less than this is not worth a rewrite.
const DIRTY_BYTES_MIN: u64 = 64 << 10;

/// Why a stream was not compacted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompactionError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Batch(#[from] InvalidBatch),
    #[error(transparent)]
    Log(#[from] omnibus_log::LogError),
    #[error("a worker thread ended: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// How far each stream has been compacted by this process.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    clean: HashMap<StreamId, Offset>,
}

/// The last offset of each key, by two hashes, which together are as good as the key.
struct LastOffsets {
    hashers: [RandomState; 2],
    last: HashMap<(u64, u64), u64>,
}

/// One round over one stream.
struct Round<'a> {
    engine: &'a Engine,
    stream: StreamId,
    /// Records before this have been through a round already.
    clean_end: Offset,
    /// Tombstones older than this may go, once they have been through a round.
    tombstones_before: Timestamp,
    /// Only records older than this are compacted.
    written_before: Timestamp,
}

impl Compaction {
    /// Compacts the partitions of a topic that have enough to gain. One that cannot be read is
    /// left as it is.
    pub(crate) async fn run(&mut self, engine: &Engine, topic: &SharedTopic) {
        let config = topic.config.effective(&engine.config_defaults());
        if !config.cleanup.compacts() {
            return;
        }
        for partition in &topic.partitions {
            if let Err(error) = self.compact(engine, &config, partition.stream).await {
                tracing::warn!(topic = %topic.name, stream = %partition.stream, %error, "compaction was put off");
            }
        }
    }

    async fn compact(
        &mut self,
        engine: &Engine,
        config: &EffectiveConfig,
        stream: StreamId,
    ) -> Result<(), CompactionError> {
        let clean_end = self.clean.get(&stream).copied().unwrap_or_default();
        let now = engine.now();
        let due = is_worthwhile(engine, config, stream, clean_end)
            || is_overdue(engine, now.minus(config.compaction_lag_max), (stream, clean_end)).await?;
        if !due {
            return Ok(());
        }
        let round = Round {
            engine,
            stream,
            clean_end,
            tombstones_before: now.minus(config.tombstone_retention),
            written_before: now.minus(config.compaction_lag_min),
        };
        let end = round.run().await?;
        self.clean.insert(stream, end);
        Ok(())
    }
}

/// Whether the part that was never compacted is worth a round.
fn is_worthwhile(engine: &Engine, config: &EffectiveConfig, stream: StreamId, clean_end: Offset) -> bool {
    let bounds = engine.bounds(stream);
    let total = engine.stream_bytes(stream);
    let dirty_records = bounds.end.0.saturating_sub(clean_end.max(bounds.start).0);
    let records = bounds.end.0 - bounds.start.0;
    if dirty_records == 0 || total < DIRTY_BYTES_MIN {
        return false;
    }
    // Bytes are known per stream only; records stand for them.
    dirty_records.saturating_mul(1000) >= records.saturating_mul(u64::from(config.dirty_ratio_min))
}

/// Whether the first record that was never compacted was written before a time.
async fn is_overdue(
    engine: &Engine,
    written_before: Timestamp,
    (stream, clean_end): (StreamId, Offset),
) -> Result<bool, CompactionError> {
    let bounds = engine.bounds(stream);
    let from = clean_end.max(bounds.start);
    if written_before.0 <= 0 || from >= bounds.end {
        return Ok(false);
    }
    let fetched = engine.read(stream, from, 1).await?;
    let first = fetched.pieces.into_iter().flat_map(omnibus_record::batches).next();
    Ok(match first {
        Some(batch) => BatchView::of(&batch)?.header.base_timestamp < written_before.0,
        None => false,
    })
}

impl Round<'_> {
    /// Finds the last record of each key, then rewrites all that lies before; returns how far.
    async fn run(&self) -> Result<Offset, CompactionError> {
        let (last, dirty_end) = self.learn().await?;
        let mut from = self.engine.bounds(self.stream).start;
        let mut dropped = 0;
        while from < dirty_end {
            let (to, replacements, gone) = self.thin(from, dirty_end, &last).await?;
            if gone > 0 {
                let (log, stream) = (self.engine.inner.log.clone(), self.stream);
                tokio::task::spawn_blocking(move || log.replace(stream, from, to, replacements)).await??;
            }
            dropped += gone;
            from = to;
        }
        tracing::debug!(stream = self.stream.0, dropped, %dirty_end, "compacted");
        Ok(dirty_end)
    }

    /// Reads what was never compacted; returns the last offset of each key, and where it ends.
    async fn learn(&self) -> Result<(LastOffsets, Offset), CompactionError> {
        let mut last = LastOffsets::default();
        let bounds = self.engine.bounds(self.stream);
        let mut at = self.clean_end.max(bounds.start);
        while at < bounds.end {
            for batch in self.read(at).await? {
                let view = BatchView::of(&batch)?;
                let next = next_offset(&view);
                let young = view.header.max_timestamp >= self.written_before.0;
                if young || last.last.len() >= KEYS_MAX {
                    return Ok((last, at));
                }
                for record in Records::of(&batch, DECOMPRESSED_BYTES_MAX)? {
                    last.learn(&record?);
                }
                at = next;
            }
        }
        Ok((last, at))
    }

    /// Reads some batches and leaves out what has been replaced.
    async fn thin(
        &self,
        from: Offset,
        end: Offset,
        last: &LastOffsets,
    ) -> Result<(Offset, Vec<Replacement>, u64), CompactionError> {
        let (mut to, mut gone, mut replacements) = (from, 0, Vec::new());
        for batch in self.read(from).await? {
            let view = BatchView::of(&batch)?;
            let (base, next, timestamp_max) = (base_offset(&view), next_offset(&view), view.header.max_timestamp);
            let producer = view.header.producer();
            if next > end {
                break;
            }
            let filtered = omnibus_record::filter(&batch, DECOMPRESSED_BYTES_MAX, |record| {
                let kept = self.keeps(record, last);
                gone += u64::from(!kept);
                kept
            })?;
            to = next;
            let bytes = match filtered {
                // Only a producer's own batch tells, empty, which sequence came last.
                Filtered::Emptied { .. } if producer.is_none() => continue,
                Filtered::Unchanged => batch,
                Filtered::Thinned { batch, .. } | Filtered::Emptied { batch } => batch,
            };
            let count = u32::try_from(next.0 - base.0).unwrap_or(u32::MAX);
            replacements.push(Replacement { base, count, timestamp_max: Timestamp(timestamp_max), bytes });
        }
        // A batch that reaches beyond the end ends the round.
        Ok((if to == from { end } else { to }, replacements, gone))
    }

    fn keeps(&self, record: &Record, last: &LastOffsets) -> bool {
        let Some(key) = &record.key else { return true };
        if last.of(key).is_some_and(|last| last > record.offset.0) {
            return false;
        }
        let expired = record.value.is_none() && record.timestamp < self.tombstones_before;
        !(expired && record.offset < self.clean_end)
    }

    async fn read(&self, from: Offset) -> Result<Vec<Bytes>, CompactionError> {
        let fetched = self.engine.read(self.stream, from, STEP_BYTES).await?;
        Ok(fetched.pieces.into_iter().flat_map(omnibus_record::batches).collect())
    }
}

impl LastOffsets {
    fn learn(&mut self, record: &Record) {
        if let Some(key) = &record.key {
            self.last.insert(self.hash(key), record.offset.0);
        }
    }

    fn of(&self, key: &[u8]) -> Option<u64> {
        self.last.get(&self.hash(key)).copied()
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(key), self.hashers[1].hash_one(key))
    }
}

impl Default for LastOffsets {
    fn default() -> Self {
        Self { hashers: [RandomState::new(), RandomState::new()], last: HashMap::new() }
    }
}

fn base_offset(view: &BatchView<'_>) -> Offset {
    Offset(view.header.base_offset.unsigned_abs())
}

fn next_offset(view: &BatchView<'_>) -> Offset {
    base_offset(view).plus(u64::from(view.header.last_offset_delta.unsigned_abs()) + 1)
}
