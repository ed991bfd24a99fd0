//! What a shard does for queues: takes records in, and hands out leases to those who wait.

use std::time::Duration;

use omnibus_log::Room;
use omnibus_model::command::{Acquire, Append, Enqueue};
use omnibus_model::outcome::{Acquired, Appended};
use omnibus_model::queue::{Envelope, Move, MoveState, Origin};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{Bug, Command, MoveId, Offset, Outcome, Refusal, StreamId, planted};
use omnibus_record::Encoded;
use tokio::sync::oneshot;

use super::decided::Decided;
use super::{Shard, leader_epoch};
use crate::error::SubmitError;
use crate::group_commit::stamped_message;
use crate::receivers::{Receive, Received};

/// An answer per message.
pub type EnqueueReply = oneshot::Sender<Result<Decided<Result<Appended, Refusal>>, SubmitError>>;

/// What has become of each of some commands.
pub type TogetherReply = oneshot::Sender<Result<Decided<Result<Outcome, Refusal>>, SubmitError>>;

/// How often one who waits may come away empty-handed from a queue that says it has something.
const ATTEMPTS_MAX: u32 = 16;

/// How long after a tick all queues are asked for chores.
const SWEEP_DELAY: Duration = Duration::from_millis(50);

/// Messages on their way into a queue.
#[derive(Debug)]
pub struct Enqueueing {
    pub queue: QueuePlace,
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
        let Enqueueing { queue, messages, reply } = enqueueing;
        // All of them or none: a client that is told of a full disk sends all of them again.
        let bytes = messages.iter().map(|(message, _)| message.bytes()).sum();
        let answer = if self.shared.replicated.room() == Room::Plenty {
            self.check_bytes(bytes).and_then(|()| {
                messages.iter().map(|(message, origin)| self.enqueue_one(queue, message, *origin)).collect()
            })
        } else {
            Err(SubmitError::DiskFull)
        };
        self.answer_all(reply, answer);
    }

    /// Puts one message into the open group; only the broker's refusals are its own.
    fn enqueue_one(
        &mut self,
        queue: QueuePlace,
        message: &Encoded,
        origin: Option<Origin>,
    ) -> Result<Result<Appended, Refusal>, SubmitError> {
        if let Some(appended) = self.sent_with_priority(queue, &message.envelope()) {
            return Ok(Ok(appended));
        }
        let stream = queue.of_priority(message.envelope().priority).stream;
        self.make_room(stream, message.batch().bytes);
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
        if self.is_fleeting(stream, &message.envelope()) {
            self.hand_out_or_expire(stream);
        }
        Ok(Ok(appended))
    }

    /// Where a message lies already that was sent to a queue with priorities: each partition knows only the
    /// ids that were sent with its own.
    pub(super) fn sent_with_priority(&self, queue: QueuePlace, envelope: &Envelope) -> Option<Appended> {
        let id = envelope.dedup.filter(|_| queue.has_priorities())?;
        let mut sent =
            queue.streams().filter_map(|stream| Some((stream, self.broker.sent(self.now.wall, stream, id)?)));
        let (stream, base) = sent.next()?;
        let start = self.broker.stream(stream).map(omnibus_broker::Stream::bounds).unwrap_or_default().start;
        Some(Appended { base, start, duplicate: true })
    }

    /// Applies commands that speak to the partitions of one queue, so that they stand in one entry. A move begins
    /// in all partitions or in none.
    pub(super) fn submit_together(
        &mut self,
        commands: &[Command],
    ) -> Result<Vec<Result<Outcome, Refusal>>, SubmitError> {
        let busy = commands.iter().find_map(|command| match command {
            Command::StartMove { stream, .. } => self.move_under_way(*stream),
            _ => None,
        });
        if let Some(task) = busy {
            return Err(Refusal::MoveRunning { task }.into());
        }
        let apply = |command| match self.apply(&self.without_the_dying(command)) {
            Ok(applied) => Ok(Ok(applied.outcome)),
            Err(SubmitError::Refused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error),
        };
        commands.iter().map(apply).collect()
    }

    fn move_under_way(&self, stream: StreamId) -> Option<MoveId> {
        let is_under_way = |task: &&Move| matches!(task.state, MoveState::Running | MoveState::Finishing);
        self.broker.moves(stream).iter().find(is_under_way).map(|task| task.id)
    }

    pub(super) fn receive(&mut self, receive: Receive) {
        let Receive { queue, acquire, wait, reply } = receive;
        if acquire.holder.is_some_and(|holder| holder.is_session() && !self.consumers.knows(queue, holder)) {
            // He was known to an earlier leader: nobody would ever release what he holds.
            let stream = queue.lowest.stream;
            return self.answer_with(reply, Err(Refusal::UnknownHolder { stream }.into()));
        }
        self.serve_consumers_first(queue.lowest.stream);
        match self.acquire(queue, &acquire) {
            Ok(received) if received.is_empty() && !wait.is_zero() => {
                self.receivers.push(self.now.elapsed.saturating_add(wait), (queue, acquire), reply);
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
                self.receivers.queues().into_iter().for_each(|queue| self.settle_receivers(queue))
            }
            Command::DropStream { stream } => self.dismiss_receivers(*stream),
            command => {
                for stream in omnibus_broker::queues_of(command) {
                    if let Some(queue) = self.receivers.queue_of(stream) {
                        self.settle_receivers(queue);
                    }
                }
            }
        }
    }

    /// Hands out what has become ready in a queue to those who wait for it.
    fn settle_receivers(&mut self, queue: QueuePlace) {
        let mut attempts = 0;
        while attempts < ATTEMPTS_MAX && self.has_ready(queue) {
            let Some(receiver) = self.receivers.pop_first(queue) else { return };
            match self.acquire(queue, &receiver.acquire) {
                Ok(received) if received.is_empty() => {
                    attempts += 1;
                    self.receivers.put_back(receiver);
                }
                answer => self.answer_with(receiver.reply, answer),
            }
        }
    }

    /// Tells those who wait for a queue that is gone, or one of its partitions is.
    fn dismiss_receivers(&mut self, stream: StreamId) {
        let Some(queue) = self.receivers.queue_of(stream) else { return };
        while let Some(receiver) = self.receivers.pop_first(queue) {
            self.answer_with(receiver.reply, Err(Refusal::UnknownQueue { stream }.into()));
        }
    }

    /// Answers those who have waited long enough.
    pub(super) fn expire_receivers(&mut self) {
        while let Some(receiver) = self.receivers.pop_due(self.now.elapsed) {
            let answer = self.acquire(receiver.queue, &receiver.acquire);
            self.answer_with(receiver.reply, answer);
        }
    }

    /// Tells those who do chores what the queue of a command wants.
    pub(super) fn note_chores(&mut self, command: &Command) {
        match command {
            Command::Tick if self.sweep_at.is_none() && self.broker.queues().next().is_some() => {
                self.sweep_at = Some(self.now.elapsed.saturating_add(SWEEP_DELAY));
            }
            command => {
                // Those who do chores ask again themselves.
                let is_chore =
                    matches!(command, Command::Bury { .. } | Command::Admit(_) | Command::AdvanceMove { .. });
                for stream in omnibus_broker::queues_of(command) {
                    // What comes to one priority, or goes from it, may be too much for another.
                    let streams = self.broker.bounded_with(stream).filter(|other| !is_chore || *other != stream);
                    streams.for_each(|stream| self.note_chores_of(stream));
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

    /// Takes leases, those of higher priorities first.
    fn acquire(&mut self, queue: QueuePlace, acquire: &Acquire) -> Result<Received, SubmitError> {
        if !queue.has_priorities() {
            let Acquired { leases, granted_at, .. } = self.acquire_from(acquire)?;
            return Ok(Received { batches: vec![(queue.lowest, leases)], granted_at });
        }
        self.check_acquire(queue, acquire)?;
        let mut left = acquire.count_max.min(self.leases_left(queue));
        let mut received = Received { batches: Vec::new(), granted_at: self.now.wall };
        for partition in by_priority(queue) {
            if left == 0 || !self.broker.has_ready(partition.stream) {
                continue;
            }
            match self.acquire_from(&Acquire { stream: partition.stream, count_max: left, ..*acquire }) {
                Ok(acquired) => {
                    left = left.saturating_sub(u32::try_from(acquired.leases.len()).unwrap_or(u32::MAX));
                    received.batches.push((partition, acquired.leases));
                }
                // Others have given something.
                Err(_) if !received.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(received)
    }

    /// Says whether something may be taken from a queue with priorities, before anything has changed.
    fn check_acquire(&self, queue: QueuePlace, acquire: &Acquire) -> Result<(), Refusal> {
        let stream = queue.lowest.stream;
        let Some(config) = self.broker.queue(stream) else { return Err(Refusal::UnknownQueue { stream }) };
        if acquire.attempt.is_some() {
            let reason = "a queue with priorities does not know a receive again".to_owned();
            return Err(Refusal::RequestInvalid { reason });
        }
        match self.leases_left(queue) {
            0 => Err(Refusal::LeasesFull { max: config.leases_max }),
            _ => Ok(()),
        }
    }

    /// How many more records of a queue may be leased: its partitions share what each would allow by itself.
    pub(super) fn leases_left(&self, queue: QueuePlace) -> u32 {
        let max = self.broker.queue(queue.lowest.stream).map_or(0, |config| config.leases_max);
        if !queue.has_priorities() {
            // The cursor counts by itself.
            return max;
        }
        let leased = queue.streams().filter_map(|stream| self.broker.queue_counts(stream));
        let leased: u64 = leased.map(|counts| counts.leased).sum();
        max.saturating_sub(u32::try_from(leased).unwrap_or(u32::MAX))
    }

    /// Whether an acquire would find something.
    pub(super) fn has_ready(&self, queue: QueuePlace) -> bool {
        queue.streams().any(|stream| self.broker.has_ready(stream)) && self.leases_left(queue) > 0
    }

    fn acquire_from(&mut self, acquire: &Acquire) -> Result<Acquired, SubmitError> {
        match self.apply(&Command::Acquire(*acquire))?.outcome {
            Outcome::Acquired(acquired) => Ok(acquired),
            other => unreachable!("an acquire ended in {other:?}"),
        }
    }
}

/// A queue's partitions in the order in which they are served.
pub(super) fn by_priority(queue: QueuePlace) -> impl Iterator<Item = Partition> {
    let lowest_first = planted(Bug::LowestPriorityFirst);
    (0..=queue.highest).map(move |place| {
        let priority = if lowest_first { place } else { queue.highest - place };
        queue.of_priority(priority)
    })
}
