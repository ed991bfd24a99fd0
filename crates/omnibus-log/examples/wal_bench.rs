//! Measures durable appends: `wal_bench DIR [SECONDS] [io_uring|pwrite]`, in a new directory.
//!
//! Writers with one record of 1 KiB in flight each, spread over 16 shards. As the engine
//! does, a shard has up to three entries in flight and gathers what arrives meanwhile.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use omnibus_io::SystemDisk;
use omnibus_log::{Choice, Entry, EntryBatch, EntryKind, Log, LogConfig, Opened, Rest};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};

const SHARDS: usize = 16;
const IN_FLIGHT_MAX: usize = 3;
const RECORD_BYTES: usize = 1024;

/// One shard: records that wait, and records in entries on their way.
struct Shard {
    waiting: Vec<Instant>,
    in_flight: std::collections::VecDeque<(LogIndex, Vec<Instant>)>,
    index: u64,
    offset: u64,
}

struct Load {
    shards: Vec<Mutex<Shard>>,
    log: std::sync::OnceLock<Log>,
    latencies: Mutex<Histogram<u64>>,
    records: AtomicU64,
    stop: AtomicBool,
    payload: Bytes,
}

impl Load {
    /// Closes the open commit group of a shard if it may have another entry in flight.
    fn propose(&self, number: usize, shard: &mut Shard) {
        if shard.waiting.is_empty() || shard.in_flight.len() >= IN_FLIGHT_MAX {
            return;
        }
        let waiting = std::mem::take(&mut shard.waiting);
        shard.index += 1;
        let batch = |place: usize| EntryBatch {
            stream: StreamId(number as u64),
            base: Offset(shard.offset + place as u64),
            count: 1,
            timestamp_max: Timestamp(0),
            prefix: self.payload.slice(..61),
            rest: Rest::Own(self.payload.slice(61..)),
        };
        let batches: Vec<EntryBatch> = (0..waiting.len()).map(batch).collect();
        shard.offset += batches.len() as u64;
        let index = LogIndex(shard.index);
        let entry = Entry {
            shard: ShardId(u16::try_from(number).unwrap_or(0)),
            term: Term(1),
            index,
            kind: EntryKind::Commands,
            head: self.payload.slice(..16 * batches.len().min(32)),
            bodies: Arc::default(),
            batches: Arc::new(batches),
        };
        shard.in_flight.push_back((index, waiting));
        self.log.get().expect("the log is open").submit(entry).expect("there is room");
    }

