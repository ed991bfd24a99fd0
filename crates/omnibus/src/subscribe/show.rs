//! How one message is shown.

use anyhow::Result;
use bytes::Bytes;
use omnibus_admin_api::Data;
use omnibus_admin_api::record::{HeaderView, RecordView};
use omnibus_record::Record;

use crate::output;

/// How messages are shown.
#[derive(Debug)]
pub(super) enum Style {
    /// The bytes of the value as they are, and a line feed.
    Lines { key_separator: Option<String> },
    /// One object per line, bytes without loss.
    Json,
}

impl Style {
    pub(super) fn show(&self, partition: i32, record: &Record) -> Result<()> {
        match self {
            Self::Json => output::json_line(&view(partition, record)),
            Self::Lines { key_separator } => {
                let mut line = Vec::new();
                if let Some(separator) = key_separator {
                    line.extend_from_slice(record.key.as_deref().unwrap_or_default());
                    line.extend_from_slice(separator.as_bytes());
                }
                line.extend_from_slice(record.value.as_deref().unwrap_or_default());
                line.push(b'\n');
                output::raw(&line)
            }
        }
    }
}

fn view(partition: i32, record: &Record) -> RecordView {
    let data = |part: &Option<Bytes>| part.as_ref().map(|bytes| Data::new(bytes));
    let header = |header: &omnibus_record::Header| HeaderView {
        key: String::from_utf8_lossy(&header.key).into_owned(),
        value: data(&header.value),
    };
    RecordView {
        partition: u32::try_from(partition).unwrap_or_default(),
        offset: record.offset.0,
        timestamp: record.timestamp.0,
        key: data(&record.key),
        value: data(&record.value),
        headers: record.headers.iter().map(header).collect(),
    }
}
