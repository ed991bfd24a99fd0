use omnibus_model::Millis;
use omnibus_model::topic::{Cleanup, Compression, Limit, TimestampSource};

use super::*;

/// What Kafka 4.3 answers for a fresh topic: name, type, value, and the broker config behind it.
const KAFKA: [(&str, i8, &str, &str); 33] = [
    ("cleanup.policy", 7, "delete", "log.cleanup.policy"),
    ("compression.gzip.level", 3, "-1", "compression.gzip.level"),
    ("compression.lz4.level", 3, "9", "compression.lz4.level"),
    ("compression.type", 2, "producer", "compression.type"),
    ("compression.zstd.level", 3, "3", "compression.zstd.level"),
    ("delete.retention.ms", 5, "86400000", "log.cleaner.delete.retention.ms"),
    ("file.delete.delay.ms", 5, "60000", "log.segment.delete.delay.ms"),
    ("flush.messages", 5, "9223372036854775807", "log.flush.interval.messages"),
    ("flush.ms", 5, "9223372036854775807", ""),
    ("follower.replication.throttled.replicas", 7, "", ""),
    ("index.interval.bytes", 3, "4096", "log.index.interval.bytes"),
    ("leader.replication.throttled.replicas", 7, "", ""),
    ("local.retention.bytes", 5, "-2", "log.local.retention.bytes"),
    ("local.retention.ms", 5, "-2", "log.local.retention.ms"),
    ("max.compaction.lag.ms", 5, "9223372036854775807", "log.cleaner.max.compaction.lag.ms"),
    ("max.message.bytes", 3, "1048588", "message.max.bytes"),
    ("message.timestamp.after.max.ms", 5, "3600000", "log.message.timestamp.after.max.ms"),
    ("message.timestamp.before.max.ms", 5, "9223372036854775807", "log.message.timestamp.before.max.ms"),
    ("message.timestamp.type", 2, "CreateTime", "log.message.timestamp.type"),
    ("min.cleanable.dirty.ratio", 6, "0.5", "log.cleaner.min.cleanable.ratio"),
    ("min.compaction.lag.ms", 5, "0", "log.cleaner.min.compaction.lag.ms"),
    ("min.insync.replicas", 3, "1", "min.insync.replicas"),
    ("preallocate", 1, "false", "log.preallocate"),
    ("remote.log.copy.disable", 1, "false", ""),
    ("remote.log.delete.on.disable", 1, "false", ""),
    ("remote.storage.enable", 1, "false", ""),
    ("retention.bytes", 5, "-1", "log.retention.bytes"),
    ("retention.ms", 5, "604800000", ""),
    ("segment.bytes", 3, "1073741824", "log.segment.bytes"),
    ("segment.index.bytes", 3, "10485760", "log.index.size.max.bytes"),
    ("segment.jitter.ms", 5, "0", ""),
    ("segment.ms", 5, "604800000", ""),
    ("unclean.leader.election.enable", 1, "false", "unclean.leader.election.enable"),
];

fn inherited() -> Inherited {
    Inherited { node: TopicConfig::default(), cluster: TopicConfig::default(), started: defaults() }
}

fn defaults() -> EffectiveConfig {
    EffectiveConfig::default()
}

fn read_one(name: &str, value: &str) -> Result<TopicConfig, ConfigError> {
    read([(name, Some(value))], &defaults())
}

fn entry(config: &TopicConfig, name: &str) -> Entry {
    describe(config, &inherited()).into_iter().find(|entry| entry.name == name).unwrap()
}

fn value(config: &TopicConfig, name: &str) -> String {
    entry(config, name).value.unwrap()
}

#[test]
fn fresh_topic_is_described_as_kafka_describes_it() {
    let described = describe(&TopicConfig::default(), &inherited());
    let described: Vec<_> = described
        .iter()
        .map(|entry| {
            assert_eq!(entry.source, ConfigSource::Default, "{}", entry.name);
            let synonym = entry.synonyms.first().map_or("", |synonym| synonym.name);
            (entry.name, entry.kind as i8, entry.value.as_deref().unwrap(), synonym)
        })
        .collect();
    assert_eq!(described, KAFKA);
}

#[test]
fn every_config_can_be_set_to_its_default() {
    for (name, _, value, _) in KAFKA {
        let config = read_one(name, value).unwrap();
        assert_eq!(super::tests::value(&config, name), value, "{name}");
    }
}

#[test]
fn set_config_shows_its_value_and_where_it_is_from() {
    let config = read_one("retention.bytes", "1000").unwrap();
    let entry = entry(&config, "retention.bytes");
    assert_eq!((entry.value.as_deref(), entry.source), (Some("1000"), ConfigSource::DynamicTopic));
    let synonyms: Vec<_> = entry.synonyms.iter().map(|synonym| (synonym.name, &*synonym.value)).collect();
    assert_eq!(synonyms, [("retention.bytes", "1000"), ("log.retention.bytes", "-1")]);
}

#[test]
fn default_that_the_broker_was_started_with_is_shown_as_such() {
    let defaults = EffectiveConfig { batch_bytes_max: 5000, ..defaults() };
    let described = describe(&TopicConfig::default(), &Inherited { started: defaults, ..inherited() });
    let entry = described.iter().find(|entry| entry.name == "max.message.bytes").unwrap();
    assert_eq!((entry.value.as_deref(), entry.source), (Some("5000"), ConfigSource::StaticBroker));
}

