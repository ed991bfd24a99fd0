//! Writes records, flat out or at a rate.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use omnibus_io::{Clock, SystemClock};
use omnibus_kafka::client::Connection;
use omnibus_model::Timestamp;
use omnibus_record::{BatchBuilder, Codec, Stamp};
use tokio::task::JoinSet;

use super::meter::{Latencies, Meter, Watcher, nanos};
use super::payload::Payload;
use super::report::{Load, Percentiles, Report};
use super::supply::{Bounds, Due, Pacer, PacerRunning, Schedule, Supply};
use super::{CommonArgs, WriteArgs};
use crate::brokers::{Acks, Batch, Brokers, TopicAt, send};

/// Batches that are made beforehand, so that making them is not measured.
const TEMPLATES: usize = 8;

/// What a record takes in a batch beside its value, about.
const RECORD_OVERHEAD: u64 = 12;

/// Measures writing.
pub(super) async fn measure(
    common: &CommonArgs,
    write: &WriteArgs,
    rate: Option<u64>,
    clock: Arc<SystemClock>,
) -> Result<Report> {
    let mut cluster = common.kafka.cluster().await?;
    let topic = common.topic(&mut cluster).await?;
    let mut lanes = lanes(&mut cluster, &topic, common, write).await?;
    let load = Load::new(cluster.address(), &topic, common).writing(write, rate);
    let meter = Arc::new(Meter::new(Arc::clone(&clock), common.warmup()));
    let end = clock.elapsed() + common.end();
    let bounds = Arc::new(Bounds::new(clock, end, common.records));
    let watcher = Watcher::start(&meter, common.end(), &common.server_pid);
    let running = supply_all(&mut lanes, &bounds, write, rate);
    let latencies = run_all(lanes, &meter).await?;
    drop(running);
    let mut report = Report::new("produce", load, watcher.finish().await?);
    report.acknowledged = Percentiles::new(&latencies).filter(|_| write.acks != Acks::None);
    Ok(report)
}

/// One connection that writes to some partitions in turn.
pub(super) struct Lane {
    topic: TopicAt,
    to: Vec<(i32, Connection)>,
    turn: usize,
    write: WriteArgs,
    templates: Vec<Bytes>,
    payload: Payload,
    supply: Option<Supply>,
}

/// A batch whose acknowledgement is awaited.
struct Pending {
    due: Due,
    written: Pin<Box<dyn Future<Output = Result<Option<i64>>> + Send>>,
}

/// Opens all connections.
pub(super) async fn lanes(
    cluster: &mut Brokers,
    topic: &TopicAt,
    common: &CommonArgs,
    write: &WriteArgs,
) -> Result<Vec<Lane>> {
    let count = common.connections.get();
    let payload = Payload::new(usize::try_from(write.record.0)?);
    let templates = templates(&payload, write)?;
    let mut lanes = Vec::with_capacity(count);
    for number in 0..count {
        let mut to = Vec::new();
        for partition in share(topic, number, count) {
            to.push((partition, connection(cluster, topic, partition, &to).await?));
        }
        lanes.push(Lane {
            topic: topic.clone(),
            to,
            turn: 0,
            write: write.clone(),
            templates: templates.clone(),
            payload: payload.clone(),
            supply: None,
        });
    }
    Ok(lanes)
}

/// Says what each lane writes; at a rate, the lanes are woken until what is returned is dropped.
pub(super) fn supply_all(
    lanes: &mut [Lane],
    bounds: &Arc<Bounds>,
    write: &WriteArgs,
    rate: Option<u64>,
) -> Option<PacerRunning> {
    let mut pacer = Pacer::default();
    let rate_of_each = rate.map(|rate| share_of_rate(rate, lanes.len()));
    for lane in lanes {
        let bounds = Arc::clone(bounds);
        lane.supply = Some(match rate_of_each {
            Some(rate) => Supply::paced(bounds, batch_records(write), rate, &mut pacer),
            None => Supply::flat_out(bounds, batch_records(write)),
        });
    }
    rate_of_each.map(|rate| pacer.start(rate))
}

/// Runs all lanes to their end.
pub(super) async fn run_all(lanes: Vec<Lane>, meter: &Arc<Meter>) -> Result<Latencies> {
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(lane.run(Arc::clone(meter)));
    }
    let mut all = Latencies::new()?;
    while let Some(latencies) = tasks.join_next().await {
        all.add(&latencies??)?;
    }
    Ok(all)
}

