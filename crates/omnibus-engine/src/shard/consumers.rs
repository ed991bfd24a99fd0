//! What a shard does for consumers: hands out what is ready, many records by one command.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use omnibus_model::command::Acquire;
use omnibus_model::queue::{Envelope, LeaseKey, QueueLimits, Settlement};
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Bug, Command, HolderId, LogIndex, Millis, Outcome, Refusal, StreamId, planted};

use super::Shard;
use super::queues::by_priority;
use crate::consumers::{ConsumerKey, ConsumerRequest, Ended, Settling, Turn};
use crate::error::SubmitError;
use crate::outbox::Batch;

impl Shard {
    pub(super) fn consumer(&mut self, request: ConsumerRequest) {
        match request {
            ConsumerRequest::Begin { queue, config, served, reply } => {
                let stream = queue.lowest.stream;
                self.consumers.used(stream, self.now.elapsed);
                let registration = match self.broker.queue(stream) {
                    Some(_) => {
                        let term = self.term;
                        Ok(self.consumers.begin(queue, (config, served), |number| HolderId::of_session(term, number)))
                    }
                    None => Err(Refusal::UnknownQueue { stream }.into()),
                };
                self.answer_with(reply, registration);
            }
            ConsumerRequest::SetCredit { consumer, credit } => self.consumers.set_credit(consumer, credit),
            ConsumerRequest::Taken { consumer } => self.consumers.note(consumer.queue.lowest.stream),
            ConsumerRequest::Cancel { consumer, reply } => {
                self.consumers.used(consumer.queue.lowest.stream, self.now.elapsed);
                if !planted(Bug::CancelUnheard) {
                    self.consumers.remove(consumer, Ended::Cancelled);
                }
                self.answer_with(reply, Ok(()));
            }
            ConsumerRequest::Close { consumers, reply } => {
                let released = consumers.into_iter().map(|consumer| self.close_consumer(consumer));
                let released = released.sum::<Result<u64, SubmitError>>();
                self.answer_with(reply, released);
            }
            ConsumerRequest::Count { stream, reply } => {
                let count = self.consumers.count(stream);
                self.answer_with(reply, Ok(count));
            }
            ConsumerRequest::Idle { queue, reply } => {
                let idle = self.consumers.idle(queue, self.now.elapsed);
                self.answer_with(reply, Ok(idle));
            }
            ConsumerRequest::Listen => {}
        }
    }

    /// Notes that there may be something for consumers after a command.
    pub(super) fn note_consumers(&mut self, command: &Command) {
        match command {
            // It makes nothing ready.
            Command::Acquire(Acquire { stream, .. }) | Command::Take { stream, .. } => {
                self.consumers.used(*stream, self.now.elapsed);
            }
            Command::Tick | Command::EndSessions => self.consumers.note_all(),
            Command::DropStream { stream } => self.consumers.dismiss(*stream),
            command => omnibus_broker::queues_of(command).for_each(|stream| self.consumers.note(stream)),
        }
    }

    /// Hands out what has become ready since the last time: as many records as there are by one
    /// command for each consumer.
    pub(super) fn serve_consumers(&mut self) {
        for consumer in self.consumers.take_hang_ups() {
            if let Err(error) = self.close_consumer(consumer) {
                tracing::debug!(shard = self.id.0, %error, "the leases of one who has gone are not released");
            }
        }
        for stream in self.consumers.take_unserved() {
            let Some(queue) = self.consumers.queue_of(stream) else { continue };
            while self.serve_round(queue) {}
        }
    }

    /// Hands out what is ready to consumers that have credit for it, before somebody takes it by himself.
    pub(super) fn serve_consumers_first(&mut self, stream: StreamId) {
        if let Some(queue) = self.consumers.take_noted(stream) {
            while self.serve_round(queue) {}
        }
    }

    /// Hands out what a full queue has before it gives up something for what comes.
    pub(super) fn make_room(&mut self, stream: StreamId, bytes: u32) {
        if self.broker.lacks_room(stream, bytes)
            && let Some(queue) = self.consumers.queue_of(stream)
        {
            while self.serve_round(queue) {}
        }
    }

    /// Whether what comes to a queue goes to somebody who waits for it at once: what was ready before has been handed out, and
    /// somebody has credit left.
    fn is_awaited(&mut self, stream: StreamId) -> bool {
        let Some(queue) = self.consumers.queue_of(stream) else { return false };
        while self.serve_round(queue) {}
        let held = |holder| self.held(queue, holder);
        let is_empty = !queue.streams().any(|stream| self.broker.has_ready(stream));
        is_empty && self.leases_left(queue) > 0 && !self.consumers.round(queue.lowest.stream, held).is_empty()
    }

    /// Whether a record that comes now is there for whoever waits, and nobody else: it is over as soon as it is there.
    pub(super) fn is_fleeting(&self, stream: StreamId, envelope: &Envelope) -> bool {
        let is_over = envelope.expires_at.is_some_and(|at| at <= self.now.wall);
        is_over || self.broker.queue_limits(stream).is_some_and(QueueLimits::is_fleeting)
    }

    /// Lets a record that would be over as it comes live through this millisecond, if somebody waits for it.
    pub(super) fn let_arrive(&mut self, stream: StreamId, envelope: &mut Envelope) {
        let is_over = envelope.expires_at.is_some_and(|at| at <= self.now.wall) && envelope.deliver_at.is_none();
        if is_over && self.is_awaited(stream) {
            envelope.expires_at = Some(self.now.wall.plus(Millis(1)));
        }
    }

