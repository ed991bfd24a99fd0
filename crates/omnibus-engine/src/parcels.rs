//! What a front end of one node has for the same front end of another, which is in no log (ADR 0093).

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of parcels that one node has on their way.
const UNDER_WAY_BYTES_MAX: usize = 32 << 20;

/// What a parcel takes beside its parts.
const BESIDE_BYTES: usize = 1 << 10;

/// Something for somebody at another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Whom it is for: a number that the front end there has drawn by chance.
    pub to: u128,
    /// What they are is the front end's affair.
    pub parts: Vec<Bytes>,
}

/// Takes parcels that come from other nodes.
pub trait Recipients: Debug + Send + Sync {
    /// Whether somebody waits for parcels.
    fn awaits(&self, to: u128) -> bool;

    /// Hands a parcel over; false if nobody takes it.
    fn take(&self, parcel: Parcel) -> bool;
}

/// How much is on its way to other nodes.
#[derive(Debug)]
pub(crate) struct Carrying {
    room: Arc<Semaphore>,
}

impl Default for Carrying {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(UNDER_WAY_BYTES_MAX)) }
    }
}

impl Carrying {
    /// Room for a parcel until it has arrived; none if there is too much on its way.
    pub(crate) fn room(&self, parcel: &Parcel) -> Option<OwnedSemaphorePermit> {
        let bytes = parcel.parts.iter().map(Bytes::len).fold(BESIDE_BYTES, usize::saturating_add);
        Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_on_its_way_and_no_more() {
        let carrying = Carrying::default();
        let parcel = |bytes| Parcel { to: 1, parts: vec![Bytes::from(vec![0; bytes])] };
        assert!(carrying.room(&parcel(UNDER_WAY_BYTES_MAX)).is_none());
        let first = carrying.room(&parcel(UNDER_WAY_BYTES_MAX - 2 * BESIDE_BYTES));
        assert!(first.is_some());
        let second = carrying.room(&parcel(0));
        assert!(second.is_some() && carrying.room(&parcel(0)).is_none());
        drop(first);
        assert!(carrying.room(&parcel(0)).is_some());
    }
}
