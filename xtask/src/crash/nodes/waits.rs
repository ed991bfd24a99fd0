//! What producers noticed, from their own notes: `partition offset number sent acknowledged`, the
//! last two in seconds since 1970.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// A partition that takes no writes for so long after all is mended takes none any more.
const WRITES_TIME_MAX: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// What was acknowledged after a moment.
#[derive(Debug)]
pub(super) struct Since<'a> {
    notes: &'a Path,
    /// What was noted before.
    skip: u64,
    at: f64,
}

/// A partition, as its producer saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// From the moment until a record was acknowledged that was sent after it.
    pub(super) first_write: Duration,
    /// The longest that a record waited that was sent after it.
    pub(super) longest_wait: Duration,
}

impl<'a> Since<'a> {
    /// From now on.
    pub(super) fn now(notes: &'a Path) -> Result<Self> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        Ok(Self { notes, skip: fs::metadata(notes)?.len(), at })
    }

    /// Waits until each of so many partitions has acknowledged a record that was sent after it.
    pub(super) fn await_all(&self, partitions: u32) -> Result<BTreeMap<u32, Seen>> {
        self.await_these(&(0..partitions).collect())
    }

    /// Waits until each of these has.
    pub(super) fn await_these(&self, these: &BTreeSet<u32>) -> Result<BTreeMap<u32, Seen>> {
        let deadline = Instant::now() + WRITES_TIME_MAX;
        loop {
            let seen = self.seen()?;
            let missing: Vec<&u32> = these.iter().filter(|partition| !seen.contains_key(partition)).collect();
            if missing.is_empty() {
                return Ok(seen);
            }
            if Instant::now() > deadline {
                bail!("partitions {missing:?} take no writes any more");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What is noted so far.
    pub(super) fn seen(&self) -> Result<BTreeMap<u32, Seen>> {
        let mut file = File::open(self.notes)?;
        file.seek(SeekFrom::Start(self.skip))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may be half written.
        Ok(read(text.rsplit_once('\n').map_or("", |(whole, _)| whole), self.at))
    }
}

fn read(text: &str, at: f64) -> BTreeMap<u32, Seen> {
    let mut seen: BTreeMap<u32, Seen> = BTreeMap::new();
    for (partition, sent, acknowledged) in text.lines().filter_map(line) {
        if sent < at {
            continue;
        }
        let first_write = Duration::from_secs_f64((acknowledged - at).max(0.0));
        let wait = Duration::from_secs_f64((acknowledged - sent).max(0.0));
        let known = seen.entry(partition).or_insert(Seen { first_write, longest_wait: wait });
        known.first_write = known.first_write.min(first_write);
        known.longest_wait = known.longest_wait.max(wait);
    }
    seen
}

fn line(line: &str) -> Option<(u32, f64, f64)> {
    let mut words = line.split(' ');
    let partition = words.next()?.parse().ok()?;
    let sent = words.nth(2)?.parse().ok()?;
    Some((partition, sent, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_afterwards_tells_of_a_failover() {
        let notes = "0 0 1 9.5 10.5\n0 1 2 10.5 12.0\n0 2 3 11.5 12.5\n1 0 4 10.25 10.5";
        let seen = read(notes, 10.0);
        let seconds = |first, wait| Seen {
            first_write: Duration::from_secs_f64(first),
            longest_wait: Duration::from_secs_f64(wait),
        };
        assert_eq!(seen, [(0, seconds(2.0, 1.5)), (1, seconds(0.5, 0.25))].into());
    }
}
