//! A task for each consumer, which waits for its records.

use std::time::Duration;

use omnibus_engine::consumers::Ended;
use omnibus_engine::consuming::{Consumer, NextError};
use tokio::sync::{mpsc, watch};

use crate::link::{Event, What, Wish};
use crate::session::ConsumerNumber;

/// After what cannot be read now is tried again.
pub(crate) const READ_PAUSE: Duration = Duration::from_millis(200);

/// Waits for records and hands them to the connection, until the connection drops its end of `wishes`; returns the
/// consumer, as it may still hold something. It has begun by the first wish, which may be an old one when this runs first.
pub(crate) async fn run(
    number: ConsumerNumber,
    mut consumer: Consumer,
    (mut wish, mut wishes): (Wish, watch::Receiver<Wish>),
    events: mpsc::Sender<Event>,
) -> Consumer {
    let mut outgoing: Option<What> = None;
    let mut is_over = false;
    loop {
        tokio::select! {
            biased;
            changed = wishes.changed() => {
                if changed.is_err() {
                    return consumer;
                }
                let wished = *wishes.borrow_and_update();
                // In a box, as it is done now and then: each consumer has a task.
                Box::pin(obey(&mut consumer, wish, wished)).await;
                wish = wished;
            }
            permit = events.reserve(), if outgoing.is_some() => {
                let (Ok(permit), Some(what)) = (permit, outgoing.take()) else { return consumer };
                permit.send(Event { consumer: number, what });
            }
            next = consumer.next(), if outgoing.is_none() && !is_over => {
                outgoing = match next {
                    Ok(deliveries) => Some(What::Deliveries(deliveries)),
                    Err(NextError::Ended(ended)) => {
                        is_over = true;
                        Some(told(ended, wish))
                    }
                    Err(NextError::Read(error)) => {
                        tracing::error!(%error, "records for a consumer cannot be read now");
                        tokio::time::sleep(READ_PAUSE).await;
                        None
                    }
                };
            }
        }
    }
}

/// Carries out what has changed.
pub(crate) async fn obey(consumer: &mut Consumer, before: Wish, now: Wish) {
    if before.credit != now.credit
        && let Err(error) = consumer.set_credit(now.credit).await
    {
        tracing::debug!(%error, "a credit was not told");
    }
    if now.is_cancelled
        && !before.is_cancelled
        && let Err(error) = consumer.cancel().await
    {
        tracing::debug!(%error, "a consumer was not cancelled in good order");
    }
}

pub(crate) fn told(ended: Ended, wish: Wish) -> What {
    match ended {
        Ended::Cancelled => What::Cancelled,
        Ended::Broken => What::Broken,
        // Whatever it is that has come first, the client waits for one answer.
        _ if wish.is_cancelled => What::Cancelled,
        Ended::QueueDeleted | Ended::NotLeader { .. } | Ended::Closing => What::Ended,
    }
}
