//! What those may see and do who look after the door without being AMQP's clients.
//!
//! Names are those of the engine, which say whose virtual host something is: [`Host::full`] makes one, [`Host::of`] and
//! [`plain`] take it apart.

mod hosts;
mod messages;
mod policies;
mod users;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omnibus_engine::Engine;
use omnibus_model::topic::QueuePlace;
use omnibus_model::{ExchangeName, Timestamp, TopicName};

use crate::arguments::{Declaration, QUEUE_TYPE};
use crate::door::Door;
use crate::errors::Fault;
use crate::meter::Churn;
use crate::nature::{BindingWish, ExchangeNature};
use crate::queues::Queue;
use crate::registry::{ConnectionInfo, ConnectionState, Tally};
use crate::routing::Destination;
use crate::wire::{Table, Value};

pub use crate::account::{Hashing, PasswordHash};
pub use crate::alarms::Shortage;
pub use crate::host_nature::{HostNature, HostWish};
pub use crate::hosts::{Host, plain};
pub use crate::limits::{Limited, Limits, LimitsWish};
pub use crate::policy::Maker;
pub use crate::rights::{Permissions, TopicPermissions};
pub use messages::{After, Got, Posted};
pub use policies::{Governed, PolicyInfo};
pub use users::{UserInfo, UserWish};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// AMQP's.
    pub code: u16,
    pub name: &'static str,
    pub text: String,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let code = fault.code();
        Self { code: code.number, name: code.name, text: fault.to_string() }
    }
}

/// The door, for those who look after it.
#[derive(Clone, Debug)]
pub struct Administration {
    door: Arc<Door>,
}

/// A queue as AMQP's clients know it.
#[derive(Clone, Debug)]
pub struct QueueInfo {
    pub name: TopicName,
    pub is_durable: bool,
    pub is_auto_delete: bool,
    /// What the connection is known by that alone may use it.
    pub owner: Option<String>,
    pub arguments: Table,
    pub policy: Governed,
    pub place: QueuePlace,
    pub created_at: Timestamp,
}

impl QueueInfo {
    /// What RabbitMQ calls a queue of its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.arguments.get(QUEUE_TYPE).and_then(Value::str).unwrap_or("classic")
    }
}

/// How much there is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLoad {
    pub ready: u64,
    pub unacknowledged: u64,
    pub consumers: u32,
}

/// What a queue shall be.
#[derive(Clone, Debug, Default)]
pub struct QueueWish {
    pub name: String,
    pub is_durable: bool,
    pub is_auto_delete: bool,
    pub arguments: Table,
}

/// An exchange as AMQP's clients know it.
#[derive(Clone, Debug)]
pub struct ExchangeInfo {
    pub name: ExchangeName,
    pub kind: String,
    pub is_durable: bool,
    pub is_auto_delete: bool,
    pub is_internal: bool,
    pub arguments: Table,
    pub policy: Governed,
}

/// What an exchange shall be.
#[derive(Clone, Debug, Default)]
pub struct ExchangeWish {
    pub kind: String,
    pub is_durable: bool,
    pub is_auto_delete: bool,
    pub is_internal: bool,
    pub arguments: Table,
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leads {
    ToQueue(String),
    ToExchange(String),
}

/// A way from an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingInfo {
    pub source: String,
    pub leads: Leads,
    pub key: Bytes,
    pub arguments: Table,
}

/// Who comes in.
impl Administration {
    pub(crate) const fn new(door: Arc<Door>) -> Self {
        Self { door }
    }

    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.door.engine
    }

    /// All connections of this node.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.door.registry.all()
    }

    /// All connections of this node, each with how it is.
    pub async fn describe_connections(&self) -> Vec<(Arc<ConnectionInfo>, ConnectionState)> {
        self.door.registry.describe_all().await
    }

    /// What the connections of this node have counted since it started.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.door.registry.tally()
    }

    /// What has become of queues by this node since it started.
    #[must_use]
    pub fn churn(&self) -> Churn {
        self.door.queue_meter.churn()
    }

    /// What publishers of this node must wait for now.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        self.door.alarms.now()
    }

    /// Ends a connection of this node by its name; returns whether there was one.
    pub async fn close_connection(&self, name: &str, reason: String) -> bool {
        self.door.registry.close(name, reason).await
    }
}

