//! The memory that all connections together may hold for requests and responses.
//!
//! Kafka bounds requests alone (`queued.max.request.bytes`); here what is read for a slow
//! consumer counts, too, since it is held until the socket takes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT_BYTES: usize = 1 << 10;

/// A response may always have this much, once it is there.
const RESPONSE_BYTES_MIN: usize = 1 << 20;

/// How long to wait for others to give memory back.
const PATIENCE: Duration = Duration::from_secs(30);

/// All the memory there is for requests and responses.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    units: usize,
}

/// A part of the budget, given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(units)), units }
    }

    /// Takes a share of `bytes`, waiting for a while; none if others give nothing back.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Share> {
        let acquire = Arc::clone(&self.permits).acquire_many_owned(self.units(bytes));
        let permit = tokio::time::timeout(PATIENCE, acquire).await.ok()?.ok()?;
        Some(Share { permit: Some(permit) })
    }

    /// Takes a share for a response: as much of `bytes` as can be had at once, a little for sure.
    ///
    /// It may wait long, but not for ever: whoever holds a share gives it back once its client
    /// has taken its response, or has been given up.
    pub(crate) async fn take_for_response(&self, bytes: usize) -> Share {
        let at_once = bytes.min(self.permits.available_permits() * UNIT_BYTES / 2);
        let wanted = self.units(at_once.max(bytes.min(RESPONSE_BYTES_MIN)));
        let permit = Arc::clone(&self.permits).acquire_many_owned(wanted).await;
        Share { permit: permit.ok() }
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES).min(self.units)).unwrap_or(u32::MAX)
    }
}

impl Share {
    pub(crate) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT_BYTES
    }

    /// Adds another share of the same budget.
    pub(crate) fn join(&mut self, other: Self) {
        match (&mut self.permit, other.permit) {
            (Some(permit), Some(more)) => permit.merge(more),
            (permit @ None, more) => *permit = more,
            (Some(_), None) => {}
        }
    }

    /// Gives back all but `bytes`.
    fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT_BYTES));
            drop(permit.split(surplus));
        }
    }

    /// Ties the share to what is sent, so that it is given back once all of it is on its way.
    pub(crate) fn pay_for(mut self, pieces: &mut [&mut Bytes]) {
        self.shrink(pieces.iter().map(|piece| piece.len()).sum());
        let share = Arc::new(self);
        for piece in pieces {
            let bytes = std::mem::take(*piece);
            **piece = Bytes::from_owner(Paid { bytes, _share: Arc::clone(&share) });
        }
    }
}

/// Bytes with the share that pays for them.
struct Paid {
    bytes: Bytes,
    _share: Arc<Share>,
}

impl AsRef<[u8]> for Paid {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn share_comes_back_when_the_last_piece_is_sent() {
        let budget = Budget::new(64 * UNIT_BYTES);
        let share = budget.take(32 * UNIT_BYTES).await.unwrap();
        let (mut one, mut two) = (Bytes::from(vec![1; UNIT_BYTES]), Bytes::from(vec![2; UNIT_BYTES]));
        share.pay_for(&mut [&mut one, &mut two]);
        assert_eq!(budget.permits.available_permits(), 62);
        drop(one);
        assert_eq!(budget.permits.available_permits(), 62);
        drop(two);
        assert_eq!(budget.permits.available_permits(), 64);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_gets_nothing() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let _all = budget.take(4 * UNIT_BYTES).await.unwrap();
        assert!(budget.take(1).await.is_none());
    }

    #[tokio::test]
    async fn response_takes_at_most_half_of_what_is_left() {
        let budget = Budget::new(8 << 20);
        let share = budget.take_for_response(55 << 20).await;
        assert_eq!(share.bytes(), 4 << 20);
    }
}
