//! What is asked of a shard, on its way there. What makes room goes before what needs some: a consumer that is given little at
//! a time waits for each of its settlements, and would wait behind all that publishers may send without an answer (ADR 105).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use crate::shard::Request;

/// Requests of each kind that may queue for one shard before those who ask must wait.
const WAITING_MAX: usize = 1024;

/// Requests taken of each kind at a time: while they are carried out, nobody else's are looked at.
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
    first: Lane,
    usual: Lane,
}

/// Requests of one kind, in their order.
#[derive(Debug)]
pub(crate) struct Lane {
    waiting: mpsc::Receiver<Request>,
    /// Those that are being carried out.
    pub(crate) taken: VecDeque<Request>,
}

/// Makes both ends.
pub(crate) fn lanes() -> (Asking, Asked) {
    let ((first, first_lane), (usual, usual_lane)) = (lane(), lane());
    (Asking { first, usual }, Asked { first: first_lane, usual: usual_lane })
}

fn lane() -> (mpsc::Sender<Request>, Lane) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    (sender, Lane { waiting, taken: VecDeque::new() })
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
    /// Waits for requests and takes some of each lane of which all were carried out; false if there will be no more.
    pub(crate) async fn fill(&mut self) -> bool {
        poll_fn(|context| match (self.first.fill(context), self.usual.fill(context)) {
            (Poll::Ready(true), _) | (_, Poll::Ready(true)) => Poll::Ready(true),
            (Poll::Ready(false), Poll::Ready(false)) => Poll::Ready(false),
            _ => Poll::Pending,
        })
        .await
    }

    /// Takes the next request if there is one.
    #[must_use]
    pub fn take_next(&mut self) -> Option<Request> {
        self.lanes().find_map(|lane| lane.taken.pop_front().or_else(|| lane.waiting.try_recv().ok()))
    }

    /// What was taken, in the order in which it is carried out.
    pub(crate) fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        [&mut self.first, &mut self.usual].into_iter()
    }

    /// Whether there are requests that were not taken.
    pub(crate) fn has_more(&self) -> bool {
        !self.first.waiting.is_empty() || !self.usual.waiting.is_empty()
    }

    /// Takes all that is there, and lets nothing more come.
    pub(crate) fn close(&mut self) {
        for Lane { waiting, taken } in self.lanes() {
            waiting.close();
            taken.extend(std::iter::from_fn(|| waiting.try_recv().ok()));
        }
    }
}

impl Lane {
    /// Takes some if none are left; false if there will be no more.
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if !self.taken.is_empty() {
            return Poll::Pending;
        }
        while self.taken.len() < AT_ONCE {
            match self.waiting.poll_recv(context) {
                Poll::Ready(Some(request)) => self.taken.push_back(request),
                Poll::Ready(None) if self.taken.is_empty() => return Poll::Ready(false),
                Poll::Pending if self.taken.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(true)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::{Command, StreamId};
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

    fn taken(asked: &mut Asked) -> Vec<Option<u64>> {
        asked.lanes().flat_map(|lane| lane.taken.drain(..)).map(|request| stream(&request)).collect()
    }

    /// What is carried out at a time.
    async fn filled(asked: &mut Asked) -> Vec<Option<u64>> {
        assert!(asked.fill().await);
        taken(asked)
    }

    #[tokio::test]
    async fn what_makes_room_is_first_and_each_lane_is_in_its_order() {
        let (asking, mut asked) = lanes();
        let listen = Request::Consumer(ConsumerRequest::Listen);
        for request in [drop_stream(1), settle(3), listen, settle(4), drop_stream(5)] {
            assert!(ask(&asking, request).await);
        }
        assert_eq!(filled(&mut asked).await, [Some(3), Some(4), Some(1), None, Some(5)]);
        assert!(!asked.has_more());
    }

    #[test]
    fn what_is_settled_in_turn_and_the_end_of_a_consumer_overtake_nothing() {
        let settle = Command::Settle { stream: StreamId(1), settlements: Vec::new() };
        assert!(!Request::Together { commands: vec![settle], reply: oneshot::channel().0 }.makes_room());
        let close = ConsumerRequest::Close { consumers: Vec::new(), reply: oneshot::channel().0 };
        assert!(!Request::Consumer(close).makes_room());
    }

    #[tokio::test]
    async fn neither_lane_keeps_the_other_waiting() {
        let (asking, mut asked) = lanes();
        for number in 0..=AT_ONCE as u64 {
            assert!(ask(&asking, settle(number)).await && ask(&asking, drop_stream(100 + number)).await);
        }
        let filled_first = filled(&mut asked).await;
        assert_eq!(filled_first.len(), 2 * AT_ONCE);
        assert_eq!((filled_first[0], filled_first[AT_ONCE]), (Some(0), Some(100)));
        assert_eq!(filled(&mut asked).await, [Some(AT_ONCE as u64), Some(100 + AT_ONCE as u64)]);
    }

    #[tokio::test]
    async fn what_makes_room_is_taken_while_others_wait_for_room() {
        let (asking, mut asked) = lanes();
        assert!(ask(&asking, drop_stream(1)).await && asked.fill().await);
        assert!(ask(&asking, drop_stream(2)).await && ask(&asking, settle(3)).await);
        assert!(asked.fill().await);
        assert_eq!(asked.lanes().map(|lane| lane.taken.len()).collect::<Vec<_>>(), [1, 1]);
        let order = std::iter::from_fn(|| asked.take_next()).map(|request| stream(&request));
        assert_eq!(order.collect::<Vec<_>>(), [Some(3), Some(1), Some(2)]);
    }

    #[tokio::test]
    async fn what_was_asked_before_the_door_closed_is_there() {
        let (asking, mut asked) = lanes();
        assert!(ask(&asking, drop_stream(1)).await && ask(&asking, settle(2)).await);
        asked.close();
        assert!(!ask(&asking, settle(3)).await);
        assert_eq!(taken(&mut asked), [Some(2), Some(1)]);
        assert!(!asked.fill().await);
    }
}
