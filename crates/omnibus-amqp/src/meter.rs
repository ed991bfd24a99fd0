//! What a connection counts: numbers of its own, which only its task changes, and which whoever asks adds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    ChannelsOpened,
    ChannelsClosed,
    /// Channels that have published, and those of them that are gone.
    PublishersBegun,
    PublishersGone,
    ConsumersBegun,
    ConsumersGone,
    /// Messages that came.
    Received,
    /// Those of them that are to be confirmed, or count when a transaction does.
    ReceivedConfirm,
    /// Queues that messages went to.
    Routed,
    /// Messages that no queue gets, and of which nobody hears, or their publishers.
    Dropped,
    Returned,
    Confirmed,
    /// Messages that consumers were given, to be acknowledged or not.
    DeliveredManual,
    DeliveredAutomatic,
    /// Messages that were fetched, and how often there was none.
    GotManual,
    GotAutomatic,
    GetEmpty,
    /// Of all that were given out, those not for the first time.
    Redelivered,
    Acknowledged,
    /// Of the messages that came.
    BodyBytes,
}

const KINDS: usize = Counted::BodyBytes as usize + 1;

/// Up to so many bytes have the bodies of each size; those of the last have more.
pub const SIZES: [u64; 8] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];

const SIZE_COUNT: usize = SIZES.len() + 1;

/// Counts as they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    kinds: [u64; KINDS],
    /// How many messages came of each size.
    pub sizes: [u64; SIZE_COUNT],
}

impl Counts {
    #[must_use]
    pub const fn of(&self, what: Counted) -> u64 {
        self.kinds[what as usize]
    }

    /// How many there are of what comes and goes.
    #[must_use]
    pub const fn present(&self, (begun, gone): (Counted, Counted)) -> u64 {
        self.of(begun).saturating_sub(self.of(gone))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.kinds.iter_mut().zip(other.kinds).for_each(|(sum, more)| *sum += more);
        self.sizes.iter_mut().zip(other.sizes).for_each(|(sum, more)| *sum += more);
    }
}

/// What one connection counts. Only one task may change it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    kinds: [AtomicU64; KINDS],
    sizes: [AtomicU64; SIZE_COUNT],
}

impl Meter {
    pub(crate) fn add(&self, what: Counted, more: u64) {
        grow(&self.kinds[what as usize], more);
    }

    /// Counts a message that came.
    pub(crate) fn receive(&self, body_bytes: usize) {
        let bytes = body_bytes as u64;
        self.add(Counted::Received, 1);
        self.add(Counted::BodyBytes, bytes);
        grow(&self.sizes[SIZES.partition_point(|most| *most < bytes)], 1);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |each: &AtomicU64| each.load(Ordering::Relaxed);
        Counts { kinds: self.kinds.each_ref().map(read), sizes: self.sizes.each_ref().map(read) }
    }
}

/// Nobody else writes, so nothing is locked.
fn grow(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// Counts something that is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Present {
    meter: Arc<Meter>,
    gone: Counted,
}

impl Present {
    pub(crate) fn consumer(meter: &Arc<Meter>) -> Self {
        meter.add(Counted::ConsumersBegun, 1);
        Self { meter: Arc::clone(meter), gone: Counted::ConsumersGone }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.meter.add(self.gone, 1);
    }
}

/// What has become of queues by this door, on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    /// Also those that were there.
    pub declared: u64,
    pub created: u64,
    pub deleted: u64,
}

/// Counts what becomes of queues, for all connections.
#[derive(Debug, Default)]
pub(crate) struct QueueMeter {
    pub(crate) declared: AtomicU64,
    pub(crate) created: AtomicU64,
    pub(crate) deleted: AtomicU64,
}

impl QueueMeter {
    pub(crate) fn count(number: &AtomicU64) {
        number.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn churn(&self) -> Churn {
        let read = |each: &AtomicU64| each.load(Ordering::Relaxed);
        Churn { declared: read(&self.declared), created: read(&self.created), deleted: read(&self.deleted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_their_size() {
        let meter = Meter::default();
        for bytes in [0, 100, 101, 1_000_000, 100_000_001] {
            meter.receive(bytes);
        }
        let counts = meter.counts();
        assert_eq!(counts.sizes, [2, 1, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!((counts.of(Counted::Received), counts.of(Counted::BodyBytes)), (5, 101_000_202));
    }

    #[test]
    fn what_is_there_is_counted_as_long_as_it_is() {
        const CONSUMERS: (Counted, Counted) = (Counted::ConsumersBegun, Counted::ConsumersGone);
        let meter = Arc::new(Meter::default());
        let (one, other) = (Present::consumer(&meter), Present::consumer(&meter));
        drop(one);
        assert_eq!(meter.counts().present(CONSUMERS), 1);
        drop(other);
        let mut sum = meter.counts();
        sum.add(&meter.counts());
        assert_eq!((sum.present(CONSUMERS), sum.of(Counted::ConsumersBegun)), (0, 4));
    }
}
