//! Virtual hosts and users have no more than they may.
//!
//! Queues are counted over the cluster, connections and channels by each node for itself (ADR 0104).

use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Host, split};
use crate::limits::Limited;
use crate::registry::Place;

impl Door {
    /// Counts a user's connection to a virtual host, if there may be one more.
    pub(crate) fn take_place(&self, user: &str, host: &Host) -> Result<Place, Fault> {
        let of_host = self.host_limit(host, Limited::Connections);
        let of_user = self.user_limit(user, Limited::Connections);
        self.registry.take_place((user, host), (of_user, of_host))
    }

    /// Makes sure that a user may open one more channel.
    pub(crate) fn check_channels(&self, user: &str) -> Result<(), Fault> {
        match self.user_limit(user, Limited::Channels) {
            Some(max) if self.registry.channels_of(user) >= max => {
                Err(Fault::UserChannelsReached { user: user.to_owned(), max })
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that the virtual host of a queue that is to be created may have one more.
    pub(crate) async fn check_queues(&self, queue: &str) -> Result<(), Fault> {
        let host = Host::of(queue);
        let Some(max) = self.host_limit(&host, Limited::Queues) else { return Ok(()) };
        if self.queue_count(&host) < max {
            return Ok(());
        }
        // Others may have gone at another node, or this one have come.
        self.engine.learn_names().await;
        if self.queue_count(&host) < max || self.find(queue).is_some() {
            return Ok(());
        }
        Err(Fault::QueuesReached { queue: queue.to_owned(), max })
    }

    fn queue_count(&self, host: &Host) -> u64 {
        let topics = self.engine.catalog().topics();
        let is_in = |name: &str| split(name).0 == host.name() && self.find(name).is_some();
        topics.iter().filter(|topic| is_in(topic.name.as_str())).count() as u64
    }

    /// What a virtual host may have at most.
    fn host_limit(&self, host: &Host, what: Limited) -> Option<u64> {
        what.max(&self.kept_host(host)?.config.attributes)
    }

    /// What a user may have at most; one of the credentials file has no limits.
    fn user_limit(&self, user: &str, what: Limited) -> Option<u64> {
        if self.is_of_file(user) { None } else { what.max(&self.kept_user(user)?.config.attributes) }
    }
}
