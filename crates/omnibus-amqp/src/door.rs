//! What all connections of the door share.

use std::sync::Arc;

use omnibus_engine::Engine;

use crate::alarms::Alarms;
use crate::budget::Budget;
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
    pub(crate) replies: Arc<Replies>,
    pub(crate) registry: Arc<Registry>,
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
            replies,
            registry: Arc::default(),
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

    /// Whether a user has given the right password.
    pub(crate) fn admits(&self, user: &str, password: &[u8], is_local: bool) -> bool {
        let credentials = &self.settings.credentials;
        if credentials.is_empty() {
            return is_local && user == GUEST && password == GUEST.as_bytes();
        }
        credentials.iter().any(|each| each.user == user && same(each.password.as_bytes(), password))
    }

    /// All who may come in, by name.
    pub(crate) fn users(&self) -> Vec<String> {
        let mut users: Vec<String> = self.settings.credentials.iter().map(|each| each.user.clone()).collect();
        if users.is_empty() {
            users.push(GUEST.to_owned());
        }
        users.sort();
        users.dedup();
        users
    }
}

const GUEST: &str = "guest";

/// Compares without telling by the time it takes where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
