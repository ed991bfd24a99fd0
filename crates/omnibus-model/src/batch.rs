//! What the broker must know of a record batch; the bytes themselves it never sees.

use serde::{Deserialize, Serialize};

use crate::{Offset, ProducerEpoch, ProducerId, Timestamp};

/// How the bytes of a batch are laid out: each protocol stores what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordFormat {
    /// Kafka's record batch, magic 2 (KIP-98).
    KafkaBatch,
    /// One record as another protocol sent it, behind a header that is laid out like the batch's.
    Message,
}

/// The envelope of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchInfo {
    pub format: RecordFormat,
    /// How many offsets the batch takes; at least 1.
    pub count: u32,
    /// The bytes of the payload.
    pub bytes: u32,
    /// The newest timestamp of its records.
    pub timestamp_max: Timestamp,
    /// Who wrote it, if the producer is idempotent.
    pub producer: Option<ProducerStamp>,
}

/// The mark of an idempotent producer on a batch (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerStamp {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    /// The sequence number of the first record; wraps to 0 after 2^31 − 1.
    pub sequence_first: u32,
}

/// The half-open range of offsets that a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamBounds {
    /// The first offset that can be read.
    pub start: Offset,
    /// The offset that the next record will take.
    pub end: Offset,
}
