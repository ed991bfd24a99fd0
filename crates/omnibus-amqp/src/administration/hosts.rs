//! Virtual hosts.

use super::{Administration, Refused};
use crate::hosts::Host;

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

    /// Creates a virtual host; returns whether it was not there.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn create_host(&self, name: &str) -> Result<bool, Refused> {
        Ok(self.door.create_host(&Host::new(name)).await?)
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
