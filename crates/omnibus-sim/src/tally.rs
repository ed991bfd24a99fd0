//! Counts of what happened in a run, so that a green run can be told from an idle one.

/// The counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub steps: u64,
    /// Simulated time.
    pub millis: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub reads: u64,
    pub audits: u64,
    pub checkpoints: u64,
    pub trims: u64,
    pub compactions: u64,
    pub seals: u64,
    pub recyclings: u64,
    pub packings: u64,
    pub deletions: u64,
    pub joins: u64,
    pub power_cuts: u64,
    pub process_kills: u64,
    pub write_errors: u64,
    pub full_disks: u64,
    pub flips: u64,
    pub flips_told: u64,
    pub tail_flips: u64,
    pub torn_tails: u64,
    pub clock_jumps: u64,
}
