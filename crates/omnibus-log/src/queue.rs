//! The hand-over of entries and marks to the writer: bounded, and never blocking who submits.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::block::{BlockSize, Record};
use crate::entry::Entry;
use crate::mark::OnMarked;

/// As many frames as one block can count, with room for marks that the writer adds.
const FRAMES_MAX: usize = 1 << 15;

/// Something on its way to the writer.
pub(crate) struct Queued {
    pub(crate) record: Record,
    /// Who waits for a mark.
    pub(crate) done: Option<OnMarked>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Queued").field(&self.record).finish()
    }
}

/// Entries and marks on their way to the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    arrived: Condvar,
    entries_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Queued>,
    closed: bool,
    woken: bool,
}

/// Why an entry did not get into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// What the writer finds in the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// What fits into the next block; never empty.
    Entries(Vec<Queued>),
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl Queue {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), entries_max }
    }

    pub(crate) fn push(&self, entry: Entry) -> Result<(), Refused> {
        let mut waiting = self.state.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        if waiting.entries.len() >= self.entries_max {
            return Err(Refused::Full);
        }
        waiting.entries.push_back(Queued { record: Record::Entry(entry), done: None });
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes what was decided before, however much waits: whoever decided has a bound.
    pub(crate) fn push_decided(&self, queued: Queued) -> Result<(), Queued> {
        let mut waiting = self.state.lock();
        if waiting.closed {
            return Err(queued);
        }
        waiting.entries.push_back(queued);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Whether no more entries should come now.
    pub(crate) fn is_full(&self) -> bool {
        self.state.lock().entries.len() >= self.entries_max
    }

    /// Takes what fits into a block of `bytes_max`, or one entry that is longer.
    pub(crate) fn take(&self, bytes_max: usize) -> Taken {
        let mut waiting = self.state.lock();
        let Some(first) = waiting.entries.pop_front() else {
            return if waiting.closed { Taken::Closed } else { Taken::Nothing };
        };
        let mut size = BlockSize::of_record(&first.record);
        let mut taken = vec![first];
        while let Some(next) = waiting.entries.front() {
            size = size.plus(BlockSize::of_record(&next.record));
            if size.block_bytes() > bytes_max || taken.len() >= FRAMES_MAX {
                break;
            }
            taken.extend(waiting.entries.pop_front());
        }
        Taken::Entries(taken)
    }

    /// Waits until something is there to take, or somebody calls, or `time` has passed.
    /// Returns whether it has passed.
    pub(crate) fn wait(&self, time: Option<Duration>) -> bool {
        let mut waiting = self.state.lock();
        loop {
            if !waiting.entries.is_empty() || waiting.closed || std::mem::take(&mut waiting.woken) {
                return false;
            }
            match time {
                None => self.arrived.wait(&mut waiting),
                Some(time) => {
                    if self.arrived.wait_for(&mut waiting, time).timed_out() {
                        return waiting.entries.is_empty() && !waiting.closed;
                    }
                }
            }
        }
    }

    /// Waits a while for somebody to call, whatever else there is to do.
    pub(crate) fn wait_for_call(&self, time: Duration) {
        let mut waiting = self.state.lock();
        if !std::mem::take(&mut waiting.woken) {
            self.arrived.wait_for(&mut waiting, time);
        }
    }

    /// Calls the writer.
    pub(crate) fn call(&self) {
        self.state.lock().woken = true;
        self.arrived.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Takes no more entries; those that are in it will still be written.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Takes no more entries and hands out those that are in it.
    pub(crate) fn abandon(&self) -> VecDeque<Queued> {
        let mut waiting = self.state.lock();
        waiting.closed = true;
        std::mem::take(&mut waiting.entries)
    }
}
