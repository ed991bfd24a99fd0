//! Checks what the parts of a queue promise one another, by a walk through all of it.

use std::collections::BTreeSet;

use omnibus_model::Offset;
use omnibus_model::batch::StreamBounds;
use omnibus_model::queue::RecordState;

use super::{Cursor, NEVER, Place};

impl Cursor {
    /// # Panics
    /// If a promise is broken.
    pub(crate) fn audit(&self, bounds: StreamBounds) {
        assert_eq!(self.end, bounds.end, "a queue sees all of its stream");
        assert!(self.next <= self.horizon && self.horizon <= self.end, "a queue looks in order");
        assert!(bounds.start <= self.floor(), "nothing is trimmed that is not gone");
        self.groups.audit();
        self.delays.audit();
        self.audit_records();
        self.audit_places();
        self.audit_sizes();
        assert!(self.counts().add_up(), "no record got lost: {:?}", self.counts());
    }

    fn audit_records(&self) {
        let (mut leased, mut delayed, mut timers, mut held) = (0, 0, 0, 0);
        for (offset, record) in &self.records {
            match record.place {
                Place::Leased { until, holder } => {
                    leased += 1;
                    timers += usize::from(until < NEVER);
                    assert!(until == NEVER || self.timers.contains(&(until, *offset)), "the lease of {offset} ends");
                    held += usize::from(holder.is_some());
                    assert!(holder.is_none_or(|holder| self.holders[&holder].contains(offset)), "{offset} is held");
                }
                Place::Delayed { until } => {
                    delayed += 1;
                    timers += 1;
                    assert!(self.timers.contains(&(until, *offset)), "the delay of {offset} ends");
                }
                Place::Ready { rank } => match self.group_of(*offset, record.group, rank) {
                    None => {
                        let standing = record.standing(*offset, rank);
                        assert!(self.ready.contains(&(standing, *offset)), "{offset} can be taken");
                    }
                    Some(group) => {
                        assert_eq!(self.groups.find(*offset), Some(group), "{offset} waits");
                        let standing = record.standing(*offset, rank);
                        assert_eq!(self.groups.standing(*offset), standing, "{offset} stands where it came back");
                    }
                },
                Place::Dying { .. } => assert!(self.dying.contains(offset), "{offset} dies"),
            }
        }
        assert_eq!((leased, delayed), (self.leased, self.delayed), "records are counted");
        assert_eq!(timers, self.timers.len(), "no timer is left over");
        assert_eq!(held, self.holders.values().map(BTreeSet::len).sum::<usize>(), "no holder is left over");
        let ready = self.records.values().filter(|record| matches!(record.place, Place::Ready { .. })).count();
        let waiting = self.groups.iter().filter(|(_, offset)| self.records.contains_key(offset)).count();
        assert_eq!(ready, self.ready.len() + waiting, "what can be taken is there once");
    }

    /// Lengths are known of records that are there.
    fn audit_sizes(&self) {
        let place = |offset: Offset| self.records.get(&offset).map(|record| record.place);
        self.sizes.audit(|offset| matches!(place(offset), Some(Place::Leased { .. })));
        for offset in self.sizes.offsets() {
            let state = self.state_of(offset);
            let is_there = !matches!(state, RecordState::Absent | RecordState::Dying(_));
            assert!(is_there, "the length of {offset} is known, which is {state:?}");
        }
    }

    /// Every record is in one place, and off the path of plain ones unless it is on it.
    fn audit_places(&self) {
        let mut seen = BTreeSet::new();
        let mut note = |offset: Offset| assert!(seen.insert(offset), "{offset} is in one place");
        self.records.keys().copied().for_each(&mut note);
        self.delays.soon_from(Offset::ZERO).for_each(|(offset, _)| note(offset));
        self.delays.far_from(Offset::ZERO).for_each(|(offset, _)| note(offset));
        self.maturing.iter().for_each(|(_, offset, _)| note(*offset));
        self.groups.iter().filter(|(_, offset)| !self.records.contains_key(offset)).for_each(|(_, it)| note(it));
        for offset in &seen {
            assert!(!self.is_fresh(*offset), "{offset} is not taken for a plain one");
        }
        assert!(self.aside.first().is_none_or(|first| first > self.next), "the path begins with a plain record");
        assert!(self.aside.last().is_none_or(|last| last < self.horizon), "what is aside was looked at");
        assert!(self.ahead.first().is_none_or(|first| first >= self.horizon), "what is ahead is beyond");
        assert!(self.ahead.last().is_none_or(|last| last < self.end), "what is ahead is there");
        for offset in self.expiries.offsets() {
            assert!(offset < self.end, "what expires is there");
        }
        let known = self.records.values().filter(|record| record.group.is_some()).count();
        let waiting = self.groups.iter().filter(|(_, offset)| !self.records.contains_key(offset)).count();
        let soon = self.delays.soon_from(Offset::ZERO).filter(|(_, soon)| soon.group.is_some()).count();
        assert_eq!((known + waiting + soon + self.maturing.len()) as u64, self.grouped, "groups are counted");
    }
}
