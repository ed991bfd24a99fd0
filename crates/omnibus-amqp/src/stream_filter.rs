//! Which of a stream's records a consumer wants, by the value that each is published with. Pure.

use bytes::Bytes;
use omnibus_record::{AmqpMessage, Message};

use crate::wire::{Properties, Table, Value};

/// What a record is published with.
const VALUE: &str = "x-stream-filter-value";

/// The values that a consumer wants.
pub(crate) const WANTED: &str = "x-stream-filter";

/// Whether it wants records without a value, too.
pub(crate) const UNFILTERED: &str = "x-stream-match-unfiltered";

/// What a consumer wants of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    values: Vec<Bytes>,
    is_unfiltered_wanted: bool,
}

impl Filter {
    /// Reads what a consumer wants; `None` is everything.
    ///
    /// # Errors
    /// Which argument is of a type that says nothing.
    pub(crate) fn read(arguments: &Table) -> Result<Option<Self>, (&'static str, &'static str)> {
        let is_unfiltered_wanted = match arguments.get(UNFILTERED) {
            None => false,
            Some(Value::Bool(wanted)) => *wanted,
            Some(other) => return Err((UNFILTERED, other.type_name())),
        };
        let values = match arguments.get(WANTED) {
            // By itself the other means nothing, as in RabbitMQ.
            None => return Ok(None),
            Some(Value::Text(value)) => vec![value.clone()],
            Some(Value::Array(values)) => values.iter().map(text).collect::<Result<_, _>>()?,
            Some(other) => return Err((WANTED, other.type_name())),
        };
        Ok(Some(Self { values, is_unfiltered_wanted }))
    }

    /// Whether a record is one of those.
    pub(crate) fn takes(&self, message: &Message) -> bool {
        // Of which queue it is says nothing about its headers.
        let properties = AmqpMessage::of(message, "").native.properties;
        let headers = Properties::read(&properties).ok().and_then(|properties| properties.headers);
        match headers.as_ref().and_then(|headers| headers.get(VALUE)) {
            Some(Value::Text(value)) => self.values.contains(value),
            _ => self.is_unfiltered_wanted,
        }
    }
}

fn text(value: &Value) -> Result<Bytes, (&'static str, &'static str)> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err((WANTED, other.type_name())),
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::queue::Envelope;
    use omnibus_model::{Offset, Timestamp};
    use omnibus_record::{AmqpNative, Native};

    use super::*;

    fn message(value: Option<Value>) -> Message {
        let mut properties = Properties::default();
        if let Some(value) = value {
            properties.headers_mut().set(VALUE, value);
        }
        let native = Native::Amqp(AmqpNative { properties: properties.write(), ..AmqpNative::default() });
        let (offset, timestamp) = (Offset::ZERO, Timestamp(0));
        Message { offset, timestamp, envelope: Envelope::default(), native, history: None, body: Bytes::new() }
    }

    fn taken(wanted: Value, unfiltered: Option<bool>) -> Vec<&'static str> {
        let mut arguments = Table::from([(WANTED, wanted)]);
        if let Some(wanted) = unfiltered {
            arguments.set(UNFILTERED, Value::Bool(wanted));
        }
        let filter = Filter::read(&arguments).unwrap().unwrap();
        let all = [
            ("apple", Some(Value::text("apple"))),
            ("banana", Some(Value::text("banana"))),
            ("none", None),
            ("number", Some(Value::I32(1))),
        ];
        all.into_iter().filter(|(_, value)| filter.takes(&message(value.clone()))).map(|(name, _)| name).collect()
    }

    #[test]
    fn records_are_taken_by_their_value() {
        assert_eq!(taken(Value::text("apple"), None), ["apple"]);
        let both = Value::Array(vec![Value::text("apple"), Value::text("banana")]);
        assert_eq!(taken(both, Some(false)), ["apple", "banana"]);
        assert_eq!(taken(Value::text("banana"), Some(true)), ["banana", "none", "number"]);
        assert_eq!(taken(Value::Array(Vec::new()), Some(true)), ["none", "number"]);
        assert!(taken(Value::text("cherry"), None).is_empty());
    }

    #[test]
    fn what_says_nothing_is_no_filter_or_is_refused() {
        let read = |name: &'static str, value| Filter::read(&Table::from([(name, value)]));
        assert_eq!(Filter::read(&Table::default()), Ok(None));
        assert_eq!(read(UNFILTERED, Value::Bool(true)), Ok(None));
        assert_eq!(read(UNFILTERED, Value::I32(1)), Err((UNFILTERED, "signedint")));
        assert_eq!(read(WANTED, Value::Void), Err((WANTED, "void")));
        assert_eq!(read(WANTED, Value::Array(vec![Value::Bool(true)])), Err((WANTED, "bool")));
    }
}
