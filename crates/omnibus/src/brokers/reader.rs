//! Reads partitions of one leader, each from its own position on.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};
use omnibus_kafka::client::{Connection, check};
use omnibus_kafka::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use omnibus_kafka::wire::messages::fetch_response::PartitionData;
use omnibus_kafka::wire::{ApiKey, ErrorCode};
use omnibus_record::BatchHeader;

use super::TopicAt;

/// A reader of some partitions of one topic that have the same leader.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
    topic: TopicAt,
    /// The next offset of each partition.
    next: BTreeMap<i32, i64>,
    bytes_max: i32,
}

/// One batch that was read.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) partition: i32,
    pub(crate) header: BatchHeader,
    pub(crate) batch: Bytes,
    /// Records before this offset were not asked for.
    pub(crate) from: i64,
}

impl Reader {
    /// Begins to read; `bytes_max` bounds each partition's part of an answer.
    pub(crate) const fn new(connection: Connection, topic: TopicAt, bytes_max: i32) -> Self {
        Self { connection, topic, next: BTreeMap::new(), bytes_max }
    }

    /// Reads a partition from `offset` on, too.
    pub(crate) fn add(&mut self, partition: i32, offset: i64) {
        self.next.insert(partition, offset);
    }

    /// The next offset of each partition.
    pub(crate) const fn positions(&self) -> &BTreeMap<i32, i64> {
        &self.next
    }

    /// Waits up to `wait_ms` for something new, and returns it.
    pub(crate) async fn fetch(&mut self, wait_ms: i32) -> Result<Vec<Fetched>> {
        let response = self.connection.call(&self.request(wait_ms)).await?;
        check(ApiKey::Fetch, response.error_code)?;
        let mut fetched = Vec::new();
        for partition in response.responses.into_iter().flat_map(|topic| topic.partitions) {
            self.take(partition, &mut fetched)?;
        }
        Ok(fetched)
    }

    fn request(&self, wait_ms: i32) -> FetchRequest {
        let partition = |(number, offset): (&i32, &i64)| FetchPartition {
            partition: *number,
            current_leader_epoch: -1,
            fetch_offset: *offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: self.bytes_max,
            ..FetchPartition::default()
        };
        let partitions = self.next.iter().map(partition).collect();
        FetchRequest {
            replica_id: -1,
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: i32::MAX,
            session_id: 0,
            session_epoch: -1,
            topics: vec![FetchTopic { topic: self.topic.name.clone(), topic_id: self.topic.id, partitions }],
            ..FetchRequest::default()
        }
    }

    fn take(&mut self, data: PartitionData, fetched: &mut Vec<Fetched>) -> Result<()> {
        let partition = data.partition_index;
        let Some(next) = self.next.get_mut(&partition) else { return Ok(()) };
        if ErrorCode::from_number(data.error_code) == Some(ErrorCode::OffsetOutOfRange) {
            bail!(
                "partition {partition} of {} no longer holds offset {next}; it begins at {}",
                self.topic.name,
                data.log_start_offset
            );
        }
        check(ApiKey::Fetch, data.error_code)?;
        for batch in omnibus_record::batches(joined(data.records.unwrap_or_default().0)) {
            let header = BatchHeader::read(&batch)?;
            fetched.push(Fetched { partition, header, batch, from: *next });
            *next = header.last_offset() + 1;
        }
        Ok(())
    }
}

/// Record batches as one piece; they nearly always are.
fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([piece]) => piece,
        Err(pieces) => {
            let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
            pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
            joined.freeze()
        }
    }
}
