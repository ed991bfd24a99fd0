//! Ending leases, and letting them last longer.

use omnibus_model::outcome::Applied;
use omnibus_model::queue::{
    DeadLetterCause, Delivery, LateHolders, LeaseKey, LeaseRefusal, MoveState, Origin, Settlement,
};
use omnibus_model::{Bug, HolderId, LeaseEpoch, Millis, Offset, Outcome, Timestamp, planted};

use super::{Cursor, Place, Record};

impl Cursor {
    pub(crate) fn settle(&mut self, now: Timestamp, settlements: &[(LeaseKey, Settlement)]) -> Applied {
        let dying = self.dying.len();
        let settle = |(key, settlement): &(LeaseKey, Settlement)| self.settle_one(now, *key, *settlement);
        let results: Vec<Result<(), LeaseRefusal>> = settlements.iter().map(settle).collect();
        let changed = results.iter().any(Result::is_ok);
        Applied { outcome: Outcome::Settled { results, dying: self.dying.len() > dying }, changed }
    }

    pub(crate) fn extend(&mut self, now: Timestamp, leases: &[(LeaseKey, Millis)]) -> Applied {
        let before = self.epochs_and_deadlines(leases);
        let extend = |(key, span): &(LeaseKey, Millis)| self.extend_one(now, *key, *span);
        let results: Vec<Result<Timestamp, LeaseRefusal>> = leases.iter().map(extend).collect();
        let changed = before != self.epochs_and_deadlines(leases) && !planted(Bug::ExtensionUnlogged);
        Applied { outcome: Outcome::Extended { results }, changed }
    }

    /// Releases all that somebody holds.
    pub(crate) fn release_holder(&mut self, now: Timestamp, holder: HolderId) -> Applied {
        let count = self.let_go_of(now, holder);
        Applied { outcome: Outcome::HolderReleased { count }, changed: count > 0 }
    }

    /// Releases all that sessions hold; returns how much it was.
    pub(crate) fn end_sessions(&mut self, now: Timestamp) -> u64 {
        let sessions: Vec<HolderId> = self.holders.keys().copied().filter(|holder| holder.is_session()).collect();
        sessions.into_iter().map(|holder| self.let_go_of(now, holder)).sum()
    }

    /// Puts all that somebody holds where it belongs, in order; returns how much it was.
    fn let_go_of(&mut self, now: Timestamp, holder: HolderId) -> u64 {
        let held = self.holders.get(&holder).cloned().unwrap_or_default();
        for offset in &held {
            let record = self.take(*offset).expect("what is held is known");
            self.put_back(now, *offset, record);
        }
        held.len() as u64
    }

    /// Notes that a dying record has arrived where it goes.
    pub(crate) fn bury(&mut self, offset: Offset) -> Applied {
        let Some(Place::Dying { cause, .. }) = self.records.get(&offset).map(|record| record.place) else {
            return Applied::unchanged(Outcome::Buried);
        };
        self.take(offset).expect("the record was just looked at");
        match cause {
            DeadLetterCause::Moved(task) => {
                self.tallies.moved += 1;
                if let Some(task) = self.moves.iter_mut().find(|known| known.id == task) {
                    task.moved += 1;
                    if task.state == MoveState::Finishing && task.moved == task.taken {
                        task.state = MoveState::Completed;
                    }
                }
            }
            DeadLetterCause::Rejected
            | DeadLetterCause::Exhausted
            | DeadLetterCause::Expired
            | DeadLetterCause::Overflow => {
                self.tallies.dead_lettered += 1;
            }
        }
        Applied::changed(Outcome::Buried)
    }

    /// Says that nobody will bring the record of an origin again.
    pub(crate) fn forget_origin(&mut self, origin: Origin) -> Applied {
        Applied { outcome: Outcome::OriginForgotten, changed: self.repeats.forget_origin(origin) }
    }

    fn settle_one(&mut self, now: Timestamp, key: LeaseKey, settlement: Settlement) -> Result<(), LeaseRefusal> {
        self.check_held(key)?;
        let record = self.take(key.offset).expect("the record was just looked at");
        match settlement {
            Settlement::Accept => {
                self.passed.accepted += 1;
                self.forget(key.offset, record.group);
                self.sizes.remove(key.offset);
                let late = !matches!(record.place, Place::Leased { .. });
                self.tallies.settled += u64::from(!(late && planted(Bug::LateAcceptUntallied)));
            }
            Settlement::Release { delay, delivery } => self.give_back(now, key.offset, record, (delay, delivery)),
            Settlement::Reject => self.die(now, key.offset, record, DeadLetterCause::Rejected),
        }
        Ok(())
    }

    fn extend_one(&mut self, now: Timestamp, key: LeaseKey, span: Millis) -> Result<Timestamp, LeaseRefusal> {
        self.check_held(key)?;
        if span == Millis(0) {
            let record = self.take(key.offset).expect("the record was just looked at");
            self.give_back(now, key.offset, record, (span, Delivery::Counts));
            return Ok(now);
        }
        Ok(self.renew(key.offset, now.plus(span)).deadline)
    }

    fn check_held(&self, key: LeaseKey) -> Result<(), LeaseRefusal> {
        let Some(record) = self.records.get(&key.offset) else {
            return Err(if self.was_leased(key) { LeaseRefusal::AlreadySettled } else { LeaseRefusal::Unknown });
        };
        let late = self.config.late == LateHolders::Heard;
        match record.place {
            // It is not in the queue any more.
            Place::Dying { .. } => Err(LeaseRefusal::AlreadySettled),
            _ if record.epoch == LeaseEpoch(0) => Err(LeaseRefusal::Unknown),
            Place::Leased { .. } if record.epoch == key.epoch || planted(Bug::FormerHolderHeard) => Ok(()),
            Place::Leased { .. } => Err(LeaseRefusal::Lost { current: Some(record.epoch) }),
            Place::Ready { .. } if record.epoch == key.epoch && late => Ok(()),
            Place::Ready { .. } | Place::Delayed { .. } => Err(LeaseRefusal::Lost { current: None }),
        }
    }

    /// Whether a lease may have been of a record that is gone: it is not of the future.
    fn was_leased(&self, key: LeaseKey) -> bool {
        key.offset < self.end && key.epoch <= self.epoch_last && !self.is_fresh(key.offset)
    }

    /// Whether a record is a plain one that was never handed out.
    pub(super) fn is_fresh(&self, offset: Offset) -> bool {
        let on_path = self.next <= offset && offset < self.horizon && !self.aside.contains(offset);
        let beyond = self.horizon <= offset && offset < self.end && !self.ahead.contains(offset);
        on_path || beyond
    }

    fn give_back(&mut self, now: Timestamp, offset: Offset, record: Record, (delay, delivery): (Millis, Delivery)) {
        let delivery_count = match delivery {
            Delivery::Counts => record.delivery_count,
            Delivery::DidNotHappen => {
                self.passed.take_back(record.delivery_count);
                record.delivery_count.saturating_sub(1)
            }
        };
        let record = Record { delivery_count, ..record };
        if delay == Millis(0) || self.is_over(now, offset) {
            self.put_back(now, offset, record);
        } else {
            self.put_delayed(offset, record, now.plus(delay));
        }
    }

    /// What an extension may change.
    fn epochs_and_deadlines(&self, leases: &[(LeaseKey, Millis)]) -> Vec<Option<Record>> {
        leases.iter().map(|(key, _)| self.records.get(&key.offset).copied()).collect()
    }
}
