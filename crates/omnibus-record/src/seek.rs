//! Finds a record of a batch by its time.

use omnibus_model::{Offset, Timestamp};

use crate::DECOMPRESSED_BYTES_MAX;
use crate::batch::BatchView;
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

fn offset(view: &BatchView<'_>, delta: i64) -> Offset {
    Offset(view.header.base_offset.wrapping_add(delta).cast_unsigned())
}