/// Queues.
impl Administration {
    /// All queues of all virtual hosts by name, whichever door they came by.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueInfo> {
        let topics = self.door.engine.catalog().topics();
        topics.iter().filter_map(|topic| self.door.find(topic.name.as_str())).map(|queue| info(&queue)).collect()
    }

    #[must_use]
    pub fn queue(&self, name: &str) -> Option<QueueInfo> {
        self.door.find(name).map(|queue| info(&queue))
    }

    /// How much there is in a queue.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn load(&self, queue: &QueueInfo) -> Result<QueueLoad, Refused> {
        let consumers = self.door.engine.consumer_count(queue.place).await.map_err(Fault::from)?;
        if queue.kind() == "stream" {
            let ready = self.door.kept(queue.place).await?;
            return Ok(QueueLoad { ready, unacknowledged: 0, consumers });
        }
        let counts = self.door.engine.queue_counts(queue.place).await.map_err(Fault::from)?.unwrap_or_default();
        Ok(QueueLoad { ready: counts.ready, unacknowledged: counts.leased, consumers })
    }

    /// How much there is in each of some queues, in their order.
    pub async fn loads(&self, queues: Vec<QueueInfo>) -> Vec<(QueueInfo, Result<QueueLoad, Refused>)> {
        let looks = queues.into_iter().map(|queue| async move {
            let load = self.load(&queue).await;
            (queue, load)
        });
        stream::iter(looks).buffered(LOOKS_MAX).collect().await
    }

    /// Creates a queue, or finds one that is the same; returns whether it is new.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn declare_queue(&self, wish: QueueWish) -> Result<bool, Refused> {
        let QueueWish { name, is_durable, is_auto_delete, arguments } = wish;
        if self.door.look_up(&name).await.is_err() {
            Queue::check_name(&name)?;
        }
        let wanted = Declaration { queue: name, is_durable, is_exclusive: false, is_auto_delete, arguments };
        Ok(self.door.declare(&wanted, NOBODY).await?.is_new)
    }

    /// Deletes a queue.
    ///
    /// # Errors
    /// [`Refused`]; 404 if there is none.
    pub async fn delete_queue(&self, name: &str, (if_unused, if_empty): (bool, bool)) -> Result<(), Refused> {
        let queue = self.open(name).await?;
        self.door.delete_if(&queue, (if_unused, if_empty)).await?;
        Ok(())
    }

    /// Empties a queue of what is ready; returns how much that was.
    ///
    /// # Errors
    /// [`Refused`]; 404 if there is none.
    pub async fn purge(&self, name: &str) -> Result<u64, Refused> {
        let queue = self.open(name).await?;
        Ok(u64::from(self.door.purge(&queue).await?))
    }

    /// Finds a queue that is nobody's own.
    async fn open(&self, name: &str) -> Result<Queue, Refused> {
        Ok(self.door.look_up(name).await?.open_to(NOBODY)?)
    }
}

/// Queues that are looked at at the same time.
const LOOKS_MAX: usize = 64;

/// Whose no exclusive queue is.
const NOBODY: &str = "";

fn info(queue: &Queue) -> QueueInfo {
    QueueInfo {
        name: queue.topic.name.clone(),
        is_durable: queue.nature.is_durable,
        is_auto_delete: queue.nature.is_auto_delete,
        owner: queue.nature.owner.clone(),
        arguments: queue.nature.table(),
        policy: queue.nature.policy.clone().into(),
        place: queue.place,
        created_at: queue.topic.created_at,
    }
}

