//! Entering a round.

use bytes::Bytes;
use omnibus_model::command::JoinGroup;
use omnibus_model::outcome::{Applied, JoinTicket};
use omnibus_model::{InstanceId, MemberId, Outcome, Refusal};

use super::{ClassicGroup, ClassicMember, Comeback, Phase};
use crate::moment::Moment;

impl ClassicGroup {
    pub(crate) fn join(&mut self, at: Moment<'_>, join: &JoinGroup) -> Result<Applied, Refusal> {
        self.check_room(at, join.member.as_ref())?;
        self.check_protocols(join)?;
        match &join.member {
            None => self.join_unknown(at, join),
            Some(member) if self.pending.contains_key(member) => {
                // A static member is never asked to come back with an id.
                if join.instance.is_some() {
                    return Err(self.unknown_member(member));
                }
                Ok(self.add(at, join, member.clone()))
            }
            Some(member) => {
                self.check_member(member, join.instance.as_ref())?;
                Ok(self.rejoin(at, join, member))
            }
        }
    }

    fn join_unknown(&mut self, at: Moment<'_>, join: &JoinGroup) -> Result<Applied, Refusal> {
        let member = join.member_new.clone();
        if self.members.contains_key(&member) || self.pending.contains_key(&member) {
            return Err(Refusal::RequestInvalid { reason: "a new member's id is in use".to_owned() });
        }
        let max = at.limits.group_pending_max;
        if self.replaced.len() >= max as usize {
            return Err(Refusal::GroupFull { max });
        }
        let holder = join.instance.as_ref().and_then(|instance| self.instances.get(instance));
        match (&join.instance, holder.cloned()) {
            (Some(instance), Some(holder)) => Ok(self.replace(at, join, (instance, &holder))),
            (None, _) if join.member_id_required => self.announce(at, join),
            _ => Ok(self.add(at, join, member)),
        }
    }

    /// Gives a member its id and waits for it to come back with it (KIP-394).
    fn announce(&mut self, at: Moment<'_>, join: &JoinGroup) -> Result<Applied, Refusal> {
        let max = at.limits.group_pending_max;
        if self.pending.len() >= max as usize {
            return Err(Refusal::GroupFull { max });
        }
        let member = join.member_new.clone();
        self.pending.insert(member.clone(), at.now.plus(join.session_timeout));
        Ok(Applied::changed(Outcome::MemberIdAssigned { member }))
    }

