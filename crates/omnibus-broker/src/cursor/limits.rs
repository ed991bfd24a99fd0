//! What a queue gives up because it has too much, or has had it for too long.

use omnibus_model::outcome::Applied;
use omnibus_model::queue::{DeadLetterCause, DeadLetters, Overflow, QueueLimits};
use omnibus_model::{Offset, Outcome, Refusal, StreamId, Timestamp};

use super::Cursor;
use super::ages::Ages;
use super::sizes::Sizes;

/// The most records that one command makes too many; a tick goes on with the others.
pub(crate) const OVERFLOW_AT_ONCE: u32 = 1_000;

/// The most records that may be on their way out because of their age or their number.
pub(super) const DYING_MAX: usize = 1_000;

impl Cursor {
    pub(crate) const fn limits(&self) -> &QueueLimits {
        &self.limits
    }

    /// Acts on other limits from now on. What is there already came now, and its bytes do not count.
    pub(crate) fn limit(&mut self, now: Timestamp, limits: QueueLimits) -> Applied {
        let changed = self.limits != limits;
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
    pub(crate) fn check_room(&self, stream: StreamId, (count, bytes): (u32, u32)) -> Result<(), Refusal> {
        let is_refused = self.limits.overflow == Overflow::RefuseNewest && self.lacks_room(count, bytes);
        if is_refused { Err(Refusal::QueueFull { stream }) } else { Ok(()) }
    }

    /// Whether the queue would have too much with so many more records.
    pub(crate) fn lacks_room(&self, count: u32, bytes: u32) -> bool {
        let QueueLimits { records_max, bytes_max, .. } = self.limits;
        let full = |max: Option<u64>, has: u64| max.is_some_and(|max| has > max);
        // Counting looks at more than one place.
        (records_max.is_some() && full(records_max, self.counts().ready + u64::from(count)))
            || full(bytes_max, self.sizes.unleased() + u64::from(bytes))
    }

    /// Gives up what is too much, up to so many records; returns how many.
    pub(crate) fn overflow(&mut self, now: Timestamp, count_max: u32) -> u32 {
        let mut count = 0;
        while count < count_max && self.overflows() {
            let Some((offset, record)) = self.take_next(self.end) else { break };
            self.die(now, offset, record, DeadLetterCause::Overflow);
            count += 1;
        }
        count
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
        self.limits.overflow == Overflow::DropOldest
            && self.limits.are_bounds()
            && self.lacks_room(0, 0)
            && !self.is_crowded(DeadLetterCause::Overflow)
    }

    /// Whether as many records as may be are on their way to where a cause takes them.
    fn is_crowded(&self, cause: DeadLetterCause) -> bool {
        self.fate(cause) == DeadLetters::Moved && self.dying.len() >= DYING_MAX
    }
}
