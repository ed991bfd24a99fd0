//! `omnibus cluster`: the nodes, how far each replica of each shard is, and what can be changed of that.

mod change;
mod scrub;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use omnibus_admin_api::Span;
use omnibus_admin_api::cluster::{ChangeView, ClusterView, MemberView, ReplicaView, ShardView};
use omnibus_admin_api::scrub::DamagedView;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::client::{AdminArgs, AdminClient, block_on};
use crate::output::{self, Column, Format};
use change::{DrainArgs, RemoveArgs};
use scrub::ScrubArgs;

/// A replica that lacks as many entries is not behind: they are on their way.
const BEHIND_MAX: u64 = 1_000;

/// How soon is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a node may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be asked of a cluster.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ClusterVerb {
    /// Lists the nodes, where they are, and how many shards each leads.
    Nodes {
        #[command(flatten)]
        admin: AdminArgs,
    },
    Status(StatusArgs),
    Remove(RemoveArgs),
    Drain(DrainArgs),
    /// Has all nodes lead their share now, which they do by themselves some seconds after one has come back.
    Balance {
        #[command(flatten)]
        admin: AdminArgs,
    },
    Scrub(ScrubArgs),
}

/// Asks all nodes how they stand, and fails if anything is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Asks until nothing is missing, for as long at most.
    #[arg(long, value_name = "SPAN")]
    wait: Option<Span>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// What all nodes together say.
#[derive(Debug, Serialize)]
struct Status {
    whole: bool,
    /// What is missing, in words.
    missing: Vec<String>,
    nodes: Vec<MemberView>,
    /// Each shard as its leader sees it, or whoever was asked if there is none.
    shards: Vec<ShardView>,
}

/// Does what was asked for.
pub(crate) fn run(verb: ClusterVerb, format: Format) -> Result<ExitCode> {
    block_on(async {
        match verb {
            ClusterVerb::Nodes { admin } => nodes(&admin.client()?, format).await,
            ClusterVerb::Status(args) => status(&args, format).await,
            ClusterVerb::Remove(args) => change::remove(&args, format).await,
            ClusterVerb::Drain(args) => change::drain(&args, format).await,
            ClusterVerb::Balance { admin } => change::balance(&admin.client()?, format).await,
            ClusterVerb::Scrub(args) => scrub::scrub(&args, format).await,
        }
    })
}

async fn view(client: &AdminClient) -> Result<ClusterView> {
    client.get("/v1/cluster").await
}