#[test]
fn kept_configs_reach_their_fields() {
    let set = |name, value| read_one(name, value).unwrap();
    assert_eq!(set("cleanup.policy", " compact , delete ").cleanup, Some(Cleanup::CompactAndDelete));
    assert_eq!(set("cleanup.policy", "").cleanup, Some(Cleanup::Keep));
    assert_eq!(set("delete.retention.ms", "1").tombstone_retention, Some(Millis(1)));
    assert_eq!(set("max.compaction.lag.ms", "7").compaction_lag_max, Some(Millis(7)));
    assert_eq!(set("max.message.bytes", "9").batch_bytes_max, Some(9));
    assert_eq!(set("message.timestamp.after.max.ms", "1").timestamp_after_max, Some(Limit::AtMost(1)));
    assert_eq!(set("message.timestamp.before.max.ms", "2").timestamp_before_max, Some(Limit::AtMost(2)));
    assert_eq!(set("message.timestamp.type", "LogAppendTime").timestamps, Some(TimestampSource::Broker));
    assert_eq!(set("min.cleanable.dirty.ratio", "0.05").dirty_ratio_min, Some(50));
    assert_eq!(set("min.compaction.lag.ms", "3").compaction_lag_min, Some(Millis(3)));
    assert_eq!(set("min.insync.replicas", "2").in_sync_replicas_min, Some(2));
    assert_eq!(set("retention.bytes", "-1").retention_bytes, Some(Limit::Unlimited));
    assert_eq!(set("retention.ms", " 5 ").retention_time, Some(Limit::AtMost(5)));
    assert_eq!(set("compression.type", "uncompressed").compression, Some(Compression::None));
    assert_eq!(set("compression.type", "lz4").compression, Some(Compression::Lz4));
    assert_eq!(set("compression.gzip.level", "9").gzip_level, Some(9));
    assert_eq!(set("compression.zstd.level", "-7").zstd_level, Some(-7));
}

#[test]
fn value_outside_of_what_kafka_takes_is_refused() {
    let wrong = [
        ("cleanup.policy", "foo"),
        ("max.message.bytes", "-1"),
        ("max.message.bytes", "3000000000"),
        ("message.timestamp.type", "Never"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "0.0001"),
        ("min.insync.replicas", "0"),
        ("retention.ms", "-2"),
        ("retention.ms", "abc"),
        ("segment.bytes", "1048575"),
        ("segment.ms", "0"),
        ("max.compaction.lag.ms", "0"),
        ("compression.type", "none"),
        ("compression.gzip.level", "0"),
        ("compression.gzip.level", "10"),
        ("compression.zstd.level", "23"),
        ("flush.messages", "0"),
        ("flush.ms", "-1"),
        ("segment.index.bytes", "3"),
        ("preallocate", "yes"),
    ];
    for (name, value) in wrong {
        let error = read_one(name, value).unwrap_err();
        assert!(matches!(error, ConfigError::ValueInvalid { .. }), "{name}={value}: {error}");
    }
}

#[test]
fn config_that_is_not_kept_has_its_default_only() {
    let fixed = [
        ("compression.lz4.level", "10"),
        ("remote.storage.enable", "true"),
        ("local.retention.ms", "1000"),
        ("unclean.leader.election.enable", "true"),
        ("leader.replication.throttled.replicas", "*"),
    ];
    for (name, value) in fixed {
        assert!(matches!(read_one(name, value), Err(ConfigError::Fixed { .. })), "{name}");
    }
    assert_eq!(read_one("unclean.leader.election.enable", "FALSE"), Ok(TopicConfig::default()));
}

#[test]
fn config_that_holds_anyway_is_shown_as_it_was_set_until_it_is_cleared() {
    let anyway = [
        ("file.delete.delay.ms", " 10000 ", "10000"),
        ("flush.messages", "1", "1"),
        ("flush.ms", "0", "0"),
        ("index.interval.bytes", "1", "1"),
        ("preallocate", "TRUE", "true"),
        ("segment.bytes", "1048576", "1048576"),
        ("segment.index.bytes", "4", "4"),
        ("segment.jitter.ms", "5", "5"),
        ("segment.ms", "500", "500"),
    ];
    for (name, given, shown) in anyway {
        let mut config = read_one(name, given).unwrap();
        assert_eq!((value(&config, name).as_str(), entry(&config, name).source), (shown, ConfigSource::DynamicTopic));
        change(&mut config, name, Change::Clear, &defaults()).unwrap();
        assert_eq!(config, TopicConfig::default());
    }
}

#[test]
fn unknown_or_missing_value_is_refused() {
    assert!(matches!(read_one("foo", "1"), Err(ConfigError::Unknown { .. })));
    let missing = read([("retention.ms", None)], &defaults());
    assert!(matches!(missing, Err(ConfigError::ValueMissing { .. })));
}

#[test]
fn lags_must_not_cross() {
    let crossed = read([("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("5"))], &defaults());
    assert_eq!(crossed, Err(ConfigError::LagsCrossed));
}

#[test]
fn lists_grow_and_shrink_from_what_they_are() {
    let mut config = TopicConfig::default();
    let mut change = |name, change| super::change(&mut config, name, change, &defaults());
    change("cleanup.policy", Change::Append("compact")).unwrap();
    change("cleanup.policy", Change::Append("compact")).unwrap();
    assert!(matches!(change("retention.ms", Change::Append("1")), Err(ConfigError::NotAList { .. })));
    assert_eq!(config.cleanup, Some(Cleanup::CompactAndDelete));
    super::change(&mut config, "cleanup.policy", Change::Subtract("delete"), &defaults()).unwrap();
    assert_eq!(config.cleanup, Some(Cleanup::Compact));
}

#[test]
fn cleared_config_has_its_default_again() {
    let mut config = read_one("retention.ms", "5").unwrap();
    change(&mut config, "retention.ms", Change::Clear, &defaults()).unwrap();
    change(&mut config, "foo", Change::Clear, &defaults()).unwrap();
    assert_eq!(config, TopicConfig::default());
}
