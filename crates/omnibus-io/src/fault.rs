//! A disk in memory that fails on demand, always in the same way for the same seed.
//!
//! It keeps what a real disk may: a write is certain only after a sync, a name only after
//! its directory's. A power cut keeps a random part of the rest: whole writes, torn writes
//! (any of their 512-byte sectors), in any order between two syncs. After a failed sync the
//! kernel gives up on what it has cached: that can still be read, and no later sync writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Access, Caching, Disk, DiskFile, DiskSpace, Durability, OpenMode};
use crate::inode::{Chance, Change, Inode};
use crate::sparse::Content;

const DIRECT_ALIGNMENT: u64 = 4096;

/// What goes wrong at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails before the operation returns; nothing works until [`FaultDisk::restart`].
    PowerCut,
    /// The operation fails with an I/O error, having done some of its work.
    Error,
}

/// A disk in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    names_durable: BTreeMap<String, usize>,
    /// Changes of names since their directory's last sync, oldest first.
    names_changed: Vec<NameChange>,
    capacity: u64,
    /// Changing operations so far.
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Operations that failed with an error so far.
    failures: u64,
    /// Reads so far, which of them fails, files that cannot be read, and reads that failed.
    reads: u64,
    read_fault: Option<u64>,
    unreadable: BTreeSet<usize>,
    read_failures: u64,
    powered: bool,
    /// Handles of an earlier life are dead.
    life: u64,
}

/// A name that comes, a name that goes, or both at once: a rename is never half done.
#[derive(Clone, Debug)]
struct NameChange {
    comes: Option<(String, usize)>,
    goes: Option<String>,
}

