//! Reading records: from memory if they are there, or else from the disk, and then ahead.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::ReadPlan;
use omnibus_model::{Offset, StreamId};
use tokio::task;

use crate::ahead::Readied;
use crate::engine::{Engine, Fetched};
use crate::error::ReadError;

impl Engine {
    /// Reads whole batches, from the one that holds `from` on, up to about `bytes_max`; the
    /// first is returned whatever its size.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, stream: StreamId, from: Offset, bytes_max: usize) -> Result<Fetched, ReadError> {
        let plan = Arc::new(self.inner.log.plan(stream, from, bytes_max)?);
        let bounds = plan.bounds;
        let readied = self.inner.ahead.take(stream, from);
        let is_in_order = readied.is_some();
        if let Some(Readied::Soon(reading)) = readied {
            // Whatever became of it, the cache tells.
            drop(reading.await);
        }
        let cached = plan.cached();
        let goes_on = is_in_order || cached.is_none();
        let pieces = match cached {
            Some(pieces) => pieces,
            None => self.load(&plan).await?,
        };
        if goes_on {
            self.read_ahead(stream, &plan);
        }
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.inner.counters.bytes_read.add(bytes as u64);
        Ok(Fetched { bounds, pieces })
    }

    /// Who reads from the disk will likely want what follows: it is fetched while this
    /// answer is on its way.
    fn read_ahead(&self, stream: StreamId, plan: &ReadPlan) {
        let Some(next) = plan.following().filter(|next| !next.is_empty()) else { return };
        let from = next.from();
        let log = self.inner.log.clone();
        let readied = match next.cached() {
            Some(_) => Readied::Now,
            None => Readied::Soon(task::spawn_blocking(move || drop(log.load(&next)))),
        };
        self.inner.ahead.keep(stream, from, readied);
    }

    async fn load(&self, plan: &Arc<ReadPlan>) -> Result<Vec<Bytes>, ReadError> {
        let (log, plan) = (self.inner.log.clone(), Arc::clone(plan));
        let loaded = task::spawn_blocking(move || log.load(&plan)).await;
        match loaded {
            Ok(loaded) => loaded.map_err(ReadError::from),
            Err(error) => Err(ReadError::Disk { reason: error.to_string() }),
        }
    }
}
