//! Finds its way in the segments of a dead broker's log, and damages them.
//! What the bytes mean stands in `docs/formats/segment.md`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PAGE: usize = 4096;
/// An edit of the manifest, and the kinds that the search needs.
const SLOT: usize = 1024;
const SEGMENT_GIVEN_UP: u32 = 2;
const SEGMENT_BEGINS: u32 = 7;
const SEGMENT_COMPLETE: u32 = 8;
const ROOT_PAGES: [&str; 2] = ["SUPER.a", "SUPER.b"];
const MAGIC: &[u8; 4] = b"OmBk";
/// A record of the load: `#`, twelve digits, `#`.
const NUMBER_DIGITS: usize = 12;

/// One block, in the order in which the log was written.
#[derive(Clone, Debug)]
pub(super) struct Block {
    file: PathBuf,
    position: u64,
    bytes: u64,
    epoch: u64,
    sequence: u64,
    /// The newest block that was known to be durable when this one was made.
    durable: u64,
    /// The numbers of the load's records in it, and where in the file each stands.
    numbers: Vec<(u64, u64)>,
}

/// A dead broker's log.
#[derive(Debug, Default)]
pub(super) struct Wal {
    /// Oldest first.
    blocks: Vec<Block>,
    /// The newest block that anything calls durable: a later block, or the root page.
    durable: u64,
    /// The segment that was being written; those that wait for their turn have higher numbers.
    begun_last: Option<u64>,
}

/// What a manifest says of segments.
#[derive(Debug, Default, PartialEq)]
struct Segments {
    /// Those that have blocks which count.
    live: BTreeSet<u64>,
    begun_last: Option<u64>,
}

impl Wal {
    pub(super) fn read(data: &Path) -> Result<Self> {
        let root = newest_root(data)?;
        let manifest = data.join("manifest").join(u64_at(&root, 32).to_string());
        let manifest = fs::read(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let Segments { live, begun_last } = segments(&manifest);
        let mut blocks = Vec::new();
        for &number in &live {
            let file = of_file(&data.join(format!("wal/{number:010}.seg")))?;
            // What a recycled segment held before is of an older epoch.
            blocks.extend(file.into_iter().filter(|block| block.epoch == number));
        }
        blocks.sort_by_key(|block| block.sequence);
        let announced = blocks.iter().map(|block| block.durable).max().unwrap_or(0);
        Ok(Self { blocks, durable: announced.max(u64_at(&root, 40)), begun_last })
    }

    /// The newest block, unless its segment has ended: behind that, nothing can be a torn write.
    pub(super) fn newest(&self) -> Option<&Block> {
        self.blocks.last().filter(|newest| Some(newest.epoch) == self.begun_last)
    }

    /// The newest blocks of which no record was acknowledged and that nothing calls durable.
    pub(super) fn unacknowledged_tail(&self, acknowledged: &BTreeSet<u64>) -> &[Block] {
        let is_open = |block: &Block| {
            let is_told = block.numbers.iter().any(|(number, _)| acknowledged.contains(number));
            !block.numbers.is_empty() && !is_told && block.sequence > self.durable
        };
        let length = self.blocks.iter().rev().take_while(|block| is_open(block)).count();
        &self.blocks[self.blocks.len() - length..]
    }

    /// Flips a bit in the middle of a record that was acknowledged, old enough that later blocks
    /// say that it is durable. Returns the record's number.
    pub(super) fn rot(&self, acknowledged: &BTreeSet<u64>) -> Result<u64> {
        let all_known = |block: &&Block| {
            !block.numbers.is_empty() && block.numbers.iter().all(|(number, _)| acknowledged.contains(number))
        };
        let older = &self.blocks[..self.blocks.len() / 2];
        let victim = older.iter().rev().find(all_known).context("no block was acknowledged whole")?;
        let (number, at) = victim.numbers[victim.numbers.len() / 2];
        flip(&victim.file, at + 100)?;
        Ok(number)
    }
}

/// The root page of the higher generation. The broker was killed, not the machine: both are whole.
fn newest_root(data: &Path) -> Result<Vec<u8>> {
    let pages = ROOT_PAGES.iter().filter_map(|name| fs::read(data.join(name)).ok());
    let whole = pages.filter(|page| page.len() >= 64);
    whole.max_by_key(|page| u64_at(page, 8)).context("there is no root page")
}

fn segments(manifest: &[u8]) -> Segments {
    let mut segments = Segments::default();
    for edit in manifest.chunks_exact(SLOT) {
        let number = u64_at(edit, 24);
        match u32_at(edit, 4) {
            SEGMENT_GIVEN_UP => drop(segments.live.remove(&number)),
            SEGMENT_COMPLETE => drop(segments.live.insert(number)),
            SEGMENT_BEGINS => {
                segments.live.insert(number);
                segments.begun_last = Some(number);
            }
            _ => {}
        }
    }
    segments
}

fn of_file(path: &Path) -> Result<Vec<Block>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut blocks = Vec::new();
    let mut at = 0;
    while at + 64 <= text.len() {
        let header = &text[at..at + 64];
        let bytes = u32_at(header, 8) as usize;
        if &header[..4] != MAGIC || bytes == 0 || at + bytes > text.len() {
            at += PAGE;
            continue;
        }
        blocks.push(Block {
            file: path.to_path_buf(),
            position: at as u64,
            bytes: bytes as u64,
            epoch: u64_at(header, 24),
            sequence: u64_at(header, 32),
            durable: u64_at(header, 40),
            numbers: numbers(&text[at..at + bytes], at as u64),
        });
        at += bytes;
    }
    Ok(blocks)
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The load's records in some bytes that begin at `start` of their file.
fn numbers(bytes: &[u8], start: u64) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for (at, window) in bytes.windows(NUMBER_DIGITS + 2).enumerate() {
        let digits = &window[1..=NUMBER_DIGITS];
        if window[0] == b'#' && window[NUMBER_DIGITS + 1] == b'#' && digits.iter().all(u8::is_ascii_digit) {
            let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            found.push((number, start + at as u64));
        }
    }
    found
}

