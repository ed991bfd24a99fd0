//! Looks whether disk and memory are short: at each publish, and now and then.

use std::time::Duration;

use tokio::sync::watch;

use crate::alarms::Shortage;
use crate::connection::told_to_stop;
use crate::door::Door;

/// How often is looked.
const TICK: Duration = Duration::from_millis(100);

/// Memory is short when it was so at as many looks in a row: who waits a moment for it need not be told.
const LOOKS: u32 = 5;

impl Door {
    /// What publishers must wait for.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        if !self.engine.has_room() {
            self.alarms.set(Some(Shortage::Disk));
        }
        self.alarms.now()
    }

    /// Looks now and then whether anything is short, and whether that is over, until told to stop.
    pub(crate) async fn look_for_shortages(&self, mut shutdown: watch::Receiver<bool>) {
        let mut looks_short = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => looks_short = self.look(looks_short),
                () = told_to_stop(&mut shutdown) => return,
            }
        }
    }

    /// Looks once; returns at how many looks in a row memory was short.
    pub(crate) fn look(&self, looks_short: u32) -> u32 {
        // Once it was short, more must be free before it is enough.
        let wanted = if looks_short < LOOKS { 8 } else { 4 };
        let looks_short = if self.budget.has_free(wanted) { 0 } else { looks_short.saturating_add(1) };
        self.alarms.set(if !self.engine.has_room() {
            Some(Shortage::Disk)
        } else if looks_short >= LOOKS {
            Some(Shortage::Memory)
        } else {
            None
        });
        looks_short
    }
}
