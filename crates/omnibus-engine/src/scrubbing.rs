//! What is known of the data at rest: how far it was read again, and what of it has rotted.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_log::{Gravity, Rot, Scrubbed};
use omnibus_model::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How many places are remembered one by one. More are counted with the next pass, once these are mended.
const PLACES_MAX: usize = 10_000;

/// How often data at rest is read again, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubConfig {
    /// From the end of a pass to the next.
    pub interval: Duration,
    pub bytes_per_second: u64,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(7 * 24 * 3600), bytes_per_second: 16 << 20 }
    }
}

/// How the data at rest is, as far as this process has read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// The pass that goes on.
    pub pass: Option<Pass>,
    /// How many passes have come to their end.
    pub passes: u64,
    /// When the last of them did.
    pub last_end: Option<Timestamp>,
    pub bytes_read: u64,
    /// Places that were mended, and the records that could not be read there.
    pub mended_places: u64,
    pub mended_records: u64,
    /// Places with damage that somebody could meet, by file and position.
    pub damaged: Vec<Rot>,
    /// Places with damage to what is kept elsewhere on this disk as well, or to what nobody needs any more.
    pub redundant: u64,
}

/// A pass that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    pub began: Timestamp,
    pub bytes_read: u64,
    /// About what there is to read.
    pub bytes: u64,
}

impl ScrubStatus {
    /// Damaged records.
    #[must_use]
    pub fn damaged_records(&self) -> u64 {
        self.damaged.iter().map(Rot::records).sum()
    }

    /// Their bytes.
    #[must_use]
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged.iter().map(|rot| rot.bytes).sum()
    }
}

/// The same, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Scrubbing {
    known: Mutex<Known>,
    /// How many passes somebody has asked for.
    pub(crate) asked: watch::Sender<u64>,
    /// Touched when something has been found.
    pub(crate) news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    pass: Option<Pass>,
    passes: u64,
    last_end: Option<Timestamp>,
    bytes_read: u64,
    mended_places: u64,
    mended_records: u64,
    /// What was found, by file and position, and in which pass last.
    found: BTreeMap<(String, u64), (Rot, u64)>,
}

impl Scrubbing {
    pub(crate) fn status(&self) -> ScrubStatus {
        let known = self.known.lock();
        let (damaged, redundant): (Vec<_>, Vec<_>) = known
            .found
            .values()
            .map(|(rot, _)| rot.clone())
            .partition(|rot| rot.damage.gravity == Gravity::Acknowledged);
        ScrubStatus {
            pass: known.pass,
            passes: known.passes,
            last_end: known.last_end,
            bytes_read: known.bytes_read,
            mended_places: known.mended_places,
            mended_records: known.mended_records,
            damaged,
            redundant: redundant.len() as u64,
        }
    }

    pub(crate) fn begin(&self, now: Timestamp, bytes: u64) {
        self.known.lock().pass = Some(Pass { began: now, bytes_read: 0, bytes });
    }

    /// Takes what a step has found; returns what is news.
    pub(crate) fn take(&self, scrubbed: Scrubbed) -> Vec<Rot> {
        let mut known = self.known.lock();
        known.bytes_read += scrubbed.bytes;
        if let Some(pass) = &mut known.pass {
            pass.bytes_read += scrubbed.bytes;
        }
        let news = known.note(scrubbed.rot);
        drop(known);
        self.tell(&news);
        news
    }

    /// Takes what a reader has met.
    pub(crate) fn meet(&self, rot: Rot) {
        let news = self.known.lock().note(vec![rot]);
        self.tell(&news);
    }

    /// A place is not read from any more, or holds again what it should; so many records could not be read until now.
    pub(crate) fn mended(&self, rot: &Rot, records: u64) {
        let mut known = self.known.lock();
        if known.found.remove(&(rot.damage.file.clone(), rot.damage.position)).is_some() {
            known.mended_places += 1;
            known.mended_records += records;
        }
    }

    fn tell(&self, news: &[Rot]) {
        if !news.is_empty() {
            self.news.send_replace(());
        }
    }

    /// A pass has come to its end: what it did not find is not there any more.
    pub(crate) fn end(&self, now: Timestamp) {
        let mut known = self.known.lock();
        known.passes += 1;
        let number = known.passes;
        known.found.retain(|_, (_, seen)| *seen == number);
        (known.pass, known.last_end) = (None, Some(now));
    }
}

impl Known {
    /// Remembers what was found; returns what is news.
    fn note(&mut self, found: Vec<Rot>) -> Vec<Rot> {
        let number = self.passes + 1;
        let mut news = Vec::new();
        for rot in found {
            let place = (rot.damage.file.clone(), rot.damage.position);
            if self.found.len() >= PLACES_MAX && !self.found.contains_key(&place) {
                continue;
            }
            let before = self.found.insert(place, (rot.clone(), number));
            if before.is_none_or(|(before, _)| before != rot) {
                news.push(rot);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use omnibus_log::{Affected, Damage};
    use omnibus_model::{Offset, StreamId};

    use super::*;

    fn rot(position: u64, gravity: Gravity) -> Rot {
        let affected = vec![Affected { stream: StreamId(1), from: Offset(position), to: Offset(position + 3) }];
        let damage = Damage {
            file: "wal/1".to_owned(),
            position,
            block_seq: None,
            what: "a block is not sound",
            affected,
            gravity,
        };
        Rot { damage, bytes: 100 }
    }

    #[test]
    fn what_the_next_pass_does_not_find_is_not_there_any_more() {
        let scrubbing = Scrubbing::default();
        scrubbing.begin(Timestamp(1), 1_000);
        let (lost, kept) = (rot(1, Gravity::Acknowledged), rot(9, Gravity::Redundant));
        let news = scrubbing.take(Scrubbed { bytes: 600, rot: vec![lost.clone(), kept.clone()] });
        assert_eq!(news, [lost.clone(), kept.clone()]);
        assert_eq!(scrubbing.status().pass, Some(Pass { began: Timestamp(1), bytes_read: 600, bytes: 1_000 }));
        scrubbing.end(Timestamp(5));
        let status = scrubbing.status();
        assert_eq!((status.passes, status.last_end, status.pass), (1, Some(Timestamp(5)), None));
        assert_eq!((status.damaged_records(), status.damaged_bytes(), status.redundant), (3, 100, 1));
        scrubbing.begin(Timestamp(6), 1_000);
        assert_eq!(scrubbing.take(Scrubbed { bytes: 600, rot: vec![kept] }), [], "it was told before");
        assert_eq!(scrubbing.status().damaged, [lost], "nobody has looked yet");
        scrubbing.end(Timestamp(7));
        assert_eq!((scrubbing.status().damaged.len(), scrubbing.status().redundant), (0, 1));
    }
}
