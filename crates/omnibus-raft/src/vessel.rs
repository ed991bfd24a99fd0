//! Takes what a leader sends to a replica that lacks what was purged. Records go to the disk as
//! they come; the state counts once all of it is there.

use std::fmt;

use bytes::Bytes;
use omnibus_log::{Log, LogError, Room, Stretch};
use omnibus_model::ShardId;
use openraft::raft::SnapshotResponse;
use openraft::{Raft, Snapshot, SnapshotMeta, StoredMembership};
use parking_lot::Mutex;

use crate::blocking::blocking;
use crate::machine::{Machine, Saved};
use crate::membership::decode_membership;
use crate::shard_state::ShardState;
use crate::types::{Types, log_id, our_vote, vote_of};
use crate::wire::{Answer, Fill, Install, Part, Session};

/// How many bytes of records wait to be written together.
const HELD_BYTES_MAX: usize = 8 << 20;

/// What a part of a stream takes in memory beside its records, about.
const STRETCH_BYTES: usize = 64;

/// How long a state may be.
const STATE_BYTES_MAX: usize = 1 << 30;

/// What a replica was sent so far. Whoever takes a part has it meanwhile.
#[derive(Default)]
pub(crate) struct Vessel(Mutex<Option<Box<Filling>>>);

/// What was sent in one attempt.
#[derive(Default)]
struct Filling {
    /// The newest attempt that was begun.
    newest: Session,
    /// The attempt that goes on; none once it cannot.
    session: Option<Session>,
    next: u32,
    held: Vec<Stretch>,
    held_bytes: usize,
    state: Vec<u8>,
    is_installed: bool,
}

/// Has what was sent, and puts it back however it ends.
struct Hold<'a> {
    vessel: &'a Vessel,
    filling: Box<Filling>,
}

impl fmt::Debug for Vessel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vessel").finish_non_exhaustive()
    }
}

impl Vessel {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(Box::default())))
    }

    fn hold(&self) -> Option<Hold<'_>> {
        let filling = self.0.lock().take()?;
        Some(Hold { vessel: self, filling })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        *self.vessel.0.lock() = Some(std::mem::take(&mut self.filling));
    }
}

impl Vessel {
    /// Takes the next part.
    pub(crate) async fn take_part(&self, state: &ShardState, fill: Fill) -> Answer {
        // Whoever led before may have sent it long ago; so may this leader, if there is as much here.
        let is_late = state.vote().is_some_and(|vote| vote.term > fill.session.term);
        if is_late || state.progress().1 >= fill.last.index {
            return Answer::NotFilled;
        }
        match self.hold() {
            Some(mut hold) => hold.filling.take_part(state, fill).await,
            None => Answer::Filling,
        }
    }

    /// Makes what was sent count.
    pub(crate) async fn take_all(
        &self,
        (state, raft): (&ShardState, &Raft<Types, Machine>),
        install: Install,
    ) -> Answer {
        let Some(mut hold) = self.hold() else { return Answer::Filling };
        let filling = &mut hold.filling;
        if filling.session != Some(install.session) || filling.next != install.parts {
            return Answer::NotFilled;
        }
        if filling.is_installed {
            return Answer::Installed(state.vote().unwrap_or(install.vote));
        }
        let Some(membership) = decode_membership(&install.membership.1) else { return Answer::NotFilled };
        if !filling.flush(&state.log, state.shard).await {
            return Answer::NotFilled;
        }
        // If nobody waits for it to end, the attempt is over.
        filling.session = None;
        let sent = Bytes::from(std::mem::take(&mut filling.state));
        let last_membership = StoredMembership::new(log_id(install.membership.0), membership);
        let meta = SnapshotMeta { last_log_id: log_id(install.last), last_membership };
        let snapshot = Snapshot { meta, snapshot: Saved::Sent { state: sent, streams: install.streams } };
        match raft.install_full_snapshot(vote_of(install.vote), snapshot).await {
            Ok(SnapshotResponse { vote }) => {
                filling.is_installed = state.progress().1 >= install.last.index;
                filling.session = filling.is_installed.then_some(install.session);
                Answer::Installed(our_vote(&vote))
            }
            Err(_) => Answer::Ended,
        }
    }
}

impl Filling {
    async fn take_part(&mut self, state: &ShardState, fill: Fill) -> Answer {
        let Fill { session, last, number, part } = fill;
        if number == 0 && session > self.newest {
            // What counts here is no less true than what comes: it goes where that takes its place. What may be void
            // must be so before there are records that would make a start take it for committed.
            if state.is_blank() {
                state.log.clear(state.shard);
            } else if state.void_behind_applied(last).await.is_err() {
                return Answer::NotFilled;
            }
            *self = Self { newest: session, session: Some(session), ..Self::default() };
        }
        if self.session != Some(session) || number > self.next || self.is_installed {
            return Answer::NotFilled;
        }
        if number < self.next {
            // It came more than once.
            return Answer::Filled { next: self.next };
        }
        match part {
            Part::State(state) if self.state.len() + state.len() > STATE_BYTES_MAX => return Answer::NotFilled,
            Part::State(state) => self.state.extend_from_slice(&state),
            Part::Records(stretches) => {
                self.held_bytes += stretches.iter().map(|stretch| stretch.bytes() + STRETCH_BYTES).sum::<usize>();
                self.held.extend(stretches);
            }
        }
        self.next += 1;
        if self.held_bytes >= HELD_BYTES_MAX && !self.flush(&state.log, state.shard).await {
            return Answer::NotFilled;
        }
        Answer::Filled { next: self.next }
    }

    /// Writes the records that wait; says whether the attempt can go on.
    async fn flush(&mut self, log: &Log, shard: ShardId) -> bool {
        // If nobody waits for it to end, nobody knows whether they are there.
        let session = self.session.take();
        let (log, held) = (log.clone(), std::mem::take(&mut self.held));
        self.held_bytes = 0;
        if log.room() != Room::Plenty {
            tracing::warn!(shard = shard.0, "the disk has no room for the records of a new replica");
            return false;
        }
        let filled = blocking(move || log.fill(shard, held)).await;
        match filled {
            Ok(Ok(())) => {
                self.session = session;
                true
            }
            Ok(Err(error)) => {
                refused(shard, &error);
                false
            }
            Err(_) => false,
        }
    }
}

fn refused(shard: ShardId, error: &LogError) {
    tracing::warn!(shard = shard.0, %error, "records for a new replica cannot be taken");
}
