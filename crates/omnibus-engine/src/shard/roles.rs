//! What a shard does when it is told who leads, and what others have decided.
//!
//! A leader's broker is ahead of what is committed. One that is deposed keeps it until the fate of
//! what it has proposed is told: what others have committed for it is answered as ever, and if anything is lost, so
//! is the broker, and another is made of the checkpoint and the log.

use omnibus_broker::Broker;
use omnibus_log::EntryKind;
use omnibus_model::{Bug, LogIndex, NodeId, ShardId, Term, planted};
use omnibus_replication::{CommittedEntry, ReplicationEvent};

use super::{Moment, Shard};
use crate::applying::apply_entry;
use crate::consumers::Ended;
use crate::error::SubmitError;
use crate::pending::{Awaiting, Effect};
use crate::rebuild::{Progressed, Rebuild, Rebuilt};
use crate::sessions::Sessions;

/// What this node is to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leads,
    /// It leads as soon as its broker is sound again.
    Awaits {
        term: Term,
        from: LogIndex,
    },
    Follows {
        leader: Option<NodeId>,
    },
}

/// Whether a shard's broker is worth anything.
#[derive(Debug)]
pub(super) enum Soundness {
    Sound,
    /// It must be rebuilt, from what an earlier round has reached.
    Void(Option<Progressed>),
    /// Somebody does.
    Rebuilding,
}

/// Whether a node has just begun to lead a shard, and should finish what others left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Office {
    Unchanged,
    Taken,
}

