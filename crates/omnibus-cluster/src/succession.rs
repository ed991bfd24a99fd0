//! When the process of whoever leads is gone, another asks for its place at once, and not only when it has been silent
//! for long enough (ADR 0090).

use std::time::Duration;

use futures_util::future::join_all;
use omnibus_model::{NodeId, ShardId};
use omnibus_replication::{Leadership, ReplicatedLog};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::roster::Roster;

/// How much later the next in turn asks, if nobody leads by then: two syncs of a slow disk.
const TURN: Duration = Duration::from_millis(200);

/// When somebody asks again who was not the first: those before had asked in the same term, and had less than this node.
const AGAIN: Duration = Duration::from_millis(100);

/// Has what gone nodes led led by others, for as long as it is not aborted.
pub(crate) async fn run(cluster: Cluster) {
    let mut departures = cluster.lines.departures();
    let mut known = departures.borrow_and_update().clone();
    let mut successions = JoinSet::new();
    while departures.changed().await.is_ok() {
        let now = departures.borrow_and_update().clone();
        for (gone, _) in now.iter().filter(|(node, count)| known.get(node) != Some(count)) {
            successions.spawn(succeed(cluster.clone(), *gone));
        }
        known = now;
        while successions.try_join_next().is_some() {}
    }
}

async fn succeed(cluster: Cluster, gone: NodeId) {
    let roster = cluster.roster();
    let of_this_node = |shard| Some((shard, turn(&cluster, &roster, (shard, gone))?));
    let was_led = |shard: &ShardId| cluster.log.standing(*shard).leader == Some(gone);
    let turns: Vec<(ShardId, u32)> = cluster.all_shards().filter(was_led).filter_map(of_this_node).collect();
    tracing::info!(node = gone.0, shards = turns.len(), "the process of a node is gone: others lead what it led");
    join_all(turns.into_iter().map(|(shard, turn)| succeed_in_turn(&cluster, (shard, gone), turn))).await;
}

/// Which voter in line this one is; none if it is not. Those who may lead come first, and not the same one of all shards.
fn turn(cluster: &Cluster, roster: &Roster, (shard, gone): (ShardId, NodeId)) -> Option<u32> {
    let voters = cluster.log.replicas(shard).voters;
    let mut line: Vec<NodeId> = voters.into_iter().filter(|voter| *voter != gone).collect();
    let first = usize::from(shard.0) % line.len().max(1);
    line.rotate_left(first);
    line.sort_by_key(|voter| !roster.may_lead(*voter));
    line.iter().position(|voter| *voter == cluster.node).and_then(|place| u32::try_from(place).ok())
}

async fn succeed_in_turn(cluster: &Cluster, (shard, gone): (ShardId, NodeId), turn: u32) {
    sleep(TURN * turn).await;
    for pause in [AGAIN, Duration::ZERO].into_iter().skip(usize::from(turn == 0)) {
        if !is_vacant(cluster, shard, gone) {
            return;
        }
        if let Err(error) = cluster.log.succeed(shard, gone).await {
            tracing::warn!(shard = shard.0, %error, "this node does not ask to lead the shard");
            return;
        }
        sleep(pause).await;
    }
}

/// Whether nobody leads a shard but, perhaps, the node that is gone.
fn is_vacant(cluster: &Cluster, shard: ShardId, gone: NodeId) -> bool {
    match cluster.log.leadership(shard) {
        Leadership::Elsewhere { leader, .. } => leader.is_none_or(|leader| leader == gone),
        Leadership::Here { .. } => false,
    }
}
