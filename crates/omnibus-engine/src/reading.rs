//! Reading records: from memory if they are there, or else from the disk, and then ahead.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::{Affected, Damage, Gravity, Log, ReadPlan, Rot};
use omnibus_model::{Offset, StreamId};
use tokio::task;

use crate::ahead::{AHEAD_BYTES_MAX, Found, Look, Next, Readied, Reserve};
use crate::engine::{Engine, Fetched, Loading};
use crate::error::ReadError;

/// How many answers are readied for a reader: the disk reads some at a time faster than one.
const PLACES_AHEAD: usize = 4;

impl Engine {
    /// Reads whole batches, from the one that holds `from` on, up to about `bytes_max`; the
    /// first is returned whatever its size.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, stream: StreamId, from: Offset, bytes_max: usize) -> Result<Fetched, ReadError> {
        let readied = self.inner.ahead.take((stream, from), bytes_max);
        let plan = self.inner.log.plan(stream, from, bytes_max)?;
        let bounds = plan.bounds;
        let is_in_order = readied.is_some();
        let found = match readied {
            // Whatever went wrong is met again below, and told.
            Some(Readied::Soon(reading)) => reading.await.ok().flatten(),
            Some(Readied::Now) | None => None,
        };
        let pieces = match found {
            Some(Found { pieces, next }) => {
                self.read_ahead(stream, next, bytes_max);
                pieces
            }
            None => self.read_now(stream, plan, is_in_order).await?,
        };
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.inner.counters.bytes_read.add(bytes as u64);
        Ok(Fetched { bounds, pieces })
    }

    /// Reads whole batches up to the end of `range`, else as [`Engine::read`] does; nothing is
    /// readied behind them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) async fn read_range(
        &self,
        stream: StreamId,
        range: Range<Offset>,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, ReadError> {
        let plan = Arc::new(self.inner.log.plan_range(stream, range, bytes_max)?);
        let pieces = match plan.cached() {
            Some(pieces) => pieces,
            None => self.load(&plan).await?,
        };
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.inner.counters.bytes_read.add(bytes as u64);
        Ok(pieces)
    }

    async fn read_now(&self, stream: StreamId, plan: ReadPlan, is_in_order: bool) -> Result<Vec<Bytes>, ReadError> {
        let plan = Arc::new(plan);
        let cached = plan.cached();
        let goes_on = is_in_order || cached.is_none();
        let pieces = match cached {
            Some(pieces) => pieces,
            None => self.load(&plan).await?,
        };
        if goes_on && let Some(next) = plan.next() {
            self.read_ahead(stream, next, plan.bytes_max());
        }
        Ok(pieces)
    }

    /// Who reads from the disk will likely want what follows: it is fetched while this
    /// answer is on its way.
    fn read_ahead(&self, stream: StreamId, from: Offset, bytes_max: usize) {
        if bytes_max <= AHEAD_BYTES_MAX && self.inner.loading == Loading::OnThreads {
            self.ready(stream, from, bytes_max, PLACES_AHEAD);
        }
    }

    /// Readies so many places from this one on, one after the other; each that is read goes on
    /// with the one behind it.
    fn ready(&self, stream: StreamId, from: Offset, bytes_max: usize, places: usize) {
        let mut from = from;
        for left in (1..=places).rev() {
            let next = match self.inner.ahead.look((stream, from)) {
                Look::Underway => return,
                Look::Behind(next) => Some(next),
                Look::Absent => self.ready_one(stream, from, bytes_max, left),
            };
            let Some(next) = next else { return };
            from = next;
        }
    }

    /// Readies one place; returns the one behind it if that is known at once.
    fn ready_one(&self, stream: StreamId, from: Offset, bytes_max: usize, left: usize) -> Option<Offset> {
        let (ahead, now) = (&self.inner.ahead, self.clock().elapsed());
        let reserve = if left == PLACES_AHEAD { Reserve::Use } else { Reserve::Leave };
        if !ahead.takes(bytes_max, now, reserve) {
            return None;
        }
        let plan = self.inner.log.plan(stream, from, bytes_max).ok().filter(|plan| !plan.is_empty())?;
        let next = Next::default();
        if plan.cached().is_some() {
            let behind = plan.next()?;
            next.get_or_init(|| behind);
            ahead.keep((stream, from), (Readied::Now, next), 0, now);
            return Some(behind);
        }
        let (engine, told) = (self.clone(), Arc::clone(&next));
        let reading = task::spawn_blocking(move || {
            let found = find(&engine.inner.log, &plan)?;
            let behind = *told.get_or_init(|| found.next);
            engine.ready(stream, behind, bytes_max, left - 1);
            Some(found)
        });
        ahead.keep((stream, from), (Readied::Soon(reading), next), bytes_max, now);
        None
    }

    async fn load(&self, plan: &Arc<ReadPlan>) -> Result<Vec<Bytes>, ReadError> {
        let met = |error| self.meet(error);
        if self.inner.loading == Loading::Here {
            return self.inner.log.load(plan).map_err(met);
        }
        let (log, plan) = (self.inner.log.clone(), Arc::clone(plan));
        let loaded = task::spawn_blocking(move || log.load(&plan)).await;
        match loaded {
            Ok(loaded) => loaded.map_err(met),
            Err(error) => Err(ReadError::Disk { reason: error.to_string() }),
        }
    }
}

impl Engine {
    /// What a reader could not read is mended, if that is possible; the reader is told that it could not.
    fn meet(&self, error: omnibus_log::ReadError) -> ReadError {
        if let omnibus_log::ReadError::Corrupt { stream, from, to, file, position } = &error {
            let affected = vec![Affected { stream: *stream, from: *from, to: *to }];
            let (what, gravity) = ("what was read", Gravity::Acknowledged);
            let damage = Damage { file: file.clone(), position: *position, block_seq: None, what, affected, gravity };
            self.inner.scrubbing.meet(Rot { damage, bytes: 0 });
        }
        error.into()
    }
}

fn find(log: &Log, plan: &ReadPlan) -> Option<Found> {
    let pieces = log.load(plan).ok()?;
    // A single batch may be longer than what was asked for; that is not kept for later.
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    if bytes == 0 || bytes > plan.bytes_max() {
        return None;
    }
    Some(Found { pieces, next: plan.next()? })
}
