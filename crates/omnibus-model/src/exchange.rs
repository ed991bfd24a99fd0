//! Exchanges: names to which records are sent so that they reach the queues bound to them.
//!
//! The metadata shard keeps them. Which bindings a record goes along is decided by the front end
//! before anything is written; only it knows the rules of its protocol, which it keeps here as texts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ExchangeName, Timestamp, TopicName};

/// Whose rules an exchange follows; names of two kinds do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ExchangeKind {
    /// A topic of SNS.
    Sns,
    /// An exchange of AMQP.
    Amqp,
    /// No exchange, but a virtual host of AMQP: a name that is there, and to which nothing is bound.
    AmqpHost,
    /// A policy of AMQP's, which is no exchange: a name with texts that the metadata shard keeps.
    AmqpPolicy,
    /// A user of AMQP, which is no exchange, either: a name with texts, what is kept of a password among them.
    AmqpUser,
    /// A policy of those who look after the broker, which no policy of a virtual host loosens.
    AmqpOperatorPolicy,
}

/// What tells an exchange from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExchangeKey {
    pub kind: ExchangeKind,
    pub name: ExchangeName,
}

/// A binding's identity; drawn at random, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BindingId(pub u128);

/// An exchange that others hold on to while it changes.
pub type SharedExchange = Arc<Exchange>;

/// An exchange with all that is bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub key: ExchangeKey,
    pub config: ExchangeConfig,
    pub created_at: Timestamp,
    pub bindings: BTreeMap<BindingId, Arc<Binding>>,
}

/// What an exchange's creator chose, under the names of its protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeConfig {
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// A way from an exchange to where its records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub id: BindingId,
    /// An exchange has no two bindings of one label.
    pub label: String,
    pub target: BindingTarget,
    pub config: BindingConfig,
    pub created_at: Timestamp,
}

/// Where the records of a binding go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingTarget {
    /// To a queue, which need not be there yet, or any more.
    Queue(TopicName),
    /// To somebody who is told of each.
    Push { url: String },
    /// To another exchange, which need not be there, either.
    Exchange(ExchangeKey),
}

/// What a binding's creator chose, under the names of its protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingConfig {
    pub attributes: BTreeMap<String, String>,
}

/// How the names of push bindings' own queues begin.
const PUSH_QUEUES: &str = "__push.";

impl BindingId {
    /// The queue of a push binding: what waits for whoever is told.
    #[must_use]
    pub fn push_queue(self) -> TopicName {
        TopicName::new(&format!("{PUSH_QUEUES}{:032x}", self.0)).expect("the name is neither empty nor long")
    }

    /// The binding whose queue has this name.
    #[must_use]
    pub fn of_push_queue(name: &TopicName) -> Option<Self> {
        let digits = name.as_str().strip_prefix(PUSH_QUEUES).filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Self)
    }
}

impl fmt::Debug for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BindingId({:032x})", self.0)
    }
}

impl fmt::Display for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ExchangeKind::Sns => write!(f, "sns {}", self.name),
            ExchangeKind::Amqp => write!(f, "amqp {}", self.name),
            ExchangeKind::AmqpHost => write!(f, "amqp host {}", self.name),
            ExchangeKind::AmqpPolicy => write!(f, "amqp policy {}", self.name),
            ExchangeKind::AmqpUser => write!(f, "amqp user {}", self.name),
            ExchangeKind::AmqpOperatorPolicy => write!(f, "amqp operator policy {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_of_a_push_binding_names_it() {
        let id = BindingId(0xab);
        assert_eq!(BindingId::of_push_queue(&id.push_queue()), Some(id));
        for other in ["__push.ab", "__push.", "orders"] {
            assert_eq!(BindingId::of_push_queue(&TopicName::new(other).unwrap()), None);
        }
    }
}
