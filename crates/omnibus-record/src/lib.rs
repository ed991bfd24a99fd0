//! What streams hold: Kafka's record batch (magic 2), and our own message. Looking into them,
//! checking, building, thinning out, and turning one into the other.
//!
//! Both are stored and served as the client sent them; only their place in the stream is patched
//! into the first 16 bytes, which no checksum covers. Whatever needs the records themselves
//! (checks at the door, search by time, compaction, readers of another protocol) is here and
//! nowhere else.
//!
//! **Never:** clock, I/O, async, a panic on any bytes, memory that the bytes do not pay for.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod validate;
mod place;
mod seek;
mod filter;
mod messages;
mod records;
mod convert;
mod build;
mod recompress;
mod scan;
mod message;
pub mod amqp;
mod record;
mod compress;
mod batch;
mod varint;
mod error;
mod codec;

pub use batch::{AnyHeader, BatchHeader, BatchView, HEADER_BYTES, batches};
pub use build::{BatchBuilder, Stamp};
pub use codec::{Codec, Target};
pub use convert::{AmqpMessage, SqsMessage, kafka_batch};
pub use error::{InvalidBatch, RecordFault, RecordFaultReason};
pub use filter::{Filtered, filter};
pub use message::{
    AmqpNative, Departure, Encoded, Heads, History, KafkaNative, Message, Native, SharedMessage, Signing, SnsForm,
    SnsNative, SnsTarget, SqsAttribute, SqsNative, SqsValue, check_message, envelope_of,
};
pub use messages::Messages;
pub use place::{stamp, stamp_message, stamp_prefix, with_broker_time, with_timestamp_max};
pub use recompress::recompress;
pub use record::{Header, Record};
pub use records::Records;
pub use seek::{find_newest, find_timestamp};
pub use validate::{Checked, Rules, validate};

/// The most bytes that the records of a batch may decompress to, unless a topic's rules say less.
pub const DECOMPRESSED_BYTES_MAX: u64 = 1 << 30;
