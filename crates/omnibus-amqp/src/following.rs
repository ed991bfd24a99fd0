//! A task for each consumer of a stream, which reads on as far as its client settles what it was given.

use std::pin::pin;

use omnibus_engine::ReadError;
use omnibus_engine::consuming::{Consumer, NextError};
use omnibus_record::Message;
use tokio::sync::{mpsc, watch};

use crate::consuming::{READ_PAUSE, obey, told};
use crate::link::{Event, What, Wish};
use crate::session::ConsumerNumber;
use crate::tail::Tail;

/// One who reads a stream.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) number: ConsumerNumber,
    /// Tells who leads the queue that it is consumed, and is told when it is gone. It is given nothing.
    pub(crate) presence: Consumer,
    pub(crate) tail: Tail,
}

impl Reader {
    /// Reads and hands on to the connection, until the connection drops its end of `wishes`; returns what it was known by.
    /// It has begun by the first wish, which may be an old one when this runs first.
    pub(crate) async fn run(
        self,
        (mut wish, mut wishes): (Wish, watch::Receiver<Wish>),
        events: mpsc::Sender<Event>,
    ) -> Consumer {
        let Self { number, mut presence, mut tail } = self;
        let queue = tail.partition();
        let mut outgoing: Option<What> = None;
        let (mut given, mut is_over) = (0, false);
        loop {
            let may_read = outgoing.is_none() && !is_over && !wish.is_cancelled;
            let free = if may_read { wish.free(given) } else { 0 };
            let mut reading = pin!(read(&events, &mut tail, free));
            let read = loop {
                tokio::select! {
                    biased;
                    changed = wishes.changed() => {
                        if changed.is_err() {
                            return presence;
                        }
                        let wished = *wishes.borrow_and_update();
                        Box::pin(obey(&mut presence, wish, wished)).await;
                        wish = wished;
                        // What has begun to be read is not given up for every word of the client's.
                        if free == 0 || wish.is_cancelled {
                            break None;
                        }
                    }
                    permit = events.reserve(), if outgoing.is_some() => {
                        let (Ok(permit), Some(what)) = (permit, outgoing.take()) else { return presence };
                        permit.send(Event { consumer: number, what });
                        break None;
                    }
                    next = presence.next(), if !is_over => if let Err(NextError::Ended(ended)) = next {
                        is_over = true;
                        outgoing = Some(told(ended, wish));
                        break None;
                    },
                    read = &mut reading, if free > 0 => break Some(read),
                }
            };
            match read {
                None => {}
                Some(None) => return presence,
                Some(Some((permit, Ok(messages)))) if messages.is_empty() => drop(permit),
                Some(Some((permit, Ok(messages)))) => {
                    given += messages.len() as u64;
                    permit.send(Event { consumer: number, what: What::Read(queue, messages) });
                }
                Some(Some((permit, Err(error)))) => {
                    drop(permit);
                    tracing::error!(%error, "records of a stream cannot be read now");
                    tokio::time::sleep(READ_PAUSE).await;
                }
            }
        }
    }
}

/// Reads once the connection takes more: a slow one has nothing read for it. `None` if it is gone.
async fn read<'a>(
    events: &'a mpsc::Sender<Event>,
    tail: &mut Tail,
    free: usize,
) -> Option<(mpsc::Permit<'a, Event>, Result<Vec<Message>, ReadError>)> {
    tail.grown().await;
    let permit = events.reserve().await.ok()?;
    Some((permit, tail.read(free).await))
}

impl Wish {
    /// How many more one may be given who was given so many.
    fn free(&self, given: u64) -> usize {
        let held = given.saturating_sub(self.settled);
        usize::try_from(u64::from(self.credit).saturating_sub(held)).unwrap_or(usize::MAX)
    }
}
