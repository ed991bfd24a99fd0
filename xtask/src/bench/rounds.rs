//! The rounds: each measurement on one broker, then on the other, again and again.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::figures::{BOTH, Family, Figures, System};
use super::kafka::Kafka;
use super::load::{Load, Measured, measure};
use super::plan::{Cell, Plan, RECORD_BYTES};
use super::server::{Server, fresh, remove};
use super::wire;
use crate::shell::say;

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(1);

/// How long a consumer may read what was written.
const CONSUME_SECONDS_MAX: u64 = 4;

/// Measures everything but the restart with much data.
pub(super) fn run(plan: &Plan, kafka: &Kafka, figures: &mut Figures) -> Result<()> {
    let data = BOTH.map(|system| fresh(name(system)));
    let [ours, theirs] = data;
    let data = [ours?, theirs?];
    let servers = [Server::omnibus("omnibus", &data[0])?, kafka.start("kafka", &data[1])?];
    say(&format!("Omnibus and Kafka {} run; warming up", kafka.version()?));
    for server in &servers {
        warm_up(plan, server)?;
    }
    for round in 1..=plan.rounds {
        for system in BOTH {
            start(kafka, system, figures)?;
        }
        for cell in &plan.cells {
            for (system, server) in BOTH.into_iter().zip(&servers) {
                let told = Throughput::measure(plan, *cell, server)?;
                told.note(&cell.name(), system, figures);
                say(&format!("round {round}, {}, {}: {told}", cell.name(), name(system)));
            }
        }
        for partitions in &plan.latency_partitions {
            for (system, server) in BOTH.into_iter().zip(&servers) {
                latency(plan, *partitions, (system, server), figures)?;
            }
        }
    }
    for server in servers {
        server.end()?;
    }
    data.iter().try_for_each(|data| remove(data))
}

/// What brokers are called in logs.
pub(super) const fn name(system: System) -> &'static str {
    match system {
        System::Omnibus => "omnibus",
        System::Kafka => "kafka",
    }
}

/// Lets what one broker left to the kernel come to rest before the other is measured.
pub(super) fn settle() -> Result<()> {
    Command::new("sync").status()?;
    Ok(())
}

fn warm_up(plan: &Plan, server: &Server) -> Result<()> {
    let plan = Plan { seconds: plan.warm_seconds, ..plan.clone() };
    Throughput::measure(&plan, Cell { partitions: 4, record_bytes: RECORD_BYTES }, server)?;
    Ok(())
}

/// A broker of its own, on an empty directory: its first answer, and its memory at rest.
fn start(kafka: &Kafka, system: System, figures: &mut Figures) -> Result<()> {
    let data = fresh(&format!("start-{}", name(system)))?;
    settle()?;
    let server = match system {
        System::Omnibus => Server::omnibus("omnibus-start", &data)?,
        System::Kafka => kafka.start("kafka-start", &data)?,
    };
    thread::sleep(REST);
    figures.add(Family::Start, "an empty data directory", system, server.first_answer.as_secs_f64() * 1e3);
    figures.add(Family::Memory, "at rest, empty", system, server.memory()?);
    server.end()?;
    remove(&data)
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
        let consume =
            measure(server, &consume_words(cell, &topic, &["--duration", &format!("{CONSUME_SECONDS_MAX}s")]))?;
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
        ("--records", cell.records_max().to_string()),
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

fn latency(plan: &Plan, partitions: u32, (system, server): (System, &Server), figures: &mut Figures) -> Result<()> {
    settle()?;
    let cell = Cell { partitions, record_bytes: RECORD_BYTES };
    let topic = format!("bench-latency-{partitions}");
    let mut words = produce_words(plan, cell, &topic);
    "latency".clone_into(&mut words[0]);
    words.extend(["--rate".to_owned(), plan.latency_records_per_second.to_string()]);
    let told = measure(server, &words)?;
    wire::delete_topic(&server.address, &topic)?;
    if let Some(percentiles) = told.end_to_end {
        figures.add(Family::Latency, &format!("{}, p50", cell.name()), system, percentiles.p50_ms);
        figures.add(Family::Latency, &format!("{}, p99", cell.name()), system, percentiles.p99_ms);
        say(&format!(
            "{partitions} partitions, {}: p50 {} ms, p99 {} ms",
            name(system),
            percentiles.p50_ms,
            percentiles.p99_ms
        ));
    }
    Ok(())
}
