//! The groups of one data shard, by name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use omnibus_model::command::{CommitOffsets, ConsumerHeartbeat, JoinGroup, Leaver, SyncGroup};
use omnibus_model::group::TopicPartition;
use omnibus_model::outcome::{Applied, LeftMember};
use omnibus_model::refusal::Limited;
use omnibus_model::{DeletionNumber, GroupName, MemberId, Outcome, Refusal, TopicId, TopicName};
use serde::{Deserialize, Serialize};

use crate::agenda::Agenda;
use crate::classic::ClassicGroup;
use crate::consumer::ConsumerGroup;
use crate::group::{Group, Membership};
use crate::moment::Moment;

/// Every group of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups {
    by_name: BTreeMap<GroupName, Group>,
    /// All topics that were deleted up to here are forgotten.
    forgotten: DeletionNumber,
}

impl Groups {
    pub(crate) fn get(&self, name: &GroupName) -> Option<&Group> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, &Group)> {
        self.by_name.iter()
    }

    pub(crate) fn join(&mut self, at: Moment<'_>, agenda: &mut Agenda, join: &JoinGroup) -> Result<Applied, Refusal> {
        check_session(at, join)?;
        let applied = match self.by_name.get_mut(&join.group).map(|group| &mut group.membership) {
            Some(Membership::Classic(classic)) => classic.join(at, join)?,
            Some(Membership::Consumer(consumer)) if !consumer.is_empty() => {
                return Err(Refusal::GroupKindMismatch);
            }
            Some(Membership::Consumer(_)) | None if join.member.is_some() => {
                return Err(unknown_member(&join.group, join.member.as_ref()));
            }
            Some(Membership::Consumer(_)) | None => {
                let mut classic = ClassicGroup::new(join.group.clone(), at.now);
                let applied = classic.join(at, join)?;
                self.put(at, &join.group, Membership::Classic(Box::new(classic)))?;
                applied
            }
        };
        self.settle(at, agenda, &join.group);
        Ok(applied)
    }

    pub(crate) fn sync(&mut self, at: Moment<'_>, agenda: &mut Agenda, sync: &SyncGroup) -> Result<Applied, Refusal> {
        let applied = self.classic_of(&sync.group, &sync.member)?.sync(at, sync)?;
        self.settle(at, agenda, &sync.group);
        Ok(applied)
    }

    pub(crate) fn leave(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (name, leavers): (&GroupName, &[Leaver]),
    ) -> Applied {
        let applied = match self.by_name.get_mut(name).map(|group| &mut group.membership) {
            Some(Membership::Classic(classic)) => classic.leave(at, leavers),
            Some(Membership::Consumer(consumer)) => consumer.remove_leavers(at, leavers),
            None => Applied::unchanged(nobody_left(name, leavers)),
        };
        self.settle(at, agenda, name);
        applied
    }

    pub(crate) fn heartbeat(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        heartbeat: &ConsumerHeartbeat,
    ) -> Result<Applied, Refusal> {
        let name = &heartbeat.group;
        let applied = match self.by_name.get_mut(name).map(|group| &mut group.membership) {
            Some(Membership::Consumer(consumer)) => consumer.heartbeat(at, heartbeat)?,
            Some(Membership::Classic(classic)) if !classic.is_empty() => {
                return Err(Refusal::GroupKindMismatch);
            }
            Some(Membership::Classic(_)) | None if heartbeat.member_epoch != 0 => {
                return Err(Refusal::UnknownGroup { group: name.clone() });
            }
            Some(Membership::Classic(_)) | None => {
                let mut consumer = ConsumerGroup::new(name.clone(), at.now);
                let applied = consumer.heartbeat(at, heartbeat)?;
                self.put(at, name, Membership::Consumer(Box::new(consumer)))?;
                applied
            }
        };
        self.settle(at, agenda, name);
        Ok(applied)
    }

    pub(crate) fn expire_members(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (name, members): (&GroupName, &[MemberId]),
    ) -> Applied {
        let applied = match self.by_name.get_mut(name).map(|group| &mut group.membership) {
            Some(Membership::Classic(classic)) => classic.expire(at, members),
            Some(Membership::Consumer(consumer)) => consumer.expire(at, members),
            None => Applied::unchanged(Outcome::MembersExpired),
        };
        self.settle(at, agenda, name);
        applied
    }

    pub(crate) fn commit(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        commit: &CommitOffsets,
    ) -> Result<Applied, Refusal> {
        let applied = match self.by_name.get_mut(&commit.group) {
            Some(group) => group.commit(at, commit)?,
            // Who reads without a group protocol may still store offsets under a group's name.
            None if commit.generation < 0 => {
                let classic = ClassicGroup::new(commit.group.clone(), at.now);
                if commit.offsets.is_empty() {
                    return Ok(Applied::unchanged(Outcome::OffsetsCommitted));
                }
                self.put(at, &commit.group, Membership::Classic(Box::new(classic)))?.commit(at, commit)?
            }
            None => {
                return Err(Refusal::UnknownGroup { group: commit.group.clone() });
            }
        };
        self.settle(at, agenda, &commit.group);
        Ok(applied)
    }

    pub(crate) fn delete(&mut self, agenda: &mut Agenda, name: &GroupName) -> Result<Applied, Refusal> {
        let group = self.known(name)?;
        if !group.membership.is_empty() {
            return Err(Refusal::GroupNotEmpty { group: name.clone() });
        }
        group.unschedule(agenda, name);
        self.by_name.remove(name);
        Ok(Applied::changed(Outcome::GroupDeleted))
    }

    pub(crate) fn delete_offsets(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (name, partitions): (&GroupName, &[TopicPartition]),
    ) -> Result<Applied, Refusal> {
        let applied = self.known(name)?.delete_offsets(partitions)?;
        self.settle(at, agenda, name);
        Ok(applied)
    }

    pub(crate) fn forget_topic(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (topic, id): (&TopicName, TopicId),
    ) -> Applied {
        let mut changed = false;
        for (name, group) in &mut self.by_name {
            if group.forget_topic(topic, id) {
                group.settle(at, agenda, name);
                changed = true;
            }
        }
        Applied { outcome: Outcome::TopicForgotten, changed }
    }

    pub(crate) fn forget_topics(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (topics, deletion): (&[(TopicName, TopicId)], DeletionNumber),
    ) -> Applied {
        // Who says so late may mean names that others have by now.
        let changed = self.forgotten < deletion;
        if changed {
            self.forgotten = deletion;
            for (topic, id) in topics {
                self.forget_topic(at, agenda, (topic, *id));
            }
        }
        Applied { outcome: Outcome::TopicForgotten, changed }
    }

    /// Lets happen what is due in one group.
    pub(crate) fn tick(&mut self, at: Moment<'_>, agenda: &mut Agenda, name: &GroupName) {
        let group = self.by_name.get_mut(name).expect("the agenda knows only groups that are here");
        group.woken();
        group.tick(at);
        if group.is_forgotten(at) {
            self.by_name.remove(name);
        } else {
            self.settle(at, agenda, name);
        }
    }

    /// Checks every group.
    pub(crate) fn audit(&self, agenda: &Agenda) {
        for (name, group) in &self.by_name {
            group.audit(agenda, name);
        }
    }

    fn known(&mut self, name: &GroupName) -> Result<&mut Group, Refusal> {
        self.by_name.get_mut(name).ok_or_else(|| Refusal::UnknownGroup { group: name.clone() })
    }

    fn classic_of(&mut self, name: &GroupName, member: &MemberId) -> Result<&mut ClassicGroup, Refusal> {
        match self.by_name.get_mut(name).map(|group| &mut group.membership) {
            Some(Membership::Classic(classic)) => Ok(classic),
            Some(Membership::Consumer(_)) | None => {
                Err(Refusal::UnknownMember { group: name.clone(), member: member.clone() })
            }
        }
    }

    /// Adds a group, or turns one into the other kind; its offsets stay.
    fn put(&mut self, at: Moment<'_>, name: &GroupName, membership: Membership) -> Result<&mut Group, Refusal> {
        let max = at.limits.groups_max;
        let full = self.by_name.len() as u64 >= max;
        match self.by_name.entry(name.clone()) {
            Entry::Occupied(group) => {
                let group = group.into_mut();
                group.membership = membership;
                Ok(group)
            }
            Entry::Vacant(_) if full => Err(Refusal::LimitReached { what: Limited::Groups, max }),
            Entry::Vacant(place) => Ok(place.insert(Group::new(membership))),
        }
    }

    fn settle(&mut self, at: Moment<'_>, agenda: &mut Agenda, name: &GroupName) {
        if let Some(group) = self.by_name.get_mut(name) {
            group.settle(at, agenda, name);
        }
    }
}

fn check_session(at: Moment<'_>, join: &JoinGroup) -> Result<(), Refusal> {
    let (min, max) = (at.limits.session_timeout_min, at.limits.session_timeout_max);
    if (min..=max).contains(&join.session_timeout) {
        Ok(())
    } else {
        Err(Refusal::SessionTimeoutInvalid { min, max, got: join.session_timeout })
    }
}

/// Answers leavers of a group that is not here.
fn nobody_left(name: &GroupName, leavers: &[Leaver]) -> Outcome {
    let refuse = |leaver: &Leaver| unknown_member(name, leaver.member.as_ref());
    let left = |leaver: &Leaver| {
        let who = LeftMember { member: leaver.member.clone(), instance: leaver.instance.clone() };
        (who, Err(refuse(leaver)))
    };
    Outcome::Left { members: leavers.iter().map(left).collect() }
}

fn unknown_member(group: &GroupName, member: Option<&MemberId>) -> Refusal {
    let group = group.clone();
    match member.cloned() {
        Some(member) => Refusal::UnknownMember { group, member },
        None => Refusal::NotAMember { group },
    }
}
