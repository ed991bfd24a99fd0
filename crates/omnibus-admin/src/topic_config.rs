//! The settings of a topic, by name and as text.

use omnibus_admin_api::topic::{ConfigSource, ConfigValue};
use omnibus_admin_api::{Code, Problem, Size, Span, nearest};
use omnibus_model::Millis;
use omnibus_model::topic::{Cleanup, Compression, EffectiveConfig, Limit, TimestampSource, TopicConfig};

/// One setting.
pub struct TopicKey {
    pub name: &'static str,
    /// What Kafka's tools call it.
    pub kafka: &'static str,
    pub meaning: &'static str,
    show: fn(&EffectiveConfig) -> String,
    is_chosen: fn(&TopicConfig) -> bool,
    /// `None` goes back to the default.
    choose: fn(&mut TopicConfig, Option<&str>) -> Result<(), String>,
}

impl std::fmt::Debug for TopicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All settings, in the order in which they are shown.
pub const TOPIC_KEYS: &[TopicKey] = &[
    TopicKey {
        name: "cleanup",
        kafka: "cleanup.policy",
        meaning: "How old records leave: delete, compact, compact,delete, or keep: they stay.",
        show: |config| show_choice(config.cleanup, &CLEANUPS),
        is_chosen: |config| config.cleanup.is_some(),
        choose: |config, text| put(&mut config.cleanup, text, |text| choice(text, &CLEANUPS)),
    },
    TopicKey {
        name: "retention_time",
        kafka: "retention.ms",
        meaning: "How long records are kept: a span, or unlimited.",
        show: |config| show_span_limit(config.retention_time),
        is_chosen: |config| config.retention_time.is_some(),
        choose: |config, text| put(&mut config.retention_time, text, span_limit),
    },
    TopicKey {
        name: "retention_bytes",
        kafka: "retention.bytes",
        meaning: "How much of each partition is kept: a size, or unlimited.",
        show: |config| show_size_limit(config.retention_bytes),
        is_chosen: |config| config.retention_bytes.is_some(),
        choose: |config, text| put(&mut config.retention_bytes, text, size_limit),
    },
    TopicKey {
        name: "batch_bytes_max",
        kafka: "max.message.bytes",
        meaning: "The most bytes of one record batch.",
        show: |config| Size(u64::from(config.batch_bytes_max)).to_string(),
        is_chosen: |config| config.batch_bytes_max.is_some(),
        choose: |config, text| put(&mut config.batch_bytes_max, text, small_size),
    },
    TopicKey {
        name: "timestamps",
        kafka: "message.timestamp.type",
        meaning: "Whose clock a record's timestamp is from: producer or broker.",
        show: |config| show_choice(config.timestamps, &TIMESTAMPS),
        is_chosen: |config| config.timestamps.is_some(),
        choose: |config, text| put(&mut config.timestamps, text, |text| choice(text, &TIMESTAMPS)),
    },
    TopicKey {
        name: "in_sync_replicas_min",
        kafka: "min.insync.replicas",
        meaning: "The replicas that must have a record before it is acknowledged.",
        show: |config| config.in_sync_replicas_min.to_string(),
        is_chosen: |config| config.in_sync_replicas_min.is_some(),
        choose: |config, text| put(&mut config.in_sync_replicas_min, text, positive),
    },
    TopicKey {
        name: "timestamp_before_max",
        kafka: "message.timestamp.before.max.ms",
        meaning: "How far before the broker's clock a timestamp may lie: a span, or unlimited.",
        show: |config| show_span_limit(config.timestamp_before_max),
        is_chosen: |config| config.timestamp_before_max.is_some(),
        choose: |config, text| put(&mut config.timestamp_before_max, text, span_limit),
    },
    TopicKey {
        name: "timestamp_after_max",
        kafka: "message.timestamp.after.max.ms",
        meaning: "How far after the broker's clock a timestamp may lie: a span, or unlimited.",
        show: |config| show_span_limit(config.timestamp_after_max),
        is_chosen: |config| config.timestamp_after_max.is_some(),
        choose: |config, text| put(&mut config.timestamp_after_max, text, span_limit),
    },
    TopicKey {
        name: "tombstone_retention",
        kafka: "delete.retention.ms",
        meaning: "How long a tombstone stays after compaction reached it.",
        show: |config| Span(config.tombstone_retention.0).to_string(),
        is_chosen: |config| config.tombstone_retention.is_some(),
        choose: |config, text| put(&mut config.tombstone_retention, text, millis),
    },
    TopicKey {
        name: "compaction_lag_min",
        kafka: "min.compaction.lag.ms",
        meaning: "How long a record stays uncompacted at least.",
        show: |config| Span(config.compaction_lag_min.0).to_string(),
        is_chosen: |config| config.compaction_lag_min.is_some(),
        choose: |config, text| put(&mut config.compaction_lag_min, text, millis),
    },
    TopicKey {
        name: "compaction_lag_max",
        kafka: "max.compaction.lag.ms",
        meaning: "How long a record stays uncompacted at most: a span, or unlimited.",
        show: |config| show_lag_max(config.compaction_lag_max),
        is_chosen: |config| config.compaction_lag_max.is_some(),
        choose: |config, text| put(&mut config.compaction_lag_max, text, lag_max),
    },
    TopicKey {
        name: "dirty_ratio_min",
        kafka: "min.cleanable.dirty.ratio",
        meaning: "The share of superseded bytes that starts a compaction, in thousandths.",
        show: |config| config.dirty_ratio_min.to_string(),
        is_chosen: |config| config.dirty_ratio_min.is_some(),
        choose: |config, text| put(&mut config.dirty_ratio_min, text, thousandths),
    },
    TopicKey {
        name: "compression",
        kafka: "compression.type",
        meaning: "How batches are kept compressed: producer: as they came; none, gzip, snappy, lz4 or zstd.",
        show: |config| show_choice(config.compression, &COMPRESSIONS),
        is_chosen: |config| config.compression.is_some(),
        choose: |config, text| put(&mut config.compression, text, |text| choice(text, &COMPRESSIONS)),
    },
    TopicKey {
        name: "gzip_level",
        kafka: "compression.gzip.level",
        meaning: "How hard batches are compressed with gzip: 1 to 9, or -1 for gzip's own choice.",
        show: |config| config.gzip_level.to_string(),
        is_chosen: |config| config.gzip_level.is_some(),
        choose: |config, text| put(&mut config.gzip_level, text, gzip_level),
    },
    TopicKey {
        name: "zstd_level",
        kafka: "compression.zstd.level",
        meaning: "How hard batches are compressed with zstd: up to 22; below 1 is fast and loose.",
        show: |config| config.zstd_level.to_string(),
        is_chosen: |config| config.zstd_level.is_some(),
        choose: |config, text| put(&mut config.zstd_level, text, zstd_level),
    },
];