    /// An entry is durable: publishes it, answers its writers, who write again at once.
    fn durable(&self, shard_id: ShardId, index: LogIndex) {
        let now = Instant::now();
        let log = self.log.get().expect("the log is open");
        log.publish(shard_id, index);
        let number = usize::from(shard_id.0);
        let mut shard = self.shards[number].lock().expect("no writer panics");
        let (first, answered) = shard.in_flight.pop_front().expect("an entry is in flight");
        assert_eq!(first, index, "entries are answered in order");
        self.records.fetch_add(answered.len() as u64, Ordering::Relaxed);
        let mut latencies = self.latencies.lock().expect("no writer panics");
        for sent in &answered {
            let micros = u64::try_from(now.duration_since(*sent).as_micros()).unwrap_or(u64::MAX);
            latencies.saturating_record(micros);
        }
        drop(latencies);
        if !self.stop.load(Ordering::Relaxed) {
            shard.waiting.extend(answered.iter().map(|_| now));
        }
        self.propose(number, &mut shard);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: wal_bench DIR [SECONDS] [io_uring|pwrite]")?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    let io_uring = if arguments.next().as_deref() == Some("pwrite") { Choice::Off } else { Choice::Auto };
    for writers in [1, 64, 1024] {
        measure(&directory, Duration::from_secs(seconds), io_uring, writers)?;
    }
    Ok(())
}

fn measure(directory: &str, time: Duration, io_uring: Choice, writers: usize) -> Result<(), Box<dyn Error>> {
    let shard = |_| Mutex::new(Shard { waiting: Vec::new(), in_flight: Default::default(), index: 0, offset: 0 });
    let load = Arc::new(Load {
        shards: (0..SHARDS).map(shard).collect(),
        log: std::sync::OnceLock::new(),
        latencies: Mutex::new(Histogram::new_with_max(60_000_000, 3)?),
        records: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        payload: Bytes::from(vec![7; RECORD_BYTES]),
    });
    let directory = format!("{directory}/{writers}");
    let disk = Arc::new(SystemDisk::open(&directory)?);
    let told = Arc::clone(&load);
    let on_durable = Box::new(move |shard, index, result: Result<(), _>| {
        result.expect("the disk works");
        told.durable(shard, index);
    });
    let config = LogConfig { io_uring, spare_segments: 3, ..LogConfig::default() };
    let opening = Instant::now();
    let Opened { log, writer, report, .. } = Log::open(disk, config, on_durable)?;
    println!("opened in {:.1?}, {} bytes scanned", opening.elapsed(), report.bytes_scanned);
    load.log.set(log.clone()).map_err(|_| "opened once")?;
    // What a broker has after its first minutes: recycled segments.
    while log.maintain()?.goes_on {}
    let maintenance = std::thread::spawn({
        let (log, load) = (log.clone(), Arc::clone(&load));
        move || maintain(&log, &load)
    });
    let thread = std::thread::spawn(move || writer.run());
    let (cpu, begun) = (cpu_seconds()?, Instant::now());
    for writer in 0..writers {
        let mut shard = load.shards[writer % SHARDS].lock().expect("no writer panics");
        shard.waiting.push(Instant::now());
    }
    for (number, shard) in load.shards.iter().enumerate() {
        load.propose(number, &mut shard.lock().expect("no writer panics"));
    }
    std::thread::sleep(time);
    load.stop.store(true, Ordering::Relaxed);
    tell(&load, &log, writers, begun.elapsed(), cpu_seconds()? - cpu)?;
    log.close();
    thread.join().map_err(|_| "the writer panicked")?;
    maintenance.join().map_err(|_| "maintenance panicked")?;
    Ok(())
}

/// Forgets what was written, so that segments are recycled whole: appends are measured here, not
/// the packing of what a retention leaves.
fn maintain(log: &Log, load: &Load) {
    while !load.stop.load(Ordering::Relaxed) {
        for number in 0..SHARDS {
            let stream = StreamId(number as u64);
            log.trim(stream, log.bounds(stream).end);
            let index = load.shards[number].lock().expect("no writer panics").in_flight.front().map(|entry| entry.0);
            if log.wal_bytes_since_checkpoint() > 256 << 20
                && let Some(index) = index
            {
                let shard = ShardId(u16::try_from(number).unwrap_or(0));
                log.save_checkpoint(shard, Term(1), LogIndex(index.0 - 1), b"state").expect("the disk works");
            }
        }
        log.maintain().expect("the disk works");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tell(load: &Load, log: &Log, writers: usize, time: Duration, cpu: f64) -> Result<(), Box<dyn Error>> {
    let records = load.records.load(Ordering::Relaxed);
    let (stats, latencies) = (log.stats(), load.latencies.lock().map_err(|_| "a writer panicked")?);
    let per_second = records as f64 / time.as_secs_f64();
    println!(
        "{:8} {:8} c={writers:5} {per_second:9.0} msg/s {:7.1} MB/s p50 {:5} us p99 {:6} us max {:6} us  \
         {:5.1} msg/block {:6.0} syncs/s cpu {:.2} us/msg",
        stats.writer,
        if stats.direct_io { "direct" } else { "buffered" },
        per_second * RECORD_BYTES as f64 / 1e6,
        latencies.value_at_quantile(0.5),
        latencies.value_at_quantile(0.99),
        latencies.max(),
        records as f64 / stats.blocks.max(1) as f64,
        stats.syncs as f64 / time.as_secs_f64(),
        cpu * 1e6 / records as f64,
    );
    Ok(())
}

/// Returns the processor time of this process so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = status.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}
