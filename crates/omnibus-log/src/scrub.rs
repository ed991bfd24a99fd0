//! Reads everything at rest again while the log is in use, a part at a time, and checks every checksum.

mod blocks;
mod lives;
mod rows;
mod saved;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use omnibus_io::{Access, Caching, DiskFile, OpenMode};
use omnibus_model::ShardId;

use crate::buffer::PAGE_BYTES;
use crate::error::{Affected, Damage, Gravity};
use crate::file::{FileKey, FileKind, LogFile, read_pages};
use crate::manifest;
use crate::shared::Shared;
use crate::superblock::{PATHS, Superblock};
use blocks::BlocksPass;
use rows::RowsPass;
use saved::SavedPass;

const PAGE: u64 = PAGE_BYTES as u64;

/// How much is read before whoever drives it may rest, about.
const STEP_BYTES: u64 = 1 << 20;

/// One pass over all that was there when it began. Whoever drives it says how fast.
#[derive(Debug)]
pub struct Scrub {
    shared: Arc<Shared>,
    todo: VecDeque<Item>,
    at: Option<At>,
    bytes: u64,
}

/// What one step has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    pub bytes: u64,
    pub rot: Vec<Rot>,
}

/// Something at rest that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rot {
    /// Where it lies. Of what it held, only what somebody could still read is named.
    pub damage: Damage,
    /// How many bytes of records are affected.
    pub bytes: u64,
}

/// What is read in one go, or in many.
#[derive(Clone, Copy, Debug)]
enum Item {
    Root,
    Saved(ShardId),
    File(FileKey),
}

/// What is being read.
#[derive(Debug)]
enum At {
    Saved(SavedPass),
    Blocks(BlocksPass),
    Rows(RowsPass),
}

/// What a step has found, and what is read next of the same file.
type Stepped = (Scrubbed, Option<At>);

impl Scrub {
    pub(crate) fn begin(shared: &Arc<Shared>) -> Self {
        let list = shared.manifest.lock().list.clone();
        let saved = list.checkpoints.keys().copied().map(Item::Saved);
        let segments = list.begun().into_iter().map(|segment| FileKey(FileKind::Segment, segment.number));
        let files = segments.chain(list.packs.iter().map(|number| FileKey(FileKind::Pack, *number)));
        let todo = [Item::Root].into_iter().chain(saved).chain(files.map(Item::File)).collect();
        let bytes = {
            let files = shared.files.lock();
            files.segments.values().chain(files.packs.values()).map(|file| file.facts.lock().data_end).sum()
        };
        Self { shared: Arc::clone(shared), todo, at: None, bytes }
    }

    /// How much there is to read in all, about.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next part, of about 1 MiB, or a longer block; none once all has been read. Blocks.
    pub fn step(&mut self) -> Option<Scrubbed> {
        while self.at.is_none() {
            match self.todo.pop_front()? {
                Item::Root => return Some(self.root()),
                Item::Saved(shard) => self.at = SavedPass::begin(&self.shared, shard).map(At::Saved),
                Item::File(key) => self.at = self.open(key),
            }
        }
        let (scrubbed, next) = match self.at.take()? {
            At::Saved(pass) => pass.step(&self.shared),
            At::Blocks(pass) => pass.step(&self.shared),
            At::Rows(pass) => pass.step(&self.shared),
        };
        self.at = next;
        Some(scrubbed)
    }

    /// Holds a file, so that it stays as it is until it has been read. Nobody gives files up meanwhile.
    fn open(&self, key: FileKey) -> Option<At> {
        let _alone = self.shared.maintenance.lock();
        let files = self.shared.files.lock();
        let FileKey(kind, number) = key;
        let table = match kind {
            FileKind::Segment => &files.segments,
            FileKind::Pack => &files.packs,
        };
        let file = Arc::clone(table.get(&number)?);
        drop(files);
        match kind {
            FileKind::Segment => BlocksPass::begin(&self.shared, file).map(At::Blocks),
            FileKind::Pack => Some(At::Rows(RowsPass::begin(&self.shared, file))),
        }
    }