async fn nodes(client: &AdminClient, format: Format) -> Result<ExitCode> {
    let view = view(client).await?;
    match format {
        Format::Json => output::json(&view.nodes)?,
        Format::Table => show_nodes(&view.nodes)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(args: &StatusArgs, format: Format) -> Result<ExitCode> {
    let client = args.admin.client()?;
    let status = match args.wait {
        None => ask_all(&client).await?,
        Some(wait) => match timeout(wait.duration(), until_whole(&client)).await {
            Ok(status) => status,
            Err(_) => ask_all(&client).await?,
        },
    };
    match format {
        Format::Json => output::json(&status)?,
        Format::Table => show(&status)?,
    }
    Ok(if status.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn until_whole(client: &AdminClient) -> Status {
    loop {
        match ask_all(client).await {
            Ok(status) if status.whole => return status,
            _ => sleep(PAUSE).await,
        }
    }
}

/// Asks one node, and then all that it knows of.
async fn ask_all(client: &AdminClient) -> Result<Status> {
    let asked = view(client).await?;
    if asked.shards.is_empty() {
        bail!("this node has no others beside it; `cluster.nodes` in its configuration would name them");
    }
    let mut views = BTreeMap::new();
    let mut missing = Vec::new();
    for member in asked.nodes.iter().filter(|member| member.node != asked.node) {
        let at = member.addresses.get("admin");
        match ask_member(at).await {
            Ok(view) => drop(views.insert(member.node, view)),
            Err(error) => missing.push(format!("node {} does not answer: {error:#}", member.node)),
        }
    }
    let shards: Vec<ShardView> = asked.shards.iter().map(|shard| as_led(shard, &views)).collect();
    missing.extend(shards.iter().flat_map(lacks));
    missing.extend([&asked].into_iter().chain(views.values()).filter_map(rotten));
    let nodes = asked.nodes.iter().map(|member| counted(member, &shards)).collect();
    Ok(Status { whole: missing.is_empty(), missing, nodes, shards })
}

async fn ask_member(at: Option<&String>) -> Result<ClusterView> {
    let Some(at) = at else { bail!("it has not said where") };
    let client = AdminArgs::at(at).client()?;
    match timeout(PATIENCE, view(&client)).await {
        Ok(view) => view,
        Err(_) => bail!("nothing came from {at} within {PATIENCE:?}"),
    }
}

/// A shard as its leader sees it.
fn as_led(shard: &ShardView, views: &BTreeMap<u32, ClusterView>) -> ShardView {
    let all = views.values().flat_map(|view| view.shards.iter().map(|shard| (view.node, shard)));
    let by_leader = all.filter(|(node, seen)| seen.shard == shard.shard && seen.leader == Some(*node));
    // Two may think so while it changes; the one that is further does for longer.
    let found = by_leader.max_by_key(|(_, seen)| seen.last).map(|(_, seen)| seen);
    found.unwrap_or(shard).clone()
}

fn lacks(shard: &ShardView) -> Vec<String> {
    let ShardView { shard: number, leader, last, replicas, change, .. } = shard;
    if leader.is_none() {
        return vec![format!("shard {number} has no leader")];
    }
    let half_done = change.iter().filter(|change| change.half_done);
    let half_done = half_done
        .map(|change| format!("shard {number}: who votes is half changed, {}{}", votes(change), since(change)));
    let behind = replicas.iter().filter(|replica| behind(replica, *last).is_some_and(|behind| behind > BEHIND_MAX));
    let behind = behind.map(|replica| format!("shard {number}: node {} is behind", replica.node));
    half_done.chain(behind).collect()
}

/// A change of who votes, in short.
fn told(change: &ChangeView) -> String {
    let state = if change.half_done { "half done" } else { "due" };
    format!("{} {state}{}", votes(change), since(change))
}

fn votes(ChangeView { added, taken, .. }: &ChangeView) -> String {
    let added = added.iter().map(|node| format!("+{node}"));
    added.chain(taken.iter().map(|node| format!("-{node}"))).collect::<Vec<_>>().join(" ")
}

fn since(change: &ChangeView) -> String {
    change.seconds.map(|seconds| format!(" for {seconds} s")).unwrap_or_default()
}

/// What has rotted on the disk of the node that says so.
fn rotten(ClusterView { node, damaged, .. }: &ClusterView) -> Option<String> {
    let DamagedView { places, records, .. } = damaged;
    (*places > 0).then(|| format!("node {node}: {places} places on its disk have rotted, with {records} records"))
}

fn behind(replica: &ReplicaView, last: u64) -> Option<u64> {
    Some(last.saturating_sub(replica.has?))
}

fn counted(member: &MemberView, shards: &[ShardView]) -> MemberView {
    let leads = shards.iter().filter(|shard| shard.leader == Some(member.node)).count();
    MemberView { leads, ..member.clone() }
}

fn show(status: &Status) -> Result<()> {
    show_nodes(&status.nodes)?;
    output::line("")?;
    let columns = [
        Column::Number("SHARD"),
        Column::Number("LEADER"),
        Column::Number("ENTRIES"),
        Column::Text("BEHIND"),
        Column::Text("VOTES CHANGE"),
    ];
    let row = |shard: &ShardView| {
        let replica = |replica: &ReplicaView| {
            let behind = behind(replica, shard.last).map_or_else(|| "?".to_owned(), |behind| behind.to_string());
            let learns = if replica.votes { "" } else { " (learns)" };
            format!("{}: {behind}{learns}", replica.node)
        };
        let leader = shard.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
        let replicas: Vec<String> = shard.replicas.iter().map(replica).collect();
        let change = shard.change.as_ref().map(told).unwrap_or_default();
        vec![shard.shard.to_string(), leader, shard.last.to_string(), replicas.join("  "), change]
    };
    output::table(&columns, status.shards.iter().map(row))?;
    output::line("")?;
    if status.whole {
        return output::line(
            "whole: all nodes answer, all shards are led, no replica is behind, nothing that was read again has rotted",
        );
    }
    status.missing.iter().try_for_each(output::line)
}

fn show_nodes(nodes: &[MemberView]) -> Result<()> {
    let columns = [
        Column::Number("NODE"),
        Column::Text("REACHED"),
        Column::Number("LEADS"),
        Column::Text("DUTY"),
        Column::Text("RACK"),
        Column::Text("KAFKA"),
        Column::Text("SQS"),
        Column::Text("ADMIN"),
    ];
    let row = |member: &MemberView| {
        let door = |door: &str| member.addresses.get(door).cloned().unwrap_or_default();
        let reached = if member.reached { "yes" } else { "no" };
        let rack = member.rack.clone().unwrap_or_default();
        let (node, leads) = (member.node.to_string(), member.leads.to_string());
        let duty = change::word(member.duty).to_owned();
        vec![node, reached.to_owned(), leads, duty, rack, door("kafka"), door("sqs"), door("admin")]
    };
    output::table(&columns, nodes.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(leader: Option<u32>, last: u64, has: &[(u32, u64)]) -> ShardView {
        let replica = |(node, has): &(u32, u64)| ReplicaView { node: *node, votes: true, has: Some(*has) };
        let replicas = has.iter().map(replica).collect();
        ShardView { shard: 4, leader, last, applied: last, replicas, change: None }
    }

    fn view(node: u32, shard: ShardView) -> (u32, ClusterView) {
        let (cluster_id, nodes, damaged) = Default::default();
        (node, ClusterView { cluster_id, node, nodes, shards: vec![shard], damaged })
    }

    #[test]
    fn a_shard_is_told_as_its_leader_sees_it() {
        let asked = shard(Some(2), 10, &[]);
        let views = [view(2, shard(Some(2), 12, &[(1, 11)])), view(3, shard(Some(3), 9, &[(1, 9)]))].into();
        assert_eq!(as_led(&asked, &views).last, 12);
        assert_eq!(as_led(&asked, &BTreeMap::new()), asked);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(lacks(&shard(Some(1), 5_000, &[(1, 5_000), (2, 4_000)])), Vec::<String>::new());
        assert_eq!(lacks(&shard(Some(1), 5_001, &[(1, 5_001), (2, 4_000)])), ["shard 4: node 2 is behind"]);
        assert_eq!(lacks(&shard(None, 5, &[])), ["shard 4 has no leader"]);
        let change = |half_done, seconds| ChangeView { added: vec![5], taken: vec![2, 3], half_done, seconds };
        let changing = |half_done, seconds| ShardView {
            change: Some(change(half_done, seconds)),
            ..shard(Some(1), 5_000, &[(1, 5_000), (2, 3_999)])
        };
        let behind = "shard 4: node 2 is behind";
        let half_done = "shard 4: who votes is half changed, +5 -2 -3 for 7 s";
        assert_eq!(lacks(&changing(true, Some(7))), [half_done, behind]);
        assert_eq!(lacks(&changing(false, Some(7))), [behind], "what is due needs no other majority");
        assert_eq!(told(&change(false, None)), "+5 -2 -3 due");
        let (_, sound) = view(2, shard(None, 5, &[]));
        assert_eq!(rotten(&sound), None);
        let damaged = DamagedView { places: 2, records: 7, bytes: 100 };
        let told = "node 2: 2 places on its disk have rotted, with 7 records";
        assert_eq!(rotten(&ClusterView { damaged, ..sound }).as_deref(), Some(told));
    }
}
