//! Messages to many queues, as front ends ask for it.

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
use crate::group_commit::{GROUP_BYTES_MAX, part_bytes_max};
use crate::line::Line;
use crate::shard::{Addressed, FannedOut};

/// The most queues that one entry serves; more take several. It bounds how long a shard is busy.
const TARGETS_MAX: usize = 10_000;

/// A queue that a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub queue: QueuePlace,
    pub envelope: Envelope,
}

/// A message and where it goes.
#[derive(Clone, Debug)]
pub struct Letter {
    pub message: SharedMessage,
    pub targets: Vec<Target>,
    /// It need not outlive the leader of its queue: a consumer that waits there for it has it before it is on disk. The
    /// answers wait for the disk as ever.
    pub is_transient: bool,
}

/// The part of a letter that one shard takes in one entry: the letter's number, and which of its targets.
type Part = (usize, Vec<usize>);

/// What its targets have said so far, each with its place.
type Told = Result<Vec<(usize, Result<Appended, Refusal>)>, SubmitError>;

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
        let letter = Letter { message: message.clone(), targets: targets.to_vec(), is_transient: false };
        self.fan_out_all(None, std::slice::from_ref(&letter)).await.pop().unwrap_or(Ok(Vec::new()))
    }

    /// Does that with many messages, in less time than one after the other, for who stands in a line: they come to each
    /// queue in their order, behind what was polled before in that line, if that comes at all, also if other nodes begin to
    /// lead meanwhile. Returns what has become of each.
    pub async fn fan_out_in_line(&self, line: &Line, letters: &[Letter]) -> Vec<FannedOut> {
        self.fan_out_all(Some(line), letters).await
    }

    async fn fan_out_all(&self, line: Option<&Line>, letters: &[Letter]) -> Vec<FannedOut> {
        if let Some((shard, errand)) = self.whole(letters) {
            let answers = self.carry_out_in_line(shard, errand, line).await;
            return answers.unwrap_or_else(|error| vec![Err(error); letters.len()]);
        }
        let mut waiting = Vec::new();
        for (shard, parts) in self.parts(letters) {
            for parts in runs(letters, parts) {
                let errand = FanOut(parts.iter().map(|part| addressed(letters, part)).collect());
                waiting.push(async move { (parts, self.carry_out_in_line(shard, errand, line).await) });
            }
        }
        let mut told: Vec<Told> = letters.iter().map(|letter| Ok(Vec::with_capacity(letter.targets.len()))).collect();
        for (parts, answers) in join_all(waiting).await {
            let answers = answers.unwrap_or_else(|error| vec![Err(error); parts.len()]);
            for ((letter, places), answer) in parts.into_iter().zip(answers) {
                match (&mut told[letter], answer) {
                    (Ok(known), Ok(results)) => known.extend(places.into_iter().zip(results)),
                    (known, Err(error)) => *known = Err(error),
                    (Err(_), Ok(_)) => {}
                }
            }
        }
        told.into_iter().map(|known| known.map(in_order)).collect()
    }

    /// All letters as one errand, if one shard takes them in one entry: most publishers have one queue.
    fn whole(&self, letters: &[Letter]) -> Option<(ShardId, FanOut)> {
        let shard = letters.first()?.targets.first()?.queue.shard();
        let mut bytes = 0;
        let mut all = Vec::with_capacity(letters.len());
        for Letter { message, targets, is_transient } in letters {
            let is_here = !targets.is_empty() && targets.iter().all(|target| target.queue.shard() == shard);
            bytes += message.rest().len() + targets.len() * Addressed::TARGET_BYTES;
            if !is_here || targets.len() > TARGETS_MAX || bytes > GROUP_BYTES_MAX {
                return None;
            }
            let targets = targets.iter().map(|target| (target.queue, target.envelope)).collect();
            all.push(Addressed { message: message.clone(), targets, is_transient: *is_transient });
        }
        Some((shard, FanOut(all)))
    }

    /// What each shard gets, in the order of the letters.
    fn parts(&self, letters: &[Letter]) -> BTreeMap<ShardId, Vec<Part>> {
        let mut parts: BTreeMap<ShardId, Vec<Part>> = BTreeMap::new();
        for (number, letter) in letters.iter().enumerate() {
            for (shard, places) in by_shard(&letter.targets) {
                let entries = places.chunks(self.targets_max(&letter.message)).map(|places| (number, places.to_vec()));
                parts.entry(shard).or_default().extend(entries);
            }
        }
        parts
    }

    /// For how many queues there is room in one entry, beside what they share.
    fn targets_max(&self, message: &SharedMessage) -> usize {
        let bytes_max = part_bytes_max(self.inner.log.entry_bytes_max());
        let bytes = bytes_max.saturating_sub(message.rest().len());
        (bytes / Addressed::TARGET_BYTES).clamp(1, TARGETS_MAX)
    }
}

fn in_order(mut results: Vec<(usize, Result<Appended, Refusal>)>) -> Vec<Result<Appended, Refusal>> {
    results.sort_unstable_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

fn addressed(letters: &[Letter], (number, places): &Part) -> Addressed {
    let Letter { message, targets, is_transient } = &letters[*number];
    let wanted = places.iter().map(|place| (targets[*place].queue, targets[*place].envelope));
    Addressed { message: message.clone(), targets: wanted.collect(), is_transient: *is_transient }
}

/// Parts that are asked for together: as much as one entry takes beside others.
fn runs(letters: &[Letter], parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut runs: Vec<Vec<Part>> = Vec::new();
    let mut bytes = 0;
    for part in parts {
        let more = letters[part.0].message.rest().len() + part.1.len() * Addressed::TARGET_BYTES;
        match runs.last_mut() {
            Some(run) if bytes + more <= GROUP_BYTES_MAX => run.push(part),
            _ => {
                runs.push(vec![part]);
                bytes = 0;
            }
        }
        bytes += more;
    }
    runs
}

/// The places of the targets of each shard.
fn by_shard(targets: &[Target]) -> BTreeMap<ShardId, Vec<usize>> {
    let mut shards: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
    for (place, target) in targets.iter().enumerate() {
        shards.entry(target.queue.shard()).or_default().push(place);
    }
    shards
}
