//! What was read before anybody asked for it, kept until its reader comes for it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::{Offset, StreamId};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

/// What all of it may take in memory.
const BYTES_MAX: usize = 32 << 20;

/// Places that are remembered.
const PLACES_MAX: usize = 1024;

/// Who wants more than this at a time keeps the disk busy without help.
pub(crate) const AHEAD_BYTES_MAX: usize = 4 << 20;

/// How long it waits for its reader.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the half that is for newcomers may be used, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    Use,
    Leave,
}

type Place = (StreamId, Offset);

/// The places that readers are expected at next.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    places: BTreeMap<Place, Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    readied: Readied,
    next: Next,
    /// The most that it takes in memory.
    bytes: usize,
    since: Duration,
}

/// Where the place behind a place is, once that is known.
pub(crate) type Next = Arc<OnceLock<Offset>>;

/// What is known of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Absent,
    /// What is behind it will be known when it has been read.
    Underway,
    Behind(Offset),
}

/// What follows at a place.
#[derive(Debug)]
pub(crate) enum Readied {
    /// Was in memory already, and may be there still.
    Now,
    /// Is being read, or was.
    Soon(JoinHandle<Option<Found>>),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) pieces: Vec<Bytes>,
    /// Where the next reading begins.
    pub(crate) next: Offset,
}

impl Ahead {
    /// Takes what was readied for a reader that goes on here, unless it is more than it wants.
    pub(crate) fn take(&self, place: Place, bytes_max: usize) -> Option<Readied> {
        let mut places = self.0.lock();
        let kept = places.remove(place)?;
        (kept.bytes <= bytes_max).then_some(kept.readied)
    }

    /// Says what is known of a place.
    pub(crate) fn look(&self, place: Place) -> Look {
        match self.0.lock().places.get(&place) {
            None => Look::Absent,
            Some(kept) => kept.next.get().map_or(Look::Underway, |next| Look::Behind(*next)),
        }
    }

    /// Says whether there is room for so much. Half of it is for those who have nothing yet.
    pub(crate) fn takes(&self, bytes: usize, now: Duration, reserve: Reserve) -> bool {
        let bytes_max = if reserve == Reserve::Use { BYTES_MAX } else { BYTES_MAX / 2 };
        let mut places = self.0.lock();
        if !places.take(bytes, bytes_max) {
            places.forget_old(now);
        }
        places.take(bytes, bytes_max)
    }

    /// Keeps what is readied for a reader, with room for what it takes.
    pub(crate) fn keep(&self, place: Place, (readied, next): (Readied, Next), bytes: usize, now: Duration) {
        let mut places = self.0.lock();
        // Two readers at one place: one of them will find it.
        drop(places.remove(place));
        places.bytes += bytes;
        places.places.insert(place, Kept { readied, next, bytes, since: now });
    }

    /// Forgets what was readied for readers that did not come.
    pub(crate) fn forget_old(&self, now: Duration) {
        self.0.lock().forget_old(now);
    }
}

impl Places {
    fn take(&self, bytes: usize, bytes_max: usize) -> bool {
        self.places.len() < PLACES_MAX && self.bytes + bytes <= bytes_max
    }

    fn remove(&mut self, place: Place) -> Option<Kept> {
        let kept = self.places.remove(&place)?;
        self.bytes -= kept.bytes;
        Some(kept)
    }

    fn forget_old(&mut self, now: Duration) {
        self.places.retain(|_, kept| now.saturating_sub(kept.since) < PATIENCE);
        self.bytes = self.places.values().map(|kept| kept.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn place(number: u64) -> Place {
        (StreamId(1), Offset(number))
    }

    fn now_ready() -> (Readied, Next) {
        (Readied::Now, Next::default())
    }

    #[test]
    fn places_are_known_one_behind_the_other() {
        let ahead = Ahead::default();
        let next = Next::default();
        assert_eq!(ahead.look(place(0)), Look::Absent);
        ahead.keep(place(0), (Readied::Now, Arc::clone(&next)), 10, NOW);
        assert_eq!(ahead.look(place(0)), Look::Underway);
        assert!(next.set(Offset(7)).is_ok());
        assert_eq!(ahead.look(place(0)), Look::Behind(Offset(7)));
    }

    #[test]
    fn what_waits_is_bounded_and_given_up_in_time() {
        let ahead = Ahead::default();
        let fill = |now: Duration| {
            let mut kept = 0;
            while ahead.takes(1 << 20, now, Reserve::Use) {
                ahead.keep(place(kept), now_ready(), 1 << 20, now);
                kept += 1;
            }
            kept
        };
        assert_eq!(fill(NOW), 32);
        assert!(!ahead.takes(1, NOW, Reserve::Leave));
        assert_eq!(fill(NOW + PATIENCE / 2), 0, "nobody is driven out in the meantime");
        assert!(ahead.take(place(0), 1 << 20).is_some());
        assert!(ahead.take(place(0), 1 << 20).is_none(), "it is taken once");
        assert!(ahead.take(place(1), 1000).is_none(), "it is more than the reader wants");
        assert_eq!(fill(NOW + PATIENCE), 32);
        ahead.forget_old(NOW + 2 * PATIENCE);
        assert!(ahead.0.lock().places.is_empty());
    }

    #[test]
    fn places_are_bounded_too() {
        let ahead = Ahead::default();
        let kept = (0..).take_while(|number| {
            let takes = ahead.takes(0, NOW, Reserve::Use);
            ahead.keep(place(*number), now_ready(), 0, NOW);
            takes
        });
        assert_eq!(kept.count(), PLACES_MAX);
    }
}