    /// The root page and the list of files. Both are in memory, and written whole from time to time.
    fn root(&self) -> Scrubbed {
        let mut scrubbed = Scrubbed::default();
        let root = self.shared.superblock.lock();
        let copies = PATHS.map(|path| (path, self.small(path, PAGE)));
        drop(root);
        let sound = copies.iter().filter(|(_, page)| page.as_deref().is_ok_and(Superblock::is_copy)).count();
        for (path, page) in &copies {
            scrubbed.bytes += PAGE;
            if !page.as_deref().is_ok_and(Superblock::is_copy) {
                scrubbed.rot.push(rot(path, 0, "a copy of the root page", gravity(sound == 0)));
            }
        }
        let manifest = self.shared.manifest.lock();
        let path = manifest::path(manifest.number);
        let unsound = match self.small(&path, manifest.bytes()) {
            Ok(content) => manifest.unsound(&content),
            Err(_unreadable) => Some((0, true)),
        };
        scrubbed.bytes += manifest.bytes();
        drop(manifest);
        if let Some((position, is_lost)) = unsound {
            scrubbed.rot.push(rot(&path, position, "an edit of the manifest", gravity(is_lost)));
        }
        // Maintenance writes both anew.
        self.shared.root_has_rotted.fetch_or(!scrubbed.rot.is_empty(), Ordering::Relaxed);
        scrubbed
    }

    fn small(&self, path: &str, bytes: u64) -> io::Result<Bytes> {
        read_pages(open_bare(&self.shared, path)?.as_ref(), 0, bytes)
    }
}

impl Rot {
    /// How many offsets are affected.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.damage.affected.iter().map(|range| range.to.0 - range.from.0).sum()
    }
}

/// Opens a file to read what is on the disk, if the machine lets us.
fn open_bare(shared: &Shared, path: &str) -> io::Result<Arc<dyn DiskFile>> {
    let open = |caching| shared.disk.open(path, OpenMode { access: Access::Read, caching });
    open(Caching::Direct).or_else(|_| open(Caching::Kernel))
}

/// The same of a file that is open.
fn bare(shared: &Shared, file: &LogFile) -> Arc<dyn DiskFile> {
    if shared.caching == Caching::Direct {
        return Arc::clone(&file.handle);
    }
    open_bare(shared, &file.path).unwrap_or_else(|_| Arc::clone(&file.handle))
}

/// Has maintenance carry elsewhere what lives in a file, so that it can be given up. What cannot be read stays until
/// it was mended.
fn leave(file: &LogFile) {
    file.facts.lock().rotten = true;
}

const fn gravity(is_lost: bool) -> Gravity {
    if is_lost { Gravity::Acknowledged } else { Gravity::Redundant }
}

fn rot(path: &str, position: u64, what: &'static str, gravity: Gravity) -> Rot {
    rot_of(path, position, what, (gravity, Vec::new(), 0))
}

fn rot_of(
    path: &str,
    position: u64,
    what: &'static str,
    (gravity, affected, bytes): (Gravity, Vec<Affected>, u64),
) -> Rot {
    let damage = Damage { file: path.to_owned(), position, block_seq: None, what, affected, gravity };
    Rot { damage, bytes }
}

/// A part of a file that was read, to look at what lies in it.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    /// Bodies that were sound, by place, length and checksum: each is looked at once, however many share it.
    bodies: BTreeSet<(u32, u32, u32)>,
}

impl Window {
    /// Returns a range of the file, less where the file ends.
    fn get(&mut self, handle: &dyn DiskFile, position: u64, bytes: u64) -> io::Result<Bytes> {
        if position < self.start || position + bytes > self.start + self.bytes.len() as u64 {
            let start = position / PAGE * PAGE;
            self.bytes = read_pages(handle, start, (position - start + bytes).max(STEP_BYTES))?;
            self.start = start;
        }
        let place = |at: u64| usize::try_from(at - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(self.bytes.slice(place(position)..place(position + bytes)))
    }
}
