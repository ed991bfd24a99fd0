//! Producers of whom something was not taken here for the moment.
//!
//! An idempotent producer has several batches under way. If the first is refused because this node does not lead yet, and
//! the second comes when it does, the second is a gap, or worse, is taken for the beginning. Kafka answers so, and a client
//! that is told of a gap may begin a new epoch, in which it repeats what another node has of the old one. So what was sent
//! behind something that was refused is refused in the same way, and the client sends all of it again, in order.

use std::collections::BTreeMap;

use omnibus_broker::Producer;
use omnibus_model::{ProducerEpoch, ProducerId, ProducerStamp, StreamId};

use crate::error::SubmitError;

/// What may be under way behind a batch when it is refused: clients keep no more than five.
const BEHIND_MAX: u8 = 4;

/// Producers that are remembered. With more, all are forgotten, and gaps are told as gaps.
const PRODUCERS_MAX: usize = 4096;

/// Half of all sequence numbers are behind any of them.
const HALF: u32 = 1 << 30;
const SEQUENCE_MAX: u32 = i32::MAX as u32;

/// One producer's batches that were refused on one stream.
#[derive(Clone, Debug)]
struct Setback {
    epoch: ProducerEpoch,
    /// Where the first of them begins, and the last.
    from: u32,
    to: u32,
    /// What may still be refused behind them.
    left: u8,
    error: SubmitError,
}

/// What one shard remembers of them.
#[derive(Debug, Default)]
pub(crate) struct Setbacks {
    known: BTreeMap<(StreamId, ProducerId), Setback>,
}

impl Setbacks {
    /// Notes a batch that was refused, and why; the same may be taken when it is sent again.
    pub(crate) fn note(&mut self, (stream, stamp): (StreamId, ProducerStamp), error: &SubmitError) {
        let place = (stream, stamp.id);
        let known = self.known.get(&place).filter(|known| known.epoch == stamp.epoch);
        let from = known.filter(|known| is_behind(stamp.sequence_first, known.to)).map(|known| known.from);
        if self.known.len() == PRODUCERS_MAX && !self.known.contains_key(&place) {
            self.known.clear();
        }
        let (from, to) = (from.unwrap_or(stamp.sequence_first), stamp.sequence_first);
        let setback = Setback { epoch: stamp.epoch, from, to, left: BEHIND_MAX, error: error.clone() };
        self.known.insert(place, setback);
    }

    /// Refuses a batch that would be a gap only because something before it was refused.
    ///
    /// # Errors
    /// As that was.
    pub(crate) fn check(
        &mut self,
        (stream, stamp): (StreamId, ProducerStamp),
        remembered: Option<&Producer>,
    ) -> Result<(), SubmitError> {
        let Some(known) = self.known.get_mut(&(stream, stamp.id)) else { return Ok(()) };
        let is_due = known.epoch == stamp.epoch && known.left > 0;
        if is_due && known.explains(stamp, remembered) {
            known.left -= 1;
            return Err(known.error.clone());
        }
        self.known.remove(&(stream, stamp.id));
        Ok(())
    }
}

impl Setback {
    /// Whether a batch lacks what was refused, of all that is remembered of its producer.
    fn explains(&self, stamp: ProducerStamp, remembered: Option<&Producer>) -> bool {
        let sequence = stamp.sequence_first;
        match remembered {
            None => is_behind(sequence, self.from),
            Some(producer) => {
                let is_same = producer.epoch() == stamp.epoch;
                let expected = if is_same { producer.sequence_last().wrapping_add(1) & SEQUENCE_MAX } else { 0 };
                is_behind(sequence, expected) && !is_behind(expected, self.to)
            }
        }
    }
}

/// Whether a sequence number comes after another; they begin again after the greatest.
const fn is_behind(sequence: u32, other: u32) -> bool {
    let distance = sequence.wrapping_sub(other) & SEQUENCE_MAX;
    distance > 0 && distance < HALF
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(9);

    fn stamp(epoch: u16, sequence_first: u32) -> (StreamId, ProducerStamp) {
        (STREAM, ProducerStamp { id: ProducerId(5), epoch: ProducerEpoch(epoch), sequence_first })
    }

    #[test]
    fn numbers_begin_again() {
        assert!(is_behind(1, 0) && is_behind(0, SEQUENCE_MAX) && is_behind(3, SEQUENCE_MAX - 1));
        assert!(!is_behind(0, 0) && !is_behind(0, 1) && !is_behind(SEQUENCE_MAX, 0));
    }

    #[test]
    fn only_what_can_be_under_way_is_refused_behind() {
        let (mut setbacks, error) = (Setbacks::default(), SubmitError::NotLeader { leader: None });
        setbacks.note(stamp(0, 7), &error);
        for sequence in 8..12 {
            assert_eq!(setbacks.check(stamp(0, sequence), None), Err(error.clone()));
        }
        assert_eq!(setbacks.check(stamp(0, 12), None), Ok(()));
        assert_eq!(setbacks.check(stamp(0, 13), None), Ok(()), "it is forgotten");
    }

    #[test]
    fn another_epoch_owes_nothing() {
        let (mut setbacks, error) = (Setbacks::default(), SubmitError::DiskFull);
        setbacks.note(stamp(0, 7), &error);
        assert_eq!(setbacks.check(stamp(1, 8), None), Ok(()));
        setbacks.note(stamp(1, 0), &error);
        assert_eq!(setbacks.check(stamp(1, 1), None), Err(error));
        assert_eq!(setbacks.check(stamp(1, 0), None), Ok(()));
        assert_eq!(setbacks.check(stamp(1, 1), None), Ok(()));
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let (mut setbacks, error) = (Setbacks::default(), SubmitError::DiskFull);
        for stream in 0..=PRODUCERS_MAX as u64 {
            setbacks.note((StreamId(stream), stamp(0, 7).1), &error);
        }
        assert_eq!(setbacks.known.len(), 1);
    }
}
