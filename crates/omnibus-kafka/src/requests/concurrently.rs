//! Many commands of one request at once, so that they share the log's writes.

use tokio::task::JoinHandle;

/// How many run at a time.
const AT_ONCE_MAX: usize = 1024;

/// Runs all of them and returns their outputs in order.
///
/// What has begun goes on to its end even if the client hangs up.
pub(super) async fn all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut futures = futures.into_iter().peekable();
    let mut outputs = Vec::new();
    while futures.peek().is_some() {
        let running: Vec<JoinHandle<F::Output>> = futures.by_ref().take(AT_ONCE_MAX).map(tokio::spawn).collect();
        for handle in running {
            outputs.push(handle.await.expect("a command neither panics nor is cancelled"));
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outputs_are_in_order() {
        let wanted: Vec<usize> = (0..2 * AT_ONCE_MAX + 1).collect();
        assert_eq!(all(wanted.iter().map(|number| std::future::ready(*number))).await, wanted);
    }
}
