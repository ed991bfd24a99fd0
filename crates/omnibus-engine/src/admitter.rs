//! Tells queues the envelopes of records that they did not look at when those came, because their
//! index was full (ADR 0026): read from the log, in order, when there is room.

use std::time::Duration;

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::Admit;
use omnibus_model::queue::Admission;
use omnibus_model::topic::Partition;
use omnibus_model::{Command, Offset, Timestamp};
use omnibus_record::{AnyHeader, InvalidBatch};

use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};

/// What is read at a time, at most.
const READ_BYTES: usize = 4 << 20;

/// How long it rests in between: an ordered queue that hands out one group asks again after every few
/// records, and each telling is an entry of the log.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a queue was not told.
#[derive(Debug, thiserror::Error)]
enum AdmitError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] InvalidBatch),
}

/// Runs until the engine ends.
pub(crate) async fn run(engine: Engine) {
    loop {
        turn(&engine).await;
        tokio::time::sleep(PAUSE).await;
        engine.inner.chores.admissions.filled().await;
    }
}

/// Reads for all queues that ask for it.
pub(crate) async fn turn(engine: &Engine) {
    for queue in engine.inner.chores.admissions.take() {
        match admit(engine, queue).await {
            Ok(()) => {}
            // Who leads its shard now has found out as much.
            Err(AdmitError::Submit(SubmitError::NotLeader { .. })) => {}
            // The next command that touches the queue asks again.
            Err(error) => tracing::warn!(stream = %queue.stream, %error, "records of a queue could not be looked at"),
        }
    }
}

/// Reads for a queue until it wants no more.
async fn admit(engine: &Engine, queue: Partition) -> Result<(), AdmitError> {
    let stream = queue.stream;
    let mut before = None;
    loop {
        let wanted = engine.ask(queue.shard, move |broker| broker.wants_admission(stream)).await?;
        let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != before) else { return Ok(()) };
        let admit = read(engine, queue, wanted).await?;
        engine.submit(queue.shard, Command::Admit(Box::new(admit))).await?;
        before = Some(wanted);
    }
}

/// Reads as many envelopes as come at once; what has been trimmed has none.
async fn read(engine: &Engine, queue: Partition, wanted: StreamBounds) -> Result<Admit, AdmitError> {
    let stream = queue.stream;
    let start = engine.bounds(stream).start.max(wanted.start);
    let mut admit = Admit { stream, from: wanted.start, to: start.min(wanted.end), records: Vec::new() };
    if start >= wanted.end {
        return Ok(admit);
    }
    // No more than that: while its groups are held, a queue asks again after every few records.
    let pieces = match engine.read_range(stream, start..wanted.end, READ_BYTES).await {
        Ok(pieces) => pieces,
        // Nobody can know what they asked for; whoever receives them is told of the damage.
        Err(ReadError::Damaged { to, .. }) => {
            admit.to = to.min(wanted.end).max(start.plus(1));
            return Ok(admit);
        }
        Err(error) => return Err(error.into()),
    };
    for record in pieces.into_iter().flat_map(omnibus_record::batches) {
        let header = AnyHeader::read(&record)?.header;
        let (base, end) = (header.base_offset.cast_unsigned(), header.last_offset().cast_unsigned());
        if base >= wanted.end.0 {
            break;
        }
        let envelope = omnibus_record::envelope_of(&record)?;
        if !envelope.is_plain() {
            let enqueued_at = Timestamp(header.max_timestamp);
            admit.records.push(Admission { offset: Offset(base), envelope, enqueued_at });
        }
        admit.to = Offset(end).plus(1).min(wanted.end);
    }
    Ok(admit)
}
