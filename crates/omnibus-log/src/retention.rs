//! Answers about time and size: what a stream holds from when, and what may go.

use omnibus_model::{Offset, StreamId, Timestamp};

use crate::entry::BatchPosition;
use crate::error::ReadError;
use crate::index::{Run, Stream};
use crate::row::Row;
use crate::rows::{Miss, Patience, Reader};
use crate::shared::Shared;

/// Finds the first batch with a record at or after a time.
pub(crate) fn find_timestamp(shared: &Shared, stream: StreamId, time: Timestamp) -> Option<BatchPosition> {
    let (start, runs) = runs_of(shared, stream)?;
    let run = runs.iter().find(|run| run.timestamp_max >= time)?;
    Some(first_row(shared, stream, run, start, |row| row.timestamp_max >= time))
}

/// Finds the batch with the newest record, the first of them if there are several.
pub(crate) fn newest_timestamp(shared: &Shared, stream: StreamId) -> Option<BatchPosition> {
    let (start, runs) = runs_of(shared, stream)?;
    let newest = runs.iter().map(|run| run.timestamp_max).max()?;
    let run = runs.iter().find(|run| run.timestamp_max == newest)?;
    Some(first_row(shared, stream, run, start, |row| row.timestamp_max == newest))
}

/// Returns the first offset that must be kept so that no record from `not_before` on goes,
/// or that `bytes_max` stay; whichever keeps less.
pub(crate) fn retained_from(
    shared: &Shared,
    stream: StreamId,
    not_before: Option<Timestamp>,
    bytes_max: Option<u64>,
) -> Offset {
    let bounds = shared.index.with(stream, |known| known.map(Stream::bounds).unwrap_or_default());
    let by_time = not_before.map(|time| kept_by_time(shared, stream, time));
    let by_size = bytes_max.map(|bytes| kept_by_size(shared, stream, bytes));
    let latest = by_time.into_iter().chain(by_size).max();
    latest.unwrap_or(bounds.start).max(bounds.start)
}

/// Returns the end of the last batch that is older than `time` and has none at or after it in front. Batches without a time are
/// as old as the next one behind them that has one.
fn kept_by_time(shared: &Shared, stream: StreamId, time: Timestamp) -> Offset {
    let Some((start, runs)) = runs_of(shared, stream) else { return Offset::ZERO };
    let older = runs.iter().take_while(|run| run.timestamp_max < time).count();
    // A run may hold both; one without times tells nothing.
    let with_time = runs[..older].iter().rposition(|run| has_time(run.timestamp_max));
    let split = runs.get(older).map(|run| older_of_run(shared, stream, run, (start, time)));
    let before = || with_time.and_then(|at| older_of_run(shared, stream, &runs[at], (start, time)));
    split.flatten().or_else(before).unwrap_or(start)
}

/// The end of the last batch of a run that is older than a time, before any that is not.
fn older_of_run(shared: &Shared, stream: StreamId, run: &Run, (start, time): (Offset, Timestamp)) -> Option<Offset> {
    let mut end = None;
    let reader = Reader { shared, patience: Patience::Disk };
    let read = reader.rows_from(stream, run, run.base.max(start), |row| {
        if has_time(row.timestamp_max) && row.timestamp_max < time {
            end = Some(row.end());
        }
        row.timestamp_max < time
    });
    if let Err(Miss::Failed(error)) = &read {
        note(stream, error);
    }
    // An index that cannot be read lets more stay.
    end
}

/// Whether a batch has a record with a time; Kafka's clients write -1 into those that have none.
const fn has_time(timestamp_max: Timestamp) -> bool {
    timestamp_max.0 >= 0
}

/// Returns where the shortest end of the stream begins that has `bytes_max` or more.
fn kept_by_size(shared: &Shared, stream: StreamId, bytes_max: u64) -> Offset {
    let Some((start, runs)) = runs_of(shared, stream) else { return Offset::ZERO };
    let mut newer_bytes = 0;
    for run in runs.iter().rev() {
        let bytes = u64::from(run.bytes);
        if newer_bytes + bytes >= bytes_max {
            return kept_of_run(shared, stream, run, bytes_max - newer_bytes).max(start);
        }
        newer_bytes += bytes;
    }
    start
}

fn kept_of_run(shared: &Shared, stream: StreamId, run: &Run, bytes_max: u64) -> Offset {
    if bytes_max == 0 {
        return run.end;
    }
    let mut excess = u64::from(run.bytes) - bytes_max;
    let mut kept = run.base;
    let reader = Reader { shared, patience: Patience::Disk };
    let read = reader.rows_from(stream, run, run.base, |row| {
        kept = row.base;
        let goes = excess >= u64::from(row.weight());
        excess = excess.saturating_sub(u64::from(row.weight()));
        goes
    });
    // An unreadable index lets more stay.
    if read.is_ok() { kept } else { run.base }
}

fn runs_of(shared: &Shared, stream: StreamId) -> Option<(Offset, Vec<Run>)> {
    shared.index.with(stream, |known| known.map(|known| (known.start, known.runs.clone())))
}

/// Returns the first row of a run that fulfils a condition which some row does.
fn first_row(
    shared: &Shared,
    stream: StreamId,
    run: &Run,
    start: Offset,
    fulfils: impl Fn(&Row) -> bool,
) -> BatchPosition {
    let mut found = None;
    let reader = Reader { shared, patience: Patience::Disk };
    let read = reader.rows_from(stream, run, run.base.max(start), |row| {
        let stop = fulfils(&row);
        if stop {
            found = Some(row.batch_position());
        }
        !stop
    });
    if let Err(Miss::Failed(error)) = &read {
        note(stream, error);
    }
    // The run as a whole is an earlier answer, which is never wrong to start reading from.
    let count = u32::try_from(run.end.0 - run.base.0).unwrap_or(u32::MAX);
    found.unwrap_or(BatchPosition { base: run.base, count, timestamp_max: run.timestamp_max })
}

fn note(stream: StreamId, error: &ReadError) {
    tracing::warn!(%stream, %error, "an index cannot be read, answering with less precision");
}
