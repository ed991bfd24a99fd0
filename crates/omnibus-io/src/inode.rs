//! One file of a disk in memory: what it holds, and what a power cut would leave of it.

use crate::sparse::Content;

const SECTOR_BYTES: usize = 512;

/// Chance that follows from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    state: u64,
}

/// A file's content as it is read, as it is for certain, and what lies between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    pub(crate) content: Content,
    pub(crate) durable: Content,
    pub(crate) unsynced: Vec<Change>,
}

/// A change of a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { position: u64, bytes: Vec<u8> },
    Resize(u64),
}

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of a `splitmix64` sequence.
    pub(crate) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Inode {
    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.unsynced.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Keeps what is durable and some of the rest.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) {
        self.give_up(chance);
        self.content.clone_from(&self.durable);
    }

    /// Writes some of what is unsynced, and forgets that the rest is not.
    pub(crate) fn give_up(&mut self, chance: &mut Chance) {
        for change in self.unsynced.drain(..) {
            for survivor in change.survivors(chance) {
                survivor.apply(&mut self.durable);
            }
        }
    }
}

impl Change {
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Write { position, bytes } => Some((*position, bytes.len() as u64)),
            Self::Resize(_) => None,
        }
    }

    fn apply(&self, content: &mut Content) {
        match self {
            Self::Resize(bytes) => content.resize(to_usize(*bytes)),
            Self::Write { position, bytes } => content.write(to_usize(*position), bytes),
        }
    }

    /// Decides what a power cut leaves of the change.
    pub(crate) fn survivors(self, chance: &mut Chance) -> Vec<Self> {
        match (chance.draw() % 3, self) {
            (0, _) => Vec::new(),
            (1, Self::Write { position, bytes }) => torn(position, &bytes, chance),
            (_, change) => vec![change],
        }
    }
}

/// Keeps the first, the last or any sectors of a write.
fn torn(position: u64, bytes: &[u8], chance: &mut Chance) -> Vec<Change> {
    let sectors = bytes.len().div_ceil(SECTOR_BYTES);
    let edge = to_usize(chance.draw()) % (sectors + 1);
    let kind = chance.draw() % 3;
    let mut survives = |sector: usize| match kind {
        0 => sector < edge,
        1 => sector >= edge,
        _ => chance.draw().is_multiple_of(2),
    };
    let mut survivors = Vec::new();
    for (sector, bytes) in bytes.chunks(SECTOR_BYTES).enumerate() {
        if survives(sector) {
            let position = position + (sector * SECTOR_BYTES) as u64;
            survivors.push(Change::Write { position, bytes: bytes.to_vec() });
        }
    }
    survivors
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value % (1 << 40)).unwrap_or(usize::MAX)
}
