//! What happened, line by line. Its digest tells whether two runs were the same.

use std::fmt::Arguments;

/// Whether the lines themselves are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Digest,
    Lines,
}

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    pub(crate) lines: Vec<String>,
    pub(crate) digest: u64,
}

impl Trace {
    pub(crate) const fn new(keep: Keep) -> Self {
        Self { keep, lines: Vec::new(), digest: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) fn line(&mut self, line: Arguments<'_>) {
        let line = line.to_string();
        for byte in line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.keep == Keep::Lines {
            self.lines.push(line);
        }
    }
}
