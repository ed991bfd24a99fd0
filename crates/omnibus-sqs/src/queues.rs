//! The engine's queues under their names in SQS.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::BindingId;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{
    DeadLetterCause, Lease, LeaseKey, LeaseRefusal, Move, QueueConfig, QueueCounts, Settlement,
};
use omnibus_model::topic::{Partition, QueuePlace, SharedTopic, TopicConfig};
use omnibus_model::{Millis, MoveId, Offset, Refusal, StreamId, Timestamp, TopicId};
use omnibus_record::{Message, Native, SnsForm, SnsNative, SqsMessage};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::attributes;
use crate::door::Door;
use crate::errors::ApiError;
use crate::handles::Leased;
use crate::names::QueueName;

/// How often a change starts anew because somebody else has changed the queue meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// A queue that is there.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) name: QueueName,
    pub(crate) topic: SharedTopic,
    place: QueuePlace,
}

/// A queue that was asked for and is there now.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) queue: Queue,
    pub(crate) is_new: bool,
}

/// A message that was leased.
#[derive(Debug)]
pub(crate) struct Received {
    /// Which of the queue's priorities it has.
    pub(crate) stream: StreamId,
    pub(crate) lease: Lease,
    pub(crate) received_at: Timestamp,
    pub(crate) message: SqsMessage,
    /// How often it was received in all, in the queue that it was a dead letter of, too.
    pub(crate) receive_count: u64,
    /// The queue that it was a dead letter of.
    pub(crate) dead_letter_source: Option<String>,
    /// There if its receiver sees it in an envelope of SNS.
    pub(crate) wrapped: Option<Wrapped>,
}

/// A message that its receiver sees in an envelope of SNS.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) native: SnsNative,
    /// The subscription by which it came.
    pub(crate) binding: BindingId,
}

impl Wrapped {
    fn of(message: &Message, stream: StreamId) -> Option<Self> {
        let Native::Sns(native) = &message.native else { return None };
        let stream = message.history.as_ref().map_or(stream, |history| history.first.stream);
        let target = native.target(stream)?;
        (target.form == SnsForm::Envelope).then(|| Self { native: native.clone(), binding: target.binding })
    }
}

impl Queue {
    fn of(name: QueueName, topic: SharedTopic) -> Option<Self> {
        let place = topic.queue_place()?;
        Some(Self { name, topic, place })
    }

    pub(crate) fn config(&self) -> &QueueConfig {
        &self.queue().config
    }

    /// The stream of priority 0, to which all goes that SQS sends.
    pub(crate) fn stream(&self) -> StreamId {
        self.place.lowest.stream
    }

    /// Whether a stream is of the queue, in this life of it.
    pub(crate) fn has_stream(&self, stream: StreamId) -> bool {
        self.place.priority_of(stream).is_some()
    }

    fn partition(&self, stream: StreamId) -> Partition {
        Partition { stream, ..self.place.lowest }
    }

    pub(crate) fn created_at(&self) -> Timestamp {
        self.topic.created_at
    }

    pub(crate) fn altered_at(&self) -> Timestamp {
        attributes::altered_at(self.config(), self.queue().altered_at)
    }

    fn queue(&self) -> &omnibus_model::queue::Queue {
        self.topic.queue.as_deref().expect("it was checked when it was found")
    }
}

/// Queues by name.
impl Door {
    /// Finds a queue.
    pub(crate) fn find(&self, name: &QueueName) -> Result<Queue, ApiError> {
        match self.find_any(name) {
            Ok(Some(queue)) => Ok(queue),
            Ok(None) | Err(_) => Err(ApiError::QueueDoesNotExist),
        }
    }

    /// Finds a queue, also one that was created by another node a moment ago.
    pub(crate) async fn look_up(&self, name: &QueueName) -> Result<Queue, ApiError> {
        if let Ok(queue) = self.find(name) {
            return Ok(queue);
        }
        self.engine.learn_names().await;
        self.find(name)
    }

    /// Finds a queue, or learns that the name is free; a topic that is no queue has it, too.
    pub(crate) fn find_any(&self, name: &QueueName) -> Result<Option<Queue>, ApiError> {
        let topic = name.topic(&self.settings)?;
        let Some(topic) = self.engine.catalog().topic(topic.as_str()) else { return Ok(None) };
        Queue::of(name.clone(), topic).map(Some).ok_or(ApiError::NameIsTopic)
    }

    /// All names of queues, in order.
    pub(crate) fn names(&self) -> Vec<QueueName> {
        let mut names: Vec<QueueName> = self.all().into_iter().map(|queue| queue.name).collect();
        names.sort();
        names
    }

    /// The queues whose dead letters go to `target`.
    pub(crate) fn sources_of(&self, target: &Queue) -> Vec<QueueName> {
        let goes_there = |queue: &Queue| {
            attributes::redrive_in_force(queue.config()).is_some_and(|redrive| redrive.target == target.name)
        };
        let mut names: Vec<QueueName> = self.all().into_iter().filter(goes_there).map(|queue| queue.name).collect();
        names.sort();
        names
    }

