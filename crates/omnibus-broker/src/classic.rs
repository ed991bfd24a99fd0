//! A classic group: its members meet in rounds, and one of them shares out the partitions.
//!
//! ```text
//!            join                  all have joined,            the leader
//!   Empty ---------> Preparing --- or time is up -----> Completing ----> Stable
//!     ^                 |  ^                                |              |
//!     '-- nobody left --'  '-------- join, leave, lapse ----'--------------'
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omnibus_model::group::{ClientInfo, GroupState, ProtocolOffer, Subscription};
use omnibus_model::{GroupName, InstanceId, MemberId, Millis, Refusal, Timestamp, TopicName};
use serde::{Deserialize, Serialize};

mod join;
mod leave;
mod sync;
mod round;
mod look;

use crate::moment::Moment;
use crate::offsets::Readers;
use round::Round;

/// A group whose members use JoinGroup and SyncGroup.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClassicGroup {
    name: GroupName,
    phase: Phase,
    /// When the phase began.
    since: Timestamp,
    generation: i32,
    /// `None` for a group that only stores offsets.
    protocol_type: Option<String>,
    /// What the members voted for when the last round closed.
    protocol: Option<String>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, ClassicMember>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Members that learnt their id and have not joined with it yet, each with its deadline.
    pending: BTreeMap<MemberId, Timestamp>,
    /// Members of the present generation that have not asked for their share yet.
    unsynced: BTreeSet<MemberId>,
    /// Until when they have to.
    sync_until: Option<Timestamp>,
    /// Static members that were replaced while they waited, and the generation that was then:
    /// their connections are told so. Forgotten when the round after the next closes.
    replaced: BTreeMap<MemberId, i32>,
    ticket_last: u64,
}

/// Where in its cycle a group is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Empty,
    Preparing(Round),
    Completing,
    Stable,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ClassicMember {
    instance: Option<InstanceId>,
    client: ClientInfo,
    session_timeout: Millis,
    rebalance_timeout: Millis,
    protocols: Vec<ProtocolOffer>,
    subscription: Subscription,
    assignment: Bytes,
    /// Its latest ticket.
    ticket: u64,
    /// Whether it waits for the round to close.
    joining: bool,
    /// Until when a member of its first round may wait; it has no session yet.
    new_until: Option<Timestamp>,
    /// How it came back, if it took a static member's place without a round.
    comeback: Option<Comeback>,
}

/// A static member's return to a stable group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Comeback {
    /// Who it is told leads.
    leader: MemberId,
    /// Whether it leads itself and may keep the assignment it made before (KIP-814).
    skip_assignment: bool,
}

impl ClassicGroup {
    pub(crate) const fn new(name: GroupName, now: Timestamp) -> Self {
        Self {
            name,
            phase: Phase::Empty,
            since: now,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            sync_until: None,
            replaced: BTreeMap::new(),
            ticket_last: 0,
        }
    }

    pub(crate) const fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing(_) => GroupState::PreparingRebalance,
            Phase::Completing => GroupState::CompletingRebalance,
            Phase::Stable => GroupState::Stable,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.phase, Phase::Empty)
    }

    /// Whether anybody is here or on the way.
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_empty() && self.pending.is_empty()
    }

    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns when the group's own timers want to be looked at.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let round = match &self.phase {
            Phase::Preparing(round) => Some(round.until),
            _ => None,
        };
        let new = self.members.values().filter(|member| member.joining).filter_map(|member| member.new_until);
        let pending = self.pending.values().copied();
        new.chain(pending).chain(round).chain(self.sync_until).min()
    }

    /// Lets happen what is due.
    pub(crate) fn tick(&mut self, at: Moment<'_>) {
        let due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= at.now);
        let lapsed = self.lapsed_newcomers(at.now);
        if !lapsed.is_empty() {
            self.remove_all(at, &lapsed);
        }
        if matches!(&self.phase, Phase::Preparing(round) if due(Some(round.until))) {
            self.round_is_due(at);
        }
        if due(self.sync_until) {
            self.sync_is_due(at);
        }
    }

    pub(crate) fn readers(&self) -> Readers {
        match self.phase {
            Phase::Empty => Readers::Nobody(self.since),
            Phase::Stable if self.topics_are_known() => Readers::Known(self.generation),
            _ => Readers::Unclear,
        }
    }

    /// Whether members read the topic, or might.
    pub(crate) fn may_read(&self, topic: &TopicName) -> bool {
        self.members.values().any(|member| match &member.subscription {
            Subscription::NotTopics => false,
            Subscription::Unreadable => true,
            Subscription::Topics(topics) => topics.contains(topic),
        })
    }

    /// Whether what the members share are topics, so that one can ask which.
    pub(crate) fn shares_topics(&self) -> bool {
        self.members.values().all(|member| member.subscription != Subscription::NotTopics)
    }

    fn topics_are_known(&self) -> bool {
        self.members.values().all(|member| matches!(member.subscription, Subscription::Topics(_)))
    }

    fn lapsed_newcomers(&self, now: Timestamp) -> Vec<MemberId> {
        let pending = self.pending.iter().filter(|(_, until)| **until <= now).map(|(id, _)| id);
        let new = self
            .members
            .iter()
            .filter(|(_, member)| member.joining && member.new_until.is_some_and(|until| until <= now))
            .map(|(id, _)| id);
        pending.chain(new).cloned().collect()
    }

    fn enter(&mut self, now: Timestamp, phase: Phase) {
        self.phase = phase;
        self.since = now;
    }

    /// Checks that a request comes from a member, and from the one that holds its instance.
    fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(self.unknown_member(member)),
                Some(holder) if holder != member => return Err(Refusal::InstanceFenced),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(self.unknown_member(member)) }
    }

    const fn check_generation(&self, got: i32) -> Result<(), Refusal> {
        if got == self.generation { Ok(()) } else { Err(Refusal::IllegalGeneration { current: self.generation, got }) }
    }

    fn unknown_member(&self, member: &MemberId) -> Refusal {
        Refusal::UnknownMember { group: self.name.clone(), member: member.clone() }
    }

    fn leads(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }
}
