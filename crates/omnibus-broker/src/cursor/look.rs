//! Questions about a queue, which change nothing.

use std::collections::BTreeMap;

use omnibus_model::queue::{Dying, Holding, Move, Origin, QueueCounts, QueueTraffic, RecordState};
use omnibus_model::{Bug, HolderId, Offset, Timestamp, planted};

use super::passed::Passed;
use super::{Cursor, Place, Record};

impl Cursor {
    /// Counts the records by where they are.
    pub(crate) fn counts(&self) -> QueueCounts {
        let on_path = self.horizon.0 - self.next.0 - self.aside.len();
        let beyond = self.end.0 - self.horizon.0 - self.ahead.len();
        QueueCounts {
            ready: self.ready.len() as u64 + self.groups.waiting() + on_path + beyond,
            leased: self.leased,
            delayed: self.delayed + self.delays.len() + self.maturing.len() as u64,
            dying: self.dying.len() as u64,
            enqueued: self.tallies.enqueued,
            rewound: self.tallies.rewound,
            settled: self.tallies.settled,
            expired: self.tallies.expired,
            dropped: self.tallies.dropped,
            dead_lettered: self.tallies.dead_lettered,
            moved: self.tallies.moved,
            purged: self.tallies.purged,
        }
    }

    /// What has come and what has passed through.
    pub(crate) const fn traffic(&self) -> QueueTraffic {
        let Passed { leased, taken, redelivered, accepted } = self.passed;
        QueueTraffic { enqueued: self.tallies.enqueued, leased, taken, redelivered, accepted }
    }

    /// Whether the envelopes of all records were looked at.
    pub(crate) fn has_looked_at_all(&self) -> bool {
        self.horizon.0 + self.ahead.len() == self.end.0
    }

    /// The first record that is not gone; all before it may be forgotten.
    pub(crate) fn floor(&self) -> Offset {
        let kept = |(_, record): &(&Offset, &Record)| {
            !(planted(Bug::FloorPastLeases) && matches!(record.place, Place::Leased { .. }))
        };
        let known = self.records.iter().find(kept).map(|(offset, _)| *offset);
        let maturing = self.maturing.front().map(|(_, offset, _)| *offset);
        let firsts = [known, self.delays.first(), maturing, self.groups.first_waiting()];
        firsts.into_iter().flatten().fold(self.next, Offset::min)
    }

    /// Whether an acquire would find something.
    pub(crate) fn has_ready(&self) -> bool {
        self.leased < u64::from(self.config.leases_max) && self.has_turn()
    }

    /// What is known of one record.
    pub(crate) fn state_of(&self, offset: Offset) -> RecordState {
        let states = self.peek(offset, offset.plus(1), 1);
        states.first().map_or(RecordState::Absent, |(_, state)| *state)
    }

    /// The first records from `from` to before `to` that are not gone. It may look at all that have
    /// a group.
    pub(crate) fn peek(&self, from: Offset, to: Offset, count_max: usize) -> Vec<(Offset, RecordState)> {
        let fresh = RecordState::Ready { delivery_count: 0 };
        let delayed = |until: Timestamp| RecordState::Delayed { until, delivery_count: 0 };
        let mut found = BTreeMap::new();
        let waiting = self.groups.iter().map(|(_, offset)| (offset, fresh));
        found.extend(waiting.filter(|(offset, _)| *offset >= from));
        found.extend(self.delays.far_from(from).map(|(offset, until)| (offset, delayed(until))));
        let soon = self.delays.soon_from(from).map(|(offset, soon)| (offset, delayed(soon.until)));
        found.extend(soon.take(count_max));
        let maturing = self.maturing.iter().filter(|(_, offset, _)| *offset >= from);
        found.extend(maturing.map(|(at, offset, _)| (*offset, delayed(at.plus(self.config.delay)))).take(count_max));
        let plain = from.max(self.next)..self.end;
        let path = (plain.start.0..plain.end.0.min(to.0)).map(Offset).filter(|offset| self.is_fresh(*offset));
        found.extend(path.map(|offset| (offset, fresh)).take(count_max));
        // Last, because what is ready again in a group is known better here.
        let known = self.records.range(from..).take(count_max);
        found.extend(known.map(|(offset, record)| (*offset, record.state(*offset))));
        found.into_iter().take_while(|(offset, _)| *offset < to).take(count_max).collect()
    }

    /// The first records from an offset on that are on their way out.
    pub(crate) fn dying(&self, from: Offset, count_max: usize) -> Vec<Dying> {
        let dying = self.dying.range(from..).take(count_max).map(|offset| self.records[offset].state(*offset));
        dying.filter_map(|state| if let RecordState::Dying(dying) = state { Some(dying) } else { None }).collect()
    }

    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.repeats.origins()
    }

    /// How many records somebody holds.
    pub(crate) fn held(&self, holder: HolderId) -> usize {
        self.holders.get(&holder).map_or(0, std::collections::BTreeSet::len)
    }

    pub(crate) fn holdings(&self) -> Vec<Holding> {
        let holding = |(holder, held): (&_, &std::collections::BTreeSet<Offset>)| Holding {
            holder: *holder,
            leases: held.len() as u64,
        };
        self.holders.iter().map(holding).collect()
    }
}

impl Record {
    const fn state(&self, offset: Offset) -> RecordState {
        let delivery_count = self.delivery_count;
        match self.place {
            Place::Leased { until, .. } => RecordState::Leased(self.lease(offset, until)),
            Place::Ready { .. } => RecordState::Ready { delivery_count },
            Place::Delayed { until } => RecordState::Delayed { until, delivery_count },
            Place::Dying { cause, since } => RecordState::Dying(Dying {
                offset,
                cause,
                delivery_count,
                first_delivered_at: if delivery_count > 0 { Some(self.first_delivered_at) } else { None },
                died_at: since,
            }),
        }
    }
}