    /// The queue that a stream is of.
    pub(crate) fn name_of(&self, stream: StreamId) -> Option<QueueName> {
        QueueName::of_topic(self.engine.catalog().queue(stream)?.name.as_str(), &self.settings)
    }

    fn all(&self) -> Vec<Queue> {
        let queue = |topic: SharedTopic| Queue::of(QueueName::of_topic(topic.name.as_str(), &self.settings)?, topic);
        self.engine.catalog().topics().into_iter().filter_map(queue).collect()
    }

    /// Creates a queue, or finds the one that somebody else has created meanwhile.
    pub(crate) async fn create(&self, name: &QueueName, config: QueueConfig) -> Result<Created, ApiError> {
        let command = CreateQueue {
            name: name.topic(&self.settings)?,
            id: TopicId(self.uuid().as_u128()),
            config: TopicConfig::default(),
            queue: config,
        };
        let is_new = match self.engine.create_queue(command).await {
            Ok(_) => true,
            Err(SubmitError::Refused(Refusal::TopicExists { .. })) => false,
            Err(error) => return Err(error.into()),
        };
        let queue = self.find_any(name)?.ok_or(ApiError::QueueDoesNotExist)?;
        Ok(Created { queue, is_new })
    }

    /// Changes a queue's configuration; if somebody else does at the same time, one after the other.
    pub(crate) async fn alter(
        &self,
        queue: &Queue,
        mut change: impl FnMut(&mut QueueConfig) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let change = |now: &Queue, config: &mut QueueConfig| {
            change(config)?;
            if config != now.config() {
                attributes::note_change(config);
            }
            Ok(())
        };
        self.rewrite(queue, change).await
    }

