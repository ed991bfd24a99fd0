//! The memory that all connections together may hold of messages on their way in.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT_BYTES: usize = 1 << 10;

/// How long to wait for others to give memory back.
const PATIENCE: Duration = Duration::from_secs(30);

/// All the memory there is for messages.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    units: usize,
}

/// A part of the budget, given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(units)), units }
    }

    /// Whether as large a part of it is free as is said by its denominator.
    pub(crate) fn has_free(&self, parts: usize) -> bool {
        self.permits.available_permits().saturating_mul(parts) >= self.units
    }

    /// Adds so many bytes to a share, waiting for a while; `false` if others give nothing back.
    pub(crate) async fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        share.bytes += bytes;
        let wanted = share.bytes.div_ceil(UNIT_BYTES).min(self.units);
        let present = share.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = wanted.checked_sub(present).filter(|missing| *missing > 0) else { return true };
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let acquire = Arc::clone(&self.permits).acquire_many_owned(missing);
        let Ok(Ok(more)) = tokio::time::timeout(PATIENCE, acquire).await else { return false };
        match &mut share.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }

    /// Takes a share of so many bytes, if that is free now.
    pub(crate) fn share(&self, bytes: usize) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES).clamp(1, self.units)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(units).ok()?;
        Some(Share { permit: Some(permit), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn share_grows_by_what_is_missing_and_comes_back() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let mut share = Share::default();
        assert!(budget.grow(&mut share, 10).await && budget.grow(&mut share, 10).await);
        assert_eq!(budget.permits.available_permits(), 3);
        assert!(budget.has_free(2) && !budget.has_free(1));
        let mut other = Share::default();
        assert!(budget.grow(&mut other, 3 * UNIT_BYTES).await);
        assert!(!budget.grow(&mut share, UNIT_BYTES).await, "nobody gives anything back");
        drop(other);
        assert!(budget.grow(&mut share, 1).await);
    }

    #[tokio::test]
    async fn message_larger_than_all_there_is_takes_all_there_is() {
        let budget = Budget::new(2 * UNIT_BYTES);
        let mut share = Share::default();
        assert!(budget.grow(&mut share, 10 * UNIT_BYTES).await);
        assert_eq!(budget.permits.available_permits(), 0);
        assert!(budget.share(1).is_none());
        drop(share);
        let share = budget.share(10 * UNIT_BYTES);
        assert!(share.is_some() && budget.share(0).is_none());
    }
}
