//! What a log tells of a shard, on its way to the shard's task. It is bounded: commits are told in
//! one, entries come only as fast as they are applied, and elections are rare.

use std::collections::VecDeque;
use std::sync::Arc;

use omnibus_replication::ReplicationEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One thing that a shard is told.
#[derive(Debug)]
pub(crate) enum Progress {
    Told(ReplicationEvent),
    /// This process can commit no more.
    Broken,
}

/// Where a log puts what it tells.
#[derive(Debug)]
pub(crate) struct EventSender(Arc<Queue>);

/// Where a shard's task finds it.
#[derive(Debug)]
pub(crate) struct EventReceiver(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Progress>,
    is_closed: bool,
}

/// The log has ended, and nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

pub(crate) fn channel() -> (EventSender, EventReceiver) {
    let queue = Arc::<Queue>::default();
    (EventSender(Arc::clone(&queue)), EventReceiver(queue))
}

impl EventSender {
    pub(crate) fn send(&self, event: ReplicationEvent) {
        self.0.waiting.lock().push(event);
        // Whoever wakes up takes the lock at once.
        self.0.bell.notify_one();
    }

    pub(crate) fn send_broken(&self) {
        self.0.waiting.lock().events.push_back(Progress::Broken);
        self.0.bell.notify_one();
    }
}

impl Waiting {
    fn push(&mut self, event: ReplicationEvent) {
        match (self.events.back_mut(), &event) {
            (Some(Progress::Told(ReplicationEvent::Committed(before))), ReplicationEvent::Committed(newest)) => {
                *before = *newest;
            }
            _ => self.events.push_back(Progress::Told(event)),
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.waiting.lock().is_closed = true;
        self.0.bell.notify_one();
    }
}

impl EventReceiver {
    /// Waits until there is something.
    ///
    /// # Errors
    /// [`Ended`].
    pub(crate) async fn filled(&self) -> Result<(), Ended> {
        loop {
            {
                let waiting = self.0.waiting.lock();
                match (waiting.events.is_empty(), waiting.is_closed) {
                    (false, _) => return Ok(()),
                    (true, true) => return Err(Ended),
                    (true, false) => {}
                }
            }
            self.0.bell.notified().await;
        }
    }

    /// Takes what came first.
    pub(crate) fn take(&self) -> Option<Progress> {
        self.0.waiting.lock().events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::LogIndex;

    use super::*;

    #[tokio::test]
    async fn commits_are_told_in_one_and_nothing_is_told_out_of_order() {
        let (sender, receiver) = channel();
        sender.send(ReplicationEvent::Committed(LogIndex(1)));
        sender.send(ReplicationEvent::Committed(LogIndex(2)));
        sender.send(ReplicationEvent::Follows { leader: None });
        sender.send(ReplicationEvent::Committed(LogIndex(3)));
        drop(sender);
        let mut told = Vec::new();
        while receiver.filled().await.is_ok() {
            told.extend(receiver.take().map(|event| format!("{event:?}")));
        }
        assert_eq!(
            told,
            ["Told(Committed(LogIndex(2)))", "Told(Follows { leader: None })", "Told(Committed(LogIndex(3)))"]
        );
    }
}
