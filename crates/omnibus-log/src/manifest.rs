//! The list of files that count, as a file of small edits.
//!
//! Each edit takes a slot that holds it twice, so that one damaged sector in the last slot,
//! which could pass for a torn write, does not lose it. See `docs/formats/manifest.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use omnibus_io::{Access, Caching, Disk, DiskFile, Durability, OpenMode};
use omnibus_model::{LogIndex, ShardId, Term};

use crate::cursor::Cursor;
use crate::error::{Action, Damage, Gravity, LogError};

pub(crate) const DIRECTORY: &str = "manifest";
const COPY_BYTES: usize = 512;
const SLOT_BYTES: usize = 2 * COPY_BYTES;
const USED_BYTES: usize = 48;
const ALLOCATED_BYTES: u64 = 256 << 10;

/// One change of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A segment that is empty.
    AddSegment(u64),
    /// The segment is written from now on with the block `first`, and the one before ended
    /// with the block before that.
    BeginSegment {
        number: u64,
        first: u64,
    },
    /// The blocks of a segment that is complete.
    Blocks {
        number: u64,
        first: u64,
        last: u64,
    },
    RemoveSegment(u64),
    AddPack(u64),
    RemovePack(u64),
    Checkpoint {
        shard: ShardId,
        term: Term,
        index: LogIndex,
    },
    /// The number that the next segment gets, and the next pack.
    Next {
        segment: u64,
        pack: u64,
    },
}

/// The list as all edits have made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileList {
    pub(crate) segments: BTreeMap<u64, Blocks>,
    pub(crate) packs: BTreeSet<u64>,
    pub(crate) checkpoints: BTreeMap<ShardId, (Term, LogIndex)>,
    pub(crate) segment_next: u64,
    pub(crate) pack_next: u64,
}

/// Which blocks a segment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// It waits to be written.
    None,
    /// It is being written.
    From(u64),
    /// It is complete. There may be none, if the next segment had to be longer.
    Range { first: u64, last: u64 },
}

/// A segment that is or was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BegunSegment {
    pub(crate) number: u64,
    pub(crate) first: u64,
    /// `None` for the one that is being written.
    pub(crate) last: Option<u64>,
}

impl FileList {
    /// Returns the segments that are or were written, in the order of their blocks.
    pub(crate) fn begun(&self) -> Vec<BegunSegment> {
        let begun = self.segments.iter().filter_map(|(&number, blocks)| match *blocks {
            Blocks::None => None,
            Blocks::From(first) => Some(BegunSegment { number, first, last: None }),
            Blocks::Range { first, last } => Some(BegunSegment { number, first, last: Some(last) }),
        });
        let mut begun: Vec<BegunSegment> = begun.collect();
        // An empty segment comes before the one that has the blocks it should have had.
        begun.sort_unstable_by_key(|segment| (segment.first, segment.last.is_none(), segment.last));
        begun
    }

    fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::AddSegment(number) => {
                self.segments.insert(number, Blocks::None);
                self.segment_next = self.segment_next.max(number.saturating_add(1));
            }
            Edit::BeginSegment { number, first: begun } => {
                for blocks in self.segments.values_mut() {
                    if let Blocks::From(first) = *blocks {
                        *blocks = Blocks::Range { first, last: begun.saturating_sub(1) };
                    }
                }
                self.segments.insert(number, Blocks::From(begun));
            }
            Edit::Blocks { number, first, last } => {
                self.segments.insert(number, Blocks::Range { first, last });
            }
            Edit::RemoveSegment(number) => drop(self.segments.remove(&number)),
            Edit::AddPack(number) => {
                self.packs.insert(number);
                self.pack_next = self.pack_next.max(number.saturating_add(1));
            }
            Edit::RemovePack(number) => drop(self.packs.remove(&number)),
            Edit::Checkpoint { shard, term, index } => drop(self.checkpoints.insert(shard, (term, index))),
            Edit::Next { segment, pack } => (self.segment_next, self.pack_next) = (segment, pack),
        }
    }

    fn edits(&self) -> Vec<Edit> {
        let next = Edit::Next { segment: self.segment_next, pack: self.pack_next };
        let segments = self.segments.iter().map(|(&number, blocks)| match *blocks {
            Blocks::None => Edit::AddSegment(number),
            Blocks::From(first) => Edit::BeginSegment { number, first },
            Blocks::Range { first, last } => Edit::Blocks { number, first, last },
        });
        let packs = self.packs.iter().map(|&number| Edit::AddPack(number));
        let checkpoints = self.checkpoints.iter();
        let checkpoints = checkpoints.map(|(&shard, &(term, index))| Edit::Checkpoint { shard, term, index });
        std::iter::once(next).chain(segments).chain(packs).chain(checkpoints).collect()
    }
}

/// The open manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) number: u64,
    pub(crate) list: FileList,
    log: u64,
    file: Arc<dyn DiskFile>,
    slots: u64,
}

