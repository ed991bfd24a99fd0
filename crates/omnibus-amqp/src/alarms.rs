//! What the door is short of. Publishers wait until it is over, and are told.

use tokio::sync::watch;

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    Disk,
    Memory,
}

impl Shortage {
    /// What publishers are told, in RabbitMQ's words.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Disk => "low on disk",
            Self::Memory => "low on memory",
        }
    }
}

/// Whether anything is short, as all connections see it.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    shortage: watch::Sender<Option<Shortage>>,
}

impl Alarms {
    pub(crate) fn now(&self) -> Option<Shortage> {
        *self.shortage.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Shortage>> {
        self.shortage.subscribe()
    }

    /// Tells all connections, if it is something else than before.
    pub(crate) fn set(&self, now: Option<Shortage>) {
        let changed = self.shortage.send_if_modified(|before| std::mem::replace(before, now) != now);
        match now {
            Some(shortage) if changed => {
                tracing::warn!(reason = shortage.reason(), "AMQP publishers wait until there is more");
            }
            None if changed => tracing::info!("AMQP publishers go on"),
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_see_each_change_once() {
        let alarms = Alarms::default();
        let mut seen = alarms.watch();
        for (now, changes) in [(None, false), (Some(Shortage::Disk), true), (Some(Shortage::Disk), false), (None, true)]
        {
            alarms.set(now);
            assert_eq!(seen.has_changed().unwrap(), changes);
            assert_eq!(*seen.borrow_and_update(), now);
        }
    }
}
