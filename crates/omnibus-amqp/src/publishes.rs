//! A connection's messages on their way to queues.

use futures_util::stream::FuturesOrdered;
use omnibus_engine::SubmitError;
use omnibus_engine::fan_out::Letter;
use omnibus_record::Message;

use crate::budget::Share;
use crate::later::Later;
use crate::queues::Queue;

/// Messages that are handed to the engine at a time, and their bytes.
const BATCH_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 256 << 10;

/// A connection's messages that are on their way.
#[derive(Default)]
pub(crate) struct Publishing {
    /// Handed over to the engine together with those that come next.
    batch: Batch,
    /// Those that are being written, in the order in which they came.
    pub(crate) under_way: FuturesOrdered<Later<Vec<Published>>>,
    /// All of them, and their bytes.
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Messages that came one right after the other.
#[derive(Default)]
struct Batch {
    messages: Vec<(Mark, Sealed, Share)>,
    bytes: usize,
}

impl Publishing {
    /// Adds a message; returns whether there are enough to be handed over.
    pub(crate) fn push(&mut self, message: (Mark, Sealed, Share)) -> bool {
        self.bytes += message.0.bytes;
        self.count += 1;
        self.batch.bytes += message.0.bytes;
        self.batch.messages.push(message);
        self.batch.messages.len() >= BATCH_MAX || self.batch.bytes >= BATCH_BYTES_MAX
    }

    /// Takes those that were not handed over yet.
    pub(crate) fn take_batch(&mut self) -> Vec<(Mark, Sealed, Share)> {
        std::mem::take(&mut self.batch).messages
    }

    /// Notes that a message is on its way no more.
    pub(crate) fn done(&mut self, mark: Mark) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(mark.bytes);
    }
}

/// Whose a publish is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) channel: u16,
    pub(crate) opening: u64,
    /// There if it is to be confirmed.
    pub(crate) number: Option<u64>,
    pub(crate) bytes: usize,
}

/// What became of a publish.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) mark: Mark,
    pub(crate) result: Result<(), SubmitError>,
}

/// A message as it is written.
pub(crate) struct Sealed {
    pub(crate) letter: Letter,
    pub(crate) bytes: usize,
    pub(crate) mortal: Option<Mortal>,
}

/// A message that is a dead letter if one of these queues is full.
pub(crate) struct Mortal {
    pub(crate) queues: Vec<Queue>,
    pub(crate) message: Message,
}
