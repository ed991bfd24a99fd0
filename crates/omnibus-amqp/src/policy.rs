//! Policies: what an operator says of all queues and exchanges of some names. Pure.
//!
//! A policy is kept by itself, and what it says of a queue or an exchange is kept there, too, so that whoever looks at
//! one sees what holds for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::exchange::{Exchange, ExchangeConfig, ExchangeKind};

use crate::errors::Fault;
use crate::hosts::{Host, plain};
use crate::rights;
use crate::stream_arguments::age;
use crate::wire::{Table, Value};

const PATTERN: &str = "amqp.pattern";
const APPLY_TO: &str = "amqp.apply-to";
const PRIORITY: &str = "amqp.priority";
const TERM: &str = "amqp.term.";

/// Attributes of what a policy holds for: its name, and what it says.
const POLICY: &str = "amqp.policy";
const OPERATOR_POLICY: &str = "amqp.operator-policy";
const POLICY_TERM: &str = "amqp.policy.";

/// What policies may say, and what kind of value that is.
const TERMS: [(&str, TermKind); 17] = [
    ("alternate-exchange", TermKind::Text),
    ("dead-letter-exchange", TermKind::Text),
    ("dead-letter-routing-key", TermKind::Text),
    ("overflow", TermKind::Overflow),
    ("message-ttl", TermKind::Number(0)),
    ("expires", TermKind::Number(1)),
    ("max-length", TermKind::Number(0)),
    ("max-length-bytes", TermKind::Number(0)),
    ("delivery-limit", TermKind::Number(0)),
    ("max-age", TermKind::Age),
    ("stream-max-segment-size-bytes", TermKind::Number(0)),
    ("stream-filter-size-bytes", TermKind::FilterSize),
    // About where and how RabbitMQ stores a queue, which means nothing to whoever uses it.
    ("consumer-timeout", TermKind::Number(0)),
    ("queue-mode", TermKind::Text),
    ("queue-version", TermKind::Number(1)),
    ("queue-master-locator", TermKind::Text),
    ("queue-leader-locator", TermKind::Text),
];

/// What RabbitMQ's streams, and what its other queues do not act on: a policy that says any of it does not hold for them.
const NOT_OF_STREAMS: [&str; 10] = [
    "expires",
    "message-ttl",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "max-length",
    "overflow",
    "delivery-limit",
    "queue-mode",
    "queue-version",
    "queue-master-locator",
];
const OF_STREAMS: [&str; 3] = ["max-age", "stream-max-segment-size-bytes", "stream-filter-size-bytes"];

/// What operators' policies may say: what bounds a queue.
const OF_OPERATORS: [&str; 8] = [
    "expires",
    "message-ttl",
    "max-length",
    "max-length-bytes",
    "delivery-limit",
    "overflow",
    "queue-version",
    "queue-master-locator",
];

/// Of these the smaller number counts; of all else that two policies say, the operator's.
const SMALLER_COUNTS: [&str; 5] = ["expires", "message-ttl", "max-length", "max-length-bytes", "delivery-limit"];

#[derive(Clone, Copy, Debug)]
enum TermKind {
    Text,
    Overflow,
    /// A span of time.
    Age,
    /// So much at least.
    Number(i64),
    /// Bytes of the filters that RabbitMQ has.
    FilterSize,
}

/// What a policy holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyTo {
    All,
    Queues,
    ClassicQueues,
    QuorumQueues,
    Streams,
    Exchanges,
}

/// What RabbitMQ has as kinds of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Classic,
    Quorum,
    Stream,
}

/// What a policy may hold for, by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Queue { name: &'a str, kind: QueueKind },
    Exchange(&'a str),
}

