//! Exchanges and bindings under their names in AMQP: those of the engine, and those that are there from the beginning.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::exchange::{BindingId, BindingTarget, ExchangeKey, ExchangeKind};
use omnibus_model::{ExchangeName, Refusal, TopicName};

use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Host, plain};
use crate::nature::{BindingWish, ExchangeNature, Kind, PREDECLARED};
use crate::queues::Queue;
use crate::routing::{Compiled, Destination, Routed, check_criteria, destination};
use crate::wire::Properties;

/// How names begin that clients may not choose.
const RESERVED: &str = "amq.";

/// Where a message goes.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) queues: Vec<Queue>,
    /// Whether the exchange holds messages back that say so.
    pub(crate) is_delayed: bool,
    /// Whether another message of the same key may go elsewhere.
    pub(crate) depends_on_properties: bool,
}

fn key(name: &ExchangeName) -> ExchangeKey {
    ExchangeKey { kind: ExchangeKind::Amqp, name: name.clone() }
}

fn missing(name: &ExchangeName) -> Fault {
    Fault::NoExchange(name.as_str().to_owned())
}

impl Door {
    /// Finds an exchange and the routes from it.
    pub(crate) fn exchange(&self, name: &ExchangeName) -> Option<Arc<Compiled>> {
        let now = self.engine.catalog().exchange(&key(name));
        self.routes.of(name, now)
    }

    /// Finds an exchange, also one that was created by another node a moment ago.
    pub(crate) async fn look_up_exchange(&self, name: &ExchangeName) -> Result<Arc<Compiled>, Fault> {
        if let Some(found) = self.exchange(name) {
            return Ok(found);
        }
        self.engine.learn_names().await;
        self.exchange(name).ok_or_else(|| missing(name))
    }

    /// All exchanges by name, with those that every virtual host has from the beginning.
    pub(crate) fn exchange_names(&self) -> BTreeSet<ExchangeName> {
        let kept = self.engine.catalog().exchanges(ExchangeKind::Amqp);
        let kept = kept.iter().map(|exchange| exchange.key.name.clone());
        let hosts: Vec<Host> = self.virtual_hosts().iter().map(|name| Host::new(name)).collect();
        let of_host = |host| PREDECLARED.iter().filter_map(move |name| ExchangeName::new(&Host::full(host, name)).ok());
        kept.chain(hosts.iter().flat_map(of_host)).collect()
    }

    /// All bindings, by their source.
    pub(crate) fn bindings(&self) -> Vec<(ExchangeName, Destination, BindingWish)> {
        let mut all = Vec::new();
        for exchange in self.engine.catalog().exchanges(ExchangeKind::Amqp) {
            let bindings = exchange.bindings.values();
            let read = |binding: &Arc<omnibus_model::exchange::Binding>| {
                Some((exchange.key.name.clone(), destination(binding)?, BindingWish::of(&binding.config)))
            };
            all.extend(bindings.filter_map(read));
        }
        all
    }

    /// The queues that a message goes to: each once, however many ways lead there.
    pub(crate) fn route(&self, exchange: &ExchangeName, keys: &[Bytes], properties: &Properties) -> Result<Way, Fault> {
        if self.exchange(exchange).is_some_and(|first| first.nature.is_internal) {
            return Err(Fault::InternalExchange(exchange.as_str().to_owned()));
        }
        self.route_on(exchange, keys, properties)
    }

