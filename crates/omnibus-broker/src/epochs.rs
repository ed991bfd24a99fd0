//! Which leader wrote which part of a stream.

use omnibus_model::{LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

/// Where each leader's records begin. Most streams only ever know one leader, so the latest is
/// kept inline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaderEpochs {
    latest: LeaderEpoch,
    latest_start: Offset,
    /// Oldest first.
    elder: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochs {
    pub(crate) const fn new(epoch: LeaderEpoch, start: Offset) -> Self {
        Self { latest: epoch, latest_start: start, elder: Vec::new() }
    }

    pub(crate) const fn latest(&self) -> LeaderEpoch {
        self.latest
    }

    /// Notes that `epoch` writes from `offset` on.
    pub(crate) fn advance(&mut self, epoch: LeaderEpoch, offset: Offset) {
        assert!(epoch >= self.latest, "leader epochs only grow: {} after {}", epoch, self.latest);
        if epoch > self.latest {
            self.elder.push((self.latest, self.latest_start));
            (self.latest, self.latest_start) = (epoch, offset);
        }
    }

    /// Forgets the epochs that ended before `start`, the stream's first offset.
    pub(crate) fn trim(&mut self, start: Offset) {
        let starts = self.elder.iter().skip(1).map(|(_, start)| *start);
        let ends = starts.chain([self.latest_start]);
        let gone = ends.take(self.elder.len()).take_while(|end| *end <= start).count();
        self.elder.drain(..gone);
        let first = self.elder.first_mut();
        let first_start = first.map_or(&mut self.latest_start, |(_, start)| start);
        *first_start = start.max(*first_start);
    }

    /// Returns the greatest epoch not after `wanted` and where it ends, given the stream's end.
    /// An epoch older than all that are known ends where these begin.
    pub(crate) fn end_of(&self, wanted: LeaderEpoch, stream_end: Offset) -> (LeaderEpoch, Offset) {
        if wanted >= self.latest {
            return (self.latest, stream_end);
        }
        let mut end = self.latest_start;
        for (epoch, start) in self.elder.iter().rev() {
            if *epoch <= wanted {
                return (*epoch, end);
            }
            end = *start;
        }
        (wanted, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new(LeaderEpoch(1), Offset(0));
        epochs.advance(LeaderEpoch(1), Offset(5));
        epochs.advance(LeaderEpoch(3), Offset(10));
        epochs.advance(LeaderEpoch(4), Offset(20));
        epochs
    }

    #[test]
    fn epoch_ends_where_the_next_begins() {
        let epochs = three();
        let end = |epoch| epochs.end_of(LeaderEpoch(epoch), Offset(25));
        assert_eq!(end(0), (LeaderEpoch(0), Offset(0)));
        assert_eq!(end(1), (LeaderEpoch(1), Offset(10)));
        assert_eq!(end(2), (LeaderEpoch(1), Offset(10)));
        assert_eq!(end(3), (LeaderEpoch(3), Offset(20)));
        assert_eq!(end(4), (LeaderEpoch(4), Offset(25)));
        assert_eq!(end(9), (LeaderEpoch(4), Offset(25)));
    }

    #[test]
    fn trimmed_epochs_are_forgotten() {
        let mut epochs = three();
        epochs.trim(Offset(12));
        assert_eq!(epochs.end_of(LeaderEpoch(1), Offset(25)), (LeaderEpoch(1), Offset(12)));
        assert_eq!(epochs.end_of(LeaderEpoch(3), Offset(25)), (LeaderEpoch(3), Offset(20)));
        epochs.trim(Offset(25));
        assert_eq!(epochs, LeaderEpochs::new(LeaderEpoch(4), Offset(25)));
    }
}
