//! The task that owns a shard: brings it requests, what the log tells, and the time, and has its broker
//! rebuilt.

use std::sync::Arc;
use std::time::Duration;

use omnibus_io::Clock;
use omnibus_model::Timestamp;
use tokio::sync::watch;
use tokio::task;

use crate::blocking::blocking;
use crate::chores::Chores;
use crate::departing::Leftovers;
use crate::events::{EventReceiver, Progress};
use crate::health::Health;
use crate::lanes::Asked;
use crate::rebuild::{RebuildError, Rebuilt};
use crate::shard::{Moment, Office, Request, Shard};

/// How long who closes waits for the next commit: a leader without a majority would wait for ever.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// How soon a group that the log refused is offered again.
const RETRY: Duration = Duration::from_millis(50);

/// One shard with its inputs.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) shard: Shard,
    /// What is to be finished if this node leads first.
    pub(crate) leftovers: Leftovers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) asked: Asked,
    pub(crate) events: EventReceiver,
    pub(crate) health: Arc<watch::Sender<Health>>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) chores: Arc<Chores>,
    pub(crate) rebuilding: Option<Rebuilding>,
    /// It was told that this node leads.
    pub(crate) has_office: bool,
}

/// How soon the clock is looked at again: it counts milliseconds.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A broker that is being rebuilt, where it may be waited for the disk.
type Rebuilding = task::JoinHandle<Result<Rebuilt, RebuildError>>;

enum Event {
    Requests,
    Progress,
    Rebuilt(Result<Rebuilt, RebuildError>),
    Time,
    Closing,
}

impl Actor {
    /// Runs until the engine closes and everything asked is answered; returns the shard.
    pub(crate) async fn run(mut self) -> Shard {
        loop {
            match self.next_event().await {
                Event::Closing => break,
                // What was told before something was asked counts for the answer.
                Event::Requests | Event::Progress => self.take_progress(),
                Event::Rebuilt(rebuilt) => self.take_rebuilt(rebuilt),
                Event::Time => self.shard.tick(moment(&*self.clock)),
            }
            self.carry_out();
            self.shard.propose();
            self.rebuild();
            self.tell_office();
            if self.asked.has_more() {
                // Whoever has been answered comes first.
                task::yield_now().await;
            }
        }
        self.drain().await;
        self.shard
    }

    async fn next_event(&mut self) -> Event {
        let wait = self.next_wait();
        tokio::select! {
            biased;
            filled = self.events.filled() => if filled.is_ok() { Event::Progress } else { Event::Closing },
            rebuilt = rebuilt(&mut self.rebuilding) => Event::Rebuilt(rebuilt),
            filled = self.asked.fill() => if filled { Event::Requests } else { Event::Closing },
            _ = self.closing.changed() => Event::Closing,
            () = tokio::time::sleep(wait) => Event::Time,
        }
    }

    fn next_wait(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let retry = if self.shard.is_refused() { RETRY } else { LONG };
        // What is due at this very millisecond may be over only in the next.
        self.shard.next_tick(moment(&*self.clock)).unwrap_or(LONG).min(retry).max(TICK_MIN)
    }

    /// Hands requests to the shard, of each lane until one does not fit.
    fn carry_out(&mut self) {
        let now = moment(&*self.clock);
        for lane in self.asked.lanes() {
            while let Some(request) = lane.taken.front() {
                let bytes = payload_bytes(request);
                if !self.shard.takes(bytes) {
                    self.shard.propose();
                }
                if !self.shard.takes(bytes) {
                    break;
                }
                lane.taken.pop_front().into_iter().for_each(|request| self.shard.handle(now, request));
            }
        }
    }

    /// Takes all that the log has told.
    fn take_progress(&mut self) {
        while let Some(progress) = self.events.take() {
            match progress {
                Progress::Told(event) => match self.shard.told(moment(&*self.clock), event) {
                    Ok(office) => self.take_office(office),
                    Err(reason) => self.break_down(reason),
                },
                Progress::Broken => self.shard.fail(),
            }
        }
    }

    fn take_rebuilt(&mut self, rebuilt: Result<Rebuilt, RebuildError>) {
        self.rebuilding = None;
        match rebuilt {
            Ok(rebuilt) => {
                let office = self.shard.rebuilt(moment(&*self.clock), rebuilt);
                self.take_office(office);
            }
            Err(error) => self.break_down(error.to_string()),
        }
    }

    fn take_office(&mut self, office: Office) {
        match office {
            Office::Taken => {
                let leftovers = std::mem::take(&mut self.leftovers);
                self.shard.finish(&leftovers);
                self.chores.take_office(self.shard.id());
            }
            Office::Unchanged => {}
        }
    }

    /// Tells those who do what only a leader's node does.
    fn tell_office(&mut self) {
        let leads = self.shard.is_leading();
        if std::mem::replace(&mut self.has_office, leads) == leads {
            return;
        }
        if leads {
            self.chores.begin_to_lead(self.shard.id());
        } else {
            self.chores.end_to_lead(self.shard.id());
        }
    }

    /// Has the shard's broker rebuilt if it is void.
    fn rebuild(&mut self) {
        if let Some(rebuild) = self.shard.take_rebuild() {
            self.rebuilding = Some(blocking(move || rebuild.run()));
        }
    }

    /// Says that this process cannot go on: what it has on disk is no help.
    fn break_down(&mut self, reason: String) {
        tracing::error!(reason, "a shard cannot follow its log");
        self.health.send_replace(Health::Broken { reason });
        self.shard.fail();
    }

    /// Takes what was asked before the door closed, and waits until all of it is committed, or nothing more is: what is
    /// left then may or may not have happened, and those who asked are told so.
    async fn drain(&mut self) {
        self.asked.close();
        loop {
            self.carry_out();
            self.shard.propose();
            if !self.shard.has_pending() {
                break;
            }
            match tokio::time::timeout(LAST_COMMIT, self.events.filled()).await {
                Ok(Ok(())) => self.take_progress(),
                Ok(Err(_)) => break,
                Err(_) => {
                    tracing::warn!(shard = self.shard.id().0, "closed before all that was proposed was committed");
                    break;
                }
            }
        }
    }
}

/// Waits for a broker that is being rebuilt, if one is.
async fn rebuilt(rebuilding: &mut Option<Rebuilding>) -> Result<Rebuilt, RebuildError> {
    match rebuilding {
        Some(task) => task.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody ends the rebuilding of a broker: {error}"),
        }),
        None => std::future::pending().await,
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
