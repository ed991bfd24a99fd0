//! Something that takes several answers, on its way: a future that is asked now and then.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future that nobody wakes.
pub(crate) struct Doing<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Doing<T> {
    pub(crate) fn begin(future: impl Future<Output = T> + 'static) -> Self {
        Self(Box::pin(future))
    }

    /// Goes on as far as it can; returns what it led to, once.
    pub(crate) fn go_on(&mut self) -> Option<T> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

impl<T> fmt::Debug for Doing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doing")
    }
}

/// Lets others go on once.
pub(crate) async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
