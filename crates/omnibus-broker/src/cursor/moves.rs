//! Tasks that move a queue's records elsewhere, at a rate.

use omnibus_model::outcome::{Applied, MoveAdvanced};
use omnibus_model::queue::{DeadLetterCause, Move, MoveState};
use omnibus_model::{Millis, MoveId, Offset, Outcome, Refusal, StreamId, Timestamp};

use super::acquire::Turn;
use super::{Cursor, Record};

/// So many tasks are remembered when they are over.
const MOVES_MAX: usize = 10;

impl Cursor {
    pub(crate) fn start_move(
        &mut self,
        now: Timestamp,
        target: Option<StreamId>,
        rate_max: Option<u32>,
    ) -> Result<Applied, Refusal> {
        let runs = |task: &&Move| matches!(task.state, MoveState::Running | MoveState::Finishing);
        if let Some(running) = self.moves.iter().find(runs) {
            return Err(Refusal::MoveRunning { task: running.id });
        }
        if rate_max == Some(0) {
            return Err(Refusal::RequestInvalid { reason: "a move has a rate of at least one record".to_owned() });
        }
        // Records that are under way find their task by its number.
        let over = |task: &Move| task.moved == task.taken;
        if let Some(oldest) = self.moves.iter().position(over).filter(|_| self.moves.len() >= MOVES_MAX) {
            self.moves.remove(oldest);
        }
        self.move_last = MoveId(self.move_last.0 + 1);
        self.moves.push(Move {
            id: self.move_last,
            target,
            rate_max,
            state: MoveState::Running,
            started_at: now,
            until: self.end,
            planned: self.counts().ready,
            taken: 0,
            moved: 0,
        });
        Ok(Applied::changed(Outcome::MoveStarted { task: self.move_last }))
    }

    pub(crate) fn cancel_move(&mut self, task: MoveId) -> Result<Applied, Refusal> {
        let known = self.running(task)?;
        known.state = MoveState::Cancelled;
        Ok(Applied::changed(Outcome::MoveCancelled { moved: known.moved }))
    }

    /// Takes more records out of the queue, as far as the task's rate allows.
    pub(crate) fn advance_move(&mut self, now: Timestamp, task: MoveId, count_max: u32) -> Result<Applied, Refusal> {
        let known = *self.running(task)?;
        if known.state == MoveState::Finishing {
            return Ok(Applied::unchanged(Outcome::MoveAdvanced(MoveAdvanced { taken: 0, next_at: None })));
        }
        let allowed = allowed(&known, now).saturating_sub(known.taken).min(u64::from(count_max));
        let mut taken = 0;
        let mut left = true;
        while u64::from(taken) < allowed && left {
            match self.take_next(known.until) {
                Some((offset, record)) => {
                    self.die(now, offset, record, DeadLetterCause::Moved(task));
                    taken += 1;
                }
                None => left = false,
            }
        }
        let known = self.running(task)?;
        known.taken += u64::from(taken);
        if !left {
            known.state = if known.moved == known.taken { MoveState::Completed } else { MoveState::Finishing };
        }
        let next_at = left.then(|| next_at(known, now));
        let outcome = Outcome::MoveAdvanced(MoveAdvanced { taken, next_at });
        Ok(Applied { outcome, changed: taken > 0 || !left })
    }

    fn running(&mut self, task: MoveId) -> Result<&mut Move, Refusal> {
        let runs =
            |known: &&mut Move| known.id == task && matches!(known.state, MoveState::Running | MoveState::Finishing);
        self.moves.iter_mut().find(runs).ok_or(Refusal::UnknownMove { task })
    }

    /// Takes the record whose turn it is, if it lies before `until`.
    pub(super) fn take_next(&mut self, until: Offset) -> Option<(Offset, Record)> {
        let turn = self.next_turn()?;
        let (Turn::Again(offset) | Turn::Fresh(offset) | Turn::Group(_, offset)) = turn;
        if offset >= until {
            return None;
        }
        let record = match turn {
            Turn::Again(_) => self.take(offset).expect("what is ready is known"),
            Turn::Fresh(_) => {
                self.set_aside(offset);
                Record::fresh(offset, None)
            }
            Turn::Group(group, _) => {
                self.groups.remove(group, offset, self.leased);
                self.records.remove(&offset).unwrap_or(Record::fresh(offset, Some(group)))
            }
        };
        Some((offset, record))
    }
}

/// How many records a task may have taken by now.
fn allowed(task: &Move, now: Timestamp) -> u64 {
    let elapsed = now.since(task.started_at).0;
    task.rate_max.map_or(u64::MAX, |rate| u64::from(rate).saturating_mul(elapsed) / 1_000 + 1)
}

/// When a task may take the next record.
fn next_at(task: &Move, now: Timestamp) -> Timestamp {
    let wait = |rate: u32| Millis(task.taken.saturating_mul(1_000).div_ceil(u64::from(rate)));
    task.rate_max.map_or(now, |rate| task.started_at.plus(wait(rate)).max(now))
}
