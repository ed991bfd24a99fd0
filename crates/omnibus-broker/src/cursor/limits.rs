//! What a queue gives up because it has too much, or has had it for too long.

use omnibus_model::outcome::Applied;
use omnibus_model::queue::{DeadLetterCause, DeadLetters, Overflow, QueueLimits};
use omnibus_model::{Offset, Outcome, Refusal, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Cursor;
use super::ages::Ages;
use super::sizes::Sizes;

/// The most records that one command makes too many; a tick goes on with the others.
pub(crate) const OVERFLOW_AT_ONCE: u32 = 1_000;

/// The most records that may be on their way out because of their age or their number.
pub(super) const DYING_MAX: usize = 1_000;

/// Whose records a queue's bounds count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bounds {
    #[default]
    Own,
    /// Those of all partitions of its queue; whoever knows them all sees to it.
    Together,
}

/// What a queue has that its bounds count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// That are ready, if that matters.
    records: u64,
    /// Of what is neither leased nor on its way out, if that matters.
    bytes: u64,
    /// How many are on their way out.
    dying: usize,
}

impl Load {
    pub(crate) const fn with(self, (count, bytes): (u32, u32)) -> Self {
        Self { records: self.records + count as u64, bytes: self.bytes + bytes as u64, ..self }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        let Self { records, bytes, dying } = other;
        Self { records: self.records + records, bytes: self.bytes + bytes, dying: self.dying + dying }
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        let Self { records, bytes, dying } = other;
        Self { records: self.records - records, bytes: self.bytes - bytes, dying: self.dying - dying }
    }

    pub(crate) fn exceeds(self, limits: &QueueLimits) -> bool {
        limits.records_max.is_some_and(|max| self.records > max) || limits.bytes_max.is_some_and(|max| self.bytes > max)
    }
}

impl Cursor {
    pub(crate) const fn limits(&self) -> &QueueLimits {
        &self.limits
    }

    pub(crate) const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Counts by itself from now on.
    pub(crate) fn part(&mut self) {
        self.bounds = Bounds::Own;
    }

    /// Acts on other limits from now on. What is there already came now, and its bytes do not count.
    pub(crate) fn limit(&mut self, now: Timestamp, (limits, bounds): (QueueLimits, Bounds)) -> Applied {
        let changed = (self.limits, self.bounds) != (limits, bounds);
        self.bounds = bounds;
        if limits.ttl.is_none() {
            self.ages = Ages::default();
        } else if self.limits.ttl.is_none() && self.end > Offset::ZERO {
            self.ages.note(now, Offset::ZERO, limits.ttl.unwrap_or_default());
        }
        if limits.bytes_max.is_none() {
            self.sizes = Sizes::default();
        }
        self.limits = limits;
        Applied { outcome: Outcome::CursorConfigured, changed }
    }

    /// Says whether there is room for so many more records, if what comes is refused otherwise.
    pub(crate) fn check_room(&self, stream: StreamId, coming: (u32, u32)) -> Result<(), Refusal> {
        let refuses = self.bounds == Bounds::Own && self.limits.overflow == Overflow::RefuseNewest;
        if refuses && self.lacks_room(coming) { Err(Refusal::QueueFull { stream }) } else { Ok(()) }
    }

    /// Whether the queue would have too much with so many more records and bytes.
    fn lacks_room(&self, coming: (u32, u32)) -> bool {
        self.load().with(coming).exceeds(&self.limits)
    }

    /// What it has that bounds count.
    pub(crate) fn load(&self) -> Load {
        // Counting looks at more than one place.
        let records = if self.limits.records_max.is_some() { self.counts().ready } else { 0 };
        Load { records, bytes: self.sizes.unleased(), dying: self.dying.len() }
    }

    /// Whether something is to be given up of a queue that has so much in all.
    pub(crate) fn is_too_much(&self, load: Load) -> bool {
        let is_crowded = self.fate(DeadLetterCause::Overflow) == DeadLetters::Moved && load.dying >= DYING_MAX;
        self.limits.overflow == Overflow::DropOldest && load.exceeds(&self.limits) && !is_crowded
    }

    /// Gives up what is too much, up to so many records; returns how many.
    pub(crate) fn overflow(&mut self, now: Timestamp, count_max: u32) -> u32 {
        let mut count = 0;
        while count < count_max && self.overflows() && self.give_up(now) {
            count += 1;
        }
        count
    }

    /// Gives up what would be handed out next; false if there is nothing.
    pub(crate) fn give_up(&mut self, now: Timestamp) -> bool {
        let Some((offset, record)) = self.take_next(self.end) else { return false };
        self.die(now, offset, record, DeadLetterCause::Overflow);
        true
    }

    /// When something is too much or too old by itself.
    pub(super) fn limits_deadline(&self) -> Option<Timestamp> {
        let overflows = (self.overflows() && self.has_turn()).then_some(Timestamp(0));
        let ages = self.ages.oldest().zip(self.limits.ttl).filter(|_| !self.is_crowded(DeadLetterCause::Expired));
        overflows.or_else(|| ages.map(|(came, ttl)| came.plus(ttl)))
    }

    /// Lets the oldest records expire that have been here for too long; false if there are none, or they must wait.
    pub(super) fn expire_aged(&mut self, now: Timestamp) -> bool {
        let Some(ttl) = self.limits.ttl else { return false };
        let Some(before) = self.ages.aged_before(now, ttl, self.end) else { return false };
        if self.is_crowded(DeadLetterCause::Expired) {
            return false;
        }
        let Outcome::Expired { before: reached, .. } = self.expire_before(now, before).outcome else {
            unreachable!("expiring ends in an expiry");
        };
        if reached < before {
            return self.ages.forget_before(reached);
        }
        self.ages.forget_oldest();
        true
    }

    /// Whether a record has been here for too long.
    pub(super) fn is_aged(&self, now: Timestamp, offset: Offset) -> bool {
        self.limits.ttl.is_some_and(|ttl| self.ages.is_aged(now, offset, ttl))
    }

    /// Notes that records came.
    pub(super) fn note_limited(&mut self, now: Timestamp, base: Offset, (count, bytes): (u32, u32)) {
        if let Some(ttl) = self.limits.ttl {
            self.ages.note(now, base, ttl);
        }
        if self.limits.bytes_max.is_some() {
            self.sizes.add(base, count, bytes);
        }
    }

    fn overflows(&self) -> bool {
        self.bounds == Bounds::Own && self.limits.are_bounds() && self.is_too_much(self.load())
    }

    /// Whether as many records as may be are on their way to where a cause takes them.
    fn is_crowded(&self, cause: DeadLetterCause) -> bool {
        self.fate(cause) == DeadLetters::Moved && self.dying.len() >= DYING_MAX
    }
}
