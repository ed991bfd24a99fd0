//! A record is leased to one holder at a time, and only the holder of its latest lease is heard.
//! An ordered queue gives no record of a group away while an earlier one is there, so the group has
//! one holder; a record that came back goes again although later ones are still held.

use omnibus_model::queue::{Lease, LeaseKey};
use omnibus_model::{Command, Offset, Outcome, Timestamp};

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;
use crate::queue_memory::{Fate, Known, QueueMemory};

#[derive(Debug)]
pub(super) struct OneHolderEach;

impl Check for OneHolderEach {
    fn rule(&self) -> &'static str {
        "one holder each"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { stream, now, command, outcome, .. }) = fact else { return Ok(()) };
        let Some(memory) = oracle.queues.by_stream.get(stream) else { return Ok(()) };
        let found = match (command, outcome) {
            (_, Outcome::Acquired(acquired)) => granted(memory, *now, &acquired.leases),
            (Command::Settle { settlements, .. }, Outcome::Settled { results, .. }) => {
                let done = settlements.iter().zip(results).filter(|(_, result)| result.is_ok());
                heard(memory, done.map(|((key, _), _)| key))
            }
            (Command::Extend { leases, .. }, Outcome::Extended { results }) => {
                let done = leases.iter().zip(results).filter(|(_, result)| result.is_ok());
                heard(memory, done.map(|((key, _), _)| key))
            }
            _ => Ok(()),
        };
        found.map_err(|detail| format!("stream {stream} at {now}: {detail}"))
    }
}

fn granted(memory: &QueueMemory, now: Timestamp, leases: &[Lease]) -> Result<(), String> {
    for (place, lease) in leases.iter().enumerate() {
        let LeaseKey { offset, epoch } = lease.key;
        let Some(known) = memory.records.get(&offset) else {
            return Err(format!("record {offset} was leased, but never sent"));
        };
        if let Some((latest, until)) = known.lease
            && latest != epoch
            && until > now
        {
            return Err(format!("record {offset} was leased although it is held until {until}"));
        }
        if memory.is_ordered() && !known.epochs.contains(&epoch) {
            in_turn(memory, now, (offset, known), &leases[..place], leases)?;
        }
    }
    Ok(())
}

/// Checks the group of a record that an ordered queue gives away.
fn in_turn(
    memory: &QueueMemory,
    now: Timestamp,
    (offset, known): (Offset, &Known),
    before: &[Lease],
    all: &[Lease],
) -> Result<(), String> {
    let group = known.envelope.group.ok_or_else(|| format!("record {offset} has no group"))?;
    let among = |leases: &[Lease], offset: Offset| leases.iter().any(|lease| lease.key.offset == offset);
    for (other, its) in memory.of_group(group) {
        let held = its.lease.is_some_and(|(_, until)| until > now);
        let there = !memory.dying.contains(&other) && (memory.is_here(its) || (held && its.fate == Fate::Here));
        if other < offset && there && !among(before, other) {
            return Err(format!("record {offset} overtook {other} of its group"));
        }
        if other > offset && held && !known.was_out && !among(all, other) {
            return Err(format!("record {offset} goes out for the first time while {other} of its group is held"));
        }
    }
    Ok(())
}

fn heard<'a>(memory: &QueueMemory, keys: impl Iterator<Item = &'a LeaseKey>) -> Result<(), String> {
    for key in keys {
        let latest = memory.records.get(&key.offset).and_then(|known| known.epochs.last());
        if latest != Some(&key.epoch) {
            return Err(format!("{key:?} was heard, the latest lease is {latest:?}"));
        }
    }
    Ok(())
}
