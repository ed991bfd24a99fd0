//! Measures fan-outs: `fan_out DIR [SECONDS]`, in a new directory.
//!
//! Publishers with one message of 1 KiB in flight each, to queues of all shards or of one; beside
//! it the same messages enqueued one by one, each with a body of its own.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

mod support;

use std::error::Error;
use std::time::{Duration, Instant};

use omnibus_engine::Engine;
use omnibus_engine::fan_out::Target;
use omnibus_model::command::CreateQueue;
use omnibus_model::queue::{CursorConfig, Envelope, QueueConfig};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{Millis, TopicId, TopicName};
use omnibus_record::Message;

const BODY_BYTES: usize = 1024;
const QUEUES: usize = 1000;
const PUBLISHERS: usize = 64;

/// How a message gets to its queues.
#[derive(Clone, Copy, Debug)]
enum Way {
    FanOut,
    OneByOne,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: fan_out DIR [SECONDS]")?;
    let seconds: u64 = arguments.next().map_or(Ok(3), |seconds| seconds.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure_all(&directory, Duration::from_secs(seconds)))
}

async fn measure_all(directory: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    for way in [Way::FanOut, Way::OneByOne] {
        for targets in [1, 10, QUEUES] {
            let (engine, running) = support::open(&format!("{directory}/{way:?}-{targets}"))?;
            let queues = create(&engine, targets).await?;
            let publishers = if targets == QUEUES { 4 } else { PUBLISHERS };
            measure(&engine, &queues, (way, publishers), time).await?;
            running.close().await;
        }
    }
    Ok(())
}

async fn create(engine: &Engine, count: usize) -> Result<Vec<Partition>, Box<dyn Error>> {
    let cursor = CursorConfig::default();
    let queue = QueueConfig { lease: Millis(30_000), cursor, ..QueueConfig::default() };
    let mut queues = Vec::with_capacity(count);
    for number in 0..count {
        let name = TopicName::new(&format!("queue-{number}"))?;
        let (id, config) = (TopicId(engine.random()), TopicConfig::default());
        let create = CreateQueue { name, id, config, queue: queue.clone() };
        queues.extend(engine.create_queue(create).await?.partitions.first().copied());
    }
    Ok(queues)
}

async fn measure(
    engine: &Engine,
    queues: &[Partition],
    (way, publishers): (Way, usize),
    time: Duration,
) -> Result<(), Box<dyn Error>> {
    let message = support::message(engine, BODY_BYTES);
    let before = engine.log_stats();
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..publishers {
        tasks.spawn(publish(engine.clone(), queues.to_vec(), way, (message.clone(), begun + time)));
    }
    let mut messages = 0;
    while let Some(published) = tasks.join_next().await {
        messages += published?;
    }
    let (elapsed, after) = (begun.elapsed().as_secs_f64(), engine.log_stats());
    let per_message = |bytes: u64| bytes as f64 / messages as f64;
    println!(
        "{way:?} to {:4} queues, {publishers:2} publishers: {:8.0} messages/s {:9.0} deliveries/s, written per message: \
         {:9.0} bytes of payload, {:9.0} in all",
        queues.len(),
        messages as f64 / elapsed,
        (messages * queues.len() as u64) as f64 / elapsed,
        per_message(after.payload_bytes - before.payload_bytes),
        per_message(after.unsaved_bytes - before.unsaved_bytes),
    );
    Ok(())
}

/// Publishes until the time is up; returns how many messages.
async fn publish(engine: Engine, queues: Vec<Partition>, way: Way, (message, until): (Message, Instant)) -> u64 {
    let shared = message.encode_shared().expect("a short message");
    let alone = message.encode().expect("a short message");
    let targets: Vec<Target> =
        queues.iter().map(|queue| Target { queue: (*queue).into(), envelope: Envelope::default() }).collect();
    let mut messages = 0;
    while Instant::now() < until {
        match way {
            Way::FanOut => drop(engine.fan_out(&shared, &targets).await.expect("there is room")),
            Way::OneByOne => {
                let mut answers = tokio::task::JoinSet::new();
                for queue in queues.iter().copied() {
                    let (engine, alone) = (engine.clone(), alone.clone());
                    answers.spawn(async move { engine.enqueue(queue, vec![(alone, None)]).await });
                }
                while let Some(answer) = answers.join_next().await {
                    answer.expect("no task panics").expect("there is room");
                }
            }
        }
        messages += 1;
    }
    messages
}
