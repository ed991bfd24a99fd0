//! Sends, receives and deletes messages over SQS, from any server that speaks it.

mod lane;
mod client;

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use omnibus_admin_api::{Size, Span};
use omnibus_io::{Clock, SystemClock};
use serde::Serialize;
use tokio::task::JoinSet;

use super::meter::{Latencies, Meter, Watcher};
use super::report::{Percentiles, Report};
use client::Client;
use lane::{Lane, Until};

/// The most messages that SQS takes in one request.
const BATCH_MAX: u8 = 10;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct QueueBenchArgs {
    /// What is done again and again.
    #[arg(value_enum)]
    what: QueueLoad,
    /// Where SQS is spoken.
    #[arg(
        long,
        value_name = "URL",
        env = "OMNIBUS_SQS",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9324"
    )]
    sqs: String,
    /// The queue; made if it is not there. A FIFO queue's name ends with `.fifo`.
    #[arg(long, default_value = "omnibus-bench")]
    queue: String,
    /// Connections, each with one request at a time.
    #[arg(long, default_value = "16")]
    connections: NonZeroUsize,
    /// Messages per request, 1 to 10; one goes by the actions for single messages.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(BATCH_MAX)))]
    batch: u8,
    /// The size of a message's body.
    #[arg(long, default_value = "1KiB", value_name = "SIZE")]
    record: Size,
    /// Message groups of a FIFO queue, in turn.
    #[arg(long, default_value = "1000")]
    groups: NonZeroU64,
    /// Ends after this time.
    #[arg(long, default_value = "10s", value_name = "SPAN")]
    duration: Span,
    /// Ends after as many messages, if that is earlier.
    #[arg(long)]
    records: Option<u64>,
    /// What happens before is not counted [default: 1s, or 0s with --records].
    #[arg(long, value_name = "SPAN")]
    warmup: Option<Span>,
    /// Also measures these processes together, such as the nodes of a cluster: their processor time and memory.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    server_pid: Vec<u32>,
}

/// What each connection does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum QueueLoad {
    /// Makes queues, whose names begin with that of the queue.
    Create,
    /// Sends.
    Send,
    /// Receives and deletes what is there, until the queue has been empty for three seconds.
    Drain,
    /// Sends, receives and deletes.
    Cycle,
    /// Waits for messages that do not come, 20 s at a time.
    Wait,
}

/// What the server was made to do.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    address: String,
    queue: String,
    connections: usize,
    record_bytes: u64,
    batch: u8,
    /// Of a FIFO queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<u64>,
}

impl QueueBenchArgs {
    fn warmup(&self) -> Duration {
        let usual = if self.records.is_some() || self.what == QueueLoad::Drain { Span(0) } else { Span(1_000) };
        self.warmup.unwrap_or(usual).duration()
    }

    fn load(&self) -> Load {
        Load {
            address: self.sqs.clone(),
            queue: self.queue.clone(),
            connections: self.connections.get(),
            record_bytes: self.record.0,
            batch: self.batch,
            groups: is_fifo(&self.queue).then_some(self.groups.get()),
        }
    }
}

fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

/// Measures a queue.
pub(super) async fn measure(args: &QueueBenchArgs, clock: Arc<SystemClock>) -> Result<Report<Load>> {
    let mut client = Client::new(&args.sqs)?;
    let context = || format!("{} does not speak SQS, or not to us", args.sqs);
    let url = client.create_queue(&args.queue, is_fifo(&args.queue)).await.with_context(context)?;
    let end = args.warmup() + args.duration.duration();
    let meter = Arc::new(Meter::new(Arc::clone(&clock), args.warmup()));
    let until = Arc::new(Until::new(clock.elapsed() + end, args.records));
    let watcher = Watcher::start(&meter, end, &args.server_pid);
    let mut tasks = JoinSet::new();
    for number in 0..args.connections.get() {
        let lane = Lane::new(args, number, &url, Client::new(&args.sqs)?)?;
        tasks.spawn(lane.run(args.what, Arc::clone(&until), Arc::clone(&meter)));
    }
    let [mut sent, mut received, mut deleted] = [Latencies::new()?, Latencies::new()?, Latencies::new()?];
    while let Some(timed) = tasks.join_next().await {
        let Some(timed) = timed?? else { continue };
        sent.add(&timed.sent)?;
        received.add(&timed.received)?;
        deleted.add(&timed.deleted)?;
    }
    let what = match args.what {
        QueueLoad::Send => "send",
        QueueLoad::Create => "create",
        QueueLoad::Drain => "drain",
        QueueLoad::Cycle => "cycle",
        QueueLoad::Wait => "wait",
    };
    let mut report = Report::new(what, args.load(), watcher.finish().await?);
    ensure!(
        report.records > 0 || args.what == QueueLoad::Wait,
        "{} is empty; fill it with `omnibus bench queue send --queue {}`",
        args.queue,
        args.queue
    );
    report.acknowledged = Percentiles::new(&sent);
    report.received = Percentiles::new(&received);
    report.deleted = Percentiles::new(&deleted);
    Ok(report)
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, queue, connections, record_bytes, batch, groups } = self;
        write!(f, "{address}: queue {queue}, {connections} connections, {batch} of {record_bytes} B per request")?;
        groups.map_or(Ok(()), |groups| write!(f, ", {groups} groups"))
    }
}