/// Who has made a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Maker {
    /// Those who use a virtual host.
    #[default]
    User,
    /// Those who look after the broker: nobody's policy loosens theirs.
    Operator,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) maker: Maker,
    /// The virtual host whose queues and exchanges it is for.
    pub(crate) host: Host,
    pub(crate) name: String,
    /// A regular expression for names.
    pub(crate) pattern: String,
    pub(crate) apply_to: ApplyTo,
    /// Of those that hold for something, the one with the highest does.
    pub(crate) priority: i64,
    pub(crate) definition: Table,
}

/// What holds for something: a policy and an operator's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding<'a> {
    policy: Option<&'a Policy>,
    operator: Option<&'a Policy>,
}

/// What policies say of something, as it is kept there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// The policy that holds.
    pub(crate) name: Option<String>,
    /// The operator's.
    pub(crate) operator: Option<String>,
    /// What both say together.
    pub(crate) definition: Table,
}

impl ApplyTo {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [Self::All, Self::Queues, Self::ClassicQueues, Self::QuorumQueues, Self::Streams, Self::Exchanges];
        all.into_iter().find(|each| each.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
            Self::Exchanges => "exchanges",
        }
    }

    const fn holds_for(self, subject: Subject<'_>) -> bool {
        match subject {
            Subject::Queue { kind: QueueKind::Classic, .. } => {
                matches!(self, Self::All | Self::Queues | Self::ClassicQueues)
            }
            Subject::Queue { kind: QueueKind::Quorum, .. } => {
                matches!(self, Self::All | Self::Queues | Self::QuorumQueues)
            }
            Subject::Queue { kind: QueueKind::Stream, .. } => matches!(self, Self::All | Self::Queues | Self::Streams),
            Subject::Exchange(_) => matches!(self, Self::All | Self::Exchanges),
        }
    }
}

impl Subject<'_> {
    const fn name(&self) -> &str {
        match self {
            Self::Queue { name, .. } | Self::Exchange(name) => name,
        }
    }

    /// Whether it could act on all that a policy says.
    fn takes(&self, definition: &Table) -> bool {
        let says_any_of = |terms: &[&str]| terms.iter().any(|term| definition.get(term).is_some());
        match self {
            Self::Queue { kind: QueueKind::Stream, .. } => !says_any_of(&NOT_OF_STREAMS),
            Self::Queue { kind: QueueKind::Classic | QueueKind::Quorum, .. } => !says_any_of(&OF_STREAMS),
            Self::Exchange(_) => true,
        }
    }
}

impl Policy {
    /// Reads what is kept.
    pub(crate) fn of(kept: &Exchange) -> Self {
        let attributes = &kept.config.attributes;
        let text = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let name = kept.key.name.as_str();
        let is_operators = kept.key.kind == ExchangeKind::AmqpOperatorPolicy;
        Self {
            maker: if is_operators { Maker::Operator } else { Maker::User },
            host: Host::of(name),
            name: plain(name).to_owned(),
            pattern: text(PATTERN),
            apply_to: ApplyTo::of(&text(APPLY_TO)).unwrap_or(ApplyTo::All),
            priority: text(PRIORITY).parse().unwrap_or_default(),
            definition: terms(attributes, TERM),
        }
    }

    /// How it is kept.
    pub(crate) fn config(&self) -> ExchangeConfig {
        let mut attributes = written(&self.definition, TERM);
        attributes.insert(PATTERN.to_owned(), self.pattern.clone());
        attributes.insert(APPLY_TO.to_owned(), self.apply_to.name().to_owned());
        attributes.insert(PRIORITY.to_owned(), self.priority.to_string());
        ExchangeConfig { attributes, ..ExchangeConfig::default() }
    }