impl Manifest {
    /// Writes a list as a new file; durable on return.
    pub(crate) fn create(disk: &dyn Disk, log: u64, number: u64, list: FileList) -> Result<Self, LogError> {
        let failed = |source| LogError::Io { action: Action::Write, path: path(number), source };
        let file = open_file(disk, number, Access::Create).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        // Room ahead, so that files can be given up on a full disk; without it they wait.
        if let Err(error) = file.allocate(ALLOCATED_BYTES) {
            tracing::debug!(%error, "no room ahead for the manifest");
        }
        let edits = list.edits();
        let mut manifest = Self { number, list: FileList::default(), log, file, slots: 0 };
        // Whatever a power cut leaves of it: nothing names the file before all of it is durable.
        manifest.write(&edits)?;
        disk.sync_dir(DIRECTORY).map_err(failed)?;
        assert_eq!(manifest.list, list, "a manifest does not repeat its list");
        Ok(manifest)
    }

    /// Reads a file; an edit that was not finished is dropped.
    pub(crate) fn open(disk: &dyn Disk, log: u64, number: u64, access: Access) -> Result<Self, LogError> {
        let failed = |source| LogError::Io { action: Action::Read, path: path(number), source };
        let file = open_file(disk, number, access).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
        let bytes = file.read_at(&mut content, 0).map_err(failed)?;
        let edits = content[..bytes].chunks(SLOT_BYTES);
        let mut manifest = Self { number, list: FileList::default(), log, file, slots: 0 };
        let mut torn = false;
        for (slot, content) in edits.enumerate() {
            let slot = slot as u64;
            match (decode_slot(content, log, slot), torn) {
                (Some(edit), false) => {
                    manifest.list.apply(edit);
                    manifest.slots = slot + 1;
                }
                (None, _) => torn = true,
                (Some(_), true) => return Err(damaged(number, manifest.slots)),
            }
        }
        if manifest.slots == 0 {
            return Err(damaged(number, 0));
        }
        Ok(manifest)
    }

    /// Makes edits durable, all of them or some of the first: one after the other, because a
    /// power cut may keep the end of a write without its beginning.
    pub(crate) fn append(&mut self, edits: &[Edit]) -> Result<(), LogError> {
        edits.iter().try_for_each(|edit| self.write(std::slice::from_ref(edit)))
    }

    fn write(&mut self, edits: &[Edit]) -> Result<(), LogError> {
        let slots = (self.slots..).zip(edits);
        let bytes: Vec<u8> = slots.flat_map(|(slot, edit)| encode_slot(*edit, self.log, slot)).collect();
        let written = self.file.write_at(&bytes, self.slots * SLOT_BYTES as u64, Durability::Durable);
        written.map_err(|source| LogError::Io { action: Action::Write, path: path(self.number), source })?;
        self.slots += edits.len() as u64;
        edits.iter().for_each(|edit| self.list.apply(*edit));
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.slots * SLOT_BYTES as u64
    }

    /// Looks at what the disk has of the edits; says where the first copy of one is that is not sound, and whether
    /// the other is not, either.
    pub(crate) fn unsound(&self, content: &[u8]) -> Option<(u64, bool)> {
        (0..self.slots).find_map(|slot| {
            let at = usize::try_from(slot).ok()? * SLOT_BYTES;
            let slot_bytes = content.get(at..content.len().min(at + SLOT_BYTES)).unwrap_or_default();
            let is_sound = |copy: &[u8]| decode_copy(copy, self.log, slot).is_some();
            let sound = slot_bytes.chunks(COPY_BYTES).filter(|copy| is_sound(copy)).count();
            (sound < 2).then_some((at as u64, sound == 0))
        })
    }
}

/// Returns the path of a manifest.
pub(crate) fn path(number: u64) -> String {
    format!("{DIRECTORY}/{number}")
}

fn open_file(disk: &dyn Disk, number: u64, access: Access) -> io::Result<Arc<dyn DiskFile>> {
    disk.open(&path(number), OpenMode { access, caching: Caching::Kernel })
}

fn damaged(number: u64, slot: u64) -> LogError {
    LogError::Damaged(Box::new(Damage {
        file: path(number),
        position: slot * SLOT_BYTES as u64,
        block_seq: None,
        what: "an edit of the manifest",
        affected: Vec::new(),
        gravity: Gravity::Acknowledged,
    }))
}

