//! Looking at records whose envelopes the queue did not see, or did not keep.

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::Admit;
use omnibus_model::outcome::Applied;
use omnibus_model::queue::Admission;
use omnibus_model::{Bug, Offset, Outcome, Timestamp, planted};

use super::Cursor;

/// The most records that are asked for at a time.
const AT_ONCE: u64 = 5_000;

impl Cursor {
    /// The records whose envelopes the leader shall read from the log and bring, if any.
    pub(crate) fn wants_admission(&self) -> Option<StreamBounds> {
        let wanted = self.delays.wanted();
        if let Some(start) = wanted.first() {
            return Some(StreamBounds { start, end: wanted.absent_from(start).min(start.plus(AT_ONCE)) });
        }
        if self.horizon == self.end || self.is_full() {
            return None;
        }
        let max = u64::from(self.config.grouped_max);
        let room = max - self.grouped;
        // Not one by one as others go, unless nobody could go on.
        let worth = room >= max.div_ceil(4) || !self.has_turn();
        let end = self.end.min(self.horizon.plus(room.min(AT_ONCE)));
        worth.then_some(StreamBounds { start: self.horizon, end })
    }

    pub(crate) fn admit(&mut self, now: Timestamp, admit: &Admit) -> Applied {
        let sound = admit.from < admit.to && admit.to <= self.end && admit.records.is_sorted_by_key(|it| it.offset);
        let changed = match sound {
            true if admit.from == self.horizon => self.admit_next(now, admit),
            true => self.admit_wanted(now, admit),
            false => false,
        };
        Applied { outcome: Outcome::Admitted { horizon: self.horizon }, changed }
    }

    /// Counts all records before `to` as looked at; those that were ahead are aside now.
    pub(super) fn look_up_to(&mut self, to: Offset) {
        let ahead: Vec<(Offset, Offset)> = self.ahead.between(self.horizon, to).collect();
        self.ahead.remove_range(self.horizon, to);
        ahead.into_iter().for_each(|(start, end)| self.aside.insert_range(start, end));
        self.horizon = to;
        if let Some(end) = self.aside.take_run(self.next) {
            self.next = end;
        }
    }

    /// Looks as far as can be seen without the log: behind the last that is not plain.
    pub(super) fn look_on(&mut self) {
        if self.special.is_none_or(|(_, last)| last < self.horizon) {
            self.look_up_to(self.end);
        }
    }

    fn admit_next(&mut self, now: Timestamp, admit: &Admit) -> bool {
        self.look_up_to(admit.to);
        for Admission { offset, envelope, enqueued_at } in &admit.records {
            let seen = *offset < self.next || self.aside.contains(*offset);
            if (!seen || planted(Bug::AdmittedTwice)) && *offset < admit.to {
                self.look_at(now, *offset, envelope, *enqueued_at);
            }
        }
        self.look_on();
        true
    }

    fn admit_wanted(&mut self, now: Timestamp, admit: &Admit) -> bool {
        let wanted = self.delays.wanted().from(admit.from).take_while(|offset| *offset < admit.to);
        let wanted: Vec<Offset> = wanted.collect();
        for offset in &wanted {
            self.delays.take_wanted(*offset);
            let found = admit.records.binary_search_by_key(offset, |record| record.offset);
            let envelope = found.map(|place| admit.records[place].envelope).unwrap_or_default();
            let due = envelope.deliver_at.is_none_or(|at| at <= now);
            if due && envelope.group.is_none() {
                if let Some(expires_at) = envelope.expires_at {
                    self.expiries.add(*offset, expires_at);
                }
                self.mature(now, *offset, None);
            } else {
                self.look_at(now, *offset, &envelope, now);
            }
        }
        !wanted.is_empty()
    }
}
