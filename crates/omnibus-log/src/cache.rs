//! Spans of files in memory, within a bound: written blocks and pages read.
//!
//! The order of leaving is S3-FIFO's: what is used once leaves a small queue quickly, what
//! is used again stays in a large one, and what comes back soon after leaving goes there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::file::FileKey;

const USES_MAX: u8 = 3;
/// The part of the cache that newcomers have, in quarters. It is large: what was just written is
/// what most readers want next, and one pass over a block of many streams looks like much use.
const NEWCOMERS_QUARTERS: u64 = 3;
const LEFT_MAX: usize = 4096;
/// What a span's place here takes, about.
const PLACE_BYTES: u64 = 256;
/// What a span takes beside its bytes if it lies where direct I/O wants it.
const ALIGNMENT_BYTES: u64 = 4096;
/// Shorter spans are copied: a small block is mostly padding, on two pages.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// Where a span came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From memory, on its way to the disk: what it says needs no check.
    Written,
    /// From the disk.
    Read,
}

/// The cache. Its lock is held for a lookup or an insert, never across I/O.
#[derive(Debug)]
pub(crate) struct Cache {
    spans: Mutex<Spans>,
    bytes_max: u64,
    hits: AtomicU64,
    misses: AtomicU64,
}

type SpanKey = (FileKey, u64);

#[derive(Debug, Default)]
struct Spans {
    spans: BTreeMap<SpanKey, Span>,
    newcomers: VecDeque<SpanKey>,
    regulars: VecDeque<SpanKey>,
    bytes: u64,
    newcomer_bytes: u64,
    /// Keys of newcomers that left not long ago.
    left: VecDeque<SpanKey>,
    left_set: BTreeSet<SpanKey>,
}

#[derive(Debug)]
struct Span {
    bytes: Bytes,
    origin: Origin,
    uses: u8,
    regular: bool,
}

