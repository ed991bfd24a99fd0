//! The way blocks go to the disk: through io_uring, or by plain writes and a sync.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::{DiskFile, Durability};
use omnibus_model::{Bug, planted};

use crate::ring::Ring;

/// How many blocks may be on their way at once.
pub(crate) const FLIGHTS_MAX: usize = 2;

/// One of two ways that do the same to the same bytes.
#[derive(Debug)]
pub(crate) enum Device {
    Ring(Box<Ring>),
    /// Files with writes that no sync has followed yet.
    Plain {
        unsynced: Vec<Arc<dyn DiskFile>>,
    },
}

impl Device {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ring(_) => "io_uring",
            Self::Plain { .. } => "pwrite",
        }
    }

    /// Starts a write.
    pub(crate) fn submit(&mut self, file: &Arc<dyn DiskFile>, bytes: &Bytes, position: u64) -> io::Result<()> {
        match self {
            Self::Ring(ring) => ring.submit(file, bytes, position),
            Self::Plain { unsynced } => {
                file.write_at(bytes, position, Durability::Deferred)?;
                unsynced.push(Arc::clone(file));
                Ok(())
            }
        }
    }

    /// Waits until the oldest write is durable and returns how many of the oldest are.
    pub(crate) fn wait(&mut self) -> io::Result<usize> {
        match self {
            Self::Ring(ring) => ring.wait(),
            Self::Plain { unsynced } => {
                let writes = unsynced.len();
                // A segment ends before the next begins, so all writes went to one file.
                if let Some(file) = unsynced.last()
                    && !planted(Bug::AckBeforeSync)
                {
                    file.sync()?;
                }
                unsynced.clear();
                Ok(writes)
            }
        }
    }
}
