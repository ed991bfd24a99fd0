//! Who leads how much: each shard has a voter that should, so that all lead about as many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::{NodeId, ShardId};
use omnibus_peers::Lines;
use omnibus_raft::{OpenraftLog, Standing};
use omnibus_replication::{Leadership, ReplicatedLog};
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who was away gets something to lead when it was there at as many looks in a row.
const TRIAL_LOOKS: u32 = 5;

/// Who is to lead may lack as many entries: they are on their way.
const BEHIND_MAX: u64 = 256;

/// Hands shards over to those that should lead them, for as long as it is not aborted.
pub(crate) async fn run(node: NodeId, log: Arc<OpenraftLog>, lines: Lines) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // How often each voter was there in a row.
    let mut seen: BTreeMap<NodeId, u32> = BTreeMap::new();
    loop {
        ticks.tick().await;
        let voters = log.replicas(ShardId::METADATA).voters;
        seen =
            voters.iter().filter(|voter| lines.is_open(**voter)).map(|voter| (*voter, looks(&seen, *voter))).collect();
        for shard in (0..log.shards()).map(ShardId) {
            let standing = log.standing(shard);
            let Some(preferred) = preferred(&standing, shard).filter(|preferred| *preferred != node) else { continue };
            let leads = matches!(log.leadership(shard), Leadership::Here { .. });
            let is_steady = seen.get(&preferred).is_some_and(|looks| *looks >= TRIAL_LOOKS);
            if leads && is_steady && is_close(&standing, preferred) {
                transfer(&log, shard, preferred).await;
            }
        }
    }
}

fn looks(seen: &BTreeMap<NodeId, u32>, node: NodeId) -> u32 {
    seen.get(&node).map_or(1, |looks| looks.saturating_add(1))
}

/// Has the reachable voter lead a shard that lacks the least, if this node leads it.
pub(crate) async fn hand_over(node: NodeId, log: &OpenraftLog, lines: &Lines, shard: ShardId) {
    if !matches!(log.leadership(shard), Leadership::Here { .. }) {
        return;
    }
    let standing = log.standing(shard);
    let others = standing.replicas.voters.iter().filter(|voter| **voter != node && lines.is_open(**voter));
    let best = others.max_by_key(|voter| standing.confirmed.get(voter).copied().unwrap_or_default());
    if let Some(best) = best {
        transfer(log, shard, *best).await;
    }
}

async fn transfer(log: &OpenraftLog, shard: ShardId, to: NodeId) {
    tracing::info!(shard = shard.0, node = to.0, "another node is to lead the shard");
    if let Err(error) = log.transfer(shard, to).await {
        tracing::warn!(shard = shard.0, node = to.0, %error, "the shard was not handed over");
    }
}

/// Who should lead a shard: voters take turns.
fn preferred(standing: &Standing, shard: ShardId) -> Option<NodeId> {
    let voters = &standing.replicas.voters;
    let turn = usize::from(shard.0).checked_rem(voters.len())?;
    voters.iter().nth(turn).copied()
}

fn is_close(standing: &Standing, node: NodeId) -> bool {
    let confirmed = standing.confirmed.get(&node).copied().unwrap_or_default();
    standing.last.0.saturating_sub(confirmed.0) <= BEHIND_MAX
}
