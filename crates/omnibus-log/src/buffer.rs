//! Memory as direct I/O wants it: beginning and ending on a page.

use bytes::Bytes;

/// The alignment of every block, file position and length.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Returns `bytes` rounded up to whole pages.
pub(crate) const fn pages_of(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES as u64)
}

/// Bytes that begin on a page. They never move: the capacity is taken once.
#[derive(Debug)]
pub(crate) struct AlignedBuffer {
    /// A page more than asked for, so that an aligned start lies within.
    memory: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    /// Makes an empty buffer that takes up to `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut memory: Vec<u8> = Vec::with_capacity(capacity + PAGE_BYTES);
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        memory.resize(start, 0);
        Self { memory, start }
    }

    /// Makes a buffer of `bytes` zeros.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let memory = vec![0u8; bytes + PAGE_BYTES];
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        let mut buffer = Self { memory, start };
        buffer.memory.truncate(start + bytes);
        buffer
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len() - self.start
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        assert!(self.memory.len() + bytes.len() <= self.memory.capacity(), "an aligned buffer overflows");
        self.memory.extend_from_slice(bytes);
    }

    /// Fills the last page up with zeros.
    pub(crate) fn pad(&mut self) {
        let padded = self.start + self.len().next_multiple_of(PAGE_BYTES);
        assert!(padded <= self.memory.capacity(), "an aligned buffer overflows");
        self.memory.resize(padded, 0);
    }

    pub(crate) fn truncate(&mut self, bytes: usize) {
        self.memory.truncate(self.start + bytes);
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }

    /// Gives the bytes away without copying them.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_and_ends_on_a_page_and_never_moves() {
        for capacity in [4096, 8192, 1 << 20] {
            let mut buffer = AlignedBuffer::with_capacity(capacity);
            let begin = buffer.as_ref().as_ptr();
            buffer.push(&vec![1; capacity - 4095]);
            buffer.pad();
            assert_eq!(buffer.len(), capacity);
            assert_eq!(buffer.as_ref().as_ptr(), begin);
            assert_eq!(begin.align_offset(PAGE_BYTES), 0);
            assert_eq!(buffer.freeze().as_ptr(), begin);
            assert_eq!(AlignedBuffer::zeroed(capacity).freeze().as_ptr().align_offset(PAGE_BYTES), 0);
        }
    }
}
