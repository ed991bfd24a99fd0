//! What exchanges and bindings are to AMQP's clients, and how that is kept: as attributes, under `amqp.`.

use std::collections::BTreeMap;

use bytes::Bytes;
use omnibus_model::exchange::{BindingConfig, ExchangeConfig};

use crate::errors::Fault;
use crate::policy::{self, Ruling};
use crate::wire::{Table, Value};

const TYPE: &str = "amqp.type";
const DURABLE: &str = "amqp.durable";
const AUTO_DELETE: &str = "amqp.auto-delete";
const INTERNAL: &str = "amqp.internal";
const ARGUMENT: &str = "amqp.arg.";
const KEY: &str = "amqp.routing-key";
const ARGUMENTS: &str = "amqp.arguments";

const ALTERNATE: &str = "alternate-exchange";
const DELAYED_TYPE: &str = "x-delayed-type";

/// The names of the arguments that mean something.
const KNOWN: [&str; 4] = [ALTERNATE, DELAYED_TYPE, "hash-header", "hash-property"];

/// By which rule an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Direct,
    Fanout,
    Topic,
    Headers,
    ConsistentHash,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "direct" => Some(Self::Direct),
            "fanout" => Some(Self::Fanout),
            "topic" => Some(Self::Topic),
            "headers" => Some(Self::Headers),
            "x-consistent-hash" => Some(Self::ConsistentHash),
            _ => None,
        }
    }
}

/// The exchanges that are there from the beginning; the one without a name is the default exchange.
pub(crate) const PREDECLARED: [&str; 7] =
    ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"];

const DELAYED: &str = "x-delayed-message";

/// What an exchange is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeNature {
    /// As its creator wrote it.
    pub(crate) kind: String,
    pub(crate) is_durable: bool,
    pub(crate) is_auto_delete: bool,
    pub(crate) is_internal: bool,
    arguments: BTreeMap<String, String>,
    /// What policies say of it.
    pub(crate) policy: Ruling,
}

impl ExchangeNature {
    /// Reads what is kept.
    pub(crate) fn of(config: &ExchangeConfig) -> Self {
        let kept = &config.attributes;
        let is = |name: &str| kept.get(name).is_some_and(|value| value == "true");
        let argument =
            |(name, value): (&String, &String)| Some((name.strip_prefix(ARGUMENT)?.to_owned(), value.clone()));
        Self {
            kind: kept.get(TYPE).cloned().unwrap_or_default(),
            is_durable: is(DURABLE),
            is_auto_delete: is(AUTO_DELETE),
            is_internal: is(INTERNAL),
            arguments: kept.iter().filter_map(argument).collect(),
            policy: policy::read(kept),
        }
    }

    /// Checks what a client asks.
    pub(crate) fn wished(
        kind: &str,
        (is_durable, is_auto_delete, is_internal): (bool, bool, bool),
        arguments: &Table,
    ) -> Result<Self, Fault> {
        let unknown = || Fault::Precondition(format!("unknown exchange type '{kind}'"));
        let mut kept = BTreeMap::new();
        for (name, value) in &arguments.0 {
            let name = String::from_utf8_lossy(name);
            if KNOWN.contains(&&*name) {
                let text = value.str().ok_or_else(|| {
                    Fault::Precondition(format!("invalid arg '{name}': expected longstr, got {}", value.type_name()))
                })?;
                kept.insert(name.into_owned(), text.to_owned());
            } else if name.starts_with("x-") {
                return Err(Fault::Precondition(format!("invalid arg '{name}' of an exchange: not_supported")));
            }
        }
        let nature = Self {
            kind: kind.to_owned(),
            is_durable,
            is_auto_delete,
            is_internal,
            arguments: kept,
            policy: Ruling::default(),
        };
        let routes_as = if kind == DELAYED {
            let missing = || {
                Fault::Precondition("Invalid argument, 'x-delayed-type' must be an existing exchange type".to_owned())
            };
            Kind::of(nature.argument(DELAYED_TYPE).ok_or_else(missing)?).ok_or_else(missing)?
        } else {
            Kind::of(kind).ok_or_else(unknown)?
        };
        if routes_as == Kind::ConsistentHash {
            nature.check_hash()?;
        }
        Ok(nature)
    }

    fn check_hash(&self) -> Result<(), Fault> {
        match (self.argument("hash-header"), self.argument("hash-property")) {
            (Some(_), Some(_)) => {
                Err(Fault::Precondition("hash-header and hash-property are mutually exclusive".to_owned()))
            }
            (_, Some(property)) if !["message_id", "correlation_id", "timestamp"].contains(&property) => {
                Err(Fault::Precondition(format!("Unsupported property: {property}")))
            }
            _ => Ok(()),
        }
    }

