//! What must be done from time to time: checkpoints, retention, and the log's own upkeep.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use omnibus_log::{Log, Room};
use omnibus_model::ShardId;
use omnibus_replication::ReplicatedLog;
use tokio::sync::oneshot;
use tokio::task;

use crate::blocking::blocking;
use crate::compaction::Compaction;
use crate::engine::{Engine, EngineConfig};
use crate::error::{EngineError, SubmitError};
use crate::retention::{Rounds, retain};
use crate::scrubber::{self, Scrubber};
use crate::shard::{Request, Snapshot};
use crate::{admitter, deletions, forward, mover, queue_upkeep};

/// How often the log's upkeep runs at least.
const UPKEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How soon it goes on with a segment that is half made.
const UPKEEP_INTERVAL_SHORT: Duration = Duration::from_millis(10);

/// How often it is looked whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(1);

/// How often a checkpoint is taken while the disk is full.
const CHECKPOINT_WHEN_FULL: Duration = Duration::from_secs(3);

/// The tasks that keep house.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    pub(crate) tasks: Vec<task::JoinHandle<()>>,
    upkeep: Option<(SyncSender<()>, JoinHandle<()>)>,
    scrubber: Option<Scrubber>,
}

impl Housekeeping {
    pub(crate) fn start(engine: &Engine, config: &EngineConfig) -> Result<Self, EngineError> {
        let upkeep = start_upkeep(engine.inner.log.clone())?;
        let scrubber = scrubber::start(engine, config.scrub)?;
        Ok(Self { tasks: begin_tasks(engine, config), upkeep: Some(upkeep), scrubber: Some(scrubber) })
    }

    /// Ends all of it; what it was doing to files is finished first.
    pub(crate) async fn stop(mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for (stop, thread) in [self.upkeep.take(), self.scrubber.take()].into_iter().flatten() {
            drop(stop);
            let joined = task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the log's upkeep did not end well");
            }
        }
    }
}

/// Begins all that needs no thread of its own.
pub(crate) fn begin_tasks(engine: &Engine, config: &EngineConfig) -> Vec<task::JoinHandle<()>> {
    let (interval, wal_bytes) = (config.checkpoint_interval, config.checkpoint_wal_bytes);
    let checkpoints = task::spawn(checkpoint_now_and_then(engine.clone(), interval, wal_bytes));
    let cleaning = task::spawn(clean_now_and_then(engine.clone(), config.housekeeping_interval, Rounds::new(config)));
    let forgetting = task::spawn(deletions::finish_now_and_then(engine.clone(), config.housekeeping_interval));
    let (moving, admitting) = (task::spawn(mover::run(engine.clone())), task::spawn(admitter::run(engine.clone())));
    let listening = task::spawn(forward::listen(engine.clone()));
    vec![checkpoints, cleaning, moving, admitting, forgetting, listening]
}

/// Writes one broker's memory down; returns whether it did.
pub(crate) fn save(log: &Log, snapshot: &Snapshot) -> bool {
    let Snapshot { shard, term, index, state } = snapshot;
    let saved = log.save_checkpoint(*shard, *term, *index, state);
    if let Err(error) = &saved {
        tracing::warn!(%shard, %error, "a checkpoint could not be written; the next start repeats more of the log");
    }
    saved.is_ok()
}

/// Writes one broker's memory down, and tells who keeps entries for others.
fn save_and_tell(log: &Log, replicated: &dyn ReplicatedLog, snapshot: &Snapshot) {
    if save(log, snapshot) {
        replicated.checkpointed(snapshot.shard, snapshot.term, snapshot.index);
    }
}

fn start_upkeep(log: Log) -> Result<(SyncSender<()>, JoinHandle<()>), EngineError> {
    let (stop, stopped) = sync_channel(1);
    let upkeep = move || {
        let mut interval = UPKEEP_INTERVAL;
        while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            let kept = log.maintain();
            let goes_on = kept.as_ref().is_ok_and(|report| report.goes_on);
            interval = if goes_on { UPKEEP_INTERVAL_SHORT } else { UPKEEP_INTERVAL };
            if let Err(error) = kept {
                tracing::warn!(%error, "the log's upkeep met an error and tries again");
            }
        }
    };
    let thread = std::thread::Builder::new().name("log-upkeep".into()).spawn(upkeep).map_err(EngineError::Thread)?;
    Ok((stop, thread))
}

async fn checkpoint_now_and_then(engine: Engine, interval: Duration, wal_bytes: u64) {
    let mut last = engine.clock().elapsed();
    loop {
        tokio::time::sleep(CHECKPOINT_LOOK).await;
        let written = engine.inner.log.wal_bytes_since_checkpoint();
        // On a full disk, segments that hold nothing more wait only for a checkpoint.
        let interval = if engine.inner.log.room() == Room::Plenty { interval } else { CHECKPOINT_WHEN_FULL };
        let due = engine.clock().elapsed().saturating_sub(last) >= interval;
        let is_wanted = engine.inner.replicated.wants_checkpoint();
        if written >= wal_bytes || (due && written > 0) || is_wanted {
            checkpoint_all(&engine).await;
            last = engine.clock().elapsed();
        }
    }
}

pub(crate) async fn checkpoint_all(engine: &Engine) {
    for shard in std::iter::once(ShardId::METADATA).chain(engine.data_shards()) {
        let (reply, snapshot) = oneshot::channel();
        if engine.send(shard, Request::Checkpoint { reply }).await.is_err() {
            return;
        }
        let Ok(snapshot) = snapshot.await else { continue };
        let (log, replicated) = (engine.inner.log.clone(), Arc::clone(&engine.inner.replicated));
        if let Err(error) = blocking(move || save_and_tell(&log, &*replicated, &snapshot)).await {
            tracing::warn!(%error, "a checkpoint was not written");
        }
    }
}

async fn clean_now_and_then(engine: Engine, interval: Duration, mut rounds: Rounds) {
    let mut compaction = Compaction::default();
    loop {
        tokio::time::sleep(interval).await;
        engine.inner.ahead.forget_old(engine.clock().elapsed());
        let looks = rounds.next(engine.inner.log.room());
        for topic in engine.catalog().topics() {
            let is_queue = topic.queue.is_some();
            let retained = if is_queue {
                queue_upkeep::retain(&engine, &topic).await
            } else {
                retain(&engine, &topic, looks).await
            };
            match retained {
                Err(SubmitError::Closing | SubmitError::Broken) => return,
                Err(error) => tracing::warn!(topic = %topic.name, %error, "retention was put off"),
                Ok(()) => {}
            }
            if !is_queue {
                compaction.run(&engine, &topic).await;
            }
            // Ten thousand topics must not hold up those who are served.
            task::yield_now().await;
        }
    }
}
