//! Putting a record somewhere, and taking it from there: each place has its own indexes.

use omnibus_model::queue::{DeadLetterCause, DeadLetters};
use omnibus_model::{Bug, GroupHash, LeaseEpoch, Offset, Timestamp, planted};

use super::index::{Away, Standing};
use super::{Cursor, NEVER, Place, Record};

impl Record {
    /// A record that was never delivered.
    pub(super) const fn fresh(offset: Offset, group: Option<GroupHash>) -> Self {
        let place = Place::Ready { rank: offset };
        Self { delivery_count: 0, first_delivered_at: Timestamp(0), epoch: LeaseEpoch(0), group, place }
    }

    /// Where a record with a rank stands.
    pub(super) const fn standing(&self, offset: Offset, rank: Offset) -> Standing {
        if rank.0 == offset.0 { Standing::own(offset) } else { Standing { before: rank, leased: self.epoch } }
    }
}

impl Cursor {
    /// Takes a known record out of its place. It is still one of its group's.
    pub(super) fn take(&mut self, offset: Offset) -> Option<Record> {
        let record = self.records.remove(&offset)?;
        match record.place {
            Place::Leased { until, holder } => {
                self.leased -= 1;
                self.sizes.unlease(offset);
                self.timers.remove(&(until, offset));
                if let Some(holder) = holder {
                    let held = self.holders.get_mut(&holder).expect("a holder holds its leases");
                    held.remove(&offset);
                    if held.is_empty() {
                        self.holders.remove(&holder);
                    }
                }
                self.come_back(offset, record.group, Away::Leased);
            }
            Place::Delayed { until } => {
                self.delayed -= 1;
                self.timers.remove(&(until, offset));
                self.come_back(offset, record.group, Away::Delayed);
            }
            Place::Ready { rank } => match self.group_of(offset, record.group, rank) {
                Some(group) => self.groups.remove(group, offset, self.leased),
                None => drop(self.ready.remove(&(record.standing(offset, rank), offset))),
            },
            Place::Dying { .. } => drop(self.dying.remove(&offset)),
        }
        Some(record)
    }

    /// Leases a record that was taken. Its group has to be listed anew afterwards.
    pub(super) fn put_leased(&mut self, offset: Offset, record: Record) {
        let Place::Leased { until, holder } = record.place else {
            unreachable!("{offset} is leased");
        };
        if until < NEVER {
            self.timers.insert((until, offset));
        }
        if let Some(holder) = holder {
            self.holders.entry(holder).or_default().insert(offset);
        }
        if let Some(group) = record.group {
            self.groups.depart(group, offset, Away::Leased);
        }
        self.leased += 1;
        self.sizes.lease(offset);
        self.records.insert(offset, record);
    }

    /// Makes a record that was taken ready: at its place, or behind all others. In an ordered queue
    /// its group goes there with it.
    pub(super) fn put_ready(&mut self, offset: Offset, record: Record) {
        let was_held = matches!(record.place, Place::Leased { holder: Some(_), .. });
        let tired = self.config.back_after.is_some_and(|after| record.delivery_count >= after)
            || (was_held && planted(Bug::ReleasedToTheEnd));
        let rank = if tired { self.end } else { offset };
        let standing = record.standing(offset, rank);
        match self.group_of(offset, record.group, rank) {
            Some(group) if rank == offset => self.groups.push(group, offset, self.leased),
            Some(group) => self.groups.push_back(group, (offset, standing), self.leased),
            None => drop(self.ready.insert((standing, offset))),
        }
        self.records.insert(offset, Record { place: Place::Ready { rank }, ..record });
    }

    /// The group in whose list a ready record waits. A tenant's waits by itself once it is tired.
    pub(super) fn group_of(&self, offset: Offset, group: Option<GroupHash>, rank: Offset) -> Option<GroupHash> {
        group.filter(|_| rank == offset || self.is_ordered())
    }

    /// Holds back a record that was taken.
    pub(super) fn put_delayed(&mut self, offset: Offset, record: Record, until: Timestamp) {
        self.delayed += 1;
        self.timers.insert((until, offset));
        if let Some(group) = record.group {
            self.groups.depart(group, offset, Away::Delayed);
            self.groups.list(group, self.leased);
        }
        self.records.insert(offset, Record { place: Place::Delayed { until }, ..record });
    }

    /// Gives up a record that was taken: it leaves for where dead letters go, or is gone.
    pub(super) fn die(&mut self, now: Timestamp, offset: Offset, record: Record, cause: DeadLetterCause) {
        self.forget(offset, record.group);
        self.sizes.remove(offset);
        match self.fate(cause) {
            DeadLetters::Dropped => self.tally_dropped(cause, 1),
            DeadLetters::Moved => {
                self.dying.insert(offset);
                let place = Place::Dying { cause, since: now };
                self.records.insert(offset, Record { place, group: None, ..record });
            }
        }
    }

    /// Lets a record that was taken be there again, unless its time is over.
    pub(super) fn put_back(&mut self, now: Timestamp, offset: Offset, record: Record) {
        if self.is_over(now, offset) {
            self.die(now, offset, record, DeadLetterCause::Expired);
        } else {
            self.put_ready(offset, record);
        }
    }

    /// Whether a record is too old to come back.
    pub(super) fn is_over(&self, now: Timestamp, offset: Offset) -> bool {
        offset < self.retained || self.has_expired(now, offset)
    }

    /// Whether a record has been there for too long, by its own account or by the queue's.
    pub(crate) fn has_expired(&self, now: Timestamp, offset: Offset) -> bool {
        self.expiries.is_over(now, offset) || self.is_aged(now, offset)
    }

    /// Forgets what is remembered beside a record that leaves.
    pub(super) fn forget(&mut self, offset: Offset, group: Option<GroupHash>) {
        self.expiries.forget(offset);
        self.grouped -= u64::from(group.is_some());
    }

    /// Puts a record aside of the path of plain ones.
    pub(super) fn set_aside(&mut self, offset: Offset) {
        if offset >= self.horizon {
            self.ahead.insert(offset);
        } else if offset == self.next {
            self.next = self.aside.take_run(offset.plus(1)).unwrap_or(offset.plus(1));
        } else if offset > self.next {
            self.aside.insert(offset);
        }
    }

    /// Makes a record ready that was aside and never delivered.
    pub(super) fn mature(&mut self, now: Timestamp, offset: Offset, group: Option<GroupHash>) {
        let on_path = self.next < offset && offset < self.horizon;
        let over = self.is_over(now, offset);
        match group {
            _ if over => self.die(now, offset, Record::fresh(offset, group), DeadLetterCause::Expired),
            Some(group) => self.groups.push(group, offset, self.leased),
            None if on_path => drop(self.aside.remove(offset)),
            None => self.put_ready(offset, Record::fresh(offset, None)),
        }
    }

    fn come_back(&mut self, offset: Offset, group: Option<GroupHash>, away: Away) {
        if let Some(group) = group {
            self.groups.come_back(group, offset, away, self.leased);
        }
    }
}
