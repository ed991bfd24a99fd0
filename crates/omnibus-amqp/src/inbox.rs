//! What comes to a connection from tasks beside it; most connections never need one, and none costs until it does.

use tokio::sync::mpsc;

/// The receiving end of a channel that is made when somebody is to send.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    ends: Option<(mpsc::Sender<T>, mpsc::Receiver<T>)>,
    /// How many may wait.
    room: usize,
}

impl<T> Inbox<T> {
    /// One in which so many may wait.
    pub(crate) const fn new(room: usize) -> Self {
        Self { ends: None, room }
    }

    /// A way to it.
    pub(crate) fn sender(&mut self) -> mpsc::Sender<T> {
        self.ends.get_or_insert_with(|| mpsc::channel(self.room)).0.clone()
    }

    /// Waits for what comes next; for ever, if there is no way to it.
    pub(crate) async fn receive(&mut self) -> T {
        let next = match &mut self.ends {
            Some((_, coming)) => coming.recv().await,
            None => None,
        };
        match next {
            Some(next) => next,
            // It keeps a way to itself, so that there is always one once there was one.
            None => std::future::pending().await,
        }
    }
}
