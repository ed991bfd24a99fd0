//! This node's part in the group of one shard, and how the group is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use omnibus_model::{LogIndex, NodeId, Term};
use omnibus_replication::{Leadership, NotConfirmed};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::{ReadPolicy, TransferLeaderRequest};
use openraft::{BasicNode, ChangeMembers, Raft};
use thiserror::Error;

use crate::machine::Machine;
use crate::shard_state::ShardState;
use crate::types::Types;
use crate::vessel::Vessel;

/// How many entries a replica may lack that is to vote.
const LAG_MAX: u64 = 1024;

/// This node's part in a group. Clones share it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) state: Arc<ShardState>,
    pub(crate) raft: Raft<Types, Machine>,
    /// What it is sent if it lacks what was purged.
    pub(crate) vessel: Arc<Vessel>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// Who replicates a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    pub voters: BTreeSet<NodeId>,
    /// They get everything and decide nothing.
    pub learners: BTreeSet<NodeId>,
    /// Voters that have lost what they had, or lack what the leader has no entries of, and take no part until they have left
    /// and come back.
    pub lost: BTreeSet<NodeId>,
    /// Who is to vote when a change comes to its end that is on its way, or was left by a leader that went away. Until then
    /// majorities of those before and of these are needed.
    pub goal: Option<BTreeSet<NodeId>>,
}

/// Who gets a vote and who loses one when a change comes to its end that is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoteChange {
    pub added: BTreeSet<NodeId>,
    pub taken: BTreeSet<NodeId>,
}

/// How a shard stands, as far as this node knows.
#[derive(Clone, Debug)]
pub struct Standing {
    /// None if nobody is known to lead.
    pub leader: Option<NodeId>,
    pub replicas: Replicas,
    /// The change of who votes that is half done: one has begun, and [`Replicas::goal`] is not reached.
    pub half_done: Option<VoteChange>,
    /// The newest entry on this node.
    pub last: LogIndex,
    /// The newest that was told on this node.
    pub applied: LogIndex,
    /// The newest entry that each other replica has for certain. A leader learns it, and keeps it.
    pub confirmed: BTreeMap<NodeId, LogIndex>,
}

/// Why who replicates a shard was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error("this node does not lead the shard, or another change is under way")]
    NotNow,
    #[error("node {node} does not have everything yet")]
    NotFull { node: NodeId },
    #[error("the change was refused: {reason}")]
    Refused { reason: String },
}

/// What is changed.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddLearner(NodeId),
    RemoveLearner(NodeId),
    /// Who had a vote and is not among them goes.
    Voters(BTreeSet<NodeId>),
    /// Who had a vote and is not among them stays without one.
    Demote(BTreeSet<NodeId>),
}