impl FaultDisk {
    /// Makes an empty disk without a limit, whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            chance: Chance::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            names_durable: BTreeMap::new(),
            names_changed: Vec::new(),
            capacity: u64::MAX,
            operations: 0,
            fault: None,
            failures: 0,
            reads: 0,
            read_fault: None,
            unreadable: BTreeSet::new(),
            read_failures: 0,
            powered: true,
            life: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Limits the disk to `bytes`; more is refused with `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity = bytes;
    }

    /// Returns the bytes that files take.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used()
    }

    /// Returns how many changing operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Returns how many operations failed with an I/O error.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// Lets the changing operation number `operation`, counted from 1, go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Returns how many reads there were.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Returns how many reads failed.
    #[must_use]
    pub fn read_failures(&self) -> u64 {
        self.lock().read_failures
    }

    /// Lets the read number `read`, counted from 1, fail with an I/O error; 0 lets none.
    pub fn fail_read_at(&self, read: u64) {
        self.lock().read_fault = Some(read);
    }

    /// Lets every read of a file fail until [`Self::heal`].
    pub fn break_reads_of(&self, path: &str) {
        let mut state = self.lock();
        let inode = state.names.get(path).copied();
        state.unreadable.extend(inode);
    }

    /// Lets all files be read again.
    pub fn heal(&self) {
        self.lock().unreadable.clear();
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        self.lock().cut_power();
    }

    /// Switches the power on again; files opened before stay dead.
    pub fn restart(&self) {
        let mut state = self.lock();
        if state.powered {
            state.cut_power();
        }
        state.powered = true;
        state.fault = None;
        state.read_fault = None;
        state.life += 1;
    }

    /// Makes an independent copy of the disk as it is, with its power on.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        {
            let state = self.lock();
            let mut other = copy.lock();
            other.inodes.clone_from(&state.inodes);
            other.names.clone_from(&state.names);
            other.names_durable.clone_from(&state.names_durable);
            other.names_changed.clone_from(&state.names_changed);
            other.capacity = state.capacity;
        }
        copy
    }

    /// Returns the paths of all files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.lock().names.iter().filter(|(name, _)| !name.ends_with('/')).map(|(name, _)| name.clone()).collect()
    }

    /// Returns what a file holds.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(path).map(|&inode| state.inodes[inode].content.to_vec())
    }

    /// Replaces what a file holds, durably and behind everybody's back.
    pub fn set_content(&self, path: &str, content: Vec<u8>) {
        let mut state = self.lock();
        let inode = match state.names.get(path) {
            Some(&inode) => inode,
            None => state.create(path),
        };
        state.names_durable.insert(path.to_owned(), inode);
        let content = Content::new(&content);
        state.inodes[inode] = Inode { durable: content.clone(), content, unsynced: Vec::new() };
    }

    /// Returns what was written since each file's last sync: path, position and length.
    #[must_use]
    pub fn unsynced(&self) -> Vec<(String, u64, u64)> {
        let state = self.lock();
        let of_file = |(path, inode): (&String, &usize)| {
            let written = state.inodes[*inode].unsynced.iter().filter_map(Change::range);
            written.map(|(position, bytes)| (path.clone(), position, bytes)).collect::<Vec<_>>()
        };
        state.names.iter().flat_map(of_file).collect()
    }

    /// Turns one bit of a file over; returns false if the file does not reach that far.
    pub fn flip_bit(&self, path: &str, bit: u64) -> bool {
        let mut state = self.lock();
        let (byte, mask) = (to_usize(bit / 8), 1u8 << (bit % 8));
        let Some(&inode) = state.names.get(path) else { return false };
        let inode = &mut state.inodes[inode];
        inode.durable.flip(byte, mask);
        inode.content.flip(byte, mask)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|&inode| self.inodes[inode].content.len() as u64).sum()
    }

    fn check_power(&self, life: u64) -> io::Result<()> {
        if self.powered && self.life == life { Ok(()) } else { Err(io::Error::other("the power is off")) }
    }

    /// Counts a changing operation and says what goes wrong with it.
    fn count(&mut self) -> Option<Fault> {
        self.operations += 1;
        let due = self.fault.filter(|(operation, _)| *operation == self.operations);
        due.map(|(_, fault)| fault)
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        match fault {
            Fault::PowerCut => {
                self.cut_power();
                io::Error::other("the power is off")
            }
            Fault::Error => {
                self.failures += 1;
                io::Error::from_raw_os_error(libc::EIO)
            }
        }
    }

    fn create(&mut self, path: &str) -> usize {
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.name(NameChange { comes: Some((path.to_owned(), inode)), goes: None });
        inode
    }

    fn name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.names_changed.push(change);
    }

    fn cut_power(&mut self) {
        self.powered = false;
        // A journal keeps the first changes of names, not any of them.
        let names_kept = to_usize(self.chance.draw()) % (self.names_changed.len() + 1);
        for change in std::mem::take(&mut self.names_changed).into_iter().take(names_kept) {
            apply_name(&mut self.names_durable, &change);
        }
        self.names = self.names_durable.clone();
        for inode in &mut self.inodes {
            inode.lose_power(&mut self.chance);
        }
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    if let Some(name) = &change.goes {
        names.remove(name);
    }
    if let Some((name, inode)) = &change.comes {
        names.insert(name.clone(), *inode);
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        let life = state.life;
        state.check_power(life)?;
        let inode = match state.names.get(path) {
            Some(&inode) => inode,
            None if mode.access != Access::Create => return Err(io::ErrorKind::NotFound.into()),
            None => {
                if let Some(fault) = state.count() {
                    return Err(state.fail(fault));
                }
                state.create(path)
            }
        };
        Ok(Arc::new(FaultFile { disk: self.clone(), inode, life, mode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.check_power(state.life)?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if let Some(fault) = state.count() {
            return Err(state.fail(fault));
        }
        state.name(NameChange { comes: Some((to.to_owned(), inode)), goes: Some(from.to_owned()) });
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.check_power(state.life)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(fault) = state.count() {
            return Err(state.fail(fault));
        }
        state.name(NameChange { comes: None, goes: Some(path.to_owned()) });
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.check_power(state.life)?;
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let below = state.names.keys().filter_map(|path| path.strip_prefix(&prefix));
        let mut names: Vec<String> = below.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
        names.retain(|name| !name.is_empty());
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, directory: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.check_power(state.life)?;
        let name = format!("{directory}/");
        if !state.names.contains_key(&name) {
            let inode = state.create(&name);
            state.names_changed.pop();
            state.names_durable.insert(name, inode);
        }
        Ok(())
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.check_power(state.life)?;
        if let Some(fault) = state.count() {
            return Err(state.fail(fault));
        }
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let lies_here = |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let changes = std::mem::take(&mut state.names_changed);
        for change in changes {
            let names = change.comes.iter().map(|(name, _)| name).chain(&change.goes);
            if names.into_iter().any(|name| lies_here(name)) {
                apply_name(&mut state.names_durable, &change);
            } else {
                state.names_changed.push(change);
            }
        }
        Ok(())
    }

    fn space(&self) -> io::Result<DiskSpace> {
        let state = self.lock();
        state.check_power(state.life)?;
        Ok(DiskSpace { free_bytes: state.capacity.saturating_sub(state.used()), total_bytes: state.capacity })
    }
}

#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    life: u64,
    mode: OpenMode,
}

impl FaultFile {
    fn check_alignment(&self, position: u64, bytes: usize) -> io::Result<()> {
        let aligned = position.is_multiple_of(DIRECT_ALIGNMENT) && (bytes as u64).is_multiple_of(DIRECT_ALIGNMENT);
        if self.mode.caching == Caching::Kernel || aligned { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Carries out a change, or the part of it that a fault lets through.
    fn change(&self, change: Change, end: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.check_power(self.life)?;
        if self.mode.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let growth = end.saturating_sub(state.inodes[self.inode].content.len() as u64);
        if growth > state.capacity.saturating_sub(state.used()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fault = state.count();
        let State { chance, inodes, .. } = &mut *state;
        let done = if fault.is_some() { change.survivors(chance) } else { vec![change] };
        done.into_iter().for_each(|done| inodes[self.inode].change(done));
        fault.map_or(Ok(()), |fault| Err(state.fail(fault)))
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.check_alignment(position, buffer.len())?;
        let mut state = self.disk.lock();
        if let Err(error) = state.check_power(self.life) {
            state.read_failures += 1;
            return Err(error);
        }
        state.reads += 1;
        if state.read_fault == Some(state.reads) || state.unreadable.contains(&self.inode) {
            state.read_failures += 1;
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let content = &state.inodes[self.inode].content;
        Ok(content.read(to_usize(position), buffer))
    }

    fn write_at(&self, bytes: &[u8], position: u64, durability: Durability) -> io::Result<()> {
        self.check_alignment(position, bytes.len())?;
        let end = position + bytes.len() as u64;
        self.change(Change::Write { position, bytes: bytes.to_vec() }, end)?;
        match durability {
            Durability::Durable => self.sync(),
            Durability::Deferred => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.check_power(self.life)?;
        if let Some(fault) = state.count() {
            if fault == Fault::Error && self.mode.caching == Caching::Kernel {
                let State { chance, inodes, .. } = &mut *state;
                inodes[self.inode].give_up(chance);
            }
            return Err(state.fail(fault));
        }
        state.inodes[self.inode].sync();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.check_power(self.life)?;
        Ok(state.inodes[self.inode].content.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.change(Change::Resize(bytes), bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let present = self.size()?;
        if bytes > present { self.change(Change::Resize(bytes), bytes) } else { Ok(()) }
    }

    fn punch(&self, position: u64, bytes: u64) -> io::Result<()> {
        let end = self.size()?.min(position + bytes);
        let zeros = vec![0; to_usize(end.saturating_sub(position))];
        self.change(Change::Write { position, bytes: zeros }, end)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value % (1 << 40)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: OpenMode = OpenMode { access: Access::Create, caching: Caching::Kernel };

    fn written(seed: u64) -> Vec<u8> {
        let disk = FaultDisk::new(seed);
        let file = disk.open("a", CREATE).unwrap();
        file.write_at(&[1; 4096], 0, Durability::Durable).unwrap();
        disk.sync_dir("").unwrap();
        file.write_at(&[2; 4096], 0, Durability::Deferred).unwrap();
        file.write_at(&[3; 4096], 2048, Durability::Deferred).unwrap();
        disk.restart();
        assert!(file.sync().is_err(), "a file of an earlier life works");
        disk.content("a").unwrap()
    }

    #[test]
    fn one_seed_has_one_accident() {
        assert_eq!(written(7), written(7));
        let accidents: std::collections::BTreeSet<Vec<u8>> = (0..50).map(written).collect();
        assert!(accidents.len() > 10, "only {} kinds of accidents", accidents.len());
    }

    #[test]
    fn a_name_is_certain_only_after_its_directory_is_synced() {
        let lost = (0..20).filter(|&seed| {
            let disk = FaultDisk::new(seed);
            disk.open("a", CREATE).unwrap().sync().unwrap();
            disk.restart();
            disk.content("a").is_none()
        });
        assert!((1..20).contains(&lost.count()));
    }

    #[test]
    fn a_full_disk_refuses_and_a_chosen_operation_fails() {
        let disk = FaultDisk::new(1);
        disk.set_capacity(8192);
        let file = disk.open("a", CREATE).unwrap();
        file.allocate(8192).unwrap();
        assert_eq!(file.set_len(8193).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.free_bytes().unwrap(), 0);
        disk.fail_at(disk.operations() + 2, Fault::Error);
        file.write_at(&[1; 10], 0, Durability::Deferred).unwrap();
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok());
    }
}
