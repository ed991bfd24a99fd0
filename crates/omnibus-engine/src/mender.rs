//! Mends what has rotted on this node's disk: records from what other nodes hold, the rest from memory.

use std::time::Duration;

use omnibus_log::{Affected, LogError, Rot, Stretch};
use omnibus_model::{Bug, Offset, planted};
use tokio::time::timeout;

use crate::blocking::blocking;
use crate::engine::Engine;
use crate::housekeeping::checkpoint_all;

/// How soon is tried again what nobody could help with, and how soon at first: files are given up step by step.
const TRY_EVERY: Duration = Duration::from_secs(10);
const TRY_SOON: Duration = Duration::from_secs(1);
const SOON_MAX: u32 = 10;

/// How much is written together, about.
const TOGETHER_BYTES: usize = 8 << 20;

pub(crate) async fn run(engine: Engine) {
    let mut news = engine.inner.scrubbing.news.subscribe();
    let mut tries = 0;
    loop {
        news.mark_unchanged();
        turn(&engine).await;
        tries += 1;
        let pause = if tries < SOON_MAX { TRY_SOON } else { TRY_EVERY };
        // Another node may be there by then, or a file given up.
        if timeout(pause, news.changed()).await.is_ok() {
            tries = 0;
        }
    }
}

/// Mends what can be now.
async fn turn(engine: &Engine) {
    let damaged = engine.scrub_status().damaged;
    let mut is_mended = false;
    for rot in damaged.iter().filter(|rot| !rot.damage.affected.is_empty()) {
        is_mended |= mend(engine, rot).await;
    }
    // A checkpoint that has rotted is saved again. Entries that a checkpoint has are not needed any more, and files that
    // hold nothing else are given up.
    let rest: Vec<Rot> = damaged.into_iter().filter(|rot| rot.damage.affected.is_empty()).collect();
    if is_mended || !rest.is_empty() {
        checkpoint_all(engine).await;
    }
    for rot in rest.iter().filter(|rot| !engine.inner.log.misses(rot)) {
        engine.inner.scrubbing.mended(rot, 0);
    }
}

/// Mends the records of a place; says whether that came to an end.
async fn mend(engine: &Engine, rot: &Rot) -> bool {
    let mut records = 0;
    for range in engine.inner.log.still_affected(rot) {
        if !planted(Bug::MendForgotten) && !mend_range(engine, &range).await {
            return false;
        }
        records += range.to.0 - range.from.0;
    }
    engine.inner.log.leave(&rot.damage.file);
    engine.inner.scrubbing.mended(rot, records);
    tracing::info!(file = rot.damage.file, position = rot.damage.position, records, "mended");
    true
}

async fn mend_range(engine: &Engine, range: &Affected) -> bool {
    let Some(peers) = engine.inner.peers.get() else { return false };
    let nodes = engine.catalog().nodes().into_iter().map(|(node, _)| node);
    for node in nodes.filter(|node| *node != engine.node() && peers.reaches(*node)) {
        let mut from = range.from;
        let mut is_mended = true;
        while from < range.to && is_mended {
            let mut together: Vec<Stretch> = Vec::new();
            while from < range.to && together.iter().map(Stretch::bytes).sum::<usize>() < TOGETHER_BYTES {
                let Some(stretch) = engine.fetch_records(node, range.stream, from..range.to).await else { break };
                if !goes_on(&stretch, from) {
                    break;
                }
                from = stretch.to;
                together.push(stretch);
            }
            is_mended = match write(engine, together).await {
                Ok(is_any) => is_any,
                Err(error) => {
                    tracing::warn!(%node, ?range, %error, "what the node has does not mend what has rotted");
                    false
                }
            };
        }
        if is_mended {
            return true;
        }
    }
    false
}

/// Whether a part of a stream goes on from somewhere. The first one may begin earlier: records are trimmed in the middle of a
/// batch, too, and a batch is mended whole.
fn goes_on(stretch: &Stretch, from: Offset) -> bool {
    stretch.from <= from && from < stretch.to
}

/// Says whether there was anything.
async fn write(engine: &Engine, stretches: Vec<Stretch>) -> Result<bool, LogError> {
    if stretches.is_empty() {
        return Ok(false);
    }
    let log = engine.inner.log.clone();
    match blocking(move || log.mend(stretches)).await {
        Ok(mended) => mended.map(|()| true),
        Err(_ended) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::StreamId;

    use super::*;

    #[test]
    fn a_batch_in_whose_midst_a_stream_begins_is_mended_whole() {
        let stretch = Stretch { stream: StreamId(1), from: Offset(225), to: Offset(227), batches: Vec::new() };
        let goes_on = |from| goes_on(&stretch, Offset(from));
        assert_eq!([224, 225, 226, 227].map(goes_on), [false, true, true, false]);
    }
}
