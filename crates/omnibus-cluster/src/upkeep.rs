//! Keeps the groups as they should be: who is to replicate a shard does, who is to vote votes, who leaves goes, and
//! each leads its share. Every node looks after the shards that it leads.

use std::collections::BTreeSet;
use std::time::Duration;

use omnibus_model::node::NodeDuty;
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::{ChangeError, Replicas, Standing};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::balance::{Seen, balance, give_up, hand_over, is_close};
use crate::cluster::Cluster;
use crate::plan::{Place, Plan};
use crate::roster::{Roster, replicas};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How soon front ends know who is to lead what, after nodes have come or gone.
const PREFER_EVERY: Duration = Duration::from_millis(200);

/// How long a step may take before the next shard is looked after. It goes on, and is asked for again.
const STEP_TIME: Duration = Duration::from_secs(10);

/// What is done next about who replicates a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A change of who votes was left half done: it needs more than one majority.
    Settle(BTreeSet<NodeId>),
    /// These voters have lost what they had, or go for good.
    Leave(BTreeSet<NodeId>),
    /// A replica without a vote goes for good.
    Dismiss(NodeId),
    Join(NodeId),
    /// A replica without a vote gets one, once it has everything.
    Vote(NodeId),
    /// A voter stays without its vote.
    Demote(NodeId),
    /// This node has no vote, or is to have none, so another must lead.
    Yield,
}

/// Who can be asked to do something about a shard.
#[derive(Debug)]
struct View<'a> {
    own: NodeId,
    replicas: &'a Replicas,
    /// All that are to stay and can be reached.
    there: &'a BTreeSet<NodeId>,
    removed: &'a BTreeSet<NodeId>,
    /// Voters that can be reached and have next to everything.
    full: &'a BTreeSet<NodeId>,
    place: &'a Place,
}

/// Looks after the groups for as long as it is not aborted.
pub(crate) async fn run(cluster: Cluster) {
    tokio::join!(prefer(&cluster), keep(&cluster));
}

/// Says who is to lead what, however long it takes to bring that about.
async fn prefer(cluster: &Cluster) {
    let mut ticks = interval(PREFER_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        cluster.prefer();
    }
}

async fn keep(cluster: &Cluster) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        ticks.tick().await;
        let roster = cluster.roster();
        open_ways(cluster, &roster);
        let plan = Plan::of(&roster, cluster.log.shards());
        cluster.note_changes(&plan);
        seen.look(cluster, (&roster, &plan));
        look_after(cluster, (&roster, &plan), &seen).await;
        cluster.forget_the_gone(&roster).await;
    }
}

/// Keeps ways to those that are in the cluster, and to nobody else.
fn open_ways(cluster: &Cluster, roster: &Roster) {
    for (node, entry) in roster.iter().filter(|(node, _)| *node != cluster.node) {
        if let Some(address) = &entry.address {
            cluster.lines.set(node, &address.to_string());
        }
    }
    for node in cluster.lines.nodes() {
        let is_gone =
            cluster.engine.catalog().duty(node) == NodeDuty::Removed && roster.iter().all(|(known, _)| known != node);
        if is_gone && !cluster.is_leaving() {
            cluster.lines.remove(node);
        }
    }
}

async fn look_after(cluster: &Cluster, (roster, plan): (&Roster, &Plan), seen: &Seen) {
    let with_duty = |is_removed: bool| {
        let wanted = roster.iter().filter(move |(_, entry)| (entry.duty == NodeDuty::Removed) == is_removed);
        wanted.map(|(node, _)| node)
    };
    let there: BTreeSet<NodeId> = with_duty(false).filter(|node| cluster.reaches(*node)).collect();
    let removed: BTreeSet<NodeId> = with_duty(true).collect();
    for shard in cluster.all_shards().filter(|shard| cluster.leads(*shard)) {
        let standing = cluster.log.standing(shard);
        let full = full(cluster, &standing);
        let (replicas, place) = (&standing.replicas, plan.place(shard));
        let view = View { own: cluster.node, replicas, there: &there, removed: &removed, full: &full, place };
        match view.next_step() {
            Some(Step::Yield) => hand_over(cluster, roster, shard).await,
            Some(step) => {
                if timeout(STEP_TIME, take(cluster, shard, &step)).await.is_err() {
                    tracing::warn!(shard = shard.0, ?step, "a change of who replicates the shard takes long");
                }
            }
            None if !roster.may_lead(cluster.node) => give_up(cluster, roster, shard).await,
            None => balance(cluster, seen, place, shard).await,
        }
    }
}

