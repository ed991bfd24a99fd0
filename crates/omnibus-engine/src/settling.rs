//! Leases that are ended or last longer, as front ends ask for it.

use omnibus_model::queue::{LeaseKey, LeaseRefusal, Settlement};
use omnibus_model::topic::Partition;
use omnibus_model::{Command, Millis, Outcome, Timestamp};

use crate::engine::Engine;
use crate::error::SubmitError;
use crate::forward::Together;

impl Engine {
    /// Ends leases; each settlement has an answer of its own.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub async fn settle(
        &self,
        queue: Partition,
        settlements: Vec<(LeaseKey, Settlement)>,
    ) -> Result<Vec<Result<(), LeaseRefusal>>, SubmitError> {
        match self.submit(queue.shard, Command::Settle { stream: queue.stream, settlements }).await? {
            Outcome::Settled { results, .. } => Ok(results),
            other => unreachable!("settling ended in {other:?}"),
        }
    }

    /// Does the same behind all that was asked of the shard before: otherwise what is settled goes before what is written.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub async fn settle_in_turn(
        &self,
        queue: Partition,
        settlements: Vec<(LeaseKey, Settlement)>,
    ) -> Result<Vec<Result<(), LeaseRefusal>>, SubmitError> {
        let settle = Command::Settle { stream: queue.stream, settlements };
        match self.carry_out(queue.shard, Together(vec![settle])).await?.pop() {
            Some(Ok(Outcome::Settled { results, .. })) => Ok(results),
            Some(Err(refusal)) => Err(refusal.into()),
            other => unreachable!("settling ended in {other:?}"),
        }
    }

    /// Lets leases end so long after now; each has an answer of its own, its new deadline.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub async fn extend(
        &self,
        queue: Partition,
        leases: Vec<(LeaseKey, Millis)>,
    ) -> Result<Vec<Result<Timestamp, LeaseRefusal>>, SubmitError> {
        match self.submit(queue.shard, Command::Extend { stream: queue.stream, leases }).await? {
            Outcome::Extended { results } => Ok(results),
            other => unreachable!("extending ended in {other:?}"),
        }
    }
}
