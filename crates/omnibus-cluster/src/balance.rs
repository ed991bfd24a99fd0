//! Who leads how much: each shard has a voter that should, so that all lead about as many.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::{NodeId, ShardId};
use omnibus_raft::Standing;

use crate::cluster::Cluster;
use crate::plan::{Place, Plan};
use crate::roster::Roster;

/// Who was away gets something to lead when it was there at as many looks in a row, one each second.
const TRIAL_LOOKS: u32 = 5;

/// Who is to lead may lack as many entries: they are on their way.
const BEHIND_MAX: u64 = 256;

/// Who was there how often in a row, and who led what.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    looks: BTreeMap<NodeId, u32>,
    leaders: BTreeMap<ShardId, NodeId>,
}

/// A shard that another node was asked to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub shard: ShardId,
    pub to: NodeId,
}

impl Seen {
    /// Looks who is there, and votes wherever it is to.
    pub(crate) fn look(&mut self, cluster: &Cluster, (roster, plan): (&Roster, &Plan)) {
        let is_seated = |node: NodeId, shard: ShardId| {
            !plan.place(shard).voters.contains(&node) || cluster.log.replicas(shard).voters.contains(&node)
        };
        let is_there =
            |node: &NodeId| cluster.lines.is_open(*node) && cluster.all_shards().all(|shard| is_seated(*node, shard));
        let there = roster.iter().map(|(node, _)| node).filter(is_there).collect();
        let led = |shard| Some((shard, cluster.log.standing(shard).leader?));
        self.note(there, cluster.all_shards().filter_map(led).collect(), cluster.node);
    }

    /// Whoever has handed something to this node since the last look is on trial again: it is about to end, perhaps.
    fn note(&mut self, there: BTreeSet<NodeId>, leaders: BTreeMap<ShardId, NodeId>, own: NodeId) {
        let has_given = |node: &NodeId| {
            let given = |(shard, before): (&ShardId, &NodeId)| before == node && leaders.get(shard) == Some(&own);
            *node != own && self.leaders.iter().any(given)
        };
        let before = |node: &NodeId| self.looks.get(node).copied().filter(|_| !has_given(node)).unwrap_or_default();
        self.looks = there.iter().map(|node| (*node, before(node).saturating_add(1))).collect();
        self.leaders = leaders;
    }

    fn is_steady(&self, node: NodeId) -> bool {
        self.looks.get(&node).is_some_and(|looks| *looks >= TRIAL_LOOKS)
    }
}

impl Cluster {
    /// Hands all that this node leads and others should to them now, without a time of trial.
    pub async fn balance(&self) -> Vec<Moved> {
        let plan = Plan::of(&self.roster(), self.log.shards());
        let mut moved = Vec::new();
        for shard in self.all_shards().filter(|shard| self.leads(*shard)) {
            let better = self.better(plan.place(shard), shard).filter(|other| self.reaches(*other));
            if let Some(to) = better
                && transfer(self, shard, to).await
            {
                moved.push(Moved { shard, to });
            }
        }
        moved
    }

    /// Who should lead a shard that this node leads, and could.
    fn better(&self, place: &Place, shard: ShardId) -> Option<NodeId> {
        let standing = self.log.standing(shard);
        let could = |other: &NodeId| standing.replicas.voters.contains(other) && is_close(&standing, *other);
        place.leader.filter(|leader| *leader != self.node).filter(could)
    }
}

/// Hands a shard that this node leads to the voter that should lead it.
pub(crate) async fn balance(cluster: &Cluster, seen: &Seen, place: &Place, shard: ShardId) {
    if let Some(other) = cluster.better(place, shard).filter(|other| seen.is_steady(*other)) {
        transfer(cluster, shard, other).await;
    }
}

/// Has another voter lead a shard, if this node leads it.
pub(crate) async fn hand_over(cluster: &Cluster, roster: &Roster, shard: ShardId) {
    if let Some(heir) = heir(cluster, roster, shard).filter(|_| cluster.leads(shard)) {
        transfer(cluster, shard, heir).await;
    }
}

/// Has a voter that may lead do so, if this node leads a shard and may not.
pub(crate) async fn give_up(cluster: &Cluster, roster: &Roster, shard: ShardId) {
    if let Some(heir) = heir(cluster, roster, shard).filter(|heir| roster.may_lead(*heir)) {
        transfer(cluster, shard, heir).await;
    }
}

/// The reachable voter that lacks the least; those who may lead come first.
fn heir(cluster: &Cluster, roster: &Roster, shard: ShardId) -> Option<NodeId> {
    let standing = cluster.log.standing(shard);
    let is_there = |voter: &NodeId| *voter != cluster.node && cluster.lines.is_open(*voter);
    let others = standing.replicas.voters.iter().copied().filter(is_there);
    others.max_by_key(|voter| (roster.may_lead(*voter), standing.confirmed.get(voter).copied().unwrap_or_default()))
}

/// Says whether it was asked to.
async fn transfer(cluster: &Cluster, shard: ShardId, to: NodeId) -> bool {
    tracing::info!(shard = shard.0, node = to.0, "another node is to lead the shard");
    let transferred = cluster.log.transfer(shard, to).await;
    if let Err(error) = &transferred {
        tracing::warn!(shard = shard.0, node = to.0, %error, "the shard was not handed over");
    }
    transferred.is_ok()
}

/// Whether a voter lacks next to nothing.
pub(crate) fn is_close(standing: &Standing, node: NodeId) -> bool {
    let confirmed = standing.confirmed.get(&node).copied().unwrap_or_default();
    standing.last.0.saturating_sub(confirmed.0) <= BEHIND_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_there_for_long_and_gave_nothing_away_is_steady() {
        let nodes = |numbers: &[u32]| numbers.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let leaders = |first, second| [(ShardId(0), NodeId(first)), (ShardId(1), NodeId(second))].into();
        let (own, mut seen) = (NodeId(1), Seen::default());
        let steady = |seen: &Seen| [2, 3].map(|node| seen.is_steady(NodeId(node)));
        (0..TRIAL_LOOKS).for_each(|_| seen.note(nodes(&[1, 2, 3]), leaders(2, 3), own));
        assert_eq!(steady(&seen), [true, true]);
        // Node 3 hands its shard to this one, as it does before it ends.
        seen.note(nodes(&[1, 2, 3]), leaders(2, 1), own);
        assert_eq!(steady(&seen), [true, false]);
        (1..TRIAL_LOOKS).for_each(|_| seen.note(nodes(&[1, 2, 3]), leaders(2, 1), own));
        assert_eq!(steady(&seen), [true, true]);
        // What goes from one other node to another says nothing here, and who is not there is on trial.
        seen.note(nodes(&[1, 2]), leaders(2, 2), own);
        assert_eq!(steady(&seen), [true, false]);
    }
}
