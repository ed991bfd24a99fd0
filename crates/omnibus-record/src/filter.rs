//! Thins out a batch, for compaction.

use bytes::Bytes;
use omnibus_model::RecordFormat;

use crate::batch::{AnyHeader, BatchView};
use crate::build::BatchBuilder;
use crate::error::InvalidBatch;
use crate::record::Record;
use crate::records::Records;

/// What is left of a batch.
///
/// It takes up the same offsets as before, in the same codec, of the same producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// Everything.
    Unchanged,
    /// Some of the records.
    Thinned { batch: Bytes, count: u32 },
    /// No record. What remains says which producer wrote last, and bridges the offsets.
    Emptied { batch: Bytes },
}

/// Keeps the records that `keep` says yes to. A message stays: its queue says when it goes.
///
/// # Errors
/// If `batch` is not one batch with records in order, or these take more than `decompressed_max`
/// bytes.
pub fn filter(
    batch: &Bytes,
    decompressed_max: u64,
    mut keep: impl FnMut(&Record) -> bool,
) -> Result<Filtered, InvalidBatch> {
    if AnyHeader::read(batch).is_ok_and(|any| any.format == RecordFormat::Message) {
        return Ok(Filtered::Unchanged);
    }
    let header = BatchView::of(batch)?.header;
    let mut kept = BatchBuilder::new(header.codec()?);
    let mut dropped = 0_u32;
    for record in Records::of(batch, decompressed_max)? {
        let record = record?;
        if keep(&record) {
            kept.keep(header.base_offset, &record);
        } else {
            dropped = dropped.saturating_add(1);
        }
    }
    let count = kept.count();
    Ok(match (count, dropped) {
        (_, 0) => Filtered::Unchanged,
        (0, _) => Filtered::Emptied { batch: kept.finish_like(&header) },
        _ => Filtered::Thinned { batch: kept.finish_like(&header), count },
    })
}
