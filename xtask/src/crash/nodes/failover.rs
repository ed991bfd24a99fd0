//! How long a cluster takes no writes when the node goes that leads the most: killed, or asked to go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::figures::Millis;
use super::members::Members;
use super::waits::{Seen, Since};
use super::{KAFKA, PARTITIONS, SQS};
use crate::clients;
use crate::crash::{Load, TOPIC};
use crate::shell::{self, finish_within, root, say, workshop};

/// One for each shard or so; which shard keeps a queue is asked.
const QUEUES: u32 = 24;
/// How often a message is sent to each of them.
const QUEUE_MILLIS: &str = "50";
/// All topics and queues are made within this.
const MAKE_TIME_MAX: Duration = Duration::from_secs(900);
/// What a node leads goes back to it within this.
const BALANCE_TIME_MAX: Duration = Duration::from_secs(90);
/// Clients are at rest again after a change.
const REST: Duration = Duration::from_millis(1_500);

/// How often, and beside how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FailoverArgs {
    /// How often the node that leads the most is killed.
    #[arg(long, default_value_t = 50)]
    tries: u32,
    /// How often it is asked to go, which is a transfer that was planned.
    #[arg(long, default_value_t = 10)]
    planned: u32,
    /// Topics and queues that lie beside those in use, half of each.
    #[arg(long, default_value_t = 10)]
    topics: u32,
    /// Records per second, in sixteen partitions.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Where to write the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    Killed,
    Asked,
}

/// What writers of one protocol saw, in each try.
#[derive(Debug, Default, Serialize)]
struct Writers {
    /// From the kill to the first write that anything took which the node had led.
    first: Millis,
    /// To the first write of whatever took writes last.
    last: Millis,
    /// The longest that a write waited which was sent afterwards.
    wait: Millis,
}

/// All tries of one kind.
#[derive(Debug, Default, Serialize)]
struct Tries {
    tries: u32,
    kafka: Writers,
    sqs: Writers,
}

#[derive(Debug, Serialize)]
struct Figures {
    topics: u32,
    nodes: u32,
    killed: Tries,
    asked: Tries,
}

/// Those who send to queues.
#[derive(Debug)]
struct Senders {
    child: Child,
    notes: PathBuf,
}

/// The writers, and which shard each partition and each queue is kept by.
struct Writing {
    records: Load,
    senders: Senders,
    partitions: BTreeMap<u32, u16>,
    queues: BTreeMap<u32, u16>,
}

/// Measures it.
pub(crate) fn failover(args: &FailoverArgs) -> Result<()> {
    let python = clients::python()?;
    let mut members = Members::start(3, &[], None)?;
    members.await_whole()?;
    make_many(args.topics / 2, &python, &members)?;
    let writing = Writing::start(args.rate, &python, &members)?;
    let mut figures = Figures { topics: args.topics, nodes: 3, killed: Tries::default(), asked: Tries::default() };
    let went = measure(args, &writing, &mut members, &mut figures);
    if went.is_err() {
        members.show_status();
    }
    figures.tell(args.json.as_deref())?;
    went
}

fn measure(args: &FailoverArgs, writing: &Writing, members: &mut Members, figures: &mut Figures) -> Result<()> {
    for number in 1..=args.tries {
        let told = try_once(Going::Killed, writing, members, &mut figures.killed);
        say(&format!("    kill {number} of {}: {}", args.tries, told.with_context(|| format!("kill {number}"))?));
    }
    for number in 1..=args.planned {
        let told = try_once(Going::Asked, writing, members, &mut figures.asked);
        say(&format!("    asked {number} of {}: {}", args.planned, told.with_context(|| format!("asked {number}"))?));
    }
    Ok(())
}

/// The node that leads the most goes, what it led is awaited, and it comes back; says how it was.
fn try_once(going: Going, writing: &Writing, members: &mut Members, tries: &mut Tries) -> Result<String> {
    let leaders = await_balance(members)?;
    std::thread::sleep(REST);
    let victim = most(&leaders).context("nobody leads anything")?;
    let led: BTreeSet<u16> = leaders.iter().filter(|(_, leader)| **leader == victim).map(|(shard, _)| *shard).collect();
    let of = |kept: &BTreeMap<u32, u16>| -> BTreeSet<u32> {
        kept.iter().filter(|(_, shard)| led.contains(shard)).map(|(number, _)| *number).collect()
    };
    let (partitions, queues) = (of(&writing.partitions), of(&writing.queues));
    let (records, messages) = (Since::now(&writing.records.notes)?, Since::now(&writing.senders.notes)?);
    match going {
        Going::Killed => members.kill(victim)?,
        Going::Asked => drop(members.end(victim)?),
    }
    let records = tries.kafka.add(&records.await_these(&partitions)?, &partitions)?;
    let messages = tries.sqs.add(&messages.await_these(&queues)?, &queues)?;
    tries.tries += 1;
    members.start_missing()?;
    members.await_whole()?;
    let count = led.len();
    Ok(format!("node {victim}, {count} shards: records after {records} ms, messages after {messages} ms"))
}

