//! Draining: whether it matters how much lies in a queue, and in how many groups.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::figures::{Family, Figures, System, Values};
use super::load::{Load, Measured, Percentiles};
use super::machine;
use super::rounds::settle;
use super::server::{Server, fresh, remove};
use super::sqs;
use crate::broker;
use crate::shell::{say, workshop};

pub(super) const TITLE: &str = "Queues: draining a small and a very large backlog";

const BODY: &str = "100B";
/// Messages of one request.
const BATCH: u32 = 10;
const FILLERS: u32 = 32;
const DRAINERS: u32 = 16;

/// A FIFO queue remembers ids for five minutes, five million of them at most: it takes so many
/// messages at once, and then no more until the ids are forgotten.
const IDS_MAX: u64 = 4_900_000;
const IDS_FORGOTTEN_AFTER: Duration = Duration::from_secs(320);

/// One connection is so much slower.
const ONE_GROUP_PART: u64 = 4;

/// The longest queue of one group: one connection drains it, ten messages at a time.
const ONE_GROUP_MAX: u64 = 1_000_000;

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(2);

/// How much is measured: bounded, so that everything ends by itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    kinds: Vec<Kind>,
    backlogs: Vec<u64>,
    /// Of each backlog so many messages are drained in a round; a shorter one is drained whole and filled again,
    /// as often as makes as many.
    drained: u64,
    rounds: u32,
}

/// Which queues a run is about: a machine may be quiet for a few minutes only.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Share {
    /// Drains only this queue, `KIND-MESSAGES` as in `standard-10000` or `fifo-1000-1000000`; the page is written when
    /// all are drained. May be given several times.
    #[arg(long = "only", value_name = "QUEUE")]
    only: Vec<String>,
    /// Only fills the queues, which needs no quiet.
    #[arg(long)]
    fill_only: bool,
}

/// Which kind of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Kind {
    Standard,
    Fifo { groups: u32 },
}

/// A queue with messages, alone in its directory.
#[derive(Debug)]
struct Backlog {
    kind: Kind,
    messages: u64,
    data: PathBuf,
    filled: Filled,
}

/// A figure's place, and what was measured.
type Value = (Family, String, f64);

/// What was measured of one queue, and when.
#[derive(Debug, Serialize, Deserialize)]
struct Point {
    values: Vec<Value>,
    omnibus: String,
    load_average: f64,
}

/// What is in a directory, and what it took.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Filled {
    messages: u64,
    memory_mebibytes_max: f64,
}

impl Plan {
    pub(super) fn full() -> Self {
        let fifo = [1, 1_000, 100_000].map(|groups| Kind::Fifo { groups });
        Self {
            kinds: [Kind::Standard].into_iter().chain(fifo).collect(),
            backlogs: vec![10_000, 1_000_000, 10_000_000],
            drained: 200_000,
            rounds: 3,
        }
    }

    pub(super) fn quick() -> Self {
        let kinds = vec![Kind::Standard, Kind::Fifo { groups: 1_000 }];
        Self { kinds, backlogs: vec![10_000, 200_000], drained: 50_000, rounds: 1 }
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self, busy: (f64, f64)) -> String {
        let Self { drained, rounds, .. } = self;
        format!(
            "One broker, as it comes (`storage.cache` of 64 MiB), with one queue, is loaded over loopback by `omnibus bench queue`
on the same machine, in AWS JSON 1.0, with bodies of {BODY} and {BATCH} messages in a request: {FILLERS} connections fill the
queue, the broker is ended and started again, and {DRAINERS} connections receive and delete {drained} messages, {rounds}
times; of one group one connection does, a quarter of them. A queue with fewer is drained whole and filled again until
it was as many, and the rate of a round is their number by the time that the drains took, without the fills. Values are
medians of the rounds. Messages go round the groups; ten million of one group are not measured. Every message, lease and
deletion is on the disk when it is acknowledged.
A FIFO queue remembers the deduplication ids of five minutes, five million at most: ten million messages come in
three parts with a pause in between, and no ids are left when the broker is started again. Each queue is measured
when the machine is left alone; the load average before was {:.2} to {:.2}.
",
            busy.0, busy.1
        )
    }
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Standard => "standard".to_owned(),
            Self::Fifo { groups } => format!("FIFO, {} group{}", thousands(groups.into()), plural(groups)),
        }
    }

    /// Only one at a time has a message of a group; others would find nothing, and end.
    fn drainers(self) -> u32 {
        match self {
            Self::Standard => DRAINERS,
            Self::Fifo { groups } => groups.min(DRAINERS),
        }
    }

    /// Of files.
    fn key(self) -> String {
        match self {
            Self::Standard => "standard".to_owned(),
            Self::Fifo { groups } => format!("fifo-{groups}"),
        }
    }
}

