//! Giving up many records at once, and bringing them back.

use omnibus_model::batch::StreamBounds;
use omnibus_model::outcome::Applied;
use omnibus_model::queue::{DeadLetterCause, DeadLetters, History, RecordState};
use omnibus_model::{Bug, Offset, Outcome, Refusal, Timestamp, planted};

use super::delays::{Delays, Expiries};
use super::index::GroupIndex;
use super::limits::DYING_MAX;
use super::sizes::Sizes;
use super::{Cursor, Place, Record};

/// Why all records before an offset go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    /// They are too old. What is on lease goes when it comes back.
    Expired,
    /// The stream begins later now.
    Trimmed,
}

impl Cursor {
    /// Gives up every record but the dying, and what was remembered for repetitions.
    pub(crate) fn purge(&mut self) -> Applied {
        let counts = self.counts();
        let count = counts.ready + counts.leased + counts.delayed;
        let forgot = self.repeats.forget_sends_and_attempts();
        let changed = count > 0 || forgot || self.horizon < self.end || self.expiries != Expiries::default();
        self.records.retain(|_, record| matches!(record.place, Place::Dying { .. }));
        self.ready.clear();
        self.timers.clear();
        self.delays = Delays::default();
        self.expiries = Expiries::default();
        self.maturing.clear();
        if !planted(Bug::PurgeSparesGroups) {
            self.groups = GroupIndex::new(self.config.order);
        }
        self.holders.clear();
        (self.leased, self.delayed, self.grouped) = (0, 0, 0);
        (self.next, self.horizon) = (self.end, self.end);
        self.aside.clear();
        self.ahead.clear();
        self.sizes = Sizes::default();
        self.tallies.purged += count;
        Applied { outcome: Outcome::Purged { count }, changed }
    }

    /// Makes every record from `to` on ready. Those on their way out stay so.
    pub(crate) fn rewind(&mut self, bounds: StreamBounds, to: Offset) -> Result<Applied, Refusal> {
        if self.config.history == History::Trimmed {
            return Err(Refusal::HistoryNotKept);
        }
        if to < bounds.start || to > bounds.end {
            return Err(Refusal::OffsetOutOfRange { offset: to, start: bounds.start, end: bounds.end });
        }
        let before = self.present();
        let known = self.forget_from(to);
        let (next, horizon, retained) = (self.next, self.horizon, self.retained);
        if to < self.horizon && self.special.is_some_and(|(_, last)| last >= to) {
            self.horizon = to;
        }
        self.next = self.next.min(to);
        self.retained = self.retained.min(to);
        let dying: Vec<Offset> = self.dying.range(to..).copied().collect();
        dying.into_iter().for_each(|offset| self.set_aside(offset));
        let count = self.present() - before;
        self.tallies.rewound += count;
        let moved = (next, horizon, retained) != (self.next, self.horizon, self.retained);
        Ok(Applied { outcome: Outcome::Rewound { count }, changed: known || moved || count > 0 })
    }

    /// Lets the records before an offset expire. Dead letters leave at a bounded rate.
    pub(crate) fn expire_before(&mut self, now: Timestamp, before: Offset) -> Applied {
        let before = before.min(self.end);
        let dying = self.dying.len();
        let present = (self.present(), self.retained);
        let reached = match self.config.expired {
            DeadLetters::Dropped => {
                self.sweep(now, before, Sweep::Expired);
                before
            }
            DeadLetters::Moved => self.bury_before(now, before),
        };
        self.retained = self.retained.max(reached);
        let dying = self.dying.len() > dying;
        let changed = dying || present != (self.present(), self.retained);
        Applied { outcome: Outcome::Expired { before: reached, dying }, changed }
    }

    /// Notes that the stream begins later now.
    pub(crate) fn trimmed(&mut self, now: Timestamp, start: Offset) {
        if self.floor() < start {
            let before = self.present();
            self.sweep(now, start, Sweep::Trimmed);
            self.tallies.purged += before - self.present();
        }
    }

    /// How many records are in the queue.
    fn present(&self) -> u64 {
        let counts = self.counts();
        counts.ready + counts.leased + counts.delayed + counts.dying
    }

