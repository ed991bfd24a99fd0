//! The sequences of idempotent producers, as KIP-98 has them: a retried batch is recognised,
//! a gap is refused, an older incarnation is fenced.

use omnibus_model::{BatchInfo, Offset, ProducerEpoch, ProducerId, ProducerStamp, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

/// How many batches of a producer can be recognised again; clients keep at most as many in flight.
pub const RECENT_BATCHES: usize = 5;

/// Sequence numbers wrap to 0 after this one.
const SEQUENCE_MAX: u32 = i32::MAX as u32;

/// One batch that a producer wrote lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentBatch {
    pub sequence_first: u32,
    pub sequence_last: u32,
    /// The offset of its first record.
    pub base: Offset,
}

/// What a stream remembers of one producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    epoch: ProducerEpoch,
    /// When it wrote last.
    written_at: Timestamp,
    /// Oldest first; never empty.
    batches: [RecentBatch; RECENT_BATCHES],
    batches_len: u8,
}

impl Producer {
    const fn new(epoch: ProducerEpoch) -> Self {
        let none = RecentBatch { sequence_first: 0, sequence_last: 0, base: Offset::ZERO };
        Self { epoch, written_at: Timestamp(0), batches: [none; RECENT_BATCHES], batches_len: 0 }
    }

    /// Returns its present incarnation.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// Returns when it wrote last.
    #[must_use]
    pub const fn written_at(&self) -> Timestamp {
        self.written_at
    }

    /// Returns the batches that would be recognised again, oldest first.
    #[must_use]
    pub fn recent(&self) -> &[RecentBatch] {
        &self.batches[..usize::from(self.batches_len)]
    }

    /// Returns the newest sequence number; a remembered producer has written something.
    ///
    /// # Panics
    /// If the invariant is broken.
    #[must_use]
    pub fn sequence_last(&self) -> u32 {
        self.recent().last().expect("a remembered producer has written").sequence_last
    }

    fn record(&mut self, batch: RecentBatch) {
        let len = usize::from(self.batches_len);
        if len == RECENT_BATCHES {
            self.batches.copy_within(1.., 0);
            self.batches[RECENT_BATCHES - 1] = batch;
        } else {
            self.batches[len] = batch;
            self.batches_len += 1;
        }
    }
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is next.
    Write,
    /// It is the first one of its producer that is remembered here.
    WriteFirst,
    /// It has been written before, at this offset.
    Duplicate(Offset),
}

/// The producers of one stream, in order of their ids. They are few, and a stream is only read
/// through: a list costs a tenth of a tree's memory and one step less to a producer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    known: Vec<(ProducerId, Producer)>,
}

impl Producers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.known.iter().map(|(id, producer)| (*id, producer))
    }

    pub(crate) fn get(&self, id: ProducerId) -> Option<&Producer> {
        let place = self.find(id).ok()?;
        Some(&self.known[place].1)
    }

    pub(crate) const fn len(&self) -> usize {
        self.known.len()
    }

    /// Decides whether a batch may be written. A producer without memory may begin anywhere:
    /// its past may have expired.
    pub(crate) fn judge(&self, stamp: ProducerStamp, count: u32) -> Result<Judgement, Refusal> {
        let Some(producer) = self.get(stamp.id) else {
            return Ok(Judgement::WriteFirst);
        };
        if stamp.epoch < producer.epoch {
            let (current, got) = (producer.epoch, stamp.epoch);
            return Err(Refusal::ProducerFenced { producer: stamp.id, current, got });
        }
        let mut expected = 0;
        if stamp.epoch == producer.epoch {
            let range = (stamp.sequence_first, sequence_last(stamp.sequence_first, count));
            let same = |batch: &&RecentBatch| (batch.sequence_first, batch.sequence_last) == range;
            if let Some(batch) = producer.recent().iter().find(same) {
                return Ok(Judgement::Duplicate(batch.base));
            }
            expected = sequence_after(producer.sequence_last());
        }
        let got = stamp.sequence_first;
        if got == expected {
            Ok(Judgement::Write)
        } else {
            Err(Refusal::SequenceOutOfOrder { producer: stamp.id, expected, got })
        }
    }

    /// Remembers a batch that was written.
    pub(crate) fn record(&mut self, now: Timestamp, stamp: ProducerStamp, batch: &BatchInfo, base: Offset) {
        let place = self.find(stamp.id).unwrap_or_else(|place| {
            self.known.insert(place, (stamp.id, Producer::new(stamp.epoch)));
            place
        });
        let producer = &mut self.known[place].1;
        if producer.epoch != stamp.epoch {
            *producer = Producer::new(stamp.epoch);
        }
        producer.written_at = now;
        producer.record(RecentBatch {
            sequence_first: stamp.sequence_first,
            sequence_last: sequence_last(stamp.sequence_first, batch.count),
            base,
        });
    }

    pub(crate) fn forget(&mut self, id: ProducerId) {
        if let Ok(place) = self.find(id) {
            self.known.remove(place);
        }
    }

    fn find(&self, id: ProducerId) -> Result<usize, usize> {
        self.known.binary_search_by_key(&id, |(id, _)| *id)
    }
}

/// Returns the sequence number of the last of `count` records.
const fn sequence_last(first: u32, count: u32) -> u32 {
    // 2^31 divides 2^32, so the wrapping sum is right modulo 2^31.
    first.wrapping_add(count).wrapping_sub(1) & SEQUENCE_MAX
}

const fn sequence_after(sequence: u32) -> u32 {
    sequence.wrapping_add(1) & SEQUENCE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_after_the_greatest() {
        assert_eq!(sequence_last(SEQUENCE_MAX, 1), SEQUENCE_MAX);
        assert_eq!(sequence_last(SEQUENCE_MAX - 1, 4), 1);
        assert_eq!(sequence_after(SEQUENCE_MAX), 0);
    }
}