    fn add(&mut self, at: Moment<'_>, join: &JoinGroup, member: MemberId) -> Applied {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Phase::Preparing(round) = &mut self.phase {
            round.note_newcomer();
        }
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), member.clone());
        }
        self.leader.get_or_insert_with(|| member.clone());
        self.pending.remove(&member);
        self.members.insert(
            member.clone(),
            ClassicMember {
                instance: join.instance.clone(),
                client: join.client.clone(),
                session_timeout: join.session_timeout,
                rebalance_timeout: join.rebalance_timeout,
                protocols: join.protocols.clone(),
                subscription: join.subscription.clone(),
                assignment: Bytes::new(),
                ticket: 0,
                joining: false,
                new_until: Some(at.now.plus(at.limits.new_member_join_timeout)),
                comeback: None,
            },
        );
        let joining = self.take_ticket(&member);
        self.rebalance_or_close(at);
        Applied::changed(joining)
    }

    fn rejoin(&mut self, at: Moment<'_>, join: &JoinGroup, member: &MemberId) -> Applied {
        let known = &self.members[member];
        let unchanged = known.protocols == join.protocols;
        let answered_at_once = match self.phase {
            // It may have missed the answer, so it is given again.
            Phase::Completing => unchanged,
            // A leader that joins again wants a round: its topics may have changed.
            Phase::Stable => unchanged && !self.leads(member),
            Phase::Empty | Phase::Preparing(_) => false,
        };
        if answered_at_once {
            let ticket = JoinTicket(known.ticket);
            return Applied::unchanged(Outcome::Joining { member: member.clone(), ticket });
        }
        self.update(join, member);
        let joining = self.take_ticket(member);
        self.rebalance_or_close(at);
        Applied::changed(joining)
    }

    /// A static member returns under a new id, and the old id is fenced (KIP-345).
    fn replace(&mut self, at: Moment<'_>, join: &JoinGroup, (instance, old): (&InstanceId, &MemberId)) -> Applied {
        let new = join.member_new.clone();
        let leader_before = self.leader.clone().unwrap_or_else(|| new.clone());
        self.rename(instance, old, &new);
        self.update(join, &new);
        let joining = self.take_ticket(&new);
        match self.phase {
            Phase::Stable if self.protocol == self.vote() => {
                self.come_back(join, &new, leader_before);
            }
            // The leader was told the old id, so its assignment would not fit.
            Phase::Stable | Phase::Completing => self.begin_round(at),
            Phase::Preparing(_) => self.close_if_complete(at),
            Phase::Empty => unreachable!("an empty group has no static members"),
        }
        Applied::changed(joining)
    }

    /// Answers a returning static member without a round: nothing else has changed.
    fn come_back(&mut self, join: &JoinGroup, new: &MemberId, leader_before: MemberId) {
        let leads = self.leads(new);
        // An old client that leads is told that its former self leads: it then asks for the
        // assignment instead of making one.
        let comeback = if join.skip_assignment_supported {
            let leader = self.leader.clone().expect("a stable group has a leader");
            Comeback { leader, skip_assignment: leads }
        } else {
            Comeback { leader: leader_before, skip_assignment: false }
        };
        let member = self.members.get_mut(new).expect("it has just come back");
        member.joining = false;
        member.comeback = Some(comeback);
    }

    fn rename(&mut self, instance: &InstanceId, old: &MemberId, new: &MemberId) {
        if self.waits(old) {
            self.replaced.insert(old.clone(), self.generation);
        }
        let mut member = self.members.remove(old).expect("instances name members");
        member.new_until = None;
        self.members.insert(new.clone(), member);
        self.instances.insert(instance.clone(), new.clone());
        if self.unsynced.remove(old) {
            self.unsynced.insert(new.clone());
        }
        if self.leads(old) {
            self.leader = Some(new.clone());
        }
    }

    fn update(&mut self, join: &JoinGroup, member: &MemberId) {
        let member = self.members.get_mut(member).expect("the caller found the member");
        member.client = join.client.clone();
        member.protocols.clone_from(&join.protocols);
        member.subscription = join.subscription.clone();
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.comeback = None;
    }

    fn take_ticket(&mut self, id: &MemberId) -> Outcome {
        self.ticket_last += 1;
        let member = self.members.get_mut(id).expect("the caller found the member");
        member.ticket = self.ticket_last;
        member.joining = true;
        Outcome::Joining { member: id.clone(), ticket: JoinTicket(self.ticket_last) }
    }

    fn check_room(&self, at: Moment<'_>, member: Option<&MemberId>) -> Result<(), Refusal> {
        let max = at.limits.group_members_max;
        let known = member.and_then(|member| self.members.get(member));
        let (accepted, taken) = match self.phase {
            Phase::Empty => (true, 0),
            // Those who come first stay when the limit has been lowered.
            Phase::Preparing(_) => {
                let joining = self.members.values().filter(|member| member.joining).count();
                (known.is_some_and(|member| member.joining), joining)
            }
            Phase::Completing | Phase::Stable => (known.is_some(), self.members.len()),
        };
        if accepted || taken < max as usize { Ok(()) } else { Err(Refusal::GroupFull { max }) }
    }

    /// Checks that a member's offers leave the group at least one protocol in common.
    fn check_protocols(&self, join: &JoinGroup) -> Result<(), Refusal> {
        let fits = if self.is_empty() {
            !join.protocol_type.is_empty() && !join.protocols.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&join.protocol_type)
                && join.protocols.iter().any(|offer| self.all_offer(&offer.name))
        };
        if fits { Ok(()) } else { Err(Refusal::InconsistentProtocol) }
    }
}
