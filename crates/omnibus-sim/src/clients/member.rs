//! A member of a classic group: joins, shares out if it leads, lives for a while, and leaves
//! or falls silent.

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_engine::shard::{Heartbeat, Request};
use omnibus_engine::waiting::JoinAnswer;
use omnibus_model::command::{JoinGroup, Leaver, SyncGroup};
use omnibus_model::group::{ClientInfo, Joined, ProtocolOffer, Subscription, Synced};
use omnibus_model::{Command, GroupName, MemberId, Millis};
use tokio::sync::oneshot;

use super::Client;
use crate::fact::Fact;
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

type Reply<T> = oneshot::Receiver<Result<T, SubmitError>>;

/// A member of the one group that has any.
#[derive(Debug)]
pub(super) struct Member {
    number: u64,
    /// How many lives it had.
    lives: u64,
    group: GroupName,
    id: Option<MemberId>,
    state: State,
}

#[derive(Debug)]
enum State {
    Outside,
    Joining(Reply<JoinAnswer>),
    Syncing(Joined, Reply<Synced>),
    Inside(i32),
    Beating(i32, Reply<()>),
    Leaving(OutcomeReply),
}

impl Member {
    pub(super) fn new(number: u64) -> Self {
        let group = GroupName::new("members").expect("a short name");
        Self { number, lives: 0, group, id: None, state: State::Outside }
    }

    fn join(&mut self, stage: &mut Stage) -> State {
        self.lives += 1;
        let member_new = MemberId::new(&format!("member-{}-{}", self.number, self.lives)).expect("a short name");
        let command = JoinGroup {
            group: self.group.clone(),
            member: self.id.clone(),
            member_new,
            instance: None,
            client: ClientInfo::default(),
            session_timeout: Millis(200),
            rebalance_timeout: Millis(100),
            protocol_type: String::from("consumer"),
            protocols: vec![ProtocolOffer { name: String::from("range"), metadata: Bytes::new() }],
            subscription: Subscription::NotTopics,
            member_id_required: stage.random.once_in(2),
            skip_assignment_supported: false,
            reason: None,
        };
        let (reply, answer) = oneshot::channel();
        let request = Request::Join { command: Box::new(command), reply };
        stage.tally.joins += 1;
        if stage.request(stage.group_shard(&self.group), request) { State::Joining(answer) } else { State::Outside }
    }

    fn sync(&self, stage: &mut Stage, joined: Joined) -> State {
        let share = |member: &omnibus_model::group::JoinedMember| {
            let share = format!("{} of {}", member.member, joined.generation);
            (member.member.clone(), Bytes::from(share))
        };
        let command = SyncGroup {
            group: self.group.clone(),
            member: joined.member.clone(),
            instance: None,
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments: joined.members.iter().map(share).collect(),
        };
        let (reply, answer) = oneshot::channel();
        let request = Request::Sync { command: Box::new(command), reply };
        if stage.request(stage.group_shard(&self.group), request) {
            State::Syncing(joined, answer)
        } else {
            State::Outside
        }
    }

    fn live_on(&mut self, stage: &mut Stage, generation: i32) -> State {
        let Some(member) = self.id.clone() else { return State::Outside };
        if stage.random.once_in(12) {
            return self.leave(stage, member);
        }
        if stage.random.once_in(20) {
            // It falls silent, and comes back as somebody else.
            self.id = None;
            return State::Outside;
        }
        let (reply, answer) = oneshot::channel();
        let heartbeat = Heartbeat { group: self.group.clone(), member, instance: None, generation, reply };
        if stage.request(stage.group_shard(&self.group), Request::Heartbeat(heartbeat)) {
            State::Beating(generation, answer)
        } else {
            State::Inside(generation)
        }
    }

    fn leave(&mut self, stage: &mut Stage, member: MemberId) -> State {
        let leaver = Leaver { member: Some(member), instance: None, reason: None };
        let command = Command::LeaveGroup { group: self.group.clone(), members: vec![leaver] };
        self.id = None;
        let left = stage.submit(stage.group_shard(&self.group), command);
        left.map_or(State::Outside, State::Leaving)
    }

    fn joined(&mut self, stage: &mut Stage, answer: JoinAnswer) -> Result<State, Violation> {
        match answer {
            JoinAnswer::MemberIdAssigned { member } => {
                self.id = Some(member);
                Ok(State::Outside)
            }
            JoinAnswer::Joined(joined) => {
                let now = stage.time.elapsed;
                stage.see(&Fact::GroupJoined { group: &self.group, joined: &joined, now })?;
                stage.trace.line(format_args!("{} is in generation {}", joined.member, joined.generation));
                self.id = Some(joined.member.clone());
                Ok(self.sync(stage, joined))
            }
        }
    }

    fn synced(&self, stage: &mut Stage, joined: &Joined, synced: &Synced) -> Result<State, Violation> {
        let share = format!("{} of {}", joined.member, joined.generation);
        if synced.assignment != share.as_bytes() {
            let what = format!("{share} is told {:?}", synced.assignment);
            return Err(Violation::new("members get their own share", what));
        }
        stage.trace.line(format_args!("{share} has its share"));
        Ok(State::Inside(joined.generation))
    }

    /// Begins again, as whom it still may be.
    fn outside(&mut self, error: &SubmitError) -> State {
        let unknown = matches!(error, SubmitError::Refused(omnibus_model::Refusal::UnknownMember { .. }));
        if unknown {
            self.id = None;
        }
        State::Outside
    }
}

impl Client for Member {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.state = match std::mem::replace(&mut self.state, State::Outside) {
            State::Outside => self.join(stage),
            State::Inside(generation) => self.live_on(stage, generation),
            waiting => waiting,
        };
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.state = match std::mem::replace(&mut self.state, State::Outside) {
            State::Joining(mut reply) => match stage.look(&mut reply) {
                Answered::NotYet => State::Joining(reply),
                Answered::Yes(answer) => self.joined(stage, answer)?,
                Answered::No(error) => self.outside(&error),
                Answered::Unknown => State::Outside,
            },
            State::Syncing(joined, mut reply) => match stage.look(&mut reply) {
                Answered::NotYet => State::Syncing(joined, reply),
                Answered::Yes(synced) => self.synced(stage, &joined, &synced)?,
                Answered::No(error) => self.outside(&error),
                Answered::Unknown => State::Outside,
            },
            State::Beating(generation, mut reply) => match stage.look_at_answer(&mut reply) {
                Answered::NotYet => State::Beating(generation, reply),
                Answered::Yes(()) => State::Inside(generation),
                Answered::No(error) => self.outside(&error),
                Answered::Unknown => State::Outside,
            },
            State::Leaving(mut reply) => match stage.look(&mut reply) {
                Answered::NotYet => State::Leaving(reply),
                Answered::Yes(_) | Answered::No(_) | Answered::Unknown => State::Outside,
            },
            resting => resting,
        };
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.state = State::Outside;
        Ok(())
    }
}
