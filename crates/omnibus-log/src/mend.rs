//! Takes records from elsewhere in the place of such as have rotted here.

use std::collections::BTreeMap;
use std::ops::Range;

use omnibus_model::{Offset, StreamId};

use crate::backfill::{Stretch, write};
use crate::checkpoint::CheckpointName;
use crate::entry::Replacement;
use crate::error::{Affected, LogError};
use crate::file::FileKind;
use crate::index::Run;
use crate::maintain::is_needed;
use crate::row::Row;
use crate::rows::{Patience, Reader};
use crate::scrub::Rot;
use crate::shared::Shared;

/// What of the records that a place held is read from there still.
pub(crate) fn still_affected(shared: &Shared, rot: &Rot) -> Vec<Affected> {
    let speaks = |run: &&Run| run.file.path == rot.damage.file;
    let mut affected = Vec::new();
    for range in &rot.damage.affected {
        shared.index.with(range.stream, |known| {
            let Some(known) = known else { return };
            let parts = known.runs.iter().filter(speaks).map(|run| Affected {
                stream: range.stream,
                from: run.base.max(range.from).max(known.start),
                to: run.end.min(range.to),
            });
            affected.extend(parts.filter(|part| part.from < part.to));
        });
    }
    affected
}

/// Whether a place without records matters still: a start would read it, or a replica may ask for what it held.
pub(crate) fn is_missed(shared: &Shared, path: &str) -> bool {
    {
        let files = shared.files.lock();
        let mut all = files.segments.values().chain(files.packs.values());
        if let Some(file) = all.find(|file| file.path == path) {
            return file.kind == FileKind::Pack || is_needed(shared, file);
        }
    }
    let shards = shared.shards.lock();
    let mut rotten = shards.iter().filter(|(_, facts)| facts.checkpoint_has_rotted);
    rotten.any(|(shard, _)| path.starts_with(&format!("{}/", CheckpointName::directory(*shard))))
}

/// Has what lives in a file carried elsewhere, if it is there, and tried again if it could not be.
pub(crate) fn leave(shared: &Shared, path: &str) {
    let files = shared.files.lock();
    let mut all = files.segments.values().chain(files.packs.values());
    if let Some(file) = all.find(|file| file.path == path) {
        let mut facts = file.facts.lock();
        (facts.rotten, facts.damaged) = (true, false);
    }
}

/// Puts batches in the place of those that cannot be read; durable on return. They must be what was written here.
pub(crate) fn mend(shared: &Shared, stretches: Vec<Stretch>) -> Result<(), LogError> {
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    let mut shards = BTreeMap::new();
    for stretch in &stretches {
        let (stream, from, to) = (stretch.stream, stretch.from, stretch.to);
        let bad = |rule| LogError::Replacement { stream, from, to, rule };
        let known = shared.index.with(stream, |known| known.map(|known| (known.shard, known.end)));
        let (shard, end) = known.ok_or_else(|| bad("it is not known"))?;
        if from >= to || to > end {
            return Err(bad("that is not a part of it"));
        }
        check_dense(stretch).map_err(bad)?;
        check_known(shared, stretch).map_err(bad)?;
        shards.insert(stream, shard);
    }
    let mended = write(shared, stretches, |stream| shards[&stream]);
    shared.watch(mended)
}

/// Whether nothing is missing between the ends.
fn check_dense(stretch: &Stretch) -> Result<(), &'static str> {
    let mut next = stretch.from;
    for batch in &stretch.batches {
        if batch.base != next || batch.count == 0 {
            return Err("there are gaps");
        }
        next = batch.base.plus(batch.count.into());
    }
    if next == stretch.to { Ok(()) } else { Err("it ends elsewhere") }
}

/// Whether it is what the index says, as far as the index can be read.
fn check_known(shared: &Shared, stretch: &Stretch) -> Result<(), &'static str> {
    let range = stretch.from..stretch.to;
    let runs = shared.index.with(stretch.stream, |known| {
        let runs = known.map(|known| &known.runs[..]).unwrap_or_default().iter();
        runs.filter(|run| run.base < range.end && range.start < run.end).cloned().collect::<Vec<_>>()
    });
    for run in &runs {
        let rows = rows_of(shared, stretch.stream, run, &range);
        for row in rows {
            let batch = stretch.batches.iter().find(|batch| batch.base == row.base);
            let is_it = batch.is_some_and(|batch| is_same(&row, batch));
            if !is_it {
                return Err("something else was written here");
            }
        }
        let (base, end) = (run.base.max(range.start), run.end.min(range.end));
        // Who cut a batch in two would have both halves read.
        if !stretch.batches.iter().any(|batch| batch.base == base)
            || !stretch.batches.iter().any(|batch| batch.base.plus(batch.count.into()) == end)
        {
            return Err("batches begin elsewhere");
        }
    }
    Ok(())
}

/// The rows of a run that are in a range, up to the first page that cannot be read.
fn rows_of(shared: &Shared, stream: StreamId, run: &Run, range: &Range<Offset>) -> Vec<Row> {
    let reader = Reader { shared, patience: Patience::Disk };
    let mut rows = Vec::new();
    let read = reader.rows_from(stream, run, range.start.max(run.base), |row| {
        let is_inside = row.base < range.end;
        if is_inside {
            rows.push(row);
        }
        is_inside
    });
    if let Err(error) = read {
        tracing::debug!(?error, path = run.file.path, "the index of what is mended cannot be read, either");
    }
    rows
}

fn is_same(row: &Row, batch: &Replacement) -> bool {
    let known = row.batch_position();
    let is_placed = (known.base, known.count, known.timestamp_max) == (batch.base, batch.count, batch.timestamp_max);
    // What shares its body has a checksum of its own place.
    let is_sound = row.shares().is_some() || crc32c::crc32c(&batch.bytes) == row.crc;
    is_placed && row.bytes() as usize == batch.bytes.len() && is_sound
}
