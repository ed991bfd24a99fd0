//! `omnibus bench`: loads any broker that speaks Kafka, SQS or AMQP, and measures it.

mod amqp;
mod queue;
mod produce;
mod consume;
mod latency;
mod topics;
mod supply;
mod payload;
mod meter;
mod report;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use omnibus_admin_api::{Size, Span};
use omnibus_io::SystemClock;

use crate::brokers::{Acks, Brokers, CodecName, KafkaArgs, TopicAt};
use crate::output::Format;

/// Measures a broker: any that speaks Kafka, or SQS or AMQP for queues.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// How many records a broker takes, and how soon it acknowledges them.
    ///
    /// Without --rate as many as it takes; with it at that rate, and the latency of each record
    /// counts from when it was due, not from when there was room to send it.
    Produce {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        write: WriteArgs,
        /// Records per second of all connections.
        #[arg(long)]
        rate: Option<u64>,
    },
    /// How fast a topic can be read from its beginning to what is its end now.
    Consume {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        read: ReadArgs,
        /// Where to begin.
        #[arg(long, value_enum, default_value_t)]
        from: consume::From,
    },
    /// How long a record takes from when it is due to when a consumer has it.
    Latency {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        write: WriteArgs,
        #[command(flatten)]
        read: ReadArgs,
        /// Records per second of all connections.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
    },
    /// Very many topics: creates them, writes to them at random, or checks what was written.
    Topics(topics::TopicsArgs),
    /// How fast messages go through a queue, over SQS.
    Queue(queue::QueueBenchArgs),
    Amqp(Box<amqp::AmqpBenchArgs>),
}

/// What every measurement needs.
#[derive(Clone, Debug, clap::Args)]
struct CommonArgs {
    /// The topic; made if it is not there.
    #[arg(long, default_value = "omnibus-bench")]
    topic: String,
    /// Partitions of a topic that is made.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// Connections, each with its share of the partitions.
    #[arg(long, default_value = "2")]
    connections: NonZeroUsize,
    /// Ends after this time.
    #[arg(long, default_value = "10s", value_name = "SPAN")]
    duration: Span,
    /// Ends after as many records, if that is earlier.
    #[arg(long)]
    records: Option<u64>,
    /// What happens before is not counted [default: 1s, or 0s with --records].
    #[arg(long, value_name = "SPAN")]
    warmup: Option<Span>,
    /// Also measures these processes together, such as the nodes of a cluster: their processor time and memory.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    server_pid: Vec<u32>,
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// How records are written.
#[derive(Clone, Debug, clap::Args)]
struct WriteArgs {
    /// The size of a record's value.
    #[arg(long, default_value = "1KiB", value_name = "SIZE")]
    record: Size,
    /// The most bytes of records in one batch.
    #[arg(long, default_value = "64KiB", value_name = "SIZE")]
    batch: Size,
    /// Batches per connection that may wait for their acknowledgement.
    #[arg(long, default_value = "5")]
    in_flight: NonZeroUsize,
    /// What counts as written.
    #[arg(long, value_enum, default_value_t)]
    acks: Acks,
    /// How batches are compressed.
    #[arg(long, value_enum, default_value_t)]
    compression: CodecName,
}

/// How records are read.
#[derive(Clone, Debug, clap::Args)]
struct ReadArgs {
    /// What one partition may add to one answer.
    #[arg(long, default_value = "1MiB", value_name = "SIZE")]
    fetch: Size,
}

impl CommonArgs {
    fn warmup(&self) -> Duration {
        let usual = if self.records.is_some() { Span(0) } else { Span(1_000) };
        self.warmup.unwrap_or(usual).duration()
    }

    /// When the measurement ends, counted from its begin.
    fn end(&self) -> Duration {
        self.warmup() + self.duration.duration()
    }

    async fn topic(&self, cluster: &mut Brokers) -> Result<TopicAt> {
        match cluster.find(&self.topic).await? {
            Some(topic) => Ok(topic),
            None => cluster.create(&self.topic, Some(self.partitions)).await,
        }
    }
}

/// Measures and reports.
pub(crate) fn run(args: BenchArgs, format: Format) -> Result<()> {
    let clock = Arc::new(SystemClock::default());
    let mut runtime = match &args.what {
        // One thread is enough for it, and takes less.
        What::Amqp(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(async {
        match args.what {
            What::Produce { common, write, rate } => {
                produce::measure(&common, &write, rate, clock).await?.print(format)
            }
            What::Consume { common, read, from } => consume::measure(&common, &read, from, clock).await?.print(format),
            What::Latency { common, write, read, rate } => {
                latency::measure(&common, &write, &read, rate, clock).await?.print(format)
            }
            What::Queue(queue) => queue::measure(&queue, clock).await?.print(format),
            What::Amqp(args) => amqp::measure(&args, &clock, format).await,
            What::Topics(topics) => topics::run(&topics, &clock).await?.print(format),
        }
    })
}
