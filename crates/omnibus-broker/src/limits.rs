//! How much of everything there may be.

use omnibus_model::Millis;
use omnibus_model::topic::EffectiveConfig;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The bounds a broker works within. Part of its construction, not of its memory: every replica
/// of a shard is built with the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerLimits {
    /// The most partitions all topics may have together.
    pub partitions_max: u64,
    /// The most groups one shard may hold.
    pub groups_max: u64,
    pub group_members_max: u32,
    /// The most members that may hold an id without having joined, per group.
    pub group_pending_max: u32,
    pub session_timeout_min: Millis,
    pub session_timeout_max: Millis,
    /// How long the first round of a classic group waits for company.
    pub initial_rebalance_delay: Millis,
    /// How long a new classic member may wait for its first round to close.
    pub new_member_join_timeout: Millis,
    /// How often members of a consumer group shall send heartbeats.
    pub consumer_heartbeat_interval: Millis,
    pub consumer_session_timeout: Millis,
    /// How long offsets are kept once nobody reads.
    pub offsets_retention: Millis,
    /// How long a group with neither members nor offsets is remembered.
    pub group_idle_timeout: Millis,
    /// How long the sequence of a silent producer is remembered.
    pub producer_expiry: Millis,
    /// The most producers one shard may remember, counted per stream they write to.
    pub producers_max: u64,
    /// How long a dropped stream refuses appends that were under way.
    pub tombstone_retention: Millis,
    /// Shards 1 to this number hold the streams.
    pub data_shards: u16,
    pub exchanges_max: u64,
    /// The most bindings of all exchanges together, and of one.
    pub bindings_max: u64,
    pub exchange_bindings_max: u64,
    /// The most that one tick does; the rest stays due.
    pub tick_items_max: u32,
    /// What a topic's configuration inherits.
    pub defaults: EffectiveConfig,
}

impl Default for BrokerLimits {
    /// The values that clients of Kafka assume, and room for 10,000 topics of 16 partitions.
    fn default() -> Self {
        Self {
            partitions_max: 1_000_000,
            groups_max: 100_000,
            group_members_max: 10_000,
            group_pending_max: 10_000,
            session_timeout_min: Millis(6 * SECOND),
            session_timeout_max: Millis(30 * MINUTE),
            initial_rebalance_delay: Millis(3 * SECOND),
            new_member_join_timeout: Millis(5 * MINUTE),
            consumer_heartbeat_interval: Millis(5 * SECOND),
            consumer_session_timeout: Millis(45 * SECOND),
            offsets_retention: Millis(7 * DAY),
            group_idle_timeout: Millis(10 * MINUTE),
            producer_expiry: Millis(DAY),
            producers_max: 1_000_000,
            tombstone_retention: Millis(HOUR),
            data_shards: 16,
            exchanges_max: 100_000,
            bindings_max: 200_000,
            exchange_bindings_max: 10_000,
            tick_items_max: 10_000,
            defaults: EffectiveConfig::default(),
        }
    }
}
