//! Numbers for whoever watches the log.

use std::sync::atomic::Ordering;

use omnibus_io::Caching;

use crate::shared::Shared;

/// What the log did since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStats {
    /// How blocks go to the disk: `io_uring` or `pwrite`.
    pub writer: &'static str,
    /// Whether the kernel's cache is bypassed.
    pub direct_io: bool,
    pub payload_bytes: u64,
    pub blocks: u64,
    pub entries: u64,
    pub syncs: u64,
    pub segments: u64,
    pub packs: u64,
    /// Empty segments, prepared and spare.
    pub spares: u64,
    /// Payload bytes that a stream still wants, about.
    pub live_bytes: u64,
    pub unsaved_bytes: u64,
    pub cache_bytes: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub cold_reads: u64,
    /// What the disk had free when last asked.
    pub free_bytes: u64,
    /// A write or sync failed; nothing is acknowledged any more.
    pub failed: bool,
}

pub(crate) fn stats(shared: &Shared) -> LogStats {
    let counters = &shared.counters;
    let cache = shared.cache.stats();
    let files = shared.files.lock();
    let live_bytes = files.segments.values().chain(files.packs.values()).map(|file| file.live()).sum();
    LogStats {
        writer: shared.device_name,
        direct_io: shared.caching == Caching::Direct,
        payload_bytes: counters.payload_bytes.load(Ordering::Relaxed),
        blocks: counters.blocks.load(Ordering::Relaxed),
        entries: counters.entries.load(Ordering::Relaxed),
        syncs: counters.syncs.load(Ordering::Relaxed),
        segments: files.segments.len() as u64,
        packs: files.packs.len() as u64,
        spares: (files.prepared.len() + files.spares.len()) as u64,
        live_bytes,
        unsaved_bytes: shared.unsaved_bytes(),
        cache_bytes: cache.bytes,
        cache_hits: cache.hits,
        cache_misses: cache.misses,
        cold_reads: counters.cold_reads.load(Ordering::Relaxed),
        free_bytes: shared.space.disk.load(Ordering::Relaxed),
        failed: shared.failure.get().is_some(),
    }
}
