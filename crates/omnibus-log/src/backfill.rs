//! Hands what a shard has over to a log on another disk, and takes it there: batches by their
//! streams and offsets, without a position of either disk, and the state that goes with them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use omnibus_model::batch::StreamBounds;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId};

use crate::checkpoint::{CheckpointContent, CheckpointName};
use crate::entry::{BatchPosition, Checkpoint, Replacement};
use crate::error::{LogError, ReadError};
use crate::index::Stream;
use crate::maintain::make_count;
use crate::mark::EntryId;
use crate::pack::{Cover, PackWriter};
use crate::read::plan;
use crate::read_back::bases_of;
use crate::row::Row;
use crate::shared::Shared;

/// A shard's newest checkpoint, and what its streams held by then and hold still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub checkpoint: Checkpoint,
    pub streams: Vec<(StreamId, StreamBounds)>,
}

/// A part of a stream, and all batches that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub stream: StreamId,
    pub from: Offset,
    pub to: Offset,
    pub batches: Vec<Replacement>,
}

impl Stretch {
    /// The payloads' length.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.bytes.len()).sum()
    }
}

/// Says what a replica needs that begins with the checkpoint `id`; none if that is not the
/// newest any more, or an entry behind it is gone.
pub(crate) fn holdings(shared: &Shared, shard: ShardId, id: EntryId) -> Result<Option<Holdings>, LogError> {
    let name = CheckpointName { log: shared.identity, shard, term: id.term, index: id.index };
    let is_newest = || shared.manifest.lock().list.checkpoints.get(&shard) == Some(&(id.term, id.index));
    if !is_newest() {
        return Ok(None);
    }
    let content = match name.load(shared.disk.as_ref()) {
        Err(_) if !is_newest() => return Ok(None),
        content => content?,
    };
    let CheckpointContent { streams, state } = content;
    // A stream that was dropped since has no records any more; the entry that says so is still to come.
    let dropped =
        streams.into_iter().map(|(stream, StreamBounds { end, .. })| (stream, StreamBounds { start: end, end }));
    let mut streams: BTreeMap<StreamId, StreamBounds> = dropped.collect();
    streams.extend(shared.index.bounds_of_shard(shard));
    let Some(grown) = grown_behind(shared, shard, id.index)? else { return Ok(None) };
    for (stream, base) in grown {
        if let Some(bounds) = streams.get_mut(&stream) {
            bounds.end = bounds.end.min(base);
            bounds.start = bounds.start.min(bounds.end);
        }
    }
    let streams = streams.into_iter().filter(|(_, bounds)| bounds.end > Offset::ZERO).collect();
    let checkpoint = Checkpoint { shard, term: id.term, index: id.index, state };
    Ok(Some(Holdings { checkpoint, streams }))
}

/// Where each stream ended that entries behind `index` append to: where the first of them begins.
fn grown_behind(
    shared: &Shared,
    shard: ShardId,
    index: LogIndex,
) -> Result<Option<BTreeMap<StreamId, Offset>>, LogError> {
    let mut grown = BTreeMap::new();
    let last = shared.kept.lock().last(shard).map_or(index, |last| last.index);
    for behind in index.0 + 1..=last.0 {
        let Some(bases) = bases_of(shared, shard, LogIndex(behind))? else { return Ok(None) };
        for (stream, base) in bases {
            grown.entry(stream).or_insert(base);
        }
    }
    Ok(Some(grown))
}

/// Reads the next part of a stream, of about `bytes_max`; none if a batch lies across its end. What was trimmed
/// meanwhile is left out. Blocks.
pub(crate) fn stretch(
    shared: &Arc<Shared>,
    stream: StreamId,
    range: Range<Offset>,
    bytes_max: usize,
) -> Result<Option<Stretch>, ReadError> {
    let from = range.start;
    let plan = match plan(shared, stream, range.clone(), bytes_max) {
        Ok(plan) => plan,
        Err(ReadError::OffsetOutOfRange { bounds }) if from < bounds.start && bounds.start < range.end => {
            plan(shared, stream, bounds.start..range.end, bytes_max)?
        }
        Err(ReadError::OffsetOutOfRange { .. }) => {
            return Ok(Some(Stretch { stream, from, to: range.end, batches: Vec::new() }));
        }
        Err(error) => return Err(error),
    };
    let (batches, to) = plan.batches()?;
    let to = if batches.is_empty() { to.min(range.end) } else { to };
    // Records are trimmed in the middle of a batch, too.
    let from = batches.first().map_or(from, |first| first.base.min(from));
    Ok((to <= range.end).then_some(Stretch { stream, from, to, batches }))
}

