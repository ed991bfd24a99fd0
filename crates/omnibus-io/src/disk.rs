//! The disk: a directory of files, and what may be done to them.
//!
//! Paths are relative to the disk's own directory and use `/`. Nothing here is buffered in
//! the process; whether the kernel buffers is the opener's choice.

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A directory that holds files.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` if it is not there and `mode` does not create it, `InvalidInput` if the
    /// file system refuses to bypass the kernel's cache, and whatever the disk says.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it. Durable after `sync_dir`.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name; those who have it open keep it. Durable after `sync_dir`.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Lists the names in a directory, sorted. Empty if there is no such directory.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a directory and those above it, if they are not there. Durable on return.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create_dir(&self, directory: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn sync_dir(&self, directory: &str) -> io::Result<()>;

    /// Returns how large the disk is, and what of it is free.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn space(&self) -> io::Result<DiskSpace>;

    /// Returns how many more bytes the disk has room for.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn free_bytes(&self) -> io::Result<u64> {
        self.space().map(|space| space.free_bytes)
    }
}

/// How large a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// An open file. Every operation names its position, so one handle serves many threads.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads until the buffer is full or the file ends, and returns how much was read.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// Whatever the disk says; then any part may have been written.
    fn write_at(&self, bytes: &[u8], position: u64, durability: Durability) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Whatever the disk says; then anything since the last success may be lost.
    fn sync(&self) -> io::Result<()>;

    /// Returns the file's length in bytes.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros that take no room.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Extends the file to `bytes` and takes the room for it, so that later writes need none.
    ///
    /// # Errors
    /// `StorageFull` if there is not enough room, `Unsupported` where that cannot be promised.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Gives a range back to the disk; it reads as zeros from then on.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn punch(&self, position: u64, bytes: u64) -> io::Result<()>;

    /// Returns the kernel's handle, if there is a kernel behind this file.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// What a file is opened for, and whether the kernel may cache it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMode {
    pub access: Access,
    pub caching: Caching,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read what is there.
    Read,
    /// To read and write what is there.
    Write,
    /// To read and write, making it first if it is not there.
    Create,
}

/// Whether the kernel keeps copies of what is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Through the page cache.
    Kernel,
    /// Past it: buffers, positions and lengths must be multiples of 4,096.
    Direct,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Durable on return.
    Durable,
    /// Durable after the next `sync`.
    Deferred,
}
