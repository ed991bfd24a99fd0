//! Wakes readers when a stream they wait for has grown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use omnibus_model::StreamId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Locks by stream, so that shards do not meet.
const PARTS: usize = 64;

/// Who waits for which stream.
#[derive(Debug)]
pub struct Watches {
    parts: Vec<Mutex<HashMap<StreamId, Vec<Arc<Alarm>>>>>,
}

/// One reader's interest in some streams; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    watches: Arc<Watches>,
    streams: Vec<StreamId>,
    alarm: Arc<Alarm>,
}

#[derive(Debug, Default)]
struct Alarm {
    rung: AtomicBool,
    bell: Notify,
}

impl Default for Watches {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }
}

impl Watches {
    /// Begins to watch. Look at the streams only afterwards: what grew between the look and
    /// the watch would otherwise go unseen.
    pub fn watch(self: &Arc<Self>, streams: Vec<StreamId>) -> Watch {
        let alarm = Arc::new(Alarm::default());
        for stream in &streams {
            self.part(*stream).lock().entry(*stream).or_default().push(Arc::clone(&alarm));
        }
        Watch { watches: Arc::clone(self), streams, alarm }
    }

    /// Wakes all who watch `stream`.
    pub(crate) fn wake(&self, stream: StreamId) {
        if let Some(alarms) = self.part(stream).lock().get(&stream) {
            for alarm in alarms {
                alarm.rung.store(true, Ordering::Release);
                alarm.bell.notify_one();
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below PARTS")]
    fn part(&self, stream: StreamId) -> &Mutex<HashMap<StreamId, Vec<Arc<Alarm>>>> {
        &self.parts[(stream.0 % PARTS as u64) as usize]
    }
}

impl Watch {
    /// Waits until a watched stream has grown since the watch began or was last waited for.
    pub async fn changed(&mut self) {
        while !self.alarm.rung.swap(false, Ordering::AcqRel) {
            self.alarm.bell.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for stream in &self.streams {
            let mut part = self.watches.part(*stream).lock();
            if let Some(alarms) = part.get_mut(stream) {
                alarms.retain(|alarm| !Arc::ptr_eq(alarm, &self.alarm));
                if alarms.is_empty() {
                    part.remove(stream);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn watch_sees_what_happened_before_it_waits() {
        let watches = Arc::new(Watches::default());
        let mut watch = watches.watch(vec![StreamId(1), StreamId(65)]);
        watches.wake(StreamId(65));
        watch.changed().await;
        drop(watch);
        assert!(watches.parts.iter().all(|part| part.lock().is_empty()));
    }
}
