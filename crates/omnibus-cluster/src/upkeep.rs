//! Keeps the groups as they should be: the nodes that the cluster knows replicate all shards, and each leads
//! its share. Every node looks after the shards that it leads.

use std::collections::BTreeSet;
use std::time::Duration;

use omnibus_engine::Engine;
use omnibus_model::node::Address;
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::{ChangeError, Replicas};
use tokio::time::{MissedTickBehavior, interval};

use crate::balance::{Seen, balance};
use crate::cluster::Cluster;

/// The name under which nodes tell where other nodes reach them.
pub const DOOR: &str = "cluster";

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// As many nodes vote; all others only get what they decide.
const VOTERS_MAX: usize = 5;

/// What is done next about who replicates a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// These voters have lost what they had, and must leave before they come back.
    Leave(BTreeSet<NodeId>),
    Join(NodeId),
    /// A replica without a vote gets one, once it has everything.
    Vote(NodeId),
}

/// Looks after the groups for as long as it is not aborted.
pub(crate) async fn run(cluster: Cluster, engine: Engine) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        ticks.tick().await;
        let nodes = known(&engine);
        for (node, address) in nodes.iter().filter(|(node, _)| *node != cluster.node) {
            cluster.lines.set(*node, &address.to_string());
        }
        seen.look(&cluster);
        let there: BTreeSet<NodeId> =
            nodes.iter().map(|(node, _)| *node).filter(|node| cluster.reaches(*node)).collect();
        for shard in cluster.all_shards() {
            if !cluster.leads(shard) {
                continue;
            }
            match next_step(&cluster.log.replicas(shard), &there) {
                Some(step) => take(&cluster, shard, step).await,
                None => balance(&cluster, &seen, shard).await,
            }
        }
    }
}

/// The nodes that have said where other nodes reach them.
fn known(engine: &Engine) -> Vec<(NodeId, Address)> {
    let nodes = engine.catalog().nodes();
    nodes.into_iter().filter_map(|(node, info)| Some((node, info.addresses.get(DOOR)?.clone()))).collect()
}

fn next_step(replicas: &Replicas, there: &BTreeSet<NodeId>) -> Option<Step> {
    let Replicas { voters, learners, lost } = replicas;
    let lost: BTreeSet<NodeId> = voters.intersection(lost).copied().collect();
    if !lost.is_empty() {
        return Some(Step::Leave(lost));
    }
    if let Some(new) = there.iter().find(|node| !voters.contains(node) && !learners.contains(node)) {
        return Some(Step::Join(*new));
    }
    let may_vote = learners.iter().find(|node| there.contains(node));
    may_vote.filter(|_| voters.len() < VOTERS_MAX).map(|node| Step::Vote(*node))
}

async fn take(cluster: &Cluster, shard: ShardId, step: Step) {
    let voters = cluster.log.replicas(shard).voters;
    let taken = match &step {
        Step::Leave(lost) => cluster.log.change_voters(shard, voters.difference(lost).copied().collect()).await,
        Step::Join(node) => cluster.log.add_learner(shard, *node).await,
        Step::Vote(node) => cluster.log.change_voters(shard, voters.into_iter().chain([*node]).collect()).await,
    };
    match taken {
        Ok(()) => tracing::info!(shard = shard.0, ?step, "who replicates the shard has changed"),
        // It is asked for again.
        Err(ChangeError::NotFull { .. } | ChangeError::NotNow) => {}
        Err(error) => tracing::warn!(shard = shard.0, ?step, %error, "who replicates the shard was not changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u32]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(NodeId).collect()
    }

    fn replicas(voters: &[u32], learners: &[u32], lost: &[u32]) -> Replicas {
        Replicas { voters: nodes(voters), learners: nodes(learners), lost: nodes(lost) }
    }

    #[test]
    fn one_step_at_a_time_until_all_replicate() {
        let there = nodes(&[1, 2, 3]);
        for (replicas, step) in [
            (replicas(&[1], &[], &[]), Some(Step::Join(NodeId(2)))),
            (replicas(&[1], &[2], &[]), Some(Step::Join(NodeId(3)))),
            (replicas(&[1], &[2, 3], &[]), Some(Step::Vote(NodeId(2)))),
            (replicas(&[1, 2], &[3], &[]), Some(Step::Vote(NodeId(3)))),
            (replicas(&[1, 2, 3], &[], &[]), None),
            // Who has lost what it had leaves first, and comes as a new one does.
            (replicas(&[1, 2, 3], &[], &[2]), Some(Step::Leave(nodes(&[2])))),
            (replicas(&[1, 3], &[], &[2]), Some(Step::Join(NodeId(2)))),
            (replicas(&[1, 3], &[2], &[2]), Some(Step::Vote(NodeId(2)))),
        ] {
            assert_eq!(next_step(&replicas, &there), step, "{replicas:?}");
        }
    }

    #[test]
    fn who_is_away_is_not_waited_for_and_five_vote() {
        assert_eq!(next_step(&replicas(&[1, 2, 3], &[4], &[]), &nodes(&[1, 2, 3])), None);
        let all = nodes(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(next_step(&replicas(&[1, 2, 3, 4, 5], &[], &[]), &all), Some(Step::Join(NodeId(6))));
        assert_eq!(next_step(&replicas(&[1, 2, 3, 4, 5], &[6], &[]), &all), None);
    }
}
