//! Every topic config that Kafka 4.3 has, in alphabetical order.

use omnibus_model::topic::TopicConfig;

use super::entry::ConfigType::{self, Boolean, Double, Int, List, Long, String};
use super::field::{Field, Levels};

/// A topic config.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) kind: ConfigType,
    pub(super) setting: Setting,
    /// The least that a number may be.
    pub(super) min: i64,
    /// The broker config that a topic inherits it from.
    pub(super) inherits: Option<&'static str>,
    /// Whether that config has a value as brokers are shipped.
    pub(super) shipped: bool,
    pub(super) documentation: &'static str,
}

/// What Omnibus does with a config.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    /// It is kept in this field, and enforced.
    Kept(for<'a> fn(&'a mut TopicConfig) -> Field<'a>),
    /// Whatever is asked for holds anyway: it is written down so that it can be shown, and this
    /// is shown if nobody asked.
    Noted(&'static str),
    /// It has this value and no other.
    Always(&'static str),
}

const GZIP_LEVELS: Levels = Levels { min: 1, max: 9, default: -1 };
const ZSTD_LEVELS: Levels = Levels { min: -131_072, max: 22, default: 3 };

/// Every topic config.
pub(super) const TABLE: &[Known] = &[
    kept("cleanup.policy", List, |config| Field::Cleanup(&mut config.cleanup)).inherits("log.cleanup.policy").documented("How old records leave: `delete` by age and size, `compact` once a newer one has the same key, or both."),
    kept("compression.gzip.level", Int, |config| Field::Level(&mut config.gzip_level, GZIP_LEVELS)).inherits("compression.gzip.level").documented("How hard the broker compresses with gzip, where `compression.type` says so: 1 to 9, or -1 for gzip's own choice."),
    always("compression.lz4.level", Int, "9").inherits("compression.lz4.level").documented("The broker compresses with lz4 at its fast level only."),
    kept("compression.type", String, |config| Field::Compression(&mut config.compression)).inherits("compression.type").documented("How batches are kept compressed: as their producers did (`producer`), `uncompressed`, or as `gzip`, `snappy`, `lz4` or `zstd`. A batch that comes in another codec is compressed anew."),
    kept("compression.zstd.level", Int, |config| Field::Level(&mut config.zstd_level, ZSTD_LEVELS)).inherits("compression.zstd.level").documented("How hard the broker compresses with zstd, where `compression.type` says so: up to 22."),
    kept("delete.retention.ms", Long, |config| Field::Millis(&mut config.tombstone_retention)).inherits("log.cleaner.delete.retention.ms").documented("How long the mark of a deleted key stays in a compacted topic, so that every reader can see it."),
    noted("file.delete.delay.ms", Long, "60000").inherits("log.segment.delete.delay.ms").documented("Any value will do: there are no files of a topic's own to delete, and who is reading reads on undisturbed."),
    noted("flush.messages", Long, "9223372036854775807").at_least(1).inherits("log.flush.interval.messages").documented("Any value will do: every batch is on disk before it is acknowledged."),
    noted("flush.ms", Long, "9223372036854775807").inherits_once_set("log.flush.interval.ms").documented("Any value will do: every batch is on disk before it is acknowledged."),
    always("follower.replication.throttled.replicas", List, "").documented("Has no effect: replication is not throttled by topic."),
    noted("index.interval.bytes", Int, "4096").inherits("log.index.interval.bytes").documented("Any value will do: every batch is indexed."),
    always("leader.replication.throttled.replicas", List, "").documented("Has no effect: replication is not throttled by topic."),
    always("local.retention.bytes", Long, "-2").inherits("log.local.retention.bytes").documented("Has no effect: there is no remote storage."),
    always("local.retention.ms", Long, "-2").inherits("log.local.retention.ms").documented("Has no effect: there is no remote storage."),
    kept("max.compaction.lag.ms", Long, |config| Field::Millis(&mut config.compaction_lag_max)).at_least(1).inherits("log.cleaner.max.compaction.lag.ms").documented("How long a record of a compacted topic may stay uncompacted at most."),
    kept("max.message.bytes", Int, |config| Field::Int(&mut config.batch_bytes_max)).inherits("message.max.bytes").documented("The most bytes that a record batch may have, as its producer compressed it."),
    kept("message.timestamp.after.max.ms", Long, |config| Field::LimitOrForever(&mut config.timestamp_after_max)).inherits("log.message.timestamp.after.max.ms").documented("How far ahead of the broker's clock a record's timestamp may be."),
    kept("message.timestamp.before.max.ms", Long, |config| Field::LimitOrForever(&mut config.timestamp_before_max)).inherits("log.message.timestamp.before.max.ms").documented("How far behind the broker's clock a record's timestamp may be."),
    kept("message.timestamp.type", String, |config| Field::Timestamps(&mut config.timestamps)).inherits("log.message.timestamp.type").documented("Whose clock timestamps are from: the producer's (`CreateTime`) or the broker's (`LogAppendTime`)."),
    kept("min.cleanable.dirty.ratio", Double, |config| Field::Share(&mut config.dirty_ratio_min)).inherits("log.cleaner.min.cleanable.ratio").documented("The share of uncompacted bytes that starts a compaction."),
    kept("min.compaction.lag.ms", Long, |config| Field::Millis(&mut config.compaction_lag_min)).inherits("log.cleaner.min.compaction.lag.ms").documented("How long a record of a compacted topic stays uncompacted at least."),
    kept("min.insync.replicas", Int, |config| Field::Int(&mut config.in_sync_replicas_min)).at_least(1).inherits("min.insync.replicas").documented("How many replicas must have a record before `acks=all` is answered; with fewer of them alive it is refused."),
    noted("preallocate", Boolean, "false").inherits("log.preallocate").documented("Either value will do: space is always made ready before it is written to."),
    always("remote.log.copy.disable", Boolean, "false").documented("Has no effect: there is no remote storage."),
    always("remote.log.delete.on.disable", Boolean, "false").documented("Has no effect: there is no remote storage."),
    always("remote.storage.enable", Boolean, "false").documented("There is no remote storage."),
    kept("retention.bytes", Long, |config| Field::LimitOrNegative(&mut config.retention_bytes)).at_least(i64::MIN).inherits("log.retention.bytes").documented("How many bytes a partition keeps, about; -1 for no limit."),
    kept("retention.ms", Long, |config| Field::LimitOrNegative(&mut config.retention_time)).at_least(-1).inherits_once_set("log.retention.ms").documented("How long records are kept, about; -1 for ever."),
    noted("segment.bytes", Int, "1073741824").at_least(1_048_576).inherits("log.segment.bytes").documented("Any value will do: retention and compaction take single batches, they do not wait for a segment to fill."),
    noted("segment.index.bytes", Int, "10485760").at_least(4).inherits("log.index.size.max.bytes").documented("Any value will do: indexes take the space they need, and nothing ends because one is full."),
    noted("segment.jitter.ms", Long, "0").inherits_once_set("log.roll.jitter.ms").documented("Any value will do: there are no segments whose ends had to be spread."),
    noted("segment.ms", Long, "604800000").at_least(1).inherits_once_set("log.roll.ms").documented("Any value will do: retention and compaction take single batches, they do not wait for a segment to age."),
    always("unclean.leader.election.enable", Boolean, "false").inherits("unclean.leader.election.enable").documented("A replica that lacks acknowledged records never becomes leader."),
];

const fn kept(name: &'static str, kind: ConfigType, field: for<'a> fn(&'a mut TopicConfig) -> Field<'a>) -> Known {
    Known { name, kind, setting: Setting::Kept(field), min: 0, inherits: None, shipped: false, documentation: "" }
}

const fn noted(name: &'static str, kind: ConfigType, value: &'static str) -> Known {
    Known { name, kind, setting: Setting::Noted(value), min: 0, inherits: None, shipped: false, documentation: "" }
}

const fn always(name: &'static str, kind: ConfigType, value: &'static str) -> Known {
    Known { name, kind, setting: Setting::Always(value), min: 0, inherits: None, shipped: false, documentation: "" }
}

impl Known {
    const fn at_least(self, min: i64) -> Self {
        Self { min, ..self }
    }

    const fn inherits(self, config: &'static str) -> Self {
        Self { inherits: Some(config), shipped: true, ..self }
    }

    /// In Kafka another config, in hours or of a scheduler, counts until this one is set.
    const fn inherits_once_set(self, config: &'static str) -> Self {
        Self { inherits: Some(config), ..self }
    }

    const fn documented(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }
}
