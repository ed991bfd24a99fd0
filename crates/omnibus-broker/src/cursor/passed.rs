//! What has passed through a queue since this process has known it, for those who look on.

/// It is no part of what replicas agree on, nor of checkpoints: each replica counts what it applies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    /// Handed out to be settled.
    pub(super) leased: u64,
    /// Handed out as done.
    pub(super) taken: u64,
    /// Of both, those not for the first time.
    pub(super) redelivered: u64,
    /// Settled as done by who held them.
    pub(super) accepted: u64,
}

/// Two queues are the same whatever has passed through them.
impl PartialEq for Passed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Passed {}
