//! Taking leases.

use omnibus_model::command::Acquire;
use omnibus_model::outcome::{Acquired, Applied};
use omnibus_model::queue::{DeadLetterCause, Lease, LeaseKey};
use omnibus_model::{Bug, GroupHash, HolderId, LeaseEpoch, Offset, Outcome, Refusal, Timestamp, planted};

use super::{Cursor, Place, Record};

/// Which record is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A plain one that was looked at before.
    Again(Offset),
    /// The first plain one that was never handed out.
    Fresh(Offset),
    /// The first of a group.
    Group(GroupHash, Offset),
}

/// A receive while it collects.
struct Grant {
    now: Timestamp,
    terms: Terms,
    count_max: u64,
    leases: Vec<Lease>,
    died: bool,
}

/// What becomes of a record that is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terms {
    Leased {
        until: Timestamp,
        holder: Option<HolderId>,
    },
    /// It is done at once.
    Done,
}

impl Grant {
    fn is_full(&self) -> bool {
        self.leases.len() as u64 >= self.count_max
    }
}

impl Cursor {
    pub(crate) fn acquire(&mut self, now: Timestamp, wish: &Acquire) -> Result<Applied, Refusal> {
        if let Some((granted_at, leases)) = self.repeat(now, wish) {
            return Ok(Applied::changed(Outcome::Acquired(Acquired { leases, granted_at, dying: false })));
        }
        let max = self.config.leases_max;
        let room = u64::from(max).saturating_sub(self.leased);
        if room == 0 && !self.is_ordered() {
            return Err(Refusal::LeasesFull { max });
        }
        let terms = Terms::Leased { until: now.plus(wish.lease), holder: wish.holder };
        let applied = self.hand_out(now, terms, room.min(u64::from(wish.count_max)));
        if let (Some(attempt), Outcome::Acquired(acquired)) = (wish.attempt, &applied.outcome)
            && !acquired.leases.is_empty()
        {
            let leases = acquired.leases.iter().map(|lease| (lease.key, lease.deadline)).collect();
            self.repeats.note_attempt(now, attempt, leases);
        }
        Ok(applied)
    }

    /// Hands out the next records as done.
    pub(crate) fn take_done(&mut self, now: Timestamp, count_max: u32) -> Applied {
        self.hand_out(now, Terms::Done, u64::from(count_max))
    }

    fn hand_out(&mut self, now: Timestamp, terms: Terms, count_max: u64) -> Applied {
        let dying = self.dying.len();
        let mut grant = Grant { now, terms, count_max, leases: Vec::new(), died: false };
        while !grant.is_full() {
            let Some(turn) = self.next_turn() else { break };
            self.take_turn(&mut grant, turn);
        }
        let Grant { leases, died, .. } = grant;
        let changed = died || !leases.is_empty();
        let acquired = Acquired { leases, granted_at: now, dying: self.dying.len() > dying };
        Applied { outcome: Outcome::Acquired(acquired), changed }
    }

