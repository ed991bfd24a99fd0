//! Who leads how much: each shard has a voter that should, so that all lead about as many.

use std::collections::BTreeMap;

use omnibus_model::{NodeId, ShardId};
use omnibus_raft::Standing;

use crate::cluster::Cluster;

/// Who was away gets something to lead when it was there at as many looks in a row, one each second.
const TRIAL_LOOKS: u32 = 5;

/// Who is to lead may lack as many entries: they are on their way.
const BEHIND_MAX: u64 = 256;

/// Who was there how often in a row.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<NodeId, u32>);

impl Seen {
    /// Looks who is there.
    pub(crate) fn look(&mut self, cluster: &Cluster) {
        let voters = cluster.log.replicas(ShardId::METADATA).voters;
        let there = voters.iter().filter(|voter| cluster.lines.is_open(**voter));
        let looks = |node: &NodeId| self.0.get(node).map_or(1, |looks| looks.saturating_add(1));
        self.0 = there.map(|node| (*node, looks(node))).collect();
    }

    fn is_steady(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(|looks| *looks >= TRIAL_LOOKS)
    }
}

/// Hands a shard that this node leads to the voter that should lead it.
pub(crate) async fn balance(cluster: &Cluster, seen: &Seen, shard: ShardId) {
    let standing = cluster.log.standing(shard);
    let other = preferred(&standing, shard).filter(|preferred| *preferred != cluster.node);
    if let Some(other) = other.filter(|other| seen.is_steady(*other) && is_close(&standing, *other)) {
        transfer(cluster, shard, other).await;
    }
}

/// Has the reachable voter lead a shard that lacks the least, if this node leads it.
pub(crate) async fn hand_over(cluster: &Cluster, shard: ShardId) {
    if !cluster.leads(shard) {
        return;
    }
    let standing = cluster.log.standing(shard);
    let is_there = |voter: &&NodeId| **voter != cluster.node && cluster.lines.is_open(**voter);
    let others = standing.replicas.voters.iter().filter(is_there);
    let best = others.max_by_key(|voter| standing.confirmed.get(voter).copied().unwrap_or_default());
    if let Some(best) = best {
        transfer(cluster, shard, *best).await;
    }
}

async fn transfer(cluster: &Cluster, shard: ShardId, to: NodeId) {
    tracing::info!(shard = shard.0, node = to.0, "another node is to lead the shard");
    if let Err(error) = cluster.log.transfer(shard, to).await {
        tracing::warn!(shard = shard.0, node = to.0, %error, "the shard was not handed over");
    }
}

/// Who should lead a shard: voters take turns.
fn preferred(standing: &Standing, shard: ShardId) -> Option<NodeId> {
    let voters = &standing.replicas.voters;
    let turn = usize::from(shard.0).checked_rem(voters.len())?;
    voters.iter().nth(turn).copied()
}

fn is_close(standing: &Standing, node: NodeId) -> bool {
    let confirmed = standing.confirmed.get(&node).copied().unwrap_or_default();
    standing.last.0.saturating_sub(confirmed.0) <= BEHIND_MAX
}
