//! Ending leases, and letting them last longer.

use omnibus_model::outcome::Applied;
use omnibus_model::queue::{DeadLetters, Delivery, LateHolders, LeaseKey, LeaseRefusal, Settlement};
use omnibus_model::{Millis, Offset, Outcome, Timestamp};

use super::{Cursor, Place, Record};

impl Cursor {
    pub(crate) fn settle(&mut self, now: Timestamp, settlements: &[(LeaseKey, Settlement)]) -> Applied {
        let settle = |(key, settlement): &(LeaseKey, Settlement)| self.settle_one(now, *key, *settlement);
        let results: Vec<Result<(), LeaseRefusal>> = settlements.iter().map(settle).collect();
        let changed = results.iter().any(Result::is_ok);
        Applied { outcome: Outcome::Settled { results, dying: false }, changed }
    }

    pub(crate) fn extend(&mut self, now: Timestamp, leases: &[(LeaseKey, Millis)]) -> Applied {
        let extend = |(key, span): &(LeaseKey, Millis)| self.extend_one(now, *key, *span);
        let results: Vec<Result<Timestamp, LeaseRefusal>> = leases.iter().map(extend).collect();
        let changed = results.iter().any(Result::is_ok);
        Applied { outcome: Outcome::Extended { results }, changed }
    }

    fn settle_one(&mut self, now: Timestamp, key: LeaseKey, settlement: Settlement) -> Result<(), LeaseRefusal> {
        let record = self.take_held(key)?;
        match settlement {
            Settlement::Accept => self.tallies.settled += 1,
            Settlement::Release { delay, delivery } => self.give_back(now, key.offset, record, (delay, delivery)),
            Settlement::Reject => self.reject(),
        }
        Ok(())
    }

    fn extend_one(&mut self, now: Timestamp, key: LeaseKey, span: Millis) -> Result<Timestamp, LeaseRefusal> {
        let record = self.take_held(key)?;
        if span == Millis(0) {
            self.give_back(now, key.offset, record, (span, Delivery::Counts));
            return Ok(now);
        }
        let until = now.plus(span);
        let holder = match record.place {
            Place::Leased { holder, .. } => holder,
            Place::Ready { .. } | Place::Delayed { .. } => None,
        };
        self.lease(key.offset, Record { place: Place::Leased { until, holder }, ..record }, until);
        Ok(until)
    }

    /// Takes a record out of its place if the lease still counts.
    fn take_held(&mut self, key: LeaseKey) -> Result<Record, LeaseRefusal> {
        self.check_held(key)?;
        Ok(self.take(key.offset).expect("the record was just looked at"))
    }

    fn check_held(&self, key: LeaseKey) -> Result<(), LeaseRefusal> {
        let Some(record) = self.records.get(&key.offset) else {
            return Err(if self.is_gone(key.offset) { LeaseRefusal::AlreadySettled } else { LeaseRefusal::Unknown });
        };
        let late = self.config.late == LateHolders::Heard;
        match record.place {
            Place::Leased { .. } if record.epoch == key.epoch => Ok(()),
            Place::Leased { .. } => Err(LeaseRefusal::Lost { current: Some(record.epoch) }),
            Place::Ready { .. } if record.epoch == key.epoch && late => Ok(()),
            Place::Ready { .. } | Place::Delayed { .. } => Err(LeaseRefusal::Lost { current: None }),
        }
    }

    fn is_gone(&self, offset: Offset) -> bool {
        offset < self.next
    }

    fn give_back(&mut self, now: Timestamp, offset: Offset, record: Record, (delay, delivery): (Millis, Delivery)) {
        let delivery_count = match delivery {
            Delivery::Counts => record.delivery_count,
            Delivery::DidNotHappen => record.delivery_count.saturating_sub(1),
        };
        let record = Record { delivery_count, ..record };
        if delay == Millis(0) {
            self.put_ready(offset, record);
        } else {
            self.put_delayed(offset, record, now.plus(delay));
        }
    }

    fn reject(&mut self) {
        match self.config.dead_letters {
            DeadLetters::Dropped | DeadLetters::Moved => self.tallies.dropped += 1,
        }
    }
}
