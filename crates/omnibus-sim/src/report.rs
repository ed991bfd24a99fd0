//! How a seed is played, and how it went.

use omnibus_model::Bug;

use crate::trace::Keep;
use crate::violation::Violation;

/// How a run is played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A bug to plant.
    pub bug: Option<Bug>,
    pub keep: Keep,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Report {
    pub seed: u64,
    pub violation: Option<Violation>,
    /// Counts of what happened, each under its heading.
    pub tally: Vec<(&'static str, u64)>,
    /// Equal digests, equal runs.
    pub digest: u64,
    pub lines: Vec<String>,
}
