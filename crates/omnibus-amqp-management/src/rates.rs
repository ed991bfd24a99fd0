//! How fast messages come and go on this node: what is counted is looked at now and then, and told as so many a second.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_amqp::meter::{Counted, Counts};
use omnibus_model::StreamId;
use omnibus_model::queue::QueueTraffic;
use omnibus_model::topic::QueuePlace;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::site::Site;

use Counted::{
    Acknowledged, Confirmed, DeliveredAutomatic, DeliveredManual, Dropped, GetEmpty, GotAutomatic, GotManual, Received,
    Redelivered, Returned,
};

/// How often is looked, as RabbitMQ does.
const TICK: Duration = Duration::from_secs(5);

/// What RabbitMQ calls what is counted; what stands for several is all of them together.
const STATS: [(&str, &[Counted]); 12] = [
    ("publish", &[Received]),
    ("confirm", &[Confirmed]),
    ("return_unroutable", &[Returned]),
    ("drop_unroutable", &[Dropped]),
    ("deliver", &[DeliveredManual]),
    ("deliver_no_ack", &[DeliveredAutomatic]),
    ("get", &[GotManual]),
    ("get_no_ack", &[GotAutomatic]),
    ("get_empty", &[GetEmpty]),
    ("deliver_get", &[DeliveredManual, DeliveredAutomatic, GotManual, GotAutomatic]),
    ("redeliver", &[Redelivered]),
    ("ack", &[Acknowledged]),
];

/// What is told of a queue, and how it is read of what has passed through.
type QueueStat = (&'static str, fn(&QueueTraffic) -> u64);

/// What is told of a queue: a message that is fetched counts as delivered, as the queue does not know why it is taken.
const QUEUE_STATS: [QueueStat; 6] = [
    ("publish", |traffic| traffic.enqueued),
    ("deliver", |traffic| traffic.leased),
    ("deliver_no_ack", |traffic| traffic.taken),
    ("deliver_get", |traffic| traffic.leased + traffic.taken),
    ("redeliver", |traffic| traffic.redelivered),
    ("ack", |traffic| traffic.accepted),
];

/// Queues are looked at for so long after somebody has asked for them.
const INTEREST: Duration = Duration::from_secs(600);

/// Looks that are closer together say nothing of how fast anything goes.
const APART_MIN: Duration = Duration::from_secs(1);

/// What was counted of each queue's streams, and when; nobody has looked at 0.
#[derive(Debug, Default)]
struct QueueLook {
    at: Duration,
    queues: BTreeMap<StreamId, QueueTraffic>,
}

impl QueueLook {
    /// Of all priorities together.
    fn of(&self, place: QueuePlace) -> [u64; QUEUE_STATS.len()] {
        let found: Vec<&QueueTraffic> = place.streams().filter_map(|stream| self.queues.get(&stream)).collect();
        QUEUE_STATS.map(|(_, count)| found.iter().map(|traffic| count(traffic)).sum())
    }
}

/// The last two looks at queues, and when somebody asked for them.
#[derive(Debug, Default)]
struct QueueLooks {
    before: QueueLook,
    last: QueueLook,
    asked_at: Duration,
}

impl QueueLooks {
    /// Notes a look, unless it was begun before the last one or hardly after it: two may look at once.
    fn push(&mut self, look: QueueLook) {
        if !self.last.at.is_zero() && look.at < self.last.at + APART_MIN {
            return;
        }
        self.before = std::mem::replace(&mut self.last, look);
    }

    /// What a queue is told to have; nothing of one that nothing has happened to.
    fn stats(&self, place: QueuePlace) -> Option<Value> {
        let totals = self.last.of(place);
        let before = self.before.of(place);
        // Nothing is known of the time before the first look.
        let seconds =
            if self.before.at.is_zero() { 0.0 } else { self.last.at.saturating_sub(self.before.at).as_secs_f64() };
        let mut shown = Map::new();
        for ((name, _), (total, before)) in QUEUE_STATS.iter().zip(totals.into_iter().zip(before)) {
            let rate = if seconds > 0.0 { total.saturating_sub(before) as f64 / seconds } else { 0.0 };
            tell(&mut shown, name, (total, rate));
        }
        totals.iter().any(|total| *total > 0).then_some(Value::Object(shown))
    }
}

/// What was counted of each, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Look {
    at: Duration,
    totals: [u64; STATS.len()],
}

impl Look {
    fn new(at: Duration, counts: &Counts) -> Self {
        let total = |(_, counted): (&str, &[Counted])| counted.iter().map(|each| counts.of(*each)).sum();
        Self { at, totals: STATS.map(total) }
    }

    /// How much there was a second since an earlier look.
    fn rates(&self, before: &Self) -> [f64; STATS.len()] {
        let seconds = self.at.saturating_sub(before.at).as_secs_f64();
        let mut rates = [0.0; STATS.len()];
        for (rate, (now, before)) in rates.iter_mut().zip(self.totals.iter().zip(before.totals)) {
            if seconds > 0.0 {
                *rate = now.saturating_sub(before) as f64 / seconds;
            }
        }
        rates
    }
}

/// The last two looks.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    looks: watch::Sender<[Look; 2]>,
    queues: watch::Sender<QueueLooks>,
}