impl Member {
    pub(crate) fn replicas(&self) -> Replicas {
        let (_, membership) = self.state.applied();
        let node = |number: u64| u32::try_from(number).ok().map(NodeId);
        let goal = match &membership.membership().get_joint_config()[..] {
            [_, .., goal] => Some(goal.iter().copied().filter_map(node).collect()),
            _ => None,
        };
        Replicas {
            voters: membership.membership().voter_ids().filter_map(node).collect(),
            learners: membership.membership().learner_ids().filter_map(node).collect(),
            lost: self.state.lost(),
            goal,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        let leader = match self.state.leadership() {
            Leadership::Here { .. } => u32::try_from(self.state.node()).ok().map(NodeId),
            Leadership::Elsewhere { leader, .. } => leader,
        };
        let (last, applied, confirmed) = self.state.progress();
        Standing { leader, replicas: self.replicas(), half_done: self.half_done(), last, applied, confirmed }
    }

    fn half_done(&self) -> Option<VoteChange> {
        let (_, membership) = self.state.applied();
        let node = |number: &u64| u32::try_from(*number).ok().map(NodeId);
        match &membership.membership().get_joint_config()[..] {
            [before, .., goal] => Some(VoteChange {
                added: goal.difference(before).filter_map(node).collect(),
                taken: before.difference(goal).filter_map(node).collect(),
            }),
            _ => None,
        }
    }

    /// Hears from a majority that nobody leads in a newer term. Lets no clock say so: a follower that has started again
    /// remembers no lease.
    pub(crate) async fn confirm(&self, term: Term) -> Result<(), NotConfirmed> {
        let heard = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await.is_ok();
        match self.state.leadership() {
            Leadership::Here { term: present } if heard && present == term => Ok(()),
            Leadership::Here { .. } => Err(NotConfirmed { leader: None }),
            Leadership::Elsewhere { leader, .. } => Err(NotConfirmed { leader }),
        }
    }

    /// Changes the group. No places are promised meanwhile, since memberships take some.
    pub(crate) async fn change(&self, change: Change) -> Result<(), ChangeError> {
        if let Change::Voters(voters) | Change::Demote(voters) = &change {
            self.check_full(voters)?;
        }
        if !self.state.pause() {
            return Err(ChangeError::NotNow);
        }
        let changed = match change {
            Change::AddLearner(node) => self.raft.add_learner(node.0.into(), BasicNode::default(), false).await,
            Change::RemoveLearner(node) => {
                let gone = ChangeMembers::RemoveNodes([node.0.into()].into());
                self.raft.change_membership(gone, false).await
            }
            Change::Voters(voters) => self.raft.change_membership(numbers(voters), false).await,
            Change::Demote(voters) => self.raft.change_membership(numbers(voters), true).await,
        };
        self.state.resume();
        changed.map(drop).map_err(|error| self.refused(error))
    }

    /// A group that has ended takes no change any more, and must not pass for one that only does not want this one.
    fn refused(&self, error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
        if let RaftError::Fatal(ended) = &error {
            self.state.failed(ended.to_string());
        }
        ChangeError::Refused { reason: error.to_string() }
    }

    /// Whoever is to vote must have what it votes about: until it does, what is committed waits for it.
    fn check_full(&self, voters: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let (_, membership) = self.state.applied();
        let votes = |node: u64| membership.membership().voter_ids().any(|voter| voter == node);
        let is_new = |node: &&NodeId| !votes(node.0.into()) && !self.state.is_full(node.0.into(), LAG_MAX);
        voters.iter().find(is_new).map_or(Ok(()), |node| Err(ChangeError::NotFull { node: *node }))
    }

    /// Has another node lead.
    pub(crate) async fn transfer(&self, to: NodeId) -> Result<(), ChangeError> {
        let (_, membership) = self.state.applied();
        if !membership.membership().voter_ids().any(|voter| voter == u64::from(to.0)) {
            return Err(ChangeError::Refused { reason: format!("node {to} has no vote") });
        }
        // From here on openraft takes nothing in this term.
        self.state.abdicate();
        self.raft.trigger().transfer_leader(to.0.into()).await.map_err(|ended| self.refused(RaftError::Fatal(ended)))
    }

    /// Asks all others for their votes at once, whatever lease the leader has that is said to be gone. Says whether it did.
    pub(crate) async fn succeed(&self, gone: NodeId) -> Result<bool, ChangeError> {
        let own = self.state.node();
        let (_, membership) = self.state.applied();
        if self.state.is_hollow(LogIndex(0)) || !membership.membership().voter_ids().any(|voter| voter == own) {
            return Ok(false);
        }
        let (vote, leader) = {
            let metrics = self.raft.server_metrics();
            let known = metrics.borrow_watched();
            (known.vote, known.current_leader)
        };
        let last = self.raft.data_metrics().borrow_watched().last_log;
        let asked = match leader {
            // As if it had asked for it. Nobody trusts leases (ADR 0045), so one that is alive loses its office and nothing else.
            Some(leader) if leader == u64::from(gone.0) => {
                let request = TransferLeaderRequest::new(vote, own, last);
                self.raft.handle_transfer_leader(request).await.map(drop)
            }
            None => self.raft.trigger().elect(false).await,
            Some(_) => return Ok(false),
        };
        asked.map(|()| true).map_err(|ended| self.refused(RaftError::Fatal(ended)))
    }
}

fn numbers(nodes: BTreeSet<NodeId>) -> BTreeSet<u64> {
    nodes.into_iter().map(|node| node.0.into()).collect()
}
