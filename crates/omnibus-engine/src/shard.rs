//! One shard's broker and its place in the log: decides at once, answers when committed.
//!
//! A plain state machine: the actor brings requests, commits and the time; the simulator
//! does the same.

mod request;
mod roles;
mod groups;
mod queues;
mod consumers;
mod fan_out;
mod decided;
mod snapshots;
mod fresh;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_broker::Broker;
use omnibus_log::{Log, Room};
use omnibus_model::command::{Acquire, Append};
use omnibus_model::outcome::{Appended, Applied};
use omnibus_model::{
    BatchInfo, Command, LeaderEpoch, LogIndex, Millis, Outcome, ProducerStamp, ShardId, StreamId, Term, Timestamp,
};
use omnibus_model::{Bug, planted};
use omnibus_replication::{Proposal, ProposeError, ReplicatedLog};
use tokio::sync::oneshot;

use crate::catalog::Catalog;
use crate::chores::Chores;
use crate::configs::Configs;
use crate::consumers::{Consumers, Ended};
use crate::counters::Counters;
use crate::departing::Leftovers;
use crate::error::SubmitError;
use crate::group_commit::{Closed, GroupCommit, part_bytes_max, stamped};
use crate::pending::{Answer, Awaiting, Effect, InFlight};
use crate::reached::Reached;
use crate::receivers::Receivers;
use crate::sessions::Sessions;
use crate::setbacks::Setbacks;
use crate::waiting::Waiting;

use fresh::Fresh;

pub use decided::Decided;
pub use fan_out::{Addressed, FannedOut, FanningOut};
pub use groups::Heartbeat;
pub use queues::{EnqueueReply, Enqueueing, TogetherReply};
pub use request::{Appending, Question, Request};
pub use roles::Office;
use roles::{Role, Soundness};

/// Entries of one shard that may be proposed and not yet committed. The last place is for those that make room: they would wait
/// behind all that was sent without waiting for an answer (ADR 105).
const IN_FLIGHT_MAX: usize = 3;
const IN_FLIGHT_USUAL: usize = 2;

/// The present, as its owner tells it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: Timestamp,
    /// Never goes back.
    pub elapsed: Duration,
}

/// A broker's memory as of one committed entry.
#[derive(Debug)]
pub struct Snapshot {
    pub shard: ShardId,
    pub term: Term,
    pub index: LogIndex,
    pub state: Vec<u8>,
}

/// What all shards of a node share.
#[derive(Clone, Debug)]
pub struct Shared {
    pub log: Log,
    pub replicated: Arc<dyn ReplicatedLog>,
    pub watches: Arc<crate::watch::Watches>,
    pub catalog: Arc<Catalog>,
    pub counters: Arc<Counters>,
    pub configs: Arc<Configs>,
    pub chores: Arc<Chores>,
    pub reached: Arc<Reached>,
    pub vacancies: Arc<crate::vacancies::Vacancies>,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    role: Role,
    /// The log has not told since it said so that this node leads.
    is_told_to_follow: bool,
    /// The term in which this node leads, or led last.
    term: Term,
    /// Has applied all up to `last`, and the open group, if it is sound.
    broker: Broker,
    soundness: Soundness,
    shared: Shared,
    open: GroupCommit,
    fresh: Fresh,
    open_awaiting: Awaiting,
    /// A closed group that the log did not take yet.
    refused: Option<(Proposal, Awaiting)>,
    in_flight: InFlight,
    sessions: Sessions,
    waiting: Waiting,
    receivers: Receivers,
    consumers: Consumers,
    /// When all queues are asked for chores: a tick may have touched any.
    sweep_at: Option<Duration>,
    setbacks: Setbacks,
    last: LogIndex,
    /// The term of that entry.
    last_term: Term,
    committed: LogIndex,
    /// What followed from the entries up to here outside the broker has happened.
    seen: LogIndex,
    now: Moment,
    /// When the clock on the wall was last not behind.
    led: Moment,
    broken: bool,
    /// The broker comes from another node, and nobody here knows the names in it.
    is_installed: bool,
    checkpoints: VecDeque<oneshot::Sender<Snapshot>>,
    /// The newest committed entry that a snapshot was named after. The log may have forgotten its term since.
    snapped: (Term, LogIndex),
}

