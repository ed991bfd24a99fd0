//! How much is measured: bounded, so that everything ends by itself.

use serde::Serialize;

/// What one run measures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) cells: Vec<Cell>,
    /// Partitions of the topics that latency is measured with.
    pub(super) latency_partitions: Vec<u32>,
    pub(super) latency_records_per_second: u64,
    /// Of each measurement, after a second to warm up.
    pub(super) seconds: u64,
    /// Before the first round, so that the peer's compiler has seen the load.
    pub(super) warm_seconds: u64,
    pub(super) batch: &'static str,
    pub(super) in_flight: u32,
    /// What the data directories hold when the brokers are restarted.
    pub(super) restart_gigabytes: u64,
}

/// One kind of load.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cell {
    pub(super) partitions: u32,
    pub(super) record_bytes: u64,
}

/// The size of a record when only the number of partitions matters.
pub(super) const RECORD_BYTES: u64 = 1024;

/// What one measurement writes at most; a fast broker ends earlier.
const CELL_BYTES_MAX: u64 = 4 << 30;

impl Plan {
    pub(super) fn full(restart_gigabytes: u64) -> Self {
        let sizes = [100, RECORD_BYTES, 16 << 10];
        let cells = [1, 16]
            .into_iter()
            .flat_map(|partitions| sizes.into_iter().map(move |record_bytes| Cell { partitions, record_bytes }));
        Self {
            rounds: 3,
            cells: cells.collect(),
            latency_partitions: vec![1, 16],
            latency_records_per_second: 10_000,
            seconds: 3,
            warm_seconds: 5,
            batch: "256KiB",
            in_flight: 5,
            restart_gigabytes,
        }
    }

    pub(super) fn quick() -> Self {
        let cells = [1, 16].map(|partitions| Cell { partitions, record_bytes: RECORD_BYTES });
        Self { cells: cells.into(), latency_partitions: vec![1], seconds: 1, warm_seconds: 2, ..Self::full(1) }
    }
}

impl Cell {
    /// How it is called in tables.
    pub(super) fn name(self) -> String {
        let plural = if self.partitions == 1 { "" } else { "s" };
        let size = match self.record_bytes {
            bytes if bytes >= 1024 => format!("{} KiB", bytes / 1024),
            bytes => format!("{bytes} B"),
        };
        format!("{} partition{plural}, {size}", self.partitions)
    }

    /// The most records of one measurement.
    pub(super) const fn records_max(self) -> u64 {
        CELL_BYTES_MAX / self.record_bytes
    }

    /// Connections: a partition is written by one, so that its order is the producer's.
    pub(super) const fn connections(self) -> u32 {
        if self.partitions == 1 { 1 } else { 2 }
    }
}
