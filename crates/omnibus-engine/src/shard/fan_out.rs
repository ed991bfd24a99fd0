//! Messages for many queues of a shard: of each one command and one body, in one entry.

use omnibus_log::{ENTRY_BESIDE_BYTES_PER_BATCH, EntryBatch, Rest, Room};
use omnibus_model::command::{FanOut, Target};
use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Bug, Command, Outcome, Refusal, planted};
use omnibus_record::SharedMessage;
use tokio::sync::oneshot;

use super::decided::Decided;
use super::{Shard, leader_epoch};
use crate::error::SubmitError;

/// A message and the queues of a shard that it goes to.
#[derive(Clone, Debug)]
pub struct Addressed {
    pub message: SharedMessage,
    pub targets: Vec<(QueuePlace, Envelope)>,
    /// Who is waiting for it may have it before it is on disk.
    pub is_transient: bool,
}

/// What has become of a message: an answer per target, in order.
pub type FannedOut = Result<Vec<Result<Appended, Refusal>>, SubmitError>;

/// Messages on their way into queues, each by itself.
#[derive(Debug)]
pub struct FanningOut {
    pub messages: Vec<Addressed>,
    /// An answer per message.
    pub reply: oneshot::Sender<Result<Decided<FannedOut>, SubmitError>>,
}

impl Addressed {
    /// The most that one target takes in an entry, all told, of which its command has 64.
    pub const TARGET_BYTES: usize = SharedMessage::HEAD_BYTES_MAX + ENTRY_BESIDE_BYTES_PER_BATCH + 64;

    /// How many bytes it brings along.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.message.rest().len() + self.targets.len() * Self::TARGET_BYTES
    }
}

impl FanningOut {
    /// How many bytes they bring along.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(Addressed::bytes).sum()
    }
}

impl Shard {
    pub(super) fn fan_out(&mut self, FanningOut { messages, reply }: FanningOut) {
        let answers = messages.iter().map(|addressed| self.fan_out_one(addressed)).collect();
        self.answer_all(reply, Ok(answers));
    }

    fn fan_out_one(&mut self, addressed: &Addressed) -> FannedOut {
        if self.shared.replicated.room() != Room::Plenty {
            return Err(SubmitError::DiskFull);
        }
        self.check_bytes(addressed.bytes())?;
        self.fan_out_new(addressed)
    }

    /// Fans out to all but those queues with priorities that have the message already.
    fn fan_out_new(&mut self, addressed: &Addressed) -> FannedOut {
        let targets = &addressed.targets;
        if !targets.iter().any(|(queue, _)| queue.has_priorities()) {
            let target = |(queue, envelope): &(QueuePlace, Envelope)| Target {
                stream: queue.lowest.stream,
                envelope: *envelope,
            };
            return self.fan_out_to(addressed, targets.iter().map(target).collect());
        }
        let sent: Vec<Option<Appended>> =
            targets.iter().map(|(queue, envelope)| self.sent_with_priority(*queue, envelope)).collect();
        let new = targets.iter().zip(&sent).filter(|(_, sent)| sent.is_none());
        let stream = |queue: &QueuePlace, envelope: &Envelope| queue.of_priority(envelope.priority).stream;
        let new = new.map(|((queue, envelope), _)| Target { stream: stream(queue, envelope), envelope: *envelope });
        let mut results = self.fan_out_to(addressed, new.collect())?.into_iter();
        Ok(sent.into_iter().filter_map(|sent| sent.map(Ok).or_else(|| results.next())).collect())
    }

    fn fan_out_to(&mut self, addressed: &Addressed, mut targets: Vec<Target>) -> FannedOut {
        let message = &addressed.message;
        let (batch, leader_epoch) = (message.batch(), leader_epoch(self.term));
        let mut fleeting = Vec::new();
        for target in &mut targets {
            self.make_room(target.stream, batch.bytes);
            if self.is_fleeting(target.stream, &target.envelope) {
                self.let_arrive(target.stream, &mut target.envelope);
                fleeting.push(target.stream);
            }
        }
        let fan_out = FanOut { batch, leader_epoch, targets };
        let command = Command::FanOut(Box::new(fan_out));
        let outcome = self.apply(&command)?.outcome;
        let (Command::FanOut(fan_out), Outcome::FannedOut { results }) = (&command, outcome) else {
            unreachable!("a fan-out ended otherwise");
        };
        let takers = takers(&fan_out.targets, &results);
        // Who gets it alone shares with nobody.
        let rest = match takers.len() {
            0 | 1 => Rest::Own(message.rest().clone()),
            _ => self.open.push_body(message.rest().clone()),
        };
        self.shared.counters.batches_appended.add(takers.len() as u64);
        self.shared.counters.records_appended.add(takers.len() as u64);
        self.shared.counters.bytes_appended.add(takers.len() as u64 * u64::from(batch.bytes));
        let is_alone = takers.len() == 1;
        let mut heads = message.heads();
        for (target, appended) in takers {
            if addressed.is_transient && self.consumers.take_at_once(target.stream) {
                self.fresh.add((target.stream, appended.base), message, target.envelope);
            }
            self.open.push_batch(EntryBatch {
                stream: target.stream,
                base: appended.base,
                count: batch.count,
                timestamp_max: batch.timestamp_max,
                prefix: match is_alone {
                    true => message.head(&target.envelope, appended.base, leader_epoch),
                    false => heads.head(&target.envelope, appended.base, leader_epoch),
                },
                rest: rest.clone(),
            });
        }
        fleeting.into_iter().for_each(|stream| self.hand_out_or_expire(stream));
        Ok(results)
    }
}

/// The targets that a message was appended to, and where.
fn takers<'fan_out>(
    targets: &'fan_out [Target],
    results: &'fan_out [Result<Appended, Refusal>],
) -> Vec<(&'fan_out Target, &'fan_out Appended)> {
    let appended = results.iter().map(|result| result.as_ref().ok().filter(|appended| !appended.duplicate));
    if planted(Bug::FanOutShifted) {
        return targets.iter().zip(appended.flatten()).collect();
    }
    targets.iter().zip(appended).filter_map(|(target, appended)| Some((target, appended?))).collect()
}
