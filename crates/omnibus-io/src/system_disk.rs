//! A directory of the machine's own file system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};

use crate::disk::{Access, Caching, Disk, DiskFile, DiskSpace, Durability, OpenMode};

/// A directory of the machine, locked against other processes as long as this lives.
#[derive(Debug)]
pub struct SystemDisk {
    root: PathBuf,
    /// Holds the lock.
    _directory: File,
}

impl SystemDisk {
    /// Opens a directory for one owner, making it if it is not there.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it, and whatever the disk says.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        create_durably(&root)?;
        Self::lock(root, FlockOperation::NonBlockingLockExclusive)
    }

    /// Opens a directory to look at it, beside others who do the same.
    ///
    /// # Errors
    /// `NotFound` if it is not there, `WouldBlock` if a process has it for its own.
    pub fn inspect(root: impl Into<PathBuf>) -> io::Result<Self> {
        Self::lock(root.into(), FlockOperation::NonBlockingLockShared)
    }

    fn lock(root: PathBuf, operation: FlockOperation) -> io::Result<Self> {
        let directory = File::open(&root)?;
        flock(&directory, operation)?;
        Ok(Self { root, _directory: directory })
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

impl Disk for SystemDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode.access != Access::Read).create(mode.access == Access::Create);
        if mode.caching == Caching::Direct {
            options.custom_flags(libc::O_DIRECT);
        }
        let file = options.open(self.path(path))?;
        Ok(Arc::new(SystemFile { file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, directory: &str) -> io::Result<()> {
        let path = self.path(directory);
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&path)?;
        let above = path.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.root));
        above.into_iter().try_for_each(sync_directory)
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        sync_directory(&self.path(directory))
    }

    fn space(&self) -> io::Result<DiskSpace> {
        let status = statvfs(&self.root)?;
        let bytes = |blocks: u64| blocks.saturating_mul(status.f_frsize);
        Ok(DiskSpace { free_bytes: bytes(status.f_bavail), total_bytes: bytes(status.f_blocks) })
    }
}

/// Makes a directory and those above it, so that a power cut does not take them away again.
fn create_durably(root: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
    fs::create_dir_all(root)?;
    let above = missing.iter().filter_map(|path| path.parent());
    above
        .into_iter()
        .try_for_each(|path| sync_directory(if path.as_os_str().is_empty() { Path::new(".") } else { path }))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[derive(Debug)]
struct SystemFile {
    file: File,
}

impl DiskFile for SystemFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], position: u64, durability: Durability) -> io::Result<()> {
        self.file.write_all_at(bytes, position)?;
        match durability {
            Durability::Durable => self.file.sync_data(),
            Durability::Deferred => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        Ok(fallocate(&self.file, FallocateFlags::empty(), 0, bytes)?)
    }

    fn punch(&self, position: u64, bytes: u64) -> io::Result<()> {
        Ok(fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, position, bytes)?)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: OpenMode = OpenMode { access: Access::Create, caching: Caching::Kernel };

    #[test]
    fn a_directory_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let owner = SystemDisk::open(directory.path()).unwrap();
        assert_eq!(SystemDisk::open(directory.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(SystemDisk::inspect(directory.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(owner);
        let first = SystemDisk::inspect(directory.path()).unwrap();
        let second = SystemDisk::inspect(directory.path()).unwrap();
        drop((first, second));
    }

    #[test]
    fn a_file_keeps_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let disk = SystemDisk::open(directory.path()).unwrap();
        disk.create_dir("a/b").unwrap();
        let file = disk.open("a/b/c", CREATE).unwrap();
        file.allocate(8192).unwrap();
        file.write_at(b"hello", 4096, Durability::Durable).unwrap();
        disk.rename("a/b/c", "a/b/d").unwrap();
        disk.sync_dir("a/b").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(&mut buffer, 4096).unwrap(), 8);
        assert_eq!(&buffer, b"hello\0\0\0");
        file.punch(4096, 4096).unwrap();
        assert_eq!(file.read_at(&mut buffer, 8188).unwrap(), 4);
        assert_eq!(file.size().unwrap(), 8192);
        assert_eq!(disk.list("a/b").unwrap(), ["d"]);
        assert!(disk.list("nowhere").unwrap().is_empty());
        assert!(disk.free_bytes().unwrap() > 0);
        assert!(disk.space().unwrap().total_bytes >= disk.space().unwrap().free_bytes);
    }
}