    fn sweep(&mut self, now: Timestamp, before: Offset, why: Sweep) {
        let goes = |record: &Record| match record.place {
            Place::Leased { .. } | Place::Dying { .. } => why == Sweep::Trimmed,
            Place::Ready { .. } | Place::Delayed { .. } => true,
        };
        let known = self.records.range(..before).filter(|(_, record)| goes(record));
        let known: Vec<Offset> = known.map(|(offset, _)| *offset).collect();
        for offset in known {
            let record = self.take(offset).expect("the record was just seen");
            self.let_go(now, offset, record, why);
        }
        for (offset, group) in self.delays.take_between(Offset::ZERO, before) {
            self.let_go(now, offset, Record::fresh(offset, group), why);
        }
        let maturing = self.maturing.partition_point(|(_, offset, _)| *offset < before);
        for (_, offset, group) in self.maturing.drain(..maturing).collect::<Vec<_>>() {
            self.let_go(now, offset, Record::fresh(offset, Some(group)), why);
        }
        for (group, offset) in self.groups.take_before(before, self.leased) {
            self.let_go(now, offset, Record::fresh(offset, Some(group)), why);
        }
        self.expiries.forget_between(Offset::ZERO, before);
        self.sweep_plain(before, why);
        let records = &self.records;
        self.sizes.remove_before(before, |offset| records.contains_key(&offset));
    }

    /// Gives up the plain records that nobody has looked at singly.
    fn sweep_plain(&mut self, before: Offset, why: Sweep) {
        let on_path = before.min(self.horizon);
        let mut count = 0;
        if self.next < on_path {
            count += on_path.0 - self.next.0 - self.aside.count_between(self.next, on_path);
            self.aside.remove_range(self.next, on_path);
            self.next = self.aside.take_run(on_path).unwrap_or(on_path);
        }
        if self.horizon < before {
            count += before.0 - self.horizon.0 - self.ahead.count_between(self.horizon, before);
            self.ahead.remove_range(self.horizon, before);
            (self.next, self.horizon) = (before, before);
            self.look_on();
        }
        if why == Sweep::Expired {
            self.tallies.expired += count;
        }
    }

    fn let_go(&mut self, now: Timestamp, offset: Offset, record: Record, why: Sweep) {
        match why {
            Sweep::Expired => self.die(now, offset, record, DeadLetterCause::Expired),
            Sweep::Trimmed => self.forget(offset, record.group),
        }
    }

    /// Sends the first records before an offset on their way out; returns how far that went.
    fn bury_before(&mut self, now: Timestamp, before: Offset) -> Offset {
        let room = DYING_MAX.saturating_sub(self.dying.len());
        let dies = |state: &RecordState| matches!(state, RecordState::Ready { .. } | RecordState::Delayed { .. });
        let present = self.peek(Offset::ZERO, before, room + self.records.len() + 1);
        let mut old = present.into_iter().filter(|(_, state)| dies(state)).map(|(offset, _)| offset);
        for offset in old.by_ref().take(room) {
            let record = self.pull(offset).expect("the record was just seen");
            self.die(now, offset, record, DeadLetterCause::Expired);
        }
        old.next().unwrap_or(before)
    }

    /// Takes a record from wherever it waits; nothing if it is gone.
    pub(super) fn pull(&mut self, offset: Offset) -> Option<Record> {
        if let Some(record) = self.take(offset) {
            return Some(record);
        }
        if let Some(group) = self.delays.take(offset) {
            return Some(Record::fresh(offset, group));
        }
        if self.is_fresh(offset) {
            self.set_aside(offset);
            return Some(Record::fresh(offset, None));
        }
        if let Ok(place) = self.maturing.binary_search_by_key(&offset, |(_, offset, _)| *offset) {
            let (_, _, group) = self.maturing.remove(place)?;
            return Some(Record::fresh(offset, Some(group)));
        }
        let group = self.groups.find(offset)?;
        self.groups.remove(group, offset, self.leased);
        Some(Record::fresh(offset, Some(group)))
    }

    /// Forgets all that is known of records from an offset on, but for the dying; returns whether
    /// there was anything.
    fn forget_from(&mut self, from: Offset) -> bool {
        let stays = |record: &Record| matches!(record.place, Place::Dying { .. });
        let known = self.records.range(from..).filter(|(_, record)| !stays(record));
        let known: Vec<Offset> = known.map(|(offset, _)| *offset).collect();
        let mut any = !known.is_empty();
        for offset in known {
            let record = self.take(offset).expect("the record was just seen");
            self.forget(offset, record.group);
        }
        for (offset, group) in self.delays.take_between(from, Offset(u64::MAX)) {
            any = true;
            self.forget(offset, group);
        }
        let kept = self.maturing.partition_point(|(_, offset, _)| *offset < from);
        let waiting = self.groups.take_from(from, self.leased).len() + self.maturing.len() - kept;
        self.maturing.truncate(kept);
        self.grouped -= waiting as u64;
        any |= self.expiries.forget_between(from, Offset(u64::MAX)) || waiting > 0;
        let aside = self.aside.len() + self.ahead.len();
        self.aside.remove_range(from, Offset(u64::MAX));
        self.ahead.remove_range(from, Offset(u64::MAX));
        any | (aside > self.aside.len() + self.ahead.len())
    }
}
