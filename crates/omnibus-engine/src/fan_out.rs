//! One message to many queues, as front ends ask for it.

use std::collections::BTreeMap;

use omnibus_model::outcome::Appended;
use omnibus_model::queue::Envelope;
use omnibus_model::topic::Partition;
use omnibus_model::{Refusal, ShardId, command};
use omnibus_record::SharedMessage;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::SubmitError;
use crate::group_commit::GROUP_BYTES_MAX;
use crate::shard::{FanningOut, Request};

/// The most queues that one entry serves; more take several.
const TARGETS_MAX: usize = 10_000;

/// A queue that a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub queue: Partition,
    pub envelope: Envelope,
}

impl Engine {
    /// Appends one message to many queues and waits until all are committed. The queues of one
    /// shard get it in one entry, all or none after a crash; of several shards some may have it
    /// and others not. Each target has an answer of its own, in order; a duplicate's tells the
    /// place of the first.
    ///
    /// # Errors
    /// [`SubmitError`]; some targets may have got the message nevertheless.
    pub async fn fan_out(
        &self,
        message: &SharedMessage,
        targets: &[Target],
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        let mut waiting = Vec::new();
        for (shard, places) in by_shard(targets) {
            let targets_max = (GROUP_BYTES_MAX / message.rest().len().max(1)).clamp(1, TARGETS_MAX);
            for places in places.chunks(targets_max) {
                let target = |place: &usize| targets[*place];
                let wanted = places
                    .iter()
                    .map(target)
                    .map(|Target { queue, envelope }| command::Target { stream: queue.stream, envelope });
                let (reply, answer) = oneshot::channel();
                let (message, targets) = (message.clone(), wanted.collect());
                self.send(shard, Request::FanOut(FanningOut { message, targets, reply })).await?;
                waiting.push((places.to_vec(), answer));
            }
        }
        let mut results = Vec::with_capacity(targets.len());
        for (places, answer) in waiting {
            let answers = answer.await.unwrap_or(Err(SubmitError::Closing))?;
            results.extend(places.into_iter().zip(answers));
        }
        results.sort_unstable_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

/// The places of the targets of each shard.
fn by_shard(targets: &[Target]) -> BTreeMap<ShardId, Vec<usize>> {
    let mut shards: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
    for (place, target) in targets.iter().enumerate() {
        shards.entry(target.queue.shard).or_default().push(place);
    }
    shards
}