impl Lane {
    async fn run(mut self, meter: Arc<Meter>) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        let mut pending: VecDeque<Pending> = VecDeque::new();
        let Some(mut supply) = self.supply.take() else { return Ok(latencies) };
        let mut has_more = true;
        while has_more || !pending.is_empty() {
            let has_room = pending.len() < self.write.in_flight.get();
            tokio::select! {
                biased;
                written = next_written(&mut pending), if !pending.is_empty() => {
                    if let Some(due) = written? {
                        note(&meter, &mut latencies, &due, self.write.record.0);
                    }
                }
                due = supply.next(), if has_more && has_room => match due {
                    Some(due) => pending.push_back(self.send(due, &meter).await?),
                    None => has_more = false,
                },
            }
        }
        Ok(latencies)
    }

    async fn send(&mut self, due: Due, meter: &Meter) -> Result<Pending> {
        let (partition, connection) = self.to[self.turn % self.to.len()].clone();
        let bytes = self.batch(&due, meter);
        self.turn += 1;
        let sent = send(&connection, &self.topic, Batch { partition, bytes }, self.write.acks).await?;
        Ok(Pending { due, written: Box::pin(sent.written()) })
    }

    /// Flat out one of the batches that are there; at a rate a new one, whose records say
    /// when they were due.
    fn batch(&mut self, due: &Due, meter: &Meter) -> Bytes {
        let codec = Codec::from(self.write.compression);
        let now = Timestamp(meter.clock.wall_millis());
        if matches!(due.schedule, Schedule::Now(_)) {
            if due.count == batch_records(&self.write) {
                return self.templates[self.turn % self.templates.len()].clone();
            }
            return self.payload.batch(usize::try_from(due.count).unwrap_or(usize::MAX), now, codec);
        }
        let mut builder = BatchBuilder::new(codec);
        for place in 0..due.count {
            let mut value = self.payload.value();
            let stamp = nanos(due.schedule.at(place)).to_le_bytes();
            for (byte, stamped) in value.iter_mut().zip(stamp) {
                *byte = stamped;
            }
            builder.push(now, None, Some(&value), &[]);
        }
        builder.finish(Stamp::default())
    }
}

/// Waits for the oldest batch; answers come in order.
async fn next_written(pending: &mut VecDeque<Pending>) -> Result<Option<Due>> {
    let Some(oldest) = pending.front_mut() else { return Ok(None) };
    oldest.written.as_mut().await?;
    Ok(pending.pop_front().map(|done| done.due))
}

/// Counts a batch that is acknowledged now, as far as its records were due after the warm-up.
fn note(meter: &Meter, latencies: &mut Latencies, due: &Due, record_bytes: u64) {
    let now = meter.clock.elapsed();
    let counted = match &due.schedule {
        Schedule::Now(sent) if *sent >= meter.begin => {
            latencies.take(now.saturating_sub(*sent), due.count);
            due.count
        }
        Schedule::Now(_) => due.count,
        schedule @ Schedule::Paced { .. } => {
            let counted = (0..due.count).map(|place| schedule.at(place)).filter(|at| *at >= meter.begin);
            counted.inspect(|at| latencies.take(now.saturating_sub(*at), 1)).count() as u64
        }
    };
    meter.count(counted, counted * record_bytes);
}

/// The partitions of one of `count` connections.
pub(super) fn share(topic: &TopicAt, number: usize, count: usize) -> Vec<i32> {
    let partitions: Vec<i32> = topic.partitions.iter().map(|(partition, _)| *partition).collect();
    if number >= partitions.len() {
        return vec![partitions[number % partitions.len()]];
    }
    partitions.into_iter().skip(number).step_by(count).collect()
}

/// A connection to the partition's leader: one of `open`, if it leads there.
async fn connection(
    cluster: &mut Brokers,
    topic: &TopicAt,
    partition: i32,
    open: &[(i32, Connection)],
) -> Result<Connection> {
    let address = cluster.leader(topic, partition).await?.address().to_owned();
    match open.iter().find(|(_, connection)| connection.address() == address) {
        Some((_, connection)) => Ok(connection.clone()),
        None => cluster.own_connection(topic, partition).await,
    }
}

fn templates(payload: &Payload, write: &WriteArgs) -> Result<Vec<Bytes>> {
    let mut payload = payload.clone();
    let now = Timestamp(SystemClock::default().wall_millis());
    let count = usize::try_from(batch_records(write))?;
    Ok((0..TEMPLATES).map(|_| payload.batch(count, now, write.compression.into())).collect())
}

/// How many records fit into a batch; at least one.
fn batch_records(write: &WriteArgs) -> u64 {
    (write.batch.0 / (write.record.0 + RECORD_OVERHEAD)).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
fn share_of_rate(rate: u64, lanes: usize) -> f64 {
    rate as f64 / lanes as f64
}

/// When the record with this value was due.
pub(super) fn due_at(value: &[u8]) -> Option<Duration> {
    Some(Duration::from_nanos(u64::from_le_bytes(*value.first_chunk()?)))
}
