//! How openraft is set up. Its defaults do not fit what acknowledgement means here (ADR 0035).

use std::sync::Arc;

use omnibus_model::{Bug, ShardId, planted};
use openraft::{Config, SnapshotPolicy};

/// The shortest that a leader may be silent until another is asked for, in milliseconds; the lease that it had comes on top.
const ELECTION_TIMEOUT_MIN: u64 = 770;

/// How much of it is left to chance.
const ELECTION_TIMEOUT_CHANCE: u64 = 30;

/// How much later the next in turn asks, and how many turns there are.
const TURN: u64 = 50;
const TURNS: u64 = 5;

/// The settings of a group on a node.
///
/// When a leader has gone, it is another node's turn in each group to be the first that asks for votes: by chance alone,
/// in one of so many groups two would ask at the same time, and both wait for another timeout.
///
/// # Panics
/// If openraft does not accept them: they are constants.
pub(crate) fn settings(node: u64, shard: ShardId) -> Arc<Config> {
    let election_timeout_min = ELECTION_TIMEOUT_MIN + TURN * (node.wrapping_add(shard.0.into()) % TURNS);
    let config = Config {
        cluster_name: "omnibus".to_owned(),
        heartbeat_interval: 150,
        // A leader's lease is as long as the longest timeout, and the timeout begins when the lease has ended: who is gone is
        // replaced after 1.6 to 2 s.
        election_timeout_min,
        election_timeout_max: election_timeout_min + ELECTION_TIMEOUT_CHANCE,
        max_payload_entries: 8,
        // Checkpoints are taken by their owner, who tells of them.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        replication_lag_threshold: u64::MAX / 2,
        enable_pre_vote: Some(true),
        // A leader that starts again must be elected again: what it had not flushed is gone, and
        // acknowledged writes with it otherwise.
        enable_leader_restore: Some(planted(Bug::LeaderRestored)),
        // A node never takes back what it said it has.
        allow_log_reversion: None,
        ..Config::default()
    };
    Arc::new(config.validate().expect("the settings are constants"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_are_not_restored_and_logs_never_revert() {
        let settings = settings(1, ShardId(0));
        assert_eq!((settings.enable_leader_restore, settings.allow_log_reversion), (Some(false), None));
        assert_eq!((settings.enable_pre_vote, settings.snapshot_policy.clone()), (Some(true), SnapshotPolicy::Never));
    }

    #[test]
    fn nodes_side_by_side_do_not_ask_for_votes_at_the_same_time() {
        let asks = |node, shard| {
            let settings = settings(node, ShardId(shard));
            let lease = settings.election_timeout_max;
            lease + settings.election_timeout_min..lease + settings.election_timeout_max
        };
        for shard in 0..17 {
            for (one, other) in [(1, 2), (2, 3), (1, 3), (3, 5), (1, 4)] {
                let (one, other) = (asks(one, shard), asks(other, shard));
                assert!(one.end + 50 < other.start || other.end + 50 < one.start, "{one:?} and {other:?}");
                assert!(one.start >= 1_550 && one.end <= 2_000);
            }
        }
    }
}
