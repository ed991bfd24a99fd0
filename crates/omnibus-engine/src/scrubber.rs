//! Reads data at rest again and again, slowly, and tells what has rotted.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use omnibus_log::{Gravity, Scrub};
use tokio::sync::watch;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::scrubbing::{ScrubConfig, ScrubStatus};

/// How long a node that starts has its disk for itself.
const FIRST_PAUSE: Duration = Duration::from_secs(600);

/// How soon is looked whether somebody asked for a pass.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The thread that does it, and how it is told to end.
pub(crate) type Scrubber = (SyncSender<()>, JoinHandle<()>);

/// It was told to end.
struct Ended;

impl Engine {
    /// How the data at rest is, as far as it was read since this process began.
    #[must_use]
    pub fn scrub_status(&self) -> ScrubStatus {
        self.inner.scrubbing.status()
    }

    /// Has all data at rest read again now; if that goes on already, once more when it has ended.
    pub fn begin_scrub(&self) {
        self.inner.scrubbing.asked.send_modify(|asked| *asked += 1);
    }
}

pub(crate) fn start(engine: &Engine, config: ScrubConfig) -> Result<Scrubber, EngineError> {
    let (stop, stopped) = sync_channel(1);
    // Who asks before the thread runs is heard, too.
    let asked = engine.inner.scrubbing.asked.subscribe();
    let rounds = Rounds { engine: engine.clone(), config, stopped };
    let run = move || {
        // It only ever ends by being told to.
        let Ended = rounds.run(asked);
    };
    let thread = std::thread::Builder::new().name("log-scrub".into()).spawn(run).map_err(EngineError::Thread)?;
    Ok((stop, thread))
}

/// A pass over all data at rest. Whoever drives it says how fast, and lets one end before the next begins.
#[derive(Debug)]
pub struct Rereading {
    engine: Engine,
    scrub: Scrub,
    places_found: u64,
}

impl Rereading {
    /// Begins at the beginning: how far an earlier process came is not remembered.
    #[must_use]
    pub fn begin(engine: &Engine) -> Self {
        let scrub = engine.inner.log.scrub();
        engine.inner.scrubbing.begin(engine.now(), scrub.bytes());
        tracing::info!(bytes = scrub.bytes(), "reading all data at rest again");
        Self { engine: engine.clone(), scrub, places_found: 0 }
    }

    /// Reads on, and tells what it finds; returns how many bytes it has read, none once all was. Blocks.
    pub fn step(&mut self) -> Option<u64> {
        let scrubbing = &self.engine.inner.scrubbing;
        let Some(scrubbed) = self.scrub.step() else {
            scrubbing.end(self.engine.now());
            let ScrubStatus { damaged, redundant, .. } = scrubbing.status();
            tracing::info!(damaged = damaged.len(), redundant, "all data at rest was read again");
            return None;
        };
        let bytes = scrubbed.bytes;
        self.places_found += scrubbed.rot.len() as u64;
        for rot in scrubbing.take(scrubbed) {
            let damage = &rot.damage;
            match damage.gravity {
                Gravity::Acknowledged => tracing::error!(%damage, bytes = rot.bytes, "data at rest has rotted"),
                Gravity::Redundant | Gravity::TornTail => tracing::warn!(%damage, "data at rest has rotted"),
            }
        }
        Some(bytes)
    }

    /// How many places this pass has found so far that are not as they were written.
    #[must_use]
    pub const fn places_found(&self) -> u64 {
        self.places_found
    }
}

struct Rounds {
    engine: Engine,
    config: ScrubConfig,
    stopped: Receiver<()>,
}

impl Rounds {
    fn run(&self, mut asked: watch::Receiver<u64>) -> Ended {
        let mut pause = self.config.interval.min(FIRST_PAUSE);
        loop {
            let began = self.now();
            while self.now().saturating_sub(began) < pause && !asked.has_changed().unwrap_or(false) {
                if self.rest(LOOK_EVERY).is_err() {
                    return Ended;
                }
            }
            asked.mark_unchanged();
            if self.pass().is_err() {
                return Ended;
            }
            pause = self.config.interval;
        }
    }

    fn pass(&self) -> Result<(), Ended> {
        let mut rereading = Rereading::begin(&self.engine);
        let mut began = self.now();
        while let Some(bytes) = rereading.step() {
            let due = Duration::from_micros(bytes.saturating_mul(1_000_000) / self.config.bytes_per_second);
            self.rest(due.saturating_sub(self.now().saturating_sub(began)))?;
            began = self.now();
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.engine.clock().elapsed()
    }

    /// Lets others have the disk.
    fn rest(&self, time: Duration) -> Result<(), Ended> {
        match self.stopped.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }
}
