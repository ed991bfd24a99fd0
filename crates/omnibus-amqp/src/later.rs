//! What was begun and ends later.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::task::unconstrained;

pub(crate) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Lets something begin, so that it is in its place before whatever comes after it; the rest may wait.
pub(crate) async fn begun<T>(mut later: Later<T>) -> Result<T, Later<T>> {
    // Whatever this task has done in its turn, nobody may stand in front of it.
    let mut first = unconstrained(&mut later);
    match poll_fn(|context| Poll::Ready(Pin::new(&mut first).poll(context))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(later),
    }
}
