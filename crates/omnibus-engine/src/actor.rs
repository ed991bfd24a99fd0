//! The task that owns a shard: brings it requests, commits and the time.

use std::sync::Arc;
use std::time::Duration;

use omnibus_io::Clock;
use omnibus_model::{LogIndex, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::shard::{Moment, Request, Shard};

/// Requests that may queue for one shard before those who ask must wait.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// Requests taken at a time.
const REQUESTS_AT_ONCE: usize = 128;

/// How soon a group that the log refused is offered again.
const RETRY: Duration = Duration::from_millis(50);

/// How far a shard's log is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Committed(LogIndex),
    Broken,
}

/// One shard with its two inputs.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) shard: Shard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) closing: watch::Receiver<bool>,
}

enum Event {
    Requests(usize),
    Progress,
    Time,
    Closing,
}

impl Actor {
    /// Runs until the engine closes and everything asked is answered; returns the shard.
    pub(crate) async fn run(mut self) -> Shard {
        let mut requests = Vec::with_capacity(REQUESTS_AT_ONCE);
        let mut stalled = None;
        loop {
            let event = self.next_event(&mut requests, stalled.is_some()).await;
            match event {
                Event::Requests(0) | Event::Closing => break,
                Event::Requests(_) => {}
                Event::Progress => self.take_progress(),
                Event::Time => self.shard.tick(moment(&*self.clock)),
            }
            stalled = self.carry_out(stalled, &mut requests);
            self.shard.propose();
        }
        self.drain(stalled, requests).await;
        self.shard
    }

    async fn next_event(&mut self, requests: &mut Vec<Request>, stalled: bool) -> Event {
        let wait = self.next_wait();
        tokio::select! {
            biased;
            changed = self.progress.changed() => match changed {
                Ok(()) => Event::Progress,
                Err(_) => Event::Requests(0),
            },
            count = self.requests.recv_many(requests, REQUESTS_AT_ONCE), if requests.is_empty() && !stalled => {
                Event::Requests(count)
            }
            _ = self.closing.changed() => Event::Closing,
            () = tokio::time::sleep(wait) => Event::Time,
        }
    }

    fn next_wait(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let retry = if self.shard.is_refused() { RETRY } else { LONG };
        self.shard.next_tick(moment(&*self.clock)).unwrap_or(LONG).min(retry)
    }

    /// Hands requests to the shard until one does not fit; returns that one.
    fn carry_out(&mut self, stalled: Option<Request>, requests: &mut Vec<Request>) -> Option<Request> {
        let now = moment(&*self.clock);
        let mut left = stalled.into_iter().chain(requests.drain(..));
        let mut misfit = None;
        for request in left.by_ref() {
            if !self.shard.takes(payload_bytes(&request)) {
                self.shard.propose();
            }
            if !self.shard.takes(payload_bytes(&request)) {
                misfit = Some(request);
                break;
            }
            self.shard.handle(now, request);
        }
        let rest: Vec<Request> = left.collect();
        *requests = rest;
        misfit
    }

    fn take_progress(&mut self) {
        let progress = *self.progress.borrow_and_update();
        match progress {
            Progress::Committed(index) => self.shard.committed(index),
            Progress::Broken => self.shard.fail(),
        }
    }

    /// Takes what was asked before the door closed, and waits until all of it is committed.
    async fn drain(&mut self, mut stalled: Option<Request>, mut requests: Vec<Request>) {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            requests.push(request);
        }
        loop {
            stalled = self.carry_out(stalled, &mut requests);
            self.shard.propose();
            if !self.shard.has_pending() || self.progress.changed().await.is_err() {
                break;
            }
            self.take_progress();
        }
    }
}

fn payload_bytes(request: &Request) -> usize {
    match request {
        Request::Append(appending) => appending.payload.len(),
        Request::Enqueue(enqueueing) => enqueueing.bytes(),
        Request::FanOut(fanning_out) => fanning_out.bytes(),
        _ => 0,
    }
}

/// Reads the clock.
pub(crate) fn moment(clock: &dyn Clock) -> Moment {
    Moment { wall: Timestamp(clock.wall_millis()), elapsed: clock.elapsed() }
}
