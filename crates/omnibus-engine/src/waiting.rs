//! Group members whose answer depends on what other members do.

use std::collections::BTreeMap;

use omnibus_model::group::{Joined, Synced};
use omnibus_model::outcome::JoinTicket;
use omnibus_model::{GroupName, MemberId, Refusal};
use tokio::sync::oneshot;

use crate::error::SubmitError;

/// What a member that joins is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinAnswer {
    Joined(Joined),
    /// It must join again with this id (KIP-394).
    MemberIdAssigned {
        member: MemberId,
    },
}

pub(crate) type JoinReply = oneshot::Sender<Result<JoinAnswer, SubmitError>>;
pub(crate) type SyncReply = oneshot::Sender<Result<Synced, SubmitError>>;

/// One member that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) member: MemberId,
    pub(crate) kind: WaiterKind,
}

#[derive(Debug)]
pub(crate) enum WaiterKind {
    Join { ticket: JoinTicket, reply: JoinReply },
    Sync { generation: i32, reply: SyncReply },
}

/// A waiter whose answer is there.
#[derive(Debug)]
pub(crate) enum Answered {
    Join { member: MemberId, reply: JoinReply, answer: Result<Joined, Refusal> },
    Sync { member: MemberId, reply: SyncReply, answer: Result<Synced, Refusal> },
}

/// All who wait, by group.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_group: BTreeMap<GroupName, Vec<Waiter>>,
}

impl Waiting {
    pub(crate) fn push(&mut self, group: GroupName, waiter: Waiter) {
        self.by_group.entry(group).or_default().push(waiter);
    }

    /// Answers all with an error.
    pub(crate) fn refuse_all(&mut self, error: &SubmitError) {
        for waiter in std::mem::take(&mut self.by_group).into_values().flatten() {
            // Whoever waits may have hung up.
            match waiter.kind {
                WaiterKind::Join { reply, .. } => drop(reply.send(Err(error.clone()))),
                WaiterKind::Sync { reply, .. } => drop(reply.send(Err(error.clone()))),
            }
        }
    }

    pub(crate) fn groups(&self) -> Vec<GroupName> {
        self.by_group.keys().cloned().collect()
    }

    /// Takes every waiter of `group` whose answer is there, and forgets those who hung up.
    pub(crate) fn take_answered(&mut self, group: &GroupName, broker: &omnibus_broker::Broker) -> Vec<Answered> {
        let Some(waiters) = self.by_group.remove(group) else { return Vec::new() };
        let mut answered = Vec::new();
        let mut left = Vec::new();
        for waiter in waiters.into_iter().filter(Waiter::is_heard) {
            match waiter.ask(group, broker) {
                Ok(answer) => answered.push(answer),
                Err(waiter) => left.push(waiter),
            }
        }
        if !left.is_empty() {
            self.by_group.insert(group.clone(), left);
        }
        answered
    }
}

impl Waiter {
    fn is_heard(&self) -> bool {
        match &self.kind {
            WaiterKind::Join { reply, .. } => !reply.is_closed(),
            WaiterKind::Sync { reply, .. } => !reply.is_closed(),
        }
    }

    fn ask(self, group: &GroupName, broker: &omnibus_broker::Broker) -> Result<Answered, Self> {
        let Self { member, kind } = self;
        match kind {
            WaiterKind::Join { ticket, reply } => match broker.joined(group, &member, ticket) {
                Some(answer) => Ok(Answered::Join { member, reply, answer }),
                None => Err(Self { member, kind: WaiterKind::Join { ticket, reply } }),
            },
            WaiterKind::Sync { generation, reply } => match broker.synced(group, &member, generation) {
                Some(answer) => Ok(Answered::Sync { member, reply, answer }),
                None => Err(Self { member, kind: WaiterKind::Sync { generation, reply } }),
            },
        }
    }
}
