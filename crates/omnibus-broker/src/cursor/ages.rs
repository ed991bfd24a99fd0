//! When records came: runs of offsets, each with the time of its first.

use std::collections::VecDeque;

use omnibus_model::{Millis, Offset, Timestamp};
use serde::{Deserialize, Serialize};

/// So many runs are told apart by the millisecond; what comes then counts as up to a thousandth of the span older.
const EXACT_MAX: usize = 4_096;
const SPAN_PARTS: u64 = 1_024;

/// Oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ages(VecDeque<(Timestamp, Offset)>);

impl Ages {
    /// Notes that all records from an offset on came now or later, for those that stay for `span`.
    pub(super) fn note(&mut self, now: Timestamp, from: Offset, span: Millis) {
        let is_near = |newest: Timestamp| match self.0.len() {
            0..EXACT_MAX => newest >= now,
            _ => newest.plus(Millis(span.0 / SPAN_PARTS)) >= now,
        };
        if !self.0.back().is_some_and(|(newest, _)| is_near(*newest)) {
            self.0.push_back((now, from));
        }
    }

    /// When the oldest records came.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.0.front().map(|(came, _)| *came)
    }

    /// Whether a record came so long ago. What has been forgotten here is not.
    pub(super) fn is_aged(&self, now: Timestamp, offset: Offset, span: Millis) -> bool {
        let behind = self.0.partition_point(|(_, from)| *from <= offset);
        behind.checked_sub(1).is_some_and(|run| self.0[run].0.plus(span) <= now)
    }

    /// Where the records begin that came later than the oldest ones, which came so long ago.
    pub(super) fn aged_before(&self, now: Timestamp, span: Millis, end: Offset) -> Option<Offset> {
        let (came, _) = self.0.front().filter(|(came, _)| came.plus(span) <= now)?;
        let younger = self.0.iter().find(|(other, _)| other > came);
        Some(younger.map_or(end, |(_, from)| *from))
    }

    /// Forgets the oldest records, as far as they have gone; says whether that changes anything.
    pub(super) fn forget_before(&mut self, before: Offset) -> bool {
        let changed = self.0.front().is_some_and(|(_, from)| *from < before);
        while let Some((came, _)) = self.0.front().copied().filter(|(_, from)| *from < before) {
            self.0.pop_front();
            if self.0.front().is_none_or(|(_, from)| *from > before) {
                self.0.push_front((came, before));
            }
        }
        changed
    }

    /// Forgets the oldest run, all of which has gone.
    pub(super) fn forget_oldest(&mut self) {
        self.0.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Millis = Millis(1_000);

    #[test]
    fn ages_are_exact_until_there_are_many_and_early_by_a_thousandth_then() {
        let mut ages = Ages::default();
        for record in 0..20_000 {
            ages.note(Timestamp(i64::try_from(record).unwrap() * 10), Offset(record), Millis(1_000_000));
        }
        assert!(ages.0.len() < 6_000);
        for record in 0..20_000_u64 {
            let due = i64::try_from(record).unwrap() * 10 + 1_000_000;
            assert!(ages.is_aged(Timestamp(due), Offset(record), Millis(1_000_000)));
            assert!(!ages.is_aged(Timestamp(due - 1_000), Offset(record), Millis(1_000_000)));
        }
    }

    #[test]
    fn what_has_gone_is_forgotten_and_the_rest_of_its_run_keeps_its_age() {
        let mut ages = Ages::default();
        ages.note(Timestamp(5), Offset(0), SPAN);
        ages.note(Timestamp(5), Offset(3), SPAN);
        ages.note(Timestamp(7), Offset(6), SPAN);
        assert_eq!(ages.aged_before(Timestamp(1_004), SPAN, Offset(9)), None);
        assert_eq!(ages.aged_before(Timestamp(1_005), SPAN, Offset(9)), Some(Offset(6)));
        assert!(ages.forget_before(Offset(4)));
        assert!(ages.is_aged(Timestamp(1_005), Offset(5), SPAN) && !ages.is_aged(Timestamp(1_005), Offset(3), SPAN));
        assert!(!ages.forget_before(Offset(4)));
        assert!(ages.forget_before(Offset(6)));
        assert_eq!(ages.aged_before(Timestamp(1_007), SPAN, Offset(9)), Some(Offset(9)));
    }
}
