//! Keeps the groups as they should be, as the nodes do by themselves in production (`omnibus-cluster`, whose connections are
//! real ones): who is to replicate does, who is to vote votes, who leaves goes. And starts again whatever has ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::node::NodeInfo;
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::{ChangeError, Replicas, Standing};
use tokio::time::{sleep, timeout};

use super::site::{Access, Site};

/// How often a shard is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// How long a step may take before it is asked for again.
const STEP_TIME: Duration = Duration::from_secs(10);

/// How often is looked for what has ended.
const PATROL_EVERY: Duration = Duration::from_millis(20);

/// What is done next about who replicates a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Voters(BTreeSet<NodeId>),
    Demote(BTreeSet<NodeId>),
    Add(NodeId),
    Dismiss(NodeId),
    Yield(NodeId),
}

/// Looks after a shard until the run ends.
pub(crate) async fn look_after(site: Arc<Site>, shard: ShardId) {
    loop {
        sleep(LOOK_EVERY).await;
        let Some(leader) = site.leader(shard) else { continue };
        if let Some(step) = next_step(&site, &leader, shard) {
            take(&site, &leader, (shard, step)).await;
        }
        site.note_sound();
    }
}

/// Has all nodes known to each other by name, as each makes itself known in production: who mends asks those it knows.
pub(crate) async fn introduce(site: Arc<Site>) {
    for node in site.scenario.nodes() {
        let is_known = |leader: &Access| leader.engine.catalog().nodes().iter().any(|(known, _)| *known == node);
        while !site.world.is_broken() {
            sleep(LOOK_EVERY).await;
            let Some(leader) = site.leader(ShardId::METADATA) else { continue };
            if is_known(&leader) {
                break;
            }
            // Whether it was done is seen at the next look.
            drop(leader.ask(leader.engine.introduce(node, NodeInfo::default())).await);
        }
    }
}

async fn take(site: &Site, leader: &Access, (shard, step): (ShardId, Step)) {
    let said = format!("{step:?}");
    let change = async {
        match step {
            Step::Voters(voters) => leader.replicated.change_voters(shard, voters).await,
            Step::Demote(voters) => leader.replicated.demote_others(shard, voters).await,
            Step::Add(node) => leader.replicated.add_learner(shard, node).await,
            Step::Dismiss(node) => leader.replicated.remove_learner(shard, node).await,
            Step::Yield(node) => leader.replicated.transfer(shard, node).await,
        }
    };
    let changed = timeout(STEP_TIME, leader.life.live(change)).await;
    site.world.line(format_args!("shard {}, node {}: {said}: {changed:?}", shard.0, leader.node));
    if let Ok(Some(Ok(()))) = changed {
        site.world.with(|state| state.tally.changes += 1);
    } else if let Ok(Some(Err(ChangeError::Refused { .. }))) = changed {
        sleep(LOOK_EVERY).await;
    }
}

fn next_step(site: &Site, leader: &Access, shard: ShardId) -> Option<Step> {
    let Standing { replicas: Replicas { voters, learners, lost, goal }, .. } = leader.replicated.standing(shard);
    let (members, wanted) = (site.members(), site.wanted_voters(shard));
    let up: BTreeSet<NodeId> = site.all().into_iter().map(|access| access.node).collect();
    if voters.intersection(&lost).next().is_some() {
        return Some(Step::Voters(voters.difference(&lost).copied().collect()));
    }
    if let Some(goal) = goal {
        return Some(Step::Demote(goal));
    }
    let is_there = |node: &&NodeId| up.contains(node);
    if !voters.contains(&leader.node) && !wanted.contains(&leader.node) {
        return voters.iter().find(is_there).map(|node| Step::Yield(*node));
    }
    let mut new = members.iter().filter(|node| !voters.contains(node) && !learners.contains(node));
    if let Some(new) = new.find(is_there) {
        return Some(Step::Add(*new));
    }
    if let Some(gone) = learners.difference(&members).next() {
        return Some(Step::Dismiss(*gone));
    }
    if let Some(next) = learners.intersection(&wanted).find(is_there) {
        return Some(Step::Voters(voters.into_iter().chain([*next]).collect()));
    }
    if !wanted.is_subset(&voters) {
        return None;
    }
    // Whoever leads last, since another must lead before it goes.
    let mut spare: Vec<NodeId> = voters.difference(&wanted).copied().collect();
    spare.sort_by_key(|node| *node == leader.node);
    let next = *spare.first()?;
    if next == leader.node {
        return wanted.iter().find(is_there).map(|node| Step::Yield(*node));
    }
    let rest: BTreeSet<NodeId> = voters.into_iter().filter(|node| *node != next).collect();
    let majority_is_up = rest.intersection(&up).count() * 2 > rest.len();
    let step = if members.contains(&next) { Step::Demote(rest) } else { Step::Voters(rest) };
    majority_is_up.then_some(step)
}

/// Starts nodes again that have ended by themselves.
pub(crate) async fn patrol(site: Arc<Site>) {
    let mut chance = site.world.chance();
    while !site.world.is_broken() {
        sleep(PATROL_EVERY).await;
        site.check_passes();
        for (node, end) in site.fallen() {
            site.end(node, end);
            start_later(&site, node, chance.within(50..=1_500));
        }
    }
}

/// Starts a node in so many milliseconds.
pub(crate) fn start_later(site: &Arc<Site>, node: NodeId, millis: u64) {
    let site = Arc::clone(site);
    tokio::spawn(async move {
        sleep(Duration::from_millis(millis)).await;
        site.start(node);
    });
}
