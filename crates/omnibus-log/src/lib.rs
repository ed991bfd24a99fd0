//! The storage engine: one log per disk, shared by every stream, queue and protocol.
//!
//! Entries of all shards are gathered into blocks and made durable in order (`writer`); once
//! committed they are published to an index of streams (`index`) and can be read (`read`).
//! Opening rebuilds the index (`recover`), maintenance seals, packs and recycles files, `scrub` reads all of it
//! again now and then.
//! Every byte on disk is described in `docs/formats/`.
//!
//! **Never:** a clock, async, the meaning of a command, a payload it did not check.

mod log;
mod open;
mod verify;
mod mend;
mod scrub;
mod recover;
mod log_end;
mod loss;
mod found;
mod replay;
mod writer;
mod backfill;
mod replace;
mod maintain;
mod retention;
mod read;
mod read_back;
mod rows;
mod pack;
mod stats;
mod segments;
mod zeroing;
mod shared;
mod kept;
mod pending;
mod queue;
mod index;
mod scan;
mod checkpoint;
mod footer;
mod cache;
mod underway;
mod file;
mod device;
mod ring;
mod block;
mod row;
mod manifest;
mod superblock;
mod cursor;
mod buffer;
mod entry;
mod mark;
mod error;
mod config;

pub use backfill::{Holdings, Stretch};
pub use block::{ENTRY_BESIDE_BYTES, ENTRY_BESIDE_BYTES_PER_BATCH};
pub use config::{Choice, LogConfig};
pub use entry::{BatchPosition, Checkpoint, Entry, EntryBatch, EntryKind, Replacement, ReplayEntry, Rest, Room};
pub use error::{Action, Affected, Damage, Gravity, LogError, OnDurable, ReadError, SubmitRefused, WriteFailed};
pub use log::{Log, Opened};
pub use maintain::MaintainReport;
pub use mark::{EntryId, Mark, Marks, OnMarked, Vote};
pub use read::ReadPlan;
pub use recover::RecoveryReport;
pub use replay::Replay;
pub use scrub::{Rot, Scrub, Scrubbed};
pub use stats::LogStats;
pub use verify::{VerifyReport, verify};
pub use writer::Writer;
