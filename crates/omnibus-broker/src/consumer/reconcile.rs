//! The way from what a member owns to what it shall own: give up first, be granted then.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::MemberId;
use omnibus_model::group::TopicPartitions;

use super::assignor::{Assignor, Candidate};
use super::{ConsumerGroup, ConsumerMember, Share};
use crate::moment::Moment;

/// What a member says it owns.
pub(super) enum Owned {
    /// Nothing new: it may still own all it did.
    Unsaid,
    Exactly(BTreeSet<Share>),
}

impl Owned {
    pub(super) fn told(owned: Option<&[TopicPartitions]>) -> Self {
        let Some(owned) = owned else {
            return Self::Unsaid;
        };
        let shares = |topic: &TopicPartitions| {
            let share = |partition: &_| Share { topic: topic.topic, partition: *partition };
            topic.partitions.iter().map(share).collect::<Vec<_>>()
        };
        Self::Exactly(owned.iter().flat_map(shares).collect())
    }

    pub(super) fn is_within(&self, granted: &BTreeMap<Share, i32>) -> bool {
        match self {
            Self::Unsaid => false,
            Self::Exactly(owned) => owned.iter().all(|share| granted.contains_key(share)),
        }
    }

    fn may_include_any(&self, shares: &BTreeMap<Share, i32>) -> bool {
        match self {
            Self::Unsaid => !shares.is_empty(),
            Self::Exactly(owned) => shares.keys().any(|share| owned.contains(share)),
        }
    }
}

impl ConsumerGroup {
    /// Computes a new target if the group has changed since the last.
    pub(super) fn retarget(&mut self) {
        if self.epoch == self.target_epoch {
            return;
        }
        let none = BTreeSet::new();
        let candidate = |id| {
            let member = &self.members[id];
            let before = self.target.get(id).unwrap_or(&none);
            Candidate { id, instance: member.instance.as_ref(), topics: &member.topics, before }
        };
        let candidates: Vec<Candidate<'_>> = self.members.keys().map(candidate).collect();
        let shares = self.preferred_assignor().assign(&candidates, &self.topics);
        assert_shared_once(&shares);
        self.target = self.members.keys().cloned().zip(shares).collect();
        self.target_epoch = self.epoch;
    }

    /// Moves a member as far towards its target as others and itself allow.
    pub(super) fn reconcile(&mut self, at: Moment<'_>, id: &MemberId, owned: &Owned) {
        let mut member = self.members.remove(id).expect("the caller found the member");
        if !owned.may_include_any(&member.revoked) {
            self.give_up_and_take(at, id, &mut member, owned);
        }
        self.members.insert(id.clone(), member);
    }

    /// Moves on a member that has given up what it had to. It stays in the epoch it knows, or in
    /// the next if it has just given up something, for as long as there is more to give up.
    fn give_up_and_take(&mut self, at: Moment<'_>, id: &MemberId, member: &mut ConsumerMember, owned: &Owned) {
        let target = self.target.get(id).cloned().unwrap_or_default();
        let gave_up = !member.revoked.is_empty();
        self.release(std::mem::take(&mut member.revoked).into_keys());
        let granted = std::mem::take(&mut member.granted).into_iter();
        let (kept, surplus) = granted.partition(|(share, _)| target.contains(share));
        member.granted = kept;
        if owned.may_include_any(&surplus) {
            member.revoked = surplus;
            member.revoke_until = Some(at.now.plus(member.rebalance_timeout));
            member.move_to(self.target_epoch.min(member.epoch + i32::from(gave_up)));
            return;
        }
        self.release(surplus.into_keys());
        member.revoke_until = None;
        if member.epoch == 0 {
            // What a member had that joins again counts as granted anew.
            member.granted.values_mut().for_each(|since| *since = self.target_epoch);
        }
        for share in target {
            let owner = self.owners.entry(share).or_insert_with(|| id.clone());
            if owner == id {
                member.granted.entry(share).or_insert(self.target_epoch);
            }
        }
        member.move_to(self.target_epoch);
    }

    /// Returns the assignor that most members prefer; uniform if none does or there is a tie.
    pub(super) fn preferred_assignor(&self) -> Assignor {
        let votes = |assignor| {
            let wish = |member: &&ConsumerMember| member.assignor == Some(assignor);
            self.members.values().filter(wish).count()
        };
        if votes(Assignor::Range) > votes(Assignor::Uniform) { Assignor::Range } else { Assignor::Uniform }
    }

    fn release(&mut self, shares: impl Iterator<Item = Share>) {
        for share in shares {
            let owner = self.owners.remove(&share);
            assert!(owner.is_some(), "what is given up had an owner");
        }
    }
}

impl ConsumerMember {
    const fn move_to(&mut self, epoch: i32) {
        if self.epoch != epoch {
            self.epoch_before = self.epoch;
            self.epoch = epoch;
        }
    }
}

/// Two owners of one partition would read it twice.
fn assert_shared_once(shares: &[BTreeSet<Share>]) {
    let all: BTreeSet<&Share> = shares.iter().flatten().collect();
    assert_eq!(all.len(), shares.iter().map(BTreeSet::len).sum::<usize>(), "a partition has one owner");
}

/// Groups shares, which come in order, by topic.
pub(super) fn topic_partitions(shares: impl Iterator<Item = Share>) -> Vec<TopicPartitions> {
    let mut topics = Vec::<TopicPartitions>::new();
    for share in shares {
        match topics.last_mut() {
            Some(last) if last.topic == share.topic => last.partitions.push(share.partition),
            _ => topics.push(TopicPartitions { topic: share.topic, partitions: vec![share.partition] }),
        }
    }
    topics
}
