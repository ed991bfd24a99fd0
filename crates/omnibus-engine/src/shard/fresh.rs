//! Transient messages of the group that is being filled: who is handed one may have it at once, for it needs not
//! outlive the leader, and that it was handed out is in the same group (ADR 0101).

use std::collections::{BTreeMap, VecDeque};

use omnibus_model::queue::{Envelope, Lease};
use omnibus_model::{Offset, StreamId};
use omnibus_record::{Message, SharedMessage};

/// What is remembered of them at a time; more are read from the log like any others.
const BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// In the order of their offsets.
    streams: BTreeMap<StreamId, Vec<(Offset, SharedMessage, Envelope)>>,
    bytes: usize,
}

impl Fresh {
    /// Remembers a message that was given its place.
    pub(super) fn add(&mut self, (stream, offset): (StreamId, Offset), message: &SharedMessage, envelope: Envelope) {
        let bytes = message.rest().len();
        if self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.streams.entry(stream).or_default().push((offset, message.clone(), envelope));
        }
    }

    /// The messages of some leases, if all of them are known, and how many bytes they have.
    pub(super) fn of(&self, stream: StreamId, leases: &[Lease]) -> Option<(VecDeque<Message>, usize)> {
        let known = self.streams.get(&stream)?;
        let mut bytes = 0;
        let message = |lease: &Lease| {
            let place = known.binary_search_by_key(&lease.key.offset, |(offset, ..)| *offset).ok()?;
            let (offset, message, envelope) = &known[place];
            bytes += message.rest().len();
            message.placed(*envelope, *offset).ok()
        };
        leases.iter().map(message).collect::<Option<_>>().map(|messages| (messages, bytes))
    }

    /// Forgets all: the group is closed.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
        self.bytes = 0;
    }
}
