//! Which of its bindings a message takes at an exchange; worked out once for each state of the exchange. Pure.

mod headers;
mod topic;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::exchange::{Binding, BindingTarget, Exchange, SharedExchange};
use omnibus_model::{ExchangeName, TopicName};
use parking_lot::Mutex;

use crate::errors::Fault;
use crate::hosts::plain;
use crate::nature::{BindingWish, ExchangeNature, Kind};
use crate::wire::{Properties, Table};
use headers::Criteria;
use topic::Patterns;

/// Exchanges whose routes are kept at hand.
const COMPILED_MAX: usize = 4_096;

/// The routes of exchanges as they were when somebody asked last.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    compiled: Mutex<BTreeMap<ExchangeName, Known>>,
}

/// An exchange as it was, if it was kept, and the routes from it.
type Known = (Option<SharedExchange>, Arc<Compiled>);

impl Routes {
    /// The routes from an exchange as it is now; `None` if there is none of the name.
    pub(crate) fn of(&self, name: &ExchangeName, now: Option<SharedExchange>) -> Option<Arc<Compiled>> {
        let mut compiled = self.compiled.lock();
        let is_same = |known: &Option<SharedExchange>| match (known, &now) {
            (Some(known), Some(now)) => Arc::ptr_eq(known, now),
            (None, None) => true,
            _ => false,
        };
        if let Some((known, routes)) = compiled.get(name)
            && is_same(known)
        {
            return Some(Arc::clone(routes));
        }
        let routes = match &now {
            Some(exchange) => Compiled::of(exchange),
            None => {
                // One that is gone is not kept at hand.
                compiled.remove(name);
                Compiled::empty(ExchangeNature::predeclared(plain(name.as_str()))?)
            }
        };
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        let routes = Arc::new(routes);
        compiled.insert(name.clone(), (now, Arc::clone(&routes)));
        Some(routes)
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    Queue(TopicName),
    Exchange(ExchangeName),
}

/// What an exchange looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed<'a> {
    /// The message's own first, then those of its headers.
    pub(crate) keys: &'a [Bytes],
    pub(crate) properties: &'a Properties,
}

/// The bindings of an exchange, in the order in which it looks at them.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) nature: ExchangeNature,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Direct(HashMap<Bytes, Vec<Destination>>),
    Fanout(Vec<Destination>),
    Topic(Patterns),
    Headers(Vec<(Criteria, Destination)>),
    Hash(Ring),
}

/// So many parts of a circle for each destination.
#[derive(Debug)]
struct Ring {
    parts: Vec<Destination>,
    by: HashedBy,
}

#[derive(Debug)]
enum HashedBy {
    Key,
    Header(String),
    MessageId,
    CorrelationId,
    Timestamp,
}

/// The most parts of a circle: weights beyond it count as less.
const PARTS_MAX: usize = 1 << 16;

impl Compiled {
    pub(crate) fn of(exchange: &Exchange) -> Self {
        Self::with(ExchangeNature::of(&exchange.config), bindings(exchange))
    }

    /// An exchange to which nothing is bound.
    pub(crate) fn empty(nature: ExchangeNature) -> Self {
        Self::with(nature, Vec::new())
    }

    fn with(nature: ExchangeNature, bindings: Vec<(BindingWish, Destination)>) -> Self {
        let rule = match nature.routes_as() {
            Kind::Direct => {
                let mut by_key: HashMap<Bytes, Vec<Destination>> = HashMap::new();
                for (BindingWish { key, .. }, destination) in bindings {
                    by_key.entry(key).or_default().push(destination);
                }
                Rule::Direct(by_key)
            }
            Kind::Fanout => Rule::Fanout(bindings.into_iter().map(|(_, destination)| destination).collect()),
            Kind::Topic => Rule::Topic(bindings.into_iter().map(|(wish, to)| (wish.key, to)).collect()),
            Kind::Headers => {
                let criteria = |(wish, to): (BindingWish, Destination)| Some((Criteria::of(&wish.arguments).ok()?, to));
                Rule::Headers(bindings.into_iter().filter_map(criteria).collect())
            }
            Kind::ConsistentHash => Rule::Hash(Ring::of(&nature, bindings)),
        };
        Self { nature, rule }
    }

