//! The writer on its own thread, and everybody else on theirs, until the power fails or the
//! process is killed: what was acknowledged is there, and nothing is missing before it.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use bytes::Bytes;
use omnibus_io::{Disk, FaultDisk, SystemDisk};
use omnibus_log::{Choice, Entry, EntryKind, Log, LogConfig, Opened, SubmitRefused, Writer};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};
use support::{Bench, batch, small};

const SHARDS: u16 = 4;
/// Entries of one shard that wait at once.
const AHEAD_MAX: u64 = 6;
/// How a child process knows what it is there for: its directory, and whether to use the ring.
const DIRECTORY: &str = "OMNIBUS_LOG_TEST_DIRECTORY";
const RING: &str = "OMNIBUS_LOG_TEST_RING";

/// What was answered so far.
#[derive(Default)]
struct Board {
    standing: Mutex<Standing>,
    changed: Condvar,
}

#[derive(Clone, Default)]
struct Standing {
    acknowledged: BTreeMap<ShardId, LogIndex>,
    answers: u64,
    failed: bool,
}

impl Board {
    fn note(&self, shard: ShardId, index: LogIndex, good: bool) {
        let mut standing = self.standing.lock().unwrap();
        standing.answers += 1;
        assert!(!(standing.failed && good), "an acknowledgement follows a failure");
        standing.failed |= !good;
        if good {
            let known = standing.acknowledged.insert(shard, index);
            assert!(known.is_none_or(|known| known.next() == index), "shard {shard}: {index} follows {known:?}");
        }
        self.changed.notify_all();
    }

    fn now(&self) -> Standing {
        self.standing.lock().unwrap().clone()
    }

    /// Waits until something is so, or nothing will be any more; returns what is.
    fn wait(&self, is_so: impl Fn(&Standing) -> bool) -> Standing {
        let standing = self.standing.lock().unwrap();
        self.changed.wait_while(standing, |standing| !standing.failed && !is_so(standing)).unwrap().clone()
    }
}

/// A log that is open, where each shard goes on, and what it answers.
struct Life {
    log: Log,
    writer: Writer,
    last: BTreeMap<ShardId, LogIndex>,
    board: Arc<Board>,
}

fn open(disk: &Arc<dyn Disk>, config: LogConfig, told: impl Fn(ShardId, LogIndex) + Send + 'static) -> Life {
    let board = Arc::new(Board::default());
    let answered = Arc::clone(&board);
    let on_durable = Box::new(move |shard, index, result: Result<(), _>| {
        if result.is_ok() {
            told(shard, index);
        }
        answered.note(shard, index, result.is_ok());
    });
    let Opened { log, writer, checkpoints, replay, .. } = Log::open(Arc::clone(disk), config, on_durable).unwrap();
    let mut last: BTreeMap<_, _> = checkpoints.iter().map(|saved| (saved.shard, saved.index)).collect();
    for entry in replay.map(Result::unwrap) {
        log.publish(entry.shard, entry.index);
        last.insert(entry.shard, entry.index);
    }
    board.standing.lock().unwrap().acknowledged.clone_from(&last);
    Life { log, writer, last, board }
}

/// Lets every part of the log work on a thread of its own, until writing fails.
fn live(life: Life) -> Arc<Board> {
    let Life { log, writer, last, board } = life;
    thread::scope(|scope| {
        scope.spawn(|| writer.run());
        for shard in (1..=SHARDS).map(ShardId) {
            let next = last.get(&shard).copied().unwrap_or_default().next();
            let (log, board) = (&log, &board);
            scope.spawn(move || append(log, board, shard, next));
        }
        scope.spawn(|| keep_house(&log, &board));
        scope.spawn(|| read(&log, &board));
    });
    board
}

fn append(log: &Log, board: &Board, shard: ShardId, first: LogIndex) {
    let stream = u64::from(shard.0);
    let mut base = log.bounds(StreamId(stream)).end.0;
    let mut index = first;
    loop {
        let before = board.now();
        let length = 200 + (index.0 as usize * 977) % 4000;
        let batches = vec![batch(stream, base, 2, length)];
        let head = Bytes::from_static(b"head");
        match log.submit(Entry {
            shard,
            term: Term(1),
            index,
            kind: EntryKind::Commands,
            head,
            bodies: Arc::default(),
            batches: Arc::new(batches),
        }) {
            Ok(()) => {
                base += 2;
                index = index.next();
            }
            Err(SubmitRefused::QueueFull | SubmitRefused::DiskFull) => {
                board.wait(|standing| standing.answers > before.answers);
            }
            Err(SubmitRefused::Closed | SubmitRefused::Failed(_)) => return,
            Err(error @ SubmitRefused::TooLarge { .. }) => panic!("{error}"),
        }
        let near = |standing: &Standing| {
            standing.acknowledged.get(&shard).copied().unwrap_or_default().0 + AHEAD_MAX >= index.0
        };
        if let Some(acknowledged) = board.wait(near).acknowledged.get(&shard) {
            log.publish(shard, *acknowledged);
        }
    }
}