impl Rates {
    /// Looks now and then, until told to stop.
    pub(crate) async fn watch(&self, site: &Site, mut shutdown: watch::Receiver<bool>) {
        loop {
            let look = Look::new(site.uptime(), &site.administration.tally().counts);
            self.looks.send_modify(|looks| *looks = [looks[1], look]);
            self.look_at_queues(site).await;
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = told_to_stop(&mut shutdown) => return,
            }
        }
    }

    /// Looks at queues, or forgets them once nobody wants to know.
    async fn look_at_queues(&self, site: &Site) {
        let asked_at = self.queues.borrow().asked_at;
        if !asked_at.is_zero() && site.uptime().saturating_sub(asked_at) <= INTEREST {
            self.push_look(site).await;
        } else {
            self.queues.send_modify(|looks| *looks = QueueLooks::default());
        }
    }

    async fn push_look(&self, site: &Site) {
        let at = site.uptime().max(Duration::from_millis(1));
        let queues = site.administration.engine().queue_traffic().await.into_iter().collect();
        self.queues.send_modify(|looks| looks.push(QueueLook { at, queues }));
    }

    /// Makes sure that queues are looked at from now on; whoever asks first has a look at once.
    pub(crate) async fn want_queues(&self, site: &Site) {
        let now = site.uptime().max(Duration::from_millis(1));
        let mut is_first = false;
        self.queues.send_modify(|looks| is_first = std::mem::replace(&mut looks.asked_at, now).is_zero());
        if is_first {
            self.push_look(site).await;
        }
    }

    /// What has passed through a queue up to the last look, and how fast that grew since the one before.
    pub(crate) fn of_queue(&self, place: QueuePlace) -> Option<Value> {
        self.queues.borrow().stats(place)
    }

    /// What was counted up to now, and how fast that grew between the last two looks.
    pub(crate) fn stats(&self, counts: &Counts) -> Value {
        let [before, last] = *self.looks.borrow();
        shown(&Look::new(Duration::ZERO, counts), last.rates(&before))
    }
}

async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone wants the end, too.
    drop(shutdown.wait_for(|stop| *stop).await);
}

fn shown(now: &Look, rates: [f64; STATS.len()]) -> Value {
    let mut shown = Map::new();
    for ((name, _), (total, rate)) in STATS.iter().zip(now.totals.iter().zip(rates)) {
        tell(&mut shown, name, (*total, rate));
    }
    Value::Object(shown)
}

fn tell(shown: &mut Map<String, Value>, name: &str, (total, rate): (u64, f64)) {
    shown.insert(name.to_owned(), json!(total));
    shown.insert(format!("{name}_details"), json!({ "rate": rate }));
}

#[cfg(test)]
mod tests {
    use omnibus_model::ShardId;
    use omnibus_model::topic::Partition;

    use super::*;

    #[test]
    fn queue_is_told_with_all_its_priorities() {
        let lowest = Partition { stream: StreamId(16), shard: ShardId(1) };
        let place = QueuePlace { lowest, highest: 1 };
        let look = |seconds, enqueued| {
            let traffic = QueueTraffic { enqueued, ..QueueTraffic::default() };
            let taken = QueueTraffic { taken: enqueued, ..QueueTraffic::default() };
            let queues = place.streams().zip([traffic, taken]).collect();
            QueueLook { at: Duration::from_secs(seconds), queues }
        };
        let mut looks = QueueLooks::default();
        assert_eq!(looks.stats(place), None);
        looks.push(look(10, 5));
        let told = looks.stats(place).unwrap();
        assert_eq!((&told["publish"], &told["publish_details"]["rate"]), (&json!(5), &json!(0.0)));
        looks.push(look(15, 55));
        let told = looks.stats(place).unwrap();
        assert_eq!((&told["deliver_get"], &told["deliver_get_details"]["rate"]), (&json!(55), &json!(10.0)));
        assert_eq!((&told["publish_details"]["rate"], &told["ack_details"]["rate"]), (&json!(10.0), &json!(0.0)));
    }

    #[test]
    fn looks_of_two_at_once_are_one() {
        let lowest = Partition { stream: StreamId(16), shard: ShardId(1) };
        let place = QueuePlace { lowest, highest: 0 };
        let look = |millis, enqueued| {
            let queues = [(lowest.stream, QueueTraffic { enqueued, ..QueueTraffic::default() })].into();
            QueueLook { at: Duration::from_millis(millis), queues }
        };
        let mut looks = QueueLooks::default();
        for (millis, enqueued, wanted) in [
            (10_010, 8, (8, 0.0)),
            // It was begun earlier, and comes later.
            (10_000, 5, (8, 0.0)),
            (10_020, 11, (8, 0.0)),
            (15_010, 58, (58, 10.0)),
        ] {
            looks.push(look(millis, enqueued));
            let told = looks.stats(place).unwrap();
            let (total, rate) = wanted;
            assert_eq!((&told["publish"], &told["publish_details"]["rate"]), (&json!(total), &json!(rate)));
        }
    }

    #[test]
    fn rate_is_what_came_between_two_looks() {
        let look = |seconds, publishes| {
            let mut totals = [0; STATS.len()];
            totals[0] = publishes;
            Look { at: Duration::from_secs(seconds), totals }
        };
        let (before, last, now) = (look(10, 100), look(15, 600), look(17, 650));
        let told = shown(&now, last.rates(&before));
        assert_eq!((&told["publish"], &told["publish_details"]["rate"]), (&json!(650), &json!(100.0)));
        assert_eq!((&told["ack"], &told["ack_details"]["rate"]), (&json!(0), &json!(0.0)));
        assert_eq!(last.rates(&last)[0], 0.0);
    }
}
