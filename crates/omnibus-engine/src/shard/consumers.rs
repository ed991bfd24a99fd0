//! What a shard does for consumers: hands out what is ready, many records by one command.

use omnibus_model::command::Acquire;
use omnibus_model::{Bug, Command, HolderId, Millis, Outcome, Refusal, StreamId, planted};

use super::Shard;
use crate::consumers::{ConsumerKey, ConsumerRequest, Ended, Settling, Turn};
use crate::error::SubmitError;

impl Shard {
    pub(super) fn consumer(&mut self, request: ConsumerRequest) {
        match request {
            ConsumerRequest::Begin { stream, config, reply } => {
                let registration = match self.broker.queue(stream) {
                    Some(_) => {
                        let term = self.term;
                        Ok(self.consumers.begin(stream, config, |number| HolderId::of_session(term, number)))
                    }
                    None => Err(Refusal::UnknownQueue { stream }.into()),
                };
                self.answer_with(reply, registration);
            }
            ConsumerRequest::SetCredit { consumer, credit } => self.consumers.set_credit(consumer, credit),
            ConsumerRequest::Taken { consumer } => self.consumers.note(consumer.stream),
            ConsumerRequest::Cancel { consumer, reply } => {
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
            ConsumerRequest::Listen => {}
        }
    }

    /// Notes that there may be something for consumers after a command.
    pub(super) fn note_consumers(&mut self, command: &Command) {
        match command {
            // It makes nothing ready.
            Command::Acquire(_) | Command::Take { .. } => {}
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
            while self.serve_round(stream) {}
        }
    }

    /// Gives each consumer that has credit left its share; false if nothing was handed out.
    fn serve_round(&mut self, stream: StreamId) -> bool {
        if !self.broker.has_ready(stream) {
            return false;
        }
        let broker = &self.broker;
        let held = |holder| if planted(Bug::CreditForgotten) { 0 } else { broker.held(stream, holder) };
        let round = self.consumers.round(stream, held);
        let ready = broker.queue_counts(stream).map_or(0, |counts| counts.ready);
        let share = ready.checked_div(round.len() as u64).unwrap_or(0).max(1);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let mut any = false;
        for turn in round {
            if !self.broker.has_ready(stream) {
                break;
            }
            any |= self.hand_out(stream, &turn, turn.free.min(share));
        }
        any && !planted(Bug::CreditForgotten)
    }

    /// Hands out up to so many records to a consumer; false if there were none.
    fn hand_out(&mut self, stream: StreamId, turn: &Turn, count_max: u32) -> bool {
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
            Err(_) => return false,
        };
        if acquired.leases.is_empty() {
            return false;
        }
        turn.promise(acquired.leases.len());
        self.consumers.had_turn(stream, turn.holder);
        let (outbox, batch) = (std::sync::Arc::clone(&turn.outbox), (stream, acquired.leases.into()));
        if planted(Bug::PushBeforeCommit) {
            outbox.put(batch);
            return true;
        }
        self.answer_later(Box::new(move |fate| {
            // Otherwise all consumers are told.
            if fate.is_ok() {
                outbox.put(batch);
            }
        }));
        true
    }

    /// Serves a consumer no more and releases what it holds; returns how much that was.
    fn close_consumer(&mut self, consumer: ConsumerKey) -> Result<u64, SubmitError> {
        let ConsumerKey { stream, holder } = consumer;
        self.consumers.remove(consumer, Ended::Cancelled);
        if self.broker.held(stream, holder) == 0 || planted(Bug::HangUpUnheard) {
            return Ok(0);
        }
        match self.apply(&Command::ReleaseHolder { stream, holder })?.outcome {
            Outcome::HolderReleased { count } => Ok(count),
            other => unreachable!("releasing a holder ended in {other:?}"),
        }
    }
}
