//! Leaving, lapsing and being removed.

use omnibus_model::command::Leaver;
use omnibus_model::outcome::{Applied, LeftMember};
use omnibus_model::{MemberId, Outcome, Refusal};

use super::{ClassicGroup, Phase};
use crate::moment::Moment;

/// What somebody who is gone has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Member,
    /// Had an id, but had not joined with it.
    Announced,
}

impl ClassicGroup {
    pub(crate) fn leave(&mut self, at: Moment<'_>, leavers: &[Leaver]) -> Applied {
        let mut gone = Vec::new();
        let mut members = Vec::with_capacity(leavers.len());
        for leaver in leavers {
            let found = self.find_leaver(leaver);
            if let Ok(member) = &found {
                gone.push(self.remove(member));
            }
            let left = LeftMember { member: leaver.member.clone(), instance: leaver.instance.clone() };
            members.push((left, found.map(|_| ())));
        }
        self.after_removal(at, &gone);
        let outcome = Outcome::Left { members };
        if gone.is_empty() { Applied::unchanged(outcome) } else { Applied::changed(outcome) }
    }

    /// Removes members whose sessions have lapsed, except those who only wait for an answer.
    pub(crate) fn expire(&mut self, at: Moment<'_>, members: &[MemberId]) -> Applied {
        let may_lapse = |id: &&MemberId| self.members.contains_key(*id) && !self.waits(id);
        let lapsed: Vec<MemberId> = members.iter().filter(may_lapse).cloned().collect();
        if lapsed.is_empty() {
            return Applied::unchanged(Outcome::MembersExpired);
        }
        self.remove_all(at, &lapsed);
        Applied::changed(Outcome::MembersExpired)
    }

    /// Removes members and lets the others know by a new round.
    pub(super) fn remove_all(&mut self, at: Moment<'_>, members: &[MemberId]) {
        let gone: Vec<Gone> = members.iter().map(|member| self.remove(member)).collect();
        self.after_removal(at, &gone);
    }

    pub(super) fn remove(&mut self, id: &MemberId) -> Gone {
        self.pending.remove(id);
        self.unsynced.remove(id);
        let Some(member) = self.members.remove(id) else {
            return Gone::Announced;
        };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leads(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Gone::Member
    }

    fn after_removal(&mut self, at: Moment<'_>, gone: &[Gone]) {
        match self.phase {
            // Somebody who had only learnt its id does not disturb a settled group.
            Phase::Completing | Phase::Stable if gone.contains(&Gone::Member) => self.begin_round(at),
            Phase::Preparing(_) if !gone.is_empty() => self.close_if_complete(at),
            _ => {}
        }
    }

    fn find_leaver(&self, leaver: &Leaver) -> Result<MemberId, Refusal> {
        match (&leaver.member, &leaver.instance) {
            (Some(member), _) if self.pending.contains_key(member) => Ok(member.clone()),
            (Some(member), instance) => {
                self.check_member(member, instance.as_ref())?;
                Ok(member.clone())
            }
            (None, Some(instance)) => self.instances.get(instance).cloned().ok_or_else(|| self.not_a_member()),
            (None, None) => Err(self.not_a_member()),
        }
    }

    pub(super) fn not_a_member(&self) -> Refusal {
        Refusal::NotAMember { group: self.name.clone() }
    }
}