    /// Whether it looks at more of a message than its keys.
    pub(crate) const fn looks_at_properties(&self) -> bool {
        match &self.rule {
            Rule::Direct(_) | Rule::Fanout(_) | Rule::Topic(_) => false,
            Rule::Headers(_) => true,
            Rule::Hash(ring) => !matches!(ring.by, HashedBy::Key),
        }
    }

    /// Adds where a message goes; returns whether that is anywhere.
    pub(crate) fn route(&self, routed: Routed<'_>, found: &mut Vec<Destination>) -> bool {
        let before = found.len();
        match &self.rule {
            Rule::Direct(by_key) => {
                let to = routed.keys.iter().filter_map(|key| by_key.get(key)).flatten();
                found.extend(to.cloned());
            }
            Rule::Fanout(all) => found.extend(all.iter().cloned()),
            Rule::Topic(patterns) => routed.keys.iter().for_each(|key| patterns.matching(key, found)),
            Rule::Headers(bindings) => {
                let none = Table::default();
                let headers = routed.properties.headers.as_ref().unwrap_or(&none);
                let to = bindings.iter().filter(|(criteria, _)| criteria.match_with(headers)).map(|(_, to)| to);
                found.extend(to.cloned());
            }
            Rule::Hash(ring) => found.extend(ring.pick(routed).cloned()),
        }
        found.len() > before
    }
}

/// Bindings in the order in which they were made.
fn bindings(exchange: &Exchange) -> Vec<(BindingWish, Destination)> {
    let mut bindings: Vec<&Binding> = exchange.bindings.values().map(|binding| &**binding).collect();
    bindings.sort_by_key(|binding| (binding.created_at, binding.id));
    bindings.into_iter().filter_map(|binding| Some((BindingWish::of(&binding.config), destination(binding)?))).collect()
}

/// Where a binding leads; nobody is told of each message over AMQP.
pub(crate) fn destination(binding: &Binding) -> Option<Destination> {
    match &binding.target {
        BindingTarget::Queue(queue) => Some(Destination::Queue(queue.clone())),
        BindingTarget::Exchange(exchange) => Some(Destination::Exchange(exchange.name.clone())),
        BindingTarget::Push { .. } => None,
    }
}

/// Makes sure that the arguments of a binding to a headers exchange can be read.
pub(crate) fn check_criteria(arguments: &Table) -> Result<(), Fault> {
    Criteria::of(arguments).map(drop)
}

impl Ring {
    fn of(nature: &ExchangeNature, bindings: Vec<(BindingWish, Destination)>) -> Self {
        let mut parts = Vec::new();
        for (wish, destination) in bindings {
            let room = PARTS_MAX.saturating_sub(parts.len());
            parts.extend(std::iter::repeat_n(destination, wish.weight().unwrap_or(0).min(room)));
        }
        let by = match (nature.argument("hash-header"), nature.argument("hash-property")) {
            (Some(header), _) => HashedBy::Header(header.to_owned()),
            (None, Some("message_id")) => HashedBy::MessageId,
            (None, Some("correlation_id")) => HashedBy::CorrelationId,
            (None, Some("timestamp")) => HashedBy::Timestamp,
            (None, _) => HashedBy::Key,
        };
        Self { parts, by }
    }

    fn pick(&self, Routed { keys, properties }: Routed<'_>) -> Option<&Destination> {
        let text = match &self.by {
            HashedBy::Key => keys.first().cloned().unwrap_or_default(),
            HashedBy::MessageId => properties.message_id.clone().unwrap_or_default(),
            HashedBy::CorrelationId => properties.correlation_id.clone().unwrap_or_default(),
            HashedBy::Timestamp => properties.timestamp.map(|time| time.to_string().into()).unwrap_or_default(),
            HashedBy::Header(name) => {
                let value = properties.headers.as_ref().and_then(|headers| headers.get(name));
                let of_other = |value: &crate::wire::Value| Bytes::from(format!("{value:?}"));
                value
                    .map(|value| value.str().map_or_else(|| of_other(value), |text| text.to_owned().into()))
                    .unwrap_or_default()
            }
        };
        self.parts.get(jump(fnv(&text), self.parts.len()))
    }
}

/// FNV-1a: the same on every node and for ever.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Jump consistent hash: one more part moves as few keys as can be.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts are few"
)]
fn jump(mut key: u64, parts: usize) -> usize {
    let (mut part, mut next) = (0, 0_u64);
    while next < parts as u64 {
        part = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((part + 1) as f64 * ((1_u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as u64;
    }
    usize::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests;