impl Shard {
    /// Says whether this node leads the shard and serves it.
    #[must_use]
    pub const fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leads)
    }

    /// The newest entry that is known to be committed.
    #[must_use]
    pub const fn known_committed(&self) -> LogIndex {
        self.committed
    }

    /// Whether the broker has exactly what is known to be committed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.soundness, Soundness::Sound) && !self.has_pending() && self.in_flight.len() == 0
    }

    /// Whether a follower's broker has applied what was told, and nothing else.
    pub(super) fn has_applied(&self) -> bool {
        !self.is_leading() && matches!(self.soundness, Soundness::Sound) && self.in_flight.len() == 0
    }

    /// Learns of what the log tells.
    ///
    /// # Errors
    /// Why a committed entry cannot be understood: this process cannot go on.
    pub fn told(&mut self, now: Moment, event: ReplicationEvent) -> Result<Office, String> {
        if let ReplicationEvent::Leads { .. } | ReplicationEvent::Follows { leader: Some(_) } = &event {
            self.shared.vacancies.filled(self.id);
        }
        match event {
            ReplicationEvent::Committed(newest) => {
                if self.is_told_to_follow {
                    self.pass(newest)
                } else {
                    self.committed(newest)
                }
                Ok(Office::Unchanged)
            }
            ReplicationEvent::Entry(entry) => self.entry(&entry).map(|()| Office::Unchanged),
            ReplicationEvent::Leads { term, from } => Ok(self.leads(now, term, from)),
            ReplicationEvent::Follows { leader } => {
                self.is_told_to_follow = true;
                self.follow(leader);
                Ok(Office::Unchanged)
            }
            ReplicationEvent::Installed { term: _, index } => {
                self.installed(index);
                Ok(Office::Unchanged)
            }
            ReplicationEvent::Failed(_) => {
                self.fail();
                Ok(Office::Unchanged)
            }
        }
    }

    /// The broker is to be rebuilt, by [`Rebuild::run`], where it may block.
    #[must_use]
    pub fn take_rebuild(&mut self) -> Option<Rebuild> {
        if !matches!(self.soundness, Soundness::Void(_)) || self.broken {
            return None;
        }
        let Soundness::Void(from) = std::mem::replace(&mut self.soundness, Soundness::Rebuilding) else { return None };
        let (log, limits) = (self.shared.log.clone(), *self.broker.limits());
        Some(Rebuild { shard: self.id, log, limits, from, to: self.committed, seen: self.seen })
    }

    /// Goes on with a broker that was rebuilt, unless more has been committed meanwhile.
    pub fn rebuilt(&mut self, now: Moment, rebuilt: Rebuilt) -> Office {
        let Rebuilt { progressed, effects } = rebuilt;
        // Only the metadata shard's broker has names. One of before says less than is known.
        let is_due = self.is_installed && self.seen <= progressed.index;
        if is_due {
            self.is_installed = false;
        }
        if is_due && self.id == ShardId::METADATA {
            self.shared.catalog.learn(&progressed.broker);
            self.shared.configs.learn(&progressed.broker);
        }
        for (index, effects) in effects {
            if index > self.seen {
                self.show(index, effects);
            }
        }
        self.show(progressed.index.max(self.seen), Vec::new());
        if progressed.index < self.committed {
            self.soundness = Soundness::Void(Some(progressed));
            return Office::Unchanged;
        }
        self.soundness = Soundness::Sound;
        (self.broker, self.last, self.last_term) = (*progressed.broker, progressed.index, progressed.term);
        self.shared.replicated.applied(self.id, self.committed);
        match self.role {
            Role::Awaits { term, from } => self.take_office(now, term, from),
            Role::Leads | Role::Follows { .. } => Office::Unchanged,
        }
    }

    /// What those are told who ask a node that does not lead.
    pub(super) const fn not_leader(&self) -> SubmitError {
        match self.role {
            Role::Follows { leader } => SubmitError::NotLeader { leader },
            Role::Awaits { .. } | Role::Leads => SubmitError::NotLeader { leader: None },
        }
    }

    /// Ends to lead, if it did; what is in flight stays unknown.
    pub(super) fn follow(&mut self, leader: Option<NodeId>) {
        let led = self.is_leading();
        self.role = Role::Follows { leader };
        if !led {
            return;
        }
        tracing::info!(shard = self.id.0, term = self.term.0, ?leader, "this node leads the shard no more");
        let error = self.not_leader();
        let has_lost = !self.open.is_empty() || self.refused.is_some();
        let refused = self.refused.take().map(|(_, awaiting)| awaiting);
        let open = std::mem::take(&mut self.open_awaiting);
        self.refuse_all(refused.into_iter().chain([open]), &error);
        self.open.clear();
        self.fresh.clear();
        self.waiting.refuse_all(&error);
        for receiver in self.receivers.take_all() {
            drop(receiver.reply.send(Err(error.clone())));
        }
        self.consumers.end_all(Ended::NotLeader { leader });
        (self.sessions, self.sweep_at) = (Sessions::default(), None);
        if has_lost {
            self.void();
        }
    }

    fn leads(&mut self, now: Moment, term: Term, from: LogIndex) -> Office {
        assert!(from >= self.committed, "shard {}: a leader begins behind what is committed", self.id);
        self.follow(None);
        self.lose_in_flight();
        self.is_told_to_follow = false;
        self.committed = from;
        if matches!(self.soundness, Soundness::Sound) {
            return self.take_office(now, term, from);
        }
        self.role = Role::Awaits { term, from };
        Office::Unchanged
    }

    fn take_office(&mut self, now: Moment, term: Term, from: LogIndex) -> Office {
        tracing::debug!(shard = self.id.0, term = term.0, %from, "this node leads the shard");
        (self.role, self.term) = (Role::Leads, term);
        (self.last, self.last_term) = (from, term);
        self.show(from, Vec::new());
        self.begin_sessions(now);
        Office::Taken
    }

    /// Makes visible and answers all that is committed up to `newest`.
    fn committed(&mut self, newest: LogIndex) {
        self.commit_in_flight(newest);
        // There may be entries behind them that nobody here proposed.
        self.show(newest, Vec::new());
        self.committed = newest;
        self.catch_up();
    }

    fn commit_in_flight(&mut self, newest: LogIndex) {
        while let Some((index, awaiting)) = self.in_flight.pop_committed(newest) {
            self.show(index, awaiting.effects);
            awaiting.answers.into_iter().for_each(|answer| answer(Ok(())));
        }
    }

    /// Passes entries that others decided and that say nothing.
    fn pass(&mut self, newest: LogIndex) {
        if self.in_flight.oldest().is_some_and(|index| index <= newest) {
            self.lose_in_flight();
        }
        self.committed = newest;
        if matches!(self.soundness, Soundness::Sound) {
            self.show(newest, Vec::new());
            self.shared.replicated.applied(self.id, newest);
        }
    }

    /// Takes an entry that was not proposed in this node's present leadership.
    fn entry(&mut self, entry: &CommittedEntry) -> Result<(), String> {
        assert!(!self.is_leading(), "shard {}: a leader is told what others decided", self.id);
        assert!(entry.index == self.committed.next(), "shard {}: entry {} comes next", self.id, entry.index);
        let is_in_flight = self.in_flight.oldest() == Some(entry.index);
        let is_ours = is_in_flight && entry.term == self.term && entry.kind == EntryKind::Commands;
        if !is_ours && self.in_flight.len() > 0 {
            self.lose_in_flight();
        }
        self.committed = entry.index;
        if is_ours {
            self.commit_in_flight(entry.index);
            if matches!(self.soundness, Soundness::Sound) && self.last < entry.index {
                // It was rebuilt without what it was not known to be committed.
                self.apply_told(entry)?;
            }
        } else if matches!(self.soundness, Soundness::Sound) {
            let effects = self.apply_told(entry)?;
            self.show(entry.index, effects);
        }
        if matches!(self.soundness, Soundness::Sound) {
            self.shared.replicated.applied(self.id, entry.index);
        }
        Ok(())
    }

    fn apply_told(&mut self, entry: &CommittedEntry) -> Result<Vec<Effect>, String> {
        let mut effects = Vec::new();
        apply_entry(&mut self.broker, (entry.kind, &entry.head), |command, applied| {
            effects.extend(Effect::of(command, &applied.outcome).filter(|_| applied.changed));
        })
        .map_err(|reason| format!("entry {} of shard {} cannot be understood: {reason}", entry.index, self.id))?;
        (self.last, self.last_term) = (entry.index, entry.term);
        Ok(effects)
    }

    /// Takes a state that another node has sent: it has all that happened here before, and more.
    fn installed(&mut self, index: LogIndex) {
        assert!(self.committed < index, "shard {}: a state is installed that is known", self.id);
        self.follow(None);
        self.lose_in_flight();
        (self.committed, self.seen) = (index, index);
        self.soundness = Soundness::Void(None);
        self.is_installed = true;
    }

    /// Others hold the places of what was proposed.
    fn lose_in_flight(&mut self) {
        if self.in_flight.len() > 0 {
            let error = self.not_leader();
            let lost = self.in_flight.take_all();
            if planted(Bug::LostCountsAsDone) {
                lost.into_iter().flat_map(|awaiting| awaiting.answers).for_each(|answer| answer(Ok(())));
                return self.void();
            }
            self.refuse_all(lost.into_iter(), &error);
            self.void();
        }
    }

    fn refuse_all(&mut self, lost: impl Iterator<Item = Awaiting>, error: &SubmitError) {
        for Awaiting { answers, stamps, is_out, .. } in lost {
            stamps.into_iter().for_each(|stamp| self.note_setback(Some(stamp), error));
            let error = if is_out { SubmitError::Lost { leader: self.shared.configs.node() } } else { error.clone() };
            answers.into_iter().for_each(|answer| answer(Err(error.clone())));
        }
    }

    /// Gives up a broker that has applied what is lost.
    fn void(&mut self) {
        if matches!(self.soundness, Soundness::Sound) && !planted(Bug::DeposedBrokerKept) {
            self.soundness = Soundness::Void(None);
            self.broker = Broker::new(*self.broker.limits());
        }
    }

    /// Goes on from a broker that lacks what is committed.
    fn catch_up(&mut self) {
        let is_behind = !self.is_leading() && self.last < self.committed;
        if is_behind && matches!(self.soundness, Soundness::Sound) {
            let limits = *self.broker.limits();
            let broker = Box::new(std::mem::replace(&mut self.broker, Broker::new(limits)));
            let progressed = Progressed { broker, index: self.last, term: self.last_term };
            self.soundness = Soundness::Void(Some(progressed));
        }
    }

    /// Lets the world see what is committed up to `index`.
    fn show(&mut self, index: LogIndex, effects: Vec<Effect>) {
        self.shared.log.publish(self.id, index);
        effects.into_iter().for_each(|effect| self.take_effect(effect));
        self.seen = self.seen.max(index);
        self.shared.reached.note(self.id, self.seen);
    }

    fn take_effect(&self, effect: Effect) {
        match effect {
            Effect::Grown { stream } => self.shared.watches.wake(stream),
            Effect::ManyGrown { streams } => streams.into_iter().for_each(|stream| self.shared.watches.wake(stream)),
            Effect::Trimmed { stream, before } => self.shared.log.trim(stream, before),
            Effect::StreamDropped { stream } => {
                self.shared.log.drop_stream(stream);
                self.shared.watches.wake(stream);
            }
            Effect::TopicChanged { topic } => self.shared.catalog.put(topic),
            Effect::TopicDeleted { topic } => self.shared.catalog.remove(&topic),
            Effect::BrokersAltered { scope, config } => self.shared.configs.put_brokers(scope, *config),
            Effect::ExchangeChanged { exchange } => self.shared.catalog.put_exchange(exchange),
            Effect::ExchangeDeleted { exchange } => self.shared.catalog.remove_exchange(&exchange.key),
            Effect::GroupAltered { group, config } => self.shared.configs.put_group(group, config),
            Effect::NodeRegistered { node, info } => self.shared.catalog.put_node(node, *info),
            Effect::NodeForgotten { node } => self.shared.catalog.remove_node(node),
            Effect::NodeAssigned { node, duty } => self.shared.catalog.put_duty(node, duty),
        }
    }
}
