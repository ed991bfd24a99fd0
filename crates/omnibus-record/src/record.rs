//! A record of Kafka's.

use bytes::Bytes;
use omnibus_model::{Offset, Timestamp};

/// One record. Its bytes are slices of its batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub key: Option<Bytes>,
    /// `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// In the order they were written; keys may repeat.
    pub headers: Vec<Header>,
}

/// One header of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub key: Bytes,
    pub value: Option<Bytes>,
}
