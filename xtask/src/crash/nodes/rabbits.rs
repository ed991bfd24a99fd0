//! Those who use AMQP on all nodes: publisher, consumer and leader of a queue on three different ones, when trouble comes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::AMQP;
use super::members::Members;
use crate::shell::{self, root, workshop};

/// All queues are there within this.
const MAKE_TIME_MAX: Duration = Duration::from_secs(60);
/// Time for the queues to run empty, and for those of connections that are gone to go.
const END_TIME_MAX: Duration = Duration::from_secs(150);
/// Whoever is told to move has moved.
const MOVE_TIME: Duration = Duration::from_millis(700);
/// In which nothing happens, beside what a round has of that.
const CALM: Duration = Duration::from_millis(700);
const PAUSE: Duration = Duration::from_millis(50);

/// The program that publishes and consumes.
#[derive(Debug)]
pub(super) struct Rabbits {
    child: Child,
    log: PathBuf,
    /// Where it is told what is known of the cluster, and where it tells where it is.
    told: PathBuf,
    status: PathBuf,
    shards: BTreeMap<String, u16>,
    plan: Plan,
}

/// What is known of the cluster.
#[derive(Debug, Default, Serialize)]
struct Plan {
    nodes: BTreeMap<u32, String>,
    leaders: BTreeMap<String, u32>,
    /// When nobody began to lead a queue, in seconds since 1970.
    calm: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What was found.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Found {
    #[serde(flatten)]
    pub(super) counts: BTreeMap<String, u64>,
    complaints: Vec<String>,
    /// How often a queue had its publisher, its consumer and its leader on three nodes when trouble came, and how often it
    /// came to the leader of such a queue.
    #[serde(default)]
    pub(super) apart: u64,
    #[serde(default)]
    pub(super) apart_from_leader: u64,
}

impl Rabbits {
    /// Starts it, and waits until its queues are there.
    pub(super) fn start(python: &Path, members: &Members) -> Result<Self> {
        let place = workshop("crash")?;
        let (told, status) = (place.join("rabbits-plan.json"), place.join("rabbits-status.json"));
        if status.exists() {
            fs::remove_file(&status)?;
        }
        let nodes = members.numbers().zip(members.addresses(AMQP).split(',').map(str::to_owned)).collect();
        let plan = Plan { nodes, ..Plan::default() };
        plan.tell(&told)?;
        let mut command = members.network.on_clients(python);
        command.arg(root().join("conformance/crash/rabbits.py")).arg(&told).arg(&status);
        let (child, log) = shell::start("crash-rabbits", &mut command)?;
        let mut rabbits = Self { child, log, told, status, shards: BTreeMap::new(), plan };
        let deadline = Instant::now() + MAKE_TIME_MAX;
        while !rabbits.status.exists() {
            let is_late = Instant::now() > deadline || rabbits.child.try_wait()?.is_some();
            ensure!(!is_late, "there are no queues: {}", fs::read_to_string(&rabbits.log)?);
            std::thread::sleep(PAUSE);
        }
        for queue in rabbits.places()?.into_keys() {
            let shards = members.shards_of(&queue)?;
            let shard = *shards.values().next().with_context(|| format!("{queue} has no partition"))?;
            rabbits.shards.insert(queue, shard);
        }
        Ok(rabbits)
    }

    /// Has all go to where they should be, and lets them work in peace for a while.
    pub(super) fn let_be(&mut self, members: &Members, span: Duration) -> Result<()> {
        self.plan.leaders = self.leaders(members)?;
        self.plan.tell(&self.told)?;
        std::thread::sleep(MOVE_TIME);
        let before = self.leaders(members)?;
        let since = now()?;
        std::thread::sleep(CALM + span);
        let until = now()?;
        let after = self.leaders(members)?;
        for (queue, leader) in &before {
            if after.get(queue) == Some(leader) {
                self.plan.calm.entry(queue.clone()).or_default().push((since, until));
            }
        }
        self.plan.leaders = after;
        self.plan.tell(&self.told)
    }

    /// Adds those queues of which publisher, consumer and leader are on three nodes now, when trouble comes to some nodes.
    pub(super) fn count_apart(&self, victims: &[u32], found: &mut Found) -> Result<()> {
        for (queue, [publisher, consumer]) in self.places()? {
            let (Some(publisher), Some(consumer), Some(leader)) =
                (publisher, consumer, self.plan.leaders.get(&queue).copied())
            else {
                continue;
            };
            let is_apart = publisher != consumer && publisher != leader && consumer != leader;
            found.apart += u64::from(is_apart);
            found.apart_from_leader += u64::from(is_apart && victims.contains(&leader));
        }
        Ok(())
    }

    /// Lets the queues run empty, and judges.
    pub(super) fn end(&mut self, found: &mut Found) -> Result<()> {
        let status = shell::end(&mut self.child, END_TIME_MAX)?;
        let text = fs::read_to_string(&self.log)?;
        let line = text.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the users of AMQP said nothing: {text}"))?;
        let Found { counts, complaints, .. } = serde_json::from_str(line)?;
        (found.counts, found.complaints) = (counts, complaints);
        let complaints = || format!("{}; of {line}", found.complaints.join("; "));
        ensure!(status.success() && found.complaints.is_empty(), "{}", complaints());
        ensure!(found.count("confirmed") > 0 && found.count("proved_by_commit") > 0, "nobody used the queues: {line}");
        Ok(())
    }

    fn leaders(&self, members: &Members) -> Result<BTreeMap<String, u32>> {
        let leaders = members.shard_leaders()?;
        let leader = |(queue, shard): (&String, &u16)| Some((queue.clone(), *leaders.get(shard)?));
        Ok(self.shards.iter().filter_map(leader).collect())
    }

    /// The nodes of each queue's publisher and consumer.
    fn places(&self) -> Result<BTreeMap<String, [Option<u32>; 2]>> {
        Ok(serde_json::from_str(&fs::read_to_string(&self.status)?)?)
    }
}

impl Drop for Rabbits {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Plan {
    /// Writes it at once: whoever reads it finds the former one or this one.
    fn tell(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_string(self)?)?;
        Ok(fs::rename(new, path)?)
    }
}

impl Found {
    pub(super) fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
