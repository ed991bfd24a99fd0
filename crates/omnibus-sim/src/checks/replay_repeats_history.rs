//! I4, I8, I9: an entry comes back as it was proposed, and the state after replay is, digest
//! for digest, the state before the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId};

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

/// What the history says of one entry.
#[derive(Debug)]
struct Past {
    head: Bytes,
    digest: u64,
}

#[derive(Debug, Default)]
pub(super) struct ReplayRepeatsHistory {
    shards: BTreeMap<ShardId, BTreeMap<LogIndex, Past>>,
    committed: BTreeMap<ShardId, LogIndex>,
}

impl Check for ReplayRepeatsHistory {
    fn rule(&self) -> &'static str {
        "replay repeats history"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Proposed { shard, index, head, digest } => {
                let past = Past { head: (*head).clone(), digest: *digest };
                let repeated = self.shards.entry(*shard).or_default().insert(*index, past);
                if repeated.is_some() { Err(format!("shard {shard} proposed entry {index} twice")) } else { Ok(()) }
            }
            Fact::Committed { shard, index } => {
                let committed = self.committed.entry(*shard).or_default();
                *committed = (*committed).max(*index);
                Ok(())
            }
            Fact::Replayed { shard, index, head } => match self.past(*shard, *index) {
                Some(past) if past.head == **head => Ok(()),
                Some(_) => Err(format!("entry {index} of shard {shard} is not what was proposed")),
                None => Err(format!("entry {index} of shard {shard} was never proposed")),
            },
            Fact::Settled { shard, last, digest } => self.same("the state of", (*shard, *last), *digest),
            Fact::Saving { shard, index, digest } => self.same("the state to save of", (*shard, *index), *digest),
            Fact::CheckpointFound { shard, index, digest } => {
                self.same("the saved state of", (*shard, *index), *digest)
            }
            Fact::Recovered { shard, last, digest } => {
                self.same("the recovered state of", (*shard, *last), *digest)?;
                let committed = self.committed.get(shard).copied().unwrap_or_default();
                // What lies beyond was never durable; its numbers will be given again.
                self.shards.entry(*shard).or_default().split_off(&last.next());
                if *last < committed {
                    return Err(format!("shard {shard} remembers entry {last}, {committed} was committed"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl ReplayRepeatsHistory {
    fn past(&self, shard: ShardId, index: LogIndex) -> Option<&Past> {
        self.shards.get(&shard)?.get(&index)
    }

    fn same(&self, what: &str, (shard, index): (ShardId, LogIndex), digest: u64) -> Result<(), String> {
        match self.past(shard, index) {
            Some(past) if past.digest != digest => {
                Err(format!("{what} shard {shard} at entry {index} is not what its history leads to"))
            }
            None if index > LogIndex(0) => {
                Err(format!("{what} shard {shard} claims entry {index}, which was never proposed"))
            }
            _ => Ok(()),
        }
    }
}
