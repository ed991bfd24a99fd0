//! What has arrived: every message once in each queue that it was for, and in order.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};

use super::sheet::Stamp;

/// How far messages of one publisher may be apart, in words of 64: what lies between is remembered.
const WORDS_MAX: usize = 1 << 20;

/// All queues.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) queues: Vec<Arrived>,
    /// How many messages each publisher has published; unknown until it has ended.
    published: Vec<Option<u64>>,
    /// All that have arrived.
    pub(super) received: u64,
}

/// What has arrived in one queue.
#[derive(Debug)]
pub(super) struct Arrived {
    name: String,
    body_bytes: u64,
    /// Of which publishers: from the first to before the last.
    publishers: std::ops::Range<usize>,
    /// Of each of them.
    seen: Vec<Seen>,
}

/// Which messages of a publisher have arrived.
#[derive(Debug, Default)]
struct Seen {
    count: u64,
    /// How many words of 64 messages are complete and forgotten.
    complete: u64,
    /// One bit for each message after those.
    words: VecDeque<u64>,
}

/// What one consumer has had: the last message of each publisher.
#[derive(Debug)]
pub(super) struct Order(Vec<Option<u64>>);

impl Tally {
    pub(super) fn new(queues: Vec<Arrived>, publishers: usize) -> Self {
        Self { queues, published: vec![None; publishers], received: 0 }
    }

    /// A publisher has published all that it will.
    pub(super) fn published(&mut self, publisher: usize, count: u64) {
        self.published[publisher] = Some(count);
    }

    /// Whether all that was published has arrived; not before all publishers have ended.
    pub(super) fn is_complete(&self) -> bool {
        self.expected().is_some_and(|expected| expected == self.received)
    }

    /// How many messages have not arrived, as far as it is known what was published.
    pub(super) fn missing(&self) -> u64 {
        self.expected().unwrap_or(0).saturating_sub(self.received)
    }

    fn expected(&self) -> Option<u64> {
        let of_queue = |queue: &Arrived| self.published[queue.publishers.clone()].iter().copied().sum::<Option<u64>>();
        self.queues.iter().map(of_queue).sum()
    }

    /// Takes a message that has arrived in a queue.
    pub(super) fn take(&mut self, queue: usize, body_bytes: u64, stamp: Stamp, order: &mut Order) -> Result<()> {
        self.queues[queue].take(body_bytes, stamp, order)?;
        self.received += 1;
        Ok(())
    }
}

impl Arrived {
    pub(super) fn new(name: &str, body_bytes: u64, publishers: std::ops::Range<usize>) -> Self {
        let seen = publishers.clone().map(|_| Seen::default()).collect();
        Self { name: name.to_owned(), body_bytes, publishers, seen }
    }

    fn take(&mut self, body_bytes: u64, stamp: Stamp, order: &mut Order) -> Result<()> {
        let Self { name, publishers, seen, .. } = self;
        let Stamp { publisher, number, .. } = stamp;
        let place = usize::from(publisher).checked_sub(publishers.start);
        let seen = place.and_then(|place| seen.get_mut(place));
        let seen = seen.with_context(|| format!("{name}: a message came that was not for it, or of another run"))?;
        ensure!(body_bytes == self.body_bytes, "{name}: message {number} of publisher {publisher} has {body_bytes} B");
        let is_new = seen
            .take(number)
            .with_context(|| format!("{name}: there is no message {number} of publisher {publisher}"))?;
        ensure!(is_new, "{name}: message {number} of publisher {publisher} came twice");
        let last = &mut order.0[usize::from(publisher)];
        if let Some(last) = last.filter(|last| *last > number) {
            anyhow::bail!("{name}: message {number} of publisher {publisher} came after {last}");
        }
        *last = Some(number);
        Ok(())
    }
}

impl Seen {
    /// Returns whether it is the first time; nothing if the number cannot be right.
    fn take(&mut self, number: u64) -> Option<bool> {
        let Some(place) = (number / 64).checked_sub(self.complete) else { return Some(false) };
        let place = usize::try_from(place).ok().filter(|place| *place < WORDS_MAX)?;
        if place >= self.words.len() {
            self.words.resize(place + 1, 0);
        }
        let (word, bit) = (&mut self.words[place], 1 << (number % 64));
        if *word & bit != 0 {
            return Some(false);
        }
        *word |= bit;
        self.count += 1;
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.complete += 1;
        }
        Some(true)
    }
}

impl Order {
    pub(super) fn new(publishers: usize) -> Self {
        Self(vec![None; publishers])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stamp(publisher: u16, number: u64) -> Stamp {
        Stamp { publisher, number, due: Duration::ZERO }
    }

    /// Two queues: one of publisher 0, one of 1 and 2.
    fn tally() -> Tally {
        Tally::new(vec![Arrived::new("one", 16, 0..1), Arrived::new("two", 16, 1..3)], 3)
    }

    #[test]
    fn all_is_there_when_each_queue_has_what_its_publishers_sent() {
        let mut tally = tally();
        let mut order = Order::new(3);
        tally.take(0, 16, stamp(0, 0), &mut order).unwrap();
        for number in 0..200 {
            tally.take(1, 16, stamp(2, number), &mut order).unwrap();
        }
        [(0, 1), (1, 1)].into_iter().for_each(|(publisher, count)| tally.published(publisher, count));
        assert!(!tally.is_complete() && tally.missing() == 0);
        tally.published(2, 200);
        assert!(!tally.is_complete() && tally.missing() == 1);
        tally.take(1, 16, stamp(1, 0), &mut order).unwrap();
        assert!(tally.is_complete() && tally.missing() == 0);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut order = Order::new(3);
        let mut refused = |tally: &mut Tally, queue, body_bytes, stamp| {
            tally.take(queue, body_bytes, stamp, &mut order).unwrap_err().to_string()
        };
        let mut tally = tally();
        tally.take(0, 16, stamp(0, 1), &mut Order::new(3)).unwrap();
        assert_eq!(refused(&mut tally, 0, 16, stamp(0, 1)), "one: message 1 of publisher 0 came twice");
        assert_eq!(refused(&mut tally, 0, 17, stamp(0, 2)), "one: message 2 of publisher 0 has 17 B");
        assert!(refused(&mut tally, 0, 16, stamp(1, 1)).contains("not for it"));
        assert!(refused(&mut tally, 1, 16, stamp(0, 1)).contains("not for it"));
        assert!(refused(&mut tally, 0, 16, stamp(0, 1 << 47)).contains("there is no message"));
        assert_eq!(tally.received, 1);
    }

    #[test]
    fn order_is_that_of_each_publisher_at_each_consumer() {
        let mut tally = tally();
        let [mut first, mut second] = [Order::new(3), Order::new(3)];
        tally.take(1, 16, stamp(1, 5), &mut first).unwrap();
        tally.take(1, 16, stamp(2, 0), &mut first).unwrap();
        tally.take(1, 16, stamp(1, 3), &mut second).unwrap();
        let error = tally.take(1, 16, stamp(1, 4), &mut first).unwrap_err().to_string();
        assert_eq!(error, "two: message 4 of publisher 1 came after 5");
    }

    #[test]
    fn what_is_complete_is_forgotten_and_still_known() {
        let mut seen = Seen::default();
        for number in (0..6_400).rev() {
            assert_eq!(seen.take(number), Some(true));
        }
        assert!(seen.words.is_empty() && seen.complete == 100);
        assert_eq!((seen.take(17), seen.take(6_400), seen.count), (Some(false), Some(true), 6_401));
    }
}
