//! The groups of one data shard, by name.

use std::collections::BTreeMap;

use omnibus_model::command::{CommitOffsets, JoinGroup, Leaver, SyncGroup};
use omnibus_model::group::TopicPartition;
use omnibus_model::outcome::{Applied, LeftMember};
use omnibus_model::refusal::Limited;
use omnibus_model::{GroupName, MemberId, Outcome, Refusal, TopicName};
use serde::{Deserialize, Serialize};

use crate::agenda::Agenda;
use crate::classic::ClassicGroup;
use crate::group::{Group, Membership};
use crate::moment::Moment;

/// Every group of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups {
    by_name: BTreeMap<GroupName, Group>,
}

impl Groups {
    pub(crate) fn get(&self, name: &GroupName) -> Option<&Group> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, &Group)> {
        self.by_name.iter()
    }

    pub(crate) fn join(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        join: &JoinGroup,
    ) -> Result<Applied, Refusal> {
        check_session(at, join)?;
        let applied = match self
            .by_name
            .get_mut(&join.group)
            .map(|group| &mut group.membership)
        {
            Some(Membership::Classic(classic)) => classic.join(at, join)?,
            None => {
                let mut classic = ClassicGroup::new(join.group.clone(), at.now);
                let applied = classic.join(at, join)?;
                self.add(at, &join.group, Membership::Classic(Box::new(classic)))?;
                applied
            }
        };
        self.settle(at, agenda, &join.group);
        Ok(applied)
    }

    pub(crate) fn sync(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        sync: &SyncGroup,
    ) -> Result<Applied, Refusal> {
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
        let applied = match self
            .by_name
            .get_mut(name)
            .map(|group| &mut group.membership)
        {
            Some(Membership::Classic(classic)) => classic.leave(at, leavers),
            None => Applied::unchanged(nobody_left(name, leavers)),
        };
        self.settle(at, agenda, name);
        applied
    }

    pub(crate) fn expire_members(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (name, members): (&GroupName, &[MemberId]),
    ) -> Applied {
        let applied = match self
            .by_name
            .get_mut(name)
            .map(|group| &mut group.membership)
        {
            Some(Membership::Classic(classic)) => classic.expire(at, members),
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
                self.add(at, &commit.group, Membership::Classic(Box::new(classic)))?
                    .commit(at, commit)?
            }
            None => {
                return Err(Refusal::UnknownGroup {
                    group: commit.group.clone(),
                });
            }
        };
        self.settle(at, agenda, &commit.group);
        Ok(applied)
    }

    pub(crate) fn delete(
        &mut self,
        agenda: &mut Agenda,
        name: &GroupName,
    ) -> Result<Applied, Refusal> {
        let group = self.known(name)?;
        if !group.membership.is_empty() {
            return Err(Refusal::GroupNotEmpty {
                group: name.clone(),
            });
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
        topic: &TopicName,
    ) -> Applied {
        let mut changed = false;
        for (name, group) in &mut self.by_name {
            if group.forget_topic(topic) {
                group.settle(at, agenda, name);
                changed = true;
            }
        }
        Applied {
            outcome: Outcome::TopicForgotten,
            changed,
        }
    }

    /// Lets happen what is due in one group.
    pub(crate) fn tick(&mut self, at: Moment<'_>, agenda: &mut Agenda, name: &GroupName) {
        let group = self
            .by_name
            .get_mut(name)
            .expect("the agenda knows only groups that are here");
        group.woken();
        group.tick(at);
        if group.is_forgotten(at) {
            self.by_name.remove(name);
        } else {
            self.settle(at, agenda, name);
        }
    }

    fn known(&mut self, name: &GroupName) -> Result<&mut Group, Refusal> {
        self.by_name
            .get_mut(name)
            .ok_or_else(|| Refusal::UnknownGroup {
                group: name.clone(),
            })
    }

    fn classic_of(
        &mut self,
        name: &GroupName,
        member: &MemberId,
    ) -> Result<&mut ClassicGroup, Refusal> {
        match self
            .by_name
            .get_mut(name)
            .map(|group| &mut group.membership)
        {
            Some(Membership::Classic(classic)) => Ok(classic),
            None => Err(Refusal::UnknownMember {
                group: name.clone(),
                member: member.clone(),
            }),
        }
    }

    fn add(
        &mut self,
        at: Moment<'_>,
        name: &GroupName,
        membership: Membership,
    ) -> Result<&mut Group, Refusal> {
        let max = at.limits.groups_max;
        if self.by_name.len() as u64 >= max {
            return Err(Refusal::LimitReached {
                what: Limited::Groups,
                max,
            });
        }
        Ok(self
            .by_name
            .entry(name.clone())
            .or_insert_with(|| Group::new(membership)))
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
        Err(Refusal::SessionTimeoutInvalid {
            min,
            max,
            got: join.session_timeout,
        })
    }
}

/// Answers leavers of a group that is not here.
fn nobody_left(name: &GroupName, leavers: &[Leaver]) -> Outcome {
    let refuse = |leaver: &Leaver| match &leaver.member {
        Some(member) => Refusal::UnknownMember {
            group: name.clone(),
            member: member.clone(),
        },
        None => Refusal::NotAMember {
            group: name.clone(),
        },
    };
    let left = |leaver: &Leaver| {
        let who = LeftMember {
            member: leaver.member.clone(),
            instance: leaver.instance.clone(),
        };
        (who, Err(refuse(leaver)))
    };
    Outcome::Left {
        members: leavers.iter().map(left).collect(),
    }
}
