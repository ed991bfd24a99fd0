//! A consumer group: the broker shares out the partitions, its members follow by heartbeats
//! (KIP-848).
//!
//! Every change of members, subscriptions or topics raises the group's *epoch*. The next
//! heartbeat computes the *target* of that epoch. Each member then moves towards its target on
//! its own: it first gives up what it has to, and is then granted what others have given up.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::group::{ClientInfo, GroupState, TopicShape};
use omnibus_model::outcome::Applied;
use omnibus_model::{
    GroupName, InstanceId, MemberId, Millis, Outcome, PartitionIndex, Refusal, Timestamp, TopicId, TopicName,
};
use serde::{Deserialize, Serialize};

mod heartbeat;
mod leave;
mod reconcile;
mod assignor;
mod look;

use crate::moment::Moment;
use crate::offsets::Readers;
use assignor::Assignor;
pub(crate) use look::PROTOCOL_TYPE;

/// The epoch with which a member leaves.
const LEAVES: i32 = -1;
/// The epoch with which a static member leaves for a while, and which it has until it returns.
const LEAVES_FOR_A_WHILE: i32 = -2;
/// The epoch that a group is born with; its target is empty. A member that has joined is thus
/// never at 0, which means joining.
const EPOCH_FIRST: i32 = 1;

/// A partition as members own it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Share {
    topic: TopicId,
    partition: PartitionIndex,
}

/// A group whose members use ConsumerGroupHeartbeat.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsumerGroup {
    name: GroupName,
    /// Since when it has been empty, if it is.
    empty_since: Timestamp,
    epoch: i32,
    /// The epoch that `target` was computed for.
    target_epoch: i32,
    members: BTreeMap<MemberId, ConsumerMember>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Every topic that some member reads.
    topics: BTreeMap<TopicId, TopicShape>,
    /// What each member shall own.
    target: BTreeMap<MemberId, BTreeSet<Share>>,
    /// Who owns a partition, or has not given it up yet.
    owners: BTreeMap<Share, MemberId>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ConsumerMember {
    instance: Option<InstanceId>,
    client: ClientInfo,
    rebalance_timeout: Millis,
    subscribed: BTreeSet<TopicName>,
    subscribed_pattern: Option<String>,
    /// What it reads: the topics that the subscription named or matched in its last view.
    topics: BTreeSet<TopicId>,
    assignor: Option<Assignor>,
    epoch: i32,
    /// The epoch before; its heartbeats are taken as the answer with the new one may be lost.
    epoch_before: i32,
    /// What it may own, each since the epoch in which it was granted (KIP-1251).
    granted: BTreeMap<Share, i32>,
    /// What it has to give up and may still own, each since its epoch.
    revoked: BTreeMap<Share, i32>,
    /// Until when it has to.
    revoke_until: Option<Timestamp>,
}

impl ConsumerGroup {
    pub(crate) const fn new(name: GroupName, now: Timestamp) -> Self {
        Self {
            name,
            empty_since: now,
            epoch: EPOCH_FIRST,
            target_epoch: EPOCH_FIRST,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            topics: BTreeMap::new(),
            target: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.target_epoch {
            GroupState::Assigning
        } else if self.members.iter().all(|(id, member)| self.is_reconciled(id, member)) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) const fn empty_since(&self) -> Timestamp {
        self.empty_since
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.members.values().filter_map(|member| member.revoke_until).min()
    }

    /// Lets happen what is due: who did not give up its partitions in time is removed.
    pub(crate) fn tick(&mut self, at: Moment<'_>) {
        let late = |member: &ConsumerMember| member.revoke_until.is_some_and(|until| until <= at.now);
        let late = self.members.iter().filter(|(_, member)| late(member));
        let late: Vec<MemberId> = late.map(|(id, _)| id.clone()).collect();
        self.remove_all(at, &late);
    }

    pub(crate) fn readers(&self) -> Readers {
        if self.is_empty() { Readers::Nobody(self.empty_since) } else { Readers::Known(self.epoch) }
    }

    /// Whether members read the topic, or wish to.
    pub(crate) fn may_read(&self, topic: &TopicName) -> bool {
        self.topics.values().any(|shape| shape.name == *topic)
            || self.members.values().any(|member| member.subscribed.contains(topic))
    }

    /// The topics that its members read.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicShape> {
        self.topics.values()
    }

    /// Forgets a deleted topic; false if nobody read it. Members learn it by their next heartbeat.
    pub(crate) fn forget_topic(&mut self, topic: TopicId) -> bool {
        let known = self.topics.remove(&topic).is_some();
        if known {
            for member in self.members.values_mut() {
                member.topics.remove(&topic);
            }
            self.raise_epoch();
        }
        known
    }

    /// Removes members whose sessions have lapsed.
    pub(crate) fn expire(&mut self, at: Moment<'_>, members: &[MemberId]) -> Applied {
        let known = |member: &&MemberId| self.members.contains_key(*member);
        let lapsed: Vec<MemberId> = members.iter().filter(known).cloned().collect();
        self.remove_all(at, &lapsed);
        let changed = !lapsed.is_empty();
        Applied { outcome: Outcome::MembersExpired, changed }
    }

    fn raise_epoch(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(EPOCH_FIRST + 1);
    }

    /// Whether a member owns exactly what it shall.
    fn is_reconciled(&self, id: &MemberId, member: &ConsumerMember) -> bool {
        let shall = self.target.get(id).map_or(0, BTreeSet::len);
        member.epoch == self.target_epoch && member.revoked.is_empty() && member.granted.len() == shall
    }

    fn drop_unread_topics(&mut self) {
        let read = |topic: &TopicId| self.members.values().any(|member| member.topics.contains(topic));
        let unread: Vec<TopicId> = self.topics.keys().filter(|topic| !read(topic)).copied().collect();
        for topic in unread {
            self.topics.remove(&topic);
        }
    }

    fn unknown_member(&self, member: &MemberId) -> Refusal {
        Refusal::UnknownMember { group: self.name.clone(), member: member.clone() }
    }
}

impl ConsumerMember {
    /// Returns every partition that nobody else may be granted while this member is here.
    fn holds(&self) -> impl Iterator<Item = Share> {
        self.granted.keys().chain(self.revoked.keys()).copied()
    }
}
