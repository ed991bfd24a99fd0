//! How long records are, for queues that may have only so many bytes.

use std::collections::BTreeMap;

use omnibus_model::Offset;
use serde::{Deserialize, Serialize};

/// The lengths of records that are in the queue. One that is not known counts as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sizes {
    by_offset: BTreeMap<Offset, u32>,
    /// Of all of them.
    bytes: u64,
    /// Of those on lease.
    leased: u64,
}

impl Sizes {
    /// Notes records that came together.
    pub(super) fn add(&mut self, base: Offset, count: u32, bytes: u32) {
        for place in 0..count {
            let size = bytes / count;
            self.by_offset.insert(base.plus(place.into()), size);
            self.bytes += u64::from(size);
        }
    }

    /// The bytes of all that are not on lease.
    pub(super) const fn unleased(&self) -> u64 {
        self.bytes - self.leased
    }

    pub(super) fn lease(&mut self, offset: Offset) {
        self.leased += self.of(offset);
    }

    pub(super) fn unlease(&mut self, offset: Offset) {
        self.leased -= self.of(offset);
    }

    /// Notes that a record is gone that is not on lease.
    pub(super) fn remove(&mut self, offset: Offset) {
        if self.by_offset.is_empty() {
            return;
        }
        self.bytes -= u64::from(self.by_offset.remove(&offset).unwrap_or(0));
    }

    /// Notes that the records before an offset are gone, but for those that stay.
    pub(super) fn remove_before(&mut self, before: Offset, stays: impl Fn(Offset) -> bool) {
        let gone = self.by_offset.range(..before).map(|(offset, _)| *offset).filter(|offset| !stays(*offset));
        gone.collect::<Vec<_>>().into_iter().for_each(|offset| self.remove(offset));
    }

    /// The records whose length is known, for audits.
    pub(super) fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.by_offset.keys().copied()
    }

    /// # Panics
    /// If something is counted wrongly.
    pub(super) fn audit(&self, is_leased: impl Fn(Offset) -> bool) {
        let sum =
            |sizes: &mut dyn Iterator<Item = (&Offset, &u32)>| sizes.map(|(_, size)| u64::from(*size)).sum::<u64>();
        assert_eq!(self.bytes, sum(&mut self.by_offset.iter()), "bytes are counted");
        let leased = sum(&mut self.by_offset.iter().filter(|(offset, _)| is_leased(**offset)));
        assert_eq!(self.leased, leased, "leased bytes are counted");
    }

    fn of(&self, offset: Offset) -> u64 {
        if self.by_offset.is_empty() { 0 } else { self.by_offset.get(&offset).copied().unwrap_or(0).into() }
    }
}
