//! The nodes of a cluster: processes of the real binary with data directories of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::disks::Disks;
use super::network::Network;
use super::{AMQP, KAFKA, SQS};
use crate::broker::{self, Addresses, await_ready};
use crate::shell::{self, finish_within, must, say, show_tail, workshop};

/// A node that hands over and saves what it has ends within this, also in a debug build beside others.
const END_TIME_MAX: Duration = Duration::from_secs(60);
/// All nodes answer, all shards are led, no replica is behind: within this, or never.
const WHOLE_TIME_MAX: &str = "120s";
const STATUS_TIME_MAX: Duration = Duration::from_secs(150);

/// All nodes, running or not.
#[derive(Debug)]
pub(crate) struct Members {
    pub(super) network: Network,
    nodes: Vec<Member>,
    settings: Vec<String>,
    /// If power is to be cut.
    disks: Option<Disks>,
}

#[derive(Debug)]
struct Member {
    number: u32,
    child: Option<Child>,
    data: PathBuf,
    log: PathBuf,
    /// How often it was started: each start has a log of its own.
    starts: u32,
}

#[derive(Debug, Deserialize)]
struct Status {
    shards: Vec<Shard>,
}

#[derive(Debug, Deserialize)]
struct Shard {
    shard: u16,
    leader: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Topic {
    partitions: Vec<Partition>,
}

#[derive(Debug, Deserialize)]
struct Partition {
    partition: u32,
    shard: u16,
}

impl Members {
    /// Makes so many nodes with some settings on empty data directories and starts them.
    pub(crate) fn start_plain(count: u32, settings: &[&str]) -> Result<Self> {
        Self::start(count, settings, None)
    }