/// Saves, trims and keeps the files in order, as often as something happens.
fn keep_house(log: &Log, board: &Board) {
    loop {
        let before = board.now();
        if before.failed || log.maintain().is_err() {
            return;
        }
        for (shard, index) in &before.acknowledged {
            if before.answers % 7 == u64::from(shard.0) {
                let stream = StreamId(u64::from(shard.0));
                log.publish(*shard, *index);
                log.trim(stream, Offset(log.bounds(stream).end.0.saturating_sub(60) / 2 * 2));
                if log.save_checkpoint(*shard, Term(1), *index, b"state").is_err() {
                    return;
                }
            }
        }
        board.wait(|standing| standing.answers > before.answers);
    }
}

/// Reads what is published: it is what was written, without gaps.
fn read(log: &Log, board: &Board) {
    loop {
        let before = board.now();
        for stream in (1..=u64::from(SHARDS)).map(StreamId) {
            let bounds = log.bounds(stream);
            // It may be trimmed, or the power may fail, before it is read.
            let Ok(plan) = log.plan(stream, bounds.start, 20_000) else { continue };
            let Ok(found) = log.load(&plan) else { continue };
            support::batches_of(&found.concat()).iter().fold(None, |next, (of, base, count, _)| {
                assert_eq!(*of, stream);
                assert!(next.is_none_or(|next| next == *base), "{next:?} is missing in stream {stream}");
                Some(base.plus(u64::from(*count)))
            });
        }
        if before.failed {
            return;
        }
        board.wait(|standing| standing.answers > before.answers);
    }
}

/// Opens what is left: every shard is there up to what was acknowledged, without gaps.
fn check(disk: &Arc<dyn Disk>, config: LogConfig, acknowledged: &BTreeMap<ShardId, LogIndex>) {
    let bench = Bench::open(disk, config).unwrap();
    let mut last = bench.saved.clone();
    for entry in &bench.replayed {
        let before = last.insert(entry.shard, entry.index).unwrap_or_default();
        assert_eq!(before.next(), entry.index, "shard {}", entry.shard);
    }
    for (shard, index) in acknowledged {
        assert!(last.get(shard) >= Some(index), "shard {shard}: {index} was acknowledged, {last:?} is left");
        let stream = StreamId(u64::from(shard.0));
        assert_eq!(bench.log.bounds(stream).end, Offset(last[shard].0 * 2));
        bench.read_all(stream).unwrap();
    }
}

#[test]
fn a_power_cut_among_threads_loses_nothing_acknowledged() {
    for seed in 0..30 {
        let memory = FaultDisk::new(seed);
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        for _ in 0..2 {
            let life = open(&disk, small(), |_, _| {});
            let board = Arc::clone(&life.board);
            let power = memory.clone();
            let cut = thread::spawn(move || {
                board.wait(|standing| standing.answers > 40 + seed * 13);
                power.cut_power();
            });
            let acknowledged = live(life).now().acknowledged;
            cut.join().unwrap();
            memory.restart();
            let left: Arc<dyn Disk> = Arc::new(memory.fork(seed));
            check(&left, small(), &acknowledged);
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk::open(directory).unwrap());
        let ring = if std::env::var_os(RING).is_some() { Choice::Auto } else { Choice::Off };
        let config = LogConfig { io_uring: ring, ..small() };
        live(open(&disk, config, |shard, index| {
            writeln!(std::io::stdout(), "acknowledged {shard} {index}").unwrap();
        }));
        return;
    }
    for ring in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mut acknowledged = BTreeMap::new();
        for life in 0..4 {
            kill_one(directory.path(), ring, 100 + life * 150, &mut acknowledged);
            let disk: Arc<dyn Disk> = Arc::new(SystemDisk::open(directory.path()).unwrap());
            check(&disk, small(), &acknowledged);
        }
    }
}

/// Runs this test in another process, which is killed when it has acknowledged so many entries.
fn kill_one(directory: &std::path::Path, ring: bool, entries: usize, acknowledged: &mut BTreeMap<ShardId, LogIndex>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_killed_process_loses_nothing_acknowledged", "--nocapture"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped());
    if ring {
        command.env(RING, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map_while(Result::ok) {
        let mut words = line.rsplit(' ');
        let (index, shard) = (words.next().map(str::parse), words.next().map(str::parse));
        if let (Some(Ok(index)), Some(Ok(shard)), Some("acknowledged")) = (index, shard, words.next()) {
            acknowledged.insert(ShardId(shard), LogIndex(index));
            count += 1;
            if count == entries {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(count >= entries, "the process ended by itself after {count} entries");
}
