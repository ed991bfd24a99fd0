//! Sends every batch until it is acknowledged, and expects it to be there once.

use std::collections::{BTreeMap, VecDeque};

use omnibus_model::outcome::Appended;
use omnibus_model::{Command, Outcome, ProducerEpoch, ProducerId, ProducerStamp, Refusal, ShardId, StreamId};

use omnibus_engine::SubmitError;

use super::Client;
use crate::fact::Fact;
use crate::oracle::{Fate, Message, MessageId};
use crate::payload;
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

/// As many batches may be on their way; the broker recognises as many again.
const IN_FLIGHT_MAX: usize = 5;

/// A producer with an id.
#[derive(Debug, Default)]
pub(super) struct IdempotentProducer {
    id: Option<ProducerId>,
    asking: Option<OutcomeReply>,
    epoch: u16,
    lanes: BTreeMap<StreamId, Lane>,
    /// Attempts that no longer matter to it: of an older epoch, or repetitions.
    others: Vec<(MessageId, OutcomeReply)>,
}

/// What it sends to one stream.
#[derive(Debug, Default)]
struct Lane {
    sequence_next: u32,
    unresolved: VecDeque<Attempt>,
    /// Something failed: the oldest is sent again, alone.
    resending: bool,
    resolved: VecDeque<MessageId>,
}

#[derive(Debug)]
struct Attempt {
    message: MessageId,
    reply: Option<OutcomeReply>,
}

impl Client for IdempotentProducer {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some(id) = self.id else {
            if self.asking.is_none() {
                self.asking = stage.submit(ShardId::METADATA, Command::AllocateProducer);
            }
            return Ok(());
        };
        if stage.random.once_in(60) {
            self.begin_epoch();
        }
        let (live, gone) = std::mem::take(&mut self.lanes).into_iter().partition(|(stream, _)| stage.is_live(*stream));
        self.lanes = live;
        self.give_up(gone);
        let Some((stream, _)) = stage.any_stream() else { return Ok(()) };
        let stamp = ProducerStamp { id, epoch: ProducerEpoch(self.epoch), sequence_first: 0 };
        let lane = self.lanes.entry(stream).or_default();
        if lane.resending {
            lane.resend(stage);
        } else if stage.random.once_in(5) && lane.unresolved.is_empty() {
            self.others.extend(lane.repeat(stage));
        } else if lane.has_room() {
            lane.send(stage, stream, stamp);
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.look_for_id(stage)?;
        for (message, mut reply) in std::mem::take(&mut self.others) {
            match stage.look(&mut reply) {
                Answered::NotYet => self.others.push((message, reply)),
                Answered::Yes(outcome) => stage.appended(message, appended(outcome)?)?,
                Answered::No(_) => refused(stage, message),
                Answered::Unknown => unknown(stage, message),
            }
        }
        for lane in self.lanes.values_mut() {
            lane.look(stage)?;
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.asking = None;
        self.others.clear();
        for lane in self.lanes.values_mut() {
            lane.resending = !lane.unresolved.is_empty();
            lane.unresolved.iter_mut().for_each(|attempt| attempt.reply = None);
        }
        Ok(())
    }
}

impl IdempotentProducer {
    fn look_for_id(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some(mut reply) = self.asking.take() else { return Ok(()) };
        match stage.look(&mut reply) {
            Answered::NotYet => self.asking = Some(reply),
            Answered::Yes(Outcome::ProducerAllocated { producer }) => {
                stage.see(&Fact::ProducerAllocated(producer))?;
                self.id = Some(producer);
            }
            Answered::Yes(_) | Answered::No(_) | Answered::Unknown => {}
        }
        Ok(())
    }

    /// Begins again at sequence 0; what was on its way is left to its fate.
    fn begin_epoch(&mut self) {
        self.epoch += 1;
        let lanes = std::mem::take(&mut self.lanes);
        self.give_up(lanes);
    }

