//! Records of a queue, looked at without touching them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use omnibus_admin_api::queue::{MovedView, QueuePeek, QueuePeeked, QueuedRecord};
use omnibus_model::Offset;
use omnibus_model::queue::{DeadLetterCause, RecordState};
use omnibus_record::History;

use super::{queues, records};
use crate::errors::Answer;
use crate::node::SharedNode;

/// An answer ends once its bodies have as many bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub(crate) async fn peek(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    query: Result<Query<QueuePeek>, QueryRejection>,
) -> Answer<QueuePeeked> {
    let Query(peek) = query?;
    let (_, queue) = queues::find(&node.engine, &name)?;
    let count = usize::try_from(records::count(peek.count)?).unwrap_or(usize::MAX);
    let from = Offset(peek.from.unwrap_or(0));
    let known = node.engine.peek_queue(queue, from, count).await?;
    let (mut found, mut bytes, mut truncated) = (Vec::new(), 0, false);
    for (offset, state) in known {
        // One by one: a thousand bodies at once may be too much to hold.
        let message = node.engine.messages(queue.stream, vec![offset]).await?.remove(&offset);
        let Some(message) = message else { continue };
        bytes += message.body.len();
        let (state, deliveries, until) = told(&state);
        found.push(QueuedRecord {
            state: state.to_owned(),
            deliveries,
            until,
            moved: message.history.as_ref().map(moved),
            record: records::view(0, &message.to_record()),
        });
        truncated = bytes >= ANSWER_BYTES_MAX;
        if truncated {
            break;
        }
    }
    Ok(Json(QueuePeeked { records: found, truncated }))
}

/// A state in a word, with its deliveries and its end.
fn told(state: &RecordState) -> (&'static str, u32, Option<i64>) {
    match state {
        RecordState::Ready { delivery_count } => ("ready", *delivery_count, None),
        RecordState::Leased(lease) => ("leased", lease.delivery_count, Some(lease.deadline.0)),
        RecordState::Delayed { until, delivery_count } => ("delayed", *delivery_count, Some(until.0)),
        RecordState::Dying(dying) => ("dying", dying.delivery_count, None),
        RecordState::Absent => ("gone", 0, None),
    }
}

fn moved(history: &History) -> MovedView {
    let last = &history.last;
    let cause = match last.cause {
        DeadLetterCause::Rejected => "rejected",
        DeadLetterCause::Exhausted => "exhausted",
        DeadLetterCause::Expired => "expired",
        DeadLetterCause::Moved(_) => "moved",
    };
    MovedView {
        queue: last.queue.to_string(),
        offset: last.from.offset.0,
        cause: cause.to_owned(),
        deliveries: last.deliveries,
        first_delivered_at: last.first_delivered_at.map(|time| time.0),
        at: last.at.0,
        deaths: history.deaths,
    }
}