    /// Makes sure that all that it says can be done.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let failed = |reason: String| Fault::Precondition(format!("Validation failed\n\n{reason}\n"));
        rights::check(&self.pattern).map_err(failed)?;
        if self.definition.0.is_empty() {
            return Err(failed("no policy provided".to_owned()));
        }
        if self.maker == Maker::Operator && self.apply_to == ApplyTo::Exchanges {
            return Err(failed("operator policies hold for queues".to_owned()));
        }
        for (name, value) in &self.definition.0 {
            let name = String::from_utf8_lossy(name);
            let Some((_, kind)) = TERMS.iter().find(|(known, _)| *known == name) else {
                return Err(failed(format!("{name} is not a recognised policy setting, or not supported")));
            };
            if self.maker == Maker::Operator && !OF_OPERATORS.contains(&&*name) {
                return Err(failed(format!("{name} is not a setting of operator policies")));
            }
            let is_fit = match kind {
                TermKind::Text => value.str().is_some(),
                TermKind::Overflow => {
                    matches!(value.str(), Some("drop-head" | "reject-publish" | "reject-publish-dlx"))
                }
                TermKind::Age => value.str().is_some_and(|text| age(text).is_some()),
                TermKind::Number(least) => value.integer().is_some_and(|number| number >= *least),
                TermKind::FilterSize => value.integer().is_some_and(|number| (16..=255).contains(&number)),
            };
            if !is_fit {
                return Err(failed(format!("{name} has a value that is not valid, or not supported")));
            }
        }
        let has = |name: &str| self.definition.get(name).is_some();
        if has("dead-letter-routing-key") && !has("dead-letter-exchange") {
            return Err(failed("dead-letter-routing-key needs dead-letter-exchange beside it".to_owned()));
        }
        Ok(())
    }
}

/// The policies that hold for something of a virtual host; of two with one priority the one whose name comes first.
pub(crate) fn effective<'a>(policies: &'a [Policy], host: &Host, subject: Subject<'_>) -> Holding<'a> {
    let holds = |policy: &&Policy| {
        // What is kept was checked.
        policy.host == *host
            && policy.apply_to.holds_for(subject)
            && subject.takes(&policy.definition)
            && rights::compiled(&policy.pattern).is_ok_and(|pattern| pattern.is_match(subject.name()))
    };
    let first = |maker| {
        let made = policies.iter().filter(|policy| policy.maker == maker).filter(holds);
        made.min_by_key(|policy| (std::cmp::Reverse(policy.priority), &policy.name))
    };
    let operator = match subject {
        Subject::Queue { .. } => first(Maker::Operator),
        Subject::Exchange(_) => None,
    };
    Holding { policy: first(Maker::User), operator }
}

impl Holding<'_> {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.policy.is_none() && self.operator.is_none()
    }

    /// What both say together.
    fn definition(&self) -> Table {
        let mut merged = self.policy.map(|policy| policy.definition.clone()).unwrap_or_default();
        for (name, value) in self.operator.iter().flat_map(|policy| &policy.definition.0) {
            let name = String::from_utf8_lossy(name);
            let other = merged.get(&name).and_then(Value::integer);
            let smaller = other.filter(|_| SMALLER_COUNTS.contains(&&*name)).into_iter().chain(value.integer()).min();
            merged.set(&name, smaller.map_or_else(|| value.clone(), Value::I64));
        }
        merged
    }
}

/// Writes down what a policy says where it holds, in the place of what another one said.
pub(crate) fn put(attributes: &mut BTreeMap<String, String>, holding: Holding<'_>) {
    attributes.retain(|name, _| name != POLICY && name != OPERATOR_POLICY && !name.starts_with(POLICY_TERM));
    for (attribute, policy) in [(POLICY, holding.policy), (OPERATOR_POLICY, holding.operator)] {
        attributes.extend(policy.map(|policy| (attribute.to_owned(), policy.name.clone())));
    }
    attributes.extend(written(&holding.definition(), POLICY_TERM));
}

/// The policies that hold, and what they say.
pub(crate) fn read(attributes: &BTreeMap<String, String>) -> Ruling {
    let name = |attribute| attributes.get(attribute).cloned();
    Ruling { name: name(POLICY), operator: name(OPERATOR_POLICY), definition: terms(attributes, POLICY_TERM) }
}

