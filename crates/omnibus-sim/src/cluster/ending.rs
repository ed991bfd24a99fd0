//! The end of a run: nothing goes wrong any more, the cluster becomes whole, and all that was promised is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::by_hand::digest;
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::Replicas;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::clients::{Client, QUEUE, TOPIC, drain, read_stream};
use super::mischief::DISK_MILLIS;
use super::network::Weather;
use super::site::{End, Site};
use crate::violation::Violation;

/// How often is looked.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// How long a cluster may take to become whole when nothing goes wrong any more.
const WHOLE_WITHIN: Duration = Duration::from_secs(90);

/// How long all nodes may take to read all they have, and to mend what has rotted.
const SOUND_WITHIN: Duration = Duration::from_secs(20);

/// How seldom is looked for that in the end: they need not read all the time.
const PAUSE_MAX: Duration = Duration::from_secs(2);

const WHOLE: &str = "a cluster becomes whole again";
const MENDED: &str = "what is said to be mended is";
const KEPT: &str = "what is acknowledged is on all nodes";

/// Heals everything, and checks.
pub(crate) async fn end(site: &Arc<Site>, clients: Vec<JoinHandle<()>>) {
    site.world.line(format_args!("nothing goes wrong any more"));
    let all_at_once = site.world.within(0..=2) == 0;
    heal(site);
    for client in clients {
        while !client.is_finished() && !super::is_over(&site.world) {
            sleep(LOOK).await;
        }
    }
    if !become_whole(site).await || !become_sound(site).await {
        return;
    }
    if let Err(left) = drain(Client::new(site)).await {
        return site.world.violate(Violation::new("queues run empty", left));
    }
    if all_at_once {
        // What is promised is on disks.
        for node in site.scenario.nodes() {
            site.end(node, End::PowerCut);
        }
        site.scenario.nodes().for_each(|node| site.start(node));
    }
    if become_whole(site).await {
        check_streams(site).await;
    }
}

fn heal(site: &Arc<Site>) {
    site.network.mend();
    site.network.set_weather(Weather::FAIR);
    site.replace_rotten();
    site.unseat(None);
    for node in site.scenario.nodes() {
        site.on(node, |machine| {
            machine.disk.set_capacity(u64::MAX);
            machine.disk.fail_at(0, omnibus_io::fault::Fault::Error);
            *machine.disk_millis.lock() = DISK_MILLIS;
            machine.process.iter().for_each(|process| process.life.stand_still(false));
        });
        site.start(node);
    }
}

/// Waits until all replicas of all shards are the same and somebody leads each; false if that does not come.
async fn become_whole(site: &Arc<Site>) -> bool {
    let begun = site.world.elapsed();
    let mut lacks = String::new();
    while site.world.elapsed() < begun + WHOLE_WITHIN {
        if super::is_over(&site.world) {
            return false;
        }
        // What was begun before may end late.
        heal(site);
        match look(site).await {
            Ok(()) => {
                let took = u64::try_from((site.world.elapsed() - begun).as_millis()).unwrap_or(u64::MAX);
                site.world.line(format_args!("the cluster is whole after {took} ms"));
                site.world.with(|state| state.tally.whole_after = took);
                return true;
            }
            Err(what) => lacks = what,
        }
        sleep(LOOK).await;
    }
    site.world.violate(Violation::new(WHOLE, lacks));
    false
}

/// Waits until no node finds anything rotten; false if that does not come. A node that goes on to say what it cannot mend gets an empty
/// disk, as an operator would do; none may say that nothing is left and find it again.
async fn become_sound(site: &Arc<Site>) -> bool {
    let begun = site.world.elapsed();
    let mut pause = LOOK;
    loop {
        if super::is_over(&site.world) {
            return false;
        }
        let unsound = |node: &NodeId| site.places_found(*node, begun) != Some(0);
        let unsound: Vec<NodeId> = site.scenario.nodes().filter(unsound).collect();
        if unsound.is_empty() {
            return true;
        }
        if site.world.elapsed() >= begun + SOUND_WITHIN {
            unsound.iter().for_each(|node| give_up(site, *node));
            return become_whole(site).await;
        }
        unsound.iter().for_each(|node| site.ask_to_reread(*node));
        pause = PAUSE_MAX.min(pause * 2);
        sleep(pause).await;
    }
}

/// Gives a node an empty disk that says what it cannot mend.
fn give_up(site: &Arc<Site>, node: NodeId) {
    match site.damage(node) {
        None => site.world.violate(Violation::new(MENDED, format!("node {node} finds what it says is mended"))),
        Some(damage) => {
            site.world.line(format_args!("node {node} cannot mend what has rotted: {damage}"));
            site.world.with(|state| state.tally.unmended += 1);
            site.end(node, End::ProcessKill);
            site.empty(node);
            site.start(node);
        }
    }
}

/// What a cluster lacks to be whole.
async fn look(site: &Arc<Site>) -> Result<(), String> {
    for shard in site.shards() {
        look_at(site, shard).await?;
    }
    Ok(())
}

async fn look_at(site: &Arc<Site>, shard: ShardId) -> Result<(), String> {
    let lacks = |what: &str| format!("shard {shard}: {what}");
    let leader = site.leader(shard).ok_or_else(|| lacks("nobody leads"))?;
    let Replicas { voters, learners, lost, goal } = leader.replicated.replicas(shard);
    let replicas: BTreeSet<NodeId> = voters.union(&learners).copied().collect();
    if voters != site.wanted_voters(shard)
        || replicas != site.members()
        || voters.intersection(&lost).next().is_some()
        || goal.is_some()
    {
        return Err(lacks(&format!("voters {voters:?}, learners {learners:?}, lost {lost:?}")));
    }
    let newest = leader.replicated.standing(shard).applied;
    let mut digests = BTreeSet::new();
    for node in site.scenario.nodes() {
        let access = site.access(node).ok_or_else(|| lacks(&format!("node {node} is not there")))?;
        let applied = access.replicated.standing(shard).applied;
        if applied != newest {
            return Err(lacks(&format!("node {node} has {applied} of {newest}")));
        }
        let told = access.life.live(digest(&access.engine, shard)).await;
        digests.insert(told.and_then(Result::ok).ok_or_else(|| lacks(&format!("node {node} says nothing")))?);
    }
    if digests.len() > 1 {
        return Err(lacks(&format!("the nodes know different things after {newest}")));
    }
    Ok(())
}

/// Reads all there is on each node.
async fn check_streams(site: &Arc<Site>) {
    for access in site.all() {
        for name in [TOPIC, QUEUE] {
            let Some(topic) = access.engine.catalog().topic(name) else { continue };
            if topic.queue.is_some() {
                continue;
            }
            for partition in &topic.partitions {
                let read = read_stream(&site.world, (access.node, &access.engine), partition.stream).await;
                if let Err(detail) = read {
                    let detail = format!("node {}, stream {}: {detail}", access.node, partition.stream);
                    site.world.violate(Violation::new(KEPT, detail));
                }
            }
        }
    }
}
