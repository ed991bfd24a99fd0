//! Records that belong to groups: whose turn it is.
//!
//! In an ordered queue a group's records go in order: its first one only while no earlier one is
//! away. If that one came back undone, the group may stand behind others, so that a record that
//! nobody can work on does not hold up the rest. In a standard queue groups are tenants: those that
//! keep much of the queue busy go last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use omnibus_model::queue::DeliveryOrder;
use omnibus_model::{Bug, GroupHash, LeaseEpoch, Offset, planted};
use serde::{Deserialize, Serialize};

/// A tenant with fewer records out on lease is never noisy.
const NOISY_LEASES_MIN: u32 = 30;
/// A tenant is noisy with more than one in so many of the records that are out on lease.
const NOISY_SHARE: u64 = 10;

/// Every group with a record that is not gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GroupIndex {
    order: DeliveryOrder,
    groups: BTreeMap<GroupHash, Group>,
    /// Groups whose first record can be taken, by that record.
    ready: BTreeSet<(Offset, GroupHash)>,
    /// Groups whose first record can be taken and stands elsewhere than where it lies.
    again: BTreeSet<(Standing, GroupHash)>,
    /// Where the records stand that came back and went behind others.
    back: BTreeMap<Offset, Standing>,
    /// Those that must wait until no other is ready, by their records out on lease.
    noisy: BTreeSet<(u32, Offset, GroupHash)>,
    /// Records in groups that are neither leased nor delayed.
    waiting: u64,
}

/// Where a ready record stands in its queue: before another one, and there among those that came
/// back by the age of their leases, so that they take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) before: Offset,
    pub(super) leased: LeaseEpoch,
}

impl Standing {
    /// A record's own place, behind those that stand before it.
    pub(super) const fn own(offset: Offset) -> Self {
        Self { before: offset, leased: LeaseEpoch(u64::MAX) }
    }
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    /// In order.
    waiting: VecDeque<Offset>,
    /// Of an ordered queue, in order: what is leased or delayed, and so holds up what is behind.
    away: Vec<Offset>,
    leased: u32,
    listed: Listed,
}

/// In which list a group stands, and at which place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Listed {
    #[default]
    Not,
    Ready(Offset),
    Again(Standing),
    Noisy(u32, Offset),
}

impl GroupIndex {
    pub(super) const fn new(order: DeliveryOrder) -> Self {
        Self {
            order,
            groups: BTreeMap::new(),
            ready: BTreeSet::new(),
            again: BTreeSet::new(),
            back: BTreeMap::new(),
            noisy: BTreeSet::new(),
            waiting: 0,
        }
    }

    pub(super) const fn waiting(&self) -> u64 {
        self.waiting
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.again.is_empty() || !self.noisy.is_empty()
    }

    /// How many records a group has here, waiting or out on lease.
    pub(super) fn len_of(&self, group: GroupHash) -> usize {
        self.groups.get(&group).map_or(0, |group| group.waiting.len() + group.leased as usize)
    }

    /// The group that is next: where it stands, and its first record.
    pub(super) fn first_ready(&self) -> Option<(Standing, Offset, GroupHash)> {
        let fresh = self.ready.first().map(|(first, hash)| (Standing::own(*first), *first, *hash));
        let again = self.again.first().filter(|(at, _)| fresh.is_none_or(|(own, ..)| *at < own));
        again.map_or(fresh, |(at, hash)| Some((*at, self.groups[hash].first_free()?, *hash)))
    }

    /// Where a waiting record stands.
    pub(super) fn standing(&self, offset: Offset) -> Standing {
        self.back.get(&offset).copied().unwrap_or(Standing::own(offset))
    }

    /// The least busy of the noisy groups, and its first record.
    pub(super) fn first_noisy(&self) -> Option<(Offset, GroupHash)> {
        self.noisy.first().map(|(_, offset, group)| (*offset, *group))
    }

    /// The first record that no record of the group may overtake; the end of all if none.
    pub(super) fn barrier(&self, group: GroupHash) -> Offset {
        let away = self.groups.get(&group).and_then(|group| group.away.first());
        away.copied().unwrap_or(Offset(u64::MAX))
    }

    /// Adds a record that waits.
    pub(super) fn push(&mut self, group: GroupHash, offset: Offset, leased: u64) {
        let waiting = &mut self.groups.entry(group).or_default().waiting;
        let place = waiting.partition_point(|other| *other < offset);
        waiting.insert(place, offset);
        self.waiting += 1;
        self.list(group, leased);
    }

