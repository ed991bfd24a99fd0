//! What a shard does for groups: answers members when the others have done their part, and ends
//! the sessions of those who are silent.

use omnibus_model::command::{JoinGroup, SyncGroup};
use omnibus_model::group::{GroupKind, Synced};
use omnibus_model::{Command, GroupName, InstanceId, MemberId, Outcome, Refusal};
use tokio::sync::oneshot;

use super::{Moment, Shard, duration};
use crate::error::SubmitError;
use crate::waiting::{Answered, JoinAnswer, JoinReply, SyncReply, Waiter, WaiterKind};

/// A sign of life of a classic member.
#[derive(Debug)]
pub struct Heartbeat {
    pub group: GroupName,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub generation: i32,
    pub reply: oneshot::Sender<Result<(), SubmitError>>,
}

impl Shard {
    /// Begins the sessions of all members that the broker remembers.
    pub fn begin_sessions(&mut self, now: Moment) {
        // Since the newest stamp the clock on the wall may have been turned back.
        self.led = Moment { wall: self.broker.newest().max(self.now.wall), elapsed: now.elapsed };
        self.advance(now);
        for listing in self.broker.groups() {
            for session in self.broker.members(&listing.group) {
                let timeout = match listing.kind {
                    GroupKind::Classic => duration(session.timeout),
                    GroupKind::Consumer => self.shared.configs.consumer_session(&listing.group),
                };
                let member = (listing.group.clone(), session.member);
                self.sessions.begin(now.elapsed, member, timeout);
            }
        }
    }

    pub(super) fn join(&mut self, command: JoinGroup, reply: JoinReply) {
        let (group, timeout) = (command.group.clone(), duration(command.session_timeout));
        // The waiter must be there before the command settles the group's waiters.
        match self.apply(&Command::JoinGroup(Box::new(command))).map(|applied| applied.outcome) {
            Ok(Outcome::Joining { member, ticket }) => {
                self.sessions.begin(self.now.elapsed, (group.clone(), member.clone()), timeout);
                self.waiting.push(group.clone(), Waiter { member, kind: WaiterKind::Join { ticket, reply } });
                self.settle_waiters(&group);
            }
            Ok(Outcome::MemberIdAssigned { member }) => {
                self.answer_with(reply, Ok(JoinAnswer::MemberIdAssigned { member }));
            }
            Ok(other) => unreachable!("joining a group ended in {other:?}"),
            Err(error) => self.answer_with(reply, Err(error)),
        }
    }

    pub(super) fn sync(&mut self, command: SyncGroup, reply: SyncReply) {
        let (group, member) = (command.group.clone(), command.member.clone());
        self.sessions.renew(self.now.elapsed, &group, &member);
        match self.apply(&Command::SyncGroup(Box::new(command))).map(|applied| applied.outcome) {
            Ok(Outcome::Syncing { generation }) => {
                self.waiting.push(group.clone(), Waiter { member, kind: WaiterKind::Sync { generation, reply } });
                self.settle_waiters(&group);
            }
            Ok(other) => unreachable!("syncing a group ended in {other:?}"),
            Err(error) => self.answer_with(reply, Err(error)),
        }
    }

    pub(super) fn heartbeat(&mut self, heartbeat: Heartbeat) {
        let Heartbeat { group, member, instance, generation, reply } = heartbeat;
        let alive = self.broker.heartbeat(&group, &member, instance.as_ref(), generation);
        // A member that is told of a rebalance is alive all the same.
        if matches!(alive, Ok(()) | Err(Refusal::RebalanceInProgress)) {
            self.sessions.renew(self.now.elapsed, &group, &member);
        }
        self.answer_with(reply, alive.map_err(SubmitError::from));
    }

    /// Asks for all groups after a command that may have touched any.
    pub(super) fn settle_all_waiters(&mut self, command: &Command) {
        if matches!(command, Command::Tick | Command::ForgetTopic { .. } | Command::ForgetTopics { .. }) {
            for group in self.waiting.groups() {
                self.settle_waiters(&group);
            }
        }
    }

    pub(super) fn settle_waiters(&mut self, group: &GroupName) {
        for answered in self.waiting.take_answered(group, &self.broker) {
            match answered {
                Answered::Join { member, reply, answer } => {
                    self.sessions.renew(self.now.elapsed, group, &member);
                    self.answer_with(reply, answer.map(JoinAnswer::Joined).map_err(SubmitError::from));
                }
                Answered::Sync { member, reply, answer } => {
                    self.sessions.renew(self.now.elapsed, group, &member);
                    self.answer_with::<Synced>(reply, answer.map_err(SubmitError::from));
                }
            }
        }
    }

    pub(super) fn expire_sessions(&mut self) {
        // What does not fit into the open group stays due.
        while self.open.takes(0)
            && let Some((group, member)) = self.sessions.take_lapsed(self.now.elapsed)
        {
            let sessions = self.broker.members(&group);
            let Some(session) = sessions.into_iter().find(|session| session.member == member) else { continue };
            // Even if its client has hung up: once its answer is there it may lapse.
            if session.waiting {
                self.sessions.begin(self.now.elapsed, (group, member), duration(session.timeout));
                continue;
            }
            tracing::info!(%group, %member, "a member's session has lapsed");
            self.apply_internally(&Command::ExpireMembers { group, members: vec![member] });
        }
    }
}
