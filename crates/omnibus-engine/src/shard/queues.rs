//! What a shard does for queues: takes records in, and hands out leases to those who wait.

use std::time::Duration;

use omnibus_log::Room;
use omnibus_model::command::{Acquire, Append, Enqueue};
use omnibus_model::outcome::{Acquired, Appended};
use omnibus_model::queue::{MoveState, Origin};
use omnibus_model::topic::Partition;
use omnibus_model::{Bug, Command, Offset, Outcome, Refusal, StreamId, planted};
use omnibus_record::Encoded;
use tokio::sync::oneshot;

use super::{Shard, leader_epoch};
use crate::error::SubmitError;
use crate::group_commit::stamped_message;
use crate::receivers::Receive;

/// An answer per message, in order.
pub type EnqueueReply = oneshot::Sender<Result<Vec<Result<Appended, Refusal>>, SubmitError>>;

/// How often one who waits may come away empty-handed from a queue that says it has something.
const ATTEMPTS_MAX: u32 = 16;

/// How long after a tick all queues are asked for chores.
const SWEEP_DELAY: Duration = Duration::from_millis(50);

/// Messages on their way into a queue.
#[derive(Debug)]
pub struct Enqueueing {
    pub stream: StreamId,
    pub messages: Vec<(Encoded, Option<Origin>)>,
    pub reply: EnqueueReply,
}

impl Enqueueing {
    /// How many bytes they bring along.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(|(message, _)| message.bytes()).sum()
    }
}

impl Shard {
    pub(super) fn enqueue(&mut self, enqueueing: Enqueueing) {
        let Enqueueing { stream, messages, reply } = enqueueing;
        // All of them or none: a client that is told of a full disk sends all of them again.
        let bytes = messages.iter().map(|(message, _)| message.bytes()).sum();
        let answer = if self.shared.replicated.room() == Room::Plenty {
            self.check_bytes(bytes).and_then(|()| {
                messages.iter().map(|(message, origin)| self.enqueue_one(stream, message, *origin)).collect()
            })
        } else {
            Err(SubmitError::DiskFull)
        };
        self.answer_with(reply, answer);
    }

    /// Puts one message into the open group; only the broker's refusals are its own.
    fn enqueue_one(
        &mut self,
        stream: StreamId,
        message: &Encoded,
        origin: Option<Origin>,
    ) -> Result<Result<Appended, Refusal>, SubmitError> {
        let leader_epoch = leader_epoch(self.term);
        let append = Append { stream, batch: message.batch(), leader_epoch };
        let enqueue = Enqueue { append, envelope: message.envelope(), origin };
        let applied = match self.apply(&Command::Enqueue(enqueue)) {
            Ok(applied) => applied,
            Err(SubmitError::Refused(refusal)) => return Ok(Err(refusal)),
            Err(error) => return Err(error),
        };
        let Outcome::Enqueued(appended) = applied.outcome else {
            unreachable!("an enqueue ended in {:?}", applied.outcome);
        };
        if !appended.duplicate {
            self.shared.counters.batches_appended.add(1);
            self.shared.counters.records_appended.add(1);
            self.shared.counters.bytes_appended.add(u64::from(append.batch.bytes));
            self.open.push_batch(stamped_message(stream, message, appended.base, leader_epoch));
        }
        Ok(Ok(appended))
    }

    pub(super) fn receive(&mut self, receive: Receive) {
        let Receive { acquire, wait, reply } = receive;
        match self.acquire(&acquire) {
            Ok(acquired) if acquired.leases.is_empty() && !wait.is_zero() => {
                self.receivers.push(self.now.elapsed.saturating_add(wait), acquire, reply);
            }
            answer => self.answer_with(reply, answer),
        }
    }

    /// Looks after those who may be answered after a command.
    pub(super) fn serve_receivers(&mut self, command: &Command) {
        match command {
            // It makes nothing ready, and this is where it comes from.
            Command::Acquire(_) | Command::Take { .. } => {}
            Command::Tick if planted(Bug::ReceiverForgotten) => {}
            Command::Tick | Command::EndSessions => {
                self.receivers.queues().into_iter().for_each(|stream| self.settle_receivers(stream))
            }
            Command::DropStream { stream } => self.dismiss_receivers(*stream),
            command => {
                for stream in omnibus_broker::queues_of(command) {
                    self.settle_receivers(stream);
                }
            }
        }
    }

    /// Hands out what has become ready in a queue to those who wait for it.
    fn settle_receivers(&mut self, stream: StreamId) {
        let mut attempts = 0;
        while attempts < ATTEMPTS_MAX && self.broker.has_ready(stream) {
            let Some(receiver) = self.receivers.pop_first(stream) else { return };
            match self.acquire(&receiver.acquire) {
                Ok(acquired) if acquired.leases.is_empty() => {
                    attempts += 1;
                    self.receivers.put_back(receiver);
                }
                answer => self.answer_with(receiver.reply, answer),
            }
        }
    }

    /// Tells those who wait for a queue that is gone.
    fn dismiss_receivers(&mut self, stream: StreamId) {
        while let Some(receiver) = self.receivers.pop_first(stream) {
            self.answer_with(receiver.reply, Err(Refusal::UnknownQueue { stream }.into()));
        }
    }

    /// Answers those who have waited long enough.
    pub(super) fn expire_receivers(&mut self) {
        while let Some(receiver) = self.receivers.pop_due(self.now.elapsed) {
            let answer = self.acquire(&receiver.acquire);
            self.answer_with(receiver.reply, answer);
        }
    }

    /// Tells those who do chores what the queue of a command wants.
    pub(super) fn note_chores(&mut self, command: &Command) {
        match command {
            Command::Tick if self.sweep_at.is_none() && self.broker.queues().next().is_some() => {
                self.sweep_at = Some(self.now.elapsed.saturating_add(SWEEP_DELAY));
            }
            // Those who do chores ask again themselves.
            Command::Bury { .. } | Command::Admit(_) | Command::AdvanceMove { .. } => {}
            command => {
                for stream in omnibus_broker::queues_of(command) {
                    self.note_chores_of(stream);
                }
            }
        }
    }

    /// Asks all queues for chores if a tick was long enough ago.
    pub(super) fn sweep_when_due(&mut self) {
        if self.sweep_at.is_some_and(|at| at <= self.now.elapsed) {
            self.sweep_at = None;
            self.sweep();
        }
    }

    pub(super) fn sweep(&self) {
        self.broker.queues().for_each(|(stream, _)| self.note_chores_of(stream));
    }

    fn note_chores_of(&self, stream: StreamId) {
        let queue = Partition { stream, shard: self.id };
        let moves = self.broker.moves(stream).iter();
        let is_moved = moves.rev().any(|task| task.state == MoveState::Running);
        if is_moved || !self.broker.dying(stream, Offset::ZERO, 1).is_empty() {
            self.shared.chores.departures.put(queue);
        }
        if self.broker.wants_admission(stream).is_some() {
            self.shared.chores.admissions.put(queue);
        }
    }

    fn acquire(&mut self, acquire: &Acquire) -> Result<Acquired, SubmitError> {
        match self.apply(&Command::Acquire(*acquire))?.outcome {
            Outcome::Acquired(acquired) => Ok(acquired),
            other => unreachable!("an acquire ended in {other:?}"),
        }
    }
}
