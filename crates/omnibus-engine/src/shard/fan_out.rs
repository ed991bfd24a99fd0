//! One message for many queues of a shard: one command, one entry.

use omnibus_log::{EntryBatch, Room};
use omnibus_model::command::{FanOut, Target};
use omnibus_model::outcome::Appended;
use omnibus_model::{Command, LeaderEpoch, Outcome, Refusal};
use omnibus_record::SharedMessage;

use super::queues::EnqueueReply;
use super::{Shard, leader_epoch};
use crate::error::SubmitError;

/// A message on its way into queues.
#[derive(Debug)]
pub struct FanningOut {
    pub message: SharedMessage,
    pub targets: Vec<Target>,
    /// An answer per target, in order.
    pub reply: EnqueueReply,
}

impl FanningOut {
    /// How many bytes they bring along.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.targets.len() * (self.message.head_bytes_max() + self.message.rest().len())
    }
}

impl Shard {
    pub(super) fn fan_out(&mut self, fanning_out: FanningOut) {
        let answer = if self.shared.replicated.room() == Room::Plenty {
            self.check_bytes(fanning_out.bytes())
        } else {
            Err(SubmitError::DiskFull)
        };
        let FanningOut { message, targets, reply } = fanning_out;
        let answer = answer.and_then(|()| self.fan_out_to(&message, targets));
        self.answer_with(reply, answer);
    }

    fn fan_out_to(
        &mut self,
        message: &SharedMessage,
        targets: Vec<Target>,
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        let (batch, leader_epoch) = (message.batch(), leader_epoch(self.term));
        let fan_out = FanOut { batch, leader_epoch, targets };
        let command = Command::FanOut(Box::new(fan_out));
        let outcome = self.apply(&command)?.outcome;
        let (Command::FanOut(fan_out), Outcome::FannedOut { results }) = (&command, outcome) else {
            unreachable!("a fan-out ended otherwise");
        };
        for (target, result) in fan_out.targets.iter().zip(&results) {
            if let Ok(appended) = result
                && !appended.duplicate
            {
                self.shared.counters.batches_appended.add(1);
                self.shared.counters.records_appended.add(1);
                self.shared.counters.bytes_appended.add(u64::from(batch.bytes));
                self.open.push_batch(copy_for(target, message, appended, leader_epoch));
            }
        }
        Ok(results)
    }
}

fn copy_for(target: &Target, message: &SharedMessage, appended: &Appended, epoch: LeaderEpoch) -> EntryBatch {
    let batch = message.batch();
    EntryBatch {
        stream: target.stream,
        base: appended.base,
        count: batch.count,
        timestamp_max: batch.timestamp_max,
        prefix: message.head(&target.envelope, appended.base, epoch),
        rest: message.rest().clone(),
    }
}
