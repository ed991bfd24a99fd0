//! Queues, as front ends use them: what takes more than one shard, and what reads what was leased.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::config::ConfigChange;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{Lease, LeaseKey, Origin, QueueConfig, QueueCounts, QueueLimits, RecordState};
use omnibus_model::topic::{Partition, QueuePlace, SharedTopic};
use omnibus_model::{Command, HolderId, Offset, Outcome, Refusal, StreamId, Timestamp, TopicName};
use omnibus_record::{DECOMPRESSED_BYTES_MAX, Encoded, Message, Messages};

use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};
use crate::forward::{Enqueue, Take, Together};
use crate::limiting::Told;
use crate::receivers::Received;

/// What is read at a time to find leased records.
const READ_BYTES: usize = 1 << 20;

/// A record that was leased, with what it says.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub lease: Lease,
    pub message: Message,
}

/// Records of one partition of a queue that were handed out.
#[derive(Clone, Debug)]
pub struct Deliveries {
    /// Where they are settled.
    pub queue: Partition,
    pub deliveries: Vec<Delivery>,
}

impl Deliveries {
    /// What names the leases, in order.
    pub fn keys(&self) -> impl Iterator<Item = LeaseKey> {
        self.deliveries.iter().map(|delivery| delivery.lease.key)
    }
}

/// A queue as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Of all priorities.
    pub counts: QueueCounts,
    /// The first record that is not gone, of the lowest priority.
    pub floor: Offset,
    /// When the oldest record that is not gone came; `None` if there is none.
    pub oldest: Option<Timestamp>,
}