/// The voters that can be reached and have next to everything.
fn full(cluster: &Cluster, standing: &Standing) -> BTreeSet<NodeId> {
    let Replicas { voters, lost, .. } = &standing.replicas;
    let has_all = |node: &NodeId| *node == cluster.node || cluster.reaches(*node) && is_close(standing, *node);
    voters.difference(lost).copied().filter(has_all).collect()
}

impl View<'_> {
    fn next_step(&self) -> Option<Step> {
        let Replicas { voters, learners, lost, goal } = self.replicas;
        if !voters.contains(&self.own) && !self.place.voters.contains(&self.own) {
            return Some(Step::Yield);
        }
        let lost: BTreeSet<NodeId> = voters.intersection(lost).copied().collect();
        if !lost.is_empty() {
            return Some(Step::Leave(lost));
        }
        if let Some(goal) = goal {
            return Some(Step::Settle(goal.clone()));
        }
        if let Some(new) = self.there.iter().find(|node| !voters.contains(node) && !learners.contains(node)) {
            return Some(Step::Join(*new));
        }
        if let Some(learner) = learners.intersection(self.removed).next() {
            return Some(Step::Dismiss(*learner));
        }
        let wanted = |node: &&NodeId| self.place.voters.contains(node) && self.there.contains(node);
        if let Some(next) = learners.iter().find(wanted) {
            return Some(Step::Vote(*next));
        }
        self.next_to_go()
    }

    /// Who has a vote and is to have none. The others must be able to do without it.
    fn next_to_go(&self) -> Option<Step> {
        let voters = &self.replicas.voters;
        let is_seated = self.place.voters.is_subset(voters);
        let goes = |node: &&NodeId| self.removed.contains(node) || is_seated && !self.place.voters.contains(node);
        // This node last, since another must lead before it goes.
        let (own, others): (Vec<NodeId>, Vec<NodeId>) = voters.iter().filter(goes).partition(|node| **node == self.own);
        let next = others.into_iter().chain(own).find(|node| self.is_spare(*node))?;
        Some(match next {
            next if next == self.own => Step::Yield,
            next if self.removed.contains(&next) => Step::Leave([next].into()),
            next => Step::Demote(next),
        })
    }

    /// Whether a majority of the other voters is there and has everything.
    fn is_spare(&self, node: NodeId) -> bool {
        let others = self.replicas.voters.iter().filter(|voter| **voter != node).count();
        let full = self.full.iter().filter(|voter| **voter != node).count();
        full * 2 > others
    }
}

async fn take(cluster: &Cluster, shard: ShardId, step: &Step) {
    let voters = cluster.log.replicas(shard).voters;
    let taken = match step {
        Step::Settle(goal) => cluster.log.demote_others(shard, goal.clone()).await,
        Step::Leave(gone) => cluster.log.change_voters(shard, voters.difference(gone).copied().collect()).await,
        Step::Dismiss(node) => cluster.log.remove_learner(shard, *node).await,
        Step::Join(node) => cluster.log.add_learner(shard, *node).await,
        Step::Vote(node) => cluster.log.change_voters(shard, voters.into_iter().chain([*node]).collect()).await,
        Step::Demote(node) => {
            cluster.log.demote_others(shard, voters.into_iter().filter(|voter| voter != node).collect()).await
        }
        Step::Yield => Ok(()),
    };
    match taken {
        Ok(()) => tracing::info!(shard = shard.0, ?step, "who replicates the shard has changed"),
        // It is asked for again.
        Err(ChangeError::NotFull { .. } | ChangeError::NotNow) => {}
        Err(error) => tracing::warn!(shard = shard.0, ?step, %error, "who replicates the shard was not changed"),
    }
}

impl Cluster {
    /// Whether no group has a node any more, as far as this node knows.
    fn has_gone(&self, node: NodeId) -> bool {
        self.all_shards().all(|shard| !replicas(&self.log, shard).contains(&node))
    }