    /// Changes a queue's configuration, of which `change` gets a copy beside the queue as it is.
    async fn rewrite(
        &self,
        queue: &Queue,
        mut change: impl FnMut(&Queue, &mut QueueConfig) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        for _ in 0..ATTEMPTS_MAX {
            let now = self.find(&queue.name)?;
            let (before, mut after) = (now.config().clone(), now.config().clone());
            change(&now, &mut after)?;
            if before == after {
                return Ok(());
            }
            match self.engine.alter_queue(now.topic.name.clone(), ConfigChange { before, after }).await {
                Err(SubmitError::Refused(Refusal::ConfigChangedMeanwhile { .. })) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(ApiError::ServiceUnavailable("others change the queue all the time".to_owned()))
    }

    pub(crate) async fn delete(&self, queue: &Queue) -> Result<(), ApiError> {
        Ok(self.engine.delete_topic(queue.topic.name.clone()).await?)
    }
}

/// Messages in and out.
impl Door {
    /// Appends messages in order, each with an answer of its own.
    pub(crate) async fn enqueue(
        &self,
        queue: &Queue,
        messages: Vec<Message>,
    ) -> Result<Vec<Result<Appended, ApiError>>, ApiError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let encoded: Result<Vec<_>, _> =
            messages.iter().map(|message| message.encode().map(|encoded| (encoded, None))).collect();
        let encoded = encoded.map_err(|error| ApiError::InternalFailure(error.to_string()))?;
        let appended = self.engine.enqueue(queue.place, encoded).await?;
        Ok(appended.into_iter().map(|appended| appended.map_err(|refusal| SubmitError::from(refusal).into())).collect())
    }

    /// Takes leases, waiting for the first if it must, and reads what they are of.
    pub(crate) async fn receive(
        &self,
        queue: &Queue,
        acquire: Acquire,
        wait: Duration,
    ) -> Result<Vec<Received>, ApiError> {
        let acquired = match self.engine.receive(queue.place, acquire, wait).await {
            // A FIFO queue that has too much out answers nothing, and no error.
            Err(SubmitError::Refused(Refusal::LeasesFull { .. })) if attributes::is_fifo(queue.config()) => {
                return Ok(Vec::new());
            }
            acquired => acquired?,
        };
        let mut received = Vec::new();
        for deliveries in self.engine.received(&acquired).await? {
            let stream = deliveries.queue.stream;
            received.extend(deliveries.deliveries.into_iter().map(|delivery| Received {
                stream,
                lease: delivery.lease,
                received_at: acquired.granted_at,
                receive_count: receive_count(&delivery.lease, &delivery.message),
                message: seen((queue, stream), &delivery.message),
                dead_letter_source: self.dead_letter_source(&delivery.message),
                wrapped: Wrapped::of(&delivery.message, stream),
            }));
        }
        Ok(received)
    }

    fn dead_letter_source(&self, message: &Message) -> Option<String> {
        let last = &message.history.as_ref()?.last;
        match last.cause {
            DeadLetterCause::Moved(_) => None,
            DeadLetterCause::Rejected
            | DeadLetterCause::Exhausted
            | DeadLetterCause::Expired
            | DeadLetterCause::Overflow => QueueName::of_topic(&last.queue, &self.settings).map(|name| name.arn()),
        }
    }

    /// The id of the message at a place, also if it is gone by now.
    pub(crate) async fn id_at(&self, queue: &Queue, offset: Offset) -> Result<Uuid, ApiError> {
        let mut found = self.engine.messages(queue.stream(), vec![offset]).await?;
        if let Some(message) = found.remove(&offset) {
            return Ok(Uuid::from_u128(SqsMessage::of(&message, queue.stream()).native.id));
        }
        // It was deleted and its bytes are gone: its place still tells it from all others.
        let place = Sha256::new().chain_update(queue.stream().0.to_be_bytes()).chain_update(offset.0.to_be_bytes());
        let digest = place.finalize();
        let bytes = *digest.first_chunk::<16>().expect("a digest has 32 bytes");
        Ok(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Ends leases, each with an answer of its own.
    pub(crate) async fn settle(
        &self,
        queue: &Queue,
        settlements: Vec<(Leased, Settlement)>,
    ) -> Result<Vec<Result<(), LeaseRefusal>>, ApiError> {
        let mut results = Vec::with_capacity(settlements.len());
        for (stream, (places, asked)) in by_stream(settlements) {
            results.extend(places.into_iter().zip(self.engine.settle(queue.partition(stream), asked).await?));
        }
        Ok(in_order(results))
    }

    /// Lets leases end so long after now; zero gives the records back.
    pub(crate) async fn extend(
        &self,
        queue: &Queue,
        leases: Vec<(Leased, Millis)>,
    ) -> Result<Vec<Result<(), LeaseRefusal>>, ApiError> {
        let mut results = Vec::with_capacity(leases.len());
        for (stream, (places, asked)) in by_stream(leases) {
            results.extend(places.into_iter().zip(self.engine.extend(queue.partition(stream), asked).await?));
        }
        Ok(in_order(results).into_iter().map(|extended| extended.map(drop)).collect())
    }

    pub(crate) async fn purge(&self, queue: &Queue) -> Result<(), ApiError> {
        self.engine.purge(queue.place).await?;
        Ok(())
    }

    pub(crate) async fn counts(&self, queue: &Queue) -> Result<QueueCounts, ApiError> {
        let view = self.engine.queue_view(queue.place).await?;
        Ok(view.map(|view| view.counts).unwrap_or_default())
    }
}

/// What concerns one priority of a queue, and the places where the answers go.
type Asked<T> = (Vec<usize>, Vec<(LeaseKey, T)>);

fn by_stream<T>(asked: Vec<(Leased, T)>) -> BTreeMap<StreamId, Asked<T>> {
    let mut streams: BTreeMap<StreamId, Asked<T>> = BTreeMap::new();
    for (place, (leased, what)) in asked.into_iter().enumerate() {
        let (places, of_stream) = streams.entry(leased.stream).or_default();
        places.push(place);
        of_stream.push((leased.key, what));
    }
    streams
}

fn in_order<T>(mut answers: Vec<(usize, T)>) -> Vec<T> {
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A message as a queue's receivers see it: the group of a FIFO topic says nothing in a standard queue.
fn seen((queue, stream): (&Queue, StreamId), message: &Message) -> SqsMessage {
    let mut seen = SqsMessage::of(message, stream);
    let is_of_fifo = matches!(&message.native, Native::Sns(native) if native.sequence.is_some());
    if is_of_fifo && !attributes::is_fifo(queue.config()) {
        seen.native.group = None;
    }
    seen
}

/// AWS goes on counting when a message becomes a dead letter.
fn receive_count(lease: &Lease, message: &Message) -> u64 {
    let before = message.history.as_ref().map_or(0, |history| match history.last.cause {
        DeadLetterCause::Moved(_) => 0,
        DeadLetterCause::Rejected
        | DeadLetterCause::Exhausted
        | DeadLetterCause::Expired
        | DeadLetterCause::Overflow => history.last.deliveries,
    });
    u64::from(lease.delivery_count) + u64::from(before)
}

/// Move tasks.
impl Door {
    /// Starts to move all that is in a queue to another, or each message back to where it came from.
    pub(crate) async fn start_move(
        &self,
        source: &Queue,
        target: Option<&Queue>,
        rate_max: Option<u32>,
    ) -> Result<MoveId, ApiError> {
        let task = self.engine.start_move(source.place, target.map(Queue::stream), rate_max).await?;
        if let Some(target) = target {
            let noted = self.rewrite(source, |now, config| {
                attributes::note_move(config, now.altered_at(), (task, target.name.arn()));
                Ok(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "where a move goes was not written down; it is under way all the same");
            }
        }
        Ok(task)
    }

    /// Ends a move; returns how many messages have arrived.
    pub(crate) async fn cancel_move(&self, source: &Queue, task: MoveId) -> Result<u64, ApiError> {
        Ok(self.engine.cancel_move(source.place, task).await?)
    }

    /// The moves of a queue, those that are over among them.
    pub(crate) async fn moves(&self, source: &Queue) -> Result<Vec<Move>, ApiError> {
        Ok(self.engine.moves(source.place).await?)
    }
}
