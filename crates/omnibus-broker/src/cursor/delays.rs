//! Records that wait for their time without ever having been delivered, and those whose time ends.
//!
//! What is due soon is known to the millisecond. Beyond that, and beyond the first few thousand,
//! a queue knows only in which minute a record is due: a minute's records are runs of offsets.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::{Bug, GroupHash, Millis, Offset, Timestamp, planted};
use serde::{Deserialize, Serialize};

use crate::runs::Runs;

const MINUTE: i64 = 60_000;
/// So many records are known exactly whenever they are due.
const EXACT_MAX: usize = 10_000;
/// So many records have an expiry that is known exactly.
const EXPIRIES_MAX: usize = 100_000;

/// A minute since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Minute(i64);

impl Minute {
    const fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(MINUTE))
    }

    const fn begin(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MINUTE))
    }

    const fn end(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1).saturating_mul(MINUTE))
    }
}

/// Records that were never ready yet.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delays {
    soon: BTreeMap<Offset, Soon>,
    timers: BTreeSet<(Timestamp, Offset)>,
    later: BTreeMap<Minute, Runs>,
    /// What will be due shortly, but when exactly only the log knows.
    wanted: Runs,
    /// How many are in `later` and `wanted`.
    far: u64,
}

/// A record whose time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Soon {
    pub(super) until: Timestamp,
    pub(super) group: Option<GroupHash>,
}

impl Delays {
    pub(super) fn len(&self) -> u64 {
        self.soon.len() as u64 + self.far
    }

    /// Whether a record that is due then shall be known exactly.
    pub(super) fn is_soon(&self, now: Timestamp, until: Timestamp) -> bool {
        self.soon.len() < EXACT_MAX || Minute::of(until).0 <= Minute::of(now).0 + 1
    }

    pub(super) fn add(&mut self, offset: Offset, soon: Soon) {
        self.soon.insert(offset, soon);
        self.timers.insert((soon.until, offset));
    }

    pub(super) fn add_later(&mut self, offset: Offset, until: Timestamp) {
        self.later.entry(Minute::of(until)).or_default().insert(offset);
        self.far += 1;
    }

    pub(super) fn soon_from(&self, from: Offset) -> impl Iterator<Item = (Offset, Soon)> {
        self.soon.range(from..).map(|(offset, soon)| (*offset, *soon))
    }

    /// Records that are known roughly, from `from` on, with the earliest time they are due.
    pub(super) fn far_from(&self, from: Offset) -> impl Iterator<Item = (Offset, Timestamp)> {
        let wanted = self.wanted.from(from).map(|offset| (offset, Timestamp(0)));
        let later = self.later.iter().flat_map(move |(minute, runs)| {
            let begin = minute.begin();
            runs.from(from).map(move |offset| (offset, begin))
        });
        wanted.chain(later)
    }

    pub(super) fn first(&self) -> Option<Offset> {
        let later = self.later.values().filter_map(Runs::first);
        self.soon.keys().next().copied().into_iter().chain(later).chain(self.wanted.first()).min()
    }

    /// The records whose envelopes have to be read.
    pub(super) const fn wanted(&self) -> &Runs {
        &self.wanted
    }

    /// Returns whether the record was wanted.
    pub(super) fn take_wanted(&mut self, offset: Offset) -> bool {
        let taken = self.wanted.remove(offset);
        self.far -= u64::from(taken);
        taken
    }

    /// Takes one record, wherever it is.
    pub(super) fn take(&mut self, offset: Offset) -> Option<Option<GroupHash>> {
        if let Some(soon) = self.soon.remove(&offset) {
            self.timers.remove(&(soon.until, offset));
            return Some(soon.group);
        }
        if self.take_wanted(offset) {
            return Some(None);
        }
        let minute = self.later.iter().find(|(_, runs)| runs.contains(offset)).map(|(minute, _)| *minute)?;
        let runs = self.later.get_mut(&minute).expect("the minute was just found");
        runs.remove(offset);
        if runs.is_empty() {
            self.later.remove(&minute);
        }
        self.far -= 1;
        Some(None)
    }

