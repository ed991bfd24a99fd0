//! Where a record goes, and as what.

use omnibus_model::queue::{DeadLetterCause, DeliveryOrder, Dying, Envelope, Move, Origin};
use omnibus_model::topic::{Partition, SharedTopic};
use omnibus_model::{Offset, Timestamp};
use omnibus_record::{Departure, Encoded, History, Message};

use super::MoveError;
use crate::catalog::Catalog;
use crate::dead_letters::{DeadLetter, DeadLetterRouter, Route};

/// A record on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) origin: Origin,
    /// To each of these it goes, and is gone if there is none.
    pub(super) targets: Vec<(Partition, Encoded)>,
}

impl Parcel {
    pub(super) fn bytes(&self) -> usize {
        self.targets.iter().map(|(_, message)| message.bytes()).sum()
    }
}

/// What is known of the source of some records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) topic: &'a SharedTopic,
    pub(super) queue: Partition,
    pub(super) moves: &'a [Move],
    pub(super) now: Timestamp,
}

impl Source<'_> {
    /// Packs a record up.
    pub(super) fn pack(
        &self,
        (catalog, router): (&Catalog, Option<&dyn DeadLetterRouter>),
        dying: &Dying,
        message: Message,
    ) -> Result<Parcel, MoveError> {
        let origin = Origin { stream: self.queue.stream, offset: dying.offset };
        let letter = DeadLetter { queue: self.topic, dying, message: &message };
        let route = router.filter(|_| self.is_unnamed(dying.cause)).and_then(|router| router.route(letter));
        match route {
            Some(Route::To { message: routed, queues }) => {
                let history = self.history(dying, origin, message.history.as_ref());
                let Envelope { group, priority, .. } = routed.envelope;
                let envelope = Envelope { group, priority, ..Envelope::default() };
                let moved = Message { offset: Offset::ZERO, envelope, history: Some(history), ..*routed };
                let message = moved.encode()?;
                let targets = queues.into_iter().map(|queue| (queue.of_priority(priority), message.clone()));
                Ok(Parcel { origin, targets: targets.collect() })
            }
            Some(Route::NotNow) => Err(MoveError::NotRouted),
            None => self.pack_for_one(catalog, (dying, origin), message),
        }
    }

    /// Whether it is a dead letter and its queue does not say where those go.
    fn is_unnamed(&self, cause: DeadLetterCause) -> bool {
        let queue = self.topic.queue.as_ref();
        let is_named = queue.is_some_and(|queue| queue.config.dead_letters_to.is_some());
        !is_named && !matches!(cause, DeadLetterCause::Moved(_))
    }

    fn pack_for_one(
        &self,
        catalog: &Catalog,
        (dying, origin): (&Dying, Origin),
        message: Message,
    ) -> Result<Parcel, MoveError> {
        let target = self.target(catalog, dying.cause, message.history.as_ref())?;
        let order = target.queue.as_ref().map(|queue| queue.config.cursor.order);
        // The retention of an ordered queue begins anew, others go on.
        let timestamp = if order == Some(DeliveryOrder::Ordered) { self.now } else { message.timestamp };
        let Envelope { group, priority, .. } = message.envelope;
        let moved = Message {
            offset: Offset::ZERO,
            timestamp,
            envelope: Envelope { group, priority, ..Envelope::default() },
            history: Some(self.history(dying, origin, message.history.as_ref())),
            ..message
        };
        let target = target.queue_place().ok_or(MoveError::TargetUnnamed)?.of_priority(priority);
        Ok(Parcel { origin, targets: vec![(target, moved.encode()?)] })
    }

    fn target(
        &self,
        catalog: &Catalog,
        cause: DeadLetterCause,
        history: Option<&History>,
    ) -> Result<SharedTopic, MoveError> {
        match cause {
            DeadLetterCause::Moved(id) => {
                let task = self.moves.iter().find(|task| task.id == id);
                let named = task.and_then(|task| task.target);
                let target = named.or(history.map(|history| history.last.from.stream));
                // If there is no such queue any more the record stays, at the end.
                Ok(target.and_then(|target| catalog.queue(target)).unwrap_or_else(|| self.topic.clone()))
            }
            DeadLetterCause::Rejected
            | DeadLetterCause::Exhausted
            | DeadLetterCause::Expired
            | DeadLetterCause::Overflow => {
                let queue = self.topic.queue.as_ref();
                let named = queue.and_then(|queue| queue.config.dead_letters_to.as_ref());
                let target = named.ok_or(MoveError::TargetUnnamed)?;
                let found = catalog.topic(target.as_str()).filter(|topic| topic.queue.is_some());
                found.ok_or_else(|| MoveError::TargetMissing { target: target.clone() })
            }
        }
    }

    fn history(&self, dying: &Dying, origin: Origin, before: Option<&History>) -> History {
        let dies = !matches!(dying.cause, DeadLetterCause::Moved(_));
        let deaths = before.map_or(0, |history| history.deaths);
        History {
            first: before.map_or(origin, |history| history.first),
            deaths: deaths.saturating_add(u32::from(dies)),
            last: Departure {
                queue: self.topic.name.as_str().into(),
                from: origin,
                cause: dying.cause,
                deliveries: dying.delivery_count,
                first_delivered_at: dying.first_delivered_at,
                at: dying.died_at,
            },
        }
    }
}
