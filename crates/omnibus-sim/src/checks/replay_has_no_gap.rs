//! I5: the entries behind a shard's checkpoint are all there, in order.

use std::collections::BTreeMap;

use omnibus_model::{LogIndex, ShardId};

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct ReplayHasNoGap {
    newest: BTreeMap<ShardId, LogIndex>,
}

impl Check for ReplayHasNoGap {
    fn rule(&self) -> &'static str {
        "replay has no gap"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Opened { .. } => self.newest.clear(),
            Fact::CheckpointFound { shard, index, .. } => drop(self.newest.insert(*shard, *index)),
            Fact::Replayed { shard, index, .. } => {
                let before = self.newest.insert(*shard, *index).unwrap_or_default();
                if *index != before.next() {
                    return Err(format!("shard {shard}: entry {index} follows {before}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
