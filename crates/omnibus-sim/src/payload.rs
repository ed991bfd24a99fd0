//! Batches as clients send them.

use bytes::Bytes;
use omnibus_model::{BatchInfo, ProducerStamp, RecordFormat, Timestamp};
use omnibus_record::{BatchBuilder, Codec, Stamp};

use crate::random::Random;

/// Makes a batch of a few records whose bytes nobody else sends.
pub(crate) fn batch(random: &mut Random, now: Timestamp, producer: Option<ProducerStamp>) -> (BatchInfo, Bytes) {
    let mut builder = BatchBuilder::new(Codec::None);
    let count = random.within(1..=4);
    // Most are small; some are longer than a block.
    let bytes_max = if random.once_in(24) { 12_000 } else { 400 };
    for _ in 0..count {
        let key = random.bytes(16);
        let length = usize::try_from(random.below(bytes_max)).expect("a few thousand");
        let value = random.bytes(length);
        builder.push(now, Some(&key), Some(&value), &[]);
    }
    let payload = builder.finish(Stamp { producer, ..Stamp::default() });
    let info = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: u32::try_from(count).expect("at most four"),
        bytes: u32::try_from(payload.len()).expect("a few thousand"),
        timestamp_max: now,
        producer,
    };
    (info, payload)
}
