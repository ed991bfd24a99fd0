//! What the broker writes into a batch: its place, and for some topics its time.

use bytes::Bytes;
use omnibus_model::{LeaderEpoch, Offset, RecordFormat, Timestamp};

use crate::batch::{BatchHeader, HEADER_BYTES};
use crate::message::Encoded;

/// Base offset, length and leader epoch: what the checksum does not cover and the broker fills in.
const PREFIX_BYTES: usize = 16;

/// Cuts a batch in two: a new beginning that says its place, and the rest as it came. Every format
/// begins with the same 16 bytes.
///
/// # Panics
/// If the payload was not validated: it is too short to be a batch.
#[must_use]
pub fn stamp(format: RecordFormat, mut payload: Bytes, base: Offset, epoch: LeaderEpoch) -> (Bytes, Bytes) {
    match format {
        RecordFormat::KafkaBatch | RecordFormat::Message => {
            let old = payload.split_to(PREFIX_BYTES);
            (Bytes::copy_from_slice(&stamp_prefix(&old, base, epoch)), payload)
        }
    }
}

/// Writes a message's place into its beginning; its body stays as it is.
///
/// # Panics
/// Never: what was encoded has a header.
#[must_use]
pub fn stamp_message(message: &Encoded, base: Offset, epoch: LeaderEpoch) -> (Bytes, Bytes) {
    let mut head = message.head.to_vec();
    let prefix = stamp_prefix(&head, base, epoch);
    if let Some(field) = head.get_mut(..PREFIX_BYTES) {
        field.copy_from_slice(&prefix);
    }
    (head.into(), message.body.clone())
}

/// Returns the first 16 bytes of a batch, with its base offset and leader epoch filled in.
///
/// # Panics
/// If there are fewer than 16 bytes.
#[must_use]
pub fn stamp_prefix(batch: &[u8], base: Offset, epoch: LeaderEpoch) -> [u8; PREFIX_BYTES] {
    let mut prefix: [u8; PREFIX_BYTES] = *batch.first_chunk().expect("a validated batch has a header");
    prefix[..8].copy_from_slice(&base.0.to_be_bytes());
    prefix[12..].copy_from_slice(&epoch.0.to_be_bytes());
    prefix
}

/// Returns the batch with the broker's time on all its records.
///
/// # Panics
/// If the batch was not validated.
#[must_use]
pub fn with_broker_time(batch: &Bytes, now: Timestamp) -> Bytes {
    rewritten(batch, |header| header.set_broker_time(now.0))
}

/// Returns the batch with another newest timestamp in its header.
///
/// # Panics
/// If the batch was not validated.
#[must_use]
pub fn with_timestamp_max(batch: &Bytes, timestamp_max: Timestamp) -> Bytes {
    rewritten(batch, |header| header.max_timestamp = timestamp_max.0)
}

fn rewritten(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::read(batch).expect("a validated batch has a header");
    change(&mut header);
    header.seal(batch.get(HEADER_BYTES..).unwrap_or_default())
}