    /// The queues that a message goes to by whatever exchange, for whoever is no client.
    pub(crate) fn route_on(
        &self,
        exchange: &ExchangeName,
        keys: &[Bytes],
        properties: &Properties,
    ) -> Result<Way, Fault> {
        let mut queues: BTreeSet<TopicName> = BTreeSet::new();
        let host = Host::of(exchange.as_str());
        if plain(exchange.as_str()).is_empty() {
            let queue = |key: &Bytes| TopicName::new(&host.full(std::str::from_utf8(key).ok()?)).ok();
            queues.extend(keys.iter().filter_map(queue));
            return Ok(self.way(queues));
        }
        let first = self.exchange(exchange).ok_or_else(|| missing(exchange))?;
        let is_delayed = first.nature.is_delayed();
        let mut seen = BTreeSet::from([exchange.clone()]);
        let mut left = vec![first];
        let mut found = Vec::new();
        let mut depends_on_properties = false;
        while let Some(routes) = left.pop() {
            depends_on_properties |= routes.looks_at_properties();
            let alternate = routes.nature.alternate();
            if !routes.route(Routed { keys, properties }, &mut found)
                && let Some(alternate) = alternate.and_then(|name| ExchangeName::new(&host.full(name)).ok())
            {
                found.push(Destination::Exchange(alternate));
            }
            for destination in found.drain(..) {
                match destination {
                    Destination::Queue(queue) => drop(queues.insert(queue)),
                    Destination::Exchange(next) if seen.contains(&next) => {}
                    Destination::Exchange(next) => {
                        left.extend(self.exchange(&next));
                        seen.insert(next);
                    }
                }
            }
        }
        Ok(Way { is_delayed, depends_on_properties, ..self.way(queues) })
    }

    fn way(&self, queues: BTreeSet<TopicName>) -> Way {
        let queues = queues.iter().filter_map(|queue| self.find(queue.as_str())).collect();
        Way { queues, is_delayed: false, depends_on_properties: false }
    }

    /// Creates an exchange, or finds that there is one that is the same.
    pub(crate) async fn declare_exchange(&self, name: &ExchangeName, wanted: &ExchangeNature) -> Result<(), Fault> {
        if let Some(present) = self.exchange(name) {
            return present.nature.check_same(name.as_str(), wanted);
        }
        if plain(name.as_str()).starts_with(RESERVED) {
            return Err(Fault::ExchangeNameReserved(name.as_str().to_owned()));
        }
        match self.create_exchange(name, wanted).await? {
            true => self.hold_new_exchange(name).await,
            false => self.look_up_exchange(name).await?.nature.check_same(name.as_str(), wanted),
        }
    }

