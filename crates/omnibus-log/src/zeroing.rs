//! Makes the files that become segments: written once with zeros, a little at a time, since
//! every byte of it is in the way of somebody's records. Who writes faster than that goes on in
//! segments that are not zeroed: large blocks hardly mind.

use std::io;

use omnibus_io::{Access, Disk, DiskFile, Durability, OpenMode};

use crate::buffer::{AlignedBuffer, PAGE_BYTES};
use crate::error::{Action, LogError};
use crate::file::FileKind;
use crate::shared::{Shared, Unfinished, Zeroing};

/// What is written at a time: what a record may have to wait for.
const CHUNK_BYTES: u64 = 256 << 10;

impl Shared {
    /// Begins a round: so many zeros may be written in it.
    pub(crate) fn allow_zeros(&self) {
        self.zeroing.lock().budget = self.config.zeroed_bytes_at_once;
    }

    /// Goes on with a file of zeros that will wait to become a segment; returns whether it is
    /// finished, and not what this round may write.
    pub(crate) fn zero_spare(&self) -> Result<bool, LogError> {
        let mut zeroing = self.zeroing.lock();
        let number = self.manifest.lock().list.segment_next;
        let path = zeroing.unfinished.as_ref().map(|unfinished| unfinished.path.clone());
        let path = path.unwrap_or_else(|| format!("wal/{number:010}.zeroing"));
        match self.zero_some(&mut zeroing, &path) {
            Ok(finished) => Ok(finished),
            Err(source) => {
                zeroing.unfinished = None;
                let source = remove_leftover(self.disk.as_ref(), &path).err().unwrap_or(source);
                Err(LogError::Io { action: Action::Name, path, source })
            }
        }
    }

    /// Whether a file of zeros waits to be finished.
    pub(crate) fn is_zeroing(&self) -> bool {
        self.zeroing.lock().unfinished.is_some()
    }

    fn zero_some(&self, zeroing: &mut Zeroing, path: &str) -> io::Result<bool> {
        let mut unfinished = match zeroing.unfinished.take() {
            Some(unfinished) => unfinished,
            None => {
                let mode = OpenMode { access: Access::Create, caching: self.caching };
                Unfinished { path: path.to_owned(), file: self.disk.open(path, mode)?, position: 0 }
            }
        };
        let left = self.config.segment_bytes - unfinished.position;
        let bytes = left.min(zeroing.budget.next_multiple_of(PAGE_BYTES as u64));
        write_zeros(unfinished.file.as_ref(), unfinished.position, bytes)?;
        zeroing.budget = zeroing.budget.saturating_sub(bytes);
        unfinished.position += bytes;
        if unfinished.position < self.config.segment_bytes {
            zeroing.unfinished = Some(unfinished);
            return Ok(false);
        }
        unfinished.file.sync()?;
        let spare = self.free_spare_path()?;
        self.disk.rename(path, &spare)?;
        self.disk.sync_dir(FileKind::Segment.directory())?;
        self.files.lock().spares.push(spare);
        Ok(true)
    }
}

/// Writes `bytes` zeros from `position` on.
pub(crate) fn write_zeros(file: &dyn DiskFile, position: u64, bytes: u64) -> io::Result<()> {
    let zeros = AlignedBuffer::zeroed(usize::try_from(CHUNK_BYTES.min(bytes)).map_err(io::Error::other)?);
    let end = position + bytes;
    let mut position = position;
    while position < end {
        let length = usize::try_from((end - position).min(CHUNK_BYTES)).map_err(io::Error::other)?;
        file.write_at(&zeros.as_ref()[..length], position, Durability::Deferred)?;
        position += length as u64;
    }
    Ok(())
}

/// Removes what a failed attempt left. A disk that fails at that is told of like one that fails at
/// a write, even if the attempt itself came to nothing for want of room only.
pub(crate) fn remove_leftover(disk: &dyn Disk, path: &str) -> io::Result<()> {
    disk.remove(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
