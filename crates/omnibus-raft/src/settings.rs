//! How openraft is set up. Its defaults do not fit what acknowledgement means here (ADR 0035).

use std::sync::Arc;

use openraft::{Config, SnapshotPolicy};

/// The settings of every group.
///
/// # Panics
/// If openraft does not accept them: they are constants.
pub(crate) fn settings() -> Arc<Config> {
    let config = Config {
        cluster_name: "omnibus".to_owned(),
        heartbeat_interval: 200,
        election_timeout_min: 1000,
        election_timeout_max: 2000,
        max_payload_entries: 8,
        // Checkpoints are taken by their owner, who tells of them.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        replication_lag_threshold: u64::MAX / 2,
        enable_pre_vote: Some(true),
        // A leader that starts again must be elected again: what it had not flushed is gone, and
        // acknowledged writes with it otherwise.
        enable_leader_restore: Some(false),
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
        let settings = settings();
        assert_eq!((settings.enable_leader_restore, settings.allow_log_reversion), (Some(false), None));
        assert_eq!((settings.enable_pre_vote, settings.snapshot_policy.clone()), (Some(true), SnapshotPolicy::Never));
    }
}