    /// Creates an exchange; `false` if somebody was faster.
    async fn create_exchange(&self, name: &ExchangeName, nature: &ExchangeNature) -> Result<bool, Fault> {
        match self.engine.create_exchange(CreateExchange { key: key(name), config: nature.config() }).await {
            Ok(_) => Ok(true),
            Err(SubmitError::Refused(Refusal::ExchangeExists { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an exchange and whatever leads to it. One that is not there is deleted already.
    pub(crate) async fn delete_exchange(&self, name: &ExchangeName, if_unused: bool) -> Result<(), Fault> {
        if ExchangeNature::predeclared(plain(name.as_str())).is_some() {
            return Err(Fault::SystemExchange(name.as_str().to_owned()));
        }
        self.engine.learn_names().await;
        let Some(exchange) = self.engine.catalog().exchange(&key(name)) else { return Ok(()) };
        if if_unused && !exchange.bindings.is_empty() {
            return Err(Fault::ExchangeInUse(name.as_str().to_owned()));
        }
        self.remove_exchange(name).await
    }

    /// Deletes whatever exchange, and whatever leads to it.
    pub(crate) async fn remove_exchange(&self, name: &ExchangeName) -> Result<(), Fault> {
        match self.engine.delete_exchange(key(name)).await {
            Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        self.unbind_all(&Destination::Exchange(name.clone())).await
    }

    /// Binds a queue or an exchange to an exchange; what is bound so already stays so.
    pub(crate) async fn bind(&self, source: &ExchangeName, to: Destination, wish: &BindingWish) -> Result<(), Fault> {
        let label = label(&to, wish);
        let exchange = self.look_up_exchange(source).await?;
        check_binding(&exchange.nature, wish)?;
        if self.bound(source, &label).is_some() {
            return Ok(());
        }
        if self.engine.catalog().exchange(&key(source)).is_none() {
            // One that was there from the beginning is kept once something is bound to it.
            self.create_exchange(source, &exchange.nature).await?;
        }
        let target = match to {
            Destination::Queue(queue) => BindingTarget::Queue(queue),
            Destination::Exchange(exchange) => BindingTarget::Exchange(key(&exchange)),
        };
        let id = BindingId(self.engine.random());
        match self.engine.bind(Bind { exchange: key(source), id, label, target, config: wish.config() }).await {
            Ok(_) | Err(SubmitError::Refused(Refusal::BindingExists { .. })) => Ok(()),
            Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Err(missing(source)),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a binding; one that is not there has ended already.
    pub(crate) async fn unbind(
        &self,
        source: &ExchangeName,
        to: &Destination,
        wish: &BindingWish,
    ) -> Result<(), Fault> {
        self.engine.learn_names().await;
        match self.bound(source, &label(to, wish)) {
            Some(binding) => self.end_binding(source, binding).await,
            None => Ok(()),
        }
    }

    /// Ends all bindings that lead to what is gone.
    pub(crate) async fn unbind_all(&self, to: &Destination) -> Result<(), Fault> {
        // An exchange may go with its last binding, and others with it.
        let mut gone = vec![to.clone()];
        while let Some(to) = gone.pop() {
            for exchange in self.engine.catalog().exchanges(ExchangeKind::Amqp) {
                let leads = exchange.bindings.values().filter(|binding| destination(binding).as_ref() == Some(&to));
                for binding in leads.map(|binding| binding.id).collect::<Vec<_>>() {
                    if self.end(&exchange.key.name, binding).await? {
                        gone.push(Destination::Exchange(exchange.key.name.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    async fn end_binding(&self, source: &ExchangeName, binding: BindingId) -> Result<(), Fault> {
        if self.end(source, binding).await? {
            self.unbind_all(&Destination::Exchange(source.clone())).await?;
        }
        Ok(())
    }

    /// Ends a binding; returns whether its exchange has gone with it.
    async fn end(&self, source: &ExchangeName, binding: BindingId) -> Result<bool, Fault> {
        let exchange = match self.engine.unbind(key(source), binding).await {
            Ok(exchange) => exchange,
            Err(SubmitError::Refused(Refusal::UnknownExchange { .. } | Refusal::UnknownBinding { .. })) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        if !exchange.bindings.is_empty() || !ExchangeNature::of(&exchange.config).is_auto_delete {
            return Ok(false);
        }
        match self.engine.delete_exchange(key(source)).await {
            Ok(_) => Ok(true),
            Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn bound(&self, source: &ExchangeName, label: &str) -> Option<BindingId> {
        let exchange = self.engine.catalog().exchange(&key(source))?;
        exchange.bindings.values().find(|binding| binding.label == label).map(|binding| binding.id)
    }
}

/// Makes sure that an exchange can route by a binding.
fn check_binding(exchange: &ExchangeNature, wish: &BindingWish) -> Result<(), Fault> {
    match exchange.routes_as() {
        Kind::Headers => check_criteria(&wish.arguments),
        Kind::ConsistentHash if wish.weight().is_none() => {
            let text = format!("The binding key must be an integer: <<\"{}\">>", String::from_utf8_lossy(&wish.key));
            Err(Fault::Precondition(text))
        }
        Kind::Direct | Kind::Fanout | Kind::Topic | Kind::ConsistentHash => Ok(()),
    }
}

/// What tells a binding of an exchange from its others: where it leads, its key and its arguments.
fn label(to: &Destination, wish: &BindingWish) -> String {
    let (kind, name) = match to {
        Destination::Queue(queue) => ("queue", queue.as_str()),
        Destination::Exchange(exchange) => ("exchange", exchange.as_str()),
    };
    // No name has a line end in it.
    let kept = wish.config().attributes;
    let rest: Vec<String> = kept.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{kind}\n{name}\n{}", rest.join("\n"))
}