/// Queues by name.
impl Engine {
    /// Creates a queue; it takes records when this returns. If the name is taken by a queue whose
    /// creation is still under way, that is finished first.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn create_queue(&self, command: CreateQueue) -> Result<SharedTopic, SubmitError> {
        let name = command.name.clone();
        self.create_as(&name, Command::CreateQueue(Box::new(command))).await
    }

    /// Creates a queue with so many priorities above 0, in the same way.
    ///
    /// # Errors
    /// [`SubmitError`]; an ordered queue has none.
    pub async fn create_priority_queue(
        &self,
        command: CreateQueue,
        priorities: u8,
    ) -> Result<SharedTopic, SubmitError> {
        let name = command.name.clone();
        self.create_as(&name, Command::CreatePriorityQueue { create: Box::new(command), priorities }).await
    }

    /// Creates a queue with limits and with so many priorities above 0, in the same way.
    ///
    /// # Errors
    /// [`SubmitError`]; an ordered queue has no priorities.
    pub async fn create_limited_queue(
        &self,
        command: CreateQueue,
        (priorities, limits): (u8, QueueLimits),
    ) -> Result<SharedTopic, SubmitError> {
        let name = command.name.clone();
        self.create_as(&name, Command::CreateLimitedQueue { create: Box::new(command), priorities, limits }).await
    }

    async fn create_as(&self, name: &TopicName, command: Command) -> Result<SharedTopic, SubmitError> {
        match self.change_topic(command).await {
            Ok(topic) => self.configure_cursor(topic, Told::IfAny).await,
            Err(error @ SubmitError::Refused(Refusal::TopicExists { .. })) => {
                if let Ok(topic) = self.queue(name) {
                    self.configure_cursor(topic, Told::IfAny).await?;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Changes a queue's configuration.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_queue(
        &self,
        name: TopicName,
        change: ConfigChange<QueueConfig>,
    ) -> Result<SharedTopic, SubmitError> {
        let command = Command::AlterQueue { topic: name, change: Box::new(change) };
        let topic = self.change_topic(command).await?;
        self.configure_cursor(topic, Told::IfAny).await
    }

    /// Finds a queue by name.
    ///
    /// # Errors
    /// [`Refusal::UnknownTopic`], [`Refusal::NotAQueue`].
    pub fn queue(&self, name: &TopicName) -> Result<SharedTopic, Refusal> {
        let topic = self.topic(name)?;
        if topic.queue.is_some() { Ok(topic) } else { Err(Refusal::NotAQueue { topic: name.clone() }) }
    }

    /// Tells the data shard what the catalog says of a queue. Two administrators may come here at
    /// once in any order, so it is told again until the catalog still says the same.
    pub(crate) async fn configure_cursor(
        &self,
        mut topic: SharedTopic,
        told: Told,
    ) -> Result<SharedTopic, SubmitError> {
        while let Some((place, queue)) = topic.queue_place().zip(topic.queue.as_ref()) {
            let (config, limits) = (queue.config.cursor, queue.limits);
            for configured in self.together(place, |stream| Command::ConfigureCursor { stream, config }).await? {
                configured?;
            }
            if told == Told::Always || limits != QueueLimits::default() {
                self.submit(place.shard(), Command::limit(place, limits)).await?;
            }
            let now = self.catalog().topic(topic.name.as_str()).filter(|now| now.id == topic.id);
            match now.filter(|now| now.queue != topic.queue) {
                Some(changed) => topic = changed,
                None => break,
            }
        }
        Ok(topic)
    }
}

/// Commands for all partitions of a queue.
impl Engine {
    /// Puts a command for each partition of a queue, those of higher priorities first, into one entry of the log;
    /// each has an outcome of its own.
    pub(crate) async fn together(
        &self,
        queue: QueuePlace,
        command: impl Fn(StreamId) -> Command,
    ) -> Result<Vec<Result<Outcome, Refusal>>, SubmitError> {
        let commands = queue.streams().map(command).collect();
        self.carry_out(queue.shard(), Together(commands)).await
    }

    /// The same for commands of which none is refused unless all are; adds up what they tell.
    async fn sum(
        &self,
        queue: QueuePlace,
        command: impl Fn(StreamId) -> Command,
        count: impl Fn(Outcome) -> u64,
    ) -> Result<u64, SubmitError> {
        let outcomes = self.together(queue, command).await?.into_iter();
        Ok(outcomes.map(|outcome| outcome.map(&count)).sum::<Result<u64, Refusal>>()?)
    }
}

/// Records in and out.
impl Engine {
    /// Appends messages to a queue, each where its priority belongs, in order, and waits until all are committed.
    /// Each has an answer of its own; a duplicate's tells the place of the first, which may have had another
    /// priority.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub async fn enqueue(
        &self,
        queue: impl Into<QueuePlace>,
        messages: Vec<(Encoded, Option<Origin>)>,
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        let queue = queue.into();
        self.carry_out(queue.shard(), Enqueue { queue, messages }).await
    }

    /// Takes leases of records that are ready, strictly those of higher priorities first. If there are none, waits
    /// for the first in the order of arrival with all others who wait; whoever stops polling this future waits no
    /// more.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn receive(
        &self,
        queue: impl Into<QueuePlace>,
        acquire: Acquire,
        wait: Duration,
    ) -> Result<Received, SubmitError> {
        let queue = queue.into();
        self.carry_out(queue.shard(), Take { queue, acquire, wait }).await
    }

    /// Reads all that was received, as [`Self::deliveries`] does.
    ///
    /// # Errors
    /// [`ReadError`] if none can be read.
    pub async fn received(&self, received: &Received) -> Result<Vec<Deliveries>, ReadError> {
        let (mut read, mut unreadable) = (Vec::new(), None);
        for (queue, leases) in &received.batches {
            match self.deliveries(queue.stream, leases).await {
                Ok(deliveries) => read.push(Deliveries { queue: *queue, deliveries }),
                Err(error) => unreadable = Some((queue, error)),
            }
        }
        match unreadable {
            Some((_, error)) if read.is_empty() => return Err(error),
            Some((Partition { stream, .. }, error)) => {
                tracing::error!(%stream, %error, "leased records are not delivered, those beside them are");
            }
            None => {}
        }
        Ok(read)
    }

    /// Reads what was leased. A record that was given up meanwhile by a purge or a trim is left
    /// out; so is one that cannot be read, if another can: its lease ends in its time.
    ///
    /// # Errors
    /// [`ReadError`] if none can be read.
    pub async fn deliveries(&self, stream: StreamId, leases: &[Lease]) -> Result<Vec<Delivery>, ReadError> {
        let (mut messages, unreadable) =
            self.readable(stream, leases.iter().map(|lease| lease.key.offset).collect()).await;
        match unreadable {
            Some(error) if messages.is_empty() => return Err(error),
            Some(error) => tracing::error!(%stream, %error, "a leased record is not delivered, those beside it are"),
            None => {}
        }
        let delivery =
            |lease: &Lease| messages.remove(&lease.key.offset).map(|message| Delivery { lease: *lease, message });
        Ok(leases.iter().filter_map(delivery).collect())
    }

    /// Reads single records of a stream, neighbours at once; what is not there is left out.
    ///
    /// # Errors
    /// [`ReadError`] of the first that cannot be read.
    pub async fn messages(
        &self,
        stream: StreamId,
        wanted: Vec<Offset>,
    ) -> Result<BTreeMap<Offset, Message>, ReadError> {
        let (found, unreadable) = self.readable(stream, wanted).await;
        unreadable.map_or(Ok(found), Err)
    }

    /// Reads what can be read of single records, and says why the first of the others cannot.
    async fn readable(
        &self,
        stream: StreamId,
        mut wanted: Vec<Offset>,
    ) -> (BTreeMap<Offset, Message>, Option<ReadError>) {
        wanted.sort_unstable();
        let (mut found, mut unreadable) = (Vec::new(), None);
        let mut left = &wanted[..];
        while let Some(first) = left.first() {
            let reached = match self.first_messages(stream, left, READ_BYTES).await {
                Ok((reached, mut part)) => {
                    found.append(&mut part);
                    reached
                }
                Err(error) => {
                    unreadable.get_or_insert(error);
                    first.plus(1)
                }
            };
            left = &left[left.partition_point(|offset| *offset < reached)..];
        }
        (found.into_iter().map(|message| (message.offset, message)).collect(), unreadable)
    }

    /// Reads the first of some records, in order, at least one whatever its size, and what else of them is in
    /// the same batches; returns how far that reaches. What is not there is left out.
    pub(crate) async fn first_messages(
        &self,
        stream: StreamId,
        wanted: &[Offset],
        bytes_max: usize,
    ) -> Result<(Offset, Vec<Message>), ReadError> {
        let mut found = Vec::new();
        let range = neighbours(wanted);
        let pieces = match self.read_range(stream, range.clone(), bytes_max).await {
            Ok(pieces) => pieces,
            Err(ReadError::OutOfRange { start, .. }) if range.start < start => return Ok((start, found)),
            Err(ReadError::OutOfRange { .. }) => return Ok((range.end, found)),
            Err(error) => return Err(error),
        };
        let reached = take_messages(pieces, wanted, &mut found)?.max(range.start.plus(1));
        Ok((reached, found))
    }

    /// Releases all that somebody holds of a queue; returns how much it was.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn release_holder(&self, queue: impl Into<QueuePlace>, holder: HolderId) -> Result<u64, SubmitError> {
        let release = |stream| Command::ReleaseHolder { stream, holder };
        let count = |outcome| match outcome {
            Outcome::HolderReleased { count } => count,
            other => unreachable!("releasing a holder ended in {other:?}"),
        };
        self.sum(queue.into(), release, count).await
    }

    /// Gives up every record of a queue but those on their way out; returns how many.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn purge(&self, queue: impl Into<QueuePlace>) -> Result<u64, SubmitError> {
        let purge = |stream| Command::Purge { stream };
        let count = |outcome| match outcome {
            Outcome::Purged { count } => count,
            other => unreachable!("a purge ended in {other:?}"),
        };
        self.sum(queue.into(), purge, count).await
    }

    /// Makes every record of a partition from `to` on ready again; returns how many are there again.
    ///
    /// # Errors
    /// [`SubmitError`]; a queue without history is refused.
    pub async fn rewind(&self, partition: Partition, to: Offset) -> Result<u64, SubmitError> {
        self.rewind_all(partition.into(), |_| to).await
    }

    /// The same for all partitions of a queue at once, each to an offset of its own.
    ///
    /// # Errors
    /// [`SubmitError`]; a queue without history is refused.
    pub async fn rewind_all(&self, queue: QueuePlace, to: impl Fn(StreamId) -> Offset) -> Result<u64, SubmitError> {
        let rewind = |stream| Command::Rewind { stream, to: to(stream) };
        let count = |outcome| match outcome {
            Outcome::Rewound { count } => count,
            other => unreachable!("a rewind ended in {other:?}"),
        };
        self.sum(queue, rewind, count).await
    }
}