impl Shard {
    /// Begins with a broker that is as old as `last`, the index and term of an entry. Nobody is known to
    /// lead; [`Self::told`] says who does.
    #[must_use]
    pub fn new(id: ShardId, broker: Broker, (last, last_term): (LogIndex, Term), shared: Shared) -> Self {
        let now = Moment { wall: broker.newest(), elapsed: Duration::ZERO };
        shared.reached.note(id, last);
        Self {
            id,
            role: Role::Follows { leader: None },
            is_told_to_follow: true,
            term: Term(0),
            broker,
            soundness: Soundness::Sound,
            shared,
            open: GroupCommit::default(),
            fresh: Fresh::default(),
            open_awaiting: Awaiting::default(),
            refused: None,
            in_flight: InFlight::default(),
            sessions: Sessions::default(),
            waiting: Waiting::default(),
            receivers: Receivers::default(),
            consumers: Consumers::default(),
            sweep_at: None,
            setbacks: Setbacks::default(),
            last,
            last_term,
            committed: last,
            seen: last,
            now,
            led: now,
            broken: false,
            is_installed: false,
            checkpoints: VecDeque::new(),
            snapped: (Term(0), LogIndex(0)),
        }
    }

    /// Finishes what was cut short, as a leader does before anybody asks for anything.
    pub fn finish(&mut self, leftovers: &Leftovers) {
        if !planted(Bug::SessionsOutliveLeader) {
            self.apply_internally(&Command::EndSessions);
        }
        leftovers.commands().for_each(|command| self.apply_internally(&command));
        self.sweep();
        self.propose();
    }

    pub(crate) const fn id(&self) -> ShardId {
        self.id
    }

    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Says whether there is room for a payload of `bytes` before the next commit.
    #[must_use]
    pub fn takes(&self, bytes: usize) -> bool {
        self.open.takes(bytes)
    }

    /// Carries out one request at the time `now`.
    pub fn handle(&mut self, now: Moment, request: Request) {
        self.advance(now);
        let request = match request {
            Request::AskApplied(question) if self.has_applied() => return question(&self.broker)(Ok(())),
            request if !self.is_leading() && !matches!(request, Request::Checkpoint { .. }) => {
                let error = self.not_leader();
                if let Request::Append(appending) = &request {
                    self.note_setback(appending.stamp(), &error);
                }
                return request.refuse(&self.broker, error);
            }
            request => request,
        };
        match request {
            Request::Submit { command, reply } => {
                let outcome = self.submit(&command);
                self.answer_with(reply, outcome);
            }
            Request::Together { commands, reply } => {
                let outcomes = self.submit_together(&commands);
                self.answer_all(reply, outcomes);
            }
            Request::Append(appending) => self.append(appending),
            Request::Join { command, reply } => self.join(*command, reply),
            Request::Sync { command, reply } => self.sync(*command, reply),
            Request::Heartbeat(heartbeat) => self.heartbeat(heartbeat),
            Request::Enqueue(enqueueing) => self.enqueue(enqueueing),
            Request::FanOut(fanning_out) => self.fan_out(fanning_out),
            Request::Receive(receive) => self.receive(receive),
            Request::Consumer(request) => self.consumer(request),
            Request::Ask(question) | Request::AskApplied(question) => {
                let answer = question(&self.broker);
                self.answer_later(answer);
            }
            Request::Checkpoint { reply } => self.checkpoints.push_back(reply),
        }
    }

    /// Lets happen what is due.
    pub fn tick(&mut self, now: Moment) {
        self.advance(now);
        if !self.is_leading() {
            return;
        }
        self.expire_sessions();
        if self.broker.next_deadline().is_some_and(|deadline| deadline <= self.now.wall) {
            self.apply_internally(&Command::Tick);
        }
        self.expire_receivers();
        self.sweep_when_due();
    }

    /// How long until [`Self::tick`] has something to do. A full group waits for a commit first.
    #[must_use]
    pub fn next_tick(&self, now: Moment) -> Option<Duration> {
        (self.open.takes(0) && self.is_leading()).then_some(())?;
        let waits =
            [self.sessions.next_deadline(), self.receivers.next_deadline(), self.sweep_at].into_iter().flatten();
        let wait = waits.min().map(|deadline| deadline.saturating_sub(now.elapsed));
        let deadline = self.broker.next_deadline().map(|deadline| duration(deadline.since(self.wall_at(now))));
        wait.into_iter().chain(deadline).min()
    }

    /// Proposes the open group if one of the places in flight is free.
    pub fn propose(&mut self) {
        if let Some((proposal, awaiting)) = self.refused.take() {
            self.propose_closed(proposal, awaiting);
        }
        let places = if self.open_awaiting.makes_room { IN_FLIGHT_MAX } else { IN_FLIGHT_USUAL };
        let can_take = self.refused.is_none() && self.in_flight.len() < places && !self.broken;
        let takes_more = can_take && self.is_leading();
        if takes_more {
            // As late as can be, so that there is much to hand out at once.
            self.serve_consumers();
        }
        if takes_more && !self.open.is_empty() {
            self.fresh.clear();
            let Closed { head, bodies, batches } = self.open.close();
            let awaiting = std::mem::take(&mut self.open_awaiting);
            self.propose_closed(Proposal { shard: self.id, term: self.term, head, bodies, batches }, awaiting);
        }
        if self.open.is_empty() && self.refused.is_none() && (self.is_leading() || self.is_settled()) {
            self.take_checkpoints();
        }
    }

