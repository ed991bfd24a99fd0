//! What a front end of one node has for the same front end of another, which is in no log (ADR 0093).

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of parcels that one node has on their way.
const UNDER_WAY_BYTES_MAX: usize = 32 << 20;

/// The most parcels: consensus takes the same connections, and must find room there.
const UNDER_WAY_MAX: usize = 256;

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
    bytes: Arc<Semaphore>,
    parcels: Arc<Semaphore>,
}

/// What a parcel takes for as long as it is on its way.
#[derive(Debug)]
pub(crate) struct Room {
    _bytes: OwnedSemaphorePermit,
    _parcel: OwnedSemaphorePermit,
}

impl Default for Carrying {
    fn default() -> Self {
        let room = |count| Arc::new(Semaphore::new(count));
        Self { bytes: room(UNDER_WAY_BYTES_MAX), parcels: room(UNDER_WAY_MAX) }
    }
}

impl Carrying {
    /// Waits for room for a parcel; none if it is too large for any.
    pub(crate) async fn room(&self, parcel: &Parcel) -> Option<Room> {
        let bytes = parcel.parts.iter().map(Bytes::len).fold(BESIDE_BYTES, usize::saturating_add);
        let bytes = u32::try_from(bytes).ok().filter(|_| bytes <= UNDER_WAY_BYTES_MAX)?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()?;
        Some(Room { _bytes: bytes, _parcel: Arc::clone(&self.parcels).acquire_owned().await.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn parcel(bytes: usize) -> Parcel {
        Parcel { to: 1, parts: vec![Bytes::from(vec![0; bytes])] }
    }

    #[tokio::test]
    async fn so_many_bytes_are_on_their_way_and_no_more() {
        let carrying = Carrying::default();
        assert!(carrying.room(&parcel(UNDER_WAY_BYTES_MAX)).await.is_none());
        let first = carrying.room(&parcel(UNDER_WAY_BYTES_MAX - 2 * BESIDE_BYTES)).await;
        let second = carrying.room(&parcel(0)).await;
        assert!(first.is_some() && second.is_some());
        assert!(carrying.room(&parcel(0)).now_or_never().is_none(), "it waits");
        drop(first);
        assert!(carrying.room(&parcel(0)).await.is_some());
    }

    #[tokio::test]
    async fn so_many_are_on_their_way_and_no_more() {
        let carrying = Carrying::default();
        let mut rooms = Vec::new();
        for _ in 0..UNDER_WAY_MAX {
            rooms.push(carrying.room(&parcel(0)).await.unwrap());
        }
        assert!(carrying.room(&parcel(0)).now_or_never().is_none(), "it waits");
        rooms.pop();
        assert!(carrying.room(&parcel(0)).await.is_some());
    }
}