/// Waits until each node leads its share, and says who leads what.
fn await_balance(members: &Members) -> Result<BTreeMap<u16, u32>> {
    let deadline = Instant::now() + BALANCE_TIME_MAX;
    loop {
        let leaders = members.shard_leaders()?;
        let count = |node| leaders.values().filter(|leader| **leader == node).count();
        let counts: Vec<usize> = members.numbers().map(count).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        if least.zip(most).is_some_and(|(least, most)| most - least <= 1) {
            return Ok(leaders);
        }
        ensure!(Instant::now() < deadline, "the nodes do not lead a share each, but {counts:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn most(leaders: &BTreeMap<u16, u32>) -> Option<u32> {
    let count = |node: u32| leaders.values().filter(|leader| **leader == node).count();
    leaders.values().copied().max_by_key(|node| (count(*node), *node))
}

fn make_many(each: u32, python: &Path, members: &Members) -> Result<()> {
    let mut command = members.network.on_clients(python);
    command.arg(root().join("conformance/crash/many.py")).args([members.addresses(KAFKA), members.addresses(SQS)]);
    let ended = finish_within(MAKE_TIME_MAX, "many", command.args([each.to_string(), each.to_string()]))?;
    ensure!(ended.status.success(), "to make topics and queues: {}", ended.output);
    Ok(())
}

impl Writing {
    fn start(rate: u32, python: &Path, members: &Members) -> Result<Self> {
        members.command_line(1, &["topic", "create", TOPIC, "--partitions", &PARTITIONS.to_string()])?;
        let on_clients = || members.network.on_clients(python);
        let notes = workshop("crash")?.join("messages");
        fs::write(&notes, "")?;
        let mut command = on_clients();
        command.arg(root().join("conformance/crash/senders.py")).arg(members.addresses(SQS)).arg(&notes);
        let (child, _) = shell::start("senders", command.args([&QUEUES.to_string(), QUEUE_MILLIS]))?;
        let senders = Senders { child, notes };
        Since::now(&senders.notes)?.await_all(QUEUES)?;
        let records = Load::start_by(on_clients(), &members.addresses(KAFKA), rate)?;
        Since::now(&records.notes)?.await_all(PARTITIONS)?;
        let partitions = members.shards_of(TOPIC)?;
        let queue = |number: u32| {
            let shards = members.shards_of(&format!("failover-{number}"))?;
            Ok((number, *shards.values().next().context("a queue has no partition")?))
        };
        let queues = (0..QUEUES).map(queue).collect::<Result<_>>()?;
        Ok(Self { records, senders, partitions, queues })
    }
}

impl Writers {
    /// Notes a try; returns the longest time until a first write.
    fn add(&mut self, seen: &BTreeMap<u32, Seen>, these: &BTreeSet<u32>) -> Result<u128> {
        let seen: Vec<&Seen> = these.iter().filter_map(|number| seen.get(number)).collect();
        let first = seen.iter().map(|seen| seen.first_write);
        let (least, last) = (first.clone().min(), first.max());
        let (least, last) = least.zip(last).context("nobody wrote to what the node had led")?;
        self.first.add(least);
        self.last.add(last);
        self.wait.add(seen.iter().map(|seen| seen.longest_wait).max().unwrap_or_default());
        Ok(last.as_millis())
    }
}

impl Figures {
    fn tell(&self, json: Option<&Path>) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["ms as p50/p99/max", "times", "first write", "on every shard", "longest wait"]);
        for (what, tries) in [("kill -9", &self.killed), ("SIGTERM", &self.asked)] {
            for (door, writers) in [("records over Kafka", &tries.kafka), ("messages over SQS", &tries.sqs)] {
                let Writers { first, last, wait } = writers;
                let figures = [first, last, wait].map(Millis::show);
                table.add_row([format!("{what}, {door}"), tries.tries.to_string()].into_iter().chain(figures));
            }
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        say(&format!("\n{table}\n\nbeside {} topics and queues", self.topics));
        let text = serde_json::to_string_pretty(self)? + "\n";
        let kept = workshop("crash")?.join(format!("failover-{}.json", self.topics));
        for path in std::iter::once(kept.as_path()).chain(json) {
            fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        // They may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leads_the_most_goes() {
        assert_eq!(most(&[(0, 1), (1, 2), (2, 2), (3, 3)].into()), Some(2));
        assert_eq!(most(&BTreeMap::new()), None);
    }

    #[test]
    fn only_what_the_node_led_tells_of_its_end() {
        let seen = |millis| Seen { first_write: Duration::from_millis(millis), longest_wait: Duration::from_secs(9) };
        let mut writers = Writers::default();
        let last = writers.add(&[(0, seen(700)), (1, seen(5)), (2, seen(400))].into(), &[0, 2].into()).unwrap();
        assert_eq!((last, writers.first.show()), (700, "400/400/400".to_owned()));
    }
}
