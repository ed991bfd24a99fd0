//! One life of a node's process: whether it stands still, and that it ends.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stage: Mutex<Stage>,
    bell: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Awake,
    /// The process is stopped, and will go on.
    Still,
    Over,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Life").field(&*self.0.stage.lock()).finish()
    }
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        *self.0.stage.lock() == Stage::Over
    }

    pub(crate) fn is_still(&self) -> bool {
        *self.0.stage.lock() == Stage::Still
    }

    pub(crate) fn end(&self) {
        *self.0.stage.lock() = Stage::Over;
        self.0.bell.notify_waiters();
    }

    /// Stops the process, or lets it go on.
    pub(crate) fn stand_still(&self, is_still: bool) {
        let mut stage = self.0.stage.lock();
        if *stage != Stage::Over {
            *stage = if is_still { Stage::Still } else { Stage::Awake };
        }
        drop(stage);
        self.0.bell.notify_waiters();
    }

    /// Waits until the process runs; false if it will not.
    pub(crate) async fn awake(&self) -> bool {
        loop {
            let rung = self.0.bell.notified();
            match *self.0.stage.lock() {
                Stage::Awake => return true,
                Stage::Over => return false,
                Stage::Still => {}
            }
            rung.await;
        }
    }

    async fn over(&self) {
        loop {
            let rung = self.0.bell.notified();
            if self.is_over() {
                return;
            }
            rung.await;
        }
    }

    /// Does something for as long as the process lives.
    pub(crate) async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.over() => None,
            done = work => Some(done),
        }
    }
}