    /// Whether anything waits for a commit.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let waits = !self.open.is_empty() || self.refused.is_some() || self.in_flight.len() > 0;
        self.is_leading() && !self.broken && (waits || self.consumers.is_unserved())
    }

    /// Whether a closed group waits for the log to have room again.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Answers everything that waits, and all that comes, with an error: nothing is
    /// acknowledged after a failed write (I10).
    pub fn fail(&mut self) {
        self.broken = true;
        let refused = self.refused.take().map(|(_, awaiting)| awaiting);
        let open = std::mem::take(&mut self.open_awaiting);
        let all = self.in_flight.take_all().into_iter().chain(refused).chain([open]);
        all.flat_map(|awaiting| awaiting.answers).for_each(|answer| answer(Err(SubmitError::Broken)));
        self.consumers.end_all(Ended::Broken);
        for receiver in self.receivers.take_all() {
            drop(receiver.reply.send(Err(SubmitError::Broken)));
        }
    }

    fn advance(&mut self, now: Moment) {
        let wall = self.wall_at(now);
        if wall == now.wall {
            self.led = now;
        }
        self.now = Moment { wall, elapsed: now.elapsed };
    }

    /// The time that is stamped: the wall clock may jump back, history may not, and goes on as time passes.
    fn wall_at(&self, now: Moment) -> Timestamp {
        let passed = now.elapsed.saturating_sub(self.led.elapsed).as_millis();
        now.wall.max(self.led.wall.plus(Millis(u64::try_from(passed).unwrap_or(u64::MAX))))
    }

    fn submit(&mut self, command: &Command) -> Result<Outcome, SubmitError> {
        if let Command::Acquire(Acquire { stream, .. }) | Command::Take { stream, .. } = command {
            self.serve_consumers_first(*stream);
        }
        let outcome = self.apply(&self.without_the_dying(command))?.outcome;
        match (command, &outcome) {
            (Command::ConsumerHeartbeat(heartbeat), Outcome::HeartbeatTaken(taken)) if taken.member_epoch >= 0 => {
                let member = (heartbeat.group.clone(), taken.member.clone());
                let timeout = self.shared.configs.consumer_session(&heartbeat.group);
                self.sessions.begin(self.now.elapsed, member, timeout);
            }
            (Command::CommitOffsets(commit), _) => {
                let members = commit.member.iter();
                members.for_each(|member| self.sessions.renew(self.now.elapsed, &commit.group, member));
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Applies a command and puts it into the open group if it changed anything.
    fn apply(&mut self, command: &Command) -> Result<Applied, SubmitError> {
        if self.broken {
            return Err(SubmitError::Broken);
        }
        // Logged before it is decided, so that what the log could not take changes nothing.
        let late = Millis(u64::from(planted(Bug::ClockInApply)));
        let mark = self.open.push(self.now.wall.plus(late), command);
        let applied = self.check_bytes(self.open.bytes_since(mark)).and_then(|()| {
            let decided = self.broker.apply(self.now.wall, command);
            decided.inspect_err(|_| self.shared.counters.commands_refused.add(1)).map_err(SubmitError::from)
        });
        if !applied.as_ref().is_ok_and(|applied| applied.changed) {
            self.open.take_back(mark);
        }
        let applied = applied?;
        if applied.changed {
            self.open_awaiting.effects.extend(Effect::of(command, &applied.outcome));
            self.open_awaiting.makes_room |= request::makes_room(command);
        }
        match omnibus_broker::group_of(command) {
            Some(group) => self.settle_waiters(group),
            None => self.settle_all_waiters(command),
        }
        self.serve_receivers(command);
        self.note_consumers(command);
        self.note_chores(command);
        Ok(applied)
    }

    /// Whether a command or a payload fits into an entry, whatever else is in it.
    fn check_bytes(&self, bytes: usize) -> Result<(), SubmitError> {
        let bytes_max = part_bytes_max(self.shared.log.entry_bytes_max());
        if bytes > bytes_max { Err(SubmitError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    /// Applies a command that nobody waits for; the broker may have moved on and refuse it.
    fn apply_internally(&mut self, command: &Command) {
        if let Err(refusal) = self.apply(command) {
            tracing::debug!(shard = self.id.0, %refusal, "a due command was refused");
        }
    }

    fn append(&mut self, appending: Appending) {
        let stamp = appending.stamp();
        let Appending { stream, batch, payload, reply } = appending;
        let outcome = self.append_batch(stream, batch, payload);
        if let Err(error @ SubmitError::DiskFull) = &outcome {
            self.note_setback(stamp, error);
        }
        self.answer_with(reply, outcome);
    }

    fn append_batch(&mut self, stream: StreamId, batch: BatchInfo, payload: Bytes) -> Result<Outcome, SubmitError> {
        if self.shared.replicated.room() != Room::Plenty {
            if planted(Bug::AckDespiteFullDisk) {
                return Ok(self.pretend_append(stream));
            }
            return Err(SubmitError::DiskFull);
        }
        self.check_bytes(payload.len())?;
        let stamp = batch.producer.map(|stamp| (stream, stamp));
        self.check_setbacks(stamp)?;
        self.make_room(stream, batch.bytes);
        let leader_epoch = leader_epoch(self.term);
        let applied = self.apply(&Command::Append(Append { stream, batch, leader_epoch }))?;
        if planted(Bug::DuplicateAsNew) && !applied.changed {
            return Ok(self.pretend_append(stream));
        }
        if let (true, Outcome::Appended(appended)) = (applied.changed, &applied.outcome) {
            self.shared.counters.batches_appended.add(1);
            self.shared.counters.records_appended.add(u64::from(batch.count));
            self.shared.counters.bytes_appended.add(u64::from(batch.bytes));
            self.open.push_batch(stamped(stream, batch, appended.base, leader_epoch, payload));
            self.open_awaiting.stamps.extend(stamp);
        }
        Ok(applied.outcome)
    }

    /// Refuses what was sent behind something that was refused.
    fn check_setbacks(&mut self, stamp: Option<(StreamId, ProducerStamp)>) -> Result<(), SubmitError> {
        let Some((stream, stamp)) = stamp else { return Ok(()) };
        let remembered = self.broker.stream(stream).and_then(|stream| stream.producer(stamp.id));
        self.setbacks.check((stream, stamp), remembered)
    }

    fn note_setback(&mut self, stamp: Option<(StreamId, ProducerStamp)>, error: &SubmitError) {
        stamp.into_iter().for_each(|stamp| self.setbacks.note(stamp, error));
    }

    /// What a bug on purpose answers that wrote nothing.
    fn pretend_append(&self, stream: StreamId) -> Outcome {
        let bounds = self.broker.stream(stream).map(omnibus_broker::Stream::bounds).unwrap_or_default();
        Outcome::Appended(Appended { base: bounds.end, start: bounds.start, duplicate: false })
    }

    fn answer_with<T: Send + 'static>(
        &mut self,
        reply: oneshot::Sender<Result<T, SubmitError>>,
        answer: Result<T, SubmitError>,
    ) {
        self.answer_later(Box::new(move |fate| {
            // Whoever asked may have hung up; what was committed stays.
            drop(reply.send(fate.and(answer)));
        }));
    }

    /// Keeps an answer back until all that it may rest on is committed.
    fn answer_later(&mut self, answer: Answer) {
        if self.broken {
            answer(Err(SubmitError::Broken));
        } else if planted(Bug::AnswerBeforeCommit) {
            answer(Ok(()));
        } else if !self.open.is_empty() {
            self.open_awaiting.answers.push(answer);
        } else if let Some((_, awaiting)) = &mut self.refused {
            awaiting.answers.push(answer);
        } else if let Some(newest) = self.in_flight.newest() {
            newest.answers.push(answer);
        } else {
            answer(Ok(()));
        }
    }

    fn propose_closed(&mut self, proposal: Proposal, awaiting: Awaiting) {
        match self.shared.replicated.propose(proposal.clone()) {
            Ok(index) => {
                self.shared.counters.entries_proposed.add(1);
                (self.last, self.last_term) = (index, self.term);
                self.in_flight.push(index, awaiting);
            }
            Err(error @ ProposeError::TooLarge { .. }) => unreachable!("a group fits into an entry, but {error}"),
            Err(ProposeError::NotLeader { leader }) => {
                self.refused = Some((proposal, awaiting));
                self.follow(leader);
            }
            Err(error) => {
                tracing::warn!(shard = self.id.0, %error, "the log takes nothing now");
                self.refused = Some((proposal, awaiting));
            }
        }
    }
}

/// The leader epoch that readers of a shard's streams see.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a term is a count of elections or of starts")]
pub const fn leader_epoch(term: Term) -> LeaderEpoch {
    LeaderEpoch(term.0 as u32)
}

fn duration(span: Millis) -> Duration {
    Duration::from_millis(span.0)
}
