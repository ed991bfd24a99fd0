//! Has a node read again what it has at rest, as a thread of its own does in production.

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::Engine;
use omnibus_engine::by_hand::Rereading;
use omnibus_io::{Disk as _, FaultDisk};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::life::Life;
use super::world::World;
use crate::random::Random;

/// How long it rests between two passes if nobody asks for one.
const REST_MILLIS_MAX: u64 = 20_000;

/// How long it rests between two parts of a pass.
const STEP_MILLIS_MAX: u64 = 10;

/// What is known of the passes of one process. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: Notify,
    last: Mutex<Option<Pass>>,
}

/// A pass that has come to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub(crate) began: Duration,
    /// How many places are not as they were written.
    pub(crate) places: u64,
}

impl Passes {
    /// Has a pass begin soon.
    pub(crate) fn ask(&self) {
        self.0.asked.notify_one();
    }

    pub(crate) fn last(&self) -> Option<Pass> {
        *self.0.last.lock()
    }

    /// Reads again and again for as long as the process lives.
    pub(crate) async fn run(
        self,
        (world, life): (World, Life),
        (engine, disk): (Engine, FaultDisk),
        mut chance: Random,
    ) {
        while life.awake().await {
            let rest = Duration::from_millis(chance.within(1_000..=REST_MILLIS_MAX));
            // Who asks need not wait.
            drop(timeout(rest, self.0.asked.notified()).await);
            let began = world.elapsed();
            let mut rereading = Rereading::begin(&engine);
            while life.awake().await && rereading.step().is_some() {
                sleep(Duration::from_millis(chance.within(0..=STEP_MILLIS_MAX))).await;
            }
            // Without power nothing can be read.
            if life.is_over() || disk.space().is_err() {
                return;
            }
            let places = rereading.places_found();
            world.note("reread", &[engine.node().0.into(), places]);
            *self.0.last.lock() = Some(Pass { began, places });
        }
    }
}
