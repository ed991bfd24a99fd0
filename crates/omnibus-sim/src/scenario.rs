//! What one seed plays: sizes, crowds and how often what goes wrong. Every seed differs, so
//! that together they reach what no single mix would.

use std::sync::Arc;
use std::time::Duration;

use omnibus_broker::BrokerLimits;
use omnibus_log::{Choice, LogConfig};
use omnibus_model::Millis;

use crate::node::NodeConfig;
use crate::random::Random;

/// The names that topics are given.
pub(crate) const TOPIC_NAMES: [&str; 6] = ["topic-0", "topic-1", "topic-2", "topic-3", "topic-4", "topic-5"];

/// The name of a topic that is never deleted.
pub(crate) const KEPT_TOPIC: &str = "kept";

const KIB: u64 = 1 << 10;
const DECADE: Millis = Millis(10 * 365 * 24 * 3_600_000);

/// How one seed is played.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) node: NodeConfig,
    pub(crate) steps: u64,
    pub(crate) producers: u64,
    /// Members of the classic group.
    pub(crate) members: u64,
    /// Members of the consumer group.
    pub(crate) consumers: u64,
    /// Who uses queues, if anybody does.
    pub(crate) queues: Option<QueueCrowd>,
    pub(crate) faults: FaultRates,
    pub(crate) weights: Weights,
}

/// Those who use queues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueCrowd {
    pub(crate) senders: u64,
    pub(crate) receivers: u64,
    pub(crate) consumers: u64,
}

/// Each is once in so many steps; 0 is never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    pub(crate) power_cut: u64,
    pub(crate) process_kill: u64,
    pub(crate) write_error: u64,
    pub(crate) read_error: u64,
    pub(crate) full_disk: u64,
    pub(crate) rot: u64,
    pub(crate) clock_jump: u64,
}

impl FaultRates {
    const fn rarer(self, times: u64) -> Self {
        Self {
            power_cut: self.power_cut * times,
            process_kill: self.process_kill * times,
            write_error: self.write_error * times,
            full_disk: self.full_disk * times,
            ..self
        }
    }
}

/// How often the scheduler chooses what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) client: u64,
    pub(crate) propose: u64,
    pub(crate) write: u64,
    pub(crate) deliver: u64,
    pub(crate) tick: u64,
    pub(crate) housekeeping: u64,
}

impl Scenario {
    /// How long a silent member of the consumer group lives.
    pub(crate) const fn consumer_session(&self) -> Duration {
        Duration::from_millis(self.node.limits.consumer_session_timeout.0)
    }

    /// Every second seed plays queues, with fewer of all others.
    pub(crate) fn of(seed: u64, random: &mut Random) -> Self {
        let scenario = Self::draw(random);
        if seed.is_multiple_of(2) {
            return scenario;
        }
        let (senders, receivers) = (random.within(1..=3), random.within(2..=5));
        let crowd = QueueCrowd { senders, receivers, consumers: random.within(0..=3) };
        // Records come far only in a life that lasts.
        let faults = if random.once_in(2) { scenario.faults } else { scenario.faults.rarer(4) };
        let weights = Weights { client: scenario.weights.client * 2, deliver: 6, write: 6, ..scenario.weights };
        Self { producers: random.below(2), faults, weights, queues: Some(crowd), ..scenario }
    }

    fn draw(random: &mut Random) -> Self {
        Self {
            node: NodeConfig { log: log_config(random), limits: limits(random), clock: Arc::default() },
            steps: random.within(600..=1800),
            producers: random.within(2..=5),
            members: random.within(0..=3),
            consumers: random.within(0..=3),
            queues: None,
            faults: FaultRates {
                power_cut: rate(random, 150),
                process_kill: rate(random, 300),
                write_error: rate(random, 400),
                read_error: rate(random, 40),
                full_disk: rate(random, 300),
                rot: rate(random, 250),
                clock_jump: rate(random, 200),
            },
            weights: Weights {
                client: random.within(4..=12),
                propose: random.within(2..=8),
                write: random.within(1..=6),
                deliver: random.within(1..=6),
                tick: random.within(1..=2),
                housekeeping: random.within(1..=3),
            },
        }
    }
}

/// A fault that this seed may leave out.
fn rate(random: &mut Random, about: u64) -> u64 {
    if random.once_in(4) { 0 } else { random.within(about / 2..=about * 2) }
}

fn log_config(random: &mut Random) -> LogConfig {
    let segment_bytes = 64 * KIB * random.within(1..=3);
    LogConfig {
        segment_bytes,
        block_bytes_max: usize::try_from(4 * KIB * random.within(1..=4)).expect("a few thousand"),
        entry_bytes_max: 16 * 1024 * KIB,
        cache_bytes: [0, 16 * KIB, 1024 * KIB][random.place(3)],
        reserve_bytes: 2 * segment_bytes,
        spare_segments: random.place(3),
        zeroed_bytes_at_once: 64 * KIB * random.within(1..=3),
        recycled_segments_max: random.place(8),
        queued_entries_max: 1 << random.within(2..=6),
        seal_after: Duration::from_millis(20),
        manifest_bytes_max: 16 * KIB,
        direct_io: Choice::Auto,
        io_uring: Choice::Off,
        identity: random.draw(),
    }
}

/// Short enough that time passes, long enough that no memory expires that clients rely on.
fn limits(random: &mut Random) -> BrokerLimits {
    BrokerLimits {
        data_shards: u16::try_from(random.within(1..=3)).expect("at most three"),
        offsets_retention: DECADE,
        producer_expiry: DECADE,
        group_idle_timeout: DECADE,
        session_timeout_min: Millis(50),
        initial_rebalance_delay: Millis(30),
        new_member_join_timeout: Millis(500),
        consumer_session_timeout: Millis(300),
        ..BrokerLimits::default()
    }
}
