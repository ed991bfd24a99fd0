//! What one seed plays with several nodes.

use std::time::Duration;

use omnibus_broker::BrokerLimits;
use omnibus_log::{Choice, LogConfig};
use omnibus_model::{Millis, NodeId};

use crate::random::Random;

const KIB: u64 = 1 << 10;
const DECADE: Millis = Millis(10 * 365 * 24 * 3_600_000);

/// How one seed is played.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) node_count: u32,
    pub(crate) log: LogConfig,
    pub(crate) limits: BrokerLimits,
    pub(crate) housekeeping_interval: Duration,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) checkpoint_wal_bytes: u64,
    pub(crate) producers: u64,
    pub(crate) queue_clients: u64,
    /// For how long things go wrong, in milliseconds.
    pub(crate) millis: u64,
    /// How long it takes from one misfortune to the next at most.
    pub(crate) calm_millis_max: u64,
    /// The longest pause of a client, in milliseconds.
    pub(crate) pause_max: u64,
}

impl Scenario {
    pub(crate) fn draw(node_count: u32, random: &mut Random) -> Self {
        let segment_bytes = 64 * KIB * random.within(1..=2);
        Self {
            node_count,
            log: LogConfig {
                segment_bytes,
                block_bytes_max: usize::try_from(8 * KIB * random.within(1..=3)).expect("a few thousand"),
                entry_bytes_max: 16 * 1024 * KIB,
                cache_bytes: [0, 32 * KIB, 1024 * KIB][random.place(3)],
                reserve_bytes: 2 * segment_bytes,
                spare_segments: random.place(2),
                zeroed_bytes_at_once: 256 * KIB,
                recycled_segments_max: random.place(4),
                queued_entries_max: 1 << random.within(4..=7),
                seal_after: Duration::from_millis(20),
                manifest_bytes_max: 16 * KIB,
                direct_io: Choice::Auto,
                io_uring: Choice::Off,
                identity: 0,
            },
            limits: BrokerLimits {
                data_shards: u16::try_from(random.within(1..=2)).expect("a few"),
                offsets_retention: DECADE,
                producer_expiry: DECADE,
                group_idle_timeout: DECADE,
                ..BrokerLimits::default()
            },
            housekeeping_interval: Duration::from_millis(random.within(500..=2_000)),
            checkpoint_interval: Duration::from_millis(random.within(1_000..=4_000)),
            checkpoint_wal_bytes: 64 * KIB * random.within(1..=4),
            producers: random.within(1..=3),
            queue_clients: random.below(3),
            millis: random.within(8_000..=20_000),
            calm_millis_max: [800, 2_000, 4_000][random.place(3)],
            pause_max: [40, 150, 400][random.place(3)],
        }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.node_count).map(NodeId)
    }
}