/// Forgets a shard's streams, so that others can be taken in their place.
pub(crate) fn clear(shared: &Shared, shard: ShardId) {
    for (stream, _) in shared.index.bounds_of_shard(shard) {
        shared.index.remove(stream);
    }
}

/// Takes parts of streams, in the place of what is there; they are durable on return.
pub(crate) fn fill(shared: &Shared, shard: ShardId, mut stretches: Vec<Stretch>) -> Result<(), LogError> {
    stretches.retain(|stretch| stretch.from < stretch.to);
    stretches.sort_unstable_by_key(|stretch| (stretch.stream, stretch.from));
    check(shared, shard, &stretches)?;
    if stretches.is_empty() {
        return Ok(());
    }
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    let filled = write(shared, stretches, |_| shard);
    shared.watch(filled)
}

fn check(shared: &Shared, shard: ShardId, stretches: &[Stretch]) -> Result<(), LogError> {
    let mut before: Option<(StreamId, Offset)> = None;
    for Stretch { stream, from, to, batches } in stretches {
        let bad = |rule| LogError::Replacement { stream: *stream, from: *from, to: *to, rule };
        if before.is_some_and(|(known, end)| known == *stream && *from < end) {
            return Err(bad("it was taken before"));
        }
        if shared.index.with(*stream, |known| known.is_some_and(|known| known.shard != shard)) {
            return Err(bad("the stream is another shard's"));
        }
        let mut next = *from;
        for batch in batches {
            let is_sound = batch.base >= next && 0 < batch.count && batch.count < 1 << 31;
            let end = batch.base.0.checked_add(batch.count.into()).map(Offset);
            next = end.filter(|end| is_sound && end <= to).ok_or_else(|| bad("its batches lie elsewhere"))?;
        }
        before = Some((*stream, *to));
    }
    Ok(())
}

/// Writes stretches, in the order of streams and offsets, as a pack that speaks for them.
pub(crate) fn write(
    shared: &Shared,
    stretches: Vec<Stretch>,
    shard_of: impl Fn(StreamId) -> ShardId,
) -> Result<(), LogError> {
    let mut pack = PackWriter::create(shared)?;
    let ends: Vec<_> = stretches.iter().map(|stretch| (stretch.stream, stretch.from, stretch.to)).collect();
    for Stretch { stream, from, to, batches } in stretches {
        pack.begin(Cover { stream, shard: shard_of(stream), base: from, end: to });
        for batch in batches {
            let Replacement { base, count, timestamp_max, bytes } = batch;
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let row = Row::whole(BatchPosition { base, count, timestamp_max }, length, crc32c::crc32c(&bytes));
            if let Err(error) = pack.push(row, &bytes) {
                pack.abandon();
                return Err(error);
            }
        }
    }
    for (stream, from, to) in ends {
        shared.index.change_or_make(stream, shard_of(stream), |known| {
            if known.end == Offset::ZERO {
                (known.start, known.end) = (from, from);
            }
            known.end = known.end.max(to);
        });
    }
    pack.finish()
}

/// Whether a stream has what lies between its bounds, and nothing more.
fn is_covered(known: Option<&Stream>, StreamBounds { start, end }: StreamBounds) -> bool {
    let runs = known.map(|known| &known.runs[..]).unwrap_or_default();
    let mut next = start;
    for run in runs.iter().filter(|run| run.end > start) {
        if run.base > next {
            return false;
        }
        next = run.end;
    }
    start <= end && next == end && known.is_none_or(|known| known.end <= end)
}

/// Makes a state count that was saved elsewhere, for which all records have been taken; durable on return.
pub(crate) fn install(shared: &Shared, holdings: &Holdings) -> Result<(), LogError> {
    let Holdings { checkpoint: Checkpoint { shard, term, index, state }, streams } = holdings;
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    for (stream, bounds) in streams {
        let (stream, StreamBounds { start, end }) = (*stream, *bounds);
        if !shared.index.with(stream, |known| is_covered(known, *bounds)) {
            return Err(LogError::Replacement { stream, from: start, to: end, rule: "something else was taken" });
        }
    }
    // What was not told yet of the entries before it is in it, or void.
    shared.pending.forget(*shard, *index);
    let listed: BTreeMap<StreamId, StreamBounds> = streams.iter().copied().collect();
    for (stream, _) in shared.index.bounds_of_shard(*shard) {
        if !listed.contains_key(&stream) {
            shared.index.remove(stream);
        }
    }
    for (stream, StreamBounds { start, end }) in listed {
        shared.index.change_or_make(stream, *shard, |known| {
            known.end = end;
            known.trim(start);
        });
    }
    let name = CheckpointName { log: shared.identity, shard: *shard, term: *term, index: *index };
    let made = make_count(shared, &name, state);
    shared.watch(made)
}
