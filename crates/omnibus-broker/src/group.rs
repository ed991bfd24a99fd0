//! One group: its members by either protocol, and its offsets.

use std::collections::BTreeMap;

use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, GroupKind, GroupListing, MemberSession, TopicPartition};
use omnibus_model::outcome::Applied;
use omnibus_model::{GroupName, Outcome, Refusal, Timestamp, TopicId, TopicName};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};
use crate::classic::ClassicGroup;
use crate::consumer::{ConsumerGroup, PROTOCOL_TYPE};
use crate::limits::BrokerLimits;
use crate::moment::Moment;
use crate::offsets::{Keeping, Offsets, Readers};

/// A group and all it remembers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) membership: Membership,
    offsets: Offsets,
    /// Under which deadline the agenda has it.
    scheduled: Option<Timestamp>,
}

/// The members, by the protocol they use. An empty group becomes the other kind when the first
/// member joins by the other protocol; its offsets stay.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Membership {
    Classic(Box<ClassicGroup>),
    Consumer(Box<ConsumerGroup>),
}

impl Group {
    pub(crate) const fn new(membership: Membership) -> Self {
        Self { membership, offsets: Offsets::new(), scheduled: None }
    }

    pub(crate) const fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    pub(crate) fn commit(&mut self, at: Moment<'_>, commit: &CommitOffsets) -> Result<Applied, Refusal> {
        self.membership.check_commit(commit)?;
        let Self { membership, offsets, .. } = self;
        let reads = |topic: &TopicName| membership.may_read(topic);
        let keeping = membership.keeping(&reads, at.limits);
        for (partition, committed) in &commit.offsets {
            let committed = CommittedOffset { committed_at: at.now, ..committed.clone() };
            let expires_at = commit.retention.map(|retention| at.now.plus(retention));
            offsets.commit(partition, committed, expires_at, &keeping);
        }
        Ok(if commit.offsets.is_empty() {
            Applied::unchanged(Outcome::OffsetsCommitted)
        } else {
            Applied::changed(Outcome::OffsetsCommitted)
        })
    }

    pub(crate) fn delete_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Applied, Refusal> {
        self.membership.check_delete_offsets()?;
        let mut changed = false;
        let mut delete = |partition: &TopicPartition| {
            if self.membership.may_read(&partition.topic) {
                return Err(Refusal::GroupSubscribed { topic: partition.topic.clone() });
            }
            changed |= self.offsets.delete(partition);
            Ok(())
        };
        let partitions = partitions.iter().map(&mut delete).collect();
        Ok(Applied { outcome: Outcome::OffsetsDeleted { partitions }, changed })
    }

    /// Forgets a deleted topic; false if the group did not know it.
    pub(crate) fn forget_topic(&mut self, topic: &TopicName, id: TopicId) -> bool {
        let unread = match &mut self.membership {
            Membership::Classic(_) => false,
            Membership::Consumer(consumer) => consumer.forget_topic(id),
        };
        self.offsets.forget_topic(topic) | unread
    }

    /// Adds the topics that it has offsets of, and those that its members read.
    pub(crate) fn add_remembered_topics(&self, remembered: &mut BTreeMap<TopicName, TopicId>) {
        for topic in self.offsets.topics() {
            remembered.entry(topic.clone()).or_default();
        }
        if let Membership::Consumer(consumer) = &self.membership {
            remembered.extend(consumer.topics().map(|shape| (shape.name.clone(), shape.topic)));
        }
    }

    /// Lets happen what is due.
    pub(crate) fn tick(&mut self, at: Moment<'_>) {
        match &mut self.membership {
            Membership::Classic(classic) => classic.tick(at),
            Membership::Consumer(consumer) => consumer.tick(at),
        }
        if self.offsets.deadline().is_some_and(|deadline| deadline <= at.now) {
            let Self { membership, offsets, .. } = self;
            let reads = |topic: &TopicName| membership.may_read(topic);
            offsets.expire(at.now, &membership.keeping(&reads, at.limits));
        }
    }

    /// Whether nothing is left that is worth remembering.
    pub(crate) fn is_forgotten(&self, at: Moment<'_>) -> bool {
        self.idle_deadline(at.limits).is_some_and(|deadline| deadline <= at.now)
    }