    /// One of those that are there from the beginning.
    pub(crate) fn predeclared(name: &str) -> Option<Self> {
        let kind = match name {
            "amq.direct" => "direct",
            "amq.fanout" => "fanout",
            "amq.topic" | "amq.rabbitmq.trace" => "topic",
            "amq.headers" | "amq.match" => "headers",
            _ => return None,
        };
        Some(Self {
            kind: kind.to_owned(),
            is_durable: true,
            is_auto_delete: false,
            is_internal: name == "amq.rabbitmq.trace",
            arguments: BTreeMap::new(),
            policy: Ruling::default(),
        })
    }

    /// The default exchange, to which every queue is bound by its name.
    pub(crate) fn nameless() -> Self {
        Self {
            kind: "direct".to_owned(),
            is_durable: true,
            is_auto_delete: false,
            is_internal: false,
            arguments: BTreeMap::new(),
            policy: Ruling::default(),
        }
    }

    /// Its arguments as clients give them.
    pub(crate) fn table(&self) -> Table {
        let argument = |(name, value): (&String, &String)| (Bytes::from(name.clone()), Value::text(value));
        Table(self.arguments.iter().map(argument).collect())
    }

    /// How it is kept.
    pub(crate) fn config(&self) -> ExchangeConfig {
        let flags = [(DURABLE, self.is_durable), (AUTO_DELETE, self.is_auto_delete), (INTERNAL, self.is_internal)];
        let mut attributes: BTreeMap<String, String> =
            flags.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        attributes.insert(TYPE.to_owned(), self.kind.clone());
        attributes.extend(self.arguments.iter().map(|(name, value)| (format!("{ARGUMENT}{name}"), value.clone())));
        ExchangeConfig { attributes, ..ExchangeConfig::default() }
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).map(String::as_str)
    }

    /// Where messages go that it leads nowhere: as its creator said, or its policy says.
    pub(crate) fn alternate(&self) -> Option<&str> {
        self.argument(ALTERNATE).or_else(|| self.policy.definition.get(ALTERNATE)?.str())
    }

    /// Whether it holds messages back as long as they say.
    pub(crate) fn is_delayed(&self) -> bool {
        self.kind == DELAYED
    }

    /// The rule by which it routes.
    pub(crate) fn routes_as(&self) -> Kind {
        let name = if self.is_delayed() { self.argument(DELAYED_TYPE).unwrap_or_default() } else { &self.kind };
        // What was kept was checked.
        Kind::of(name).unwrap_or(Kind::Direct)
    }

    /// Compares with what a client wants; who declares an exchange again must want the same.
    pub(crate) fn check_same(&self, name: &str, wanted: &Self) -> Result<(), Fault> {
        let differs = |arg: &str, received: String, current: String| Fault::Inequivalent {
            what: "exchange",
            name: name.to_owned(),
            arg: arg.to_owned(),
            received,
            current,
        };
        for (arg, received, current) in [
            ("type", wanted.kind.clone(), self.kind.clone()),
            ("durable", wanted.is_durable.to_string(), self.is_durable.to_string()),
            ("auto_delete", wanted.is_auto_delete.to_string(), self.is_auto_delete.to_string()),
            ("internal", wanted.is_internal.to_string(), self.is_internal.to_string()),
        ] {
            if received != current {
                return Err(differs(arg, format!("'{received}'"), format!("'{current}'")));
            }
        }
        for arg in KNOWN {
            if self.argument(arg) != wanted.argument(arg) {
                let shown = |value: Option<&str>| value.map_or("none".to_owned(), |value| format!("'{value}'"));
                return Err(differs(arg, shown(wanted.argument(arg)), shown(self.argument(arg))));
            }
        }
        Ok(())
    }
}

/// What is wanted of a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BindingWish {
    pub(crate) key: Bytes,
    pub(crate) arguments: Table,
}

impl BindingWish {
    /// Reads what is kept.
    pub(crate) fn of(config: &BindingConfig) -> Self {
        let kept = |name: &str| config.attributes.get(name).and_then(|hex| read_hex(hex)).unwrap_or_default();
        let key = match config.attributes.get(KEY) {
            Some(text) if !text.starts_with(ESCAPE) => Bytes::copy_from_slice(text.as_bytes()),
            Some(text) => read_hex(&text[ESCAPE.len_utf8()..]).unwrap_or_default(),
            None => Bytes::new(),
        };
        Self { key, arguments: Table::take(&mut kept(ARGUMENTS)).unwrap_or_default() }
    }

