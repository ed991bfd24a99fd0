//! What all connections share.

use std::sync::Arc;

use omnibus_engine::Engine;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::errors::ApiError;
use crate::handles::Seal;
use crate::rest::Rest;
use crate::settings::Settings;
use crate::signing::Signer;
use crate::sns::routing::Routing;
use crate::sns::sequences::Sequences;

/// Memory is paid for in pieces of so many bytes.
const PIECE: usize = 1 << 10;

/// The engine behind the door, and what the door itself remembers.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) seal: Seal,
    pub(crate) rest: Rest,
    pub(crate) signer: Signer,
    pub(crate) routing: Routing,
    pub(crate) sequences: Sequences,
    memory: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(engine: Engine, settings: Settings) -> Self {
        let memory = Arc::new(Semaphore::new(settings.memory_bytes_max / PIECE));
        Self {
            engine,
            seal: Seal::new(settings.secret),
            rest: Rest::default(),
            signer: Signer::new(settings.secret),
            routing: Routing::default(),
            sequences: Sequences::default(),
            memory,
            settings,
        }
    }

    /// Pays for the memory of a body; small ones are free, as their connection is counted.
    pub(crate) async fn pay_for(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        let pieces = u32::try_from(bytes / PIECE).unwrap_or(u32::MAX);
        if pieces == 0 {
            return Ok(None);
        }
        let unavailable = |_| ApiError::ServiceUnavailable("the memory for requests is gone".to_owned());
        Arc::clone(&self.memory).acquire_many_owned(pieces).await.map(Some).map_err(unavailable)
    }

    /// A new UUID.
    pub(crate) fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.engine.random().to_be_bytes()).into_uuid()
    }
}
