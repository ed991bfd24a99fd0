//! Where a connection's messages went lately: who publishes mostly says the same exchange and key again and again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::exchanges::Way;
use crate::session::Publish;

/// Ways that are remembered of a connection, and the queues of each.
const KNOWN_MAX: usize = 8;
const QUEUES_MAX: usize = 64;

/// Ways that were looked up since the catalog has changed last.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    version: u64,
    known: VecDeque<Known>,
}

#[derive(Debug)]
struct Known {
    exchange: Bytes,
    routing_key: Bytes,
    way: Arc<Way>,
}

impl Ways {
    /// The way of what is published so, if it is still known to be right.
    pub(crate) fn of(&mut self, publish: &Publish, version: u64) -> Option<Arc<Way>> {
        if self.version != version {
            // What it leads to may be gone.
            self.known.clear();
            self.version = version;
        }
        let is_it = |known: &&Known| known.routing_key == publish.routing_key.0 && known.exchange == publish.exchange.0;
        self.known.iter().find(is_it).map(|known| Arc::clone(&known.way))
    }

    /// Remembers a way that was not known to [`Self::of`] and was looked up since, if another message may go it and it is short.
    pub(crate) fn learn(&mut self, publish: &Publish, way: &Arc<Way>) {
        if way.depends_on_properties || way.queues.len() > QUEUES_MAX {
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        // Copied, so that what was read together with them need not stay.
        let [exchange, routing_key] =
            [&publish.exchange.0, &publish.routing_key.0].map(|name| Bytes::copy_from_slice(name));
        self.known.push_back(Known { exchange, routing_key, way: Arc::clone(way) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(exchange: &str, routing_key: &str) -> Publish {
        Publish { exchange: exchange.into(), routing_key: routing_key.into(), is_mandatory: false }
    }

    fn way() -> Arc<Way> {
        Arc::new(Way { queues: Vec::new(), is_delayed: false, depends_on_properties: false })
    }

    #[test]
    fn a_way_is_known_until_something_changes() {
        let mut ways = Ways::default();
        let (first, second) = (way(), way());
        assert!(ways.of(&publish("e", "k"), 1).is_none());
        ways.learn(&publish("e", "k"), &first);
        ways.learn(&publish("e", "l"), &second);
        assert!(ways.of(&publish("e", "k"), 1).is_some_and(|known| Arc::ptr_eq(&known, &first)));
        assert!(ways.of(&publish("e", "l"), 1).is_some_and(|known| Arc::ptr_eq(&known, &second)));
        assert!(ways.of(&publish("k", "e"), 1).is_none());
        assert!(ways.of(&publish("e", "k"), 2).is_none());
        ways.learn(&publish("e", "l"), &second);
        assert!(ways.of(&publish("e", "k"), 2).is_none(), "it is of before the change");
        assert!(ways.of(&publish("e", "l"), 2).is_some());
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut ways = Ways::default();
        for number in 0..=KNOWN_MAX {
            ways.learn(&publish("", &number.to_string()), &way());
        }
        assert!(ways.of(&publish("", "0"), 0).is_none());
        assert!((1..=KNOWN_MAX).all(|number| ways.of(&publish("", &number.to_string()), 0).is_some()));
    }

    #[test]
    fn a_way_that_another_message_may_not_go_is_forgotten() {
        let mut ways = Ways::default();
        let by_header = Way { queues: Vec::new(), is_delayed: false, depends_on_properties: true };
        ways.learn(&publish("e", "k"), &Arc::new(by_header));
        assert!(ways.of(&publish("e", "k"), 0).is_none());
    }
}