    /// Adds a record that came back, and stands elsewhere with its group.
    pub(super) fn push_back(&mut self, group: GroupHash, (offset, standing): (Offset, Standing), leased: u64) {
        self.back.insert(offset, standing);
        self.push(group, offset, leased);
    }

    /// Takes the group's first record if it lies before `barrier`. The group has to be listed
    /// anew afterwards.
    pub(super) fn pop(&mut self, group: GroupHash, barrier: Offset) -> Option<Offset> {
        let waiting = &mut self.groups.get_mut(&group)?.waiting;
        let offset = *waiting.front().filter(|first| **first < barrier)?;
        waiting.pop_front();
        self.waiting -= 1;
        self.back.remove(&offset);
        Some(offset)
    }

    /// Takes a record that waits, wherever it is in its group.
    pub(super) fn remove(&mut self, group: GroupHash, offset: Offset, leased: u64) {
        let waiting = &mut self.groups.get_mut(&group).expect("the record's group is known").waiting;
        let place = waiting.binary_search(&offset).expect("the record waits in its group");
        waiting.remove(place);
        self.waiting -= 1;
        self.back.remove(&offset);
        self.list(group, leased);
    }

    /// Takes a record that waits, of whatever group: it looks at all.
    pub(super) fn find(&self, offset: Offset) -> Option<GroupHash> {
        let holds = |(_, group): &(&GroupHash, &Group)| group.waiting.binary_search(&offset).is_ok();
        self.groups.iter().find(holds).map(|(hash, _)| *hash)
    }

    /// Notes that a record is away. The group has to be listed anew afterwards.
    pub(super) fn depart(&mut self, group: GroupHash, offset: Offset, away: Away) {
        if self.ignores(away) {
            return;
        }
        let group = self.groups.entry(group).or_default();
        group.leased += u32::from(away == Away::Leased);
        if self.order == DeliveryOrder::Ordered {
            let place = group.away.partition_point(|other| *other < offset);
            group.away.insert(place, offset);
        }
    }

    /// Notes that a record is not away any more.
    pub(super) fn come_back(&mut self, hash: GroupHash, offset: Offset, away: Away, leased: u64) {
        if self.ignores(away) {
            return;
        }
        let group = self.groups.get_mut(&hash).expect("the record's group is known");
        group.leased -= u32::from(away == Away::Leased);
        if self.order == DeliveryOrder::Ordered {
            let place = group.away.binary_search(&offset).expect("the record was away");
            group.away.remove(place);
        }
        self.list(hash, leased);
    }

    /// A tenant does not wait for a record that is delayed.
    fn ignores(&self, away: Away) -> bool {
        away == Away::Delayed && (self.order == DeliveryOrder::Standard || planted(Bug::DelayFreesGroup))
    }

    /// Puts a group into the list it belongs to, where `leased` of all records are out on lease.
    pub(super) fn list(&mut self, hash: GroupHash, leased: u64) {
        let Some(group) = self.groups.get_mut(&hash) else { return };
        let listed = match group.place(self.order, leased) {
            Listed::Ready(first) => self.back.get(&first).map_or(Listed::Ready(first), |at| Listed::Again(*at)),
            listed => listed,
        };
        if listed != group.listed {
            match std::mem::replace(&mut group.listed, listed) {
                Listed::Not => {}
                Listed::Ready(first) => drop(self.ready.remove(&(first, hash))),
                Listed::Again(standing) => drop(self.again.remove(&(standing, hash))),
                Listed::Noisy(busy, first) => drop(self.noisy.remove(&(busy, first, hash))),
            }
            match listed {
                Listed::Not => {}
                Listed::Ready(first) => drop(self.ready.insert((first, hash))),
                Listed::Again(standing) => drop(self.again.insert((standing, hash))),
                Listed::Noisy(busy, first) => drop(self.noisy.insert((busy, first, hash))),
            }
        }
        if group.waiting.is_empty() && group.away.is_empty() && group.leased == 0 {
            self.groups.remove(&hash);
        }
    }

