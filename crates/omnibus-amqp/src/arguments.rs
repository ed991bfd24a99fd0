//! What a client asks of a queue when it declares it, checked, and kept so that a second declaration can be compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::Millis;
use omnibus_model::queue::{CursorConfig, DeadLetters, History, Overflow, QueueConfig, QueueLimits};

use crate::errors::Fault;
use crate::hosts::Named;
use crate::policy::{self, QueueKind, Ruling};
use crate::stream_arguments::{self as streams, Wrong};
use crate::wire::{Table, Value};

/// Attributes of a queue's configuration; SQS's names have no dots.
const DURABLE: &str = "amqp.durable";
const AUTO_DELETE: &str = "amqp.auto-delete";
const EXCLUSIVE: &str = "amqp.exclusive";
const ARGUMENT: &str = "amqp.arg.";

pub(crate) const QUEUE_TYPE: &str = "x-queue-type";
const MAX_PRIORITY: &str = "x-max-priority";
pub(crate) const MESSAGE_TTL: &str = "x-message-ttl";
pub(crate) const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
pub(crate) const DEAD_LETTER_KEY: &str = "x-dead-letter-routing-key";
const OVERFLOW: &str = "x-overflow";
/// What a full queue refuses is a dead letter, too.
const REFUSED_DIE: &str = "reject-publish-dlx";
const DEAD_LETTER_STRATEGY: &str = "x-dead-letter-strategy";
pub(crate) const EXPIRES: &str = "x-expires";
pub(crate) const SINGLE_ACTIVE: &str = "x-single-active-consumer";

/// Arguments that RabbitMQ compares when a queue is declared again.
const COMPARED: [&str; 17] = [
    EXPIRES,
    MESSAGE_TTL,
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_KEY,
    "x-max-length",
    "x-max-length-bytes",
    OVERFLOW,
    SINGLE_ACTIVE,
    MAX_PRIORITY,
    "x-delivery-limit",
    QUEUE_TYPE,
    DEAD_LETTER_STRATEGY,
    streams::MAX_AGE,
    streams::SEGMENT_BYTES,
    streams::FILTER_BYTES,
    streams::CLUSTER_SIZE,
    streams::LEADER_LOCATOR,
];

/// Arguments about where and how RabbitMQ stores a queue, which mean nothing to whoever uses it.
const HINTS: [&str; 6] = [
    "x-queue-mode",
    "x-queue-version",
    "x-queue-master-locator",
    streams::LEADER_LOCATOR,
    "x-quorum-initial-group-size",
    "x-consumer-timeout",
];

/// Whether a queue came by AMQP.
pub(crate) fn is_of_amqp(config: &QueueConfig) -> bool {
    config.attributes.contains_key(DURABLE)
}

/// How often a message of a quorum queue may come back, unless its creator says otherwise.
pub(crate) const DELIVERY_LIMIT: u32 = 20;

/// The most records of one queue that may be out on lease.
const LEASES_MAX: u32 = 1_000_000;

/// What a client wants to be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declaration {
    pub(crate) queue: String,
    pub(crate) is_durable: bool,
    pub(crate) is_exclusive: bool,
    pub(crate) is_auto_delete: bool,
    pub(crate) arguments: Table,
}

/// What a queue is to AMQP's clients, whoever created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nature {
    pub(crate) is_durable: bool,
    pub(crate) is_auto_delete: bool,
    /// The connection that alone may use it.
    pub(crate) owner: Option<String>,
    /// By their names: the letter of the type, and the value as text.
    arguments: BTreeMap<String, (char, String)>,
    /// What policies say of it.
    pub(crate) policy: Ruling,
}

impl Nature {
    /// Reads what is kept. A queue that did not come by AMQP is a durable one without arguments.
    pub(crate) fn of(config: &QueueConfig) -> Self {
        let kept = &config.attributes;
        let is = |name: &str, without: bool| kept.get(name).map_or(without, |value| value == "true");
        let argument = |(name, kept): (&String, &String)| {
            let mut kept = kept.chars();
            Some((name.strip_prefix(ARGUMENT)?.to_owned(), (kept.next()?, kept.collect())))
        };
        Self {
            is_durable: is(DURABLE, true),
            is_auto_delete: is(AUTO_DELETE, false),
            owner: kept.get(EXCLUSIVE).cloned(),
            arguments: kept.iter().filter_map(argument).collect(),
            policy: policy::read(kept),
        }
    }

