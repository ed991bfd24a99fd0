//! A member says what it has and wants, and learns what it may own.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::command::ConsumerHeartbeat;
use omnibus_model::group::{TopicPartitions, TopicShape};
use omnibus_model::outcome::{Applied, HeartbeatTaken};
use omnibus_model::{InstanceId, MemberId, Millis, Outcome, Refusal, TopicId};

use super::assignor::Assignor;
use super::reconcile::{Owned, topic_partitions};
use super::{ConsumerGroup, ConsumerMember, LEAVES, LEAVES_FOR_A_WHILE};
use crate::moment::Moment;

/// How a heartbeat's sender stands to the group.
enum Sender {
    Known,
    New,
    /// A static member that returns under a new id and takes over from this one.
    Heir(MemberId),
}

impl ConsumerGroup {
    pub(crate) fn heartbeat(&mut self, at: Moment<'_>, heartbeat: &ConsumerHeartbeat) -> Result<Applied, Refusal> {
        match heartbeat.member_epoch {
            LEAVES => self.leave(at, heartbeat),
            LEAVES_FOR_A_WHILE => self.leave_for_a_while(heartbeat),
            0 => {
                check_join(heartbeat)?;
                let sender = self.find_joiner(at, heartbeat)?;
                self.take(at, heartbeat, sender)
            }
            epoch if epoch > 0 => {
                self.check_sender(heartbeat)?;
                self.take(at, heartbeat, Sender::Known)
            }
            _ => Err(invalid("a member epoch is at least -2")),
        }
    }

    fn take(&mut self, at: Moment<'_>, heartbeat: &ConsumerHeartbeat, sender: Sender) -> Result<Applied, Refusal> {
        let id = &heartbeat.member;
        let assignor = parse_assignor(heartbeat)?;
        let before = match &sender {
            Sender::Known => self.members.get(id),
            Sender::New => None,
            Sender::Heir(old) => self.members.get(old),
        };
        let mut member = before.cloned().unwrap_or_else(|| newcomer(heartbeat));
        let resubscribed = member.update(heartbeat, assignor) || matches!(sender, Sender::New);
        if resubscribed && heartbeat.topics.is_none() {
            return Err(invalid("a new subscription comes with the catalog's view of it"));
        }
        // From here on nothing is refused.
        if let Sender::Heir(old) = &sender {
            self.hand_over(old, id);
        }
        let (before, epochs_before) = (self.members.get(id).cloned(), (self.epoch, self.target_epoch));
        self.adopt(id, member);
        let topics_changed = heartbeat.topics.as_ref().is_some_and(|topics| self.take_view(id, topics));
        if resubscribed || topics_changed {
            self.raise_epoch();
        }
        self.retarget();
        self.reconcile(at, id, &Owned::told(heartbeat.owned.as_deref()));
        let member = &self.members[id];
        // A new target is a change even for a member that must give up something first.
        let changed = before.as_ref() != Some(member) || (self.epoch, self.target_epoch) != epochs_before;
        let granted_before = before.as_ref().map(|before| &before.granted);
        let same_shares = granted_before.is_some_and(|granted| granted.keys().eq(member.granted.keys()));
        let taken = HeartbeatTaken {
            member: id.clone(),
            member_epoch: member.epoch,
            assignment: (is_full(heartbeat) || !same_shares).then(|| member.assignment()),
        };
        Ok(Applied { outcome: Outcome::HeartbeatTaken(taken), changed })
    }

    /// Finds out who joins. A member that is already here starts anew: it owns nothing.
    fn find_joiner(&self, at: Moment<'_>, heartbeat: &ConsumerHeartbeat) -> Result<Sender, Refusal> {
        let id = &heartbeat.member;
        let holder = heartbeat.instance.as_ref().and_then(|instance| self.instances.get(instance));
        match holder {
            Some(holder) if holder == id => Ok(Sender::Known),
            Some(_) if self.members.contains_key(id) => Err(Refusal::InstanceFenced),
            Some(holder) if self.members[holder].epoch == LEAVES_FOR_A_WHILE => Ok(Sender::Heir(holder.clone())),
            Some(_) => Err(Refusal::InstanceUnreleased),
            None => match self.members.get(id) {
                Some(known) if known.instance == heartbeat.instance => Ok(Sender::Known),
                Some(_) => Err(invalid("a member keeps its instance")),
                None => self.check_room(at).map(|()| Sender::New),
            },
        }
    }

    /// Checks that a heartbeat comes from a member that knows its epoch.
    fn check_sender(&self, heartbeat: &ConsumerHeartbeat) -> Result<(), Refusal> {
        let (id, got) = (&heartbeat.member, heartbeat.member_epoch);
        let member = self.find(id, heartbeat.instance.as_ref())?;
        let current = member.epoch;
        // The answer with the new epoch may have been lost.
        let behind = got == member.epoch_before && Owned::told(heartbeat.owned.as_deref()).is_within(&member.granted);
        if got == current || got < current && behind {
            Ok(())
        } else {
            Err(Refusal::MemberEpochFenced { current, got })
        }
    }

