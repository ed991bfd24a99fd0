//! Reads a topic from its beginning to what is its end now, or what is written meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use omnibus_io::{Clock, SystemClock};
use tokio::task::JoinSet;

use super::meter::{Meter, Watcher};
use super::produce::share;
use super::report::{Load, Report};
use super::{CommonArgs, ReadArgs};
use crate::brokers::{Brokers, Place, Reader, TopicAt};

/// How long a broker may wait for something new.
const WAIT_MS: i32 = 500;

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum From {
    /// And ends at what is the topic's end now.
    #[default]
    Beginning,
    /// Only what is written meanwhile is read, until the time is over.
    End,
}

/// Measures reading.
pub(super) async fn measure(
    common: &CommonArgs,
    read: &ReadArgs,
    from: From,
    clock: Arc<SystemClock>,
) -> Result<Report> {
    let mut cluster = common.kafka.cluster().await?;
    let topic = cluster.topic(&common.topic).await?;
    let (place, ends) = match from {
        From::Beginning => (Place::Beginning, ends(&mut cluster, &topic).await?),
        From::End => (Place::End, topic.partitions.iter().map(|(partition, _)| (*partition, i64::MAX)).collect()),
    };
    let readers = readers(&mut cluster, &topic, common, read, place).await?;
    ensure!(
        readers.iter().any(|reader| !is_done(reader, &ends)),
        "{} is empty; fill it with `omnibus bench produce --topic {}`",
        topic.name,
        topic.name
    );
    let load = Load::new(cluster.address(), &topic, common);
    // A topic is read once: there is nothing to warm up with.
    let meter = Arc::new(Meter::new(clock, common.warmup.map(|span| span.duration()).unwrap_or_default()));
    let watcher = Watcher::start(&meter, common.end(), &common.server_pid);
    let until = Until { ends, end: meter.clock.elapsed() + common.end(), records: common.records };
    let until = Arc::new(until);
    let mut tasks = JoinSet::new();
    for reader in readers {
        tasks.spawn(run(reader, Arc::clone(&until), Arc::clone(&meter)));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(Report::new("consume", load, watcher.finish().await?))
}

/// What ends the reading, whichever comes first.
struct Until {
    ends: BTreeMap<i32, i64>,
    end: std::time::Duration,
    records: Option<u64>,
}

/// Opens one reader for each connection, or more if partitions have several leaders.
pub(super) async fn readers(
    cluster: &mut Brokers,
    topic: &TopicAt,
    common: &CommonArgs,
    read: &ReadArgs,
    place: Place,
) -> Result<Vec<Reader>> {
    let count = common.connections.get().min(topic.partitions.len());
    let mut readers = Vec::new();
    for number in 0..count {
        let mut by_address: BTreeMap<String, Reader> = BTreeMap::new();
        for partition in share(topic, number, count) {
            let offset = cluster.offset(topic, partition, place).await?;
            let address = cluster.leader(topic, partition).await?.address().to_owned();
            if !by_address.contains_key(&address) {
                let connection = cluster.own_connection(topic, partition).await?;
                let reader = Reader::new(connection, topic.clone(), i32::try_from(read.fetch.0)?);
                by_address.insert(address.clone(), reader);
            }
            if let Some(reader) = by_address.get_mut(&address) {
                reader.add(partition, offset);
            }
        }
        readers.extend(by_address.into_values());
    }
    Ok(readers)
}

async fn ends(cluster: &mut Brokers, topic: &TopicAt) -> Result<BTreeMap<i32, i64>> {
    let mut ends = BTreeMap::new();
    for (partition, _) in &topic.partitions {
        ends.insert(*partition, cluster.offset(topic, *partition, Place::End).await?);
    }
    Ok(ends)
}

async fn run(mut reader: Reader, until: Arc<Until>, meter: Arc<Meter>) -> Result<()> {
    let is_enough = |meter: &Meter| {
        let records = meter.records.load(std::sync::atomic::Ordering::Relaxed);
        until.records.is_some_and(|most| records >= most) || meter.clock.elapsed() >= until.end
    };
    while !is_enough(&meter) && !is_done(&reader, &until.ends) {
        for fetched in reader.fetch(WAIT_MS).await? {
            let records = u64::try_from(fetched.header.count).unwrap_or_default();
            meter.count(records, fetched.batch.len() as u64);
        }
    }
    Ok(())
}

fn is_done(reader: &Reader, ends: &BTreeMap<i32, i64>) -> bool {
    reader.positions().iter().all(|(partition, next)| ends.get(partition).is_none_or(|end| next >= end))
}
