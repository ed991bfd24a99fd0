//! Writes at a rate and reads at the same time: how old is a record when it arrives?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use omnibus_io::{Clock, SystemClock};
use omnibus_record::Records;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::meter::{Latencies, Meter, Watcher};
use super::produce::{due_at, lanes, run_all, supply_all};
use super::report::{Load, Percentiles, Report};
use super::supply::Bounds;
use super::{CommonArgs, ReadArgs, WriteArgs, consume};
use crate::brokers::{Fetched, Place, Reader};

/// How long a broker may wait for something new.
const WAIT_MS: i32 = 500;

/// How long the last records may be on their way.
const GRACE: Duration = Duration::from_secs(10);

const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;

/// What tells consumers that all is written.
const STAMP_BYTES: u64 = 8;

/// Measures the way from producers to consumers.
pub(super) async fn measure(
    common: &CommonArgs,
    write: &WriteArgs,
    read: &ReadArgs,
    rate: u64,
    clock: Arc<SystemClock>,
) -> Result<Report> {
    ensure!(write.record.0 >= STAMP_BYTES, "--record: a record says when it was due, which takes {STAMP_BYTES} B");
    let mut cluster = common.kafka.cluster().await?;
    let topic = common.topic(&mut cluster).await?;
    let readers = consume::readers(&mut cluster, &topic, common, read, Place::End).await?;
    let mut lanes = lanes(&mut cluster, &topic, common, write).await?;
    let load = Load::new(cluster.address(), &topic, common).writing(write, Some(rate));
    let meter = Arc::new(Meter::new(Arc::clone(&clock), common.warmup()));
    let end = clock.elapsed() + common.end();
    let bounds = Arc::new(Bounds::new(clock, end, common.records));
    let watcher = Watcher::start(&meter, common.end(), &common.server_pid);

    let arrivals = Arc::new(Arrivals { arrived: AtomicU64::new(0), meter: Arc::clone(&meter) });
    let (tell_written, written) = watch::channel(None);
    let mut consumers = JoinSet::new();
    for reader in readers {
        consumers.spawn(Arc::clone(&arrivals).run(reader, written.clone()));
    }
    let running = supply_all(&mut lanes, &bounds, write, Some(rate));
    let acknowledged = run_all(lanes, &meter).await?;
    drop(running);
    tell_written.send_replace(Some(Written { records: acknowledged.0.len(), at: meter.clock.elapsed() }));

    let mut end_to_end = Latencies::new()?;
    while let Some(latencies) = consumers.join_next().await {
        end_to_end.add(&latencies??)?;
    }
    let mut report = Report::new("latency", load, watcher.finish().await?);
    report.acknowledged = Percentiles::new(&acknowledged);
    report.end_to_end = Percentiles::new(&end_to_end);
    Ok(report)
}

/// All that was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    /// Records that count.
    records: u64,
    at: Duration,
}

/// What has arrived at all consumers.
struct Arrivals {
    arrived: AtomicU64,
    meter: Arc<Meter>,
}

impl Arrivals {
    /// Reads until all that was written has arrived.
    async fn run(self: Arc<Self>, mut reader: Reader, written: watch::Receiver<Option<Written>>) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        while !self.is_complete(*written.borrow())? {
            let fetched = reader.fetch(WAIT_MS).await?;
            let now = self.meter.clock.elapsed();
            for batch in &fetched {
                self.note(batch, now, &mut latencies)?;
            }
        }
        Ok(latencies)
    }

    fn note(&self, fetched: &Fetched, now: Duration, latencies: &mut Latencies) -> Result<()> {
        for record in Records::of(&fetched.batch, DECOMPRESSED_BYTES_MAX)? {
            let due = record?.value.as_deref().and_then(due_at);
            if let Some(due) = due.filter(|due| *due >= self.meter.begin) {
                latencies.take(now.saturating_sub(due), 1);
                self.arrived.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn is_complete(&self, written: Option<Written>) -> Result<bool> {
        let Some(Written { records, at }) = written else { return Ok(false) };
        let arrived = self.arrived.load(Ordering::Relaxed);
        let is_late = self.meter.clock.elapsed() > at + GRACE;
        ensure!(arrived >= records || !is_late, "only {arrived} of {records} records arrived within {GRACE:?}");
        Ok(arrived >= records)
    }
}
