//! What the log counts, by name and meaning; a name that ends in `_total` only grows.

use omnibus_engine::Engine;

/// Everything that the log counts: name, value, meaning.
pub(crate) fn log_counters(engine: &Engine) -> Vec<(&'static str, u64, &'static str)> {
    let stats = engine.log_stats();
    let io_uring = u64::from(stats.writer == "io_uring");
    vec![
        ("omnibus_log_payload_bytes_total", stats.payload_bytes, "Bytes of entries handed to the log."),
        ("omnibus_log_entries_total", stats.entries, "Entries written."),
        ("omnibus_log_blocks_total", stats.blocks, "Blocks written."),
        ("omnibus_log_syncs_total", stats.syncs, "Writes that were made durable."),
        ("omnibus_log_segments", stats.segments, "Files of the log that hold entries."),
        ("omnibus_log_packs", stats.packs, "Files of survivors of older segments."),
        ("omnibus_log_spare_segments", stats.spares, "Empty files that wait to be used."),
        ("omnibus_log_live_bytes", stats.live_bytes, "Bytes that a stream still holds, about."),
        ("omnibus_log_unsaved_bytes", stats.unsaved_bytes, "Bytes that a start would have to repeat."),
        ("omnibus_log_cache_bytes", stats.cache_bytes, "Memory that blocks and index pages take."),
        ("omnibus_log_cache_hits_total", stats.cache_hits, "Reads that found their block in memory."),
        ("omnibus_log_cache_misses_total", stats.cache_misses, "Reads that did not."),
        ("omnibus_log_cold_reads_total", stats.cold_reads, "Reads from the disk."),
        ("omnibus_log_free_bytes", stats.free_bytes, "Room on the disk when last asked."),
        ("omnibus_log_failed", u64::from(stats.failed), "Whether a write failed, so that nothing is acknowledged."),
        ("omnibus_log_direct_io", u64::from(stats.direct_io), "Whether the kernel's cache is bypassed."),
        ("omnibus_log_io_uring", io_uring, "Whether blocks are written through io_uring."),
    ]
}