/// Fills and drains queues. A run that was ended goes on where it was. Returns whether all are measured.
pub(super) fn run(plan: &Plan, share: &Share) -> Result<bool> {
    let (fifo, standard): (Vec<Kind>, Vec<Kind>) = plan.kinds.iter().partition(|kind| **kind != Kind::Standard);
    for kinds in [standard, fifo] {
        let mut backlogs = backlogs(plan, &kinds)?;
        backlogs.retain(|backlog| share.only.is_empty() || share.only.contains(&backlog.key()));
        fill(&mut backlogs)?;
        if !share.fill_only {
            backlogs.iter().try_for_each(|backlog| backlog.measured(plan).map(drop))?;
        }
    }
    let all = backlogs(plan, &plan.kinds)?;
    let left: Vec<String> = all.iter().filter(|it| !it.file("measured").exists()).map(Backlog::key).collect();
    if !left.is_empty() {
        say(&format!("left to drain: {}", left.join(", ")));
    }
    Ok(left.is_empty())
}

/// How busy the machine was at least and at most when queues were drained.
pub(super) fn busy(plan: &Plan) -> Result<(f64, f64)> {
    let points = backlogs(plan, &plan.kinds)?.into_iter().map(|backlog| backlog.measured(plan));
    let loads = points.map(|point| Ok(point?.load_average)).collect::<Result<Vec<f64>>>()?;
    Ok((loads.iter().copied().fold(f64::NAN, f64::min), loads.iter().copied().fold(f64::NAN, f64::max)))
}

/// Takes what was measured.
pub(super) fn collect(plan: &Plan, figures: &mut Figures) -> Result<()> {
    let backlogs = backlogs(plan, &plan.kinds)?;
    for backlog in &backlogs {
        let values = backlog.measured(plan)?.values;
        values.into_iter().for_each(|(family, name, value)| figures.add(family, &name, System::Omnibus, value));
    }
    backlogs.iter().try_for_each(Backlog::forget)
}

fn backlogs(plan: &Plan, kinds: &[Kind]) -> Result<Vec<Backlog>> {
    let pairs = kinds.iter().flat_map(|kind| plan.backlogs.iter().map(|messages| (*kind, *messages)));
    let is_measured = |(kind, messages): &(Kind, u64)| kind.drainers() > 1 || *messages <= ONE_GROUP_MAX;
    pairs.filter(is_measured).map(|(kind, messages)| Backlog::new(kind, messages)).collect()
}

/// Fills queues in turn: those that remember ids take only so much at a time. None is left with ids.
fn fill(backlogs: &mut [Backlog]) -> Result<()> {
    while backlogs.iter().any(|backlog| backlog.left() > 0) {
        for backlog in backlogs.iter_mut().filter(|backlog| backlog.left() > 0) {
            thread::sleep(backlog.ids_last()?);
            backlog.fill()?;
        }
    }
    let last = backlogs.iter().filter(|backlog| !backlog.file("measured").exists()).map(Backlog::ids_last);
    thread::sleep(last.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default());
    Ok(())
}

