//! A round: it opens, waits for everybody, and closes with a new generation.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::{MemberId, Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ClassicGroup, ClassicMember, Phase};
use crate::moment::Moment;

/// How long at least a round that nobody joined stays open for another try.
const RETRY_MIN: Millis = Millis(1_000);

/// An open round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) until: Timestamp,
    /// Whether it is the first one of an empty group, which waits for company.
    first: Option<FirstRound>,
}

/// How much longer a first round may still be extended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FirstRound {
    step: Millis,
    remaining: Millis,
    newcomers: bool,
}

impl Round {
    /// A first round that gets company waits for more.
    pub(super) const fn note_newcomer(&mut self) {
        if let Some(first) = &mut self.first {
            first.newcomers = true;
        }
    }

    /// Extends a first round if it got company and may still wait; false if its time is up.
    fn extend(&mut self, at: Moment<'_>) -> bool {
        match &mut self.first {
            Some(first) if first.newcomers && first.remaining > Millis(0) => {
                let step = at.limits.initial_rebalance_delay.min(first.remaining);
                let remaining = Millis(first.remaining.0.saturating_sub(first.step.0));
                *first = FirstRound { step, remaining, newcomers: false };
                self.until = self.until.plus(step);
                true
            }
            _ => false,
        }
    }
}

impl ClassicGroup {
    /// Opens a round if none is open, else closes the open one if it is complete.
    pub(super) fn rebalance_or_close(&mut self, at: Moment<'_>) {
        match self.phase {
            Phase::Preparing(_) => self.close_if_complete(at),
            Phase::Empty | Phase::Completing | Phase::Stable => self.begin_round(at),
        }
    }

    pub(super) fn begin_round(&mut self, at: Moment<'_>) {
        if matches!(self.phase, Phase::Completing) {
            // Whoever waits for the old generation's assignment is told to join again.
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
            }
        }
        self.unsynced.clear();
        self.sync_until = None;
        let patience = self.rebalance_timeout();
        let round = if self.is_empty() {
            let step = at.limits.initial_rebalance_delay;
            let remaining = Millis(patience.0.saturating_sub(step.0));
            let first = FirstRound { step, remaining, newcomers: false };
            Round { until: at.now.plus(step), first: Some(first) }
        } else {
            Round { until: at.now.plus(patience), first: None }
        };
        self.enter(at.now, Phase::Preparing(round));
        self.close_if_complete(at);
    }

    /// Closes the open round if everybody has joined; a first round takes its time.
    pub(super) fn close_if_complete(&mut self, at: Moment<'_>) {
        let Phase::Preparing(round) = &self.phase else {
            return;
        };
        let waits_for_company = round.first.is_some() && round.until > at.now;
        let complete = self.pending.is_empty() && self.members.values().all(|member| member.joining);
        if complete && !waits_for_company {
            self.close_round(at);
        }
    }

    pub(super) fn round_is_due(&mut self, at: Moment<'_>) {
        if let Phase::Preparing(round) = &mut self.phase
            && !round.extend(at)
        {
            self.close_round(at);
        }
    }

    fn close_round(&mut self, at: Moment<'_>) {
        let missing = |(_, member): &(&MemberId, &ClassicMember)| !member.joining && member.instance.is_none();
        let late: Vec<MemberId> = self.members.iter().filter(missing).map(|(id, _)| id.clone()).collect();
        for member in &late {
            self.remove(member);
        }
        if !self.members.is_empty() && !self.elect() {
            // Only static members are left and none has come: their sessions decide.
            let until = at.now.plus(self.rebalance_timeout().max(RETRY_MIN));
            self.phase = Phase::Preparing(Round { until, first: None });
            return;
        }
        let over = self.generation;
        self.generation = over.checked_add(1).unwrap_or(1);
        self.replaced.retain(|_, since| *since == over);
        self.unsynced.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.enter(at.now, Phase::Empty);
        } else {
            self.protocol = self.vote();
            assert!(self.protocol.is_some(), "members of one group have a protocol in common");
            self.open_sync(at);
        }
    }

    fn open_sync(&mut self, at: Moment<'_>) {
        for member in self.members.values_mut() {
            member.joining = false;
            member.new_until = None;
            member.comeback = None;
        }
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_until = Some(at.now.plus(self.rebalance_timeout()));
        self.enter(at.now, Phase::Completing);
    }

    /// Makes sure that the leader is one that has joined; false if nobody has.
    fn elect(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if leader.is_some_and(|leader| leader.joining) {
            return true;
        }
        let joined = self.members.iter().find(|(_, member)| member.joining);
        let Some((id, _)) = joined else {
            return false;
        };
        self.leader = Some(id.clone());
        true
    }

    /// Returns the protocol that most members prefer among those that all offer; of equals the
    /// first by name.
    pub(super) fn vote(&self) -> Option<String> {
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let choice = member.protocols.iter().find(|offer| self.all_offer(&offer.name))?;
            *votes.entry(&choice.name).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    pub(super) fn all_offer(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.protocols.iter().any(|offer| offer.name == protocol))
    }

    fn rebalance_timeout(&self) -> Millis {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }
}
