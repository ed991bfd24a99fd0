//! Lets all queues run empty at the end of a run: time passes, and somebody takes and settles
//! whatever comes.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_engine::{Engine, SubmitError, by_hand};
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{DeliveryOrder, QueueCounts, Settlement};
use omnibus_model::topic::{QueuePlace, TopicConfig};
use omnibus_model::{Millis, StreamId, TopicId, TopicName};

use crate::clients::Client as _;
use crate::clients::queue_config::{LETTERS, letters};
use crate::clients::queue_steward::QueueSteward;
use crate::doing::{Doing, pause};
use crate::stage::Stage;

/// What passes in a round.
const ROUND_MICROS: u64 = 20_000;
/// Every so many rounds the clock on the wall is turned on: it may have been turned back before.
const HOUR_ROUNDS: u64 = 200;

/// The last ones to use queues.
#[derive(Debug)]
pub(crate) struct Draining {
    steward: QueueSteward,
    takers: BTreeMap<StreamId, Doing<Result<(), SubmitError>>>,
    /// Dead letters have a place to go.
    letters: Doing<()>,
    letters_there: bool,
    /// Whoever deleted a queue may be gone, and the engine goes on.
    deletions: Doing<()>,
    rounds: u64,
}

impl Draining {
    pub(crate) fn begin(stage: &Stage) -> Self {
        let letters = Doing::begin(create_letters(stage.node.engine.clone()));
        let deletions = Doing::begin(finish_deletions(stage.node.engine.clone()));
        let (steward, takers) = (QueueSteward::default(), BTreeMap::new());
        Self { steward, takers, letters, letters_there: false, deletions, rounds: 0 }
    }

    /// Does a little of everything.
    pub(crate) fn go_on(&mut self, stage: &mut Stage) {
        self.rounds += 1;
        stage.time.pass(ROUND_MICROS);
        if self.rounds.is_multiple_of(HOUR_ROUNDS) {
            stage.time.turn(4 * 3_600_000);
        }
        let now = stage.time.moment();
        for shard in stage.node.shard_ids() {
            stage.node.shard(shard).tick(now);
        }
        assert!(self.deletions.go_on().is_none(), "an engine goes on for ever");
        self.letters_there = self.letters_there || self.letters.go_on().is_some();
        self.steward.look(stage).expect("a steward tells nothing");
        for topic in stage.queues() {
            let Some(queue) = topic.queue_place() else { continue };
            let engine = stage.node.engine.clone();
            let taker = self.takers.entry(queue.lowest.stream);
            let taker = taker.or_insert_with(|| Doing::begin(async move { take_all(engine, queue).await }));
            if taker.go_on().is_some() {
                self.takers.remove(&queue.lowest.stream);
            }
        }
    }

    /// Whether there is nothing left.
    pub(crate) fn is_done(&self, stage: &Stage) -> bool {
        self.letters_there && all_counts(stage).all(|(_, counts)| present(&counts) == 0) && !stage.node.has_pending()
    }

    /// What does not go out.
    pub(crate) fn left(stage: &Stage) -> String {
        let left = all_counts(stage).find(|(_, counts)| present(counts) > 0);
        format!("in the end {left:?} is left")
    }
}

fn all_counts(stage: &Stage) -> impl Iterator<Item = (StreamId, QueueCounts)> {
    stage.node.shards.iter().flat_map(|shard| {
        let broker = shard.broker();
        broker.queues().filter_map(|(stream, _)| Some((stream, broker.queue_counts(stream)?)))
    })
}

const fn present(counts: &QueueCounts) -> u64 {
    counts.ready + counts.leased + counts.delayed + counts.dying
}

async fn create_letters(engine: Engine) {
    for (name, order) in LETTERS.into_iter().zip([DeliveryOrder::Standard, DeliveryOrder::Ordered]) {
        let name = TopicName::new(name).expect("a short name");
        if engine.queue(&name).is_ok() {
            continue;
        }
        let id = TopicId(u128::from(order == DeliveryOrder::Ordered));
        let command = CreateQueue { name, id, config: TopicConfig::default(), queue: letters(order) };
        // If it is being created already, it will be there.
        drop(engine.create_queue(command).await);
    }
}

async fn finish_deletions(engine: Engine) {
    loop {
        // What is left goes in the next round.
        drop(by_hand::finish_deletions(&engine).await);
        pause().await;
    }
}

async fn take_all(engine: Engine, queue: QueuePlace) -> Result<(), SubmitError> {
    loop {
        let stream = queue.lowest.stream;
        let acquire = Acquire { stream, count_max: 10, lease: Millis(60_000), holder: None, attempt: None };
        let acquired = engine.receive(queue, acquire, Duration::ZERO).await?;
        for (partition, leases) in acquired.batches {
            if !leases.is_empty() {
                let settlements = leases.iter().map(|lease| (lease.key, Settlement::Accept)).collect();
                engine.settle(partition, settlements).await?;
            }
        }
        pause().await;
    }
}
