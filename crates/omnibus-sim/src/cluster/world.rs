//! What all parts of a run share: time, chance, the record of what happened, and what is known of it.

use std::fmt::Arguments;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::tally::ClusterTally;
use crate::random::Random;
use crate::trace::{Keep, Trace};
use crate::violation::Violation;

/// The runtime's time.
#[expect(clippy::disallowed_methods, reason = "this clock stands still until all wait")]
pub(crate) fn present() -> Instant {
    Instant::now()
}

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    began: Instant,
}

#[derive(Debug)]
pub(crate) struct State {
    random: Random,
    trace: Trace,
    violation: Option<Violation>,
    pub(crate) ledger: Ledger,
    pub(crate) tally: ClusterTally,
    is_stopping: bool,
}

impl World {
    pub(crate) fn new(random: Random, keep: Keep) -> Self {
        let state = State {
            random,
            trace: Trace::new(keep),
            violation: None,
            ledger: Ledger::default(),
            tally: ClusterTally::default(),
            is_stopping: false,
        };
        Self { state: Arc::new(Mutex::new(state)), began: present() }
    }

    /// Since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        present() - self.began
    }

    /// Chance for somebody who draws alone.
    pub(crate) fn chance(&self) -> Random {
        Random::new(self.state.lock().random.draw())
    }

    pub(crate) fn within(&self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.state.lock().random.within(range)
    }

    /// Notes something in words.
    pub(crate) fn line(&self, line: Arguments<'_>) {
        let millis = self.elapsed().as_millis();
        self.state.lock().trace.line(format_args!("{millis:>6} {line}"));
    }

    /// Notes something in numbers.
    pub(crate) fn note(&self, what: &'static str, numbers: &[u64]) {
        self.line(format_args!("{what} {numbers:?}"));
    }

    /// Works with what is known.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock())
    }

    /// Holds what is known to a rule, and notes if it is broken.
    pub(crate) fn check(&self, rule: &'static str, look: impl FnOnce(&mut Ledger) -> Result<(), String>) {
        let looked = look(&mut self.state.lock().ledger);
        if let Err(detail) = looked {
            self.violate(Violation::new(rule, detail));
        }
    }

    /// Notes that a rule does not hold. Only the first is told.
    pub(crate) fn violate(&self, violation: Violation) {
        self.line(format_args!("{violation}"));
        self.state.lock().violation.get_or_insert(violation);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state.lock().violation.is_some()
    }

    /// Lets clients end.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopping = true;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.state.lock().is_stopping
    }

    /// How it went: the rule that was broken, the counts, the digest and the lines.
    pub(crate) fn end(&self) -> (Option<Violation>, ClusterTally, u64, Vec<String>) {
        let mut state = self.state.lock();
        let millis = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let tally = ClusterTally { millis, ..state.tally };
        (state.violation.clone(), tally, state.trace.digest, std::mem::take(&mut state.trace.lines))
    }
}