/// Exchanges.
impl Administration {
    /// All exchanges of all virtual hosts by name, with those that are there from the beginning.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeInfo> {
        self.door.exchange_names().iter().filter_map(|name| self.exchange(name.as_str())).collect()
    }

    /// One exchange; the one without a name is its host's default exchange.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<ExchangeInfo> {
        let name = ExchangeName::new(name).ok()?;
        let nature = match plain(name.as_str()) {
            "" => ExchangeNature::nameless(),
            _ => self.door.exchange(&name)?.nature.clone(),
        };
        let ExchangeNature { kind, is_durable, is_auto_delete, is_internal, .. } = nature.clone();
        let (arguments, policy) = (nature.table(), nature.policy.into());
        Some(ExchangeInfo { name, kind, is_durable, is_auto_delete, is_internal, arguments, policy })
    }

    /// Creates an exchange, or finds one that is the same; returns whether it is new.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn declare_exchange(&self, name: &str, wish: ExchangeWish) -> Result<bool, Refused> {
        let name = named(name)?;
        let ExchangeWish { kind, is_durable, is_auto_delete, is_internal, arguments } = wish;
        let wanted = ExchangeNature::wished(&kind, (is_durable, is_auto_delete, is_internal), &arguments)?;
        let is_new = self.door.look_up_exchange(&name).await.is_err();
        self.door.declare_exchange(&name, &wanted).await?;
        Ok(is_new)
    }

    /// Deletes an exchange.
    ///
    /// # Errors
    /// [`Refused`]; 404 if there is none.
    pub async fn delete_exchange(&self, name: &str, if_unused: bool) -> Result<(), Refused> {
        let name = named(name)?;
        self.door.look_up_exchange(&name).await?;
        Ok(self.door.delete_exchange(&name, if_unused).await?)
    }
}

/// Bindings.
impl Administration {
    /// All bindings of all virtual hosts that somebody made, by their source.
    #[must_use]
    pub fn bindings(&self) -> Vec<BindingInfo> {
        let info = |(source, to, wish): (ExchangeName, Destination, BindingWish)| BindingInfo {
            source: source.as_str().to_owned(),
            leads: match to {
                Destination::Queue(queue) => Leads::ToQueue(queue.as_str().to_owned()),
                Destination::Exchange(exchange) => Leads::ToExchange(exchange.as_str().to_owned()),
            },
            key: wish.key,
            arguments: wish.arguments,
        };
        self.door.bindings().into_iter().map(info).collect()
    }

    /// Binds something to an exchange; what is bound so already stays so.
    ///
    /// # Errors
    /// [`Refused`]; 404 if either end is not there.
    pub async fn bind(&self, binding: BindingInfo) -> Result<(), Refused> {
        let (source, to, wish) = self.ends(binding)?;
        match &to {
            Destination::Queue(queue) => drop(self.open(queue.as_str()).await?),
            Destination::Exchange(exchange) => drop(self.door.look_up_exchange(exchange).await?),
        }
        Ok(self.door.bind(&source, to, &wish).await?)
    }

    /// Ends a binding.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn unbind(&self, binding: BindingInfo) -> Result<(), Refused> {
        let (source, to, wish) = self.ends(binding)?;
        Ok(self.door.unbind(&source, &to, &wish).await?)
    }

    fn ends(&self, binding: BindingInfo) -> Result<(ExchangeName, Destination, BindingWish), Refused> {
        let BindingInfo { source, leads, key, arguments } = binding;
        let to = match leads {
            Leads::ToQueue(queue) => Destination::Queue(TopicName::new(&queue).map_err(|_| Fault::NoQueue(queue))?),
            Leads::ToExchange(exchange) => Destination::Exchange(named(&exchange)?),
        };
        Ok((named(&source)?, to, BindingWish { key, arguments }))
    }
}

/// The name of an exchange that is not the default one.
fn named(name: &str) -> Result<ExchangeName, Fault> {
    let read = ExchangeName::new(name).map_err(|_| Fault::NoExchange(name.to_owned()))?;
    if plain(name).is_empty() { Err(Fault::DefaultExchange) } else { Ok(read) }
}
