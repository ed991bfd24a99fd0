//! Decides whether a batch may be appended to a topic.
//!
//! The rules are those of Kafka's broker for a produce request, and two it leaves out:
//! offset deltas count up from 0 in every codec, and no producer claims the broker's time.

use omnibus_model::topic::{EffectiveConfig, Limit, TimestampSource};
use omnibus_model::{ProducerStamp, Timestamp};

use crate::DECOMPRESSED_BYTES_MAX;
use crate::batch::{BatchHeader, BatchView};
use crate::codec::Codec;
use crate::error::{FAULTS_MAX, InvalidBatch, RecordFault, RecordFaultReason};
use crate::scan::{Seen, scan};

/// A record without a time.
const NO_TIMESTAMP: i64 = -1;

/// What a topic asks of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether every record needs a key.
    pub keys_required: bool,
    /// The oldest time a record may have.
    pub timestamp_earliest: Timestamp,
    /// The newest time a record may have.
    pub timestamp_latest: Timestamp,
    /// The most bytes the records may take uncompressed.
    pub decompressed_bytes_max: u64,
}

/// What is known of a batch that may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many records there are; at least 1.
    pub count: u32,
    /// The newest time of a record; −1 if none has a time.
    pub timestamp_max: Timestamp,
    /// Whether the header says another newest time than the records.
    pub rewrite_timestamp_max: bool,
    pub producer: Option<ProducerStamp>,
    pub is_transactional: bool,
    pub codec: Codec,
    /// How many bytes the records take uncompressed.
    pub decompressed_bytes: u64,
}

impl Default for Rules {
    /// Any record.
    fn default() -> Self {
        Self {
            keys_required: false,
            timestamp_earliest: Timestamp(i64::MIN),
            timestamp_latest: Timestamp(i64::MAX),
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        }
    }
}

impl Rules {
    /// Returns the rules of a topic at the time of an append.
    #[must_use]
    pub fn of_topic(config: &EffectiveConfig, now: Timestamp) -> Self {
        let any = Self { keys_required: config.cleanup.compacts(), ..Self::default() };
        if config.timestamps == TimestampSource::Broker {
            return any;
        }
        let span = |limit: Limit| match limit {
            Limit::Unlimited => i64::MAX,
            Limit::AtMost(span) => i64::try_from(span).unwrap_or(i64::MAX),
        };
        Self {
            timestamp_earliest: Timestamp(now.0.saturating_sub(span(config.timestamp_before_max))),
            timestamp_latest: Timestamp(now.0.saturating_add(span(config.timestamp_after_max))),
            ..any
        }
    }

    fn fault(&self, seen: &Seen) -> Option<RecordFaultReason> {
        let (earliest, latest) = (self.timestamp_earliest, self.timestamp_latest);
        if self.keys_required && !seen.has_key {
            Some(RecordFaultReason::KeyMissing)
        } else if seen.timestamp != NO_TIMESTAMP && !(earliest.0..=latest.0).contains(&seen.timestamp) {
            let timestamp = Timestamp(seen.timestamp);
            Some(RecordFaultReason::TimestampOutOfRange { timestamp, earliest, latest })
        } else {
            None
        }
    }
}

/// Checks that `bytes` are one batch that a client may append by `rules`.
///
/// # Errors
/// The first thing that is wrong with the batch; of wrong records all, up to a thousand.
pub fn validate(bytes: &[u8], rules: &Rules) -> Result<Checked, InvalidBatch> {
    let view = BatchView::of(bytes)?;
    view.check_crc()?;
    let count = check_header(&view.header)?;
    let mut timestamp_max = NO_TIMESTAMP;
    let mut records = Vec::new();
    let decompressed_bytes = scan(&view, rules.decompressed_bytes_max, |seen| {
        if seen.offset_delta != i64::from(seen.index) {
            return Err(InvalidBatch::OffsetDeltaInvalid { index: seen.index, delta: seen.offset_delta });
        }
        timestamp_max = timestamp_max.max(seen.timestamp);
        if let Some(reason) = rules.fault(&seen) {
            records.push(RecordFault { index: seen.index, reason });
        }
        Ok(records.len() < FAULTS_MAX)
    })?;
    if !records.is_empty() {
        return Err(InvalidBatch::RecordsRefused { records });
    }
    Ok(Checked {
        count,
        timestamp_max: Timestamp(timestamp_max),
        rewrite_timestamp_max: timestamp_max != view.header.max_timestamp,
        producer: view.header.producer(),
        is_transactional: view.header.is_transactional(),
        codec: view.header.codec()?,
        decompressed_bytes,
    })
}

/// Checks what can be checked without the records; returns their count.
fn check_header(header: &BatchHeader) -> Result<u32, InvalidBatch> {
    let &BatchHeader { count, last_offset_delta, .. } = header;
    let consistent = count > 0 && i64::from(last_offset_delta).checked_add(1) == Some(i64::from(count));
    if !consistent {
        return Err(InvalidBatch::CountMismatch { count, last_offset_delta });
    }
    if header.is_control() {
        return Err(InvalidBatch::ControlBatch);
    }
    if header.has_broker_time() {
        return Err(InvalidBatch::BrokerTimeClaimed);
    }
    // Kafka's own sign of a batch without a producer is a negative id, whatever its epoch.
    if header.producer_id >= 0 && header.producer().is_none() {
        let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
        return Err(InvalidBatch::ProducerInvalid { id, epoch, sequence });
    }
    Ok(count.unsigned_abs())
}
