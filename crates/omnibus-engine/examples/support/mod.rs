//! What the measurements begin with.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::{SystemClock, SystemDisk, SystemEntropy};
use omnibus_model::queue::Envelope;
use omnibus_model::{Offset, Timestamp};
use omnibus_record::{Message, Native, SqsNative};

/// Opens an engine in a new directory.
pub(crate) fn open(directory: &str) -> Result<(Engine, Running), Box<dyn Error>> {
    let seams = Seams {
        disk: Arc::new(SystemDisk::open(directory)?),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open()?),
    };
    // Nothing is written but what is measured.
    let long = Duration::from_secs(3600);
    let config = EngineConfig {
        housekeeping_interval: long,
        checkpoint_interval: long,
        checkpoint_wal_bytes: u64::MAX,
        ..EngineConfig::default()
    };
    Ok(Engine::open(seams, config)?)
}

/// A message with a body of so many bytes.
pub(crate) fn message(engine: &Engine, body_bytes: usize) -> Message {
    let timestamp = Timestamp(engine.clock().wall_millis());
    let native = SqsNative { id: 7, sent_at: timestamp, ..SqsNative::default() };
    Message {
        offset: Offset::ZERO,
        timestamp,
        envelope: Envelope::default(),
        native: Native::Sqs(native),
        history: None,
        body: Bytes::from(vec![7; body_bytes]),
    }
}
