//! Virtual hosts and users have no more than they may.
//!
//! Queues are counted over the cluster, connections and channels by each node for itself (ADR 0104).

use std::collections::BTreeSet;

use crate::declaring::Underway;
use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Host, split};
use crate::limits::Limited;
use crate::registry::{ChannelPlace, Place};

impl Door {
    /// Counts a user's connection to a virtual host, if there may be one more.
    pub(crate) fn take_place(&self, user: &str, host: &Host) -> Result<Place, Fault> {
        let of_host = self.host_limit(host, Limited::Connections);
        let of_user = self.user_limit(user, Limited::Connections);
        self.registry.take_place((user, host), (of_user, of_host))
    }

    /// Counts a channel of a user, if there may be one more.
    pub(crate) fn take_channel(&self, user: &str) -> Result<ChannelPlace, Fault> {
        self.registry.take_channel(user, self.user_limit(user, Limited::Channels))
    }

    /// Counts a queue that is to be created, if its virtual host may have one more; nothing where there is no limit. It
    /// counts as one that is there until this is dropped, which is when it is among the names.
    pub(crate) async fn take_queue(&self, queue: &str) -> Result<Option<Underway>, Fault> {
        let host = Host::of(queue);
        let Some(max) = self.host_limit(&host, Limited::Queues) else { return Ok(None) };
        if let Some(underway) = self.declaring.enter(&host, queue, (max, || self.queues_in(&host))) {
            return Ok(Some(underway));
        }
        // Others may have gone at another node, or this one have come.
        self.engine.learn_names().await;
        let underway = self.declaring.enter(&host, queue, (max, || self.queues_in(&host)));
        underway.map(Some).ok_or_else(|| Fault::QueuesReached { queue: queue.to_owned(), max })
    }

    fn queues_in(&self, host: &Host) -> BTreeSet<String> {
        let topics = self.engine.catalog().topics();
        let is_in = |name: &&str| split(name).0 == host.name() && self.find(name).is_some();
        topics.iter().map(|topic| topic.name.as_str()).filter(is_in).map(str::to_owned).collect()
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
