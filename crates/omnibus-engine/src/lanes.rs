//! What is asked of a shard, on its way there. What makes room goes before what needs some: a consumer that is given little at
//! a time waits for each of its settlements, and would wait behind all that publishers may send without an answer (ADR 105).

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc;

use crate::shard::Request;

/// Requests of each kind that may queue for one shard before those who ask must wait.
const WAITING_MAX: usize = 1024;

/// Requests taken at a time: while they are carried out, nobody else's are looked at.
const AT_ONCE: usize = 16;

/// The end of whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    first: mpsc::Sender<Request>,
    usual: mpsc::Sender<Request>,
}

/// The end of a shard.
#[derive(Debug)]
pub struct Asked {
    first: mpsc::Receiver<Request>,
    usual: mpsc::Receiver<Request>,
}

/// Makes both ends.
pub(crate) fn lanes() -> (Asking, Asked) {
    let (first, first_asked) = mpsc::channel(WAITING_MAX);
    let (usual, usual_asked) = mpsc::channel(WAITING_MAX);
    (Asking { first, usual }, Asked { first: first_asked, usual: usual_asked })
}

impl Asking {
    /// Asks if there is room.
    pub(crate) fn nudge(&self, request: Request) {
        drop(self.lane(&request).try_send(request));
    }

    /// The way of a request.
    pub(crate) const fn lane(&self, request: &Request) -> &mpsc::Sender<Request> {
        if request.makes_room() { &self.first } else { &self.usual }
    }
}

impl Asked {
    /// Waits for requests and takes some, in the order of each lane; returns how many, none if there will be no more.
    pub(crate) async fn take(&mut self, into: &mut Vec<Request>) -> usize {
        poll_fn(|context| match self.first.poll_recv_many(context, into, AT_ONCE) {
            Poll::Ready(count) => Poll::Ready(count),
            Poll::Pending => self.usual.poll_recv_many(context, into, AT_ONCE),
        })
        .await
    }

    /// Takes the next request if there is one.
    #[must_use]
    pub fn take_next(&mut self) -> Option<Request> {
        self.first.try_recv().or_else(|_| self.usual.try_recv()).ok()
    }

    /// Whether anybody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.usual.is_empty()
    }

    /// Takes no more than what is there.
    pub(crate) fn close(&mut self) {
        self.first.close();
        self.usual.close();
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::{Command, HolderId, StreamId};
    use tokio::sync::oneshot;

    use super::*;
    use crate::consumers::ConsumerRequest;

    fn submit(command: Command) -> Request {
        Request::Submit { command, reply: oneshot::channel().0 }
    }

    fn settle(stream: u64) -> Request {
        submit(Command::Settle { stream: StreamId(stream), settlements: Vec::new() })
    }

    fn drop_stream(stream: u64) -> Request {
        submit(Command::DropStream { stream: StreamId(stream) })
    }

    /// Which stream a request is about; none if it is about a consumer.
    fn stream(request: &Request) -> Option<u64> {
        match request {
            Request::Submit { command: Command::Settle { stream, .. } | Command::DropStream { stream }, .. } => {
                Some(stream.0)
            }
            _ => None,
        }
    }

    async fn ask(asking: &Asking, request: Request) -> bool {
        asking.lane(&request).send(request).await.is_ok()
    }

    #[tokio::test]
    async fn what_makes_room_is_taken_first_and_each_lane_in_its_order() {
        let (asking, mut asked) = lanes();
        for request in [
            drop_stream(1),
            drop_stream(2),
            settle(3),
            Request::Consumer(ConsumerRequest::Listen),
            settle(4),
            drop_stream(5),
        ] {
            assert!(ask(&asking, request).await);
        }
        let mut taken = Vec::new();
        assert_eq!(asked.take(&mut taken).await, 3);
        assert_eq!(taken.iter().map(stream).collect::<Vec<_>>(), [Some(3), None, Some(4)]);
        assert!(ask(&asking, settle(6)).await);
        assert_eq!(asked.take(&mut taken).await, 1);
        assert_eq!(asked.take(&mut taken).await, 3);
        assert_eq!(taken[3..].iter().map(stream).collect::<Vec<_>>(), [Some(6), Some(1), Some(2), Some(5)]);
        assert!(asked.is_empty());
    }

    #[tokio::test]
    async fn no_more_is_taken_at_a_time_than_may_keep_others_waiting() {
        let (asking, mut asked) = lanes();
        for _ in 0..=AT_ONCE {
            assert!(ask(&asking, drop_stream(1)).await);
        }
        let mut taken = Vec::new();
        assert_eq!(asked.take(&mut taken).await, AT_ONCE);
        assert!(ask(&asking, settle(2)).await);
        assert_eq!(asked.take_next().as_ref().and_then(stream), Some(2));
        assert_eq!(asked.take_next().as_ref().and_then(stream), Some(1));
        assert!(asked.take_next().is_none());
    }

    #[tokio::test]
    async fn what_was_asked_before_the_door_closed_is_there() {
        let (asking, mut asked) = lanes();
        assert!(ask(&asking, drop_stream(1)).await);
        let holder = HolderId(7);
        assert!(ask(&asking, submit(Command::ReleaseHolder { stream: StreamId(2), holder })).await);
        asked.close();
        assert!(!ask(&asking, settle(3)).await);
        assert!(asked.take_next().is_some() && asked.take_next().is_some() && asked.take_next().is_none());
        assert_eq!(asked.take(&mut Vec::new()).await, 0);
    }
}
