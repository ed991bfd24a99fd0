//! Housekeeping, asked for again and again: seals, packs and recycles files, prepares new
//! segments, and saves checkpoints.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};

use crate::buffer::{PAGE_BYTES, pages_of};
use crate::checkpoint::CheckpointName;
use crate::error::{Action, LogError};
use crate::file::{FileKind, LogFile};
use crate::footer::{FooterFound, FooterOf, FooterRun, load_footer, write_footer};
use crate::index::{Rows, Run};
use crate::manifest::{self, Edit, Manifest};
use crate::pack::{Cover, PackWriter};
use crate::row::Row;
use crate::rows::{Miss, Patience, Reader};
use crate::shared::Shared;

/// What one round of housekeeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintainReport {
    pub segments_sealed: u64,
    pub segments_recycled: u64,
    pub segments_prepared: u64,
    pub files_packed: u64,
    pub packs_removed: u64,
    pub manifest_rotated: bool,
    /// A segment is half made: it is ready sooner if the next round comes soon.
    pub goes_on: bool,
    /// Something was left undone for want of room.
    pub disk_full: bool,
}

/// Does what there is to do, a bounded part of it.
pub(crate) fn maintain(shared: &Shared) -> Result<MaintainReport, LogError> {
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    let mut report = MaintainReport::default();
    let done = shared.watch(house_keeping(shared, &mut report));
    report.goes_on = shared.is_zeroing();
    shared.refresh_space();
    // A writer that waits for room may have some now.
    shared.queue.call();
    match done {
        Err(error) if error.is_disk_full() => report.disk_full = true,
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    Ok(report)
}

fn house_keeping(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    free_dead_files(shared, report)?;
    shared.release_spares()?;
    shared.allow_zeros();
    prepare_segments(shared, report)?;
    seal_segments(shared, report)?;
    if pack_survivors(shared, report)? {
        free_dead_files(shared, report)?;
    }
    rotate_manifest(shared, report)
}

/// Gives up files that no stream, no replay and no reader needs (I6, I7).
fn free_dead_files(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    let dead: Vec<Arc<LogFile>> = {
        let files = shared.files.lock();
        let newest = files.segments.values().filter_map(|file| file.facts.lock().last_block).max();
        let all = files.segments.values().chain(files.packs.values());
        let is_dead = |file: &&Arc<LogFile>| is_dead(shared, file) && !has_newest_marks(shared, file, newest);
        all.filter(is_dead).map(Arc::clone).collect()
    };
    for file in dead {
        free(shared, &file)?;
        match file.kind {
            FileKind::Segment => report.segments_recycled += 1,
            FileKind::Pack => report.packs_removed += 1,
        }
    }
    Ok(())
}

/// Whether only the table of files still holds it, and no shard would have to replay it.
fn is_dead(shared: &Shared, file: &Arc<LogFile>) -> bool {
    Arc::strong_count(file) == 1 && file.facts.lock().closed && !is_needed(shared, file)
}

/// Whether a shard would have to replay something of it after a crash.
pub(crate) fn is_needed(shared: &Shared, file: &LogFile) -> bool {
    let ranges = file.facts.lock().shards.clone();
    let shards = shared.shards.lock();
    let marks = shared.marks.lock();
    ranges.iter().any(|(shard, (_, last))| {
        let purged = marks.durable.get(shard).map_or(LogIndex(u64::MAX), |marks| marks.purged.index);
        shards.get(shard).is_none_or(|facts| *last > facts.checkpoint.min(purged))
    })
}

/// Whether no later segment has repeated the marks that a segment begins with.
fn has_newest_marks(shared: &Shared, file: &LogFile, newest: Option<(u64, u32)>) -> bool {
    let is_newest =
        file.kind == FileKind::Segment && file.facts.lock().last_block.is_some_and(|last| newest <= Some(last));
    is_newest && !shared.marks.lock().durable.is_empty()
}

fn free(shared: &Shared, file: &Arc<LogFile>) -> Result<(), LogError> {
    assert_eq!(file.live(), 0, "{} is given up with live bytes", file.path);
    let edit = match file.kind {
        FileKind::Segment => Edit::RemoveSegment(file.number),
        FileKind::Pack => Edit::RemovePack(file.number),
    };
    shared.manifest.lock().append(&[edit])?;
    {
        let mut files = shared.files.lock();
        match file.kind {
            FileKind::Segment => files.segments.remove(&file.number),
            FileKind::Pack => files.packs.remove(&file.number),
        };
    }
    assert_eq!(Arc::strong_count(file), 1, "{} is given up under a reader", file.path);
    match file.kind {
        FileKind::Segment if !file.facts.lock().unwritten => shared.keep_as_spare(&file.path),
        FileKind::Segment | FileKind::Pack => {
            shared.disk.remove(&file.path).map_err(|source| LogError::io(Action::Name, &file.path, source))
        }
    }
}

/// Keeps empty segments ahead of the writer, as long as they do not take the last room.
fn prepare_segments(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    let missing = |shared: &Shared| {
        let few = shared.files.lock().spares.len() < shared.config.spare_segments;
        (!shared.has_zeroed_segment(), few)
    };
    for _ in 0..=shared.config.spare_segments {
        let (prepared_missing, spare_missing) = missing(shared);
        if !prepared_missing && !spare_missing {
            return Ok(());
        }
        if shared.files.lock().spares.is_empty() || !prepared_missing {
            let free = shared.disk.free_bytes().map_err(|source| LogError::io(Action::Read, ".", source))?;
            if free < shared.config.segment_bytes * 2 {
                return Ok(());
            }
            if !shared.zero_spare()? {
                return prepare_fallback(shared, report);
            }
        }
        if prepared_missing {
            shared.prepare_segment()?;
        }
        report.segments_prepared += 1;
    }
    Ok(())
}

/// Prepares a segment that is slower to write to, so that the writer need not stop to make one, if
/// it may need one before the next is zeroed.
fn prepare_fallback(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    let is_soon = shared.space.active.load(Ordering::Relaxed) < shared.config.segment_bytes / 2;
    if is_soon && shared.files.lock().prepared.is_empty() {
        shared.prepare_segment()?;
        report.segments_prepared += 1;
    }
    Ok(())
}

/// Moves the index of finished segments from memory to their ends.
fn seal_segments(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    let ready = |file: &&Arc<LogFile>| {
        let facts = file.facts.lock();
        facts.closed && facts.footer.is_none() && file.unpublished.load(Ordering::Acquire) == 0
    };
    let closed: Vec<_> = shared.files.lock().segments.values().filter(ready).map(Arc::clone).collect();
    for file in closed {
        seal(shared, &file)?;
        report.segments_sealed += 1;
    }
    Ok(())
}

fn seal(shared: &Shared, file: &Arc<LogFile>) -> Result<(), LogError> {
    let facts = file.facts.lock().clone();
    let (runs, rows) = rows_in_memory(shared, file, &facts.touched);
    let failed = |source| LogError::io(Action::Write, &file.path, source);
    if facts.unwritten {
        // The writer left it early; the rest of its room goes back to the disk.
        file.handle.set_len(pages_of(facts.data_end)).map_err(failed)?;
    }
    let of = FooterOf::of(shared.identity, file);
    let footer = write_footer(file.handle.as_ref(), of, &facts, runs, &rows);
    let footer = footer.map_err(failed)?;
    {
        let mut facts = file.facts.lock();
        facts.footer = Some(footer.place);
        facts.touched = Vec::new();
    }
    for sealed in footer.runs {
        shared.index.change(sealed.stream, |stream| {
            let of_file = |run: &&mut Run| Arc::ptr_eq(&run.file, file) && run.base == sealed.base;
            if let Some(run) = stream.runs.iter_mut().find(of_file) {
                run.rows = Rows::Footer { first: sealed.first, count: sealed.count };
            }
        });
    }
    Ok(())
}

/// Collects a segment's rows from the streams that have them, in the order of a footer.
fn rows_in_memory(shared: &Shared, file: &Arc<LogFile>, touched: &[StreamId]) -> (Vec<FooterRun>, Vec<Row>) {
    let streams: BTreeSet<StreamId> = touched.iter().copied().collect();
    let (mut runs, mut rows) = (Vec::new(), Vec::new());
    for stream in streams {
        shared.index.change(stream, |known| {
            for run in known.runs.iter().filter(|run| Arc::ptr_eq(&run.file, file)) {
                let Rows::Memory(of_run) = &run.rows else { continue };
                let number = |length| u32::try_from(length).expect("a segment has fewer rows");
                runs.push(FooterRun {
                    stream,
                    shard: known.shard,
                    base: run.base,
                    end: run.end,
                    timestamp_max: run.timestamp_max,
                    bytes: run.bytes,
                    first: number(rows.len()),
                    count: number(of_run.len()),
                });
                rows.extend_from_slice(of_run);
            }
        });
    }
    (runs, rows)
}

/// Copies what lives in files that are mostly dead into a new pack; returns whether it did.
fn pack_survivors(shared: &Shared, report: &mut MaintainReport) -> Result<bool, LogError> {
    let sparse: Vec<Arc<LogFile>> = {
        let files = shared.files.lock();
        let all = files.segments.values().chain(files.packs.values());
        all.filter(|file| is_sparse(shared, file)).map(Arc::clone).collect()
    };
    if let [file] = &sparse[..]
        && is_packed_well(file)
        && !file.facts.lock().rotten
    {
        return Ok(false);
    }
    let mut runs = Vec::new();
    let (mut bytes, mut files) = (0, 0);
    for file in sparse {
        // A body that many shared may live for the sake of one.
        bytes += file.live() + file.facts.lock().bodies_bytes;
        if !runs.is_empty() && bytes > shared.config.segment_bytes {
            break;
        }
        runs.extend(live_runs(shared, &file));
        files += 1;
    }
    if runs.is_empty() {
        return Ok(false);
    }
    runs.sort_unstable_by_key(|(cover, _)| (cover.stream, cover.base));
    let mut pack = PackWriter::create(shared)?;
    match copy_runs(shared, &mut pack, &runs) {
        Ok(()) => {
            drop(runs);
            report.files_packed += files;
            pack.finish().map(|()| true)
        }
        // The file that cannot be read was set aside; the others wait for the next round.
        Err(LogError::Read(_)) => {
            pack.abandon();
            Ok(false)
        }
        Err(error) => {
            pack.abandon();
            Err(error)
        }
    }
}

fn is_sparse(shared: &Shared, file: &Arc<LogFile>) -> bool {
    let live = file.live();
    let facts = file.facts.lock();
    let is_due = live < facts.data_end / 2 || facts.rotten;
    let sparse = facts.footer.is_some() && !facts.damaged && live > 0 && is_due;
    drop(facts);
    sparse && !is_needed(shared, file)
}

/// Whether a file is a pack that is short because it holds little: it is worth a new one only together
/// with others.
fn is_packed_well(file: &LogFile) -> bool {
    let payload_bytes = file.facts.lock().data_end.saturating_sub(PAGE_BYTES as u64);
    file.kind == FileKind::Pack && file.live() >= payload_bytes / 2
}

fn live_runs(shared: &Shared, file: &Arc<LogFile>) -> Vec<(Cover, Run)> {
    let mut runs = Vec::new();
    for stream in streams_of(shared, file) {
        shared.index.with(stream, |known| {
            let Some(known) = known else { return };
            for run in known.runs.iter().filter(|run| Arc::ptr_eq(&run.file, file)) {
                let cover = Cover { stream, shard: known.shard, base: run.base, end: run.end };
                runs.push((cover, run.clone()));
            }
        });
    }
    runs
}

/// The streams that may have something in a file.
fn streams_of(shared: &Shared, file: &Arc<LogFile>) -> BTreeSet<StreamId> {
    if file.facts.lock().rotten {
        // Its index may be what has rotted.
        return shared.index.streams().into_iter().collect();
    }
    let footer = match load_footer(file.handle.as_ref(), FooterOf::of(shared.identity, file)) {
        Ok(FooterFound::Sound(footer)) => footer,
        Ok(_) => {
            set_aside(file, &"its index is damaged");
            return BTreeSet::new();
        }
        Err(error) => {
            set_aside(file, &error);
            return BTreeSet::new();
        }
    };
    footer.runs.iter().map(|run| run.stream).collect()
}

/// Lets a file that cannot be read stay as it is, until the next start looks at it again.
fn set_aside(file: &LogFile, reason: &dyn fmt::Display) {
    tracing::error!(path = file.path, %reason, "a file cannot be packed; it stays as it is");
    file.facts.lock().damaged = true;
}

fn copy_runs(shared: &Shared, pack: &mut PackWriter<'_>, runs: &[(Cover, Run)]) -> Result<(), LogError> {
    for (cover, run) in runs {
        pack.begin(*cover);
        let start = shared.index.with(cover.stream, |known| known.map_or(run.end, |known| known.start));
        if start < run.end
            && let Err(error) = copy_run(shared, pack, (cover.stream, run, start))
        {
            if matches!(error, LogError::Read(_)) {
                set_aside(&run.file, &error);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn copy_run(
    shared: &Shared,
    pack: &mut PackWriter<'_>,
    (stream, run, start): (StreamId, &Run, Offset),
) -> Result<(), LogError> {
    let reader = Reader { shared, patience: Patience::Disk };
    let mut rows = Vec::new();
    let read = reader.rows_from(stream, run, start.max(run.base), |row| {
        rows.push(row);
        true
    });
    read.map_err(Miss::into_error)?;
    for row in rows {
        if row.shares().is_some() {
            let own = reader.own_part(stream, &run.file, &row).map_err(Miss::into_error)?;
            let load = || Ok(reader.body(stream, (&run.file, &row), &own).map_err(Miss::into_error)?);
            pack.push_sharing(row, ((run.file.key(), own.body), &own), load)?;
            continue;
        }
        let (payload, _) =
            reader.payload(&run.file, row.position.into(), row.stored_bytes().into()).map_err(Miss::into_error)?;
        row.check(&payload, stream, &run.file)?;
        pack.push(row, &payload)?;
    }
    Ok(())
}

fn rotate_manifest(shared: &Shared, report: &mut MaintainReport) -> Result<(), LogError> {
    let mut manifest = shared.manifest.lock();
    if manifest.bytes() <= shared.config.manifest_bytes_max && !shared.root_has_rotted.swap(false, Ordering::Relaxed) {
        return Ok(());
    }
    let number = manifest.number + 1;
    let next = Manifest::create(shared.disk.as_ref(), shared.identity, number, manifest.list.clone())?;
    let mut root = shared.superblock.lock();
    root.manifest = number;
    root.save(shared.disk.as_ref())?;
    *manifest = next;
    report.manifest_rotated = true;
    drop((manifest, root));
    shared.remove_old(manifest::DIRECTORY, |path| path != manifest::path(number))
}

/// Saves a shard's state as it is after `index`, and its streams' bounds beside it.
pub(crate) fn save_checkpoint(
    shared: &Shared,
    shard: ShardId,
    (term, index): (Term, LogIndex),
    state: &[u8],
) -> Result<(), LogError> {
    let _alone = shared.maintenance.lock();
    shared.check_failure()?;
    let name = CheckpointName { log: shared.identity, shard, term, index };
    let saved = save(shared, &name, state);
    shared.watch(saved)
}

fn save(shared: &Shared, name: &CheckpointName, state: &[u8]) -> Result<(), LogError> {
    let CheckpointName { shard, index, .. } = *name;
    let durable = shared.shards.lock().get(&shard).map_or(LogIndex(0), |facts| facts.last.max(facts.checkpoint));
    assert!(index <= durable, "shard {shard}: a checkpoint at {index} goes beyond the durable {durable} (I5)");
    let is_rotten = shared.shards.lock().get(&shard).is_some_and(|facts| facts.checkpoint_has_rotted);
    let is_known = |saved: LogIndex| if is_rotten { saved > index } else { saved >= index };
    if shared.manifest.lock().list.checkpoints.get(&shard).is_some_and(|(_, saved)| is_known(*saved)) {
        // It says the same and must not be half written, or more, which may be purged by now.
        return Ok(());
    }
    make_count(shared, name, state)
}

/// Saves a state, and the bounds of its streams as they are, so that it counts.
pub(crate) fn make_count(shared: &Shared, name: &CheckpointName, state: &[u8]) -> Result<(), LogError> {
    let CheckpointName { shard, term, index, .. } = *name;
    name.save(shared.disk.as_ref(), &shared.index.bounds_of_shard(shard), state)?;
    shared.manifest.lock().append(&[Edit::Checkpoint { shard, term, index }])?;
    let written_bytes = shared.counters.written_bytes.load(Ordering::Relaxed);
    shared.shards.lock().entry(shard).or_default().saved(index, written_bytes);
    shared.remove_old(&CheckpointName::directory(shard), |path| path != name.path())
}
