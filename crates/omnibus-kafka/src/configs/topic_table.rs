//! Every topic config that Kafka 4.3 has, in alphabetical order.

use omnibus_model::topic::TopicConfig;

use super::entry::ConfigType::{self, Boolean, Double, Int, List, Long, String};
use super::field::Field;

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
    pub(super) documentation: &'static str,
}

/// What Omnibus does with a config.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    /// It is kept in this field, and enforced.
    Kept(for<'a> fn(&'a mut TopicConfig) -> Field<'a>),
    /// It has this value and no other.
    Always(&'static str),
}

/// Every topic config.
pub(super) const TABLE: &[Known] = &[
    kept("cleanup.policy", List, |config| Field::Cleanup(&mut config.cleanup)).inherits("log.cleanup.policy").documented("How old records leave: `delete` by age and size, `compact` once a newer one has the same key, or both."),
    always("compression.gzip.level", Int, "-1").inherits("compression.gzip.level").documented("Has no effect: batches are kept as their producers compressed them."),
    always("compression.lz4.level", Int, "9").inherits("compression.lz4.level").documented("Has no effect: batches are kept as their producers compressed them."),
    always("compression.type", String, "producer").inherits("compression.type").documented("Batches are kept as their producers compressed them."),
    always("compression.zstd.level", Int, "3").inherits("compression.zstd.level").documented("Has no effect: batches are kept as their producers compressed them."),
    kept("delete.retention.ms", Long, |config| Field::Millis(&mut config.tombstone_retention)).inherits("log.cleaner.delete.retention.ms").documented("How long the mark of a deleted key stays in a compacted topic, so that every reader can see it."),
    always("file.delete.delay.ms", Long, "60000").inherits("log.segment.delete.delay.ms").documented("Has no effect: space is used again, files are not deleted."),
    always("flush.messages", Long, "9223372036854775807").inherits("log.flush.interval.messages").documented("Has no effect: a record is on disk before it is acknowledged."),
    always("flush.ms", Long, "9223372036854775807").documented("Has no effect: a record is on disk before it is acknowledged."),
    always("follower.replication.throttled.replicas", List, "").documented("Has no effect: replication is not throttled by topic."),
    always("index.interval.bytes", Int, "4096").inherits("log.index.interval.bytes").documented("Has no effect: every batch is indexed."),
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
    always("preallocate", Boolean, "false").inherits("log.preallocate").documented("Has no effect: space is always made ready before it is written to."),
    always("remote.log.copy.disable", Boolean, "false").documented("Has no effect: there is no remote storage."),
    always("remote.log.delete.on.disable", Boolean, "false").documented("Has no effect: there is no remote storage."),
    always("remote.storage.enable", Boolean, "false").documented("There is no remote storage."),
    kept("retention.bytes", Long, |config| Field::LimitOrNegative(&mut config.retention_bytes)).at_least(i64::MIN).inherits("log.retention.bytes").documented("How many bytes a partition keeps, about; -1 for no limit."),
    kept("retention.ms", Long, |config| Field::LimitOrNegative(&mut config.retention_time)).at_least(-1).documented("How long records are kept, about; -1 for ever."),
    kept("segment.bytes", Int, |config| Field::Long(&mut config.span_bytes)).at_least(1_048_576).inherits("log.segment.bytes").documented("Retention drops records in spans of about this many bytes."),
    always("segment.index.bytes", Int, "10485760").inherits("log.index.size.max.bytes").documented("Has no effect: indexes take the space they need."),
    always("segment.jitter.ms", Long, "0").documented("Has no effect: there is no work at the end of a span that had to be spread."),
    kept("segment.ms", Long, |config| Field::Millis(&mut config.span_time)).at_least(1).documented("Retention drops records in spans of about this time."),
    always("unclean.leader.election.enable", Boolean, "false").inherits("unclean.leader.election.enable").documented("A replica that lacks acknowledged records never becomes leader."),
];

const fn kept(name: &'static str, kind: ConfigType, field: for<'a> fn(&'a mut TopicConfig) -> Field<'a>) -> Known {
    Known { name, kind, setting: Setting::Kept(field), min: 0, inherits: None, documentation: "" }
}

const fn always(name: &'static str, kind: ConfigType, value: &'static str) -> Known {
    Known { name, kind, setting: Setting::Always(value), min: 0, inherits: None, documentation: "" }
}

impl Known {
    const fn at_least(self, min: i64) -> Self {
        Self { min, ..self }
    }

    const fn inherits(self, config: &'static str) -> Self {
        Self { inherits: Some(config), ..self }
    }

    const fn documented(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }
}
