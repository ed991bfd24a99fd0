//! Messages through queues over AMQP 0-9-1, from any broker that speaks it.
//!
//! It shall take as little of the machine as can be, so that what is measured is the broker: one thread, messages that
//! are made once and stamped, and many of them with each write and read.

mod run;
mod replies;
mod made;
mod publisher;
mod consumer;
mod tally;
mod sheet;
mod client;
mod address;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use omnibus_admin_api::{Size, Span};
use omnibus_io::SystemClock;
use serde::Serialize;
use tokio::task::LocalSet;

use super::report::Report;
use crate::output::{self, Format, Misuse};
use crate::signals::Signals;
use address::Address;
use made::Made;
use replies::RepliesArgs;
use sheet::Stamp;

/// Messages that are published, delivered and acknowledged, over AMQP 0-9-1.
///
/// Publishers and consumers have a connection each, and share one thread. All that was published must arrive: once, in
/// the order of its publisher, in every queue that it is for; what is wrong ends the measurement.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AmqpBenchArgs {
    #[command(subcommand)]
    what: AmqpLoad,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum AmqpLoad {
    /// As many messages as go through.
    Through {
        #[command(flatten)]
        load: LoadArgs,
    },
    /// How long a message takes from when it is due to when a consumer has it, at a fixed rate.
    Latency {
        #[command(flatten)]
        load: LoadArgs,
        /// Messages per second of all publishers.
        #[arg(long, default_value_t = 2_000)]
        rate: u64,
    },
    /// Exclusive queues: how fast they come and go, and how long an answer takes that comes through one.
    Replies(RepliesArgs),
}

/// Which broker it is.
#[derive(Clone, Debug, clap::Args)]
struct BrokerArgs {
    /// Where AMQP is spoken: amqp://USER:PASSWORD@HOST:PORT/VIRTUAL-HOST.
    #[arg(
        long,
        value_name = "URL",
        env = "OMNIBUS_AMQP",
        hide_env_values = true,
        default_value = "amqp://guest:guest@127.0.0.1:5672"
    )]
    amqp: String,
    /// Also measures these processes together, such as the nodes of a cluster: their processor time and memory.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    server_pid: Vec<u32>,
}

#[derive(Clone, Debug, clap::Args)]
struct LoadArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// What the names of the queues begin with. They are made, must be empty if they are there, and are deleted at the end.
    #[arg(long, default_value = "omnibus-bench")]
    queue: String,
    /// Queues; all of them are durable.
    #[arg(long, default_value = "1")]
    queues: NonZeroU16,
    /// Which kind of queues; the broker decides if it is left out.
    #[arg(long, value_enum)]
    queue_type: Option<QueueType>,
    /// Every message goes to every queue, through a fanout exchange of its own.
    #[arg(long)]
    fan_out: bool,
    /// Publishers of each queue; of the exchange with --fan-out.
    #[arg(long, default_value = "1")]
    publishers: NonZeroU16,
    /// Consumers of each queue.
    #[arg(long, default_value = "1")]
    consumers: NonZeroU16,
    /// The size of a message's body, at least 16 B.
    #[arg(long, default_value = "1KiB", value_name = "SIZE")]
    record: Size,
    /// Messages need not survive the broker.
    #[arg(long)]
    transient: bool,
    /// Messages of each publisher that may be unconfirmed; with 0 none is confirmed. An eighth of them are written together
    /// if there is no rate.
    #[arg(long, default_value_t = 256)]
    confirms: u16,
    /// Messages of each consumer that may be unacknowledged; 0 is any number.
    #[arg(long, default_value_t = 500)]
    prefetch: u16,
    /// Messages that are acknowledged at a time.
    #[arg(long, default_value = "50")]
    ack_every: NonZeroU16,
    /// Messages are not acknowledged: delivered is enough.
    #[arg(long, conflicts_with_all = ["ack_every", "prefetch"])]
    auto_ack: bool,
    /// Ends after this time.
    #[arg(long, default_value = "10s", value_name = "SPAN")]
    duration: Span,
    /// Ends after as many messages are published, if that is earlier.
    #[arg(long)]
    records: Option<u64>,
    /// What happens before is not counted [default: 1s, or 0s with --records].
    #[arg(long, value_name = "SPAN")]
    warmup: Option<Span>,
    /// How long what was published may take to arrive afterwards, which is not counted either.
    #[arg(long, default_value = "60s", value_name = "SPAN")]
    drain: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum QueueType {
    Classic,
    Quorum,
}

/// When it is measured.
#[derive(Clone, Copy, Debug)]
struct Period {
    begin: Duration,
    end: Duration,
}

/// What the broker was made to do.
#[derive(Debug, Serialize)]
struct Load {
    address: String,
    queues: u16,
    queue_type: Option<QueueType>,
    fan_out: bool,
    publishers: u16,
    consumers: u16,
    record_bytes: u64,
    persistent: bool,
    confirms: u16,
    prefetch: u16,
    /// 0 where messages are not acknowledged.
    ack_every: u16,
    /// Messages per second; absent if as many as go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
}

/// What was measured; the records of the report are those that were received.
#[derive(Debug, Serialize)]
pub(super) struct AmqpReport {
    #[serde(flatten)]
    report: Report<Load>,
    published: u64,
    published_per_second: f64,
    /// How long publishers were told to wait, all of them together.
    blocked_seconds: f64,
    /// Unconfirmed messages that were published and have not arrived, in all queues together.
    missing: u64,
}

