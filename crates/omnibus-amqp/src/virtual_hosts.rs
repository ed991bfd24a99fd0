//! Virtual hosts come and go. They are kept in the catalog, beside exchanges.

use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::command::CreateExchange;
use omnibus_model::exchange::{ExchangeConfig, ExchangeKey, ExchangeKind};
use omnibus_model::{ExchangeName, Refusal};
use tokio::sync::watch;

use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{DEFAULT, Host};

/// How soon is tried again to create a host.
const RETRY: Duration = Duration::from_secs(1);

fn key(host: &Host) -> Option<ExchangeKey> {
    Some(ExchangeKey { kind: ExchangeKind::AmqpHost, name: ExchangeName::new(host.name()).ok()? })
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
        let kept = kept.iter().map(|host| host.key.name.as_str().to_owned());
        std::iter::once(DEFAULT.to_owned()).chain(kept).collect()
    }

    /// Creates a host; returns whether it was not there.
    pub(crate) async fn create_host(&self, host: &Host) -> Result<bool, Fault> {
        let unusable = || Fault::Precondition(format!("'{}' cannot be the name of a vhost", host.name()));
        let key = key(host).filter(|key| !key.name.as_str().is_empty()).ok_or_else(unusable)?;
        if self.has_host(host) {
            return Ok(false);
        }
        match self.engine.create_exchange(CreateExchange { key, config: ExchangeConfig::default() }).await {
            Ok(_) => Ok(true),
            Err(SubmitError::Refused(Refusal::ExchangeExists { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
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
