//! What was read before anybody asked for it.

use std::collections::BTreeMap;

use omnibus_model::{Offset, StreamId};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

/// Places that are remembered; what was read stays in the cache in any case.
const PLACES_MAX: usize = 1024;

/// The places up to which readers were run ahead of.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<BTreeMap<(StreamId, Offset), Readied>>);

/// What follows at a place.
#[derive(Debug)]
pub(crate) enum Readied {
    /// Was in memory already.
    Now,
    /// Is being read.
    Soon(JoinHandle<()>),
}

impl Ahead {
    /// Takes what was readied for a reader that goes on here.
    pub(crate) fn take(&self, stream: StreamId, from: Offset) -> Option<Readied> {
        self.0.lock().remove(&(stream, from))
    }

    pub(crate) fn keep(&self, stream: StreamId, from: Offset, readied: Readied) {
        let mut places = self.0.lock();
        // Readers that went away leave theirs behind.
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert((stream, from), readied);
    }
}
