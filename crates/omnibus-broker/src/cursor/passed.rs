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

impl Passed {
    /// Forgets a lease that nobody has heard of, of a record that was handed out so often with it. It may be one of before
    /// anything was counted.
    pub(super) const fn take_back(&mut self, delivery_count: u32) {
        self.leased = self.leased.saturating_sub(1);
        if delivery_count > 1 {
            self.redelivered = self.redelivered.saturating_sub(1);
        }
    }
}

/// Two queues are the same whatever has passed through them.
impl PartialEq for Passed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Passed {}
