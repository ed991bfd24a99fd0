//! How recovery says what it does not find.

use std::io;

use crate::error::{Action, Damage, Gravity, LogError};
use crate::file::LogFile;

/// Something that was acknowledged, and is not whole any more.
pub(crate) fn lost(file: &str, seq: u64, what: &'static str) -> Damage {
    Damage {
        file: file.to_owned(),
        position: 0,
        block_seq: Some(seq),
        what,
        affected: Vec::new(),
        gravity: Gravity::Acknowledged,
    }
}

/// A file that the disk does not give.
pub(crate) fn unreadable(file: &LogFile, source: io::Error) -> LogError {
    LogError::Io { action: Action::Read, path: file.path.clone(), source }
}