/// Questions.
impl Engine {
    /// The first records of one partition of a queue from `from` on that are not gone, and where they are.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn peek_queue(
        &self,
        queue: Partition,
        from: Offset,
        count_max: usize,
    ) -> Result<Vec<(Offset, RecordState)>, SubmitError> {
        let stream = queue.stream;
        self.ask(queue.shard, move |broker| broker.peek(stream, from, count_max)).await
    }

    /// How many records of a queue are where; `None` if its creation is still under way.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn queue_counts(&self, queue: impl Into<QueuePlace>) -> Result<Option<QueueCounts>, SubmitError> {
        let queue = queue.into();
        let counts = move |broker: &omnibus_broker::Broker| {
            queue.streams().filter_map(|stream| broker.queue_counts(stream)).reduce(QueueCounts::plus)
        };
        self.ask(queue.shard(), counts).await
    }

    /// A queue as it is now; `None` if its creation is still under way.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn queue_view(&self, queue: impl Into<QueuePlace>) -> Result<Option<QueueView>, SubmitError> {
        let queue = queue.into();
        let known = move |broker: &omnibus_broker::Broker| {
            let of = |stream| Some((stream, broker.queue_counts(stream)?, broker.queue_floor(stream)?));
            queue.streams().filter_map(of).collect::<Vec<_>>()
        };
        let known = self.ask(queue.shard(), known).await?;
        let mut view: Option<QueueView> = None;
        for (stream, counts, floor) in known {
            let oldest = if counts.present() == 0 { None } else { self.written_at(stream, floor).await };
            let before = view.map(|view| (view.counts, view.oldest));
            let (others, older) = before.unwrap_or_default();
            // The last is the lowest.
            let oldest = older.into_iter().chain(oldest).min();
            view = Some(QueueView { counts: others.plus(counts), floor, oldest });
        }
        Ok(view)
    }

    /// What has become of records of one partition of a queue.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn record_states(&self, queue: Partition, offsets: Vec<Offset>) -> Result<Vec<RecordState>, SubmitError> {
        let stream = queue.stream;
        let states = move |broker: &omnibus_broker::Broker| {
            offsets.iter().map(|offset| broker.record_state(stream, *offset)).collect()
        };
        self.ask(queue.shard, states).await
    }

    /// When a record was appended, as its header has it; `None` if it cannot be read now.
    async fn written_at(&self, stream: StreamId, offset: Offset) -> Option<Timestamp> {
        let fetched = self.read(stream, offset, 1).await.ok()?;
        let header = omnibus_record::AnyHeader::read(fetched.pieces.first()?).ok()?.header;
        Some(Timestamp(header.max_timestamp))
    }
}

