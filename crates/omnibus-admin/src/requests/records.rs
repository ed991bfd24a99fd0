//! Records, looked at without consuming them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use omnibus_admin_api::record::{HeaderView, Peek, Peeked, RecordView};
use omnibus_admin_api::{Code, Data, Problem};
use omnibus_engine::Engine;
use omnibus_model::topic::Partition;
use omnibus_model::{Offset, StreamId};
use omnibus_record::{AnyHeader, BatchHeader, InvalidBatch, Record, Records};

use super::topics;
use crate::errors::{Answer, Failure};
use crate::node::SharedNode;

/// Records of one partition in an answer that asks for no number.
const COUNT_DEFAULT: u32 = 10;

/// The most records of one partition that can be asked for.
const COUNT_MAX: u32 = 1_000;

/// An answer ends once its keys and values have as many bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A batch that holds more than this is not looked into.
const DECOMPRESSED_BYTES_MAX: u64 = 64 << 20;

/// What is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Where to begin.
#[derive(Clone, Copy, Debug)]
enum From {
    Earliest,
    /// So that the last record is the newest.
    Latest,
    Offset(u64),
}

/// What the answer holds so far.
struct Answering {
    records: Vec<RecordView>,
    bytes: usize,
}

pub(crate) async fn peek(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    query: Result<Query<Peek>, QueryRejection>,
) -> Answer<Peeked> {
    let Query(peek) = query?;
    let topic = topics::find(&node.engine, &name)?;
    let count = count(peek.count)?;
    let from = from(peek.from.as_deref())?;
    let partitions: Vec<(u32, Partition)> = match peek.partition {
        Some(number) => vec![(number, topics::partition(&topic, number)?)],
        None => topics::numbered(&topic).collect(),
    };
    let mut answering = Answering { records: Vec::new(), bytes: 0 };
    for (number, partition) in partitions {
        let start = start(&node.engine, partition.stream, from, count)?;
        let before = answering.records.len();
        read_partition(&node.engine, partition.stream, start, |record| answering.take(number, before, count, record))
            .await?;
    }
    let truncated = answering.is_full();
    Ok(Json(Peeked { records: answering.records, truncated }))
}

impl Answering {
    /// Takes a record; false once it wants no more of this partition.
    fn take(&mut self, partition: u32, before: usize, count: u32, record: &Record) -> bool {
        let wants = |taken: usize| taken - before < count as usize;
        if !wants(self.records.len()) || self.is_full() {
            return false;
        }
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        self.bytes += length(&record.key) + length(&record.value);
        self.records.push(view(partition, record));
        wants(self.records.len())
    }

    const fn is_full(&self) -> bool {
        self.bytes >= ANSWER_BYTES_MAX
    }
}

/// Hands over the records of a stream until `take` wants no more or the stream ends.
async fn read_partition(
    engine: &Engine,
    stream: StreamId,
    start: Offset,
    mut take: impl FnMut(&Record) -> bool,
) -> Result<(), Failure> {
    let mut next = start;
    while next < engine.bounds(stream).end {
        let fetched = engine.read(stream, next, READ_BYTES).await?;
        let read_from = next;
        for batch in fetched.pieces.into_iter().flat_map(omnibus_record::batches) {
            let header = AnyHeader::read(&batch).map_err(unreadable)?.header;
            for record in records(&batch, &header)? {
                let record = record.map_err(unreadable)?;
                if record.offset >= start && !take(&record) {
                    return Ok(());
                }
            }
            next = next.max(Offset(u64::try_from(header.last_offset()).unwrap_or_default() + 1));
        }
        if next == read_from {
            break;
        }
    }
    Ok(())
}

/// The records of a batch that somebody wrote; the broker's own marks are none.
fn records(batch: &Bytes, header: &BatchHeader) -> Result<impl Iterator<Item = Result<Record, InvalidBatch>>, Failure> {
    let records = Records::of(batch, DECOMPRESSED_BYTES_MAX).map_err(unreadable)?;
    Ok((!header.is_control()).then_some(records).into_iter().flatten())
}

fn start(engine: &Engine, stream: StreamId, from: From, count: u32) -> Result<Offset, Failure> {
    let bounds = engine.bounds(stream);
    match from {
        From::Earliest => Ok(bounds.start),
        From::Latest => Ok(Offset(bounds.end.0.saturating_sub(u64::from(count))).max(bounds.start)),
        From::Offset(offset) if (bounds.start.0..=bounds.end.0).contains(&offset) => Ok(Offset(offset)),
        From::Offset(offset) => {
            let message = format!("offset {offset} is not within {} to {}", bounds.start, bounds.end);
            Err(Problem::new(Code::OffsetOutOfRange, message).next("earliest and latest always work").into())
        }
    }
}

fn from(text: Option<&str>) -> Result<From, Failure> {
    match text {
        None | Some("latest") => Ok(From::Latest),
        Some("earliest") => Ok(From::Earliest),
        Some(number) => number.parse().map(From::Offset).map_err(|_| {
            Problem::new(Code::Invalid, format!("from={number}: write earliest, latest or an offset")).into()
        }),
    }
}

pub(crate) fn count(count: Option<u32>) -> Result<u32, Failure> {
    match count.unwrap_or(COUNT_DEFAULT) {
        count @ 1..=COUNT_MAX => Ok(count),
        count => Err(Problem::new(Code::Invalid, format!("count={count}: must be 1 to {COUNT_MAX}")).into()),
    }
}

pub(crate) fn view(partition: u32, record: &Record) -> RecordView {
    let data = |part: &Option<Bytes>| part.as_ref().map(|bytes| Data::new(bytes));
    let headers = record.headers.iter().map(|header| HeaderView {
        key: String::from_utf8_lossy(&header.key).into_owned(),
        value: data(&header.value),
    });
    RecordView {
        partition,
        offset: record.offset.0,
        timestamp: record.timestamp.0,
        key: data(&record.key),
        value: data(&record.value),
        headers: headers.collect(),
    }
}

pub(crate) fn unreadable(error: impl std::fmt::Display) -> Failure {
    Problem::new(Code::Damaged, format!("a stored batch cannot be read: {error}")).into()
}
