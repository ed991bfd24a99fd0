//! How one message is shown.

use anyhow::Result;
use bytes::Bytes;
use omnibus_admin_api::Data;
use omnibus_admin_api::record::{HeaderView, RecordView};
use omnibus_record::Record;

/// How messages are shown.
#[derive(Debug)]
pub(super) enum Style {
    /// The bytes of the value as they are, and a line feed.
    Lines { key_separator: Option<String> },
    /// One object per line, bytes without loss.
    Json,
}

impl Style {
    /// Writes a message behind those that are to be shown with it.
    pub(super) fn write(&self, partition: i32, record: &Record, shown: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Json => serde_json::to_writer(&mut *shown, &view(partition, record))?,
            Self::Lines { key_separator } => {
                if let Some(separator) = key_separator {
                    shown.extend_from_slice(record.key.as_deref().unwrap_or_default());
                    shown.extend_from_slice(separator.as_bytes());
                }
                shown.extend_from_slice(record.value.as_deref().unwrap_or_default());
            }
        }
        shown.push(b'\n');
        Ok(())
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
