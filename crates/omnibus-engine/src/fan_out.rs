//! One message to many queues, as front ends ask for it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Refusal, ShardId};
use omnibus_record::SharedMessage;

use crate::engine::Engine;
use crate::error::SubmitError;
use crate::forward::FanOut;
use crate::group_commit::part_bytes_max;
use crate::line::Line;
use crate::shard::FanningOut;

/// The most queues that one entry serves; more take several. It bounds how long a shard is busy.
const TARGETS_MAX: usize = 10_000;

/// A queue that a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub queue: QueuePlace,
    pub envelope: Envelope,
}

impl Engine {
    /// Appends one message to many queues and waits until all are committed. The queues of one
    /// shard get it in one entry, all or none after a crash, and share one body on the disk; of
    /// several shards, or of more than 10,000 queues, some may have it and others not. Each target has an answer of its own, in order; a duplicate's tells the
    /// place of the first.
    ///
    /// # Errors
    /// [`SubmitError`]; some targets may have got the message nevertheless.
    pub async fn fan_out(
        &self,
        message: &SharedMessage,
        targets: &[Target],
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        self.fan_out_from(None, message, targets).await
    }

    /// Does the same for who stands in a line: what was polled before it in that line comes before it in every queue, if it
    /// comes at all, also if other nodes begin to lead meanwhile.
    ///
    /// # Errors
    /// [`SubmitError`]; some targets may have got the message nevertheless.
    pub async fn fan_out_in_line(
        &self,
        line: &Line,
        message: &SharedMessage,
        targets: &[Target],
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        self.fan_out_from(Some(line), message, targets).await
    }

    async fn fan_out_from(
        &self,
        line: Option<&Line>,
        message: &SharedMessage,
        targets: &[Target],
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        let mut waiting = Vec::new();
        for (shard, places) in by_shard(targets) {
            for places in places.chunks(self.targets_max(message)) {
                let wanted = places.iter().map(|place| (targets[*place].queue, targets[*place].envelope));
                let errand = FanOut { message: message.clone(), targets: wanted.collect() };
                let places = places.to_vec();
                waiting.push(async move { (places, self.carry_out_in_line(shard, errand, line).await) });
            }
        }
        let mut results = Vec::with_capacity(targets.len());
        for (places, answers) in join_all(waiting).await {
            results.extend(places.into_iter().zip(answers?));
        }
        results.sort_unstable_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// For how many queues there is room in one entry, beside what they share.
    fn targets_max(&self, message: &SharedMessage) -> usize {
        let bytes_max = part_bytes_max(self.inner.log.entry_bytes_max());
        let bytes = bytes_max.saturating_sub(message.rest().len());
        (bytes / FanningOut::TARGET_BYTES).clamp(1, TARGETS_MAX)
    }
}

/// The places of the targets of each shard.
fn by_shard(targets: &[Target]) -> BTreeMap<ShardId, Vec<usize>> {
    let mut shards: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
    for (place, target) in targets.iter().enumerate() {
        shards.entry(target.queue.shard()).or_default().push(place);
    }
    shards
}
