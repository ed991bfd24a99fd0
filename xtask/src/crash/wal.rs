//! Finds its way in the segments of a dead broker's log, and damages them.
//! What the bytes mean stands in `docs/formats/segment.md`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PAGE: usize = 4096;
/// An edit of the manifest, and the kind of one.
const SLOT: usize = 1024;
const SEGMENT_BEGINS: u32 = 7;
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
    pub(super) numbers: Vec<(u64, u64)>,
}

/// Returns the blocks of a data directory, oldest first.
pub(super) fn blocks(data: &Path) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for entry in fs::read_dir(data.join("wal")).context("cannot list the log")?.flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "seg") {
            blocks.extend(of_file(&entry.path())?);
        }
    }
    blocks.sort_by_key(|block| (block.epoch, block.sequence));
    // What a recycled segment held before is of an older epoch and comes before all others.
    let mut chain: Vec<Block> = Vec::new();
    for block in blocks.into_iter().rev() {
        if chain.last().is_some_and(|newer| newer.sequence != block.sequence + 1) {
            break;
        }
        chain.push(block);
    }
    chain.reverse();
    Ok(chain)
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

/// The newest blocks of which no record was acknowledged and that nothing calls durable: no
/// later block does, nor does a segment after theirs, which begins when they are.
pub(super) fn unacknowledged_tail<'b>(blocks: &'b [Block], acknowledged: &BTreeSet<u64>) -> &'b [Block] {
    let durable = blocks.iter().map(|block| block.durable).max().unwrap_or(0);
    let is_open = |block: &Block| {
        let is_told = block.numbers.iter().any(|(number, _)| acknowledged.contains(number));
        !block.numbers.is_empty() && !is_told && block.sequence > durable
    };
    let length = blocks.iter().rev().take_while(|block| is_open(block)).count();
    &blocks[blocks.len() - length..]
}

/// Whether a block is in the segment that the log was writing; those that wait for their turn
/// have higher numbers. See `docs/formats/manifest.md`.
pub(super) fn is_begun_last(block: &Block, data: &Path) -> Result<bool> {
    let manifests = fs::read_dir(data.join("manifest"))?.flatten().map(|entry| entry.path());
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u64>().ok();
    let newest = manifests.max_by_key(|path| number(path)).context("there is no manifest")?;
    Ok(begun_last(&fs::read(newest)?).is_some_and(|begun| block.file.ends_with(format!("{begun:010}.seg"))))
}

/// The segment of the last edit that says that one is written from now on.
fn begun_last(manifest: &[u8]) -> Option<u64> {
    let mut edits = manifest.chunks_exact(SLOT);
    edits.rfind(|edit| u32_at(edit, 4) == SEGMENT_BEGINS).map(|edit| u64_at(edit, 24))
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

/// Flips a bit in the middle of a record that was acknowledged, old enough that later blocks
/// say that it is durable. Returns the record's number.
pub(super) fn rot(blocks: &[Block], acknowledged: &BTreeSet<u64>) -> Result<u64> {
    let all_known = |block: &&Block| {
        !block.numbers.is_empty() && block.numbers.iter().all(|(number, _)| acknowledged.contains(number))
    };
    let victim = blocks[..blocks.len() / 2].iter().rev().find(all_known).context("no block was acknowledged whole")?;
    let (number, at) = victim.numbers[victim.numbers.len() / 2];
    flip(&victim.file, at + 100)?;
    Ok(number)
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
    fn the_segment_that_is_written_is_told_from_those_that_wait() {
        let edit = |kind: u8, number: u8| {
            let mut slot = vec![0; SLOT];
            (slot[4], slot[24]) = (kind, number);
            slot
        };
        let manifest = [edit(1, 4), edit(7, 4), edit(1, 5), edit(7, 5), edit(1, 6), vec![0; SLOT]].concat();
        assert_eq!(begun_last(&manifest), Some(5));
    }

    #[test]
    fn the_tail_ends_at_the_newest_acknowledged_record() {
        let blocks = [block(1, &[1]), block(2, &[2, 3]), block(3, &[4]), block(4, &[5])];
        let tail = |acknowledged: &[u64]| unacknowledged_tail(&blocks, &acknowledged.iter().copied().collect()).len();
        assert_eq!(tail(&[1, 3]), 2);
        assert_eq!(tail(&[1, 5]), 0);
        assert_eq!(tail(&[1]), 2, "blocks 1 and 2 are known to be durable");
    }
}
