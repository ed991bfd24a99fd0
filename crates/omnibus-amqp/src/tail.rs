//! One place in a stream, from which its records are read one after the other, whoever else reads them.

use omnibus_engine::watch::Watch;
use omnibus_engine::{Engine, ReadError};
use omnibus_model::batch::StreamBounds;
use omnibus_model::topic::Partition;
use omnibus_model::{Offset, StreamId, Timestamp};
use omnibus_record::{AnyHeader, DECOMPRESSED_BYTES_MAX, InvalidBatch, Message, Messages, batches};

use crate::errors::Fault;
use crate::stream_arguments::Start;
use crate::stream_filter::Filter;

/// What is read at a time, at least and at most; one record is read whatever its size.
const BYTES_MIN: usize = 4 << 10;
const BYTES_MAX: usize = 1 << 20;

/// What a record has beside its body, about.
const HEAD_BYTES: usize = 256;

/// The most records that are read at a time.
const RECORDS_MAX: usize = 512;

/// Where somebody reads.
#[derive(Debug)]
pub(crate) struct Tail {
    engine: Engine,
    partition: Partition,
    next: Offset,
    watch: Watch,
    /// Which records are wanted; without it all are.
    filter: Option<Filter>,
    /// How much was read lately for each that was given out, so that not much more is read than that.
    record_bytes: usize,
}

impl Tail {
    /// Goes to where a reader wants to begin. All that was acknowledged before counts, whichever node did that.
    pub(crate) async fn begin(
        engine: &Engine,
        partition: Partition,
        (start, filter): (Start, Option<Filter>),
    ) -> Result<Self, Fault> {
        let stream = partition.stream;
        let watch = engine.watch(vec![stream]);
        engine.committed(partition.shard).await?;
        let bounds = engine.bounds(stream);
        let next = match start {
            Start::First => bounds.start,
            Start::Last => Offset(bounds.end.0.saturating_sub(1)).max(bounds.start),
            Start::Next => bounds.end,
            Start::At(offset) => offset.max(bounds.start),
            Start::Since(time) => came_at(engine, (stream, bounds), time).await?,
            Start::Ago(span) => came_at(engine, (stream, bounds), engine.now().minus(span)).await?,
        };
        Ok(Self { engine: engine.clone(), partition, next, watch, filter, record_bytes: BYTES_MIN })
    }

    pub(crate) const fn partition(&self) -> Partition {
        self.partition
    }

    /// Waits until there is something to read. Who stops waiting loses nothing.
    pub(crate) async fn grown(&mut self) {
        while self.engine.bounds(self.partition.stream).end <= self.next {
            self.watch.changed().await;
        }
    }

    /// Reads up to so many records, and stands behind them then; none if those that were next are gone or not wanted. Who
    /// stops waiting loses nothing.
    ///
    /// # Errors
    /// [`ReadError`]; the next time begins at the same place.
    pub(crate) async fn read(&mut self, count_max: usize) -> Result<Vec<Message>, ReadError> {
        let count_max = count_max.min(RECORDS_MAX);
        let bytes_max = self.record_bytes.saturating_mul(count_max).clamp(BYTES_MIN, BYTES_MAX);
        let fetched = match self.engine.read(self.partition.stream, self.next, bytes_max).await {
            Ok(fetched) => fetched,
            // Retention was faster.
            Err(ReadError::OutOfRange { start, .. }) if self.next < start => {
                self.next = start;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let (mut messages, mut next, mut bytes) = (Vec::new(), self.next, 0);
        'batches: for batch in fetched.pieces.into_iter().flat_map(batches) {
            let last = AnyHeader::read(&batch).map_err(unreadable)?.header.last_offset();
            for message in Messages::of(&batch, DECOMPRESSED_BYTES_MAX).map_err(unreadable)? {
                let message = message.map_err(unreadable)?;
                if message.offset < next {
                    continue;
                }
                if messages.len() >= count_max || bytes >= BYTES_MAX {
                    break 'batches;
                }
                next = message.offset.plus(1);
                bytes += message.body.len();
                if self.filter.as_ref().is_none_or(|filter| filter.takes(&message)) {
                    messages.push(message);
                }
            }
            // What stood behind the last record of a batch was taken out of it.
            next = next.max(Offset(last.cast_unsigned()).plus(1));
        }
        if next == self.next {
            return Err(ReadError::Disk { reason: format!("there is nothing at {next}") });
        }
        self.next = next;
        self.record_bytes = match bytes.checked_div(messages.len()) {
            Some(average) => average.saturating_add(HEAD_BYTES),
            // Where few are wanted, more is looked through at a time.
            None => self.record_bytes.saturating_mul(2).min(BYTES_MAX),
        };
        Ok(messages)
    }
}

/// Where the first record is that came at some time or later.
async fn came_at(
    engine: &Engine,
    (stream, bounds): (StreamId, StreamBounds),
    time: Timestamp,
) -> Result<Offset, Fault> {
    Ok(engine.offset_at(stream, time).await?.map_or(bounds.end, |found| found.offset))
}

fn unreadable(error: InvalidBatch) -> ReadError {
    ReadError::Disk { reason: error.to_string() }
}