/// The offsets that follow each other without a gap, from the first on.
fn neighbours(wanted: &[Offset]) -> Range<Offset> {
    let start = wanted.first().copied().unwrap_or_default();
    let count = (0..).zip(wanted).take_while(|(place, offset)| start.plus(*place) == **offset).count();
    start..start.plus(count as u64)
}

/// Takes the wanted messages out of what was read; returns the offset that it reaches to.
fn take_messages(pieces: Vec<Bytes>, wanted: &[Offset], found: &mut Vec<Message>) -> Result<Offset, ReadError> {
    let unreadable = |error: omnibus_record::InvalidBatch| ReadError::Disk { reason: error.to_string() };
    let mut end = Offset::ZERO;
    for batch in pieces.into_iter().flat_map(omnibus_record::batches) {
        let header = omnibus_record::AnyHeader::read(&batch).map_err(unreadable)?.header;
        end = Offset(header.last_offset().cast_unsigned()).plus(1);
        let base = Offset(header.base_offset.cast_unsigned());
        // A gap between neighbours' runs may lie within what was read.
        let from = wanted.partition_point(|offset| *offset < base);
        if wanted.get(from).is_none_or(|offset| *offset >= end) {
            continue;
        }
        for message in Messages::of(&batch, DECOMPRESSED_BYTES_MAX).map_err(unreadable)? {
            let message = message.map_err(unreadable)?;
            if wanted.binary_search(&message.offset).is_ok() {
                found.push(message);
            }
        }
    }
    Ok(end)
}
