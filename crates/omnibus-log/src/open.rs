//! Opening a log: its root, its parts, and everything put together.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use omnibus_io::{Access, Caching, Disk};
use omnibus_model::ShardId;
use omnibus_model::{Bug, planted};
use parking_lot::Mutex;

use crate::cache::Cache;
use crate::checkpoint::{CheckpointContent, CheckpointName};
use crate::config::{Choice, LogConfig};
use crate::device::Device;
use crate::entry::Checkpoint;
use crate::error::{Action, Damage, Gravity, LogError, OnDurable};
use crate::file::FileKind;
use crate::manifest::{self, FileList, Manifest};
use crate::mark::{MarkTable, Marks};
use crate::queue::Queue;
use crate::recover::{Recovery, RecoveryReport};
use crate::replay::Replay;
use crate::ring::Ring;
use crate::segments::probe_direct;
use crate::shared::{Counters, Shared, Space};
use crate::superblock::Superblock;
use crate::underway::Underway;
use crate::verify::examine;
use crate::writer::{Tail, Writer};

/// An open log in its parts.
#[derive(Debug)]
pub(crate) struct OpenParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    pub(crate) incarnation: u64,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) replay: Replay,
    pub(crate) marks: BTreeMap<ShardId, Marks>,
    pub(crate) report: RecoveryReport,
}

/// Opens a log, making it if the disk is empty.
pub(crate) fn open(disk: Arc<dyn Disk>, config: LogConfig, on_durable: OnDurable) -> Result<OpenParts, LogError> {
    config.check()?;
    for directory in ["wal", "pack", "ckpt", manifest::DIRECTORY] {
        disk.create_dir(directory).map_err(|source| io_error(Action::Name, directory, source))?;
    }
    let (mut root, created) = load_root(disk.as_ref(), &config)?;
    let mut manifest = Manifest::open(disk.as_ref(), root.log, root.manifest, Access::Write)?;
    let checkpoints = load_checkpoints(disk.as_ref(), root.log, &manifest.list)?;
    let (caching, device) = choose(disk.as_ref(), &config)?;
    let mut recovery = Recovery::new(disk.as_ref(), caching, &root);
    recovery.rebuild(&manifest.list, &checkpoints).map_err(|error| with_affected(disk.as_ref(), error))?;
    let (tail, replay) = recovery.tail_and_replay()?;
    for directory in [FileKind::Segment.directory(), FileKind::Pack.directory(), manifest::DIRECTORY] {
        disk.sync_dir(directory).map_err(|source| io_error(Action::Write, directory, source))?;
    }
    if !created && !planted(Bug::ManifestTrusted) {
        renew_manifest(disk.as_ref(), &mut root, &mut manifest)?;
    }
    root.incarnation += u64::from(!planted(Bug::TermReused));
    root.durable_seq = recovery.seq_next - 1;
    root.save(disk.as_ref())?;
    let incarnation = root.incarnation;
    let seq_next = recovery.seq_next;
    let report = RecoveryReport { created, ..std::mem::take(&mut recovery.report) };
    let files = std::mem::take(&mut recovery.files);
    let shared = Arc::new(Shared {
        identity: root.log,
        caching,
        device_name: device.name(),
        index: recovery.index,
        cache: Cache::new(config.cache_bytes),
        underway: Underway::default(),
        pending: recovery.pending,
        queue: Queue::new(config.queued_entries_max),
        files: Mutex::new(files),
        manifest: Mutex::new(manifest),
        superblock: Mutex::new(root),
        shards: Mutex::new(recovery.shards),
        marks: Mutex::new(MarkTable::new(recovery.found.marks.clone())),
        kept: Mutex::new(recovery.found.kept),
        space: Space::default(),
        counters: Counters::default(),
        failure: OnceLock::new(),
        root_has_rotted: AtomicBool::new(false),
        maintenance: Mutex::new(()),
        zeroing: Mutex::default(),
        disk: Arc::clone(&disk),
        config,
    });
    Counters::add(&shared.counters.written_bytes, recovery.written_bytes);
    shared.remove_leftovers()?;
    let tail = tail.map_or_else(|| first_tail(&shared, seq_next), Ok)?;
    shared.refresh_space();
    tell(&shared, &report, incarnation);
    let writer = Writer::new(Arc::clone(&shared), device, tail, on_durable);
    let checkpoints = checkpoints.into_iter().map(checkpoint).collect();
    Ok(OpenParts { shared, writer, incarnation, checkpoints, replay, marks: recovery.found.marks, report })
}