impl Backlog {
    /// What is there from a run that was ended, or nothing yet.
    fn new(kind: Kind, messages: u64) -> Result<Self> {
        let backlog = Self { kind, messages, data: PathBuf::new(), filled: Filled::default() };
        let name = format!("drain-{}", backlog.key());
        let backlog = Self { data: workshop("bench")?.join(&name), ..backlog };
        let filled = match fs::read(backlog.file("filled")) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(_) => {
                fresh(&name)?;
                Filled::default()
            }
        };
        Ok(Self { filled, ..backlog })
    }

    /// As it is named in files and for people who choose.
    fn key(&self) -> String {
        format!("{}-{}", self.kind.key(), self.messages)
    }

    /// A file beside the directory.
    fn file(&self, what: &str) -> PathBuf {
        self.data.with_extension(what)
    }

    fn name(&self) -> String {
        format!("{}; {}", self.kind.name(), thousands(self.messages))
    }

    fn left(&self) -> u64 {
        self.messages - self.filled.messages
    }

    /// How long the queue still remembers what was sent last.
    fn ids_last(&self) -> Result<Duration> {
        let age = match fs::metadata(self.file("filled")) {
            Ok(note) if self.kind != Kind::Standard => note.modified()?.elapsed().unwrap_or_default(),
            _ => IDS_FORGOTTEN_AFTER,
        };
        Ok(IDS_FORGOTTEN_AFTER.saturating_sub(age))
    }

    /// Sends as many of the missing messages as it takes at once.
    fn fill(&mut self) -> Result<()> {
        let count = match self.kind {
            Kind::Standard => self.left(),
            Kind::Fifo { .. } => self.left().min(IDS_MAX),
        };
        let server = sqs::omnibus_as_it_comes("drain", &self.data)?;
        let told = self.send(&server, count)?;
        server.end()?;
        say(&format!("{}: {count} sent, {:.0} msg/s", self.name(), told.records_per_second));
        self.filled.messages += count;
        self.filled.memory_mebibytes_max = self.filled.memory_mebibytes_max.max(mebibytes(&told));
        fs::write(self.file("filled"), serde_json::to_vec(&self.filled)?).context("cannot note what is there")
    }

    /// What a run that was ended has measured, or what is measured now. The messages go.
    fn measured(&self, plan: &Plan) -> Result<Point> {
        let omnibus = machine::omnibus(&broker::binary())?;
        if let Ok(bytes) = fs::read(self.file("measured")) {
            let point: Point = serde_json::from_slice(&bytes).context("what was measured before")?;
            let file = self.file("measured");
            ensure!(point.omnibus == omnibus, "{} is of {}; remove it", file.display(), point.omnibus);
            return Ok(point);
        }
        let load_average = machine::load_average();
        let point = Point { values: self.measure(plan)?, omnibus, load_average };
        fs::write(self.file("measured"), serde_json::to_vec(&point)?).context("cannot note what was measured")?;
        remove(&self.data)?;
        Ok(point)
    }

    fn forget(&self) -> Result<()> {
        ["filled", "measured"].iter().try_for_each(|what| fs::remove_file(self.file(what)))?;
        Ok(())
    }

    fn measure(&self, plan: &Plan) -> Result<Vec<Value>> {
        settle()?;
        let name = self.name();
        let mut values = vec![(Family::Memory, format!("{name}: while filled"), self.filled.memory_mebibytes_max)];
        let server = sqs::omnibus_as_it_comes("drain", &self.data)?;
        values.push((Family::Start, name.clone(), server.first_answer.as_secs_f64() * 1e3));
        thread::sleep(REST);
        values.push((Family::Memory, format!("{name}: after a start"), server.memory()?));
        for _ in 1..=plan.rounds {
            let round = self.round(plan, &server)?;
            say(&format!("{name}: {:.0} msg/s", round.rate()));
            round.note(&name, &mut values);
        }
        server.end()?;
        Ok(values)
    }

    /// Drains as much as makes a round; what was drained whole is filled again.
    fn round(&self, plan: &Plan, server: &Server) -> Result<Round> {
        let goal = if self.kind.drainers() > 1 { plan.drained } else { plan.drained / ONE_GROUP_PART };
        let count = self.messages.min(goal);
        let mut round = Round::default();
        while round.messages < goal {
            let told = self.load(server, "drain", (count, self.kind.drainers()))?;
            ensure!(told.records == count, "{} of {count} messages were drained", told.records);
            round.add(&told);
            if count == self.messages {
                self.send(server, count)?;
            }
        }
        Ok(round)
    }

    fn send(&self, server: &Server, count: u64) -> Result<Measured> {
        self.load(server, "send", (count, FILLERS))
    }

    fn load(&self, server: &Server, what: &str, (count, connections): (u64, u32)) -> Result<Measured> {
        let (queue, groups) = match self.kind {
            Kind::Standard => ("drain", 1),
            Kind::Fifo { groups } => ("drain.fifo", groups),
        };
        let flags = [
            ("--queue", queue.to_owned()),
            ("--groups", groups.to_string()),
            ("--batch", BATCH.to_string()),
            ("--connections", connections.to_string()),
            ("--record", BODY.to_owned()),
            ("--records", count.to_string()),
            ("--duration", "30m".to_owned()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let words: Vec<String> = ["queue".to_owned(), what.to_owned()].into_iter().chain(flags).collect();
        Load::start_queue(server, &words)?.finish()
    }
}

/// What the drains of one round told.
#[derive(Debug, Default)]
struct Round {
    messages: u64,
    seconds: f64,
    processor_seconds: f64,
    memory_mebibytes_max: f64,
    /// By call and percentile, one of each drain.
    latencies: BTreeMap<(&'static str, &'static str), Values>,
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    fn add(&mut self, told: &Measured) {
        self.messages += told.records;
        self.seconds += told.records as f64 / told.records_per_second;
        self.processor_seconds += told.server.processor_seconds;
        self.memory_mebibytes_max = self.memory_mebibytes_max.max(mebibytes(told));
        for (call, latency) in [("receive", &told.received), ("delete", &told.deleted)] {
            let Some(Percentiles { p50_ms, p99_ms, .. }) = latency else { continue };
            for (percentile, value) in [("p50", *p50_ms), ("p99", *p99_ms)] {
                self.latencies.entry((call, percentile)).or_default().add(value);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    fn note(&self, name: &str, values: &mut Vec<Value>) {
        let mut add = |family, name: &str, value| values.push((family, name.to_owned(), value));
        add(Family::QueueDrain, name, self.rate());
        add(Family::QueueCpu, name, self.processor_seconds * 1e6 / self.messages.max(1) as f64);
        add(Family::Memory, &format!("{name}: while drained"), self.memory_mebibytes_max);
        for ((call, percentile), latencies) in &self.latencies {
            add(Family::QueueDrainLatency, &format!("{name}: {call}, {percentile}"), latencies.median());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn mebibytes(told: &Measured) -> f64 {
    told.server.memory_bytes_max as f64 / f64::from(1 << 20)
}

/// A number as people read it.
fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1_000), number % 1_000) }
}

const fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([7, 1_000, 10_000_000].map(thousands), ["7", "1,000", "10,000,000"]);
    }
}