    /// Finds a member, and makes sure it holds the instance it names.
    pub(super) fn find(&self, id: &MemberId, instance: Option<&InstanceId>) -> Result<&ConsumerMember, Refusal> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(self.unknown_member(id)),
                Some(holder) if holder != id => return Err(Refusal::InstanceFenced),
                Some(_) => {}
            }
        }
        self.members.get(id).ok_or_else(|| self.unknown_member(id))
    }

    fn check_room(&self, at: Moment<'_>) -> Result<(), Refusal> {
        let max = at.limits.group_members_max;
        if self.members.len() < max as usize { Ok(()) } else { Err(Refusal::GroupFull { max }) }
    }

    fn adopt(&mut self, id: &MemberId, member: ConsumerMember) {
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
    }

    /// Gives a static member's place, with all that is granted to it, to its heir.
    fn hand_over(&mut self, old: &MemberId, heir: &MemberId) {
        let member = self.members.remove(old).expect("instances name members");
        for share in member.holds() {
            self.owners.insert(share, heir.clone());
        }
        if let Some(target) = self.target.remove(old) {
            self.target.insert(heir.clone(), target);
        }
    }

    /// Takes the catalog's view of what a member reads; true if it tells something new.
    fn take_view(&mut self, id: &MemberId, view: &[TopicShape]) -> bool {
        let mut changed = false;
        for shape in view {
            let known = self.topics.entry(shape.topic).or_insert_with(|| {
                changed = true;
                shape.clone()
            });
            // Partitions are only ever added, so a smaller number is an older view.
            if shape.partitions > known.partitions {
                known.partitions = shape.partitions;
                changed = true;
            }
        }
        let topics: BTreeSet<TopicId> = view.iter().map(|shape| shape.topic).collect();
        let member = self.members.get_mut(id).expect("the member has just been adopted");
        if member.topics != topics {
            member.topics = topics;
            changed = true;
        }
        if changed {
            self.drop_unread_topics();
        }
        changed
    }
}

impl ConsumerMember {
    /// Takes over what the heartbeat says anew; true if the subscription has changed.
    fn update(&mut self, heartbeat: &ConsumerHeartbeat, assignor: Option<Assignor>) -> bool {
        self.client = heartbeat.client.clone();
        self.rebalance_timeout = heartbeat.rebalance_timeout.unwrap_or(self.rebalance_timeout);
        self.assignor = assignor.or(self.assignor);
        if heartbeat.member_epoch == 0 {
            (self.epoch, self.epoch_before) = (0, 0);
        }
        let mut changed = false;
        if let Some(names) = &heartbeat.subscribed {
            let names = names.iter().cloned().collect();
            changed |= self.subscribed != names;
            self.subscribed = names;
        }
        if let Some(pattern) = &heartbeat.subscribed_pattern {
            let pattern = Some(pattern.clone()).filter(|pattern| !pattern.is_empty());
            changed |= self.subscribed_pattern != pattern;
            self.subscribed_pattern = pattern;
        }
        changed
    }

    fn assignment(&self) -> Vec<TopicPartitions> {
        topic_partitions(self.granted.keys().copied())
    }
}

fn newcomer(heartbeat: &ConsumerHeartbeat) -> ConsumerMember {
    ConsumerMember {
        instance: heartbeat.instance.clone(),
        client: heartbeat.client.clone(),
        rebalance_timeout: Millis::default(),
        subscribed: BTreeSet::new(),
        subscribed_pattern: None,
        topics: BTreeSet::new(),
        assignor: None,
        epoch: 0,
        epoch_before: 0,
        granted: BTreeMap::new(),
        revoked: BTreeMap::new(),
        revoke_until: None,
    }
}

fn check_join(heartbeat: &ConsumerHeartbeat) -> Result<(), Refusal> {
    if heartbeat.rebalance_timeout.is_none() {
        return Err(invalid("who joins names its rebalance timeout"));
    }
    if heartbeat.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err(invalid("who joins owns nothing"));
    }
    if heartbeat.subscribed.is_none() && heartbeat.subscribed_pattern.is_none() {
        return Err(invalid("who joins names what it reads"));
    }
    Ok(())
}

fn parse_assignor(heartbeat: &ConsumerHeartbeat) -> Result<Option<Assignor>, Refusal> {
    let parse =
        |name: &String| Assignor::parse(name).ok_or_else(|| Refusal::UnsupportedAssignor { assignor: name.clone() });
    heartbeat.assignor.as_ref().map(parse).transpose()
}

/// Whether the member told everything, as after a lost answer; it is then told everything, too.
fn is_full(heartbeat: &ConsumerHeartbeat) -> bool {
    let subscription = heartbeat.subscribed.is_some() || heartbeat.subscribed_pattern.is_some();
    let full = heartbeat.rebalance_timeout.is_some() && subscription && heartbeat.owned.is_some();
    heartbeat.member_epoch == 0 || full
}

pub(super) fn invalid(reason: &str) -> Refusal {
    Refusal::RequestInvalid { reason: reason.to_owned() }
}
