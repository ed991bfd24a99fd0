//! How much is measured: bounded, so that everything ends by itself.

use serde::Serialize;

/// One run: its figures compare among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub(super) enum Part {
    /// Throughput both ways, one partition.
    OnePartition,
    /// Throughput both ways, sixteen partitions.
    ManyPartitions,
    /// Writing for longer.
    Sustained,
    /// From producer to consumer at a rate.
    Latency,
    /// Starts, on nothing and on much; memory at rest.
    Start,
}

impl Part {
    pub(super) const ALL: [Self; 5] =
        [Self::OnePartition, Self::ManyPartitions, Self::Sustained, Self::Latency, Self::Start];

    /// Those that are measured of several nodes.
    pub(super) const OF_CLUSTERS: [Self; 3] = [Self::ManyPartitions, Self::Sustained, Self::Latency];

    /// How it is called on the command line.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::OnePartition => "one-partition",
            Self::ManyPartitions => "many-partitions",
            Self::Sustained => "sustained",
            Self::Latency => "latency",
            Self::Start => "start",
        }
    }

    /// The heading of its page.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::OnePartition => "Throughput, one partition",
            Self::ManyPartitions => "Throughput, sixteen partitions",
            Self::Sustained => "Writing for longer",
            Self::Latency => "Latency",
            Self::Start => "Start, restart and memory at rest",
        }
    }
}

/// What one run measures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// Of each system.
    pub(super) nodes: u32,
    pub(super) rounds: u32,
    pub(super) cells: Vec<Cell>,
    /// Kinds of load that are kept up for long.
    pub(super) sustained: Vec<Cell>,
    /// Partitions of the topics that latency is measured with.
    pub(super) latency_partitions: Vec<u32>,
    pub(super) latency_records_per_second: u64,
    /// Of each measurement, after a second to warm up.
    pub(super) seconds: u64,
    /// Of each measurement of latency: a stall of the machine counts less in a long one.
    pub(super) latency_seconds: u64,
    /// Before the first of them, at the same rate.
    pub(super) latency_warm_seconds: u64,
    /// Of the measurement that lasts longer than memory can hide the disk.
    pub(super) sustained_seconds: u64,
    /// Before the first round, so that the peer's compiler has seen the load, and what is for caching
    /// is full: memory that a process has never had costs its first user.
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

/// What a measurement writes in a second at most; a faster broker ends earlier.
const SECOND_BYTES_MAX: u64 = 5 << 28;

/// The kind of load that is kept up for long.
const SUSTAINED: Cell = Cell { partitions: 16, record_bytes: RECORD_BYTES };

impl Plan {
    pub(super) fn full(restart_gigabytes: u64) -> Self {
        let sizes = [100, RECORD_BYTES, 16 << 10];
        let cells = [1, 16]
            .into_iter()
            .flat_map(|partitions| sizes.into_iter().map(move |record_bytes| Cell { partitions, record_bytes }));
        Self {
            nodes: 1,
            rounds: 3,
            cells: cells.collect(),
            sustained: vec![SUSTAINED],
            latency_partitions: vec![1, 16],
            latency_records_per_second: 10_000,
            seconds: 3,
            latency_seconds: 10,
            latency_warm_seconds: 15,
            sustained_seconds: 8,
            warm_seconds: 10,
            batch: "256KiB",
            in_flight: 5,
            restart_gigabytes,
        }
    }

    pub(super) fn quick() -> Self {
        let cells = [1, 16].map(|partitions| Cell { partitions, record_bytes: RECORD_BYTES });
        let short = Self {
            seconds: 1,
            latency_seconds: 2,
            latency_warm_seconds: 2,
            sustained_seconds: 4,
            warm_seconds: 2,
            ..Self::full(1)
        };
        Self { cells: cells.into(), latency_partitions: vec![1], ..short }
    }

    /// The same, of so many nodes.
    pub(super) fn of_nodes(self, nodes: u32) -> Self {
        Self { nodes, ..self }
    }

    /// The name of the files of one part.
    pub(super) fn file(&self, part: Part) -> String {
        let nodes = if self.nodes == 1 { String::new() } else { format!("{}-nodes-", self.nodes) };
        format!("kafka-{nodes}{}", part.word())
    }

    /// How both systems are set up, for readers.
    fn systems(&self) -> String {
        if self.nodes == 1 {
            return "Kafka is one node with the `config/server.properties` that it ships and the Java options that its manual
names for production (a heap of 6 GB, G1); it acknowledges what is in the page cache.
Omnibus has its defaults but for `storage.cache`, a quarter of the machine's memory, as its manual names
for production; it acknowledges what is on the disk."
                .to_owned();
        }
        format!(
            "Each system has {0} nodes, all on this one machine and its one disk, three replicas of each partition, and
acknowledges what two of them have.
Kafka's nodes are brokers and controllers at once, with the `config/server.properties` that it ships,
`min.insync.replicas=2`, the Java options of its manual and the heap of its start script (1 GB each); what is
acknowledged is in the page cache of two.
Omnibus's nodes have their defaults but for `storage.cache`, a quarter of the machine's memory for all together; what is
acknowledged is on the disk of two. Values are those of all nodes of a system together.",
            self.nodes
        )
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self) -> String {
        let systems = self.systems();
        let Self { rounds, seconds, batch, in_flight, latency_records_per_second, .. } = self;
        let Self { latency_seconds, latency_warm_seconds, .. } = self;
        format!(
            "Both systems run on loopback and are loaded in turn, {rounds} rounds, by one load generator (`omnibus bench`)
on the same machine; each value is the median of the rounds.
Each measurement of throughput lasts {seconds} s after a second of warming up; the other system runs, too.
For latency and starts the other one is ended: a broker that stands by syncs its files now and then.
Records are sent uncompressed in batches of {batch}, {in_flight} batches in flight for each connection;
one connection for one partition, two for sixteen.
Latency is measured at {latency_records_per_second} msg/s for {latency_seconds} s, after {latency_warm_seconds} s of the same; each record
counts from when it was due, whether it could be sent then or not.
{systems}
Processor time and memory are those of the brokers' processes alone; what the load generator took is told beside it.
Before each measurement the page cache is written back, so that neither pays for the other.
"
        )
    }

    /// What belongs to one part.
    pub(super) fn of(&self, part: Part) -> Self {
        let mut plan = self.clone();
        plan.cells.retain(|cell| match part {
            Part::OnePartition => cell.partitions == 1,
            Part::ManyPartitions => cell.partitions > 1,
            Part::Sustained | Part::Latency | Part::Start => false,
        });
        plan.sustained.retain(|_| part == Part::Sustained);
        plan.latency_partitions.retain(|_| part == Part::Latency);
        plan
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
    pub(super) const fn records_max(self, seconds: u64) -> u64 {
        SECOND_BYTES_MAX / self.record_bytes * seconds
    }

    /// Connections: a partition is written by one, so that its order is the producer's.
    pub(super) const fn connections(self) -> u32 {
        if self.partitions == 1 { 1 } else { 2 }
    }
}