    /// Brings the agenda up to date after a change.
    pub(crate) fn settle(&mut self, at: Moment<'_>, agenda: &mut Agenda, name: &GroupName) {
        let Self { membership, offsets, .. } = self;
        let reads = |topic: &TopicName| membership.may_read(topic);
        offsets.readers_may_have_changed(&membership.keeping(&reads, at.limits));
        let deadlines = [membership.deadline(), offsets.deadline(), self.idle_deadline(at.limits)];
        let deadline = deadlines.into_iter().flatten().min();
        if deadline != self.scheduled {
            self.unschedule(agenda, name);
            self.scheduled = deadline;
            if let Some(deadline) = deadline {
                agenda.add(deadline, Due::Group(name.clone()));
            }
        }
    }

    pub(crate) fn unschedule(&mut self, agenda: &mut Agenda, name: &GroupName) {
        if let Some(scheduled) = self.scheduled.take() {
            agenda.remove(scheduled, Due::Group(name.clone()));
        }
    }

    /// Notes that the agenda has handed the group over.
    pub(crate) const fn woken(&mut self) {
        self.scheduled = None;
    }

    pub(crate) fn listing(&self, name: &GroupName) -> GroupListing {
        match &self.membership {
            Membership::Classic(classic) => GroupListing {
                group: name.clone(),
                kind: GroupKind::Classic,
                state: classic.state(),
                protocol_type: classic.protocol_type().to_owned(),
            },
            Membership::Consumer(consumer) => GroupListing {
                group: name.clone(),
                kind: GroupKind::Consumer,
                state: consumer.state(),
                protocol_type: PROTOCOL_TYPE.to_owned(),
            },
        }
    }

    pub(crate) fn sessions(&self, limits: &BrokerLimits) -> Vec<MemberSession> {
        match &self.membership {
            Membership::Classic(classic) => classic.sessions(),
            Membership::Consumer(consumer) => consumer.sessions(limits),
        }
    }

    /// Checks that the members agree with one another and that the agenda knows the group.
    pub(crate) fn audit(&self, agenda: &Agenda, name: &GroupName) {
        match &self.membership {
            Membership::Classic(classic) => classic.audit(),
            Membership::Consumer(consumer) => consumer.audit(),
        }
        let deadline = self.membership.deadline().into_iter().chain(self.offsets.deadline()).min();
        let in_time = |deadline| self.scheduled.is_some_and(|scheduled| scheduled <= deadline);
        assert!(deadline.is_none_or(in_time), "{name} will be looked at in time");
        if let Some(scheduled) = self.scheduled {
            assert!(agenda.has_by(scheduled, &Due::Group(name.clone())), "{name} is on the agenda");
        }
    }

    fn idle_deadline(&self, limits: &BrokerLimits) -> Option<Timestamp> {
        let deserted_since = self.membership.deserted_since()?;
        self.offsets.is_empty().then(|| deserted_since.plus(limits.group_idle_timeout))
    }
}

impl Membership {
    /// Whether a member could join by the other protocol.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(classic) => classic.is_empty(),
            Self::Consumer(consumer) => consumer.is_empty(),
        }
    }

    fn deserted_since(&self) -> Option<Timestamp> {
        match self {
            Self::Classic(classic) => classic.is_deserted().then(|| classic.since()),
            Self::Consumer(consumer) => consumer.is_empty().then(|| consumer.empty_since()),
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Classic(classic) => classic.deadline(),
            Self::Consumer(consumer) => consumer.deadline(),
        }
    }

    fn may_read(&self, topic: &TopicName) -> bool {
        match self {
            Self::Classic(classic) => classic.may_read(topic),
            Self::Consumer(consumer) => consumer.may_read(topic),
        }
    }

    fn readers(&self) -> Readers {
        match self {
            Self::Classic(classic) => classic.readers(),
            Self::Consumer(consumer) => consumer.readers(),
        }
    }

    fn keeping<'a>(&self, reads: &'a dyn Fn(&TopicName) -> bool, limits: &BrokerLimits) -> Keeping<'a> {
        Keeping { readers: self.readers(), reads, retention: limits.offsets_retention }
    }

    fn check_commit(&self, commit: &CommitOffsets) -> Result<(), Refusal> {
        let (member, instance) = (commit.member.as_ref(), commit.instance.as_ref());
        match self {
            Self::Classic(classic) => classic.check_commit(member, instance, commit.generation),
            Self::Consumer(consumer) => consumer.check_commit(commit),
        }
    }

    /// Offsets of what members read cannot be deleted, so one must be able to tell.
    fn check_delete_offsets(&self) -> Result<(), Refusal> {
        match self {
            Self::Classic(classic) => classic.check_delete_offsets(),
            Self::Consumer(_) => Ok(()),
        }
    }
}
