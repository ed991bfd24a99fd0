//! Many commands of one request at once, so that they share the log's writes.

use tokio::task::JoinHandle;

/// Runs all of them and returns their outputs in order.
///
/// What has begun goes on to its end even if the client hangs up.
pub(super) async fn all<F>(futures: Vec<F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let handles: Vec<JoinHandle<F::Output>> = futures.into_iter().map(tokio::spawn).collect();
    let mut outputs = Vec::with_capacity(handles.len());
    for handle in handles {
        outputs.push(handle.await.expect("a command neither panics nor is cancelled"));
    }
    outputs
}
