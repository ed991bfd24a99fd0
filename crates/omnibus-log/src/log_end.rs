//! What recovery does about the end of the log: what counts is renewed, what was torn is wiped.

use std::io;

use omnibus_io::Durability;

use crate::buffer::{AlignedBuffer, PAGE_BYTES};
use crate::file::{LogFile, read_pages};

/// Writes the last blocks again, durably. A killed process may have left them to the kernel,
/// and after a failed sync the kernel shows what no later sync writes. They count from now on,
/// and what was not sound behind them must never look sound again.
pub(crate) fn renew(file: &LogFile, from: u64, to: u64) -> io::Result<()> {
    let blocks = read_pages(file.handle.as_ref(), from, to - from)?;
    file.handle.write_at(&blocks, from, Durability::Deferred)?;
    if to + PAGE_BYTES as u64 <= file.handle.size()? {
        file.handle.write_at(AlignedBuffer::zeroed(PAGE_BYTES).as_ref(), to, Durability::Deferred)?;
    }
    file.handle.sync()
}

/// Overwrites with zeros, durably: what was torn must never look sound again.
pub(crate) fn wipe(file: &LogFile, from: u64, to: u64) -> io::Result<()> {
    let to = to.min(file.handle.size()?);
    let bytes = usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?;
    file.handle.write_at(AlignedBuffer::zeroed(bytes).as_ref(), from, Durability::Deferred)?;
    file.handle.sync()
}
