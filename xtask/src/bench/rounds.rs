//! The rounds: each measurement on one broker, then on the other, again and again.

use std::process::Command;

use anyhow::{Context, Result};

use super::figures::{Family, Figures, System};
use super::kafka::{BOTH, Kafka};
use super::load::{Load, Measured, Percentiles, measure};
use super::plan::{Cell, Plan, RECORD_BYTES};
use super::server::{Server, fresh, remove};
use super::wire;
use crate::shell::say;

/// Of topics that a broker warms up with.
const WARM_PARTITIONS: u32 = 4;

/// How often a cluster is warmed up until its leaders are at rest.
const WARM_TRIES_MAX: u32 = 3;

/// How long a consumer may read what was written.
const CONSUME_SECONDS_MAX: u64 = 4;

/// Measures throughput, both brokers running at the same time.
pub(super) fn run(plan: &Plan, kafka: &Kafka, figures: &mut Figures) -> Result<()> {
    let data = BOTH.map(|system| fresh(&system.key()));
    let [ours, theirs] = data;
    let data = [ours?, theirs?];
    let servers = [
        kafka.start_nodes((BOTH[0], plan.nodes), "omnibus", &data[0])?,
        kafka.start_nodes((BOTH[1], plan.nodes), "kafka", &data[1])?,
    ];
    say(&format!("Omnibus and Kafka {} run; warming up", kafka.version()?));
    for server in &servers {
        warm_up(plan, server)?;
    }
    for round in 1..=plan.rounds {
        for cell in &plan.cells {
            for (system, server) in BOTH.into_iter().zip(&servers) {
                let told = Throughput::measure(plan, *cell, server)?;
                told.note(&cell.name(), system, figures);
                say(&format!("round {round}, {}, {}: {told}", cell.name(), system.name()));
            }
        }
        for cell in &plan.sustained {
            for (system, server) in BOTH.into_iter().zip(&servers) {
                sustained(plan, *cell, (system, server), figures)?;
            }
        }
    }
    for server in servers {
        server.end()?;
    }
    data.iter().try_for_each(|data| remove(data))
}

/// Measures latency, one broker at a time: one that only stands by syncs its files now and then.
pub(super) fn latencies(plan: &Plan, kafka: &Kafka, figures: &mut Figures) -> Result<()> {
    for _ in 0..plan.rounds {
        for system in BOTH {
            let data = fresh(&system.key())?;
            let server = kafka.start_nodes((system, plan.nodes), &system.key(), &data)?;
            warm_up_latency(plan, &server)?;
            let plan = Plan { seconds: plan.latency_seconds, ..plan.clone() };
            for partitions in &plan.latency_partitions {
                note_latency(latency(&plan, *partitions, &server)?, *partitions, system, figures);
            }
            server.end()?;
            remove(&data)?;
        }
    }
    Ok(())
}

/// Lets what one broker left to the kernel come to rest before the other is measured.
pub(super) fn settle() -> Result<()> {
    Command::new("sync").status()?;
    Ok(())
}

fn warm_up(plan: &Plan, server: &Server) -> Result<()> {
    let plan = Plan { seconds: plan.warm_seconds, ..plan.clone() };
    Throughput::measure(&plan, Cell { partitions: WARM_PARTITIONS, record_bytes: RECORD_BYTES }, server)?;
    Ok(())
}

/// A cluster spreads what its nodes lead in its first seconds, and the load generator does not try again when a leader
/// moves: until it gets through, leaders are not at rest.
fn warm_up_latency(plan: &Plan, server: &Server) -> Result<()> {
    let plan = Plan { seconds: plan.latency_warm_seconds, ..plan.clone() };
    let tries = if plan.nodes == 1 { 1 } else { WARM_TRIES_MAX };
    for _ in 1..tries {
        match latency(&plan, WARM_PARTITIONS, server) {
            Ok(_) => return Ok(()),
            Err(error) => say(&format!("leaders are not at rest yet: {error:#}")),
        }
    }
    latency(&plan, WARM_PARTITIONS, server).map(drop)
}

/// What was measured of one kind of load.
struct Throughput {
    produce: Measured,
    consume: Measured,
    tail: Measured,
}