fn written(definition: &Table, prefix: &str) -> BTreeMap<String, String> {
    let term = |(name, value): &(Bytes, Value)| {
        let text = value
            .integer()
            .map_or_else(|| format!("S{}", value.str().unwrap_or_default()), |number| format!("l{number}"));
        (format!("{prefix}{}", String::from_utf8_lossy(name)), text)
    };
    definition.0.iter().map(term).collect()
}

fn terms(attributes: &BTreeMap<String, String>, prefix: &str) -> Table {
    let term = |(name, kept): (&String, &String)| {
        let name = Bytes::from(name.strip_prefix(prefix)?.to_owned());
        let value = match kept.strip_prefix('l') {
            Some(number) => Value::I64(number.parse().ok()?),
            None => Value::text(kept.strip_prefix('S')?),
        };
        Some((name, value))
    };
    Table(attributes.iter().filter_map(term).collect())
}

#[cfg(test)]
mod tests {
    use omnibus_model::ExchangeName;
    use omnibus_model::Timestamp;
    use omnibus_model::exchange::{ExchangeKey, ExchangeKind};

    use super::*;

    fn policy(name: &str, pattern: &str, priority: i64) -> Policy {
        let definition = Table::from([("max-length", Value::I64(5))]);
        let (host, name, pattern) = (Host::default(), name.to_owned(), pattern.to_owned());
        Policy { maker: Maker::User, host, name, pattern, apply_to: ApplyTo::Queues, priority, definition }
    }

    fn holding(policies: &[Policy], name: &str) -> Option<String> {
        effective(policies, &Host::default(), Subject::Queue { name, kind: QueueKind::Classic })
            .policy
            .map(|policy| policy.name.clone())
    }

    #[test]
    fn policy_holds_in_its_host_only() {
        let staging = Host::of("/staging/q");
        let policies = [Policy { host: staging.clone(), ..policy("p", "", 0) }];
        assert!(effective(&policies, &staging, Subject::Exchange("a")).is_nothing());
        let queue = Subject::Queue { name: "a", kind: QueueKind::Classic };
        assert!(!effective(&policies, &staging, queue).is_nothing());
        assert!(effective(&policies, &Host::default(), queue).is_nothing());
    }

    #[test]
    fn policy_is_kept() {
        let definition = Table::from([("dead-letter-exchange", Value::text("l5")), ("max-length", Value::I64(5))]);
        let policy = Policy { apply_to: ApplyTo::All, definition, ..policy("p", "^a", -3) };
        let key = ExchangeKey { kind: ExchangeKind::AmqpPolicy, name: ExchangeName::new("p").unwrap() };
        let kept = Exchange { key, config: policy.config(), created_at: Timestamp(0), bindings: BTreeMap::default() };
        assert_eq!(Policy::of(&kept), policy);
        let mut attributes = BTreeMap::from([("amqp.durable".to_owned(), "true".to_owned())]);
        put(&mut attributes, Holding { policy: Some(&policy), operator: None });
        let wanted = Ruling { name: Some("p".to_owned()), operator: None, definition: policy.definition };
        assert_eq!(read(&attributes), wanted);
        put(&mut attributes, Holding::default());
        assert_eq!((read(&attributes), attributes.len()), (Ruling::default(), 1));
    }

    #[test]
    fn highest_priority_holds() {
        let policies = [policy("low", "", 0), policy("high", "^a", 1), policy("also-high", "b$", 1)];
        assert_eq!(holding(&policies, "x").as_deref(), Some("low"));
        assert_eq!(holding(&policies, "a").as_deref(), Some("high"));
        assert_eq!(holding(&policies, "ab").as_deref(), Some("also-high"));
        assert!(effective(&policies, &Host::default(), Subject::Exchange("a")).is_nothing());
        let quorum = Policy { apply_to: ApplyTo::QuorumQueues, ..policy("q", "", 0) };
        assert!(holding(std::slice::from_ref(&quorum), "a").is_none());
        let subject = Subject::Queue { name: "a", kind: QueueKind::Quorum };
        assert!(!effective(&[quorum], &Host::default(), subject).is_nothing());
    }

