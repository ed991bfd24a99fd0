//! How fast messages come and go on this node: what is counted is looked at now and then, and told as so many a second.

use std::time::Duration;

use omnibus_amqp::meter::{Counted, Counts};
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
}

impl Rates {
    /// Looks now and then, until told to stop.
    pub(crate) async fn watch(&self, site: &Site, mut shutdown: watch::Receiver<bool>) {
        loop {
            let look = Look::new(site.uptime(), &site.administration.tally().counts);
            self.looks.send_modify(|looks| *looks = [looks[1], look]);
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = told_to_stop(&mut shutdown) => return,
            }
        }
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
        shown.insert((*name).to_owned(), json!(total));
        shown.insert(format!("{name}_details"), json!({ "rate": rate }));
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

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
