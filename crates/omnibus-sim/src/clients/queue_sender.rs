//! Sends messages to queues, and sends again what it knows nothing of, or as if it did not.

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_model::outcome::Appended;
use omnibus_model::queue::{DeliveryOrder, Envelope};
use omnibus_model::topic::{QueuePlace, SharedTopic};
use omnibus_model::{DedupHash, GroupHash, Millis, Offset, Refusal};
use omnibus_record::{Message, Native, SqsNative};

use super::Client;
use crate::doing::Doing;
use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

/// Messages that are kept to be sent again.
const KEPT_MAX: usize = 8;

/// Messages have priorities from 0 to below this.
const PRIORITIES: u64 = 5;

type Told = Result<Vec<Result<Appended, Refusal>>, SubmitError>;

/// A producer for queues.
#[derive(Debug, Default)]
pub(super) struct QueueSender {
    sending: Option<(QueuePlace, Vec<Sent>, Doing<Told>)>,
    kept: Vec<(QueuePlace, Vec<Sent>)>,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    envelope: Envelope,
}

impl Client for QueueSender {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.sending.is_some() {
            return Ok(());
        }
        if !self.kept.is_empty() && stage.random.once_in(3) {
            let place = stage.random.place(self.kept.len());
            let (queue, messages) = self.kept.swap_remove(place);
            self.send(stage, queue, messages);
        } else if let Some(topic) = stage.any_queue() {
            let Some(queue) = topic.queue_place() else { return Ok(()) };
            let count = stage.random.within(1..=4);
            let messages = (0..count).map(|_| draw(stage, &topic)).collect();
            self.send(stage, queue, messages);
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some((queue, messages, sending)) = &mut self.sending else { return Ok(()) };
        let Some(told) = sending.go_on() else { return Ok(()) };
        let (queue, messages) = (*queue, std::mem::take(messages));
        self.sending = None;
        stage.trace.line(format_args!("sent to stream {}: {told:?}", queue.lowest.stream));
        let mut again = stage.random.once_in(4);
        match told {
            Ok(each) => {
                for (message, told) in messages.iter().zip(each) {
                    let Ok(appended) = told else { continue };
                    stage.tally.acknowledged += 1;
                    if !appended.duplicate {
                        stage.see(&Fact::Acknowledged)?;
                    }
                    let place = queue.of_priority(message.envelope.priority);
                    stage.sent((place.stream, appended.base), message.number)?;
                }
            }
            Err(_) => again = true,
        }
        if again {
            self.keep(queue, messages);
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        if let Some((queue, messages, _)) = self.sending.take() {
            self.keep(queue, messages);
        }
        Ok(())
    }
}

impl QueueSender {
    fn send(&mut self, stage: &mut Stage, queue: QueuePlace, messages: Vec<Sent>) {
        let encoded = messages.iter().map(|sent| {
            let body = stage.oracle.bodies[usize::try_from(sent.number).expect("a few thousand")].clone();
            let message = Message {
                offset: Offset::ZERO,
                timestamp: stage.time.moment().wall,
                envelope: sent.envelope,
                native: Native::Sqs(SqsNative::default()),
                history: None,
                body,
            };
            (message.encode().expect("a short message"), None)
        });
        let encoded: Vec<_> = encoded.collect();
        stage.trace.line(format_args!("send {messages:?} to stream {}", queue.lowest.stream));
        let engine = stage.node.engine.clone();
        let sending = Doing::begin(async move { engine.enqueue(queue, encoded).await });
        self.sending = Some((queue, messages, sending));
    }

    /// Keeps messages to be sent again: those that would be recognised, so that none is there twice.
    fn keep(&mut self, queue: QueuePlace, messages: Vec<Sent>) {
        let known = messages.into_iter().filter(|sent| sent.envelope.dedup.is_some()).collect::<Vec<_>>();
        if !known.is_empty() && self.kept.len() < KEPT_MAX {
            self.kept.push((queue, known));
        }
    }
}

/// A message that nobody else sends, of a kind that the queue takes.
fn draw(stage: &mut Stage, topic: &SharedTopic) -> Sent {
    let number = draw_body(stage);
    Sent { number, envelope: draw_envelope(stage, topic, number) }
}

/// Makes a body that nobody else sends; returns its number.
pub(super) fn draw_body(stage: &mut Stage) -> u64 {
    let number = stage.oracle.bodies.len() as u64;
    let bytes_max = if stage.random.once_in(30) { 9_000 } else { 200 };
    let length = usize::try_from(stage.random.below(bytes_max)).expect("a few thousand");
    let mut body = number.to_le_bytes().to_vec();
    body.extend(stage.random.bytes(length));
    stage.oracle.bodies.push(Bytes::from(body));
    number
}

/// An envelope of a kind that the queue takes.
pub(super) fn draw_envelope(stage: &mut Stage, topic: &SharedTopic, number: u64) -> Envelope {
    let now = stage.time.moment().wall;
    let ordered = topic.queue.as_ref().is_some_and(|queue| queue.config.cursor.order == DeliveryOrder::Ordered);
    let random = &mut stage.random;
    Envelope {
        deliver_at: (!ordered && random.once_in(4)).then(|| now.plus(Millis(random.within(10..=500)))),
        expires_at: random.once_in(12).then(|| now.plus(Millis(random.within(20..=800)))),
        group: (ordered || random.once_in(3)).then(|| GroupHash(random.below(3))),
        dedup: random.once_in(2).then(|| DedupHash(u128::from(number))),
        // Also higher than any queue knows, and the same whenever it is sent.
        priority: u8::try_from(number % PRIORITIES).expect("a few"),
    }
}
