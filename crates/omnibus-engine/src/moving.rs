//! Moves of whole queues, as front ends begin and end them; the mover carries the records.

use std::collections::BTreeMap;

use omnibus_model::queue::{Move, MoveState};
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Command, MoveId, Outcome, Refusal, StreamId};

use crate::engine::Engine;
use crate::error::SubmitError;

impl Engine {
    /// Starts to move all records that are in a queue now to another, or, if none is named, each
    /// back to where it came from.
    ///
    /// # Errors
    /// [`SubmitError`]; a queue that is being moved is refused.
    pub async fn start_move(
        &self,
        queue: impl Into<QueuePlace>,
        target: Option<StreamId>,
        rate_max: Option<u32>,
    ) -> Result<MoveId, SubmitError> {
        let queue = queue.into();
        if queue.has_priorities() && rate_max.is_some() {
            // Each partition has a task of its own, and none knows how fast the others are.
            let reason = "a queue with priorities is moved as fast as it goes, not at a rate".to_owned();
            return Err(Refusal::RequestInvalid { reason }.into());
        }
        let started = self.together(queue, |stream| Command::StartMove { stream, target, rate_max }).await?;
        let task = |outcome| match outcome {
            Outcome::MoveStarted { task } => task,
            other => unreachable!("starting a move ended in {other:?}"),
        };
        // All partitions count their tasks alike, as none is moved without the others.
        let tasks: Vec<MoveId> = started.into_iter().map(|outcome| outcome.map(task)).collect::<Result<_, _>>()?;
        Ok(tasks.into_iter().max().unwrap_or_default())
    }

    /// Ends a move; returns how many records have arrived. Those that were taken go on.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn cancel_move(&self, queue: impl Into<QueuePlace>, task: MoveId) -> Result<u64, SubmitError> {
        let queue = queue.into();
        let cancelled = self.together(queue, |stream| Command::CancelMove { stream, task }).await?;
        let (cancelled, refused): (Vec<_>, Vec<_>) = cancelled.into_iter().partition(Result::is_ok);
        if let (true, Some(Err(refusal))) = (cancelled.is_empty(), refused.into_iter().next()) {
            return Err(refusal.into());
        }
        // Some partitions may have been through already.
        let moved = |moves: Vec<Move>| moves.iter().find(|known| known.id == task).map_or(0, |task| task.moved);
        Ok(moved(self.moves(queue).await?))
    }

    /// A queue's move tasks, oldest first: those under way and some that are over.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn moves(&self, queue: impl Into<QueuePlace>) -> Result<Vec<Move>, SubmitError> {
        let queue = queue.into();
        let moves = move |broker: &omnibus_broker::Broker| {
            let mut tasks: BTreeMap<MoveId, Move> = BTreeMap::new();
            for task in queue.streams().flat_map(|stream| broker.moves(stream)) {
                tasks.entry(task.id).and_modify(|known| *known = both(known, task)).or_insert(*task);
            }
            tasks.into_values().collect()
        };
        self.ask(queue.shard(), moves).await
    }
}

/// A move of two partitions that began in both at once.
fn both(one: &Move, other: &Move) -> Move {
    // One goes on as long as the other does.
    let order = |state| match state {
        MoveState::Running => 0,
        MoveState::Finishing => 1,
        MoveState::Cancelled => 2,
        MoveState::Completed => 3,
    };
    Move {
        state: if order(one.state) <= order(other.state) { one.state } else { other.state },
        planned: one.planned + other.planned,
        taken: one.taken + other.taken,
        moved: one.moved + other.moved,
        ..*one
    }
}