/// Measures and reports; all of it runs in the thread of the caller.
pub(super) async fn measure(args: &AmqpBenchArgs, clock: &Arc<SystemClock>, format: Format) -> Result<()> {
    match &args.what {
        AmqpLoad::Through { load } => messages(load, None, clock).await?.print(format),
        AmqpLoad::Latency { load, rate } => messages(load, Some(*rate), clock).await?.print(format),
        AmqpLoad::Replies(args) => {
            args.check()?;
            let address = Address::read(&args.broker.amqp)?;
            LocalSet::new().run_until(replies::run(args, &address, clock)).await?.print(format)
        }
    }
}

async fn messages(load: &LoadArgs, rate: Option<u64>, clock: &Arc<SystemClock>) -> Result<AmqpReport> {
    load.check()?;
    let address = Address::read(&load.broker.amqp)?;
    let measuring = async {
        let mut made = Made::default();
        let mut signals = Signals::listen()?;
        let measured = tokio::select! {
            measured = run::run(load, rate, &address, &mut made, clock) => measured,
            signal = signals.next() => Err(anyhow!("{signal} ended it")),
        };
        let deleted = made.delete(&address).await.context("the queues of the measurement are still there");
        match (measured, deleted) {
            (Err(error), Err(also)) => Err(error.context(format!("{also:#}"))),
            (measured, deleted) => deleted.and(measured),
        }
    };
    LocalSet::new().run_until(measuring).await
}

impl LoadArgs {
    fn check(&self) -> Result<()> {
        let least = Stamp::BYTES as u64;
        if self.record.0 < least {
            bail!(Misuse(format!("--record: a message says which it is and when it was due, which takes {least} B")));
        }
        if !self.auto_ack && (1..self.ack_every.get()).contains(&self.prefetch) {
            bail!(Misuse(format!("--ack-every {}: --prefetch lets no so many come", self.ack_every)));
        }
        self.publishers_in_all().map(drop)
    }

    fn publishers_in_all(&self) -> Result<u16> {
        let of_queues = if self.fan_out { Some(self.publishers) } else { self.publishers.checked_mul(self.queues) };
        let all = of_queues.map(NonZeroU16::get);
        all.ok_or_else(|| anyhow!(Misuse("--publishers: no more than 65535 in all".to_owned())))
    }

    fn warmup(&self) -> Duration {
        let usual = if self.records.is_some() { Span(0) } else { Span(1_000) };
        self.warmup.unwrap_or(usual).duration()
    }

    /// When the measurement ends, counted from its begin.
    fn end(&self) -> Duration {
        self.warmup() + self.duration.duration()
    }

    fn load(&self, address: &Address, rate: Option<u64>) -> Load {
        Load {
            address: address.authority.clone(),
            queues: self.queues.get(),
            queue_type: self.queue_type,
            fan_out: self.fan_out,
            publishers: self.publishers.get(),
            consumers: self.consumers.get(),
            record_bytes: self.record.0,
            persistent: !self.transient,
            confirms: self.confirms,
            prefetch: if self.auto_ack { 0 } else { self.prefetch },
            ack_every: if self.auto_ack { 0 } else { self.ack_every.get() },
            rate,
        }
    }
}

impl QueueType {
    const fn word(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }
}

impl Period {
    fn holds(self, at: Duration) -> bool {
        (self.begin..self.end).contains(&at)
    }
}

impl AmqpReport {
    /// Prints it.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        if format == Format::Json {
            return output::json(self);
        }
        self.report.print(format)?;
        let Self { published, published_per_second, blocked_seconds, missing, .. } = self;
        output::line(format_args!("\npublished: {published}, {published_per_second:.0} msg/s"))?;
        if *blocked_seconds > 0.0 {
            output::line(format_args!("publishers were told to wait for {blocked_seconds:.2} s"))?;
        }
        match missing {
            0 => output::line("checked: every message arrived once, in order"),
            _ => output::line(format_args!(
                "checked: in order, none twice; {missing} were unconfirmed and did not arrive"
            )),
        }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, queues, publishers, consumers, record_bytes, prefetch, .. } = self;
        let kind = self.queue_type.map_or_else(String::new, |kind| format!("{} ", kind.word()));
        let persistent = if self.persistent { "persistent" } else { "transient" };
        let fan_out = if self.fan_out { ", every message to all" } else { "" };
        let whose = if self.fan_out { "" } else { " each" };
        writeln!(
            f,
            "{address}: {queues} {kind}queues{fan_out}, {publishers} publishers{whose}, {consumers} consumers each"
        )?;
        write!(f, "{persistent} messages of {record_bytes} B, ")?;
        match self.confirms {
            0 => f.write_str("unconfirmed, ")?,
            confirms => write!(f, "{confirms} confirms under way, ")?,
        }
        match self.ack_every {
            0 => f.write_str("automatic acks, ")?,
            every => write!(f, "prefetch {prefetch}, acks by {every}, ")?,
        }
        match self.rate {
            Some(rate) => write!(f, "{rate} msg/s"),
            None => f.write_str("as many as go through"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn load(words: &[&str]) -> LoadArgs {
        Line::parse_from([&["bench"][..], words].concat()).load
    }

    impl LoadArgs {
        /// The usual ones for queues whose names begin so.
        pub(super) fn of_queue(name: &str) -> Self {
            load(&["--queue", name])
        }
    }

    #[test]
    fn load_that_cannot_go_on_is_refused() {
        assert!(load(&[]).check().is_ok());
        assert!(load(&["--prefetch", "0", "--ack-every", "1000"]).check().is_ok());
        assert!(load(&["--prefetch", "49"]).check().is_err());
        assert!(load(&["--record", "15"]).check().is_err());
        assert!(load(&["--queues", "256", "--publishers", "256"]).check().is_err());
        assert!(load(&["--queues", "256", "--publishers", "256", "--fan-out"]).check().is_ok());
    }
}
