//! Measures consumers of one queue: `consume DIR [SECONDS]`, in a new directory.
//!
//! A backlog is drained by one consumer, which settles each delivery as a whole or by fifties, or
//! whose records are done when they are handed out; then the same while somebody publishes. At the
//! end it counts the memory of queues and consumers that are idle.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

mod support;

use std::error::Error;
use std::time::{Duration, Instant};

use omnibus_engine::Engine;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_model::command::CreateQueue;
use omnibus_model::queue::{CursorConfig, LeaseKey, QueueConfig, Settlement};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{TopicId, TopicName};
use omnibus_record::Encoded;
use tokio::task::JoinSet;

const BODY_BYTES: usize = 16;
const BACKLOG: usize = 400_000;
const SENT_AT_ONCE: usize = 256;
const SETTLED_AT_ONCE: usize = 50;
const IDLE_QUEUES: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: consume DIR [SECONDS]")?;
    let seconds: u64 = arguments.next().map_or(Ok(3), |seconds| seconds.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure_all(&directory, Duration::from_secs(seconds)))
}

async fn measure_all(directory: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    let (engine, running) = support::open(directory)?;
    for settling in [Settling::ByReceiver, Settling::Automatic] {
        for credit in [50, 1_000] {
            let queue = create(&engine, &format!("drained-{settling:?}-{credit}")).await?;
            fill(&engine, queue, BACKLOG / SENT_AT_ONCE).await?;
            let (done, elapsed, entries) = consume(&engine, queue, (settling, credit), None).await?;
            tell("drained", (settling, credit), (done, elapsed, entries));
            let queue = create(&engine, &format!("live-{settling:?}-{credit}")).await?;
            let publisher = tokio::spawn(publish(engine.clone(), queue, Instant::now() + time));
            let told = consume(&engine, queue, (settling, credit), Some(time)).await?;
            tell("live", (settling, credit), told);
            publisher.await??;
        }
    }
    measure_idle(&engine).await?;
    running.close().await;
    Ok(())
}

fn tell(what: &str, (settling, credit): (Settling, u32), (done, elapsed, entries): (u64, Duration, u64)) {
    let rate = done as f64 / elapsed.as_secs_f64();
    let per_entry = done as f64 / entries.max(1) as f64;
    println!(
        "{what:8} {settling:?} credit {credit:4}: {rate:9.0} messages/s, {per_entry:7.1} for each entry of the log"
    );
}

async fn create(engine: &Engine, name: &str) -> Result<Partition, Box<dyn Error>> {
    let cursor = CursorConfig { leases_max: u32::MAX, ..CursorConfig::default() };
    let (id, config) = (TopicId(engine.random()), TopicConfig::default());
    let queue = QueueConfig { cursor, ..QueueConfig::default() };
    let create = CreateQueue { name: TopicName::new(name)?, id, config, queue };
    Ok(*engine.create_queue(create).await?.partitions.first().ok_or("a queue has a partition")?)
}

async fn fill(engine: &Engine, queue: Partition, batches: usize) -> Result<(), Box<dyn Error>> {
    let message = encoded(engine);
    let mut sending = JoinSet::new();
    for _ in 0..batches {
        if sending.len() >= 8 {
            sending.join_next().await;
        }
        let (engine, messages) = (engine.clone(), vec![(message.clone(), None); SENT_AT_ONCE]);
        sending.spawn(async move { engine.enqueue(queue, messages).await.map(drop) });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(())
}

async fn publish(engine: Engine, queue: Partition, until: Instant) -> Result<(), omnibus_engine::SubmitError> {
    let message = encoded(&engine);
    let mut sending = JoinSet::new();
    while Instant::now() < until {
        if sending.len() >= SENT_AT_ONCE {
            sending.join_next().await;
        }
        let (engine, messages) = (engine.clone(), vec![(message.clone(), None)]);
        sending.spawn(async move { engine.enqueue(queue, messages).await.map(drop) });
    }
    while sending.join_next().await.is_some() {}
    Ok(())
}

/// Consumes until the backlog is gone or the time is up; returns how much, how long that took, and how
/// many entries the log got meanwhile.
async fn consume(
    engine: &Engine,
    queue: Partition,
    (settling, credit): (Settling, u32),
    time: Option<Duration>,
) -> Result<(u64, Duration, u64), Box<dyn Error>> {
    let config = ConsumerConfig { credit, settling, access: Access::Shared, priority: 0 };
    let goal = (BACKLOG / SENT_AT_ONCE * SENT_AT_ONCE) as u64;
    let entries = || engine.counters().entries_proposed.get();
    let (begun, before) = (Instant::now(), entries());
    let mut consumer = engine.consume(queue, config).await?;
    let (mut done, mut keys) = (0, Vec::new());
    let mut settling_now = JoinSet::new();
    while time.map_or(done < goal, |time| begun.elapsed() < time) {
        let Ok(next) = tokio::time::timeout(Duration::from_secs(1), consumer.next()).await else { continue };
        let next = next?;
        done += next.deliveries.len() as u64;
        if settling == Settling::ByReceiver {
            keys.extend(next.keys());
            while keys.len() >= SETTLED_AT_ONCE.min(credit as usize) {
                let settlements = accept(keys.drain(..SETTLED_AT_ONCE.min(credit as usize)));
                let engine = engine.clone();
                settling_now.spawn(async move { engine.settle(queue, settlements).await.map(drop) });
            }
            while settling_now.try_join_next().is_some() {}
        }
    }
    let elapsed = begun.elapsed();
    while settling_now.join_next().await.is_some() {}
    Ok((done, elapsed, entries() - before))
}

fn accept(keys: impl Iterator<Item = LeaseKey>) -> Vec<(LeaseKey, Settlement)> {
    keys.map(|key| (key, Settlement::Accept)).collect()
}

async fn measure_idle(engine: &Engine) -> Result<(), Box<dyn Error>> {
    let before = resident_bytes()?;
    let begun = Instant::now();
    let mut queues = Vec::with_capacity(IDLE_QUEUES);
    for first in (0..IDLE_QUEUES).step_by(100) {
        let numbers = first..first + 100;
        let mut creating = JoinSet::new();
        for number in numbers {
            let engine = engine.clone();
            creating
                .spawn(async move { create(&engine, &format!("idle-{number}")).await.map_err(|it| it.to_string()) });
        }
        while let Some(created) = creating.join_next().await {
            queues.push(created??);
        }
    }
    let (created, with_queues) = (begun.elapsed(), resident_bytes()?);
    let config = ConsumerConfig { credit: 50, settling: Settling::Automatic, access: Access::Exclusive, priority: 0 };
    let mut consumers = Vec::with_capacity(queues.len());
    for queue in &queues {
        consumers.push(engine.consume(*queue, config).await?);
    }
    let with_consumers = resident_bytes()?;
    let each = |bytes: u64| bytes / IDLE_QUEUES as u64;
    println!(
        "idle: {} bytes for each queue, {:.0} created/s; {} bytes for each consumer",
        each(with_queues.saturating_sub(before)),
        IDLE_QUEUES as f64 / created.as_secs_f64(),
        each(with_consumers.saturating_sub(with_queues)),
    );
    Ok(())
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("the kernel tells no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("VmRSS has no number")?.parse()?;
    Ok(kib * 1024)
}

fn encoded(engine: &Engine) -> Encoded {
    support::message(engine, BODY_BYTES).encode().expect("a short message")
}