/// How full a cache is and how useful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub(crate) bytes: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { spans: Mutex::default(), bytes_max, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Returns a range of a file, if one span holds all of it.
    pub(crate) fn get(&self, file: FileKey, position: u64, bytes: u64) -> Option<(Bytes, Origin)> {
        let found = self.spans.lock().get(file, position, bytes);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn insert(&self, file: FileKey, position: u64, bytes: Bytes, origin: Origin) {
        if bytes.is_empty() || cost(&bytes) > self.bytes_max {
            return;
        }
        let bytes = if is_copied(&bytes) { Bytes::copy_from_slice(&bytes) } else { bytes };
        let mut spans = self.spans.lock();
        spans.insert((file, position), bytes, origin);
        while spans.bytes > self.bytes_max {
            spans.evict(self.bytes_max / 4 * NEWCOMERS_QUARTERS);
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            bytes: self.spans.lock().bytes,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

impl Spans {
    fn get(&mut self, file: FileKey, position: u64, bytes: u64) -> Option<(Bytes, Origin)> {
        let (&(found, start), span) = self.spans.range_mut(..=(file, position)).next_back()?;
        if found != file {
            return None;
        }
        let from = usize::try_from(position - start).ok()?;
        let to = from.checked_add(usize::try_from(bytes).ok()?)?;
        if to > span.bytes.len() {
            return None;
        }
        span.uses = (span.uses + 1).min(USES_MAX);
        Some((span.bytes.slice(from..to), span.origin))
    }

    fn insert(&mut self, key: SpanKey, bytes: Bytes, origin: Origin) {
        let length = cost(&bytes);
        if let Some(span) = self.spans.get_mut(&key) {
            // Two readers brought the same, or one of them more.
            if span.bytes.len() < bytes.len() {
                let growth = length - cost(&span.bytes);
                self.bytes += growth;
                self.newcomer_bytes += if span.regular { 0 } else { growth };
                (span.bytes, span.origin) = (bytes, origin);
            }
            return;
        }
        let regular = self.left_set.contains(&key);
        self.bytes += length;
        if regular {
            self.regulars.push_back(key);
        } else {
            self.newcomer_bytes += length;
            self.newcomers.push_back(key);
        }
        self.spans.insert(key, Span { bytes, origin, uses: 0, regular });
    }

    /// Makes one step towards less: removes a span, or gives it another round.
    fn evict(&mut self, newcomer_bytes_max: u64) {
        if self.newcomer_bytes > newcomer_bytes_max || self.regulars.is_empty() {
            self.evict_newcomer();
        } else {
            self.evict_regular();
        }
    }

    fn evict_newcomer(&mut self) {
        let Some(key) = self.newcomers.pop_front() else { return };
        let span = self.spans.get_mut(&key).expect("a queued span is in the cache");
        let length = cost(&span.bytes);
        self.newcomer_bytes -= length;
        if span.uses > 1 {
            (span.uses, span.regular) = (0, true);
            self.regulars.push_back(key);
            return;
        }
        self.bytes -= length;
        self.spans.remove(&key);
        if self.left_set.insert(key) {
            self.left.push_back(key);
        }
        if self.left.len() > LEFT_MAX
            && let Some(oldest) = self.left.pop_front()
        {
            self.left_set.remove(&oldest);
        }
    }

    fn evict_regular(&mut self) {
        let Some(key) = self.regulars.pop_front() else { return };
        let span = self.spans.get_mut(&key).expect("a queued span is in the cache");
        if span.uses > 0 {
            span.uses -= 1;
            self.regulars.push_back(key);
            return;
        }
        self.bytes -= cost(&span.bytes);
        self.spans.remove(&key);
    }
}

/// The memory that a span takes.
const fn cost(bytes: &Bytes) -> u64 {
    bytes.len() as u64 + PLACE_BYTES + if is_copied(bytes) { 0 } else { ALIGNMENT_BYTES }
}

const fn is_copied(bytes: &Bytes) -> bool {
    bytes.len() < COPIED_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::FileKind;

    const FILE: FileKey = FileKey(FileKind::Segment, 1);
    const OTHER: FileKey = FileKey(FileKind::Pack, 1);

    const TEN_SPANS: u64 = 10 * (100 + PLACE_BYTES);

    fn span(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 100])
    }

    #[test]
    fn a_range_is_found_in_the_span_that_holds_it() {
        let cache = Cache::new(TEN_SPANS);
        cache.insert(FILE, 100, span(1), Origin::Written);
        cache.insert(FILE, 200, span(2), Origin::Read);
        assert_eq!(cache.get(FILE, 150, 50), Some((span(1).slice(50..), Origin::Written)));
        assert_eq!(cache.get(FILE, 200, 100), Some((span(2), Origin::Read)));
        assert_eq!(cache.get(FILE, 150, 51), None);
        assert_eq!(cache.get(OTHER, 150, 50), None);
        assert_eq!(cache.get(FILE, 99, 1), None);
    }

    #[test]
    fn a_longer_span_from_the_disk_is_not_taken_for_a_written_one() {
        let cache = Cache::new(TEN_SPANS);
        cache.insert(FILE, 0, span(1), Origin::Written);
        cache.insert(FILE, 0, Bytes::from(vec![2; 200]), Origin::Read);
        assert_eq!(cache.get(FILE, 0, 10).map(|found| found.1), Some(Origin::Read));
    }

    #[test]
    fn short_span_does_not_hold_the_pages_that_it_lies_in() {
        let cache = Cache::new(1 << 20);
        let pages = Bytes::from(vec![7; 64 << 10]);
        for (bytes, is_copied) in [(500, true), (COPIED_BYTES_MAX - 1, true), (COPIED_BYTES_MAX, false)] {
            let part = pages.slice(..bytes);
            cache.insert(FILE, 0, part.clone(), Origin::Written);
            let (kept, _) = cache.get(FILE, 0, bytes as u64).unwrap();
            assert_eq!((kept == part, kept.as_ptr() != part.as_ptr()), (true, is_copied), "{bytes}");
        }
    }

    #[test]
    fn the_cache_keeps_its_bound_and_what_is_used_again() {
        let cache = Cache::new(TEN_SPANS);
        cache.insert(FILE, 0, span(0), Origin::Read);
        for place in 1..100 {
            assert!(cache.get(FILE, 0, 100).is_some(), "a span in use left");
            cache.insert(FILE, place * 100, span(1), Origin::Read);
            assert!(cache.stats().bytes <= TEN_SPANS);
        }
        cache.insert(OTHER, 0, Bytes::from(vec![0; 100_000]), Origin::Read);
        assert!(cache.get(OTHER, 0, 1).is_none(), "more than fits");
    }
}
