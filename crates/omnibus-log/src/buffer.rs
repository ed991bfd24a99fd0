//! Memory as direct I/O wants it: beginning and ending on a page.
//!
//! Long buffers are mappings of their own, and are used again. The writer fills the cache and
//! readers empty it: from the allocator's heaps, what one thread frees would stay with another,
//! and the process would hold the cache two or three times.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use memmap2::MmapMut;
use parking_lot::Mutex;

/// The alignment of every block, file position and length.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Buffers from this length on are mapped.
const MAPPED_BYTES_MIN: usize = 64 << 10;
/// Mapped buffers up to this length are used again.
const REUSED_BYTES_MAX: usize = 4 << 20;
/// What may wait to be used again. Memory has no owner, so all logs of a process share it.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// A buffer that is this part longer than what is wanted will do.
const SURPLUS_SHARE: usize = 8;

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { buffers: VecDeque::new(), bytes: 0 });

/// Buffers that nobody uses now.
#[derive(Debug)]
struct Waiting {
    buffers: VecDeque<MmapMut>,
    bytes: usize,
}

impl Waiting {
    /// Takes a buffer with room for `bytes`, but not much more.
    fn take(&mut self, bytes: usize) -> Option<MmapMut> {
        let most = bytes + bytes / SURPLUS_SHARE;
        let place = self.buffers.iter().rposition(|buffer| (bytes..=most).contains(&buffer.len()))?;
        let buffer = self.buffers.remove(place)?;
        self.bytes -= buffer.len();
        Some(buffer)
    }

    /// Keeps a buffer; returns those that have to go, to be freed without the lock.
    fn keep(&mut self, buffer: MmapMut) -> Vec<MmapMut> {
        self.bytes += buffer.len();
        self.buffers.push_back(buffer);
        let mut surplus = Vec::new();
        while self.bytes > WAITING_BYTES_MAX
            && let Some(oldest) = self.buffers.pop_front()
        {
            self.bytes -= oldest.len();
            surplus.push(oldest);
        }
        surplus
    }
}

/// Returns `bytes` rounded up to whole pages.
pub(crate) const fn pages_of(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES as u64)
}

/// Where a buffer's bytes are.
#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    Heap(Vec<u8>),
}

impl Memory {
    /// Takes at least `bytes`, which are zeros or what a former user left.
    fn new(bytes: usize) -> Self {
        if bytes < MAPPED_BYTES_MIN {
            return Self::Heap(vec![0; bytes]);
        }
        let waiting = if bytes <= REUSED_BYTES_MAX { WAITING.lock().take(bytes) } else { None };
        // The kernel limits how many mappings there are; the heap has no such limit.
        let mapped = waiting.map_or_else(|| MmapMut::map_anon(bytes), Ok);
        mapped.map_or_else(|_| Self::Heap(vec![0; bytes]), Self::Mapped)
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => mapped,
            Self::Heap(heap) => heap,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(mapped) => mapped,
            Self::Heap(heap) => heap,
        }
    }
}

/// Bytes that begin on a page. They never move: the capacity is taken once.
#[derive(Debug)]
pub(crate) struct AlignedBuffer {
    /// A page more than asked for, so that an aligned start lies within. What lies beyond the
    /// length is of no meaning: zeros, or what a former user left.
    memory: Memory,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// Makes an empty buffer that takes up to `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::over(Memory::new(capacity + PAGE_BYTES))
    }

    fn over(memory: Memory) -> Self {
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        Self { memory, start, length: 0 }
    }

    /// Makes a buffer of `bytes` bytes that somebody will fill.
    pub(crate) fn to_fill(bytes: usize) -> Self {
        let mut buffer = Self::with_capacity(bytes);
        buffer.length = bytes;
        buffer
    }

    /// Makes a buffer of `bytes` zeros.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let mut buffer = Self::over(Memory::Heap(vec![0; bytes + PAGE_BYTES]));
        buffer.length = bytes;
        buffer
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.grow(bytes.len()).copy_from_slice(bytes);
    }

    /// Fills the last page up with zeros.
    pub(crate) fn pad(&mut self) {
        let missing = self.length.next_multiple_of(PAGE_BYTES) - self.length;
        self.grow(missing).fill(0);
    }

    /// Returns the next `bytes` to be overwritten.
    fn grow(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.start + self.length;
        assert!(end + bytes <= self.memory.len(), "an aligned buffer overflows");
        self.length += bytes;
        &mut self.memory[end..end + bytes]
    }

    pub(crate) fn truncate(&mut self, bytes: usize) {
        self.length = self.length.min(bytes);
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }

    /// Gives the bytes away without copying them.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        if self.memory.len() <= REUSED_BYTES_MAX
            && let Memory::Mapped(mapped) = std::mem::replace(&mut self.memory, Memory::Heap(Vec::new()))
        {
            let surplus = WAITING.lock().keep(mapped);
            // Unmapped here, without the lock.
            drop(surplus);
        }
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
    #[test]
    fn a_buffer_that_was_used_begins_empty_and_shows_nothing_old() {
        for _ in 0..3 {
            let mut buffer = AlignedBuffer::with_capacity(1 << 20);
            assert!(buffer.as_ref().is_empty());
            buffer.push(&[7]);
            buffer.pad();
            assert_eq!(&buffer.as_ref()[..2], [7, 0]);
            assert!(buffer.as_ref()[1..].iter().all(|byte| *byte == 0));
            let mut full = AlignedBuffer::to_fill(1 << 20);
            full.as_mut_slice().fill(9);
            assert!(AlignedBuffer::zeroed(1 << 20).as_ref().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn what_waits_is_bounded_and_fits() {
        let mut waiting = Waiting { buffers: VecDeque::new(), bytes: 0 };
        assert!(waiting.keep(MmapMut::map_anon(100 << 10).unwrap()).is_empty());
        assert!(waiting.take(101 << 10).is_none(), "too short");
        assert!(waiting.take(64 << 10).is_none(), "much too long");
        assert_eq!(waiting.take(96 << 10).map(|buffer| buffer.len()), Some(100 << 10));
        for _ in 0..20 {
            drop(waiting.keep(MmapMut::map_anon(1 << 20).unwrap()));
        }
        assert_eq!((waiting.bytes, waiting.buffers.len()), (WAITING_BYTES_MAX, 8));
    }
}
