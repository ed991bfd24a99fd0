//! Counts, measures, and shows how far a measurement is.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use omnibus_admin::process::Usage;
use omnibus_io::{Clock, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the server and the progress are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The longest latency that can be told, in nanoseconds.
const LATENCY_MAX: u64 = 600_000_000_000;

/// What all connections count together.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) clock: Arc<SystemClock>,
    /// What happens before is not counted.
    pub(super) begin: Duration,
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// When the last was counted, in nanoseconds of the clock.
    last: AtomicU64,
}

/// What was counted in the end.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) server: Option<ServerUsage>,
}

/// What the server used meanwhile.
#[derive(Clone, Debug)]
pub(super) struct ServerUsage {
    pub(super) processor_seconds: f64,
    pub(super) memory_max: u64,
}

impl Meter {
    pub(super) fn new(clock: Arc<SystemClock>, warmup: Duration) -> Self {
        let begin = clock.elapsed() + warmup;
        let zero = || AtomicU64::new(0);
        Self { clock, begin, records: zero(), bytes: zero(), last: zero() }
    }

    /// Counts records that are done now.
    pub(super) fn count(&self, records: u64, bytes: u64) {
        let now = self.clock.elapsed();
        if now >= self.begin {
            self.records.fetch_add(records, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.last.fetch_max(nanos(now), Ordering::Relaxed);
        }
    }

    /// The time from the begin to the last record.
    fn seconds(&self) -> f64 {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        last.saturating_sub(self.begin).as_secs_f64()
    }
}

/// Shows progress and watches the server until told to end.
#[derive(Debug)]
pub(super) struct Watcher {
    meter: Arc<Meter>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Option<ServerUsage>>>,
}

impl Watcher {
    /// Begins; the measurement lasts about `span`.
    pub(super) fn start(meter: &Arc<Meter>, span: Duration, server: Option<u32>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(watch_over(Arc::clone(meter), span, server, stopped));
        Self { meter: Arc::clone(meter), stop, task }
    }

    /// Ends.
    pub(super) async fn finish(self) -> Result<Measured> {
        self.stop.send_replace(true);
        let server = self.task.await??;
        let (records, bytes) = (&self.meter.records, &self.meter.bytes);
        Ok(Measured {
            records: records.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            seconds: self.meter.seconds(),
            server,
        })
    }
}

async fn watch_over(
    meter: Arc<Meter>,
    span: Duration,
    server: Option<u32>,
    mut stopped: watch::Receiver<bool>,
) -> Result<Option<ServerUsage>> {
    let usage = || server.map(Usage::of).transpose().context("the process of --server-pid cannot be looked at");
    let bar = progress_bar(span);
    let begun = meter.clock.elapsed();
    let mut first = usage()?;
    let mut memory_max = 0;
    while tokio::time::timeout(LOOK, stopped.wait_for(|stop| *stop)).await.is_err() {
        let now = meter.clock.elapsed();
        if now <= meter.begin {
            first = usage()?;
        }
        memory_max = memory_max.max(usage()?.map_or(0, |usage| usage.memory_bytes));
        bar.set_position(u64::try_from((now - begun).as_millis()).unwrap_or(u64::MAX));
        bar.set_message(speed(&meter));
    }
    bar.finish_and_clear();
    let (first, last) = (first.unwrap_or_default(), usage()?);
    Ok(last.map(|last| ServerUsage {
        processor_seconds: last.processor_time.saturating_sub(first.processor_time).as_secs_f64(),
        memory_max: memory_max.max(last.memory_bytes),
    }))
}

fn progress_bar(span: Duration) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(u64::try_from(span.as_millis()).ok(), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}") {
        bar.set_style(style);
    }
    bar
}

#[expect(clippy::cast_precision_loss, reason = "shown to a few digits")]
fn speed(meter: &Meter) -> String {
    let seconds = meter.seconds().max(1e-3);
    let (records, bytes) = (meter.records.load(Ordering::Relaxed), meter.bytes.load(Ordering::Relaxed));
    format!("{:.0} msg/s {:.1} MB/s", records as f64 / seconds, bytes as f64 / 1e6 / seconds)
}

/// Latencies, to three digits.
#[derive(Clone, Debug)]
pub(super) struct Latencies(pub(super) Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_MAX, 3)?))
    }

    /// Takes `count` equal latencies.
    pub(super) fn take(&mut self, latency: Duration, count: u64) {
        self.0.saturating_record_n(nanos(latency).max(1), count);
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
