//! What was measured, for people and for programs.

use anyhow::Result;
use serde::Serialize;

use super::meter::{Latencies, Measured, ProcessUsage};
use super::{CommonArgs, WriteArgs};
use crate::brokers::{Acks, CodecName, TopicAt};
use crate::output::{self, Column, Format};

/// One measurement, under some load `L`.
#[derive(Debug, Serialize)]
pub(super) struct Report<L = Load> {
    pub(super) what: &'static str,
    pub(super) load: L,
    pub(super) records: u64,
    /// Of values when writing, of batches when reading.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) records_per_second: f64,
    /// Of 10^6 bytes.
    pub(super) megabytes_per_second: f64,
    /// From when a record was due to its acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged: Option<Percentiles>,
    /// From when a record was due to its arrival at a consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_to_end: Option<Percentiles>,
    /// From asking for messages of a queue to having some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<Percentiles>,
    /// From asking to delete messages of a queue to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Process>,
    /// What the load took of the same machine, if the server is on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator: Option<Process>,
}

/// What the broker was made to do.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    pub(super) address: String,
    pub(super) topic: String,
    pub(super) partitions: usize,
    pub(super) connections: usize,
    #[serde(flatten)]
    pub(super) write: Option<WriteLoad>,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct WriteLoad {
    pub(super) record_bytes: u64,
    pub(super) batch_bytes: u64,
    pub(super) in_flight: usize,
    pub(super) acks: Acks,
    pub(super) compression: CodecName,
    /// Records per second; absent if as many as the broker takes.
    pub(super) rate: Option<u64>,
}

/// Latencies in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

/// What a process used.
#[derive(Debug, Serialize)]
pub(super) struct Process {
    pub(super) processor_seconds: f64,
    /// Of 10^9 bytes of records, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) processor_seconds_per_gigabyte: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) processor_microseconds_per_record: Option<f64>,
    /// The share of one core.
    pub(super) cores: f64,
    pub(super) memory_bytes_max: u64,
}

impl<L: Serialize + std::fmt::Display> Report<L> {
    #[expect(clippy::cast_precision_loss, reason = "reported to a few digits")]
    pub(super) fn new(what: &'static str, load: L, measured: Measured) -> Self {
        let Measured { records, bytes, seconds, server, generator } = measured;
        let per_second = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
        let process = |used: ProcessUsage| Process {
            processor_seconds: used.processor_seconds,
            processor_seconds_per_gigabyte: (bytes > 0).then(|| used.processor_seconds / (bytes as f64 / 1e9)),
            processor_microseconds_per_record: (records > 0).then(|| used.processor_seconds * 1e6 / records as f64),
            cores: used.processor_seconds / seconds.max(1e-9),
            memory_bytes_max: used.memory_max,
        };
        Self {
            what,
            load,
            records,
            bytes,
            seconds,
            records_per_second: per_second(records),
            megabytes_per_second: per_second(bytes) / 1e6,
            acknowledged: None,
            end_to_end: None,
            received: None,
            deleted: None,
            server: server.map(process),
            generator: generator.map(process),
        }
    }

    /// Prints it.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        if format == Format::Json {
            return output::json(self);
        }
        output::line(format_args!("{} {}", self.what, self.load))?;
        output::line(format_args!(
            "\n{} records in {:.2} s: {:.0} msg/s, {:.1} MB/s",
            self.records, self.seconds, self.records_per_second, self.megabytes_per_second
        ))?;
        self.print_latencies()?;
        if let (Some(server), Some(generator)) = (&self.server, &self.generator) {
            output::line(format_args!("\nserver: {server}\nload generator: {generator}"))?;
        }
        Ok(())
    }

    fn print_latencies(&self) -> Result<()> {
        let rows = [
            ("acknowledged", &self.acknowledged),
            ("end to end", &self.end_to_end),
            ("received", &self.received),
            ("deleted", &self.deleted),
        ];
        let rows: Vec<Vec<String>> =
            rows.into_iter().filter_map(|(name, latency)| Some(latency.as_ref()?.row(name))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        output::line("")?;
        let numbers = ["MEAN", "P50", "P90", "P99", "P99.9", "MAX"].map(Column::Number);
        let columns: Vec<Column> = std::iter::once(Column::Text("MILLISECONDS")).chain(numbers).collect();
        output::table(&columns, rows)
    }
}

impl Load {
    pub(super) fn new(address: &str, topic: &TopicAt, common: &CommonArgs) -> Self {
        Self {
            address: address.to_owned(),
            topic: topic.name.to_string(),
            partitions: topic.partitions.len(),
            connections: common.connections.get(),
            write: None,
        }
    }

    /// Adds what was written.
    pub(super) fn writing(mut self, write: &WriteArgs, rate: Option<u64>) -> Self {
        self.write = Some(WriteLoad {
            record_bytes: write.record.0,
            batch_bytes: write.batch.0,
            in_flight: write.in_flight.get(),
            acks: write.acks,
            compression: write.compression,
            rate,
        });
        self
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, topic, partitions, connections, write } = self;
        write!(f, "{address}: topic {topic}, {partitions} partitions, {connections} connections")?;
        write.as_ref().map_or(Ok(()), |write| write!(f, "\n{write}"))
    }
}

impl std::fmt::Display for WriteLoad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { record_bytes, batch_bytes, in_flight, acks, compression, rate } = self;
        write!(
            f,
            "records of {record_bytes} B in batches of up to {batch_bytes} B, {in_flight} in flight, acks {acks:?}, \
             compression {compression:?}, "
        )?;
        match rate {
            Some(rate) => write!(f, "{rate} msg/s"),
            None => f.write_str("as many as it takes"),
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor_seconds, cores, memory_bytes_max, .. } = self;
        let mebibytes = mebibytes(*memory_bytes_max);
        write!(f, "{processor_seconds:.2} s of CPU, ")?;
        if let Some(each) = self.processor_seconds_per_gigabyte {
            write!(f, "{each:.2} s per GB, ")?;
        }
        if let Some(each) = self.processor_microseconds_per_record {
            write!(f, "{each:.2} µs per record, ")?;
        }
        write!(f, "{cores:.2} cores; {mebibytes:.1} MiB resident at most")
    }
}

impl Percentiles {
    pub(super) fn new(latencies: &Latencies) -> Option<Self> {
        let histogram = &latencies.0;
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            mean_ms: histogram.mean() / 1e6,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: milliseconds(histogram.max()),
        })
    }

    fn row(&self, name: &str) -> Vec<String> {
        let Self { mean_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = self;
        let cells = [mean_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms].map(|latency| format!("{latency:.3}"));
        std::iter::once(name.to_owned()).chain(cells).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "told to a few digits")]
fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "told to a few digits")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
