//! What happens by itself when its time has come.

use omnibus_model::queue::DeadLetterCause;
use omnibus_model::{Bug, Offset, Timestamp, planted};

use super::{Cursor, Place, Record};

impl Cursor {
    /// Returns when something happens by itself.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = [
            self.timers.first().map(|(at, _)| *at),
            self.delays.next_deadline(),
            self.expiries.next_deadline(),
            self.maturing.front().map(|(at, _, _)| at.plus(self.config.delay)),
            self.repeats.next_deadline(),
            self.limits_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Lets up to `items_max` things happen; returns how many did.
    pub(crate) fn tick(&mut self, now: Timestamp, items_max: u32) -> u32 {
        let mut done = 0;
        while done < items_max {
            if !self.tick_one(now) {
                done += self.overflow(now, items_max - done);
                return done + self.repeats.tick(now, items_max - done);
            }
            done += 1;
        }
        done
    }

    /// Lets one thing happen; false if nothing is due.
    fn tick_one(&mut self, now: Timestamp) -> bool {
        if let Some((_, offset)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            let record = self.take(offset).expect("a timer is of a record");
            let forgotten = planted(Bug::CountForgotten) && matches!(record.place, Place::Leased { .. });
            let record = if forgotten { Record::fresh(offset, record.group) } else { record };
            self.put_back(now, offset, record);
        } else if let Some((offset, group)) = self.delays.pop_due(now) {
            self.mature(now, offset, group);
        } else if let Some((offset, at)) = self.expiries.pop_due(now) {
            self.expire(now, offset, at);
        } else if self.maturing.front().is_some_and(|(at, _, _)| at.plus(self.config.delay) <= now) {
            let (_, offset, group) = self.maturing.pop_front().expect("there was a first");
            self.mature(now, offset, Some(group));
        } else {
            return self.expire_aged(now) || self.delays.call_up(now);
        }
        true
    }

    fn expire(&mut self, now: Timestamp, offset: Offset, at: Timestamp) {
        match self.records.get(&offset).map(|record| record.place) {
            Some(Place::Leased { .. }) => self.expiries.note_over(offset, at),
            Some(Place::Dying { .. }) => {}
            Some(Place::Ready { .. } | Place::Delayed { .. }) | None => {
                if let Some(record) = self.pull(offset) {
                    self.die(now, offset, record, DeadLetterCause::Expired);
                }
            }
        }
    }
}
