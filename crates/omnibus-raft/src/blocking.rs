//! Where something is done that waits for the disk.

use std::io;

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does something in a thread that may wait for the disk. A runtime of one thread is somebody's
/// who wants all in one order: there it is done in place.
///
/// # Errors
/// If it was not done to its end.
pub(crate) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, io::Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(run());
    }
    tokio::task::spawn_blocking(run).await.map_err(io::Error::other)
}