    /// Looks again at those whose turn it would be, where `leased` of all records are out on
    /// lease: a share changes when others' leases do.
    pub(super) fn refresh(&mut self, leased: u64) {
        if self.order == DeliveryOrder::Ordered {
            return;
        }
        while let Some((_, hash)) = self.first_noisy().filter(|(_, hash)| !self.groups[hash].is_noisy(leased)) {
            self.list(hash, leased);
        }
        while let Some((.., hash)) = self.first_ready().filter(|(.., hash)| self.groups[hash].is_noisy(leased)) {
            self.list(hash, leased);
        }
    }

    /// Takes every record that waits before an offset; returns them by group.
    pub(super) fn take_before(&mut self, before: Offset, leased: u64) -> Vec<(GroupHash, Offset)> {
        let late: Vec<GroupHash> = self
            .groups
            .iter()
            .filter(|(_, group)| group.waiting.front().is_some_and(|first| *first < before))
            .map(|(hash, _)| *hash)
            .collect();
        let mut taken = Vec::new();
        for hash in late {
            while let Some(offset) = self.pop(hash, before) {
                taken.push((hash, offset));
            }
            self.list(hash, leased);
        }
        taken
    }

    /// Takes every record that waits from an offset on; returns how many.
    pub(super) fn take_from(&mut self, from: Offset, leased: u64) -> Vec<Offset> {
        let mut taken = Vec::new();
        let hashes: Vec<GroupHash> = self.groups.keys().copied().collect();
        for hash in hashes {
            let waiting = &mut self.groups.get_mut(&hash).expect("the group was just listed").waiting;
            let place = waiting.partition_point(|offset| *offset < from);
            taken.extend(waiting.drain(place..));
            self.list(hash, leased);
        }
        self.waiting -= taken.len() as u64;
        taken
    }

    /// Every record that waits, group by group.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupHash, Offset)> {
        self.groups.iter().flat_map(|(hash, group)| group.waiting.iter().map(|offset| (*hash, *offset)))
    }

    /// The first record of a group that is held up by none. Those that came back are known by
    /// themselves.
    pub(super) fn first_waiting(&self) -> Option<Offset> {
        let noisy = self.noisy.iter().map(|(_, offset, _)| *offset).min();
        self.ready.first().map(|(offset, _)| *offset).into_iter().chain(noisy).min()
    }

    /// Checks that lists and groups agree.
    pub(super) fn audit(&self) {
        let mut waiting = 0;
        for (hash, group) in &self.groups {
            waiting += group.waiting.len() as u64;
            assert!(group.waiting.iter().is_sorted(), "a group is in order");
            assert!(!group.waiting.is_empty() || group.leased > 0 || !group.away.is_empty(), "no group is empty");
            let listed = match group.listed {
                Listed::Not => true,
                Listed::Ready(first) => self.ready.contains(&(first, *hash)) && !self.back.contains_key(&first),
                Listed::Again(standing) => self.again.contains(&(standing, *hash)),
                Listed::Noisy(busy, first) => self.noisy.contains(&(busy, first, *hash)),
            };
            assert!(listed, "a group stands where it says");
            let free = group.first_free();
            match group.listed {
                Listed::Not => assert!(free.is_none(), "{free:?} could be taken"),
                Listed::Ready(first) | Listed::Noisy(_, first) => {
                    assert_eq!(Some(first), free, "a group is listed by its first record");
                }
                Listed::Again(standing) => {
                    assert_eq!(Some(standing), free.map(|first| self.standing(first)), "a group stands with its first");
                }
            }
        }
        assert_eq!(waiting, self.waiting, "records that wait are counted");
        let listed = self.groups.values().filter(|group| group.listed != Listed::Not).count();
        assert_eq!(listed, self.ready.len() + self.again.len() + self.noisy.len(), "nothing is listed twice");
        assert!(self.back.keys().all(|offset| self.find(*offset).is_some()), "who came back waits");
    }
}

/// How a record is away from its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    Leased,
    Delayed,
}

impl Group {
    fn place(&self, order: DeliveryOrder, leased: u64) -> Listed {
        match self.first_free() {
            None => Listed::Not,
            Some(first) if order == DeliveryOrder::Standard && self.is_noisy(leased) => {
                Listed::Noisy(self.leased, first)
            }
            Some(first) => Listed::Ready(first),
        }
    }

    fn first_free(&self) -> Option<Offset> {
        let first = *self.waiting.front()?;
        self.away.first().is_none_or(|away| first < *away).then_some(first)
    }

    fn is_noisy(&self, leased: u64) -> bool {
        self.leased >= NOISY_LEASES_MIN && u64::from(self.leased) * NOISY_SHARE > leased
    }
}