    /// Sends nothing of these again, but still hears what becomes of it.
    fn give_up(&mut self, lanes: BTreeMap<StreamId, Lane>) {
        for lane in lanes.into_values() {
            let replies = lane.unresolved.into_iter();
            self.others.extend(replies.filter_map(|attempt| attempt.reply.map(|reply| (attempt.message, reply))));
        }
    }
}

impl Lane {
    fn send(&mut self, stage: &mut Stage, stream: StreamId, stamp: ProducerStamp) {
        let stamp = ProducerStamp { sequence_first: self.sequence_next, ..stamp };
        let (batch, payload) = payload::batch(&mut stage.random, stage.time.moment().wall, Some(stamp));
        let message = stage.oracle.add(Message { stream, batch, payload, fate: Fate::Sent });
        stage.trace.line(format_args!("send {message:?} to stream {stream} as {stamp:?}"));
        self.sequence_next += batch.count;
        let reply = stage.append(message);
        self.resending = reply.is_none();
        if reply.is_none() {
            stage.oracle.set_fate(message, Fate::Refused);
        }
        self.unresolved.push_back(Attempt { message, reply });
    }

    /// The first batch of a stream goes alone: a broker that does not know the producer takes
    /// any sequence, so a second one must not overtake it.
    fn has_room(&self) -> bool {
        let in_flight_max = if self.resolved.is_empty() { 1 } else { IN_FLIGHT_MAX };
        self.unresolved.len() < in_flight_max
    }

    /// Sends the oldest again once nothing is on its way.
    fn resend(&mut self, stage: &mut Stage) {
        if self.unresolved.iter().any(|attempt| attempt.reply.is_some()) {
            return;
        }
        let Some(oldest) = self.unresolved.front_mut() else {
            self.resending = false;
            return;
        };
        let message = oldest.message;
        stage.trace.line(format_args!("send {message:?} again"));
        oldest.reply = stage.append(message);
        let decided = matches!(stage.oracle.message(message).fate, Fate::Refused | Fate::Absent);
        if oldest.reply.is_some() && decided {
            stage.oracle.set_fate(message, Fate::Sent);
        }
    }

    /// Sends one of the newest again, as if its acknowledgement had not arrived.
    fn repeat(&self, stage: &mut Stage) -> Option<(MessageId, OutcomeReply)> {
        let newest: Vec<MessageId> = self.resolved.iter().copied().collect();
        let message = *stage.random.pick(&newest)?;
        stage.trace.line(format_args!("repeat {message:?}"));
        stage.append(message).map(|reply| (message, reply))
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let mut left = VecDeque::new();
        while let Some(Attempt { message, reply }) = self.unresolved.pop_front() {
            let Some(mut reply) = reply else {
                left.push_back(Attempt { message, reply: None });
                continue;
            };
            let waits = match stage.look(&mut reply) {
                Answered::NotYet => Some(reply),
                Answered::Yes(outcome) => {
                    stage.appended(message, appended(outcome)?)?;
                    self.resolve(message);
                    continue;
                }
                Answered::No(error) => {
                    let oldest = left.is_empty() && self.resending;
                    check_sequence(stage, message, &error, oldest.then_some(()))?;
                    refused(stage, message);
                    None
                }
                Answered::Unknown => {
                    unknown(stage, message);
                    None
                }
            };
            self.resending |= waits.is_none();
            left.push_back(Attempt { message, reply: waits });
        }
        self.unresolved = left;
        Ok(())
    }

    fn resolve(&mut self, message: MessageId) {
        self.resolved.push_back(message);
        if self.resolved.len() > IN_FLIGHT_MAX {
            self.resolved.pop_front();
        }
    }
}

/// The oldest unresolved batch, sent alone, is always the expected one or a known one.
fn check_sequence(
    stage: &mut Stage,
    message: MessageId,
    error: &SubmitError,
    alone: Option<()>,
) -> Result<(), Violation> {
    match (error, alone) {
        (SubmitError::Refused(refusal @ Refusal::SequenceOutOfOrder { .. }), Some(())) => {
            let what = format!("{message:?} can never be sent: {refusal}");
            stage.see(&Fact::Stuck { what })
        }
        _ => Ok(()),
    }
}

fn appended(outcome: Outcome) -> Result<Appended, Violation> {
    match outcome {
        Outcome::Appended(appended) => Ok(appended),
        other => Err(Violation::new("appends are appended", format!("{other:?}"))),
    }
}

/// A refused attempt; an earlier one may be in the stream all the same.
fn refused(stage: &mut Stage, message: MessageId) {
    if stage.oracle.message(message).fate == Fate::Sent {
        stage.oracle.set_fate(message, Fate::Refused);
    }
}

fn unknown(stage: &mut Stage, message: MessageId) {
    if !matches!(stage.oracle.message(message).fate, Fate::Placed(_)) {
        stage.oracle.set_fate(message, Fate::Unknown);
    }
}
