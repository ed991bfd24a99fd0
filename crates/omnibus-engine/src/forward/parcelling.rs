//! Carries parcels between front ends of different nodes. No shard has to do with it.

use std::sync::Arc;

use omnibus_model::{NodeId, ShardId};
use tokio::time::timeout;

use super::errand::{Answered, Asked, decode_answer, encode_asked};
use super::patience::PATIENCE;
use crate::engine::Engine;
use crate::parcels::{Parcel, Recipients};

impl Engine {
    /// From now on, parcels of other nodes are handed to somebody. Only the first counts.
    pub fn receive_parcels(&self, recipients: Arc<dyn Recipients>) {
        if self.inner.recipients.set(recipients).is_err() {
            tracing::warn!("somebody takes parcels already");
        }
    }

    /// Sends a parcel to another node, behind those that were sent there before, and waits while too much is on its way. Nobody
    /// is told whether it arrives; false if it surely does not: the node cannot be reached, or too much was on its way for too long.
    pub async fn send_parcel(&self, node: NodeId, parcel: Parcel) -> bool {
        let Some(peers) = self.inner.peers.get().filter(|peers| peers.reaches(node)) else { return false };
        let Ok(Some(room)) = timeout(PATIENCE, self.inner.carrying.room(&parcel)).await else { return false };
        let asking = peers.ask(node, encode_asked(ShardId::METADATA, &Asked::HandOver(parcel)));
        tokio::spawn(async move {
            // Whatever becomes of it.
            drop(timeout(PATIENCE, asking).await);
            drop(room);
        });
        true
    }

    /// Whether somebody at another node waits for parcels; also false if that cannot be said.
    pub async fn awaits_parcels(&self, node: NodeId, to: u128) -> bool {
        let Some(peers) = self.inner.peers.get() else { return false };
        let asking = peers.ask(node, encode_asked(ShardId::METADATA, &Asked::AwaitsParcels(to)));
        let Ok(Ok(answer)) = timeout(PATIENCE, asking).await else { return false };
        matches!(decode_answer(&answer).map(|answer| answer.answered), Some(Ok(Answered::HandedOver(true))))
    }

    pub(super) fn take_parcel(&self, parcel: Parcel) -> Answered {
        Answered::HandedOver(self.inner.recipients.get().is_some_and(|recipients| recipients.take(parcel)))
    }

    pub(super) fn says_who_awaits_parcels(&self, to: u128) -> Answered {
        Answered::HandedOver(self.inner.recipients.get().is_some_and(|recipients| recipients.awaits(to)))
    }
}
