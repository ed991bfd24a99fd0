//! Copies of a shard's broker, for checkpoints.

use omnibus_model::{Bug, planted};

use super::{Shard, Snapshot};

impl Shard {
    /// The broker's memory, once nothing waits for a commit.
    #[must_use]
    pub fn into_snapshot(mut self) -> Option<Snapshot> {
        let settled = !self.broken && self.is_settled();
        settled.then(|| self.snapshot())
    }

    /// Copies the broker's memory for those who asked; it is theirs once all of it is committed.
    pub(super) fn take_checkpoints(&mut self) {
        while let Some(reply) = self.checkpoints.pop_front() {
            let snapshot = self.snapshot();
            if planted(Bug::SnapshotUncommitted) {
                drop(reply.send(snapshot));
                continue;
            }
            self.answer_later(Box::new(move |fate| {
                if fate.is_ok() {
                    drop(reply.send(snapshot));
                }
            }));
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        // What is committed behind the last entry that was applied says nothing to the broker.
        let passed = self.shared.log.term_of(self.id, self.committed).filter(|_| self.last < self.committed);
        let (term, index) = passed.map_or((self.last_term, self.last), |term| (term, self.committed));
        // What was saved up to there may be purged: no later snapshot may begin before it. What is not committed yet may
        // be lost, and another entry take its place.
        let (term, index) = if index < self.snapped.1 { self.snapped } else { (term, index) };
        if index <= self.committed {
            self.snapped = (term, index);
        }
        let index = if planted(Bug::CheckpointAhead) { index.next() } else { index };
        Snapshot { shard: self.id, term, index, state: self.broker.encode() }
    }
}
