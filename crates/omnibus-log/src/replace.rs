//! Puts other batches in the place of some, as compaction does.

use omnibus_model::{Offset, StreamId};

use crate::entry::{BatchPosition, Replacement};
use crate::error::LogError;
use crate::index::Stream;
use crate::pack::{Cover, PackWriter};
use crate::row::Row;
use crate::rows::{Miss, Patience, Reader};
use crate::shared::Shared;

/// Puts batches in the place of all that a stream has from `from` to `to`.
pub(crate) fn replace(
    shared: &Shared,
    stream: StreamId,
    (from, to): (Offset, Offset),
    batches: Vec<Replacement>,
) -> Result<(), LogError> {
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    let cover = check_replacement(shared, stream, (from, to), &batches)?;
    let replaced = write_replacement(shared, cover, batches);
    shared.watch(replaced)
}

fn check_replacement(
    shared: &Shared,
    stream: StreamId,
    (from, to): (Offset, Offset),
    batches: &[Replacement],
) -> Result<Cover, LogError> {
    let bad = |rule| LogError::Replacement { stream, from, to, rule };
    let known = shared.index.with(stream, |known| known.cloned()).ok_or_else(|| bad("it is not known"))?;
    if from >= to || to > known.end {
        return Err(bad("that is not a part of it"));
    }
    let mut next = from;
    for batch in batches {
        if batch.base < next || batch.count == 0 {
            return Err(bad("the new batches overlap"));
        }
        next = batch.base.plus(batch.count.into());
    }
    if next > to {
        return Err(bad("the new batches go beyond"));
    }
    if cuts_a_batch(shared, (stream, &known), from)? || cuts_a_batch(shared, (stream, &known), to)? {
        return Err(bad("that would cut a batch"));
    }
    Ok(Cover { stream, shard: known.shard, base: from, end: to })
}

/// Whether an offset lies inside of a batch, not at its beginning.
fn cuts_a_batch(shared: &Shared, (id, stream): (StreamId, &Stream), at: Offset) -> Result<bool, LogError> {
    let Some(run) = stream.runs.get(stream.run_at(at)) else { return Ok(false) };
    if at <= stream.start {
        return Ok(false);
    }
    let mut cuts = false;
    let reader = Reader { shared, patience: Patience::Disk };
    let read = reader.rows_from(id, run, at, |row| {
        cuts = row.base < at;
        false
    });
    read.map_err(Miss::into_error)?;
    Ok(cuts)
}

fn write_replacement(shared: &Shared, cover: Cover, batches: Vec<Replacement>) -> Result<(), LogError> {
    let mut pack = PackWriter::create(shared)?;
    pack.begin(cover);
    for batch in batches {
        let Replacement { base, count, timestamp_max, .. } = batch;
        let bytes = u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX);
        let row = Row::whole(BatchPosition { base, count, timestamp_max }, bytes, crc32c::crc32c(&batch.bytes));
        if let Err(error) = pack.push(row, &batch.bytes) {
            pack.abandon();
            return Err(error);
        }
    }
    pack.finish()
}
