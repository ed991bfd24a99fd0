//! What a log may use: files, memory, and which ways to the disk.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// The limits and choices of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How long a segment is; a single larger entry gets a longer one.
    pub segment_bytes: u64,
    /// How long a block may get by gathering entries; a single larger entry is its own block.
    pub block_bytes_max: usize,
    /// How long a single entry may be.
    pub entry_bytes_max: u64,
    /// What blocks and index pages may take in memory.
    pub cache_bytes: u64,
    /// What the disk must have room for before an append is accepted (I13).
    pub reserve_bytes: u64,
    /// How many empty segments wait to be used, beside the next one.
    pub spare_segments: usize,
    /// How many bytes of a new segment one round of maintenance zeroes.
    pub zeroed_bytes_at_once: u64,
    /// How many segments that emptied are kept to be written again, rather than removed, as long
    /// as the disk has more free than is reserved.
    pub recycled_segments_max: usize,
    /// How many entries may wait for the writer.
    pub queued_entries_max: usize,
    /// After how long an idle writer announces what became durable last.
    pub seal_after: Duration,
    /// How long the manifest may get before it is written anew.
    pub manifest_bytes_max: u64,
    /// Whether to bypass the kernel's cache.
    pub direct_io: Choice,
    /// Whether to write through io_uring, two blocks at a time.
    pub io_uring: Choice,
    /// The name of a log that is created now, drawn at random: blocks of other logs are strangers.
    pub identity: u64,
}

/// Whether to use what the machine may refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// If the machine lets us.
    #[default]
    Auto,
    /// Or do not open.
    On,
    Off,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 256 * MIB,
            block_bytes_max: 1 << 20,
            entry_bytes_max: 64 * MIB,
            cache_bytes: 64 * MIB,
            reserve_bytes: 3 * 256 * MIB,
            spare_segments: 1,
            zeroed_bytes_at_once: 512 << 10,
            recycled_segments_max: 8,
            queued_entries_max: 256,
            seal_after: Duration::from_millis(20),
            manifest_bytes_max: MIB,
            direct_io: Choice::Auto,
            io_uring: Choice::Auto,
            identity: 0,
        }
    }
}