fn encode_slot(edit: Edit, log: u64, slot: u64) -> Vec<u8> {
    let (kind, fields) = match edit {
        Edit::AddSegment(number) => (1u32, [number, 0, 0]),
        Edit::RemoveSegment(number) => (2, [number, 0, 0]),
        Edit::AddPack(number) => (3, [number, 0, 0]),
        Edit::RemovePack(number) => (4, [number, 0, 0]),
        Edit::Checkpoint { shard, term, index } => (5, [u64::from(shard.0), term.0, index.0]),
        Edit::Next { segment, pack } => (6, [segment, pack, 0]),
        Edit::BeginSegment { number, first } => (7, [number, first, 0]),
        Edit::Blocks { number, first, last } => (8, [number, first, last]),
    };
    let mut copy = Vec::with_capacity(SLOT_BYTES);
    copy.extend_from_slice(&[0; 4]);
    copy.extend_from_slice(&kind.to_le_bytes());
    for field in [log, slot].iter().chain(&fields) {
        copy.extend_from_slice(&field.to_le_bytes());
    }
    let crc = crc32c::crc32c(&copy[4..]);
    copy[..4].copy_from_slice(&crc.to_le_bytes());
    copy.resize(COPY_BYTES, 0);
    copy.repeat(2)
}

fn decode_slot(slot: &[u8], log: u64, number: u64) -> Option<Edit> {
    slot.chunks(COPY_BYTES).find_map(|copy| decode_copy(copy, log, number))
}

fn decode_copy(copy: &[u8], log: u64, number: u64) -> Option<Edit> {
    let copy = copy.get(..USED_BYTES)?;
    let mut cursor = Cursor::new(copy);
    let (crc, kind) = (cursor.u32()?, cursor.u32()?);
    if crc != crc32c::crc32c(&copy[4..]) || cursor.u64()? != log || cursor.u64()? != number {
        return None;
    }
    let (first, second, third) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
    match kind {
        1 => Some(Edit::AddSegment(first)),
        2 => Some(Edit::RemoveSegment(first)),
        3 => Some(Edit::AddPack(first)),
        4 => Some(Edit::RemovePack(first)),
        5 => {
            let shard = ShardId(u16::try_from(first).ok()?);
            Some(Edit::Checkpoint { shard, term: Term(second), index: LogIndex(third) })
        }
        6 => Some(Edit::Next { segment: first, pack: second }),
        7 => Some(Edit::BeginSegment { number: first, first: second }),
        8 => Some(Edit::Blocks { number: first, first: second, last: third }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use omnibus_io::FaultDisk;
    use omnibus_io::fault::Fault;

    use super::*;

    fn example(disk: &FaultDisk) -> Manifest {
        let mut manifest = Manifest::create(disk, 7, 1, FileList::default()).unwrap();
        manifest.append(&[Edit::AddSegment(0), Edit::AddSegment(1), Edit::AddPack(4)]).unwrap();
        manifest.append(&[Edit::RemoveSegment(0)]).unwrap();
        manifest.append(&[Edit::Checkpoint { shard: ShardId(3), term: Term(1), index: LogIndex(9) }]).unwrap();
        manifest
    }

    #[test]
    fn a_manifest_repeats_its_edits_and_its_rotation() {
        let disk = FaultDisk::new(1);
        let list = example(&disk).list;
        assert_eq!((list.segment_next, list.pack_next, list.segments.len()), (2, 5, 1));
        assert_eq!(Manifest::open(&disk, 7, 1, Access::Write).unwrap().list, list);
        drop(Manifest::create(&disk, 7, 2, list.clone()).unwrap());
        assert_eq!(Manifest::open(&disk, 7, 2, Access::Write).unwrap().list, list);
    }

    #[test]
    fn a_power_cut_in_the_midst_of_edits_leaves_the_first_of_them() {
        let edits = [1, 2, 3, 4].map(Edit::AddSegment);
        for seed in 0..300 {
            let disk = FaultDisk::new(seed);
            let mut manifest = Manifest::create(&disk, 7, 1, FileList::default()).unwrap();
            disk.fail_at(disk.operations() + 1 + seed % 8, Fault::PowerCut);
            assert!(manifest.append(&edits).is_err());
            disk.restart();
            let list = Manifest::open(&disk, 7, 1, Access::Write).unwrap().list;
            let present: Vec<u64> = list.segments.into_keys().collect();
            assert_eq!(present, [1, 2, 3, 4][..present.len()], "seed {seed}");
        }
    }

    #[test]
    fn a_torn_edit_is_dropped_and_a_rotten_one_refused() {
        let disk = FaultDisk::new(1);
        let list = example(&disk).list;
        let content = disk.content("manifest/1").unwrap()[..6 * SLOT_BYTES].to_vec();
        disk.set_content("manifest/1", content[..content.len() - SLOT_BYTES].to_vec());
        assert!(Manifest::open(&disk, 7, 1, Access::Write).unwrap().list.checkpoints.is_empty());
        for byte in (0..content.len()).filter(|byte| byte % COPY_BYTES < USED_BYTES) {
            disk.set_content("manifest/1", content.clone());
            disk.flip_bit("manifest/1", byte as u64 * 8);
            assert_eq!(Manifest::open(&disk, 7, 1, Access::Write).unwrap().list, list, "one copy is damaged");
        }
        disk.flip_bit("manifest/1", 8);
        disk.flip_bit("manifest/1", COPY_BYTES as u64 * 8);
        assert!(matches!(Manifest::open(&disk, 7, 1, Access::Write), Err(LogError::Damaged(_))));
    }
}
