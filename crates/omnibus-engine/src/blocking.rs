//! Where something is done that waits for the disk.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{self, JoinHandle};

/// Does something in a thread that may wait for the disk. A runtime of one thread is somebody's
/// who wants all in one order: there it is done in its turn.
pub(crate) fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return task::spawn(async move { run() });
    }
    task::spawn_blocking(run)
}