    #[test]
    fn policy_holds_for_queues_that_can_act_on_all_of_it() {
        let says = |definition: Table| [Policy { definition, ..policy("p", "", 0) }];
        let holds = |policies: &[Policy], kind| {
            !effective(policies, &Host::default(), Subject::Queue { name: "a", kind }).is_nothing()
        };
        let bytes = ("max-length-bytes", Value::I64(5));
        let kinds = [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];
        for (definition, wanted) in [
            (Table::from([bytes.clone()]), [true, true, true]),
            (Table::from([bytes.clone(), ("max-age", Value::text("7D"))]), [false, false, true]),
            (Table::from([bytes, ("message-ttl", Value::I64(5))]), [true, true, false]),
        ] {
            assert_eq!(kinds.map(|kind| holds(&says(definition.clone()), kind)), wanted, "{definition:?}");
        }
        let streams =
            [Policy { apply_to: ApplyTo::Streams, ..says(Table::from([("max-age", Value::text("7D"))]))[0].clone() }];
        assert_eq!(kinds.map(|kind| holds(&streams, kind)), [false, false, true]);
    }

    #[test]
    fn what_operators_say_bounds_what_others_say() {
        let of = |maker, definition: Table| Policy { maker, definition, ..policy("p", "", 0) };
        let number = |name, number| (name, Value::I64(number));
        let policies = [
            of(
                Maker::User,
                Table::from([number("max-length", 5), number("expires", 9), ("overflow", Value::text("drop-head"))]),
            ),
            of(Maker::Operator, Table::from([number("max-length", 7), number("expires", 3), number("message-ttl", 1)])),
        ];
        let holding = effective(&policies, &Host::default(), Subject::Queue { name: "a", kind: QueueKind::Classic });
        let merged = holding.definition();
        let wanted = [("max-length", 5), ("expires", 3), ("message-ttl", 1)];
        for (name, number) in wanted {
            assert_eq!(merged.get(name).and_then(Value::integer), Some(number), "{name}");
        }
        let mut attributes = BTreeMap::new();
        put(&mut attributes, holding);
        let ruling = read(&attributes);
        assert_eq!((ruling.name.as_deref(), ruling.operator.as_deref()), (Some("p"), Some("p")));
        let refuses = of(Maker::Operator, Table::from([("overflow", Value::text("reject-publish"))]));
        let both = Holding { policy: Some(&policies[0]), operator: Some(&refuses) };
        assert_eq!(both.definition().get("overflow").and_then(Value::str), Some("reject-publish"));
        assert!(refuses.check().is_ok());
        assert!(of(Maker::Operator, Table::from([("dead-letter-exchange", Value::text("x"))])).check().is_err());
        assert!(Policy { apply_to: ApplyTo::Exchanges, ..refuses }.check().is_err());
        let exchange = effective(&policies[1..], &Host::default(), Subject::Exchange("a"));
        assert!(exchange.is_nothing());
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let refused = |name: &'static str, value| {
            let definition = Table::from([(name, value)]);
            Policy { definition, ..policy("p", "", 0) }.check().is_err()
        };
        assert!(!refused("max-length", Value::I64(0)));
        assert!(refused("max-length", Value::I64(-1)) && refused("max-length", Value::text("1")));
        assert!(refused("ha-mode", Value::text("all")) && refused("overflow", Value::text("bogus")));
        assert!(!refused("overflow", Value::text("reject-publish-dlx")));
        assert!(refused("dead-letter-routing-key", Value::text("k")));
        assert!(!refused("max-age", Value::text("7D")) && refused("max-age", Value::text("7")));
        assert!(policy("p", "(", 0).check().is_err());
        assert!(Policy { definition: Table::default(), ..policy("p", "", 0) }.check().is_err());
    }
}
