//! Looks at everything the node has, and compares it with everything that is known.

use crate::fact::{Fact, Reading};
use crate::node::{Found, Node};
use crate::oracle::{Drop, Fate};
use crate::reading::read_all;
use crate::stage::Stage;
use crate::violation::Violation;

/// Checks what opening found, before anything else happens.
///
/// # Errors
/// The rule that does not hold.
pub(crate) fn opened(stage: &mut Stage, found: &Found) -> Result<(), Violation> {
    let term = stage.node.term;
    stage.see(&Fact::Opened { term })?;
    for checkpoint in &found.checkpoints {
        let digest = stage.shadow.digest_of(&checkpoint.state);
        let digest = digest.map_err(|detail| Violation::new("checkpoints can be read", detail))?;
        stage.see(&Fact::CheckpointFound { shard: checkpoint.shard, index: checkpoint.index, digest })?;
    }
    for entry in &found.entries {
        stage.see(&Fact::Replayed { shard: entry.shard, index: entry.index, head: &entry.head })?;
    }
    for shard in stage.node.shard_ids() {
        let (last, broker) = (found.last[usize::from(shard.0)], stage.node.shards[usize::from(shard.0)].broker());
        let digest = broker.digest();
        let followed = stage.shadow.follow(shard, broker);
        stage.see(&Fact::Recovered { shard, last, digest })?;
        followed.map_err(|detail| Violation::new("checkpoints can be read", detail))?;
        stage.decided(shard, last)?;
        stage.undecided.forget(shard);
    }
    stage.list_queues()
}

/// Reads every stream after a restart, and decides the fates that were unknown.
///
/// # Errors
/// The rule that does not hold.
pub(crate) fn restarted(stage: &mut Stage) -> Result<(), Violation> {
    for reading in readings(stage, None)? {
        let known_end = stage.oracle.streams.get(&reading.stream).map(|expected| expected.known_end(&stage.oracle));
        let unseen = known_end.is_some_and(|known_end| reading.bounds.start > known_end);
        stage.seen(&Fact::Audited(&reading), &reading)?;
        if !unseen {
            settle_fates(stage, &reading);
        }
    }
    missing(stage)
}

/// Reads every stream of a running node.
///
/// # Errors
/// The rule that does not hold.
pub(crate) fn running(stage: &mut Stage) -> Result<(), Violation> {
    for reading in readings(stage, None)? {
        stage.seen(&Fact::Audited(&reading), &reading)?;
    }
    missing(stage)
}

/// Reads every stream of another node, on a copy of the disk where one bit was turned over;
/// returns whether the node told of damage.
///
/// # Errors
/// The rule that does not hold.
pub(crate) fn rotten(stage: &mut Stage, node: Node, found: &Found, file: &str) -> Result<bool, Violation> {
    let healthy = std::mem::replace(&mut stage.node, node);
    let audited = look_at_rot(stage, found, file);
    stage.node = healthy;
    audited
}

fn look_at_rot(stage: &mut Stage, found: &Found, file: &str) -> Result<bool, Violation> {
    for shard in stage.node.shard_ids() {
        let last = found.last[usize::from(shard.0)];
        let digest = stage.node.shards[usize::from(shard.0)].broker().digest();
        stage.see(&Fact::Recovered { shard, last, digest })?;
    }
    let readings = readings(stage, Some(file))?;
    for reading in &readings {
        stage.see(&Fact::Audited(reading))?;
    }
    missing(stage)?;
    Ok(readings.iter().any(|reading| !reading.damaged.is_empty()))
}

fn readings(stage: &mut Stage, rot: Option<&str>) -> Result<Vec<Reading>, Violation> {
    stage.tally.audits += 1;
    let streams = stage.node.log.streams();
    let streams = streams.into_iter().filter(|stream| !stage.oracle.queue_streams.contains(stream));
    let readings = streams.map(|stream| {
        let reading = read_all(&stage.node.log, &stage.oracle, stream);
        let reading = reading.map_err(|detail| Violation::new("reads succeed", detail))?;
        if let Some(reason) = reading.unreadable {
            return Err(Violation::new("reads succeed", reason));
        }
        Ok(Reading { rot: rot.map(str::to_owned), ..reading })
    });
    readings.collect()
}

fn missing(stage: &mut Stage) -> Result<(), Violation> {
    let present = stage.node.log.streams();
    let missing = stage.oracle.streams.keys().filter(|stream| !present.contains(stream));
    let missing: Vec<_> = missing.copied().collect();
    missing.into_iter().try_for_each(|stream| stage.see(&Fact::Missing { stream }))
}

/// What was not there after a restart must never appear.
fn settle_fates(stage: &mut Stage, reading: &Reading) {
    let dropped = stage.oracle.streams.get(&reading.stream).is_some_and(|expected| expected.drop != Drop::No);
    if dropped {
        return;
    }
    for message in stage.oracle.unknown(reading.stream) {
        stage.oracle.set_fate(message, Fate::Absent);
    }
}
