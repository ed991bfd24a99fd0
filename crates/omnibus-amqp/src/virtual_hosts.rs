//! Virtual hosts come and go. They are kept in the catalog, beside exchanges.

use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::exchange::{ExchangeKey, ExchangeKind, SharedExchange};
use omnibus_model::{ExchangeName, Refusal};
use tokio::sync::watch;

use crate::arguments::{Declaration, QUEUE_TYPE};
use crate::door::Door;
use crate::errors::Fault;
use crate::host_nature::{HostNature, HostWish};
use crate::hosts::{DEFAULT, Host};
use crate::wire::Value;

/// How soon is tried again to create a host.
const RETRY: Duration = Duration::from_secs(1);

/// How often something is tried that somebody else changes at the same time.
const ATTEMPTS_MAX: u32 = 100;

fn key(host: &Host) -> Option<ExchangeKey> {
    Some(ExchangeKey { kind: ExchangeKind::AmqpHost, name: ExchangeName::new(host.name()).ok()? })
}

fn changed_by_others(host: &Host) -> Fault {
    Fault::Precondition(format!("the vhost '{}' is being changed by others", host.name()))
}

impl Door {
    /// Whether there is such a host, as far as this node knows.
    pub(crate) fn has_host(&self, host: &Host) -> bool {
        let is_kept = |key: ExchangeKey| self.engine.catalog().exchange(&key).is_some();
        host.is_default() || key(host).is_some_and(is_kept)
    }

    /// Finds a host, also one that was created by another node a moment ago.
    pub(crate) async fn look_up_host(&self, host: &Host) -> Result<(), Fault> {
        if self.has_host(host) {
            return Ok(());
        }
        self.engine.learn_names().await;
        if self.has_host(host) { Ok(()) } else { Err(Fault::NoVirtualHost(host.name().to_owned())) }
    }

    /// The names of all hosts that are there, `/` first.
    pub(crate) fn virtual_hosts(&self) -> Vec<String> {
        let kept = self.engine.catalog().exchanges(ExchangeKind::AmqpHost);
        // That of `/` is kept once something is said of it.
        let kept = kept.iter().map(|host| host.key.name.as_str().to_owned()).filter(|name| name != DEFAULT);
        std::iter::once(DEFAULT.to_owned()).chain(kept).collect()
    }

    /// What is said of a host.
    pub(crate) fn host_nature(&self, host: &Host) -> HostNature {
        self.kept_host(host).map_or_else(|| HostNature::unsaid(host), |kept| HostNature::of(host, &kept.config))
    }

    /// What is kept of a host; nothing of `/` before anything is said of it.
    pub(crate) fn kept_host(&self, host: &Host) -> Option<SharedExchange> {
        self.engine.catalog().exchange(&key(host)?)
    }

    /// Gives a queue that is to be declared the type of its host, if its creator says none and it can be one.
    pub(crate) fn complete(&self, host: &Host, wanted: &mut Declaration) {
        let is_plain = wanted.is_durable && !wanted.is_exclusive && !wanted.is_auto_delete;
        if !is_plain || wanted.arguments.get(QUEUE_TYPE).is_some() {
            return;
        }
        let HostNature { default_queue_type, .. } = self.host_nature(host);
        if default_queue_type != "classic" {
            wanted.arguments.set(QUEUE_TYPE, Value::text(&default_queue_type));
        }
    }

    /// Creates a host or says something else of one; returns whether it was not there.
    pub(crate) async fn put_host(&self, host: &Host, wish: &HostWish) -> Result<bool, Fault> {
        let unusable = || Fault::Precondition(format!("'{}' cannot be the name of a vhost", host.name()));
        let key = key(host).filter(|key| !key.name.as_str().is_empty()).ok_or_else(unusable)?;
        for _ in 0..ATTEMPTS_MAX {
            // Looked at once: what is kept afterwards is made of what it replaces.
            let kept = self.engine.catalog().exchange(&key);
            let is_new = kept.is_none() && !host.is_default();
            if self.change_kept(host, (&key, kept), wish).await? {
                return Ok(is_new);
            }
        }
        Err(changed_by_others(host))
    }

    /// Says something else of a host that is there.
    pub(crate) async fn alter_host(&self, host: &Host, wish: &HostWish) -> Result<(), Fault> {
        let missing = || Fault::NoVirtualHost(host.name().to_owned());
        let key = key(host).ok_or_else(missing)?;
        // What this node does not know yet is not what it was.
        self.engine.learn_names().await;
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.engine.catalog().exchange(&key);
            if kept.is_none() && !host.is_default() {
                return Err(missing());
            }
            if self.change_kept(host, (&key, kept), wish).await? {
                return Ok(());
            }
        }
        Err(changed_by_others(host))
    }

    /// Keeps a host as it is to be; `false` if somebody else has changed it meanwhile.
    async fn change_kept(
        &self,
        host: &Host,
        (key, kept): (&ExchangeKey, Option<SharedExchange>),
        wish: &HostWish,
    ) -> Result<bool, Fault> {
        let before = match &kept {
            Some(kept) => HostNature::of(host, &kept.config),
            None => HostNature::unsaid(host),
        };
        let after = before.with(wish)?.config(host);
        // Nothing needs to be kept of `/` before anything is said of it.
        if kept.is_none() && host.is_default() && after == HostNature::unsaid(host).config(host) {
            return Ok(true);
        }
        self.keep(key.clone(), kept.as_ref(), after).await
    }

    /// Creates a host; returns whether it was not there.
    pub(crate) async fn create_host(&self, host: &Host) -> Result<bool, Fault> {
        self.put_host(host, &HostWish::default()).await
    }

    /// Deletes a host with all that is in it; returns whether it was there.
    pub(crate) async fn delete_host(&self, host: &Host) -> Result<bool, Fault> {
        let Some(key) = key(host).filter(|_| !host.is_default()) else {
            return Err(Fault::Precondition("the vhost '/' stays".to_owned()));
        };
        self.engine.learn_names().await;
        let was_there = self.has_host(host);
        // What is in it goes first: if that cannot be done now, it is still there to be deleted again.
        for topic in self.engine.catalog().topics() {
            if Host::of(topic.name.as_str()) == *host
                && let Some(queue) = self.queue(topic)
            {
                self.delete(&queue).await?;
            }
        }
        for exchange in self.engine.catalog().exchanges(ExchangeKind::Amqp) {
            if Host::of(exchange.key.name.as_str()) == *host {
                self.remove_exchange(&exchange.key.name).await?;
            }
        }
        self.forget_policies(host).await?;
        self.forget_permissions(host).await?;
        match self.engine.delete_exchange(key).await {
            Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Ok(was_there),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the hosts that are to be there from the beginning.
    pub(crate) async fn create_first_hosts(&self, mut shutdown: watch::Receiver<bool>) {
        for host in self.settings.virtual_hosts.iter().map(|name| Host::new(name)) {
            while let Err(fault) = self.create_host(&host).await {
                tracing::warn!(host = host.name(), %fault, "a virtual host was not created, which is tried again");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    _ = shutdown.changed() => return,
                }
            }
        }
    }
}
