//! Virtual hosts.

use super::{Administration, QueueWish, Refused};
use crate::arguments::Declaration;
use crate::host_nature::{HostNature, HostWish};
use crate::hosts::Host;
use crate::limits::LimitsWish;

impl Administration {
    /// All virtual hosts, `/` first.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host> {
        self.door.virtual_hosts().iter().map(|name| Host::new(name)).collect()
    }

    /// Finds a virtual host, also one that was created by another node a moment ago.
    pub async fn host(&self, name: &str) -> Option<Host> {
        let host = Host::new(name);
        self.door.look_up_host(&host).await.ok().map(|()| host)
    }

    /// Whether a virtual host is created at each start of this node.
    #[must_use]
    pub fn is_configured(&self, host: &Host) -> bool {
        self.door.settings.virtual_hosts.iter().any(|name| name == host.name())
    }

    /// What is said of a virtual host.
    #[must_use]
    pub fn describe_host(&self, host: &Host) -> HostNature {
        self.door.host_nature(host)
    }

    /// Creates a virtual host or says something else of one; returns whether it was not there.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn put_host(&self, name: &str, wish: &HostWish) -> Result<bool, Refused> {
        Ok(self.door.put_host(&Host::new(name), wish).await?)
    }

    /// Says how much a virtual host may have.
    ///
    /// # Errors
    /// [`Refused`]; there may be none.
    pub async fn limit_host(&self, host: &Host, limits: LimitsWish) -> Result<(), Refused> {
        Ok(self.door.alter_host(host, &HostWish { limits, ..HostWish::default() }).await?)
    }

    /// Gives a queue the type of its virtual host, if nothing is said of one.
    #[must_use]
    pub fn complete(&self, wish: QueueWish) -> QueueWish {
        let QueueWish { name, is_durable, is_auto_delete, arguments } = wish;
        let host = Host::of(&name);
        let mut wanted = Declaration { queue: name, is_durable, is_exclusive: false, is_auto_delete, arguments };
        self.door.complete(&host, &mut wanted);
        QueueWish { name: wanted.queue, is_durable, is_auto_delete, arguments: wanted.arguments }
    }

    /// Deletes a virtual host with all that is in it; returns whether it was there. Its connections are closed when they
    /// next ask for something, or within half a heartbeat.
    ///
    /// # Errors
    /// [`Refused`]; it may be tried again.
    pub async fn delete_host(&self, name: &str) -> Result<bool, Refused> {
        Ok(self.door.delete_host(&Host::new(name)).await?)
    }
}
