//! The settings of a queue, by name and as text.

use std::collections::BTreeMap;

use omnibus_admin_api::{Code, Problem, Size, Span, nearest};
use omnibus_model::queue::{DeadLetters, DeliveryOrder, History, QueueConfig};
use omnibus_model::{Millis, TopicName};

/// One setting.
pub struct QueueKey {
    pub name: &'static str,
    pub meaning: &'static str,
    show: fn(&QueueConfig) -> String,
    choose: fn(&mut QueueConfig, &str) -> Result<(), String>,
}

impl std::fmt::Debug for QueueKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const NONE: &str = "none";

/// How long a lease lasts, and how long a record stays, if nobody says.
const LEASE_DEFAULT: Millis = Millis(30_000);
const RETENTION_DEFAULT: Millis = Millis(4 * 24 * 3_600_000);

/// All settings, in the order in which they are shown.
pub const QUEUE_KEYS: &[QueueKey] = &[
    QueueKey {
        name: "order",
        meaning: "standard, or ordered: each group of records strictly in order. Fixed at creation.",
        show: |config| String::from(if config.cursor.order == DeliveryOrder::Ordered { "ordered" } else { "standard" }),
        choose: |config, text| {
            config.cursor.order = match text {
                "standard" => DeliveryOrder::Standard,
                "ordered" => DeliveryOrder::Ordered,
                _ => return Err(String::from("write standard or ordered")),
            };
            Ok(())
        },
    },
    QueueKey {
        name: "lease",
        meaning: "How long a lease lasts if its taker does not say.",
        show: |config| Span(config.lease.0).to_string(),
        choose: |config, text| span(text).map(|span| config.lease = span),
    },
    QueueKey {
        name: "delay",
        meaning: "How long a record is held back if its producer does not say.",
        show: |config| Span(config.delay.0).to_string(),
        choose: |config, text| {
            span(text).map(|span| {
                config.delay = span;
                config.cursor.delay = span;
            })
        },
    },
    QueueKey {
        name: "retention",
        meaning: "How long a record stays that nobody settles: a span, or none.",
        show: |config| config.retention.map_or_else(|| NONE.to_owned(), |span| Span(span.0).to_string()),
        choose: |config, text| optional(text, span).map(|retention| config.retention = retention),
    },
    QueueKey {
        name: "history",
        meaning: "trimmed; kept: settled records stay for the topic's retention; or retained: all records do, and no \
                  longer. If it is not trimmed, the queue can be rewound.",
        show: |config| {
            String::from(match config.cursor.history {
                History::Trimmed => "trimmed",
                History::Kept => "kept",
                History::Retained => "retained",
            })
        },
        choose: |config, text| {
            config.cursor.history = match text {
                "trimmed" => History::Trimmed,
                "kept" => History::Kept,
                "retained" => History::Retained,
                _ => return Err(String::from("write trimmed, kept or retained")),
            };
            Ok(())
        },
    },
    QueueKey {
        name: "deliveries_max",
        meaning: "A record that comes back after so many deliveries is a dead letter; or none.",
        show: |config| config.cursor.deliveries_max.map_or_else(|| NONE.to_owned(), |max| max.to_string()),
        choose: |config, text| optional(text, positive).map(|max| config.cursor.deliveries_max = max),
    },
    QueueKey {
        name: "dead_letters_to",
        meaning: "The queue that dead letters go to; with none they are dropped.",
        show: |config| config.dead_letters_to.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string),
        choose: |config, text| {
            let name = |text: &str| TopicName::new(text).map_err(|error| error.to_string());
            config.dead_letters_to = optional(text, name)?;
            let is_named = config.dead_letters_to.is_some();
            config.cursor.dead_letters = if is_named { DeadLetters::Moved } else { DeadLetters::Dropped };
            Ok(())
        },
    },
    QueueKey {
        name: "leases_max",
        meaning: "The most records that may be leased at a time.",
        show: |config| config.cursor.leases_max.to_string(),
        choose: |config, text| positive(text).map(|max| config.cursor.leases_max = max),
    },
    QueueKey {
        name: "record_bytes_max",
        meaning: "The most bytes of one record: a size, or none. Doors that write messages hold to it.",
        show: |config| {
            config.record_bytes_max.map_or_else(|| NONE.to_owned(), |bytes| Size(u64::from(bytes)).to_string())
        },
        choose: |config, text| optional(text, size).map(|max| config.record_bytes_max = max),
    },
];

/// What a queue is if its creator says nothing.
#[must_use]
pub(crate) fn defaults() -> QueueConfig {
    QueueConfig { lease: LEASE_DEFAULT, retention: Some(RETENTION_DEFAULT), ..QueueConfig::default() }
}

/// All settings of a queue.
pub(crate) fn show(config: &QueueConfig) -> BTreeMap<String, String> {
    QUEUE_KEYS.iter().map(|key| (key.name.to_owned(), (key.show)(config))).collect()
}

/// Chooses a setting.
pub(crate) fn choose(config: &mut QueueConfig, name: &str, text: &str) -> Result<(), Problem> {
    let Some(key) = QUEUE_KEYS.iter().find(|key| key.name == name) else {
        let problem = Problem::new(Code::Invalid, format!("{name} is no setting of a queue"));
        return Err(match nearest(name, QUEUE_KEYS.iter().map(|key| key.name)) {
            Some(near) => problem.next(format!("did you mean {near}?")),
            None => problem,
        });
    };
    (key.choose)(config, text).map_err(|reason| Problem::new(Code::Invalid, format!("{name}={text}: {reason}")))
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == NONE { Ok(None) } else { read(text).map(Some) }
}

fn span(text: &str) -> Result<Millis, String> {
    text.parse::<Span>().map(|span| Millis(span.0)).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<u32, String> {
    let size = text.parse::<Size>().map_err(|error| error.to_string())?;
    u32::try_from(size.0).map_err(|_| String::from("at most 4 GiB"))
}

fn positive(text: &str) -> Result<u32, String> {
    text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(|| String::from("write a number from 1 on"))
}
