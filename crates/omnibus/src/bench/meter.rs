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
    pub(super) server: Option<ProcessUsage>,
    /// This process, which makes the load.
    pub(super) generator: Option<ProcessUsage>,
}

/// What one process used meanwhile, or several together.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessUsage {
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

/// The server and the generator of the load, if they were looked at.
type Watched = [Option<ProcessUsage>; 2];

/// Shows progress and watches the server until told to end.
#[derive(Debug)]
pub(super) struct Watcher {
    meter: Arc<Meter>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Watched>>,
}

impl Watcher {
    /// Begins; the measurement lasts about `span`, and the server is these processes.
    pub(super) fn start(meter: &Arc<Meter>, span: Duration, server: &[u32]) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(watch_over(Arc::clone(meter), span, server.to_vec(), stopped));
        Self { meter: Arc::clone(meter), stop, task }
    }

    /// Ends.
    pub(super) async fn finish(self) -> Result<Measured> {
        self.stop.send_replace(true);
        let [server, generator] = self.task.await??;
        let (records, bytes) = (&self.meter.records, &self.meter.bytes);
        Ok(Measured {
            records: records.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            seconds: self.meter.seconds(),
            server,
            generator,
        })
    }
}

async fn watch_over(
    meter: Arc<Meter>,
    span: Duration,
    server: Vec<u32>,
    mut stopped: watch::Receiver<bool>,
) -> Result<Watched> {
    let bar = progress_bar(span);
    let begun = meter.clock.elapsed();
    let generator = if server.is_empty() { Vec::new() } else { vec![std::process::id()] };
    let mut sides = [Process::begin_all(&server)?, Process::begin_all(&generator)?];
    while tokio::time::timeout(LOOK, stopped.wait_for(|stop| *stop)).await.is_err() {
        let now = meter.clock.elapsed();
        for process in sides.iter_mut().flatten() {
            process.look(now <= meter.begin)?;
        }
        bar.set_position(u64::try_from((now - begun).as_millis()).unwrap_or(u64::MAX));
        bar.set_message(speed(&meter));
    }
    bar.finish_and_clear();
    let [server, generator] = sides.map(Process::end_all);
    Ok([server?, generator?])
}

/// A process that is looked at from time to time.
#[derive(Clone, Copy, Debug)]
struct Process {
    pid: u32,
    first: Usage,
    memory_max: u64,
}

impl Process {
    fn begin_all(pids: &[u32]) -> Result<Vec<Self>> {
        pids.iter().map(|pid| Ok(Self { pid: *pid, first: usage(*pid)?, memory_max: 0 })).collect()
    }

    /// Looks at it; what it has used counts from here if it `begins` only now.
    fn look(&mut self, begins: bool) -> Result<()> {
        let now = usage(self.pid)?;
        self.memory_max = self.memory_max.max(now.memory_bytes);
        if begins {
            self.first = now;
        }
        Ok(())
    }

    /// What they used together; nothing of none.
    fn end_all(processes: Vec<Self>) -> Result<Option<ProcessUsage>> {
        let used: Vec<ProcessUsage> = processes.into_iter().map(Self::end).collect::<Result<_>>()?;
        Ok(used.into_iter().reduce(|all, one| ProcessUsage {
            processor_seconds: all.processor_seconds + one.processor_seconds,
            memory_max: all.memory_max + one.memory_max,
        }))
    }

    fn end(mut self) -> Result<ProcessUsage> {
        self.look(false)?;
        let processor_time = usage(self.pid)?.processor_time.saturating_sub(self.first.processor_time);
        Ok(ProcessUsage { processor_seconds: processor_time.as_secs_f64(), memory_max: self.memory_max })
    }
}

fn usage(pid: u32) -> Result<Usage> {
    Usage::of(pid).with_context(|| format!("process {pid} cannot be looked at"))
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