/// Ends a file in the middle of the tail; where there is none, behind the newest block.
pub(super) fn truncate(tail: &[Block], newest: &Block) -> Result<bool> {
    let length = match tail.first() {
        Some(block) => block.position + block.bytes / 2,
        None => newest.position + newest.bytes,
    };
    let file = OpenOptions::new().write(true).open(&newest.file)?;
    file.set_len(length)?;
    Ok(true)
}

/// Flips a bit of the tail; where there is none, leaves half a write behind the newest block.
pub(super) fn spoil(tail: &[Block], newest: &Block) -> Result<bool> {
    if let Some(block) = tail.first() {
        return flip(&block.file, block.position + block.bytes / 2).map(|()| true);
    }
    let end = newest.position + newest.bytes;
    let file = OpenOptions::new().read(true).write(true).open(&newest.file)?;
    if end + newest.bytes > file.metadata()?.len() {
        return Ok(false);
    }
    let mut half = vec![0; usize::try_from(newest.bytes)? / 2];
    file.read_exact_at(&mut half, newest.position)?;
    file.write_all_at(&half, end)?;
    Ok(true)
}

fn flip(path: &Path, at: u64) -> Result<()> {
    let file: File = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << 3;
    Ok(file.write_all_at(&byte, at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(sequence: u64, numbers: &[u64]) -> Block {
        let numbers = numbers.iter().map(|number| (*number, 0)).collect();
        Block { file: PathBuf::new(), position: 0, bytes: 4096, epoch: 1, sequence, durable: 2, numbers }
    }

    #[test]
    fn numbers_are_found_wherever_they_stand() {
        assert_eq!(numbers(b"..#000000000042#xx#1#000000000007#", 10), [(42, 12), (7, 30)]);
    }

    #[test]
    fn given_up_segments_and_those_that_wait_have_no_blocks_that_count() {
        let edit = |kind: u8, number: u8| {
            let mut slot = vec![0; SLOT];
            (slot[4], slot[24]) = (kind, number);
            slot
        };
        let manifest = [edit(8, 3), edit(1, 4), edit(7, 4), edit(2, 3), edit(7, 5), edit(1, 6), vec![0; SLOT]].concat();
        assert_eq!(segments(&manifest), Segments { live: [4, 5].into(), begun_last: Some(5) });
    }

    #[test]
    fn the_tail_ends_at_the_newest_acknowledged_record() {
        let blocks = vec![block(1, &[1]), block(2, &[2, 3]), block(3, &[4]), block(4, &[5])];
        let mut wal = Wal { blocks, durable: 2, begun_last: Some(1) };
        let tail =
            |wal: &Wal, acknowledged: &[u64]| wal.unacknowledged_tail(&acknowledged.iter().copied().collect()).len();
        assert_eq!(tail(&wal, &[1, 3]), 2);
        assert_eq!(tail(&wal, &[1, 5]), 0);
        assert_eq!(tail(&wal, &[1]), 2, "blocks 1 and 2 are known to be durable");
        wal.durable = 4;
        assert_eq!(tail(&wal, &[1]), 0, "the root page says that all are durable");
    }
}