    /// Makes so many nodes on empty data directories, on disks of their own if there are any, and starts them.
    pub(super) fn start(count: u32, settings: &[&str], disks: Option<Disks>) -> Result<Self> {
        let network = Network::make(count);
        let place = workshop("data")?.join("nodes");
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| format!("cannot empty {}", place.display()))?;
        }
        fs::create_dir_all(&place)?;
        let member = |number: u32| {
            let data = disks.as_ref().map_or_else(|| place.join(number.to_string()), |disks| disks.data(number));
            Member { number, child: None, data, log: PathBuf::new(), starts: 0 }
        };
        // Who comes from another host than the broker's is not let in as guest without that.
        let users = place.join("users");
        fs::write(&users, "guest:guest\n")?;
        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        settings.push(format!("amqp.credentials_file={}", users.display()));
        let nodes = (1..=count).map(member).collect();
        let mut members = Self { network, nodes, settings, disks };
        members.start_missing()?;
        Ok(members)
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        (1..).take(self.nodes.len())
    }

    /// Where a node serves.
    pub(crate) fn at(&self, node: u32) -> Addresses {
        let host = self.network.address(node);
        let door = |port: u16| format!("{host}:{port}");
        Addresses {
            kafka: door(KAFKA),
            amqp: door(AMQP),
            amqp_management: door(15_672),
            amqp_metrics: door(15_692),
            sqs: door(SQS),
            admin: door(9_644),
        }
    }

    /// Where all nodes serve a door.
    pub(super) fn addresses(&self, port: u16) -> String {
        let all: Vec<String> = self.numbers().map(|node| format!("{}:{port}", self.network.address(node))).collect();
        all.join(",")
    }

    /// A command that runs where clients are.
    pub(crate) fn on_clients(&self, program: &Path) -> Command {
        self.network.on_clients(program)
    }

    /// Starts every node that does not run, and waits until all serve. They start together, as one alone
    /// may be no majority.
    pub(crate) fn start_missing(&mut self) -> Result<()> {
        let peers: Vec<String> =
            self.numbers().map(|node| format!("{node}@{}:9643", self.network.address(node))).collect();
        let missing: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes[*at].child.is_none()).collect();
        for at in &missing {
            let (doors, node) = (self.at(self.nodes[*at].number), &mut self.nodes[*at]);
            let mut command = self.network.on_node(node.number, &broker::binary());
            command.args(["serve", "--node", &node.number.to_string(), "--cluster", &peers.join(",")]);
            command.args(doors.arguments()).arg("--data-dir").arg(&node.data);
            let ready = node.data.with_extension("ready");
            if ready.exists() {
                fs::remove_file(&ready)?;
            }
            command.arg("--ready-file").arg(&ready);
            command.args(self.settings.iter().flat_map(|setting| ["--set", setting]));
            node.starts += 1;
            let (child, log) = shell::start(&format!("node-{}-{}", node.number, node.starts), &mut command)?;
            (node.child, node.log) = (Some(child), log);
        }
        for at in missing {
            let node = &mut self.nodes[at];
            let Some(child) = node.child.as_mut() else { continue };
            await_ready(child, &node.data.with_extension("ready"), &node.log)
                .with_context(|| format!("node {}", node.number))?;
        }
        Ok(())
    }

    /// Kills a node at once.
    pub(super) fn kill(&mut self, node: u32) -> Result<()> {
        let Some(mut child) = self.member(node)?.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Cuts the power of nodes, all at once: they stop, what is on their disks then stays, and all else is lost.
    pub(super) fn cut_power(&mut self, nodes: &[u32]) -> Result<()> {
        nodes.iter().try_for_each(|node| self.signal(*node, "-STOP"))?;
        let disks = self.disks.as_ref().context("power is cut of disks")?;
        nodes.iter().try_for_each(|node| disks.keep(*node))?;
        nodes.iter().try_for_each(|node| self.kill(*node))?;
        let disks = self.disks.as_mut().context("power is cut of disks")?;
        nodes.iter().try_for_each(|node| disks.go_back(*node).with_context(|| format!("node {node}")))
    }

    /// Asks a node to end, and waits until it has; returns how long that took.
    pub(crate) fn end(&mut self, node: u32) -> Result<Duration> {
        let begun_at = Instant::now();
        let member = self.member(node)?;
        let Some(mut child) = member.child.take() else { return Ok(Duration::ZERO) };
        let status = shell::end(&mut child, END_TIME_MAX).with_context(|| format!("node {node}"))?;
        if !status.success() {
            show_tail(&fs::read_to_string(&member.log)?);
        }
        ensure!(status.success(), "node {node} ended with {status}");
        Ok(begun_at.elapsed())
    }

    /// Stops a node in its steps, or lets it go on.
    pub(super) fn signal(&mut self, node: u32, signal: &str) -> Result<()> {
        let Some(child) = &self.member(node)?.child else { return Ok(()) };
        must("kill", Command::new("kill").args([signal, &child.id().to_string()])).map(drop)
    }

    /// Fails if a node has ended that nobody ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            let Some(child) = &mut node.child else { continue };
            if let Some(status) = child.try_wait()? {
                show_tail(&fs::read_to_string(&node.log)?);
                anyhow::bail!("node {} ended by itself with {status}", node.number);
            }
        }
        Ok(())
    }

    /// Runs a verb of the command line against a node.
    pub(super) fn command_line(&self, node: u32, words: &[&str]) -> Result<String> {
        let mut command = self.network.on_clients(&broker::binary());
        command.args(words).args(["--admin", &self.at(node).admin]);
        let ended = finish_within(STATUS_TIME_MAX, "nodes-command", &mut command)?;
        ensure!(ended.status.success(), "omnibus {words:?}: {}", ended.output);
        Ok(ended.output)
    }

    /// Waits until nothing is missing, as a node that runs says.
    pub(crate) fn await_whole(&self) -> Result<()> {
        self.status().map(drop)
    }

    /// Who leads each partition of a topic, once nothing is missing.
    pub(super) fn leaders(&self, topic: &str) -> Result<BTreeMap<u32, u32>> {
        let leaders = self.shard_leaders()?;
        let shards = self.shards_of(topic)?;
        Ok(shards.into_iter().filter_map(|(partition, shard)| Some((partition, *leaders.get(&shard)?))).collect())
    }

    /// Which shard keeps each partition of a topic, or a queue.
    pub(super) fn shards_of(&self, topic: &str) -> Result<BTreeMap<u32, u16>> {
        let described = self.command_line(self.running()?, &["topic", "describe", topic, "--output", "json"])?;
        let topic: Topic = serde_json::from_str(&described)?;
        Ok(topic.partitions.into_iter().map(|partition| (partition.partition, partition.shard)).collect())
    }

    /// Who leads each shard, once nothing is missing.
    pub(super) fn shard_leaders(&self) -> Result<BTreeMap<u16, u32>> {
        let status = self.status()?;
        Ok(status.shards.into_iter().filter_map(|shard| Some((shard.shard, shard.leader?))).collect())
    }

    fn status(&self) -> Result<Status> {
        let words = ["cluster", "status", "--wait", WHOLE_TIME_MAX, "--output", "json"];
        serde_json::from_str(&self.command_line(self.running()?, &words)?).context("what the cluster says of itself")
    }

    fn running(&self) -> Result<u32> {
        Ok(self.nodes.iter().find(|node| node.child.is_some()).context("no node runs")?.number)
    }

    /// Prints what each node that answers says of the cluster, for whoever looks into a failure.
    pub(super) fn show_status(&self) {
        for node in self.numbers() {
            let mut command = self.network.on_clients(&broker::binary());
            command.args(["cluster", "status", "--admin", &self.at(node).admin]);
            if let Ok(ended) = finish_within(STATUS_TIME_MAX, "nodes-status", &mut command) {
                say(&format!("    node {node} says\n{}", ended.output));
            }
        }
    }

    fn member(&mut self, node: u32) -> Result<&mut Member> {
        self.nodes.iter_mut().find(|member| member.number == node).context("there is no such node")
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