    /// Takes all records from `from` to before `to`; returns each with its group, if known.
    pub(super) fn take_between(&mut self, from: Offset, to: Offset) -> Vec<(Offset, Option<GroupHash>)> {
        let soon = self.soon_from(from).map(|(offset, _)| offset).take_while(|offset| *offset < to);
        let far = self.far_from(from).map(|(offset, _)| offset).filter(|offset| *offset < to);
        let offsets: Vec<Offset> = soon.chain(far).collect();
        let mut take = |offset| (offset, self.take(offset).expect("the record was just seen"));
        offsets.into_iter().map(&mut take).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let exact = self.timers.first().map(|(at, _)| *at);
        let later = self.later.keys().next().map(|minute| Self::call_time(*minute));
        exact.into_iter().chain(later).min()
    }

    /// Takes a record that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Offset, Option<GroupHash>)> {
        let slack = if planted(Bug::DelayRounded) { 999 } else { 0 };
        let (_, offset) = *self.timers.first().filter(|(at, _)| at.minus(Millis(slack)) <= now)?;
        Some((offset, self.take(offset).expect("a timer is of a record")))
    }

    /// Calls up a minute whose records will be due; false if none is.
    pub(super) fn call_up(&mut self, now: Timestamp) -> bool {
        let Some(entry) = self.later.first_entry().filter(|entry| Self::call_time(*entry.key()) <= now) else {
            return false;
        };
        let runs = entry.remove();
        for (start, end) in runs.between(Offset::ZERO, Offset(u64::MAX)) {
            self.wanted.insert_range(start, end);
        }
        true
    }

    /// A minute is called up one minute before it begins.
    const fn call_time(minute: Minute) -> Timestamp {
        Minute(minute.0 - 1).begin()
    }

    pub(super) fn audit(&self) {
        assert_eq!(self.soon.len(), self.timers.len(), "no timer is left over");
        for (offset, soon) in &self.soon {
            assert!(self.timers.contains(&(soon.until, *offset)), "the delay of {offset} ends");
        }
        let far = self.later.values().map(Runs::len).sum::<u64>() + self.wanted.len();
        assert_eq!(far, self.far, "what is far is counted");
    }
}

/// When records are not worth delivering any more.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expiries {
    /// Of records that are not gone, also of those that are on lease when it comes.
    by_offset: BTreeMap<Offset, Timestamp>,
    timers: BTreeSet<(Timestamp, Offset)>,
    /// Beyond the first many: which records are over when a minute is. Some may be gone.
    roughly: BTreeMap<Minute, Runs>,
}

impl Expiries {
    pub(super) fn add(&mut self, offset: Offset, at: Timestamp) {
        if self.by_offset.len() < EXPIRIES_MAX {
            self.by_offset.insert(offset, at);
            self.timers.insert((at, offset));
        } else {
            self.roughly.entry(Minute::of(at)).or_default().insert(offset);
        }
    }

    /// Notes that a record on lease is over when it comes back.
    pub(super) fn note_over(&mut self, offset: Offset, at: Timestamp) {
        self.by_offset.entry(offset).or_insert(at);
    }

    pub(super) fn is_over(&self, now: Timestamp, offset: Offset) -> bool {
        self.by_offset.get(&offset).is_some_and(|at| *at <= now)
    }

    pub(super) fn forget(&mut self, offset: Offset) {
        if self.by_offset.is_empty() {
            return;
        }
        if let Some(at) = self.by_offset.remove(&offset) {
            self.timers.remove(&(at, offset));
        }
    }

    /// Returns whether there was anything to forget.
    pub(super) fn forget_between(&mut self, from: Offset, to: Offset) -> bool {
        let gone: Vec<Offset> = self.by_offset.range(from..to).map(|(offset, _)| *offset).collect();
        let mut any = !gone.is_empty();
        gone.into_iter().for_each(|offset| self.forget(offset));
        self.roughly.retain(|_, runs| {
            let before = runs.len();
            runs.remove_range(from, to);
            any |= runs.len() < before;
            !runs.is_empty()
        });
        any
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let exact = self.timers.first().map(|(at, _)| *at);
        let rough = self.roughly.keys().next().map(|minute| minute.end());
        exact.into_iter().chain(rough).min()
    }

    /// Takes the timer of a record that is over by now, and when it was.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Offset, Timestamp)> {
        if let Some((at, offset)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, offset));
            return Some((offset, at));
        }
        let mut entry = self.roughly.first_entry().filter(|entry| entry.key().end() <= now)?;
        let at = entry.key().end();
        let offset = entry.get().first().expect("a minute has records");
        entry.get_mut().remove(offset);
        if entry.get().is_empty() {
            entry.remove();
        }
        Some((offset, at))
    }

    /// The records that are known to expire, for audits.
    pub(super) fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.by_offset.keys().copied()
    }
}
