//! Measures acknowledged appends through the engine, over either log:
//! `engine_bench DIR local|openraft [SECONDS] [WRITERS]`, in a new directory.
//!
//! Writers with one batch of one record of 1 KiB in flight each, spread over 16 partitions.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use omnibus_engine::{Engine, EngineConfig, Opening, Payload, Running, Seams};
use omnibus_io::{SystemClock, SystemDisk, SystemEntropy};
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{BatchInfo, NodeId, RecordFormat, Timestamp, TopicId, TopicName};
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_record::{BatchBuilder, Codec, Stamp};
use omnibus_replication::Opened;

const PARTITIONS: u32 = 16;
const RECORD_BYTES: usize = 1024;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: engine_bench DIR local|openraft [SECONDS] [WRITERS]";
    let (directory, log) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    let writers = arguments.next().map_or(Ok(64), |writers| writers.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&directory, &log, Duration::from_secs(seconds), writers))
}

fn open(directory: &str, log: &str) -> Result<(Engine, Running), Failed> {
    let seams = Seams {
        disk: Arc::new(SystemDisk::open(directory)?),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open()?),
    };
    let opened = match log {
        "local" => Engine::open(seams, EngineConfig::default())?,
        "openraft" => {
            let consensus = Consensus::alone(NodeId(1), 1, tokio::runtime::Handle::current());
            Engine::open_over(seams, EngineConfig::default(), |opening| {
                let Opening { disk, log, shards, on_event, recover } = opening;
                OpenraftLog::open((disk, log), shards, consensus, on_event, recover).map(Opened::shared)
            })?
        }
        other => return Err(format!("there is no log called {other}").into()),
    };
    Ok(opened)
}

async fn measure(directory: &str, log: &str, time: Duration, writers: usize) -> Result<(), Failed> {
    let (engine, running) = open(directory, log)?;
    let name = TopicName::new("bench")?;
    let id = TopicId(engine.random());
    let command = CreateTopic { name, id, partitions: PARTITIONS, config: TopicConfig::default() };
    let topic = engine.create_topic(command).await?;
    let payload = payload();
    let begin = Instant::now();
    let end = begin + time;
    let tasks: Vec<_> = (0..writers)
        .map(|writer| tokio::spawn(write(engine.clone(), topic.clone(), (writer, payload.clone()), end)))
        .collect();
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    for task in tasks {
        latencies.add(task.await??)?;
    }
    let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    let [p50, p99] = [0.5, 0.99].map(|quantile| latencies.value_at_quantile(quantile));
    let stats = engine.log_stats();
    println!(
        "{log:8} writers {writers:4}  {rate:9.0} records/s  p50 {p50:5} us  p99 {p99:5} us  {} entries in {} blocks",
        stats.entries, stats.blocks
    );
    running.close().await;
    Ok(())
}

type Failed = Box<dyn Error + Send + Sync>;

async fn write(
    engine: Engine,
    topic: SharedTopic,
    (writer, payload): (usize, Payload),
    end: Instant,
) -> Result<Histogram<u64>, Failed> {
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let place = topic.partitions[writer % topic.partitions.len()];
    while Instant::now() < end {
        let sent = Instant::now();
        engine.append(place.shard, place.stream, payload.clone()).await?.appended().await?;
        latencies.record(u64::try_from(sent.elapsed().as_micros())?.max(1))?;
    }
    Ok(latencies)
}

fn payload() -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_000), None, Some(&[7; RECORD_BYTES]), &[]);
    let bytes: Bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 1,
        bytes: u32::try_from(bytes.len()).expect("a record is short"),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    Payload { batch, bytes }
}
