//! Queues: each load on one server, then on the next, again and again.

use anyhow::Result;
use serde::Serialize;

use super::figures::{Family, Figures, System};
use super::load::{Load, Measured, Percentiles};
use super::rounds::settle;
use super::server::{Server, fresh, remove};
use super::sqs::Peers;
use crate::shell::say;

pub(super) const TITLE: &str = "Queues: Omnibus, ElasticMQ and moto, over SQS";

/// In their turns.
const SYSTEMS: [System; 3] = [System::Omnibus, System::ElasticMq, System::Moto];

const BODY: &str = "1KiB";

/// How much is measured: bounded, so that everything ends by itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    rounds: u32,
    /// Of each measurement, after a second to warm up.
    seconds: u64,
    /// Before the first round.
    warm_seconds: u64,
    /// Receivers that wait for messages that do not come.
    waiting: u32,
}

/// One kind of load.
struct Cell {
    name: &'static str,
    what: &'static str,
    /// Cells of one queue follow each other: what one sends the next receives.
    queue: &'static str,
    batch: u32,
    connections: u32,
    family: Family,
}

const CELLS: [Cell; 6] = [
    Cell {
        name: "one by one, 64 connections",
        what: "send",
        queue: "single",
        batch: 1,
        connections: 64,
        family: Family::QueueSend,
    },
    Cell {
        name: "tens, 32 connections",
        what: "send",
        queue: "tens",
        batch: 10,
        connections: 32,
        family: Family::QueueSend,
    },
    Cell {
        name: "tens, 16 connections",
        what: "drain",
        queue: "tens",
        batch: 10,
        connections: 16,
        family: Family::QueueDrain,
    },
    Cell {
        name: "one by one, 16 connections",
        what: "cycle",
        queue: "cycle",
        batch: 1,
        connections: 16,
        family: Family::QueueCycle,
    },
    Cell {
        name: "tens, 16 connections",
        what: "cycle",
        queue: "cycle",
        batch: 10,
        connections: 16,
        family: Family::QueueCycle,
    },
    Cell {
        name: "FIFO, 1,000 groups, tens, 16 connections",
        what: "cycle",
        queue: "cycle.fifo",
        batch: 10,
        connections: 16,
        family: Family::QueueCycle,
    },
];

impl Plan {
    pub(super) const fn full() -> Self {
        Self { rounds: 3, seconds: 2, warm_seconds: 6, waiting: 500 }
    }

    pub(super) const fn quick() -> Self {
        Self { rounds: 1, seconds: 1, warm_seconds: 2, waiting: 100 }
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self, peers: &Peers) -> String {
        let Self { rounds, seconds, waiting, .. } = self;
        format!(
            "The servers run on loopback and are loaded in turn, {rounds} rounds, by one load generator (`omnibus bench queue`)
on the same machine; each value is the median of the rounds. Each measurement lasts {seconds} s after a second of
warming up, the others running idle, with bodies of {BODY}, in AWS JSON 1.0; a connection sends its next request
when the last was answered. {waiting} receivers wait at a time.
{} run as they come: both keep messages in memory and lose them when they end. Omnibus has its defaults
but for `storage.cache`, a quarter of the machine's memory; what it has acknowledged, leases and deletions
too, is on the disk. `better by` compares with the better of the two.
",
            peers.versions()
        )
    }
}

/// Measures all servers, all of them running.
pub(super) fn run(plan: &Plan, peers: &Peers, figures: &mut Figures) -> Result<()> {
    let mut running = Vec::new();
    for system in SYSTEMS {
        let data = fresh(&system.key())?;
        running.push((system, peers.start(system, &data)?, data));
    }
    say(&format!("Omnibus, {} run; warming up", peers.versions()));
    for (_, server, _) in &running {
        measure(server, &words("cycle", "warm", 10, 16, plan.warm_seconds))?;
    }
    for round in 1..=plan.rounds {
        for cell in &CELLS {
            for (system, server, _) in &running {
                settle()?;
                // Nothing of the last round is in the way.
                let queue = format!("{round}-{}", cell.queue);
                let told = measure(server, &words(cell.what, &queue, cell.batch, cell.connections, plan.seconds))?;
                note(cell, *system, &told, figures);
                say(&format!(
                    "round {round}, {} {}, {}: {:.0} msg/s",
                    cell.what,
                    cell.name,
                    system.name(),
                    told.records_per_second
                ));
            }
        }
        for (system, server, _) in &running {
            let told = measure(server, &words("wait", "empty", 10, plan.waiting, plan.seconds))?;
            let name = format!("{} receivers", plan.waiting);
            figures.add(Family::QueueWait, &name, *system, told.server.cores * 100.0);
            figures.add(
                Family::Memory,
                &format!("with {name} waiting"),
                *system,
                mebibytes(told.server.memory_bytes_max),
            );
        }
    }
    for (_, server, data) in running {
        server.end()?;
        remove(&data)?;
    }
    Ok(())
}

fn words(what: &str, queue: &str, batch: u32, connections: u32, seconds: u64) -> Vec<String> {
    let flags = [
        ("--queue", queue.to_owned()),
        ("--batch", batch.to_string()),
        ("--connections", connections.to_string()),
        ("--record", BODY.to_owned()),
        ("--duration", format!("{seconds}s")),
    ];
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    ["queue".to_owned(), what.to_owned()].into_iter().chain(flags).collect()
}

fn measure(server: &Server, words: &[String]) -> Result<Measured> {
    Load::start_queue(server, words)?.finish()
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn note(cell: &Cell, system: System, told: &Measured, figures: &mut Figures) {
    figures.add(cell.family, cell.name, system, told.records_per_second);
    let name = format!("{}, {}", cell.what, cell.name);
    let each = told.server.processor_seconds * 1e6 / told.records.max(1) as f64;
    figures.add(Family::QueueCpu, &name, system, each);
    if cell.what == "cycle" {
        figures.add(Family::Memory, &name, system, mebibytes(told.server.memory_bytes_max));
    }
    if cell.what == "cycle" && cell.batch == 1 {
        let calls = [("send", &told.acknowledged), ("receive", &told.received), ("delete", &told.deleted)];
        for (call, latency) in calls {
            let Some(Percentiles { p50_ms, p99_ms, .. }) = latency else { continue };
            figures.add(Family::QueueLatency, &format!("{call}, p50"), system, *p50_ms);
            figures.add(Family::QueueLatency, &format!("{call}, p99"), system, *p99_ms);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
