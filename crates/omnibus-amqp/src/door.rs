//! What all connections of the door share.

use std::sync::Arc;

use omnibus_engine::Engine;

use crate::account::KnownRights;
use crate::alarms::Alarms;
use crate::budget::Budget;
use crate::declaring::Declaring;
use crate::meter::QueueMeter;
use crate::natures::Natures;
use crate::registry::Registry;
use crate::replies::{Address, Replies, packed};
use crate::routing::Routes;
use crate::session::Content;
use crate::settings::Settings;

/// The engine, and how the door presents itself.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) budget: Budget,
    pub(crate) routes: Routes,
    pub(crate) natures: Natures,
    pub(crate) rights: KnownRights,
    pub(crate) replies: Arc<Replies>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) declaring: Arc<Declaring>,
    pub(crate) alarms: Alarms,
    pub(crate) queue_meter: QueueMeter,
}

impl Door {
    pub(crate) fn new(engine: Engine, settings: Settings) -> Self {
        let budget = Budget::new(settings.memory_bytes_max);
        let replies = Arc::<Replies>::default();
        // Those of connections to other nodes.
        engine.receive_parcels(Arc::<Replies>::clone(&replies));
        Self {
            engine,
            settings,
            budget,
            routes: Routes::default(),
            natures: Natures::default(),
            rights: KnownRights::default(),
            replies,
            registry: Arc::default(),
            declaring: Arc::default(),
            alarms: Alarms::default(),
            queue_meter: QueueMeter::default(),
        }
    }

    /// Hands a message to one who waits for a direct reply; false if that is nobody, as far as this node knows.
    pub(crate) async fn reply(&self, to: Address, content: Content) -> bool {
        if to.node == self.engine.node() {
            self.replies.send(to.token, content)
        } else {
            self.engine.send_parcel(to.node, packed(to.token, content)).await
        }
    }

    /// Whether somebody waits for a direct reply.
    pub(crate) async fn awaits_reply(&self, to: Address) -> bool {
        if to.node == self.engine.node() {
            self.replies.is_there(to.token)
        } else {
            self.engine.awaits_parcels(to.node, to.token).await
        }
    }
}
