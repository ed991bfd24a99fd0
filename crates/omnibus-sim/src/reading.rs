//! Reads streams as front ends do, and says what was seen.

use bytes::Bytes;
use omnibus_log::{Log, ReadError};
use omnibus_model::{Offset, StreamId};
use omnibus_record::{BatchHeader, batches};

use crate::fact::{Reading, SeenBatch};
use crate::oracle::Oracle;

/// How much is read at once.
const READ_BYTES: usize = 8 << 10;

/// Reads from `from` on, about `bytes_max`, once.
///
/// # Errors
/// What no reader should ever be told.
pub(crate) fn read_some(
    log: &Log,
    oracle: &Oracle,
    (stream, from): (StreamId, Offset),
    bytes_max: usize,
) -> Result<Reading, String> {
    let mut reading = Reading { from, ..empty(log, stream) };
    match read(log, stream, from, bytes_max) {
        Ok(pieces) => note(&mut reading, pieces, oracle)?,
        Err(error) => note_error(&mut reading, error)?,
    }
    Ok(reading)
}

/// Reads a whole stream: what is damaged is passed over, what lies before it is not.
///
/// # Errors
/// What no reader should ever be told.
pub(crate) fn read_all(log: &Log, oracle: &Oracle, stream: StreamId) -> Result<Reading, String> {
    let mut reading = empty(log, stream);
    let mut from = reading.bounds.start;
    while from < reading.bounds.end {
        match read(log, stream, from, READ_BYTES) {
            Ok(pieces) => note(&mut reading, pieces, oracle)?,
            Err(error) => note_error(&mut reading, error)?,
        }
        let read_end = reading.batches.last().map(|batch| batch.end);
        let damaged_end = reading.damaged.last().map(|(_, to, _)| *to);
        let next = read_end.max(damaged_end).unwrap_or(from).max(from);
        if next == from {
            break;
        }
        from = next;
    }
    Ok(reading)
}

/// Takes the way of the engine: from memory if all is there, else from the disk.
fn read(log: &Log, stream: StreamId, from: Offset, bytes_max: usize) -> Result<Vec<Bytes>, ReadError> {
    let plan = log.plan(stream, from, bytes_max)?;
    plan.cached().map_or_else(|| log.load(&plan), Ok)
}

fn empty(log: &Log, stream: StreamId) -> Reading {
    let bounds = log.bounds(stream);
    Reading {
        stream,
        bounds,
        from: bounds.start,
        batches: Vec::new(),
        damaged: Vec::new(),
        unreadable: None,
        rot: None,
    }
}

fn note(reading: &mut Reading, pieces: Vec<Bytes>, oracle: &Oracle) -> Result<(), String> {
    for piece in pieces {
        let length = piece.len();
        let mut taken = 0;
        for batch in batches(piece) {
            taken += batch.len();
            let header = BatchHeader::read(&batch).map_err(|error| error.to_string())?;
            let base = Offset(header.base_offset.cast_unsigned());
            let end = Offset(header.last_offset().cast_unsigned()).plus(1);
            let message = oracle.find(&batch, reading.stream, base);
            reading.batches.push(SeenBatch { base, end, message, bytes: batch });
        }
        if taken != length {
            return Err(format!("stream {}: {} bytes of a read are no batch", reading.stream, length - taken));
        }
    }
    Ok(())
}

fn note_error(reading: &mut Reading, error: ReadError) -> Result<(), String> {
    match error {
        ReadError::Corrupt { from, to, file, .. } => reading.damaged.push((from, to, file)),
        ReadError::Io { .. } => reading.unreadable = Some(error.to_string()),
        // Nobody here asks for entries.
        ReadError::OffsetOutOfRange { .. } | ReadError::CorruptEntry { .. } => {
            return Err(format!("stream {}: {error}", reading.stream));
        }
    }
    Ok(())
}
