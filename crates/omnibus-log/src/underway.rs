//! What is being read from the disk: who wants the same waits for it, instead of reading it, too.

use std::collections::BTreeMap;
use std::ops::Range;

use parking_lot::{Condvar, Mutex};

use crate::file::FileKey;

/// The reads that somebody else may wait for. Its lock is held for a look, never across I/O.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    spans: Mutex<Spans>,
    one_is_done: Condvar,
}

#[derive(Debug, Default)]
struct Spans {
    by_number: BTreeMap<u64, (FileKey, Range<u64>)>,
    last: u64,
}

/// A read that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Reading<'underway> {
    underway: &'underway Underway,
    number: u64,
}

impl Underway {
    /// Begins to read a span of a file of which a part is wanted. If somebody reads that part already,
    /// this waits until he has, and returns none.
    pub(crate) fn begin(&self, file: FileKey, span: Range<u64>, wanted: &Range<u64>) -> Option<Reading<'_>> {
        let mut spans = self.spans.lock();
        if let Some(number) = spans.reading(file, wanted) {
            while spans.by_number.contains_key(&number) {
                self.one_is_done.wait(&mut spans);
            }
            return None;
        }
        spans.last += 1;
        let number = spans.last;
        spans.by_number.insert(number, (file, span));
        Some(Reading { underway: self, number })
    }
}

impl Spans {
    /// Who reads all of a part of a file.
    fn reading(&self, file: FileKey, wanted: &Range<u64>) -> Option<u64> {
        let reads = |(_, (other, span)): &(&u64, &(FileKey, Range<u64>))| {
            *other == file && span.start <= wanted.start && wanted.end <= span.end
        };
        self.by_number.iter().find(reads).map(|(number, _)| *number)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.underway.spans.lock().by_number.remove(&self.number);
        self.underway.one_is_done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::file::FileKind;

    const FILE: FileKey = FileKey(FileKind::Segment, 1);
    const OTHER: FileKey = FileKey(FileKind::Pack, 1);

    #[test]
    fn who_wants_what_is_being_read_waits_for_it() {
        let underway = Underway::default();
        let is_read = AtomicBool::new(false);
        let first = underway.begin(FILE, 0..100, &(10..20)).expect("nobody reads it");
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(underway.begin(FILE, 50..150, &(60..100)).is_none());
                assert!(is_read.load(Ordering::SeqCst), "who waits does so until it is read");
            });
            // It is woken for nothing once, so it waits.
            while !underway.one_is_done.notify_one() && !other.is_finished() {
                thread::yield_now();
            }
            is_read.store(true, Ordering::SeqCst);
            drop(first);
        });
        assert!(underway.spans.lock().by_number.is_empty());
    }

    #[test]
    fn others_do_not_wait() {
        let underway = Underway::default();
        let reads = [(FILE, 0..100, 10..20), (OTHER, 0..100, 10..20), (FILE, 50..150, 90..101), (FILE, 0..200, 0..101)];
        let begun: Vec<_> =
            reads.iter().map(|(file, span, wanted)| underway.begin(*file, span.clone(), wanted)).collect();
        assert!(begun.iter().all(Option::is_some));
        drop(begun);
        assert!(underway.begin(FILE, 0..10, &(0..10)).is_some(), "what has been read is read again");
    }
}
