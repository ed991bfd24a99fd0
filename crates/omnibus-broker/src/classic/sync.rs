//! The leader shares out, the others ask for their shares.

use bytes::Bytes;
use omnibus_model::command::SyncGroup;
use omnibus_model::outcome::Applied;
use omnibus_model::{MemberId, Outcome, Refusal};

use super::{ClassicGroup, Phase};
use crate::moment::Moment;

impl ClassicGroup {
    pub(crate) fn sync(&mut self, at: Moment<'_>, sync: &SyncGroup) -> Result<Applied, Refusal> {
        self.check_member(&sync.member, sync.instance.as_ref())?;
        self.check_generation(sync.generation)?;
        if differs(sync.protocol_type.as_ref(), self.protocol_type.as_ref())
            || differs(sync.protocol.as_ref(), self.protocol.as_ref())
        {
            return Err(Refusal::InconsistentProtocol);
        }
        let mut changed = false;
        match self.phase {
            Phase::Empty => return Err(self.unknown_member(&sync.member)),
            Phase::Preparing(_) => return Err(Refusal::RebalanceInProgress),
            Phase::Completing if self.leads(&sync.member) => {
                self.share_out(at, sync);
                changed = true;
            }
            Phase::Completing | Phase::Stable => {}
        }
        changed |= self.unsynced.remove(&sync.member);
        if self.unsynced.is_empty() {
            self.sync_until = None;
        }
        let outcome = Outcome::Syncing { generation: self.generation };
        Ok(if changed { Applied::changed(outcome) } else { Applied::unchanged(outcome) })
    }

    /// Takes the leader's assignment; whom it leaves out gets an empty share.
    fn share_out(&mut self, at: Moment<'_>, sync: &SyncGroup) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (member, share) in &sync.assignments {
            if let Some(member) = self.members.get_mut(member) {
                member.assignment = share.clone();
            }
        }
        self.enter(at.now, Phase::Stable);
    }

    /// Removes those who never asked for their share.
    pub(super) fn sync_is_due(&mut self, at: Moment<'_>) {
        self.sync_until = None;
        let silent: Vec<MemberId> = self.unsynced.iter().cloned().collect();
        self.remove_all(at, &silent);
    }
}

/// Whether both are named and are not the same.
fn differs(got: Option<&String>, wanted: Option<&String>) -> bool {
    matches!((got, wanted), (Some(got), Some(wanted)) if got != wanted)
}
