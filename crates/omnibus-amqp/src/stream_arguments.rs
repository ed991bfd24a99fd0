//! What clients say of streams, queues whose records stay when they are read: checked and read. Pure.

use omnibus_model::{Millis, Offset, Timestamp};

use crate::wire::Value;

pub(crate) const STREAM: &str = "stream";
pub(crate) const MAX_AGE: &str = "x-max-age";
pub(crate) const MAX_BYTES: &str = "x-max-length-bytes";
pub(crate) const SEGMENT_BYTES: &str = "x-stream-max-segment-size-bytes";
pub(crate) const FILTER_BYTES: &str = "x-stream-filter-size-bytes";
pub(crate) const CLUSTER_SIZE: &str = "x-initial-cluster-size";
pub(crate) const LEADER_LOCATOR: &str = "x-queue-leader-locator";

/// From where a consumer reads.
pub(crate) const START: &str = "x-stream-offset";

/// RabbitMQ's streams have no longer parts.
const SEGMENT_BYTES_MAX: i64 = 3_000_000_000;

/// Arguments that RabbitMQ knows, of queues that are no streams.
const OF_OTHERS: [&str; 13] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-length",
    "x-max-priority",
    "x-overflow",
    "x-delivery-limit",
    "x-single-active-consumer",
    "x-queue-mode",
    "x-queue-version",
    "x-quorum-initial-group-size",
];

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Its value, for this reason.
    Value(String),
    /// It is one of other kinds of queues.
    OfOthers,
    /// All of it, in these words.
    Text(&'static str),
}

/// Looks at an argument that a stream is declared with.
pub(crate) fn check(name: &str, value: &Value) -> Result<(), Wrong> {
    let wrong = |reason: &str| Err(Wrong::Value(reason.to_owned()));
    match name {
        MAX_AGE => match value.str() {
            Some(text) if age(text).is_none() => wrong("invalid_max_age"),
            Some(_) => Ok(()),
            None => Err(unacceptable(value)),
        },
        MAX_BYTES => number(value).map(drop),
        SEGMENT_BYTES if number(value)? > SEGMENT_BYTES_MAX => {
            Err(Wrong::Text("Exceeded max value for x-stream-max-segment-size-bytes"))
        }
        SEGMENT_BYTES => Ok(()),
        // How exact RabbitMQ's filters are; ours are.
        FILTER_BYTES => match value.integer() {
            Some(16..=255) => Ok(()),
            Some(_) => Err(Wrong::Text("Invalid value for x-stream-filter-size-bytes")),
            None => Err(Wrong::Text("Invalid type for x-stream-filter-size-bytes")),
        },
        CLUSTER_SIZE if number(value)? == 0 => wrong("{value_zero,0}"),
        CLUSTER_SIZE => Ok(()),
        LEADER_LOCATOR => match value.str() {
            Some("client-local" | "balanced" | "random" | "least-leaders") => Ok(()),
            Some(_) => wrong("invalid_queue_locator_arg"),
            None => Err(unacceptable(value)),
        },
        other if OF_OTHERS.contains(&other) => Err(Wrong::OfOthers),
        other if other.starts_with("x-") => wrong("not_supported"),
        // To RabbitMQ it means nothing, either.
        _ => Ok(()),
    }
}

fn number(value: &Value) -> Result<i64, Wrong> {
    match value.integer() {
        Some(number) if number < 0 => Err(Wrong::Value(format!("{{value_negative,{number}}}"))),
        Some(number) => Ok(number),
        None => Err(Wrong::Value(format!("\"expected integer, got {}\"", value.type_name()))),
    }
}

fn unacceptable(value: &Value) -> Wrong {
    Wrong::Value(format!("{{unacceptable_type,{}}}", value.type_name()))
}

/// Reads a span of time: a number, and one of `Y`, `M`, `D`, `h`, `m` and `s`.
pub(crate) fn age(text: &str) -> Option<Millis> {
    const SECOND: u64 = 1_000;
    const DAY: u64 = 24 * 3_600 * SECOND;
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let unit = match unit {
        "Y" => 365 * DAY,
        "M" => 30 * DAY,
        "D" => DAY,
        "h" => 3_600 * SECOND,
        "m" => 60 * SECOND,
        "s" => SECOND,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(unit).map(Millis)
}

/// From where on a consumer reads a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// From the oldest record that is there.
    First,
    /// From the newest one.
    Last,
    /// What comes from now on.
    Next,
    /// From a record on, or the first behind it that is there.
    At(Offset),
    /// From the first record on that came then or later.
    Since(Timestamp),
    /// The same, so long ago.
    Ago(Millis),
}