    /// The text that an argument is, or the queue's policy says.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let own = self.arguments.get(name).map(|(_, value)| value.as_str());
        own.or_else(|| self.policy.definition.get(name.strip_prefix("x-")?)?.str())
    }

    /// The smaller of the numbers that an argument is and that the queue's policy says.
    pub(crate) fn least(&self, name: &str) -> Option<i64> {
        let own = self.arguments.get(name).and_then(|(_, value)| value.parse().ok());
        let policy = name.strip_prefix("x-").and_then(|name| self.policy.definition.get(name)?.integer());
        own.into_iter().chain(policy).min()
    }

    pub(crate) fn kind(&self) -> QueueKind {
        match self.text(QUEUE_TYPE) {
            Some("quorum") => QueueKind::Quorum,
            Some(streams::STREAM) => QueueKind::Stream,
            _ => QueueKind::Classic,
        }
    }

    pub(crate) fn is_quorum(&self) -> bool {
        self.kind() == QueueKind::Quorum
    }

    /// Whether its records stay when they are read.
    pub(crate) fn is_stream(&self) -> bool {
        self.kind() == QueueKind::Stream
    }

    /// What the queue's policy says, or else its creator: of streams, the operator's word counts.
    pub(crate) fn ruled(&self, name: &str) -> Option<Value> {
        let policy = name.strip_prefix("x-").and_then(|name| self.policy.definition.get(name)).cloned();
        policy.or_else(|| self.arguments.get(name).map(given))
    }

    /// The smaller of the numbers that an argument is and that the queue's policy says, if it is none below 0.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.least(name).and_then(|number| u64::try_from(number).ok())
    }

    /// The arguments as clients give them.
    pub(crate) fn table(&self) -> Table {
        let argument = |(name, kept): (&String, &(char, String))| (Bytes::from(name.clone()), given(kept));
        Table(self.arguments.iter().map(argument).collect())
    }

    /// Whether what it refuses because it is full is a dead letter.
    pub(crate) fn refused_die(&self) -> bool {
        self.text(OVERFLOW) == Some(REFUSED_DIE) && !self.is_quorum()
    }

    /// Whether it asks for an overflow that quorum queues do not have: they give up their oldest instead.
    pub(crate) fn overflow_falls_back(&self) -> bool {
        self.text(OVERFLOW) == Some(REFUSED_DIE) && self.is_quorum()
    }

    pub(crate) fn is_single_active(&self) -> bool {
        self.arguments.get(SINGLE_ACTIVE).is_some_and(|(_, value)| value == "true")
    }

    /// Whether its messages say how often they have come back.
    pub(crate) fn counts_deliveries(&self) -> bool {
        self.arguments.get(QUEUE_TYPE).is_some_and(|(_, value)| value == "quorum")
    }

    /// Compares with what a client wants; who declares a queue again must want the same.
    pub(crate) fn check_same(&self, wanted: &Declaration) -> Result<(), Fault> {
        let differs = |arg: &str, received: String, current: String| Fault::Inequivalent {
            what: "queue",
            name: wanted.queue.clone(),
            arg: arg.to_owned(),
            received,
            current,
        };
        let is_durable = wanted.is_durable && !wanted.is_exclusive;
        for (arg, received, current) in
            [("durable", is_durable, self.is_durable), ("auto_delete", wanted.is_auto_delete, self.is_auto_delete)]
        {
            if received != current {
                return Err(differs(arg, format!("'{received}'"), format!("'{current}'")));
            }
        }
        for arg in COMPARED {
            let received = wanted.arguments.get(arg).map(kept);
            let current = self.arguments.get(arg).cloned();
            match (received, current) {
                _ if arg == QUEUE_TYPE => {
                    let of = |kind: Option<(char, String)>| kind.map_or("classic".to_owned(), |(_, kind)| kind);
                    let (received, current) =
                        (of(wanted.arguments.get(arg).map(kept)), of(self.arguments.get(arg).cloned()));
                    if received != current {
                        return Err(differs(arg, format!("'{received}'"), format!("'{current}'")));
                    }
                }
                (None, None) => {}
                (Some(received), Some(current)) if same(&received, &current) => {}
                (Some((_, received)), Some((_, current))) => {
                    return Err(differs(arg, format!("'{received}'"), format!("'{current}'")));
                }
                (None, Some(current)) => return Err(differs(arg, "none".to_owned(), described(&current))),
                (Some(received), None) => {
                    return Err(differs(arg, described(&received), "none".to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// Whole numbers are the same whatever their width.
fn same(one: &(char, String), other: &(char, String)) -> bool {
    let is_whole = |letter: char| matches!(letter, 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'l');
    one.1 == other.1 && (one.0 == other.0 || is_whole(one.0) && is_whole(other.0))
}

fn described((letter, value): &(char, String)) -> String {
    let kind = match letter {
        'b' => "byte",
        'B' => "unsignedbyte",
        's' => "short",
        'u' => "unsignedshort",
        'I' => "signedint",
        'i' => "unsignedint",
        'l' => "long",
        't' => "bool",
        'S' => "longstr",
        'f' => "float",
        'd' => "double",
        _ => "other",
    };
    format!("the value '{value}' of type '{kind}'")
}

/// Whether a value can be kept as a text. What has no meaning is kept to be shown again.
fn is_simple(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Text(_) | Value::Double(_)) || value.integer().is_some()
}

/// An argument as it is kept.
fn kept(value: &Value) -> (char, String) {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Float(bits) => f32::from_bits(*bits).to_string(),
        Value::Double(bits) => f64::from_bits(*bits).to_string(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        value => value.integer().map(|number| number.to_string()).unwrap_or_default(),
    };
    (char::from(value.letter()), text)
}

/// An argument as it was given.
fn given((letter, text): &(char, String)) -> Value {
    match letter {
        't' => Value::Bool(text == "true"),
        'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'l' => text.parse().map_or(Value::Void, Value::I64),
        'f' | 'd' => text.parse().map_or(Value::Void, |number: f64| Value::Double(number.to_bits())),
        _ => Value::text(text),
    }
}

/// What a queue is made with.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) config: QueueConfig,
    /// How many priorities there are above 0.
    pub(crate) priorities: u8,
    pub(crate) limits: QueueLimits,
}

/// What the arguments say.
#[derive(Debug, Default)]
struct Parts {
    is_quorum: bool,
    deliveries_max: Option<u32>,
    priorities: u8,
    limits: QueueLimits,
    has_dead_letters: bool,
}

impl Declaration {
    /// Checks what is asked, and says how such a queue is made. What cannot be had is refused.
    pub(crate) fn made(&self, owner: &str) -> Result<Made, Fault> {
        let kind = self.check_type()?;
        if kind == QueueKind::Stream {
            return self.made_stream(owner);
        }
        let is_quorum = kind == QueueKind::Quorum;
        let mut parts =
            Parts { is_quorum, deliveries_max: is_quorum.then_some(DELIVERY_LIMIT + 1), ..Parts::default() };
        for (name, value) in &self.arguments.0 {
            self.take(std::str::from_utf8(name).unwrap_or_default(), value, &mut parts)?;
        }
        let Parts { priorities, limits, has_dead_letters, deliveries_max, .. } = parts;
        if priorities > 0 && is_quorum {
            return Err(self.invalid(MAX_PRIORITY, "not_supported".to_owned()));
        }
        let mut config = self.config(owner);
        config.cursor.deliveries_max = deliveries_max;
        if has_dead_letters {
            // Where they go is asked when they die.
            config.cursor.dead_letters = DeadLetters::Moved;
            config.cursor.expired = DeadLetters::Moved;
        }
        Ok(Made { config, priorities, limits })
    }

    /// A stream is a queue of which all is kept for as long as its topic says.
    fn made_stream(&self, owner: &str) -> Result<Made, Fault> {
        for (name, value) in self.arguments.0.iter().filter(|(name, _)| name != QUEUE_TYPE) {
            let name = std::str::from_utf8(name).unwrap_or_default();
            streams::check(name, value).map_err(|wrong| match wrong {
                Wrong::Value(reason) => self.invalid(name, reason),
                Wrong::OfOthers => of_other_kinds(name, &self.queue),
                Wrong::Text(text) => Fault::Precondition(text.to_owned()),
            })?;
        }
        let mut config = self.config(owner);
        config.cursor.history = History::Retained;
        Ok(Made { config, priorities: 0, limits: QueueLimits::default() })
    }

    fn take(&self, name: &str, value: &Value, parts: &mut Parts) -> Result<(), Fault> {
        match name {
            QUEUE_TYPE => {}
            MESSAGE_TTL => parts.limits.ttl = Some(time_to_live(self.number(name, value)?)),
            "x-max-length" => parts.limits.records_max = Some(self.number(name, value)?),
            "x-max-length-bytes" => parts.limits.bytes_max = Some(self.number(name, value)?),
            OVERFLOW => match value.str() {
                Some("drop-head") => parts.limits.overflow = Overflow::DropOldest,
                Some("reject-publish") => parts.limits.overflow = Overflow::RefuseNewest,
                // So do RabbitMQ's quorum queues, which know two of the three.
                Some(REFUSED_DIE) if parts.is_quorum => parts.limits.overflow = Overflow::DropOldest,
                Some(REFUSED_DIE) => parts.limits.overflow = Overflow::RefuseNewest,
                _ => return Err(self.invalid(name, "invalid_overflow".to_owned())),
            },
            DEAD_LETTER_EXCHANGE if value.str().is_some() => parts.has_dead_letters = true,
            DEAD_LETTER_EXCHANGE => {
                return Err(self.invalid(name, format!("\"expected string, got {}\"", value.type_name())));
            }
            MAX_PRIORITY => {
                let number = self.number(name, value)?;
                parts.priorities =
                    u8::try_from(number).map_err(|_| self.invalid(name, format!("{{max_value_exceeded,{number}}}")))?;
            }
            "x-delivery-limit" if parts.is_quorum => {
                // So often it may come back; RabbitMQ takes a negative number for no limit.
                parts.deliveries_max = match value.integer() {
                    Some(limit) if limit < 0 => None,
                    _ => u32::try_from(self.number(name, value)?).ok().and_then(|limit| limit.checked_add(1)),
                };
            }
            SINGLE_ACTIVE if matches!(value, Value::Bool(_)) => {}
            SINGLE_ACTIVE => {
                return Err(self.invalid(name, format!("\"expected boolean, got {}\"", value.type_name())));
            }
            // Who looks after such queues reads it from what is kept.
            EXPIRES if self.number(name, value)? == 0 => {
                return Err(self.invalid(name, "{value_zero,0}".to_owned()));
            }
            EXPIRES => {}
            DEAD_LETTER_KEY if self.arguments.get(DEAD_LETTER_EXCHANGE).is_none() => {
                return Err(self.invalid(name, "routing_key_but_no_dlx_defined".to_owned()));
            }
            DEAD_LETTER_KEY if value.str().is_some() => {}
            // Dead letters are moved exactly once, which is more than either promises.
            DEAD_LETTER_STRATEGY
                if parts.is_quorum && matches!(value.str(), Some("at-most-once" | "at-least-once")) => {}
            DEAD_LETTER_STRATEGY if parts.is_quorum => {
                return Err(self.invalid(name, "invalid_dlx_strategy".to_owned()));
            }
            hint if HINTS.contains(&hint) => {}
            name if name.starts_with("x-") => return Err(self.invalid(name, "not_supported".to_owned())),
            // To RabbitMQ it means nothing, either.
            _ => {}
        }
        Ok(())
    }

    /// Which kind of queue is asked for.
    fn check_type(&self) -> Result<QueueKind, Fault> {
        let property = |property| Fault::InvalidProperty { property, queue: self.queue.clone() };
        let kind = match self.arguments.get(QUEUE_TYPE).map(|kind| (kind, kind.str())) {
            None | Some((_, Some("classic"))) => return Ok(QueueKind::Classic),
            Some((_, Some("quorum"))) => QueueKind::Quorum,
            Some((_, Some(streams::STREAM))) => QueueKind::Stream,
            Some((kind, _)) => {
                let (_, kind) = kept(kind);
                return Err(self.invalid(QUEUE_TYPE, format!("\"unsupported queue type '{kind}'\"")));
            }
        };
        match (self.is_durable, self.is_exclusive, self.is_auto_delete) {
            (false, _, _) => Err(property("non-durable")),
            (true, true, _) => Err(property("exclusive-owner")),
            (true, false, true) => Err(property("auto-delete")),
            (true, false, false) => Ok(kind),
        }
    }

    fn number(&self, name: &str, value: &Value) -> Result<u64, Fault> {
        let Some(number) = value.integer() else {
            return Err(self.invalid(name, format!("\"expected integer, got {}\"", value.type_name())));
        };
        u64::try_from(number).map_err(|_| self.invalid(name, format!("{{value_negative,{number}}}")))
    }

    pub(crate) fn invalid(&self, arg: &str, reason: String) -> Fault {
        Fault::InvalidArgument { arg: arg.to_owned(), queue: self.queue.clone(), reason }
    }

    fn config(&self, owner: &str) -> QueueConfig {
        // An exclusive queue does not outlive its connection, so it is not called durable.
        let flags = [(DURABLE, self.is_durable && !self.is_exclusive), (AUTO_DELETE, self.is_auto_delete)];
        let mut attributes: BTreeMap<String, String> =
            flags.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        if self.is_exclusive {
            attributes.insert(EXCLUSIVE.to_owned(), owner.to_owned());
        }
        for (name, value) in &self.arguments.0 {
            let name = String::from_utf8_lossy(name);
            if COMPARED.contains(&&*name) || is_simple(value) {
                let (letter, value) = kept(value);
                attributes.insert(format!("{ARGUMENT}{name}"), format!("{letter}{value}"));
            }
        }
        QueueConfig {
            cursor: CursorConfig { leases_max: LEASES_MAX, ..CursorConfig::default() },
            lease: Millis(30_000),
            attributes,
            ..QueueConfig::default()
        }
    }
}

/// An argument of a stream, or of one who consumes it, that only other kinds of queues have.
pub(crate) fn of_other_kinds(arg: &str, queue: &str) -> Fault {
    Fault::Precondition(format!("invalid arg '{arg}' for queue {} of queue type rabbit_stream_queue", Named(queue)))
}

/// How long a queue keeps a message: a millisecond at least. Of none at all it would be over before whoever waits for it is served.
pub(crate) fn time_to_live(millis: u64) -> Millis {
    Millis(millis.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(arguments: Table) -> Declaration {
        Declaration { queue: "q".into(), is_durable: true, arguments, ..Declaration::default() }
    }

    fn text(made: Result<impl std::fmt::Debug, Fault>) -> String {
        made.unwrap_err().reply_text()
    }

    #[test]
    fn arguments_are_refused_as_rabbitmq_does() {
        for (name, value, reason) in [
            (MAX_PRIORITY, Value::I32(256), "{max_value_exceeded,256}"),
            (MESSAGE_TTL, Value::I32(-1), "{value_negative,-1}"),
            (MESSAGE_TTL, Value::text("60"), "\"expected integer, got longstr\""),
            (EXPIRES, Value::I32(0), "{value_zero,0}"),
            (DEAD_LETTER_KEY, Value::text("k"), "routing_key_but_no_dlx_defined"),
            ("x-max-length", Value::I32(-1), "{value_negative,-1}"),
            ("x-overflow", Value::text("bogus"), "invalid_overflow"),
            (QUEUE_TYPE, Value::text("bogus"), "\"unsupported queue type 'bogus'\""),
            ("x-nobody-knows", Value::Void, "not_supported"),
        ] {
            let text = text(declared(Table::from([(name, value)])).made("me"));
            assert_eq!(
                text,
                format!("PRECONDITION_FAILED - invalid arg '{name}' for queue 'q' in vhost '/': {reason}")
            );
        }
    }

    #[test]
    fn who_declares_again_must_want_the_same() {
        let first = declared(Table::from([(MESSAGE_TTL, Value::I32(10))]));
        let nature = Nature::of(&first.made("me").unwrap().config);
        assert_eq!(nature.check_same(&first), Ok(()));
        let inequivalent = |rest: &str| format!("PRECONDITION_FAILED - inequivalent arg {rest}");
        let wider = declared(Table::from([(MESSAGE_TTL, Value::I64(10)), ("foo", Value::text("bar"))]));
        assert_eq!(nature.check_same(&wider), Ok(()));
        let classic = Table::from([(MESSAGE_TTL, Value::I64(10)), (QUEUE_TYPE, Value::text("classic"))]);
        assert_eq!(nature.check_same(&declared(classic)), Ok(()));
        assert_eq!(
            text(nature.check_same(&Declaration { is_durable: false, ..first.clone() })),
            inequivalent("'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'")
        );
        assert_eq!(
            text(nature.check_same(&declared(Table::from([(MESSAGE_TTL, Value::I32(11))])))),
            inequivalent("'x-message-ttl' for queue 'q' in vhost '/': received '11' but current is '10'")
        );
        assert_eq!(
            text(nature.check_same(&declared(Table::default()))),
            inequivalent(
                "'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '10' of type \
                 'signedint'"
            )
        );
        let quorum = Table::from([(MESSAGE_TTL, Value::I64(10)), (QUEUE_TYPE, Value::text("quorum"))]);
        assert_eq!(
            text(nature.check_same(&declared(quorum))),
            inequivalent("'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'")
        );
    }

    #[test]
    fn quorum_queue_is_durable_and_shared() {
        let quorum = declared(Table::from([(QUEUE_TYPE, Value::text("quorum"))]));
        assert!(quorum.made("me").is_ok());
        let transient = Declaration { is_durable: false, ..quorum.clone() };
        assert!(text(transient.made("me")).ends_with("invalid property 'non-durable' for queue 'q' in vhost '/'"));
        let exclusive = Declaration { is_exclusive: true, ..quorum };
        assert!(text(exclusive.made("me")).ends_with("invalid property 'exclusive-owner' for queue 'q' in vhost '/'"));
    }

    #[test]
    fn message_of_a_quorum_queue_comes_back_so_often() {
        let limited = |limit: Option<i32>| {
            let kind = (QUEUE_TYPE, Value::text("quorum"));
            let arguments = match limit {
                Some(limit) => Table::from([kind, ("x-delivery-limit", Value::I32(limit))]),
                None => Table::from([kind]),
            };
            declared(arguments).made("me").unwrap().config.cursor.deliveries_max
        };
        assert_eq!((limited(None), limited(Some(2)), limited(Some(-1))), (Some(21), Some(3), None));
        let classic = declared(Table::from([("x-delivery-limit", Value::I32(2))]));
        assert!(text(classic.made("me")).ends_with("not_supported"));
    }

    #[test]
    fn dead_letters_of_quorum_queues_may_be_moved_at_least_once() {
        let quorum = (QUEUE_TYPE, Value::text("quorum"));
        let by = |strategy| (DEAD_LETTER_STRATEGY, Value::text(strategy));
        let once = declared(Table::from([quorum.clone(), by("at-least-once")]));
        let nature = Nature::of(&once.made("me").unwrap().config);
        assert_eq!(nature.check_same(&once), Ok(()));
        let other = declared(Table::from([quorum.clone(), by("at-most-once")]));
        assert!(other.made("me").is_ok());
        assert!(text(nature.check_same(&other)).contains("inequivalent arg 'x-dead-letter-strategy'"));
        assert!(text(declared(Table::from([quorum, by("thrice")])).made("me")).ends_with("invalid_dlx_strategy"));
        assert!(text(declared(Table::from([by("at-least-once")])).made("me")).ends_with("not_supported"));
    }

    #[test]
    fn stream_is_durable_and_shared_and_keeps_what_is_settled() {
        let kind = (QUEUE_TYPE, Value::text("stream"));
        let stream = declared(Table::from([kind.clone(), ("x-max-age", Value::text("7D"))]));
        let made = stream.made("me").unwrap();
        assert_eq!(made.config.cursor.history, History::Retained);
        assert!(Nature::of(&made.config).is_stream());
        for (wrong, property) in [
            (Declaration { is_durable: false, ..stream.clone() }, "non-durable"),
            (Declaration { is_exclusive: true, ..stream.clone() }, "exclusive-owner"),
            (Declaration { is_auto_delete: true, ..stream.clone() }, "auto-delete"),
        ] {
            assert!(text(wrong.made("me")).contains(&format!("invalid property '{property}' for queue 'q'")));
        }
        let expires = declared(Table::from([kind.clone(), (EXPIRES, Value::I32(1))]));
        let refused = "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/' of queue type \
                       rabbit_stream_queue";
        assert_eq!(text(expires.made("me")), refused);
        let longer = declared(Table::from([kind, ("x-max-age", Value::text("8D"))]));
        assert!(text(Nature::of(&made.config).check_same(&longer)).contains("inequivalent arg 'x-max-age'"));
        assert!(text(declared(Table::from([("x-max-age", Value::text("7D"))])).made("me")).ends_with("not_supported"));
    }

    #[test]
    fn exclusive_queue_knows_its_owner() {
        let exclusive = Declaration { is_exclusive: true, ..declared(Table::default()) };
        let nature = Nature::of(&exclusive.made("me").unwrap().config);
        assert_eq!((nature.owner.as_deref(), nature.is_durable), (Some("me"), false));
        assert_eq!(nature.check_same(&exclusive), Ok(()));
    }
}