    /// Hands out what has just come to those who waited for it; what a queue keeps for nobody else expires.
    pub(super) fn hand_out_or_expire(&mut self, stream: StreamId) {
        self.serve_consumers_first(stream);
        let is_fleeting = self.broker.queue_limits(stream).is_some_and(QueueLimits::is_fleeting);
        if is_fleeting && self.broker.has_ready(stream) {
            let before = self.broker.stream(stream).map(omnibus_broker::Stream::bounds).unwrap_or_default().end;
            self.apply_internally(&Command::ExpireBefore { stream, before });
        }
    }

    /// What comes back in the last millisecond of its life stays away until that is over, so that nobody gets it again.
    pub(super) fn without_the_dying<'command>(&self, command: &'command Command) -> Cow<'command, Command> {
        let Command::Settle { stream, settlements } = command else { return Cow::Borrowed(command) };
        let soon = self.now.wall.plus(Millis(1));
        let comes_back = |settlement: &Settlement| matches!(settlement, Settlement::Release { delay: Millis(0), .. });
        let dies = |(key, settlement): &(LeaseKey, Settlement)| {
            comes_back(settlement) && self.broker.expires_by(*stream, key.offset, soon)
        };
        if !settlements.iter().any(dies) {
            return Cow::Borrowed(command);
        }
        let mut settlements = settlements.clone();
        for settled in settlements.iter_mut().filter(|settled| dies(settled)) {
            if let Settlement::Release { delay, .. } = &mut settled.1 {
                *delay = Millis(1);
            }
        }
        Cow::Owned(Command::Settle { stream: *stream, settlements })
    }

    /// Gives each consumer that has credit left its share; false if nothing was handed out.
    fn serve_round(&mut self, queue: QueuePlace) -> bool {
        if !self.has_ready(queue) {
            return false;
        }
        let held = |holder| if planted(Bug::CreditForgotten) { 0 } else { self.held(queue, holder) };
        let round = self.consumers.round(queue.lowest.stream, held);
        let ready = queue.streams().filter_map(|stream| self.broker.queue_counts(stream)).map(|counts| counts.ready);
        let share = ready.sum::<u64>().checked_div(round.len() as u64).unwrap_or(0).max(1);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let mut any = false;
        for turn in round {
            if !self.has_ready(queue) {
                break;
            }
            any |= self.hand_out(queue, &turn, turn.free.min(share));
        }
        any && !planted(Bug::CreditForgotten)
    }

    /// How many records of a queue somebody holds.
    fn held(&self, queue: QueuePlace, holder: HolderId) -> usize {
        queue.streams().map(|stream| self.broker.held(stream, holder)).sum()
    }

    /// Hands out up to so many records to a consumer, of higher priorities first; false if there were none.
    fn hand_out(&mut self, queue: QueuePlace, turn: &Turn, count_max: u32) -> bool {
        let wanted = match turn.settling {
            Settling::ByReceiver => count_max.min(self.leases_left(queue)),
            Settling::Automatic => count_max,
        };
        let mut left = wanted;
        for partition in by_priority(queue) {
            if left > 0 && self.broker.has_ready(partition.stream) {
                left = left.saturating_sub(self.hand_out_of(partition.stream, turn, left));
            }
        }
        if left < wanted {
            self.consumers.had_turn(queue.lowest.stream, turn.holder);
        }
        left < wanted
    }

    /// Hands out up to so many records of one partition; returns how many it were.
    fn hand_out_of(&mut self, stream: StreamId, turn: &Turn, count_max: u32) -> u32 {
        let command = match turn.settling {
            Settling::ByReceiver => {
                let lease = Millis(u64::MAX);
                Command::Acquire(Acquire { stream, count_max, lease, holder: Some(turn.holder), attempt: None })
            }
            Settling::Automatic => Command::Take { stream, count_max },
        };
        let acquired = match self.apply(&command).map(|applied| applied.outcome) {
            Ok(Outcome::Acquired(acquired)) => acquired,
            Ok(other) => unreachable!("an acquire ended in {other:?}"),
            Err(_) => return 0,
        };
        let count = acquired.leases.len();
        if count == 0 {
            return 0;
        }
        turn.promise(count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let fresh = if turn.outbox.takes_at_once() { self.fresh.of(stream, &acquired.leases) } else { None };
        let batch = Batch { stream, leases: acquired.leases.into(), at: LogIndex(0), messages: VecDeque::new() };
        let batch = match fresh {
            Some((messages, bytes)) => match turn.outbox.put_at_once(Batch { messages, ..batch }, bytes) {
                Ok(()) => {
                    self.open_awaiting.is_out = true;
                    return count;
                }
                Err(batch) => batch,
            },
            None => batch,
        };
        let outbox = Arc::clone(&turn.outbox);
        if planted(Bug::PushBeforeCommit) {
            outbox.put(batch);
            return count;
        }
        outbox.expect();
        self.answer_later(Box::new(move |fate| {
            // Otherwise all consumers are told.
            if fate.is_ok() {
                outbox.put_expected(batch);
            }
        }));
        count
    }

    /// Serves a consumer no more and releases what it holds; returns how much that was.
    fn close_consumer(&mut self, consumer: ConsumerKey) -> Result<u64, SubmitError> {
        let ConsumerKey { queue, holder } = consumer;
        self.consumers.used(queue.lowest.stream, self.now.elapsed);
        self.consumers.remove(consumer, Ended::Cancelled);
        let mut released = 0;
        for stream in queue.streams() {
            if self.broker.held(stream, holder) == 0 || planted(Bug::HangUpUnheard) {
                continue;
            }
            released += match self.apply(&Command::ReleaseHolder { stream, holder })?.outcome {
                Outcome::HolderReleased { count } => count,
                other => unreachable!("releasing a holder ended in {other:?}"),
            };
        }
        Ok(released)
    }
}
