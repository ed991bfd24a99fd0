//! What a file in memory holds: pages that copies share until one is written to, and none where there are only zeros.

use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// Clones are cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// Bytes behind the end are zeros.
    pages: Vec<Option<Arc<[u8; PAGE_BYTES]>>>,
    bytes: usize,
}

impl Content {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(0, bytes);
        content
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes
    }

    /// What is new are zeros.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.pages.truncate(bytes.div_ceil(PAGE_BYTES));
            if let Some(Some(last)) = self.pages.get_mut(bytes / PAGE_BYTES) {
                Arc::make_mut(last)[bytes % PAGE_BYTES..].fill(0);
            }
        } else {
            self.pages.resize(bytes.div_ceil(PAGE_BYTES), None);
        }
        self.bytes = bytes;
    }

    /// Grows if it must.
    pub(crate) fn write(&mut self, mut position: usize, mut bytes: &[u8]) {
        self.resize(self.bytes.max(position + bytes.len()));
        while !bytes.is_empty() {
            let place = position % PAGE_BYTES;
            let (part, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES - place));
            let page = &mut self.pages[position / PAGE_BYTES];
            if part == &ZEROS[..part.len()] && (part.len() == PAGE_BYTES || page.is_none()) {
                *page = None;
            } else {
                let page = page.get_or_insert_with(|| Arc::new(ZEROS));
                Arc::make_mut(page)[place..place + part.len()].copy_from_slice(part);
            }
            (position, bytes) = (position + part.len(), rest);
        }
    }

    /// Returns how many bytes there were.
    pub(crate) fn read(&self, position: usize, buffer: &mut [u8]) -> usize {
        let there = self.bytes.saturating_sub(position).min(buffer.len());
        let (mut position, mut rest) = (position, &mut buffer[..there]);
        while !rest.is_empty() {
            let place = position % PAGE_BYTES;
            let (part, behind) = rest.split_at_mut(rest.len().min(PAGE_BYTES - place));
            match &self.pages[position / PAGE_BYTES] {
                Some(page) => part.copy_from_slice(&page[place..place + part.len()]),
                None => part.fill(0),
            }
            (position, rest) = (position + part.len(), behind);
        }
        there
    }

    /// Turns one bit over; false if it does not reach that far.
    pub(crate) fn flip(&mut self, byte: usize, mask: u8) -> bool {
        let mut bytes = [0];
        let is_there = self.read(byte, &mut bytes) == 1;
        if is_there {
            self.write(byte, &[bytes[0] ^ mask]);
        }
        is_there
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes];
        self.read(0, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 5 * PAGE_BYTES;

    /// Some bytes that are not zero, and some that are.
    fn drawn(state: &mut u64, length: usize) -> Vec<u8> {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let byte = if state.is_multiple_of(3) { 0 } else { state.to_le_bytes()[5] };
        vec![byte; length]
    }

    fn below(state: &mut u64, bound: usize) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(*state >> 33).unwrap() % bound
    }

    #[test]
    fn it_holds_what_a_list_of_bytes_does() {
        let mut state = 7;
        let (mut content, mut bytes) = (Content::default(), Vec::new());
        let mut kept = Vec::new();
        for turn in 0..2_000 {
            let position = below(&mut state, LENGTH);
            let length = [1, 512, PAGE_BYTES, 3 * PAGE_BYTES][below(&mut state, 4)];
            match below(&mut state, 8) {
                0 => {
                    content.resize(position);
                    bytes.resize(position, 0);
                }
                1 if position < bytes.len() => {
                    assert!(content.flip(position, 4));
                    bytes[position] ^= 4;
                }
                _ => {
                    let position = if turn % 2 == 0 { position / PAGE_BYTES * PAGE_BYTES } else { position };
                    let written = drawn(&mut state, length);
                    content.write(position, &written);
                    bytes.resize(bytes.len().max(position + length), 0);
                    bytes[position..position + length].copy_from_slice(&written);
                }
            }
            assert_eq!((content.len(), content.to_vec() == bytes), (bytes.len(), true), "turn {turn}");
            let mut part = vec![9; length];
            let there = content.read(position, &mut part);
            assert_eq!(part[..there], bytes[position.min(bytes.len())..][..there]);
            assert_eq!(there, bytes.len().saturating_sub(position).min(length));
            if turn % 100 == 0 {
                kept.push((content.clone(), bytes.clone()));
            }
        }
        assert!(!content.flip(content.len(), 1));
        assert!(kept.iter().all(|(content, bytes)| content.to_vec() == *bytes), "a copy has changed");
    }
}
