//! What became of a record before it came to the queue it is in.

use bytes::BufMut;
use bytestring::ByteString;
use omnibus_model::queue::{DeadLetterCause, Origin};
use omnibus_model::{MoveId, Offset, StreamId, Timestamp};

use super::input::Input;
use super::output;
use crate::error::InvalidBatch;

const REJECTED: u8 = 1;
const EXHAUSTED: u8 = 2;
const EXPIRED: u8 = 3;
const MOVED: u8 = 4;
const OVERFLOW: u8 = 5;

const PART: &str = "history";

/// Whence a record was moved, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Its place when it was new: what its identity rests on if its protocol gave it none.
    pub first: Origin,
    /// How often it became a dead letter.
    pub deaths: u32,
    /// How it left the queue that it was in last.
    pub last: Departure,
}

/// How a record left a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The queue's name.
    pub queue: ByteString,
    /// The record's place in it.
    pub from: Origin,
    pub cause: DeadLetterCause,
    /// How often it was delivered there.
    pub deliveries: u32,
    pub first_delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub at: Timestamp,
}

impl History {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Departure { queue, from, cause, deliveries, first_delivered_at, at } = &self.last;
        for place in [&self.first, from] {
            out.put_u64(place.stream.0);
            out.put_u64(place.offset.0);
        }
        out.put_u32(self.deaths);
        out.put_u32(*deliveries);
        out.put_i64(at.0);
        // No record was delivered before 1970.
        out.put_i64(first_delivered_at.map_or(-1, |time| time.0));
        write_cause(out, *cause);
        output::text(out, queue);
    }

    pub(super) fn read(mut input: Input) -> Result<Self, InvalidBatch> {
        let (first, from) = (read_place(&mut input)?, read_place(&mut input)?);
        let (deaths, deliveries) = (input.u32(PART)?, input.u32(PART)?);
        let at = Timestamp(input.i64(PART)?);
        let first_delivered_at = Some(Timestamp(input.i64(PART)?)).filter(|time| time.0 >= 0);
        let cause = read_cause(&mut input)?;
        let queue = input.text(PART)?;
        input.end(PART)?;
        Ok(Self { first, deaths, last: Departure { queue, from, cause, deliveries, first_delivered_at, at } })
    }
}

fn read_place(input: &mut Input) -> Result<Origin, InvalidBatch> {
    Ok(Origin { stream: StreamId(input.u64(PART)?), offset: Offset(input.u64(PART)?) })
}

fn write_cause(out: &mut Vec<u8>, cause: DeadLetterCause) {
    match cause {
        DeadLetterCause::Rejected => out.put_u8(REJECTED),
        DeadLetterCause::Exhausted => out.put_u8(EXHAUSTED),
        DeadLetterCause::Expired => out.put_u8(EXPIRED),
        DeadLetterCause::Moved(task) => {
            out.put_u8(MOVED);
            out.put_u64(task.0);
        }
        DeadLetterCause::Overflow => out.put_u8(OVERFLOW),
    }
}

fn read_cause(input: &mut Input) -> Result<DeadLetterCause, InvalidBatch> {
    match input.u8(PART)? {
        REJECTED => Ok(DeadLetterCause::Rejected),
        EXHAUSTED => Ok(DeadLetterCause::Exhausted),
        EXPIRED => Ok(DeadLetterCause::Expired),
        MOVED => Ok(DeadLetterCause::Moved(MoveId(input.u64(PART)?))),
        OVERFLOW => Ok(DeadLetterCause::Overflow),
        _ => Err(InvalidBatch::MessageMalformed { part: PART }),
    }
}
