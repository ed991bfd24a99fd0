//! Questions that change nothing.

use bytes::Bytes;
use omnibus_model::group::{GroupKind, GroupView, Joined, JoinedMember, MemberSession, MemberView, Synced};
use omnibus_model::outcome::JoinTicket;
use omnibus_model::{InstanceId, MemberId, Refusal};

use super::{ClassicGroup, ClassicMember, Phase};

impl ClassicGroup {
    /// Answers a member that waits for its round to close; `None` if it still has to.
    pub(crate) fn joined(&self, id: &MemberId, ticket: JoinTicket) -> Option<Result<Joined, Refusal>> {
        let Some(member) = self.members.get(id) else {
            return Some(Err(self.gone(id)));
        };
        match member.joining {
            false => Some(Ok(self.joined_now(id, member))),
            true if member.ticket == ticket.0 => None,
            // The client asked again meanwhile; the later question gets the answer.
            true => Some(Err(Refusal::RebalanceInProgress)),
        }
    }

    /// Answers a member that waits for its share; `None` if it still has to.
    pub(crate) fn synced(&self, id: &MemberId, generation: i32) -> Option<Result<Synced, Refusal>> {
        let Some(member) = self.members.get(id) else {
            return Some(Err(self.gone(id)));
        };
        if generation != self.generation {
            return Some(Err(Refusal::RebalanceInProgress));
        }
        match self.phase {
            Phase::Empty => Some(Err(self.unknown_member(id))),
            Phase::Preparing(_) => Some(Err(Refusal::RebalanceInProgress)),
            Phase::Completing => None,
            Phase::Stable => Some(Ok(Synced {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                protocol: self.protocol.clone().unwrap_or_default(),
                assignment: member.assignment.clone(),
            })),
        }
    }

    pub(crate) fn heartbeat(
        &self,
        member: &MemberId,
        instance: Option<&InstanceId>,
        generation: i32,
    ) -> Result<(), Refusal> {
        self.check_member(member, instance)?;
        self.check_generation(generation)?;
        match self.phase {
            Phase::Empty => Err(self.unknown_member(member)),
            Phase::Preparing(_) => Err(Refusal::RebalanceInProgress),
            Phase::Completing | Phase::Stable => Ok(()),
        }
    }

    /// Checks whether somebody may commit offsets: a member of the present generation, or
    /// anybody while the group is empty.
    pub(crate) fn check_commit(
        &self,
        member: Option<&MemberId>,
        instance: Option<&InstanceId>,
        generation: i32,
    ) -> Result<(), Refusal> {
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && member.is_none() && instance.is_none() {
            return Err(self.not_a_member());
        }
        let Some(member) = member else {
            let known = instance.is_some_and(|instance| self.instances.contains_key(instance));
            return Err(if known { Refusal::InstanceFenced } else { self.not_a_member() });
        };
        self.check_member(member, instance)?;
        self.check_generation(generation)?;
        match self.phase {
            Phase::Completing => Err(Refusal::RebalanceInProgress),
            Phase::Empty | Phase::Preparing(_) | Phase::Stable => Ok(()),
        }
    }

    /// Checks whether offsets may be deleted at all: if members share something else than
    /// topics, one cannot tell which topics they read.
    pub(crate) fn check_delete_offsets(&self) -> Result<(), Refusal> {
        if self.shares_topics() { Ok(()) } else { Err(Refusal::GroupNotEmpty { group: self.name.clone() }) }
    }

    pub(crate) fn sessions(&self) -> Vec<MemberSession> {
        let session = |(id, member): (&MemberId, &ClassicMember)| MemberSession {
            member: id.clone(),
            timeout: member.session_timeout,
            waiting: self.waits(id),
        };
        self.members.iter().map(session).collect()
    }

    pub(crate) fn view(&self) -> GroupView {
        let members = self.members.iter().map(|(id, member)| self.member_view(id, member));
        let settled = self.protocol.clone().filter(|_| matches!(self.phase, Phase::Stable));
        GroupView {
            group: self.name.clone(),
            kind: GroupKind::Classic,
            state: self.state(),
            protocol_type: self.protocol_type().to_owned(),
            protocol: settled.unwrap_or_default(),
            epoch: self.generation,
            assignment_epoch: self.generation,
            members: members.collect(),
        }
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// Checks that the members agree with one another and with the phase.
    pub(crate) fn audit(&self) {
        for (instance, holder) in &self.instances {
            let member = self.members.get(holder);
            assert!(member.is_some_and(|member| member.instance.as_ref() == Some(instance)), "{holder} is {instance}");
        }
        let is_static = |member: &&ClassicMember| member.instance.is_some();
        assert_eq!(self.members.values().filter(is_static).count(), self.instances.len(), "instances are listed");
        assert!(self.unsynced.iter().all(|id| self.members.contains_key(id)), "only members have to sync");
        assert!(self.pending.keys().all(|id| !self.members.contains_key(id)), "members are not announced");
        let leads = self.leader.as_ref().is_some_and(|leader| self.members.contains_key(leader));
        assert_eq!(leads, !self.members.is_empty(), "where there are members, one leads");
        match self.phase {
            Phase::Empty => assert!(self.members.is_empty(), "an empty group has no members"),
            Phase::Preparing(_) => assert!(self.unsynced.is_empty(), "nobody syncs in an open round"),
            Phase::Completing | Phase::Stable => {
                assert!(self.protocol.is_some() && leads, "a generation has a protocol and members");
                assert!(self.members.values().all(|member| !member.joining), "nobody joins without a round");
            }
        }
    }

    /// Whether a member waits for an answer and so cannot be expected to send heartbeats.
    pub(super) fn waits(&self, id: &MemberId) -> bool {
        let waits_for_share = matches!(self.phase, Phase::Completing) && !self.unsynced.contains(id);
        self.members.get(id).is_some_and(|member| member.joining || waits_for_share)
    }

    fn joined_now(&self, id: &MemberId, member: &ClassicMember) -> Joined {
        let leads = self.leads(id);
        let (leader, skip_assignment) = match &member.comeback {
            Some(comeback) => (Some(&comeback.leader), comeback.skip_assignment),
            None => (self.leader.as_ref(), false),
        };
        let makes_assignment = leads && leader == Some(id);
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            leader: leader.unwrap_or(id).clone(),
            member: id.clone(),
            skip_assignment,
            members: if makes_assignment { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let joined = |(id, member): (&MemberId, &ClassicMember)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: self.metadata(member),
        };
        self.members.iter().map(joined).collect()
    }

    fn member_view(&self, id: &MemberId, member: &ClassicMember) -> MemberView {
        let settled = matches!(self.phase, Phase::Stable);
        MemberView {
            member: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            metadata: if settled { self.metadata(member) } else { Bytes::new() },
            assignment: member.assignment.clone(),
            consumer: None,
        }
    }

    /// Returns a member's subscription in the words of the protocol in use.
    fn metadata(&self, member: &ClassicMember) -> Bytes {
        let chosen = member.protocols.iter().find(|offer| Some(&offer.name) == self.protocol.as_ref());
        chosen.map(|offer| offer.metadata.clone()).unwrap_or_default()
    }

    fn gone(&self, id: &MemberId) -> Refusal {
        if self.replaced.contains_key(id) { Refusal::InstanceFenced } else { self.unknown_member(id) }
    }
}
