//! What a queue's client is told has happened and cannot be lost: the message it sent is there, the
//! record it settled is gone, the record it was given is leased to it and is what was sent.

use super::Check;
use crate::fact::{Delivered, Fact};
use crate::oracle::Oracle;
use crate::queue_memory::{Fate, Known};

#[derive(Debug)]
pub(super) struct AnswersAreHistory;

impl Check for AnswersAreHistory {
    fn rule(&self) -> &'static str {
        "answers are history"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (stream, offset) = match fact {
            Fact::Sent { stream, offset, .. } => (*stream, *offset),
            Fact::Accepted { stream, key } => (*stream, key.offset),
            Fact::Delivered(delivered) => (delivered.stream, delivered.lease.key.offset),
            _ => return Ok(()),
        };
        if oracle.queues.dropped.contains(&stream) {
            return Ok(());
        }
        let memory = oracle.queues.by_stream.get(&stream);
        let known = memory.and_then(|memory| memory.records.get(&offset));
        let known = known.ok_or_else(|| format!("record {offset} of stream {stream} is not there: {fact:?}"))?;
        let found = match fact {
            Fact::Sent { number, .. } => is_message(known, Some(*number)),
            Fact::Accepted { .. } if known.fate != Fate::Gone && !known.was_accepted => {
                Err(String::from("it is told as done and is not"))
            }
            Fact::Delivered(delivered) => delivery(known, delivered, oracle),
            _ => Ok(()),
        };
        found.map_err(|detail| format!("record {offset} of stream {stream}: {detail}"))
    }
}

fn delivery(known: &Known, delivered: &Delivered, oracle: &Oracle) -> Result<(), String> {
    if !known.epochs.contains(&delivered.lease.key.epoch) {
        return Err(String::from("it was given to a client and not leased"));
    }
    let Some(number) = delivered.number else {
        return Err(String::from("nobody sent it"));
    };
    let origin = known.origin.and_then(|origin| {
        let source = oracle.queues.by_stream.get(&origin.stream)?;
        source.records.get(&origin.offset)?.number
    });
    if origin.is_some_and(|origin| origin != number) {
        return Err(format!("it is message {number}, its origin is {origin:?}"));
    }
    is_message(known, Some(number))
}

fn is_message(known: &Known, number: Option<u64>) -> Result<(), String> {
    match known.number {
        Some(_) if known.number != number => Err(format!("it is message {number:?}, and was {:?}", known.number)),
        _ => Ok(()),
    }
}
