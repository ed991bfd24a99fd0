//! Finds a record of a batch by its time; a message is a batch of one.

use omnibus_model::{Offset, RecordFormat, Timestamp};

use crate::DECOMPRESSED_BYTES_MAX;
use crate::batch::{AnyHeader, BatchView};
use crate::error::InvalidBatch;
use crate::scan::scan;

/// Returns the first record at or after offset `start` that is at or after `time`, with its time.
///
/// # Errors
/// If `batch` is not one batch with records in order.
pub fn find_timestamp(
    batch: &[u8],
    time: Timestamp,
    start: Offset,
) -> Result<Option<(Offset, Timestamp)>, InvalidBatch> {
    if let Some(only) = message(batch) {
        return Ok(Some(only).filter(|(offset, timestamp)| *offset >= start && *timestamp >= time));
    }
    let view = BatchView::of(batch)?;
    let mut found = None;
    scan(&view, DECOMPRESSED_BYTES_MAX, |seen| {
        let offset = offset(&view, seen.offset_delta);
        if offset >= start && seen.timestamp >= time.0 {
            found = Some((offset, Timestamp(seen.timestamp)));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// Returns the first of the newest records, with its time.
///
/// # Errors
/// If `batch` is not one batch with records in order.
pub fn find_newest(batch: &[u8]) -> Result<Option<(Offset, Timestamp)>, InvalidBatch> {
    if let Some(only) = message(batch) {
        return Ok(Some(only));
    }
    let view = BatchView::of(batch)?;
    let mut newest: Option<(Offset, Timestamp)> = None;
    scan(&view, DECOMPRESSED_BYTES_MAX, |seen| {
        if newest.is_none_or(|(_, time)| time.0 < seen.timestamp) {
            newest = Some((offset(&view, seen.offset_delta), Timestamp(seen.timestamp)));
        }
        Ok(true)
    })?;
    Ok(newest)
}

/// The place and time of a message: its header has both.
fn message(batch: &[u8]) -> Option<(Offset, Timestamp)> {
    let AnyHeader { format, header } = AnyHeader::read(batch).ok()?;
    let place = (Offset(header.base_offset.cast_unsigned()), Timestamp(header.max_timestamp));
    (format == RecordFormat::Message).then_some(place)
}

fn offset(view: &BatchView<'_>, delta: i64) -> Offset {
    Offset(view.header.base_offset.wrapping_add(delta).cast_unsigned())
}
