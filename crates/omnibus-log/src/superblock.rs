//! The root of everything: two copies of one page that name the log and its manifest.

use std::io;

use omnibus_io::{Access, Caching, Disk, Durability, OpenMode};

use crate::buffer::PAGE_BYTES;
use crate::cursor::Cursor;
use crate::error::{Action, LogError};

const MAGIC: u32 = u32::from_le_bytes(*b"OmSu");
/// The version of every format below the data directory.
pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const PATHS: [&str; 2] = ["SUPER.a", "SUPER.b"];

/// What the root page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Grows with every save; the higher copy counts.
    pub(crate) generation: u64,
    pub(crate) log: u64,
    pub(crate) incarnation: u64,
    pub(crate) manifest: u64,
    /// A block that is known to have been durable: if it is not there, it was lost.
    pub(crate) durable_seq: u64,
}

/// What the two copies are like.
#[derive(Debug)]
pub(crate) struct SuperblockCopies {
    pub(crate) newest: Option<Superblock>,
    /// Copies that are there and cannot be read.
    pub(crate) damaged: Vec<&'static str>,
}

impl Superblock {
    /// Reads both copies.
    pub(crate) fn load(disk: &dyn Disk) -> Result<SuperblockCopies, LogError> {
        let mut copies = SuperblockCopies { newest: None, damaged: Vec::new() };
        for path in PATHS {
            let Some(page) = read_page(disk, path).map_err(|source| unreadable(path, source))? else { continue };
            match Self::decode(&page, path)? {
                Some(copy) if copies.newest.is_none_or(|newest| newest.generation < copy.generation) => {
                    copies.newest = Some(copy);
                }
                Some(_) => {}
                None => copies.damaged.push(path),
            }
        }
        Ok(copies)
    }

    /// Writes both copies, one after the other, under a new generation.
    pub(crate) fn save(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        self.generation += 1;
        let page = self.encode();
        for path in PATHS {
            let mode = OpenMode { access: Access::Create, caching: Caching::Kernel };
            let file = disk.open(path, mode);
            let written = file.and_then(|file| file.write_at(&page, 0, Durability::Durable));
            written.map_err(|source| LogError::Io { action: Action::Write, path: path.to_owned(), source })?;
        }
        disk.sync_dir("").map_err(|source| LogError::Io { action: Action::Write, path: ".".to_owned(), source })
    }

    fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend_from_slice(&MAGIC.to_le_bytes());
        page.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        for field in [self.generation, self.log, self.incarnation, self.manifest, self.durable_seq] {
            page.extend_from_slice(&field.to_le_bytes());
        }
        page.extend_from_slice(&crc32c::crc32c(&page).to_le_bytes());
        page.resize(PAGE_BYTES, 0);
        page
    }

    fn decode(page: &[u8], path: &str) -> Result<Option<Self>, LogError> {
        let Some((version, copy)) = Self::decode_fields(page) else { return Ok(None) };
        if version == FORMAT_VERSION {
            return Ok(Some(copy));
        }
        Err(LogError::Version { path: path.to_owned(), version, supported: FORMAT_VERSION })
    }

    /// Whether a page is a copy that can be read.
    pub(crate) fn is_copy(page: &[u8]) -> bool {
        Self::decode_fields(page).is_some()
    }

    fn decode_fields(page: &[u8]) -> Option<(u32, Self)> {
        let mut cursor = Cursor::new(page);
        let magic = cursor.u32()?;
        let version = cursor.u32()?;
        let (generation, log, incarnation) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (manifest, durable_seq) = (cursor.u64()?, cursor.u64()?);
        let sound = magic == MAGIC && cursor.u32()? == crc32c::crc32c(page.get(..48)?);
        sound.then_some((version, Self { generation, log, incarnation, manifest, durable_seq }))
    }
}

fn read_page(disk: &dyn Disk, path: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, OpenMode { access: Access::Read, caching: Caching::Kernel }) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut page = vec![0; PAGE_BYTES];
    let bytes = file.read_at(&mut page, 0)?;
    page.truncate(bytes);
    Ok(Some(page))
}

fn unreadable(path: &str, source: io::Error) -> LogError {
    LogError::Io { action: Action::Read, path: path.to_owned(), source }
}
