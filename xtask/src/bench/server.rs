//! A broker that is measured, or a cluster of them: started, asked until it answers, and ended.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{machine, wire};
use crate::{broker, shell};

/// The part of the machine's memory that the cache gets.
const CACHE_SHARE: u64 = 4;

/// Between two looks whether a broker answers.
const PAUSE: Duration = Duration::from_millis(1);
const START_TIME_MAX: Duration = Duration::from_secs(300);
/// `RabbitMQ` takes minutes to end with millions of messages.
const END_TIME_MAX: Duration = Duration::from_secs(600);

/// A broker that runs until it is dropped, or the nodes of a cluster.
#[derive(Debug)]
pub(crate) struct Server {
    nodes: Vec<Child>,
    /// Of all nodes, with commas between them.
    pub(crate) address: String,
    /// From start to the first answer.
    pub(crate) first_answer: Duration,
}

impl Server {
    /// Starts Omnibus on this data directory, with a cache as its manual names it for production.
    pub(super) fn omnibus_in_production(name: &str, data: &Path) -> Result<Self> {
        let cache = format!("storage.cache={}MiB", machine::memory_mebibytes()? / CACHE_SHARE);
        Self::start_omnibus(name, data, &["--set", &cache])
    }

    /// Starts a cluster of Omnibus, each node in a directory of its own below this one; the nodes share what the
    /// manual gives to the cache of one.
    pub(super) fn omnibus_cluster(name: &str, data: &Path, count: u32) -> Result<Self> {
        let cache = format!("storage.cache={}MiB", machine::memory_mebibytes()? / CACHE_SHARE / u64::from(count));
        let peers = (1..=count).map(|node| Ok(format!("{node}@{}", free_address()?)));
        let members = peers.collect::<Result<Vec<_>>>()?.join(",");
        let node = |number: u32| {
            let (address, number) = (free_address()?, number.to_string());
            let mut command = shell::command(broker::binary());
            command.args(["serve", "--node", &number, "--cluster", &members, "--kafka", &address]);
            command.args([
                "--amqp",
                "127.0.0.1:0",
                "--sqs",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--set",
                &cache,
                "--data-dir",
            ]);
            command.arg(data.join(number));
            Ok((command, address))
        };
        Self::start_cluster(name, (1..=count).map(node).collect::<Result<_>>()?)
    }

    /// Starts Omnibus on this data directory, as it comes.
    pub(crate) fn omnibus(name: &str, data: &Path) -> Result<Self> {
        Self::start_omnibus(name, data, &[])
    }

    fn start_omnibus(name: &str, data: &Path, more: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = shell::command(broker::binary());
        command.args(["serve", "--kafka", &address, "--admin", "127.0.0.1:0", "--data-dir"]).arg(data).args(more);
        Self::start(name, &mut command, address, wire::answers)
    }

    /// Starts a server and waits for its first answer.
    pub(crate) fn start(name: &str, command: &mut Command, address: String, answers: fn(&str) -> bool) -> Result<Self> {
        Self::start_all(name, vec![(command, address)], &answers)
    }

    /// Starts a cluster and waits until each node tells of all.
    pub(super) fn start_cluster(name: &str, mut nodes: Vec<(Command, String)>) -> Result<Self> {
        let count = nodes.len();
        let nodes = nodes.iter_mut().map(|(command, address)| (command, address.clone())).collect();
        Self::start_all(name, nodes, &|address| wire::nodes(address).is_ok_and(|told| told == count))
    }

    fn start_all(name: &str, nodes: Vec<(&mut Command, String)>, answers: &dyn Fn(&str) -> bool) -> Result<Self> {
        let started_at = Instant::now();
        let addresses: Vec<String> = nodes.iter().map(|(_, address)| address.clone()).collect();
        let mut server = Self { nodes: Vec::new(), address: addresses.join(","), first_answer: Duration::ZERO };
        let mut logs = Vec::new();
        for (number, (command, _)) in (1..).zip(nodes) {
            let name = if addresses.len() == 1 { format!("bench-{name}") } else { format!("bench-{name}-{number}") };
            let (child, log) = shell::start(&name, command)?;
            server.nodes.push(child);
            logs.push(log);
        }
        for address in &addresses {
            while !answers(address) {
                server.still_runs(name, &logs)?;
                ensure!(
                    started_at.elapsed() <= START_TIME_MAX,
                    "{name} did not answer within {} s",
                    START_TIME_MAX.as_secs()
                );
                std::thread::sleep(PAUSE);
            }
        }
        server.first_answer = started_at.elapsed();
        Ok(server)
    }

    /// Fails, and shows why, if a process has ended.
    fn still_runs(&mut self, name: &str, logs: &[PathBuf]) -> Result<()> {
        for (child, log) in self.nodes.iter_mut().zip(logs) {
            if let Some(status) = child.try_wait()? {
                shell::show_tail(&fs::read_to_string(log).unwrap_or_default());
                bail!("{name} ended with {status} instead of serving");
            }
        }
        Ok(())
    }

    /// The processes of all nodes.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().map(Child::id)
    }

    /// Resident memory in MiB, of all nodes.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.pids().map(shell::resident_mebibytes).sum()
    }

    /// Kills it at once, as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Child::kill)?;
        self.nodes.iter_mut().try_for_each(|child| child.wait().map(drop))?;
        Ok(())
    }

    /// Asks it to end. The nodes of a cluster are killed: those of Kafka that go last wait for a majority that has gone.
    pub(crate) fn end(mut self) -> Result<Duration> {
        let asked_at = Instant::now();
        let [child] = &mut self.nodes[..] else { return self.kill().map(|()| asked_at.elapsed()) };
        let status = shell::end(child, END_TIME_MAX)?;
        // A Java machine that was asked to end says so in its status.
        ensure!(status.success() || status.code() == Some(143), "the broker ended with {status}");
        Ok(asked_at.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.nodes {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// An address that nobody uses now.
pub(super) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// An empty data directory.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    let data = shell::workshop("bench")?.join(name);
    remove(&data)?;
    fs::create_dir_all(&data)?;
    Ok(data)
}

/// Removes a data directory, if it is there.
pub(crate) fn remove(data: &Path) -> Result<()> {
    if data.exists() {
        fs::remove_dir_all(data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    Ok(())
}

/// What a data directory takes on the disk.
pub(crate) fn directory_bytes(data: &Path) -> Result<u64> {
    let output = Command::new("du").args(["-s", "--block-size=1"]).arg(data).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("du tells no size")
}
