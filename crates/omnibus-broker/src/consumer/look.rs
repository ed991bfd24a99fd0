//! Questions that change nothing.

use bytes::Bytes;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{
    ConsumerMemberView, ConsumerSubscription, GroupKind, GroupView, MemberSession, MemberView, TopicPartition,
};
use omnibus_model::{MemberId, Refusal};

use super::reconcile::topic_partitions;
use super::{ConsumerGroup, ConsumerMember, Share};
use crate::limits::BrokerLimits;

/// The protocol type that clients of both kinds of group print.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

impl ConsumerGroup {
    /// Checks whether somebody may commit offsets: a member that knows its epoch, one that is
    /// behind for partitions that it has had since (KIP-1251), or anybody while nobody is here.
    pub(crate) fn check_commit(&self, commit: &CommitOffsets) -> Result<(), Refusal> {
        if commit.generation < 0 && self.is_empty() {
            return Ok(());
        }
        let Some(id) = &commit.member else {
            return Err(Refusal::NotAMember { group: self.name.clone() });
        };
        let member = self.members.get(id).ok_or_else(|| self.unknown_member(id))?;
        if !commit.stale_epoch_supported {
            return Err(Refusal::RequestTooOld);
        }
        let (current, got) = (member.epoch, commit.generation);
        let had_since =
            |partition: &TopicPartition| self.granted_since(member, partition).is_some_and(|since| since <= got);
        let behind = got < current && commit.offsets.iter().all(|(partition, _)| had_since(partition));
        if got == current || behind { Ok(()) } else { Err(Refusal::MemberEpochStale { current, got }) }
    }

    /// Checks whether somebody may read offsets: a member that knows its epoch, or who claims
    /// to be none.
    pub(crate) fn check_reader(&self, member: Option<&MemberId>, got: i32) -> Result<(), Refusal> {
        let Some(id) = member else {
            return if got < 0 { Ok(()) } else { Err(Refusal::NotAMember { group: self.name.clone() }) };
        };
        let member = self.members.get(id).ok_or_else(|| self.unknown_member(id))?;
        let current = member.epoch;
        if got == current { Ok(()) } else { Err(Refusal::MemberEpochStale { current, got }) }
    }

    pub(crate) fn sessions(&self, limits: &BrokerLimits) -> Vec<MemberSession> {
        let timeout = limits.consumer_session_timeout;
        let session = |member: &MemberId| MemberSession { member: member.clone(), timeout, waiting: false };
        self.members.keys().map(session).collect()
    }

    /// Returns what a member reads, so that the front end can tell whether the catalog has
    /// changed since.
    pub(crate) fn subscription(&self, member: &MemberId) -> Option<ConsumerSubscription> {
        let member = self.members.get(member)?;
        Some(ConsumerSubscription {
            subscribed: member.subscribed.iter().cloned().collect(),
            subscribed_pattern: member.subscribed_pattern.clone(),
            topics: member.topics.iter().filter_map(|topic| self.topics.get(topic)).cloned().collect(),
        })
    }

    pub(crate) fn view(&self) -> GroupView {
        GroupView {
            group: self.name.clone(),
            kind: GroupKind::Consumer,
            state: self.state(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocol: self.preferred_assignor().name().to_owned(),
            epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            members: self.members.iter().map(|(id, member)| self.member_view(id, member)).collect(),
        }
    }

    /// Checks that every partition has one owner and one only, and that the indexes are right.
    pub(crate) fn audit(&self) {
        let mut held = 0;
        for (id, member) in &self.members {
            for share in member.holds() {
                held += 1;
                assert_eq!(self.owners.get(&share), Some(id), "what is held is owned");
            }
            let target = self.target.get(id);
            let granted = |share: &Share| target.is_some_and(|target| target.contains(share));
            let follows = member.epoch == self.target_epoch;
            assert!(!follows || member.granted.keys().all(granted), "{id} has only what it shall");
            assert_eq!(member.revoke_until.is_some(), !member.revoked.is_empty(), "{id} has until then to give up");
            assert!(member.topics.iter().all(|topic| self.topics.contains_key(topic)), "what is read is known");
        }
        assert_eq!(held, self.owners.len(), "nothing is owned by nobody");
        for (instance, holder) in &self.instances {
            let member = self.members.get(holder);
            assert!(member.is_some_and(|member| member.instance.as_ref() == Some(instance)), "{holder} is {instance}");
        }
        assert!(self.target.keys().all(|id| self.members.contains_key(id)), "only members shall own");
        assert!(self.target_epoch <= self.epoch, "the target does not lead the group");
    }

    fn member_view(&self, id: &MemberId, member: &ConsumerMember) -> MemberView {
        let target = self.target.get(id).into_iter().flatten().copied();
        MemberView {
            member: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            metadata: Bytes::new(),
            assignment: Bytes::new(),
            consumer: Some(ConsumerMemberView {
                epoch: member.epoch,
                subscribed: member.subscribed.iter().cloned().collect(),
                subscribed_pattern: member.subscribed_pattern.clone(),
                owned: topic_partitions(member.granted.keys().copied()),
                target: topic_partitions(target),
            }),
        }
    }

    /// Returns the epoch since which a member has had a partition without a break.
    fn granted_since(&self, member: &ConsumerMember, partition: &TopicPartition) -> Option<i32> {
        let named = |topic: &_| self.topics.get(topic).is_some_and(|shape| shape.name == partition.topic);
        let mut held = member.granted.iter().chain(&member.revoked);
        let found = held.find(|(Share { topic, partition: index }, _)| *index == partition.partition && named(topic));
        found.map(|(_, since)| *since)
    }
}
