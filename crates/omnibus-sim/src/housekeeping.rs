//! What a node does from time to time beside serving: checkpoints, upkeep, compaction.

use omnibus_engine::shard::{Request, Snapshot};
use omnibus_model::ShardId;
use tokio::sync::oneshot;

use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

/// Work that was begun.
#[derive(Debug, Default)]
pub(crate) struct Housekeeping {
    asked: Vec<oneshot::Receiver<Snapshot>>,
    snapshots: Vec<Snapshot>,
}

impl Housekeeping {
    /// Does the next thing.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        self.collect(stage)?;
        match stage.random.below(8) {
            0 => self.ask(stage),
            1 | 2 => self.save(stage),
            3..=5 => upkeep(stage),
            _ => {}
        }
        Ok(())
    }

    /// Forgets what was begun.
    pub(crate) fn restarted(&mut self) {
        *self = Self::default();
    }

    fn ask(&mut self, stage: &mut Stage) {
        let shards: Vec<ShardId> = stage.node.shard_ids().collect();
        let shard = shards[stage.random.place(shards.len())];
        let (reply, snapshot) = oneshot::channel();
        if stage.request(shard, Request::Checkpoint { reply }) {
            self.asked.push(snapshot);
        }
    }

    fn collect(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for mut asked in std::mem::take(&mut self.asked) {
            match asked.try_recv() {
                Ok(snapshot) => {
                    let digest = stage.shadow.digest_of(&snapshot.state);
                    let digest = digest.map_err(|detail| Violation::new("checkpoints can be read", detail))?;
                    stage.see(&Fact::Saving { shard: snapshot.shard, index: snapshot.index, digest })?;
                    self.snapshots.push(snapshot);
                }
                Err(oneshot::error::TryRecvError::Empty) => self.asked.push(asked),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        Ok(())
    }

    fn save(&mut self, stage: &mut Stage) {
        if self.snapshots.is_empty() {
            return;
        }
        let Snapshot { shard, term, index, state } = self.snapshots.remove(0);
        let saved = stage.node.log.save_checkpoint(shard, term, index, &state);
        stage.trace.line(format_args!("checkpoint of shard {shard} at entry {index}: {}", outcome(&saved)));
        stage.tally.checkpoints += u64::from(saved.is_ok());
    }
}

fn upkeep(stage: &mut Stage) {
    let kept = stage.node.log.maintain();
    stage.trace.line(format_args!("upkeep: {}", outcome(&kept)));
}

/// An error's own words, without what the machine adds.
fn outcome<T, E: std::fmt::Display>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => String::from("done"),
        Err(error) => error.to_string(),
    }
}
