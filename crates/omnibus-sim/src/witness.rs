//! Stands between the shards and the log, and remembers what was proposed.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use omnibus_log::Room;
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use omnibus_replication::{Confirming, Leadership, LocalLog, Proposal, ProposeError, ReplicatedLog};

/// A replicated log that is watched.
#[derive(Debug)]
pub(crate) struct Witness {
    replicated: LocalLog,
    proposed: Mutex<Vec<Proposed>>,
}

/// An entry that the log took.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) shard: ShardId,
    pub(crate) index: LogIndex,
    pub(crate) head: Bytes,
}

impl Witness {
    pub(crate) const fn new(replicated: LocalLog) -> Self {
        Self { replicated, proposed: Mutex::new(Vec::new()) }
    }

    /// Takes what was proposed since the last call.
    pub(crate) fn take(&self) -> Vec<Proposed> {
        std::mem::take(&mut *self.proposed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReplicatedLog for Witness {
    fn leadership(&self, shard: ShardId) -> Leadership {
        self.replicated.leadership(shard)
    }

    fn confirm(&self, shard: ShardId, term: Term) -> Option<Confirming> {
        self.replicated.confirm(shard, term)
    }

    fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        self.replicated.is_in_sync(shard, node)
    }

    fn voters(&self, shard: ShardId) -> BTreeSet<NodeId> {
        self.replicated.voters(shard)
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let (shard, head) = (proposal.shard, proposal.head.clone());
        let index = self.replicated.propose(proposal)?;
        let mut proposed = self.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        proposed.push(Proposed { shard, index, head });
        Ok(index)
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        self.replicated.newest(shard)
    }

    fn applied(&self, shard: ShardId, index: LogIndex) {
        self.replicated.applied(shard, index);
    }

    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex) {
        self.replicated.checkpointed(shard, term, index);
    }

    fn room(&self) -> Room {
        self.replicated.room()
    }
}
