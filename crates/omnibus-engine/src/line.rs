//! Keeps what somebody asks in order, also when the leader changes in between: what was surely not done is asked of the
//! next leader before what comes behind it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::ShardId;
use omnibus_replication::Leadership;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Those who ask one after the other, such as the publishes of a connection. Clones are the same line.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<Mutex<BTreeMap<ShardId, Standing>>>);

/// Those who ask the same shard.
#[derive(Debug, Default)]
struct Standing {
    last: u64,
    /// Who has asked and has no answer yet, and whom.
    asking: BTreeMap<u64, Leadership>,
    /// Who has not asked yet, or must ask again.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// A place in a line, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    line: Line,
    shard: ShardId,
    number: u64,
    turn: Arc<Notify>,
}

impl Line {
    /// Stands behind all who came before.
    pub(crate) fn stand(&self, shard: ShardId) -> Place {
        let mut lines = self.0.lock();
        let standing = lines.entry(shard).or_default();
        standing.last += 1;
        let (number, turn) = (standing.last, Arc::default());
        standing.waiting.insert(number, Arc::clone(&turn));
        Place { line: self.clone(), shard, number, turn }
    }
}

impl Place {
    /// Asks whoever leads now, if it may: nobody before it waits, and those before it that have no answer asked the same.
    pub(crate) fn ask(&self, leader: Leadership) -> bool {
        self.of(|standing| {
            let is_first = standing.waiting.first_key_value().is_some_and(|(first, _)| *first == self.number);
            let before = standing.asking.range(..self.number).next_back();
            if !is_first || before.is_some_and(|(_, asked)| *asked != leader) {
                return false;
            }
            standing.waiting.remove(&self.number);
            standing.asking.insert(self.number, leader);
            standing.wake_next();
            true
        })
    }

    /// Must ask again, before those behind it that have not asked.
    pub(crate) fn ask_again(&self) {
        self.of(|standing| {
            standing.asking.remove(&self.number);
            standing.waiting.insert(self.number, Arc::clone(&self.turn));
            standing.wake_next();
        });
    }

    /// Waits until it may be its turn.
    pub(crate) async fn turn(&self) {
        self.turn.notified().await;
    }

    fn of<T>(&self, act: impl FnOnce(&mut Standing) -> T) -> T {
        act(self.line.0.lock().entry(self.shard).or_default())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.line.0.lock();
        let Some(standing) = lines.get_mut(&self.shard) else { return };
        standing.asking.remove(&self.number);
        standing.waiting.remove(&self.number);
        if standing.asking.is_empty() && standing.waiting.is_empty() {
            lines.remove(&self.shard);
        } else {
            standing.wake_next();
        }
    }
}

impl Standing {
    /// Has whoever waits first look again whether it may ask.
    fn wake_next(&self) {
        if let Some((_, turn)) = self.waiting.first_key_value() {
            turn.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::{NodeId, Term};

    use super::*;

    const SHARD: ShardId = ShardId(3);

    fn led_by(node: u32, term: u64) -> Leadership {
        Leadership::Elsewhere { leader: Some(NodeId(node)), term: Term(term) }
    }

    fn three() -> (Line, [Place; 3]) {
        let line = Line::default();
        let places = [(); 3].map(|()| line.stand(SHARD));
        (line, places)
    }

    #[test]
    fn all_ask_at_once_whom_they_know() {
        let (_line, [first, second, third]) = three();
        assert!(!second.ask(led_by(1, 1)), "the first has not asked");
        assert!([&first, &second, &third].iter().all(|place| place.ask(led_by(1, 1))));
    }

    #[test]
    fn nobody_asks_the_next_leader_before_the_last_one_has_answered_those_in_front() {
        let (_line, [first, second, third]) = three();
        assert!(first.ask(led_by(1, 1)));
        assert!(!second.ask(led_by(2, 2)));
        first.ask_again();
        assert!(!second.ask(led_by(2, 2)), "the first has to ask again");
        assert!(first.ask(led_by(2, 2)) && second.ask(led_by(2, 2)));
        drop(first);
        assert!(!third.ask(led_by(1, 3)));
        drop(second);
        assert!(third.ask(led_by(1, 3)));
    }

    #[test]
    fn who_was_sent_away_comes_before_those_behind_it() {
        let (line, [first, second, third]) = three();
        assert!([&first, &second].iter().all(|place| place.ask(led_by(1, 1))));
        second.ask_again();
        assert!(!third.ask(led_by(1, 1)));
        drop(second);
        assert!(third.ask(led_by(1, 1)), "who gives up holds nobody up");
        drop((first, third));
        assert!(line.0.lock().is_empty(), "nobody is remembered");
    }

    #[test]
    fn shards_have_lines_of_their_own() {
        let (line, [first, _second, _third]) = three();
        let other = line.stand(ShardId(4));
        assert!(other.ask(led_by(1, 1)) && first.ask(led_by(2, 1)));
    }

    #[tokio::test]
    async fn whose_turn_it_is_wakes() {
        let (_line, [first, second, third]) = three();
        assert!(first.ask(led_by(1, 1)));
        second.turn().await;
        assert!(!second.ask(led_by(2, 2)));
        first.ask_again();
        first.turn().await;
        drop(first);
        second.turn().await;
        assert!(second.ask(led_by(2, 2)));
        third.turn().await;
    }
}