impl Throughput {
    fn measure(plan: &Plan, cell: Cell, server: &Server) -> Result<Self> {
        settle()?;
        let topic = format!("bench-{}-{}", cell.partitions, cell.record_bytes);
        let write = produce_words(plan, cell, &topic);
        let produce = measure(server, &write)?;
        settle()?;
        let from_beginning = consume_words(cell, &topic, &["--duration", &format!("{CONSUME_SECONDS_MAX}s")]);
        let consume = measure(server, &from_beginning)?;
        let span = format!("{}s", plan.seconds);
        let follow = consume_words(cell, &topic, &["--from", "end", "--warmup", "1s", "--duration", &span]);
        let tail = Load::start(server, &follow)?;
        measure(server, &write)?;
        let tail = tail.finish()?;
        wire::delete_topic(&server.address, &topic)?;
        Ok(Self { produce, consume, tail })
    }

    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    fn note(&self, cell: &str, system: System, figures: &mut Figures) {
        let Self { produce, consume, tail } = self;
        figures.add(Family::Produce, cell, system, produce.megabytes_per_second);
        figures.add(Family::Consume, cell, system, consume.megabytes_per_second);
        figures.add(Family::Tail, cell, system, tail.megabytes_per_second);
        figures.add(Family::ProduceCpu, cell, system, produce.server.processor_seconds_per_gigabyte);
        figures.add(Family::ConsumeCpu, cell, system, consume.server.processor_seconds_per_gigabyte);
        for (what, told) in [("produce", produce), ("consume", consume)] {
            let name = format!("{cell}, {what}");
            figures.add(Family::GeneratorCpu, &name, system, told.generator.processor_seconds_per_gigabyte);
        }
        let memory = [produce, consume, tail].map(|told| told.server.memory_bytes_max).into_iter().max();
        figures.add(Family::Memory, cell, system, memory.unwrap_or_default() as f64 / f64::from(1 << 20));
    }
}

impl std::fmt::Display for Throughput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [produce, consume, tail] = [&self.produce, &self.consume, &self.tail].map(|told| told.megabytes_per_second);
        write!(f, "produce {produce:.0}, consume {consume:.0}, tail {tail:.0} MB/s")
    }
}

fn produce_words(plan: &Plan, cell: Cell, topic: &str) -> Vec<String> {
    let words = [
        ("--topic", topic.to_owned()),
        ("--partitions", cell.partitions.to_string()),
        ("--connections", cell.connections().to_string()),
        ("--record", cell.record_bytes.to_string()),
        ("--batch", plan.batch.to_owned()),
        ("--in-flight", plan.in_flight.to_string()),
        ("--records", cell.records_max(plan.seconds + 1).to_string()),
        ("--warmup", "1s".to_owned()),
        ("--duration", format!("{}s", plan.seconds)),
    ];
    std::iter::once("produce".to_owned())
        .chain(words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]))
        .collect()
}

fn consume_words(cell: Cell, topic: &str, more: &[&str]) -> Vec<String> {
    let connections = cell.connections().to_string();
    let words = ["consume", "--topic", topic, "--connections", &connections];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn sustained(plan: &Plan, cell: Cell, (system, server): (System, &Server), figures: &mut Figures) -> Result<()> {
    settle()?;
    let plan = Plan { seconds: plan.sustained_seconds, ..plan.clone() };
    let topic = "bench-sustained";
    let told = measure(server, &produce_words(&plan, cell, topic))?;
    wire::delete_topic(&server.address, topic)?;
    let name_of_cell = format!("{}, {} s", cell.name(), plan.seconds);
    say(&format!("{name_of_cell}, {}: produce {:.0} MB/s", system.name(), told.megabytes_per_second));
    figures.add(Family::Sustained, &name_of_cell, system, told.megabytes_per_second);
    Ok(())
}

fn latency(plan: &Plan, partitions: u32, server: &Server) -> Result<Percentiles> {
    settle()?;
    let cell = Cell { partitions, record_bytes: RECORD_BYTES };
    let topic = format!("bench-latency-{partitions}");
    let mut words = produce_words(plan, cell, &topic);
    "latency".clone_into(&mut words[0]);
    words.extend(["--rate".to_owned(), plan.latency_records_per_second.to_string()]);
    let told = measure(server, &words)?;
    wire::delete_topic(&server.address, &topic)?;
    told.end_to_end.context("no record arrived")
}

fn note_latency(percentiles: Percentiles, partitions: u32, system: System, figures: &mut Figures) {
    let Percentiles { p50_ms, p99_ms, p999_ms } = percentiles;
    let cell = Cell { partitions, record_bytes: RECORD_BYTES }.name();
    for (percentile, milliseconds) in [("p50", p50_ms), ("p99", p99_ms), ("p99.9", p999_ms)] {
        figures.add(Family::Latency, &format!("{cell}, {percentile}"), system, milliseconds);
    }
    say(&format!("{cell}, {}: p50 {p50_ms:.2}, p99 {p99_ms:.2}, p99.9 {p999_ms:.2} ms", system.name()));
}
