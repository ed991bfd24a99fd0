//! Where new segments come from, and where empty ones go.

use std::io;
use std::sync::Arc;

use omnibus_io::{Access, Caching, Disk, DiskFile, Durability, OpenMode};
use omnibus_model::{Bug, planted};

use crate::buffer::AlignedBuffer;
use crate::error::{Action, LogError};
use crate::file::{FileFacts, FileKind, LogFile};
use crate::manifest::Edit;
use crate::shared::Shared;
use crate::zeroing::{remove_leftover, write_zeros};

impl Shared {
    /// Returns an empty segment with room for `bytes`, whose first block will be `first`.
    ///
    /// # Errors
    /// If the disk is full, which passes, or broken, which does not.
    pub(crate) fn begin_segment(&self, bytes: u64, first: u64) -> Result<Arc<LogFile>, LogError> {
        let fits = bytes <= self.config.segment_bytes;
        let prepared = if fits { self.files.lock().take_prepared() } else { None };
        let file = match prepared {
            Some(prepared) => prepared,
            None => self.add_segment(bytes.max(self.config.segment_bytes))?,
        };
        self.manifest.lock().append(&[Edit::BeginSegment { number: file.number, first }])?;
        Ok(file)
    }

    /// Whether a segment waits that is fast to write to.
    pub(crate) fn has_zeroed_segment(&self) -> bool {
        self.files.lock().prepared.iter().any(|file| !file.facts.lock().unwritten)
    }

    /// Makes the next segment ahead of its time: of a spare, or else of room that is slower to
    /// write to.
    pub(crate) fn prepare_segment(&self) -> Result<(), LogError> {
        let file = self.add_segment(self.config.segment_bytes)?;
        self.files.lock().prepared.push_back(file);
        Ok(())
    }

    /// Makes an empty segment and tells the manifest (I7: the file is durable before).
    fn add_segment(&self, bytes: u64) -> Result<Arc<LogFile>, LogError> {
        let mut manifest = self.manifest.lock();
        let number = manifest.list.segment_next;
        let path = FileKind::Segment.path(number);
        let spare = if bytes == self.config.segment_bytes { self.files.lock().spares.pop() } else { None };
        let unwritten = spare.is_none();
        let handle = match spare {
            Some(spare) => self.rename_spare(&spare, &path),
            None => self.allocate(&path, bytes),
        };
        let handle = handle.map_err(|source| LogError::Io { action: Action::Name, path: path.clone(), source })?;
        manifest.append(&[Edit::AddSegment(number)])?;
        let file = LogFile::new(FileKind::Segment, number, handle, FileFacts { unwritten, ..FileFacts::default() });
        self.files.lock().segments.insert(number, Arc::clone(&file));
        Ok(file)
    }

    fn rename_spare(&self, spare: &str, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.rename(spare, path)?;
        if !planted(Bug::NameUnsynced) {
            self.disk.sync_dir(FileKind::Segment.directory())?;
        }
        self.disk.open(path, OpenMode { access: Access::Write, caching: self.caching })
    }

    /// Takes room for a file without writing it; slower to write to, but there at once.
    fn allocate(&self, path: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, OpenMode { access: Access::Create, caching: self.caching })?;
        let allocated = match file.allocate(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => write_zeros(file.as_ref(), 0, bytes),
            allocated => allocated,
        };
        if let Err(error) = allocated.and_then(|()| file.sync()) {
            remove_leftover(self.disk.as_ref(), path)?;
            return Err(error);
        }
        self.disk.sync_dir(FileKind::Segment.directory())?;
        Ok(file)
    }

    /// Keeps a file that nobody needs any more for a later segment, or removes it if it has
    /// another length or there are enough.
    pub(crate) fn keep_as_spare(&self, path: &str) -> Result<(), LogError> {
        let failed = |source| LogError::Io { action: Action::Name, path: path.to_owned(), source };
        let mode = OpenMode { access: Access::Read, caching: Caching::Kernel };
        let bytes = self.disk.open(path, mode).and_then(|file| file.size()).map_err(failed)?;
        let enough = self.files.lock().spares.len() >= self.config.recycled_segments_max;
        if enough || bytes != self.config.segment_bytes {
            return self.disk.remove(path).map_err(failed);
        }
        let spare = if path.ends_with(".spare") {
            path.to_owned()
        } else {
            let spare = self.free_spare_path().map_err(failed)?;
            self.disk.rename(path, &spare).map_err(failed)?;
            self.disk.sync_dir(FileKind::Segment.directory()).map_err(failed)?;
            spare
        };
        self.files.lock().spares.push(spare);
        Ok(())
    }

    /// Gives recycled segments back to a disk that is short of room: packs and checkpoints, by
    /// which more becomes free, need some that is nobody's.
    pub(crate) fn release_spares(&self) -> Result<(), LogError> {
        loop {
            let free = self.disk.free_bytes();
            if free.map_err(|source| LogError::io(Action::Read, ".", source))? >= self.config.reserve_bytes {
                return Ok(());
            }
            let surplus = {
                let mut files = self.files.lock();
                if files.spares.len() > self.config.spare_segments { files.spares.pop() } else { None }
            };
            let Some(path) = surplus else { return Ok(()) };
            self.disk.remove(&path).map_err(|source| LogError::io(Action::Name, &path, source))?;
        }
    }

    /// Returns a name that no spare has.
    pub(crate) fn free_spare_path(&self) -> io::Result<String> {
        let names = self.disk.list(FileKind::Segment.directory())?;
        let free = (0u64..).map(|number| format!("{number}.spare")).find(|name| !names.contains(name));
        Ok(format!("wal/{}", free.expect("names do not end")))
    }
}

/// Finds out whether files may bypass the kernel's cache.
pub(crate) fn probe_direct(disk: &dyn Disk) -> io::Result<()> {
    let path = "wal/probe";
    let mode = OpenMode { access: Access::Create, caching: Caching::Direct };
    let probed = disk.open(path, mode).and_then(|file| {
        file.write_at(AlignedBuffer::zeroed(4096).as_ref(), 0, Durability::Deferred)?;
        file.read_at(AlignedBuffer::zeroed(4096).as_mut_slice(), 0)
    });
    remove_leftover(disk, path)?;
    probed.map(drop)
}