impl LogConfig {
    /// Whether a log can be opened like this.
    ///
    /// # Errors
    /// `Config` if a value is out of its bounds.
    pub fn check(&self) -> Result<(), LogError> {
        let bad = |field, value, rule| Err(LogError::Config { field, value, rule });
        if !self.segment_bytes.is_multiple_of(4096) || !(1 << 16..1 << 31).contains(&self.segment_bytes) {
            return bad("segment_bytes", self.segment_bytes, "a multiple of 4096 from 64 KiB to 2 GiB");
        }
        let block_bytes = self.block_bytes_max as u64;
        if !(4096..=self.segment_bytes / 2).contains(&block_bytes) {
            return bad("block_bytes_max", block_bytes, "from 4096 to half of segment_bytes");
        }
        if !(1..1 << 15).contains(&self.queued_entries_max) {
            return bad("queued_entries_max", self.queued_entries_max as u64, "from 1 to 32767");
        }
        Ok(())
    }
}

/// Reads the root page, or makes a new log where there is nothing at all.
fn load_root(disk: &dyn Disk, config: &LogConfig) -> Result<(Superblock, bool), LogError> {
    let copies = Superblock::load(disk)?;
    for path in &copies.damaged {
        tracing::warn!(path, "a copy of the root page is damaged; the other one counts");
    }
    if let Some(root) = copies.newest {
        return Ok((root, false));
    }
    for directory in ["wal", "pack", "ckpt"] {
        let names = disk.list(directory).map_err(|source| io_error(Action::Read, directory, source))?;
        // A log that was never finished opening has none of these.
        if names.iter().any(|name| name.ends_with(".seg") || name.ends_with(".pk") || directory == "ckpt") {
            return Err(root_lost());
        }
    }
    let manifest = Manifest::create(disk, config.identity, 1, FileList::default())?;
    let root =
        Superblock { generation: 0, log: config.identity, incarnation: 0, manifest: manifest.number, durable_seq: 0 };
    Ok((root, true))
}

/// Writes the list of files anew: after a failed sync the kernel may show edits that no later
/// sync writes. A disk without room for it keeps the old one.
fn renew_manifest(disk: &dyn Disk, root: &mut Superblock, manifest: &mut Manifest) -> Result<(), LogError> {
    match Manifest::create(disk, root.log, manifest.number + 1, manifest.list.clone()) {
        Ok(renewed) => *manifest = renewed,
        Err(error) if error.is_disk_full() => return Ok(()),
        Err(error) => return Err(error),
    }
    root.manifest = manifest.number;
    Ok(())
}

fn root_lost() -> LogError {
    LogError::Damaged(Box::new(Damage {
        file: "SUPER.a".to_owned(),
        position: 0,
        block_seq: None,
        what: "both copies of the root page",
        affected: Vec::new(),
        gravity: Gravity::Acknowledged,
    }))
}

fn load_checkpoints(
    disk: &dyn Disk,
    log: u64,
    list: &FileList,
) -> Result<Vec<(CheckpointName, CheckpointContent)>, LogError> {
    let names = list.checkpoints.iter();
    let names = names.map(|(&shard, &(term, index))| CheckpointName { log, shard, term, index });
    names.map(|name| Ok((name, name.load(disk)?))).collect()
}

fn checkpoint((name, content): (CheckpointName, CheckpointContent)) -> Checkpoint {
    Checkpoint { shard: name.shard, term: name.term, index: name.index, state: content.state }
}

/// Chooses the way to the disk: the fastest that the machine allows.
fn choose(disk: &dyn Disk, config: &LogConfig) -> Result<(Caching, Device), LogError> {
    let caching = match (config.direct_io, probe_direct(disk)) {
        (Choice::Off, _) => Caching::Kernel,
        (_, Ok(())) => Caching::Direct,
        // That is the disk's trouble, not its opinion.
        (_, Err(source)) if source.raw_os_error() == Some(libc::EIO) => {
            return Err(io_error(Action::Open, "wal/probe", source));
        }
        (Choice::On, Err(source)) => return Err(LogError::Refused { feature: "direct I/O", source }),
        (Choice::Auto, Err(error)) => {
            tracing::warn!(%error, "direct I/O is refused, writing through the kernel's cache");
            Caching::Kernel
        }
    };
    let plain = Device::Plain { unsynced: Vec::new() };
    let device = match config.io_uring {
        Choice::Off => plain,
        Choice::On | Choice::Auto => match open_ring(disk) {
            Ok(ring) => Device::Ring(Box::new(ring)),
            Err(source) if config.io_uring == Choice::On => {
                return Err(LogError::Refused { feature: "io_uring", source });
            }
            Err(error) => {
                tracing::info!(%error, "no io_uring, writing with pwrite and fdatasync");
                plain
            }
        },
    };
    Ok((caching, device))
}