impl Start {
    /// Reads what a consumer wants; refused with RabbitMQ's reason.
    pub(crate) fn read(value: Option<&Value>) -> Result<Self, String> {
        let Some(value) = value else { return Ok(Self::Next) };
        let read = match (value, value.str()) {
            (_, Some("first")) => Some(Self::First),
            (_, Some("last")) => Some(Self::Last),
            (_, Some("next")) => Some(Self::Next),
            (_, Some(text)) => age(text).map(Self::Ago),
            (Value::Timestamp(seconds), _) => i64::try_from(*seconds)
                .ok()
                .and_then(|seconds| seconds.checked_mul(1_000))
                .map(Timestamp)
                .map(Self::Since),
            _ => value.integer().and_then(|offset| u64::try_from(offset).ok()).map(|offset| Self::At(Offset(offset))),
        };
        let given = || match (value.str(), value.integer()) {
            (Some(text), _) => format!("<<\"{text}\">>"),
            (None, Some(number)) => number.to_string(),
            (None, None) => "_".to_owned(),
        };
        read.ok_or_else(|| format!("{{invalid_stream_offset_arg,{{{},{}}}}}", value.type_name(), given()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_rabbitmqs() {
        for (text, seconds) in
            [("7D", 604_800), ("1Y", 31_536_000), ("2M", 5_184_000), ("1h", 3_600), ("02m", 120), ("5s", 5)]
        {
            assert_eq!(age(text), Some(Millis(seconds * 1_000)), "{text}");
        }
        for text in ["", "7", "D", "0s", "-1s", "7d", "1 h", "1hh", "99999999999999999999s", "18446744073709551615Y"] {
            assert_eq!(age(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_are_refused_as_rabbitmq_does() {
        let value = |reason: &str| Err(Wrong::Value(reason.to_owned()));
        for (name, given, wanted) in [
            (MAX_AGE, Value::text("7D"), Ok(())),
            (MAX_AGE, Value::text("7"), value("invalid_max_age")),
            (MAX_AGE, Value::I32(7), value("{unacceptable_type,signedint}")),
            (MAX_BYTES, Value::I64(20_000_000_000), Ok(())),
            (MAX_BYTES, Value::text("1"), value("\"expected integer, got longstr\"")),
            (SEGMENT_BYTES, Value::I32(-1), value("{value_negative,-1}")),
            (
                SEGMENT_BYTES,
                Value::I64(3_000_000_001),
                Err(Wrong::Text("Exceeded max value for x-stream-max-segment-size-bytes")),
            ),
            (FILTER_BYTES, Value::I32(16), Ok(())),
            (FILTER_BYTES, Value::I32(256), Err(Wrong::Text("Invalid value for x-stream-filter-size-bytes"))),
            (FILTER_BYTES, Value::text("128"), Err(Wrong::Text("Invalid type for x-stream-filter-size-bytes"))),
            (CLUSTER_SIZE, Value::I32(0), value("{value_zero,0}")),
            (CLUSTER_SIZE, Value::I32(3), Ok(())),
            (LEADER_LOCATOR, Value::text("least-leaders"), Ok(())),
            (LEADER_LOCATOR, Value::text("nobody"), value("invalid_queue_locator_arg")),
            ("x-max-length", Value::I32(1), Err(Wrong::OfOthers)),
            ("x-single-active-consumer", Value::Bool(true), Err(Wrong::OfOthers)),
            ("x-nobody-knows", Value::I32(1), value("not_supported")),
            ("mine", Value::I32(1), Ok(())),
        ] {
            assert_eq!(check(name, &given), wanted, "{name}");
        }
    }

    #[test]
    fn consumer_says_from_where_it_reads() {
        for (value, start) in [
            (None, Start::Next),
            (Some(Value::text("first")), Start::First),
            (Some(Value::text("last")), Start::Last),
            (Some(Value::text("next")), Start::Next),
            (Some(Value::text("1h")), Start::Ago(Millis(3_600_000))),
            (Some(Value::I64(7)), Start::At(Offset(7))),
            (Some(Value::I8(0)), Start::At(Offset(0))),
            (Some(Value::Timestamp(5)), Start::Since(Timestamp(5_000))),
        ] {
            assert_eq!(Start::read(value.as_ref()), Ok(start));
        }
        let refused = |value: Value| Start::read(Some(&value)).unwrap_err();
        assert_eq!(refused(Value::text("soon")), "{invalid_stream_offset_arg,{longstr,<<\"soon\">>}}");
        assert_eq!(refused(Value::I32(-1)), "{invalid_stream_offset_arg,{signedint,-1}}");
        assert!(Start::read(Some(&Value::Void)).is_err() && Start::read(Some(&Value::Timestamp(u64::MAX))).is_err());
    }
}