    /// Which record is next: the lowest rank, but busy tenants after all others.
    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        self.groups.refresh(self.leased);
        let fresh = (self.next < self.horizon).then_some(self.next);
        let again = self.ready.first().filter(|(at, _)| fresh.is_none_or(|fresh| at.before <= fresh));
        let plain = match again {
            Some((at, offset)) => Some((at.before, Turn::Again(*offset))),
            None => fresh.map(|offset| (offset, Turn::Fresh(offset))),
        };
        let group = self.groups.first_ready().map(|(at, offset, group)| (at.before, Turn::Group(group, offset)));
        let noisy = || self.groups.first_noisy().map(|(offset, group)| Turn::Group(group, offset));
        match (plain, group) {
            (Some((rank, _)), Some((other, turn))) if other < rank => Some(turn),
            (Some((_, turn)), _) | (None, Some((_, turn))) => Some(turn),
            (None, None) => noisy(),
        }
    }

    /// Whether a record could be taken, if more may be on lease.
    pub(crate) fn has_turn(&self) -> bool {
        self.next < self.horizon || !self.ready.is_empty() || self.groups.has_ready()
    }

    fn take_turn(&mut self, grant: &mut Grant, turn: Turn) {
        match turn {
            Turn::Again(offset) => {
                let record = self.take(offset).expect("what is ready is known");
                self.deliver(grant, offset, record);
                if let Some(group) = record.group {
                    self.groups.list(group, self.leased);
                }
            }
            Turn::Fresh(offset) => {
                self.set_aside(offset);
                self.deliver(grant, offset, Record::fresh(offset, None));
            }
            Turn::Group(group, _) => self.take_group(grant, group),
        }
    }

    /// Takes one record of a tenant; of a group that is in order, as many as follow each other.
    fn take_group(&mut self, grant: &mut Grant, group: GroupHash) {
        let forgotten = planted(Bug::BarrierForgotten);
        let barrier = if forgotten { Offset(u64::MAX) } else { self.groups.barrier(group) };
        while let Some(offset) = self.groups.pop(group, barrier) {
            let record = self.records.remove(&offset).unwrap_or(Record::fresh(offset, Some(group)));
            self.deliver(grant, offset, record);
            if grant.is_full() || !self.is_ordered() {
                break;
            }
        }
        self.groups.list(group, self.leased);
    }

    /// Hands out a record that was taken, unless it has been delivered too often or for too long.
    fn deliver(&mut self, grant: &mut Grant, offset: Offset, record: Record) {
        let worn_out = self.config.deliveries_max.is_some_and(|max| record.delivery_count >= max);
        let over = self.has_expired(grant.now, offset) && !planted(Bug::ExpiryUnread);
        if worn_out || over {
            let cause = if over { DeadLetterCause::Expired } else { DeadLetterCause::Exhausted };
            self.die(grant.now, offset, record, cause);
            grant.died = true;
            return;
        }
        self.epoch_last = LeaseEpoch(self.epoch_last.0 + 1);
        let first_delivered_at = if record.delivery_count == 0 { grant.now } else { record.first_delivered_at };
        let record = Record {
            delivery_count: record.delivery_count.saturating_add(1),
            first_delivered_at,
            epoch: self.epoch_last,
            ..record
        };
        self.passed.redelivered += u64::from(record.delivery_count > 1);
        match grant.terms {
            Terms::Leased { until, holder } => {
                self.passed.leased += 1;
                self.put_leased(offset, Record { place: Place::Leased { until, holder }, ..record });
                grant.leases.push(record.lease(offset, until));
            }
            Terms::Done => {
                self.passed.taken += 1;
                self.forget(offset, record.group);
                self.sizes.remove(offset);
                self.tallies.settled += u64::from(!planted(Bug::TakeUntallied));
                grant.leases.push(record.lease(offset, grant.now));
            }
        }
    }

    /// The leases of an attempt that is repeated, with fresh deadlines, and when they were granted;
    /// nothing if anything has happened to any of them.
    fn repeat(&mut self, now: Timestamp, wish: &Acquire) -> Option<(Timestamp, Vec<Lease>)> {
        let id = wish.attempt?;
        let attempt = self.repeats.attempt(now, id)?;
        let (granted_at, keys) = (attempt.granted_at(), attempt.leases.clone());
        let untouched = |(key, deadline): &(LeaseKey, Timestamp)| {
            let record = self.records.get(&key.offset);
            let leased = |record: &Record| matches!(record.place, Place::Leased { until, .. } if until == *deadline);
            record.is_some_and(|record| record.epoch == key.epoch && leased(record))
        };
        if !keys.iter().all(untouched) {
            return None;
        }
        let deadline = now.plus(wish.lease);
        let renew = |(key, _): &(LeaseKey, Timestamp)| self.renew(key.offset, deadline);
        let leases = keys.iter().map(renew).collect();
        self.repeats.renew_attempt(id, deadline);
        Some((granted_at, leases))
    }

    /// Lets a lease last until another time.
    pub(super) fn renew(&mut self, offset: Offset, until: Timestamp) -> Lease {
        let record = self.take(offset).expect("who renews has looked");
        let holder = match record.place {
            Place::Leased { holder, .. } => holder,
            Place::Ready { .. } | Place::Delayed { .. } | Place::Dying { .. } => None,
        };
        let place = match record.place {
            Place::Leased { .. } if planted(Bug::ExtensionNotKept) => record.place,
            _ => Place::Leased { until, holder },
        };
        self.put_leased(offset, Record { place, ..record });
        if let Some(group) = record.group {
            self.groups.list(group, self.leased);
        }
        record.lease(offset, until)
    }
}

impl Record {
    pub(super) const fn lease(&self, offset: Offset, deadline: Timestamp) -> Lease {
        Lease {
            key: LeaseKey { offset, epoch: self.epoch },
            delivery_count: self.delivery_count,
            first_delivered_at: self.first_delivered_at,
            deadline,
        }
    }
}