    /// How it is kept: a key that is text as it is, all else by its digits. Arguments have no order: clients that keep
    /// them in a hash table write them each time in another.
    pub(crate) fn config(&self) -> BindingConfig {
        let key = match std::str::from_utf8(&self.key) {
            Ok(text) if !text.starts_with(ESCAPE) => text.to_owned(),
            _ => format!("{ESCAPE}{}", hex(&self.key)),
        };
        let mut attributes = BTreeMap::from([(KEY.to_owned(), key)]);
        if !self.arguments.0.is_empty() {
            let mut arguments = self.arguments.clone();
            arguments.0.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut bytes = Vec::new();
            arguments.put(&mut bytes);
            attributes.insert(ARGUMENTS.to_owned(), hex(&bytes));
        }
        BindingConfig { attributes }
    }

    /// How many parts of a circle a binding takes, if its key says so.
    pub(crate) fn weight(&self) -> Option<usize> {
        std::str::from_utf8(&self.key).ok().and_then(|text| text.parse().ok())
    }
}

/// Begins a key that is kept by its digits.
const ESCAPE: char = '\u{1}';

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read_hex(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect::<Option<Vec<u8>>>().map(Bytes::from)
}

/// The routing keys that a message's headers add, and the properties without those that its receivers must not see.
pub(crate) fn more_keys(headers: &Table) -> Result<Vec<Bytes>, Fault> {
    let mut keys = Vec::new();
    for name in ["CC", "BCC"] {
        let wrong = |value: &Value| {
            let text = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{}}}", value.type_name());
            Fault::Precondition(text)
        };
        match headers.get(name) {
            None => {}
            Some(Value::Array(values)) => {
                for value in values {
                    let Value::Text(key) = value else { return Err(wrong(value)) };
                    keys.push(key.clone());
                }
            }
            Some(other) => return Err(wrong(other)),
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_is_kept_whatever_its_key() {
        for key in [&b"a.b"[..], b"", b"\xff\x00", b"\x01a"] {
            let arguments = Table::from([("n", Value::I32(1)), ("x-match", Value::text("any"))]);
            let wish = BindingWish { key: Bytes::copy_from_slice(key), arguments };
            assert_eq!(BindingWish::of(&wish.config()), wish);
            let plain = BindingWish { arguments: Table::default(), ..wish };
            assert_eq!(BindingWish::of(&plain.config()), plain);
        }
    }

    #[test]
    fn arguments_of_a_binding_have_no_order() {
        let of = |arguments: [(&'static str, Value); 2]| BindingWish {
            key: Bytes::new(),
            arguments: Table::from(arguments),
        };
        let one = of([("colour", Value::text("red")), ("size", Value::I32(1))]);
        let other = of([("size", Value::I32(1)), ("colour", Value::text("red"))]);
        assert_eq!(one.config(), other.config());
    }

    #[test]
    fn exchange_is_kept() {
        let arguments = Table::from([(ALTERNATE, Value::text("ae")), ("foo", Value::Void)]);
        let nature = ExchangeNature::wished("topic", (true, false, true), &arguments).unwrap();
        assert_eq!(ExchangeNature::of(&nature.config()), nature);
        assert_eq!(nature.argument(ALTERNATE), Some("ae"));
    }

    #[test]
    fn exchanges_are_refused_as_rabbitmq_does() {
        let plain = (false, false, false);
        let refused =
            |kind: &str, arguments: Table| ExchangeNature::wished(kind, plain, &arguments).unwrap_err().reply_text();
        assert_eq!(refused("nosuch", Table::default()), "PRECONDITION_FAILED - unknown exchange type 'nosuch'");
        assert!(refused(DELAYED, Table::default()).contains("'x-delayed-type' must be an existing exchange type"));
        let topic = ExchangeNature::wished("topic", plain, &Table::default()).unwrap();
        let direct = ExchangeNature::wished("direct", plain, &Table::default()).unwrap();
        assert_eq!(
            direct.check_same("x", &topic).unwrap_err().reply_text(),
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'topic' but current \
             is 'direct'"
        );
    }

    #[test]
    fn more_keys_are_lists_of_texts() {
        let list = Value::Array(vec![Value::text("a"), Value::text("b")]);
        let headers = Table::from([("CC", list.clone()), ("BCC", list)]);
        assert_eq!(more_keys(&headers).unwrap(), ["a", "b", "a", "b"]);
        let refused = more_keys(&Table::from([("CC", Value::text("a"))])).unwrap_err().to_string();
        assert_eq!(refused, "invalid message: {unacceptable_type_in_header,\"CC\",longstr}");
    }
}
