//! What a node does from time to time beside serving: checkpoints, upkeep, compaction.

use omnibus_engine::shard::{Request, Snapshot};
use omnibus_log::Replacement;
use omnibus_model::{Offset, ShardId, StreamId};
use omnibus_record::{DECOMPRESSED_BYTES_MAX, Filtered, Record, filter};
use tokio::sync::oneshot;

use crate::fact::{Fact, SeenBatch};
use crate::stage::Stage;
use crate::violation::Violation;

/// How much is compacted at once.
const COMPACTED_BYTES: usize = 4 << 10;

/// Work that was begun.
#[derive(Debug, Default)]
pub(crate) struct Housekeeping {
    asked: Vec<oneshot::Receiver<Snapshot>>,
    snapshots: Vec<Snapshot>,
}

impl Housekeeping {
    /// Does the next thing.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.collect(stage)?;
        match stage.random.below(8) {
            0 => self.ask(stage),
            1 | 2 => self.save(stage),
            3 => return compact(stage),
            4..=6 => upkeep(stage),
            _ => {}
        }
        Ok(())
    }

    /// Forgets what was begun.
    pub(crate) fn restarted(&mut self) {
        *self = Self::default();
    }

    fn ask(&mut self, stage: &mut Stage) {
        let shards: Vec<ShardId> = stage.node.shard_ids().collect();
        let shard = shards[stage.random.place(shards.len())];
        let (reply, snapshot) = oneshot::channel();
        if stage.request(shard, Request::Checkpoint { reply }) {
            self.asked.push(snapshot);
        }
    }

    fn collect(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for mut asked in std::mem::take(&mut self.asked) {
            match asked.try_recv() {
                Ok(snapshot) => {
                    let digest = stage.shadow.digest_of(&snapshot.state);
                    let digest = digest.map_err(|detail| Violation::new("checkpoints can be read", detail))?;
                    stage.see(&Fact::Saving { shard: snapshot.shard, index: snapshot.index, digest })?;
                    self.snapshots.push(snapshot);
                }
                Err(oneshot::error::TryRecvError::Empty) => self.asked.push(asked),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        Ok(())
    }

    fn save(&mut self, stage: &mut Stage) {
        if self.snapshots.is_empty() {
            return;
        }
        let Snapshot { shard, term, index, state } = self.snapshots.remove(0);
        let saved = stage.node.log.save_checkpoint(shard, term, index, &state);
        stage.trace.line(format_args!("checkpoint of shard {shard} at entry {index}: {}", outcome(&saved)));
        stage.tally.checkpoints += u64::from(saved.is_ok());
    }
}

fn upkeep(stage: &mut Stage) {
    let kept = stage.node.log.maintain();
    stage.trace.line(format_args!("upkeep: {}", outcome(&kept)));
    if let Ok(done) = kept {
        stage.tally.seals += done.segments_sealed;
        stage.tally.recyclings += done.segments_recycled + done.packs_removed;
        stage.tally.packings += done.files_packed;
    }
}

/// Puts thinner batches in the place of some, as compaction does.
fn compact(stage: &mut Stage) -> Result<(), Violation> {
    let Some((stream, _)) = stage.any_stream() else { return Ok(()) };
    let from = stage.any_offset(stream);
    let reading = stage.read((stream, from), COMPACTED_BYTES)?;
    let (Some(first), Some(last)) = (reading.batches.first(), reading.batches.last()) else { return Ok(()) };
    let (from, to) = (first.base, last.end);
    let mut taken = Vec::new();
    let mut replacements = Vec::new();
    for batch in &reading.batches {
        match thinned(stage, batch) {
            Some(replacement) => replacements.push(replacement),
            None => taken.push(batch.base),
        }
    }
    let Some(expected) = stage.oracle.streams.get_mut(&stream) else { return Ok(()) };
    expected.compacting.extend(&taken);
    let replaced = stage.node.log.replace(stream, from, to, replacements);
    stage
        .trace
        .line(format_args!("compact stream {stream}, {from} to {to}, without {taken:?}: {}", outcome(&replaced)));
    if replaced.is_err() {
        return Ok(());
    }
    expected.compacted.extend(taken);
    stage.tally.compactions += 1;
    // The first batch may begin before what a trim has left.
    look_behind(stage, stream, from.max(reading.bounds.start))
}

/// Reads where batches may be gone now: who asks for the least finds the next one all the same.
fn look_behind(stage: &mut Stage, stream: StreamId, from: Offset) -> Result<(), Violation> {
    let reading = stage.read((stream, from), 0)?;
    stage.seen(&Fact::Read(&reading), &reading)
}

/// A batch as compaction may leave it: whole, without some records, or not at all.
fn thinned(stage: &mut Stage, batch: &SeenBatch) -> Option<Replacement> {
    let message = batch.message?;
    let bytes = match stage.random.below(4) {
        0 => return None,
        1 => {
            let kept = |_: &Record| stage.random.once_in(2);
            match filter(&batch.bytes, DECOMPRESSED_BYTES_MAX, kept) {
                Ok(Filtered::Thinned { batch, .. } | Filtered::Emptied { batch }) => batch,
                Ok(Filtered::Unchanged) | Err(_) => batch.bytes.clone(),
            }
        }
        _ => batch.bytes.clone(),
    };
    stage.oracle.add_thinned(message, &bytes);
    let count = u32::try_from(batch.end.0 - batch.base.0).expect("a batch is short");
    let timestamp_max = stage.oracle.message(message).batch.timestamp_max;
    Some(Replacement { base: batch.base, count, timestamp_max, bytes })
}

/// An error's own words, without what the machine adds.
fn outcome<T, E: std::fmt::Display>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => String::from("done"),
        Err(error) => error.to_string(),
    }
}
