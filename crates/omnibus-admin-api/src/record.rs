//! Records, looked at without consuming them: `/v1/topics/{topic}/records`.

use serde::{Deserialize, Serialize};

use crate::data::Data;

/// Which records to look at, as the query of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peek {
    /// All partitions if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// The first offset, or one of `earliest` and `latest`: the last `count` records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The most records of each partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peeked {
    pub records: Vec<RecordView>,
    /// Whether more was there than one answer may hold.
    pub truncated: bool,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    pub partition: u32,
    pub offset: u64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub key: Option<Data>,
    pub value: Option<Data>,
    pub headers: Vec<HeaderView>,
}

/// One header of a record; keys may repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderView {
    pub key: String,
    pub value: Option<Data>,
}
