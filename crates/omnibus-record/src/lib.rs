//! Kafka's record batch (magic 2): looking into it, checking it, building it, thinning it out.
//!
//! A batch is stored and served as the client sent it; only its place in the stream is patched
//! into the first 16 bytes, which its checksum does not cover. Whatever needs the records
//! themselves (checks at the door, search by time, compaction) is here and nowhere else.
//!
//! **Never:** clock, I/O, async, a panic on any bytes, memory that the bytes do not pay for.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod validate;
mod place;
mod seek;
mod filter;
mod build;
mod record;
mod recompress;
mod scan;
mod compress;
mod batch;
mod varint;
mod error;
mod codec;

pub use batch::{BatchHeader, BatchView, HEADER_BYTES, batches};
pub use build::{BatchBuilder, Stamp};
pub use codec::{Codec, Target};
pub use error::{InvalidBatch, RecordFault, RecordFaultReason};
pub use filter::{Filtered, filter};
pub use place::{stamp, stamp_prefix, with_broker_time, with_timestamp_max};
pub use recompress::recompress;
pub use record::{Header, Record, Records};
pub use seek::{find_newest, find_timestamp};
pub use validate::{Checked, Rules, validate};

/// The most bytes that the records of a batch may decompress to, unless a topic's rules say less.
pub const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;
