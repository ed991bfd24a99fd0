//! A value that is watched, whose watchers are woken in the order in which they began to wait.
//!
//! Tokio's own spreads its watchers over several lists, by a chance that nobody can give a seed: equal runs of a
//! simulation would wake them in different orders. A group has few watchers, so one list does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use openraft_rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft_rt::{OptionalSend, OptionalSync};
use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::Notify;

/// Set in the version of a channel whose senders are gone.
const CLOSED: u64 = 1;

/// What one version is apart from the next.
const STEP: u64 = 2;

/// The kind of channel.
#[derive(Debug)]
pub struct FairWatch;

/// Changes the value.
pub struct Sender<T>(Arc<Channel<T>>);

/// Sees it change.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    seen: u64,
}

struct Channel<T> {
    value: RwLock<T>,
    version: AtomicU64,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    bell: Notify,
}

impl<T> Channel<T> {
    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn receiver(self: &Arc<Self>, seen: u64) -> Receiver<T> {
        self.receivers.fetch_add(1, Ordering::SeqCst);
        Receiver { channel: Arc::clone(self), seen }
    }

    fn changed(&self) {
        self.version.fetch_add(STEP, Ordering::SeqCst);
        self.bell.notify_waiters();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.0.version()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.channel.receiver(self.seen)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.version.fetch_or(CLOSED, Ordering::SeqCst);
            self.0.bell.notify_waiters();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.receivers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Watch for FairWatch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = RwLockReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
        let channel = Arc::new(Channel {
            value: RwLock::new(init),
            version: AtomicU64::new(0),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
            bell: Notify::new(),
        });
        let receiver = channel.receiver(0);
        (Sender(channel), receiver)
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<FairWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendError(value));
        }
        // The one before is dropped when the lock is free again.
        let before = std::mem::replace(&mut *self.0.value.write(), value);
        self.0.changed();
        drop(before);
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let is_modified = modify(&mut self.0.value.write());
        if is_modified {
            self.0.changed();
        }
        is_modified
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.0.value.read_recursive()
    }

    fn subscribe(&self) -> Receiver<T> {
        self.0.receiver(self.0.version() & !CLOSED)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<FairWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        loop {
            // The bell counts from here on, so nothing is missed between the look and the wait.
            let rung = self.channel.bell.notified();
            let version = self.channel.version();
            if version & !CLOSED != self.seen {
                self.seen = version & !CLOSED;
                return Ok(());
            }
            if version & CLOSED != 0 {
                return Err(RecvError(()));
            }
            rung.await;
        }
    }

    fn borrow_watched(&self) -> RwLockReadGuard<'_, T> {
        self.channel.value.read_recursive()
    }

    fn borrow_and_update(&mut self) -> RwLockReadGuard<'_, T> {
        let value = self.channel.value.read_recursive();
        self.seen = self.channel.version() & !CLOSED;
        value
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn watchers_are_woken_in_the_order_in_which_they_wait() {
        let (sender, receiver) = FairWatch::channel(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let watch = |name: u32| {
            let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
            tokio::spawn(async move {
                while receiver.changed().await.is_ok() {
                    woken.lock().push((name, *receiver.borrow_watched()));
                }
            })
        };
        let watchers: Vec<_> = (0..20).map(watch).collect();
        for value in 1..=3 {
            tokio::task::yield_now().await;
            sender.send(value).unwrap();
        }
        tokio::task::yield_now().await;
        drop(sender);
        for watcher in watchers {
            watcher.await.unwrap();
        }
        let expected: Vec<_> = (1..=3).flat_map(|value| (0..20).map(move |name| (name, value))).collect();
        assert_eq!(*woken.lock(), expected);
    }

    #[tokio::test]
    async fn what_was_sent_last_is_seen_before_the_end() {
        let (sender, mut receiver) = FairWatch::channel(1);
        sender.send(2).unwrap();
        sender.send(3).unwrap();
        drop(sender.clone());
        drop(sender);
        assert!(receiver.changed().await.is_ok());
        assert_eq!(*receiver.borrow_and_update(), 3);
        assert!(receiver.changed().await.is_err());
    }

    #[tokio::test]
    async fn what_nobody_watches_is_not_sent_and_what_was_not_modified_not_told() {
        let (sender, mut receiver) = FairWatch::channel(1);
        assert!(!sender.send_if_modified(|_| false));
        assert!(sender.send_if_different(2));
        assert!(!sender.send_if_greater(2));
        assert_eq!(*receiver.borrow_and_update(), 2);
        let mut later = sender.subscribe();
        assert!(sender.send_if_greater(3));
        assert!(receiver.changed().await.is_ok() && later.changed().await.is_ok());
        drop((receiver, later));
        assert_eq!(sender.send(4), Err(SendError(4)));
        assert_eq!(*sender.borrow_watched(), 3);
    }
}
