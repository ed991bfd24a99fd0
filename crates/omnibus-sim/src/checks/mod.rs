//! The rules, one file each. A checker sees facts, remembers what it needs, and says when its
//! rule does not hold.

mod acknowledged_is_kept;
mod answers_are_history;
mod bytes_are_as_written;
mod clean_end_leaves_nothing;
mod committed_offsets_stay;
mod compacted_stays_gone;
mod counts_add_up;
mod dead_letters_arrive_once;
mod deleted_stays_deleted;
mod deleted_topics_are_forgotten;
mod deliveries_are_counted;
mod everything_is_answered;
mod generations_grow;
mod highest_goes_first;
mod identities_are_fresh;
mod lowest_goes_first;
mod nothing_after_a_failed_write;
mod nothing_early_or_late;
mod nothing_twice;
mod offsets_are_dense;
mod one_holder_each;
mod one_owner_each;
mod offsets_are_fresh;
mod only_committed_is_read;
mod reads_go_on;
mod records_are_kept;
mod replay_has_no_gap;
mod replay_repeats_history;
mod rot_is_told;
mod sent_once;
mod streams_begin_where_trimmed;

use std::fmt::Debug;

use crate::fact::Fact;
use crate::oracle::Oracle;
use crate::violation::Violation;

/// One rule.
pub(crate) trait Check: Debug {
    /// The rule in a few words.
    fn rule(&self) -> &'static str;

    /// Looks at a fact.
    ///
    /// # Errors
    /// How the rule was broken.
    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String>;
}

/// All rules.
#[derive(Debug)]
pub(crate) struct Checks {
    all: Vec<Box<dyn Check>>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            all: vec![
                Box::new(acknowledged_is_kept::AcknowledgedIsKept),
                Box::new(nothing_twice::NothingTwice),
                Box::new(offsets_are_dense::OffsetsAreDense),
                Box::new(bytes_are_as_written::BytesAreAsWritten),
                Box::new(only_committed_is_read::OnlyCommittedIsRead),
                Box::new(offsets_are_fresh::OffsetsAreFresh),
                Box::new(streams_begin_where_trimmed::StreamsBeginWhereTrimmed),
                Box::new(deleted_stays_deleted::DeletedStaysDeleted),
                Box::new(deleted_topics_are_forgotten::DeletedTopicsAreForgotten),
                Box::new(reads_go_on::ReadsGoOn),
                Box::new(compacted_stays_gone::CompactedStaysGone),
                Box::new(committed_offsets_stay::CommittedOffsetsStay),
                Box::new(generations_grow::GenerationsGrow::default()),
                Box::new(one_owner_each::OneOwnerEach::default()),
                Box::new(identities_are_fresh::IdentitiesAreFresh::default()),
                Box::new(replay_repeats_history::ReplayRepeatsHistory::default()),
                Box::new(clean_end_leaves_nothing::CleanEndLeavesNothing),
                Box::new(replay_has_no_gap::ReplayHasNoGap::default()),
                Box::new(nothing_after_a_failed_write::NothingAfterAFailedWrite::default()),
                Box::new(rot_is_told::RotIsTold),
                Box::new(counts_add_up::CountsAddUp),
                Box::new(one_holder_each::OneHolderEach),
                Box::new(lowest_goes_first::LowestGoesFirst),
                Box::new(highest_goes_first::HighestGoesFirst),
                Box::new(records_are_kept::RecordsAreKept),
                Box::new(answers_are_history::AnswersAreHistory),
                Box::new(sent_once::SentOnce),
                Box::new(dead_letters_arrive_once::DeadLettersArriveOnce),
                Box::new(nothing_early_or_late::NothingEarlyOrLate),
                Box::new(deliveries_are_counted::DeliveriesAreCounted),
                Box::new(everything_is_answered::EverythingIsAnswered),
            ],
        }
    }
}

impl Checks {
    /// Shows a fact to every checker.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub(crate) fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), Violation> {
        for check in &mut self.all {
            check.see(fact, oracle).map_err(|detail| Violation::new(check.rule(), detail))?;
        }
        Ok(())
    }
}
