//! What this node can say of the cluster.

use std::time::Duration;

use omnibus_model::{LogIndex, NodeId, ShardId};
use omnibus_raft::{Standing, VoteChange};

use crate::changes::Change;
use crate::cluster::Cluster;
use crate::plan::{Place, Plan};

/// A shard as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStanding {
    pub shard: ShardId,
    /// None if nobody is known to.
    pub leader: Option<NodeId>,
    /// The newest entry on this node.
    pub last: LogIndex,
    /// The newest that this node has told its engine of.
    pub applied: LogIndex,
    pub replicas: Vec<ReplicaStanding>,
    /// A change of who votes that is under way, if there is one.
    pub change: Option<ChangeStanding>,
}

/// A change of who votes about a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeStanding {
    /// Who gets a vote.
    pub added: Vec<NodeId>,
    /// Who loses it.
    pub taken: Vec<NodeId>,
    /// Whether it has begun: until it ends, majorities of those before and of those behind it are needed. It is only due
    /// otherwise.
    pub is_half_done: bool,
    /// For how long this node has seen it; none if it has not looked since it began. It looks once a second.
    pub seen_for: Option<Duration>,
}

/// One of a shard's replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStanding {
    pub node: NodeId,
    /// Others get everything and decide nothing.
    pub is_voter: bool,
    /// The newest entry that it has for certain; only the leader knows.
    pub confirmed: Option<LogIndex>,
}

impl Cluster {
    /// All shards.
    #[must_use]
    pub fn standing(&self) -> Vec<ShardStanding> {
        let plan = self.plan();
        self.all_shards().map(|shard| self.standing_of(&plan, shard)).collect()
    }

    /// Notes which changes of who votes are under way.
    pub(crate) fn note_changes(&self, plan: &Plan) {
        let found = self.all_shards().filter_map(|shard| {
            let change = change(plan.place(shard), &self.log.standing(shard))?;
            Some((shard, change))
        });
        self.changes.note(found, self.engine.clock().elapsed());
    }

    fn plan(&self) -> Plan {
        Plan::of(&self.roster(), self.log.shards())
    }

    /// Whether there is a connection to a node, or it is this one.
    #[must_use]
    pub fn is_reached(&self, node: NodeId) -> bool {
        self.reaches(node)
    }

    fn standing_of(&self, plan: &Plan, shard: ShardId) -> ShardStanding {
        let standing = self.log.standing(shard);
        let change = change(plan.place(shard), &standing).map(|change| self.seen(shard, change));
        let Standing { leader, replicas, last, applied, confirmed, .. } = standing;
        let leads = leader == Some(self.node);
        let newest = |node| match node {
            node if node == self.node => Some(last),
            node if leads => Some(confirmed.get(&node).copied().unwrap_or_default()),
            _ => None,
        };
        let replica = |is_voter: bool| move |node| (node, is_voter);
        let voters = replicas.voters.iter().copied().map(replica(true));
        let learners = replicas.learners.iter().copied().map(replica(false));
        let replicas =
            voters.chain(learners).map(|(node, is_voter)| ReplicaStanding { node, is_voter, confirmed: newest(node) });
        ShardStanding { shard, leader, last, applied, replicas: replicas.collect(), change }
    }

    fn seen(&self, shard: ShardId, change: Change) -> ChangeStanding {
        let now = self.engine.clock().elapsed();
        let seen_for = self.changes.since(shard, &change).map(|since| now.saturating_sub(since));
        let Change { votes: VoteChange { added, taken }, is_half_done } = change;
        let (added, taken) = (added.into_iter().collect(), taken.into_iter().collect());
        ChangeStanding { added, taken, is_half_done, seen_for }
    }
}

/// What is being changed of who votes: what has begun, or what the plan wants otherwise.
fn change(place: &Place, standing: &Standing) -> Option<Change> {
    if let Some(votes) = &standing.half_done {
        return Some(Change { votes: votes.clone(), is_half_done: true });
    }
    let (voters, wanted) = (&standing.replicas.voters, &place.voters);
    let votes = VoteChange {
        added: wanted.difference(voters).copied().collect(),
        taken: voters.difference(wanted).copied().collect(),
    };
    (votes != VoteChange::default()).then_some(Change { votes, is_half_done: false })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use omnibus_raft::Replicas;

    use super::*;

    fn nodes(numbers: &[u32]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn what_has_begun_is_told_before_what_is_wanted() {
        let place = Place { voters: nodes(&[2, 3, 4]), ..Place::default() };
        let standing = |voters: &[u32], half_done| Standing {
            leader: None,
            replicas: Replicas { voters: nodes(voters), ..Replicas::default() },
            half_done,
            last: LogIndex(0),
            applied: LogIndex(0),
            confirmed: BTreeMap::new(),
        };
        assert_eq!(change(&place, &standing(&[2, 3, 4], None)), None);
        let due = VoteChange { added: nodes(&[4]), taken: nodes(&[1]) };
        let told = change(&place, &standing(&[1, 2, 3], None));
        assert_eq!(told, Some(Change { votes: due, is_half_done: false }));
        let begun = VoteChange { added: nodes(&[4]), ..VoteChange::default() };
        let told = change(&place, &standing(&[1, 2, 3, 4], Some(begun.clone())));
        assert_eq!(told, Some(Change { votes: begun, is_half_done: true }));
    }
}
