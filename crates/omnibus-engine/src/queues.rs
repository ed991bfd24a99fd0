//! Queues, as front ends use them: what takes more than one shard, and what reads what was leased.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::config::ConfigChange;
use omnibus_model::outcome::{Acquired, Appended};
use omnibus_model::queue::{
    Lease, LeaseKey, LeaseRefusal, Move, Origin, QueueConfig, QueueCounts, RecordState, Settlement,
};
use omnibus_model::topic::{Partition, SharedTopic};
use omnibus_model::{Command, HolderId, Millis, MoveId, Offset, Outcome, Refusal, StreamId, Timestamp, TopicName};
use omnibus_record::{DECOMPRESSED_BYTES_MAX, Encoded, Message, Messages};

use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};
use crate::receivers::Receive;
use crate::shard::{Enqueueing, Request};

/// What is read at a time to find leased records.
const READ_BYTES: usize = 1 << 20;

/// A record that was leased, with what it says.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub lease: Lease,
    pub message: Message,
}

/// A queue as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView {
    pub counts: QueueCounts,
    /// The first record that is not gone.
    pub floor: Offset,
    /// When that record came; `None` if there is none.
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
        match self.change_topic(Command::CreateQueue(Box::new(command))).await {
            Ok(topic) => self.configure_cursor(topic).await,
            Err(error @ SubmitError::Refused(Refusal::TopicExists { .. })) => {
                if let Ok(topic) = self.queue(&name) {
                    self.configure_cursor(topic).await?;
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
        self.configure_cursor(topic).await
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
    async fn configure_cursor(&self, mut topic: SharedTopic) -> Result<SharedTopic, SubmitError> {
        while let Some((place, queue)) = topic.partitions.first().zip(topic.queue.as_ref()) {
            let (stream, config) = (place.stream, queue.config.cursor);
            self.submit(place.shard, Command::ConfigureCursor { stream, config }).await?;
            let now = self.catalog().topic(topic.name.as_str()).filter(|now| now.id == topic.id);
            match now.filter(|now| now.queue != topic.queue) {
                Some(changed) => topic = changed,
                None => break,
            }
        }
        Ok(topic)
    }
}

/// Records in and out.
impl Engine {
    /// Appends messages to a queue, in order, and waits until all are committed. Each has an
    /// answer of its own; a duplicate's tells the place of the first.
    ///
    /// # Errors
    /// [`SubmitError`], of all of them.
    pub async fn enqueue(
        &self,
        queue: Partition,
        messages: Vec<(Encoded, Option<Origin>)>,
    ) -> Result<Vec<Result<Appended, Refusal>>, SubmitError> {
        let stream = queue.stream;
        self.request(queue.shard, |reply| Request::Enqueue(Enqueueing { stream, messages, reply })).await
    }

    /// Takes leases of records that are ready. If there are none, waits for the first in the order
    /// of arrival with all others who wait; whoever stops polling this future waits no more.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn receive(&self, queue: Partition, acquire: Acquire, wait: Duration) -> Result<Acquired, SubmitError> {
        self.request(queue.shard, |reply| Request::Receive(Receive { acquire, wait, reply })).await
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

    /// Releases all that somebody holds of a queue; returns how much it was.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn release_holder(&self, queue: Partition, holder: HolderId) -> Result<u64, SubmitError> {
        match self.submit(queue.shard, Command::ReleaseHolder { stream: queue.stream, holder }).await? {
            Outcome::HolderReleased { count } => Ok(count),
            other => unreachable!("releasing a holder ended in {other:?}"),
        }
    }

    /// Gives up every record of a queue but those on their way out; returns how many.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn purge(&self, queue: Partition) -> Result<u64, SubmitError> {
        match self.submit(queue.shard, Command::Purge { stream: queue.stream }).await? {
            Outcome::Purged { count } => Ok(count),
            other => unreachable!("a purge ended in {other:?}"),
        }
    }

    /// Makes every record from `to` on ready again; returns how many are there again.
    ///
    /// # Errors
    /// [`SubmitError`]; a queue without history is refused.
    pub async fn rewind(&self, queue: Partition, to: Offset) -> Result<u64, SubmitError> {
        match self.submit(queue.shard, Command::Rewind { stream: queue.stream, to }).await? {
            Outcome::Rewound { count } => Ok(count),
            other => unreachable!("a rewind ended in {other:?}"),
        }
    }
}

/// Moves.
impl Engine {
    /// Starts to move all records that are in a queue now to another, or, if none is named, each
    /// back to where it came from.
    ///
    /// # Errors
    /// [`SubmitError`]; a queue that is being moved is refused.
    pub async fn start_move(
        &self,
        queue: Partition,
        target: Option<StreamId>,
        rate_max: Option<u32>,
    ) -> Result<MoveId, SubmitError> {
        match self.submit(queue.shard, Command::StartMove { stream: queue.stream, target, rate_max }).await? {
            Outcome::MoveStarted { task } => Ok(task),
            other => unreachable!("starting a move ended in {other:?}"),
        }
    }

    /// Ends a move; returns how many records have arrived. Those that were taken go on.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn cancel_move(&self, queue: Partition, task: MoveId) -> Result<u64, SubmitError> {
        match self.submit(queue.shard, Command::CancelMove { stream: queue.stream, task }).await? {
            Outcome::MoveCancelled { moved } => Ok(moved),
            other => unreachable!("cancelling a move ended in {other:?}"),
        }
    }

    /// A queue's move tasks, oldest first: those under way and some that are over.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn moves(&self, queue: Partition) -> Result<Vec<Move>, SubmitError> {
        let stream = queue.stream;
        self.ask(queue.shard, move |broker| broker.moves(stream).to_vec()).await
    }
}

/// Questions.
impl Engine {
    /// The first records of a queue from `from` on that are not gone, and where they are.
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

    /// A queue as it is now; `None` if its creation is still under way.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn queue_view(&self, queue: Partition) -> Result<Option<QueueView>, SubmitError> {
        let stream = queue.stream;
        let known = self.ask(queue.shard, move |broker| broker.queue_counts(stream).zip(broker.queue_floor(stream)));
        let Some((counts, floor)) = known.await? else { return Ok(None) };
        let present = counts.ready + counts.leased + counts.delayed + counts.dying;
        let oldest = if present == 0 { None } else { self.written_at(stream, floor).await };
        Ok(Some(QueueView { counts, floor, oldest }))
    }

    /// What has become of records of a queue.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn record_states(&self, queue: Partition, offsets: Vec<Offset>) -> Result<Vec<RecordState>, SubmitError> {
        let stream = queue.stream;
        let states = move |broker: &omnibus_broker::Broker| {
            offsets.into_iter().map(|offset| broker.record_state(stream, offset)).collect()
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