fn open_ring(disk: &dyn Disk) -> io::Result<Ring> {
    let mode = omnibus_io::OpenMode { access: Access::Read, caching: Caching::Kernel };
    let root = disk.open(&manifest_path_any(disk)?, mode)?;
    root.descriptor().ok_or(io::ErrorKind::Unsupported)?;
    Ring::open()
}

fn manifest_path_any(disk: &dyn Disk) -> io::Result<String> {
    let names = disk.list(manifest::DIRECTORY)?;
    let name = names.first().ok_or(io::ErrorKind::NotFound)?;
    Ok(format!("{}/{name}", manifest::DIRECTORY))
}

fn first_tail(shared: &Shared, seq_next: u64) -> Result<Tail, LogError> {
    let file = shared.begin_segment(shared.config.segment_bytes, seq_next)?;
    let capacity = file.handle.size().map_err(|source| io_error(Action::Read, &file.path, source))?;
    let unwritten = file.facts.lock().unwritten;
    let durable_seq = seq_next - 1;
    Ok(Tail { file, position: 0, capacity, unwritten, rows: 0, seq_next, durable_seq, previous_crc: 0 })
}

/// Says what is affected by the damage for which opening is refused.
fn with_affected(disk: &dyn Disk, error: LogError) -> LogError {
    let LogError::Damaged(damage) = error else { return error };
    match examine(disk) {
        Ok(report) => {
            let same = |found: &Damage| found.file == damage.file && found.position == damage.position;
            let found = report.damage.into_iter().find(|found| same(found) && found.gravity == damage.gravity);
            found.map_or(LogError::Damaged(damage), LogError::from)
        }
        Err(_unreadable) => LogError::Damaged(damage),
    }
}

fn tell(shared: &Shared, report: &RecoveryReport, incarnation: u64) {
    if let Some(torn) = &report.torn_tail {
        tracing::warn!(%torn, "wiped a torn tail");
    }
    tracing::info!(
        incarnation,
        writer = shared.device_name,
        direct = shared.caching == Caching::Direct,
        segments = report.segments,
        packs = report.packs,
        blocks_scanned = report.blocks_scanned,
        bytes_scanned = report.bytes_scanned,
        "the log is open"
    );
}

impl Shared {
    /// Removes files that no edit of the manifest speaks for: their making or removal was
    /// not finished. Empty segments among them become spares again.
    fn remove_leftovers(&self) -> Result<(), LogError> {
        let list = self.manifest.lock().list.clone();
        for kind in [FileKind::Segment, FileKind::Pack] {
            let directory = kind.directory();
            let names = self.disk.list(directory).map_err(|source| io_error(Action::Read, directory, source))?;
            for name in names {
                self.settle_leftover(&list, &format!("{directory}/{name}"))?;
            }
        }
        self.remove_old(manifest::DIRECTORY, |path| path != manifest::path(self.superblock.lock().manifest))?;
        for (&shard, &(term, index)) in &list.checkpoints {
            let name = CheckpointName { log: self.identity, shard, term, index };
            self.remove_old(&CheckpointName::directory(shard), |path| path != name.path())?;
        }
        Ok(())
    }

    fn settle_leftover(&self, list: &FileList, path: &str) -> Result<(), LogError> {
        let listed = list.segments.keys().any(|&number| FileKind::Segment.path(number) == path)
            || list.packs.iter().any(|&number| FileKind::Pack.path(number) == path);
        if listed {
            return Ok(());
        }
        if path.ends_with(".spare") || path.ends_with(".seg") {
            self.keep_as_spare(path)
        } else {
            self.disk.remove(path).map_err(|source| io_error(Action::Name, path, source))
        }
    }

    /// Removes the files of a directory that `is_old` names.
    pub(crate) fn remove_old(&self, directory: &str, is_old: impl Fn(&str) -> bool) -> Result<(), LogError> {
        let names = self.disk.list(directory).map_err(|source| io_error(Action::Read, directory, source))?;
        let paths = names.iter().map(|name| format!("{directory}/{name}"));
        for path in paths.filter(|path| is_old(path)) {
            self.disk.remove(&path).map_err(|source| io_error(Action::Name, &path, source))?;
        }
        Ok(())
    }
}

fn io_error(action: Action, path: &str, source: io::Error) -> LogError {
    LogError::Io { action, path: path.to_owned(), source }
}