    /// Forgets how those are reached who were removed and have left all groups. Whoever leads the metadata does.
    async fn forget_the_gone(&self, roster: &Roster) {
        if !self.leads(ShardId::METADATA) {
            return;
        }
        let removed = roster.iter().filter(|(_, entry)| entry.duty == NodeDuty::Removed && entry.address.is_some());
        for (node, _) in removed.filter(|(node, _)| self.has_gone(*node)) {
            match self.engine.forget_node(node).await {
                Ok(()) => tracing::info!(%node, "the node has left the cluster for good"),
                Err(error) => tracing::warn!(%node, %error, "the node has left, and is not forgotten yet"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u32]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(NodeId).collect()
    }

    fn replicas(voters: &[u32], learners: &[u32], lost: &[u32]) -> Replicas {
        Replicas { voters: nodes(voters), learners: nodes(learners), lost: nodes(lost), goal: None }
    }

    /// The next step of node 1, where all voters have everything that are there, and these are to vote.
    fn step(replicas: &Replicas, there: &[u32], removed: &[u32], wanted: &[u32]) -> Option<Step> {
        let (there, removed) = (nodes(there), nodes(removed));
        let full = replicas.voters.iter().copied().filter(|node| there.contains(node) || *node == NodeId(1)).collect();
        let place = Place { voters: nodes(wanted), ..Place::default() };
        let view = View { own: NodeId(1), replicas, there: &there, removed: &removed, full: &full, place: &place };
        view.next_step()
    }

    #[test]
    fn one_step_at_a_time_until_all_replicate() {
        for (replicas, expected) in [
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
            assert_eq!(step(&replicas, &[1, 2, 3], &[], &[1, 2, 3]), expected, "{replicas:?}");
        }
    }

    #[test]
    fn who_is_away_is_not_waited_for_and_only_those_vote_who_are_to() {
        assert_eq!(step(&replicas(&[1, 2, 3], &[4], &[]), &[1, 2, 3], &[], &[2, 3, 4]), None);
        assert_eq!(step(&replicas(&[1, 2, 3], &[], &[]), &[1, 2, 3, 4], &[], &[1, 2, 3]), Some(Step::Join(NodeId(4))));
        assert_eq!(step(&replicas(&[1, 2, 3], &[4], &[]), &[1, 2, 3, 4], &[], &[1, 2, 3]), None);
    }

    #[test]
    fn a_vote_moves_by_being_given_first_and_taken_then() {
        let there = [1, 2, 3, 4];
        let steps = |replicas: Replicas| step(&replicas, &there, &[], &[2, 3, 4]);
        assert_eq!(steps(replicas(&[1, 2, 3], &[4], &[])), Some(Step::Vote(NodeId(4))));
        // Another is to lead before this one gives up its vote.
        assert_eq!(steps(replicas(&[1, 2, 3, 4], &[], &[])), Some(Step::Yield));
        let of_others = step(&replicas(&[1, 2, 3, 4], &[], &[]), &there, &[], &[1, 3, 4]);
        assert_eq!(of_others, Some(Step::Demote(NodeId(2))));
    }

    #[test]
    fn a_change_that_was_left_half_done_is_brought_to_its_end() {
        let half = Replicas { goal: Some(nodes(&[1, 2, 3])), ..replicas(&[1, 2, 3], &[], &[]) };
        assert_eq!(step(&half, &[1, 2, 3], &[], &[1, 2, 3]), Some(Step::Settle(nodes(&[1, 2, 3]))));
        let lost = Replicas { lost: nodes(&[3]), ..half };
        assert_eq!(step(&lost, &[1, 2, 3], &[], &[1, 2, 3]), Some(Step::Leave(nodes(&[3]))));
    }

    #[test]
    fn who_leads_without_a_vote_lets_another_lead_or_gets_one() {
        let (there, without) = ([1, 2, 3, 4], replicas(&[2, 3, 4], &[1], &[]));
        assert_eq!(step(&without, &there, &[], &[2, 3, 4]), Some(Step::Yield));
        assert_eq!(step(&without, &there, &[1], &[2, 3, 4]), Some(Step::Yield));
        assert_eq!(step(&without, &there, &[], &[1, 2, 3]), Some(Step::Vote(NodeId(1))));
    }

    #[test]
    fn who_was_removed_goes_if_the_others_can_do_without_it() {
        let three = replicas(&[1, 2, 3], &[], &[]);
        assert_eq!(step(&three, &[1, 2], &[3], &[1, 2]), Some(Step::Leave(nodes(&[3]))));
        assert_eq!(step(&three, &[2, 3], &[1], &[2, 3]), Some(Step::Yield));
        // One of two others is away.
        assert_eq!(step(&three, &[1], &[3], &[1, 2]), None);
        // Its successor votes first.
        let four = replicas(&[1, 2, 3], &[4], &[]);
        assert_eq!(step(&four, &[1, 2, 4], &[3], &[1, 2, 4]), Some(Step::Vote(NodeId(4))));
        let copies = replicas(&[1, 2, 3], &[4], &[]);
        assert_eq!(step(&copies, &[1, 2, 3], &[4], &[1, 2, 3]), Some(Step::Dismiss(NodeId(4))));
    }
}
