//! Shards that nobody leads, for as long as that may be a matter of moments: one node hands over, another is about to
//! lead.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::ShardId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How long after somebody first asked for the leader of a shard that has none it is worth waiting for one. Handing
/// over takes tens of milliseconds; who waited longer for an election would keep others waiting, too.
const SETTLING: Duration = Duration::from_millis(200);

/// Since when shards have been found without a leader.
#[derive(Debug, Default)]
pub struct Vacancies {
    since: Mutex<BTreeMap<ShardId, Duration>>,
    /// Touched when a shard has a leader.
    filled: watch::Sender<()>,
}

impl Vacancies {
    /// How much longer it is worth waiting for the leaders of shards that have none; `None` if it is not.
    pub(crate) fn patience(&self, vacant: &[ShardId], now: Duration) -> Option<Duration> {
        let mut since = self.since.lock();
        let left = vacant.iter().map(|shard| {
            let until = since.entry(*shard).or_insert(now).saturating_add(SETTLING);
            until.saturating_sub(now)
        });
        left.max().filter(|left| !left.is_zero())
    }

    /// Learns that a shard has a leader.
    pub(crate) fn filled(&self, shard: ShardId) {
        self.since.lock().remove(&shard);
        self.filled.send_replace(());
    }

    /// Forgets a vacancy that was found to have ended.
    pub(crate) fn forget(&self, shard: ShardId) {
        self.since.lock().remove(&shard);
    }

    /// Tells when shards get leaders, from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.filled.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vacancy_is_waited_for_once() {
        let (vacancies, [first, second]) = (Vacancies::default(), [ShardId(1), ShardId(2)]);
        let millis = Duration::from_millis;
        let left = |vacant: &[ShardId], now| vacancies.patience(vacant, millis(now)).map(|left| left.as_millis());
        assert_eq!(left(&[], 1_000), None);
        assert_eq!(left(&[first], 1_000), Some(200));
        assert_eq!(left(&[first], 1_150), Some(50));
        assert_eq!(left(&[first, second], 1_150), Some(200));
        assert_eq!(left(&[first], 1_200), None);
        assert_eq!(left(&[first], 90_000), None);
        vacancies.filled(first);
        assert_eq!(left(&[first], 90_000), Some(200));
        assert_eq!(left(&[second], 90_000), None);
        vacancies.forget(second);
        assert_eq!(left(&[second], 90_000), Some(200));
    }
}
