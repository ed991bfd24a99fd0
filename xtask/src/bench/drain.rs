//! Draining: whether it matters how much lies in a queue, and in how many groups.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::figures::{Family, Figures, System};
use super::load::{Load, Measured, Percentiles};
use super::rounds::settle;
use super::server::{Server, fresh, remove};
use super::sqs;
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

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(2);

/// How much is measured: bounded, so that everything ends by itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    kinds: Vec<Kind>,
    backlogs: Vec<u64>,
    /// Of each backlog so many messages are drained at a time, or all.
    drained_max: u64,
    rounds: u32,
    /// Of a backlog that is drained whole, and then filled again.
    rounds_whole: u32,
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
            drained_max: 200_000,
            rounds: 3,
            rounds_whole: 9,
        }
    }

    pub(super) fn quick() -> Self {
        let kinds = vec![Kind::Standard, Kind::Fifo { groups: 1_000 }];
        Self { kinds, backlogs: vec![10_000, 200_000], drained_max: 50_000, rounds: 1, rounds_whole: 3 }
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self) -> String {
        let Self { drained_max, rounds, rounds_whole, .. } = self;
        format!(
            "One broker, as it comes (`storage.cache` of 64 MiB), with one queue, is loaded over loopback by `omnibus bench queue`
on the same machine, in AWS JSON 1.0, with bodies of {BODY} and {BATCH} messages in a request: {FILLERS} connections fill the
queue, the broker is ended and started again, and {DRAINERS} connections (for one group: one) receive and delete
{drained_max} messages, {rounds} times.
What is no longer than that is drained whole and filled again, {rounds_whole} times. Values are medians of the rounds.
Messages go round the groups. Every message, lease and deletion is on the disk when it is acknowledged.
A FIFO queue remembers the deduplication ids of five minutes, five million at most: ten million messages come in
three parts with a pause in between, and no ids are left when the broker is started again.
"
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

/// Fills and drains all queues. A run that was ended goes on where it was.
pub(super) fn run(plan: &Plan, figures: &mut Figures) -> Result<()> {
    let (fifo, standard): (Vec<Kind>, Vec<Kind>) = plan.kinds.iter().partition(|kind| **kind != Kind::Standard);
    let mut all = Vec::new();
    for kinds in [standard, fifo] {
        let pairs = kinds.iter().flat_map(|kind| plan.backlogs.iter().map(|messages| (*kind, *messages)));
        let mut backlogs = pairs.map(|(kind, messages)| Backlog::new(kind, messages)).collect::<Result<Vec<_>>>()?;
        fill(&mut backlogs)?;
        for backlog in &backlogs {
            let measured = backlog.measured(plan)?;
            measured.into_iter().for_each(|(family, name, value)| figures.add(family, &name, System::Omnibus, value));
        }
        all.extend(backlogs);
    }
    all.iter().try_for_each(Backlog::forget)
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
        let name = format!("drain-{}-{messages}", kind.key());
        let data = workshop("bench")?.join(&name);
        let backlog = Self { kind, messages, data, filled: Filled::default() };
        let filled = match fs::read(backlog.file("filled")) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(_) => {
                fresh(&name)?;
                Filled::default()
            }
        };
        Ok(Self { filled, ..backlog })
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
    fn measured(&self, plan: &Plan) -> Result<Vec<Value>> {
        if let Ok(bytes) = fs::read(self.file("measured")) {
            return serde_json::from_slice(&bytes).context("what was measured before");
        }
        let values = self.measure(plan)?;
        fs::write(self.file("measured"), serde_json::to_vec(&values)?).context("cannot note what was measured")?;
        remove(&self.data)?;
        Ok(values)
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
        let is_whole = self.messages <= plan.drained_max;
        for round in 1..=if is_whole { plan.rounds_whole } else { plan.rounds } {
            if is_whole && round > 1 {
                self.send(&server, self.messages)?;
            }
            let told = self.load(&server, "drain", (self.messages.min(plan.drained_max), self.kind.drainers()))?;
            note(&name, &told, &mut values);
            say(&format!("{name}: {:.0} msg/s", told.records_per_second));
        }
        server.end()?;
        Ok(values)
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

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn note(name: &str, told: &Measured, values: &mut Vec<Value>) {
    let mut add = |family, name: &str, value| values.push((family, name.to_owned(), value));
    add(Family::QueueDrain, name, told.records_per_second);
    add(Family::QueueCpu, name, told.server.processor_seconds * 1e6 / told.records.max(1) as f64);
    add(Family::Memory, &format!("{name}: while drained"), mebibytes(told));
    for (call, latency) in [("receive", &told.received), ("delete", &told.deleted)] {
        let Some(Percentiles { p50_ms, p99_ms, .. }) = latency else { continue };
        add(Family::QueueDrainLatency, &format!("{name}: {call}, p50"), *p50_ms);
        add(Family::QueueDrainLatency, &format!("{name}: {call}, p99"), *p99_ms);
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
