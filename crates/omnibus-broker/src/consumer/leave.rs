//! Leaving for good or for a while, and being removed.

use omnibus_model::command::{ConsumerHeartbeat, Leaver};
use omnibus_model::outcome::{Applied, HeartbeatTaken, LeftMember};
use omnibus_model::{MemberId, Outcome, Refusal};

use super::heartbeat::invalid;
use super::{ConsumerGroup, LEAVES_FOR_A_WHILE};
use crate::moment::Moment;

impl ConsumerGroup {
    pub(super) fn leave(&mut self, at: Moment<'_>, heartbeat: &ConsumerHeartbeat) -> Result<Applied, Refusal> {
        self.find(&heartbeat.member, heartbeat.instance.as_ref())?;
        self.remove_all(at, std::slice::from_ref(&heartbeat.member));
        Ok(Applied::changed(left(heartbeat)))
    }

    /// A static member keeps its place, and what is granted to it, until it returns or lapses.
    pub(super) fn leave_for_a_while(&mut self, heartbeat: &ConsumerHeartbeat) -> Result<Applied, Refusal> {
        if heartbeat.instance.is_none() {
            return Err(invalid("only a static member leaves for a while"));
        }
        self.find(&heartbeat.member, heartbeat.instance.as_ref())?;
        let member = self.members.get_mut(&heartbeat.member).expect("it has just been found");
        if member.epoch == LEAVES_FOR_A_WHILE {
            return Ok(Applied::unchanged(left(heartbeat)));
        }
        member.epoch = LEAVES_FOR_A_WHILE;
        member.revoke_until = None;
        for share in std::mem::take(&mut member.revoked).into_keys() {
            self.owners.remove(&share);
        }
        Ok(Applied::changed(left(heartbeat)))
    }

    /// Removes static members on an administrator's wish. A member that uses heartbeats leaves by
    /// a heartbeat, so nobody can be removed by a member id.
    pub(crate) fn remove_leavers(&mut self, at: Moment<'_>, leavers: &[Leaver]) -> Applied {
        let mut gone = Vec::new();
        let mut members = Vec::with_capacity(leavers.len());
        for leaver in leavers {
            let found = match (&leaver.member, &leaver.instance) {
                (Some(member), _) => Err(self.unknown_member(member)),
                (None, Some(instance)) => self.instances.get(instance).cloned().ok_or_else(|| self.nobody()),
                (None, None) => Err(self.nobody()),
            };
            gone.extend(found.as_ref().ok().cloned());
            let left = LeftMember { member: leaver.member.clone(), instance: leaver.instance.clone() };
            members.push((left, found.map(|_| ())));
        }
        self.remove_all(at, &gone);
        Applied { outcome: Outcome::Left { members }, changed: !gone.is_empty() }
    }

    pub(super) fn remove_all(&mut self, at: Moment<'_>, members: &[MemberId]) {
        for id in members {
            let Some(member) = self.members.remove(id) else {
                continue;
            };
            for share in member.holds() {
                self.owners.remove(&share);
            }
            if let Some(instance) = &member.instance {
                self.instances.remove(instance);
            }
            self.target.remove(id);
        }
        if !members.is_empty() {
            self.drop_unread_topics();
            self.raise_epoch();
            self.empty_since = at.now;
        }
    }

    fn nobody(&self) -> Refusal {
        Refusal::NotAMember { group: self.name.clone() }
    }
}

fn left(heartbeat: &ConsumerHeartbeat) -> Outcome {
    Outcome::HeartbeatTaken(HeartbeatTaken {
        member: heartbeat.member.clone(),
        member_epoch: heartbeat.member_epoch,
        assignment: None,
    })
}