const CLEANUPS: [(&str, Cleanup); 4] = [
    ("delete", Cleanup::Delete),
    ("compact", Cleanup::Compact),
    ("compact,delete", Cleanup::CompactAndDelete),
    ("keep", Cleanup::Keep),
];

const COMPRESSIONS: [(&str, Compression); 6] = [
    ("producer", Compression::Producer),
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

const TIMESTAMPS: [(&str, TimestampSource); 2] =
    [("producer", TimestampSource::Producer), ("broker", TimestampSource::Broker)];

/// Changes one setting; `None` goes back to the default.
pub(crate) fn choose(config: &mut TopicConfig, name: &str, text: Option<&str>) -> Result<(), Problem> {
    let Some(key) = TOPIC_KEYS.iter().find(|key| key.name == name) else {
        return Err(unknown(name));
    };
    (key.choose)(config, text).map_err(|reason| Problem::new(Code::Invalid, format!("{name}: {reason}")))
}

/// All settings with their values, and what another door noted beside them.
pub(crate) fn show(config: &TopicConfig, defaults: &EffectiveConfig) -> Vec<ConfigValue> {
    let effective = config.effective(defaults);
    let value = |key: &TopicKey| ConfigValue {
        key: key.name.to_owned(),
        value: (key.show)(&effective),
        source: if (key.is_chosen)(config) { ConfigSource::Topic } else { ConfigSource::Default },
    };
    let note = |(key, value): (&String, &String)| ConfigValue {
        key: key.clone(),
        value: value.clone(),
        source: ConfigSource::Topic,
    };
    TOPIC_KEYS.iter().map(value).chain(config.notes.iter().map(note)).collect()
}

fn unknown(name: &str) -> Problem {
    let problem = Problem::new(Code::Invalid, format!("a topic has no setting {name}"));
    let same = TOPIC_KEYS.iter().find(|key| key.kafka == name).map(|key| key.name);
    match same.or_else(|| nearest(name, TOPIC_KEYS.iter().map(|key| key.name))) {
        Some(nearest) => problem.next(format!("did you mean {nearest}?")),
        None => problem.next("`omnibus topic describe TOPIC` lists all of them"),
    }
}

fn put<T>(
    field: &mut Option<T>,
    text: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), String> {
    *field = text.map(read).transpose()?;
    Ok(())
}

fn read<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn millis(text: &str) -> Result<Millis, String> {
    Ok(Millis(read::<Span>(text)?.0))
}

/// Kafka knows no unlimited lag, only the longest.
fn lag_max(text: &str) -> Result<Millis, String> {
    if text == "unlimited" { Ok(EffectiveConfig::default().compaction_lag_max) } else { millis(text) }
}

fn span_limit(text: &str) -> Result<Limit, String> {
    if text == "unlimited" { Ok(Limit::Unlimited) } else { Ok(Limit::AtMost(read::<Span>(text)?.0)) }
}

fn size_limit(text: &str) -> Result<Limit, String> {
    if text == "unlimited" { Ok(Limit::Unlimited) } else { Ok(Limit::AtMost(read::<Size>(text)?.0)) }
}

fn small_size(text: &str) -> Result<u32, String> {
    let Size(bytes) = read(text)?;
    u32::try_from(bytes).map_err(|_| format!("{text} is more than {} bytes", u32::MAX))
}

fn positive(text: &str) -> Result<u32, String> {
    match read(text)? {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

fn thousandths(text: &str) -> Result<u32, String> {
    let share = read(text)?;
    if share > 1000 { Err("must be 0 to 1000".to_owned()) } else { Ok(share) }
}

fn gzip_level(text: &str) -> Result<i32, String> {
    match read(text)? {
        level @ (-1 | 1..=9) => Ok(level),
        _ => Err("must be 1 to 9, or -1".to_owned()),
    }
}

fn zstd_level(text: &str) -> Result<i32, String> {
    match read(text)? {
        level @ -131_072..=22 => Ok(level),
        _ => Err("must be -131072 to 22".to_owned()),
    }
}

fn show_lag_max(lag: Millis) -> String {
    let is_longest = lag >= EffectiveConfig::default().compaction_lag_max;
    if is_longest { "unlimited".to_owned() } else { Span(lag.0).to_string() }
}

fn show_span_limit(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "unlimited".to_owned(),
        Limit::AtMost(millis) => Span(millis).to_string(),
    }
}

fn show_size_limit(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "unlimited".to_owned(),
        Limit::AtMost(bytes) => Size(bytes).to_string(),
    }
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is none of {}", names.join(" and "))
    })
}

fn show_choice<T: PartialEq>(chosen: T, choices: &[(&str, T)]) -> String {
    choices.iter().find(|(_, choice)| *choice == chosen).map_or_else(String::new, |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_chosen() {
        let defaults = EffectiveConfig::default();
        for key in TOPIC_KEYS {
            let mut config = TopicConfig::default();
            let shown = (key.show)(&defaults);
            choose(&mut config, key.name, Some(&shown)).unwrap();
            assert!((key.is_chosen)(&config), "{}", key.name);
            assert_eq!((key.show)(&config.effective(&defaults)), shown);
            choose(&mut config, key.name, None).unwrap();
            assert_eq!(config, TopicConfig::default());
        }
    }

    #[test]
    fn kafka_names_lead_to_ours() {
        let error = choose(&mut TopicConfig::default(), "delete.retention.ms", Some("1")).unwrap_err();
        assert_eq!(error.next.as_deref(), Some("did you mean tombstone_retention?"));
    }
}
