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
