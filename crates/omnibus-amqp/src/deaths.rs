//! Where dead letters go whose queue has a dead-letter exchange, and what they say of how they died.

use std::sync::Weak;

use bytes::Bytes;
use omnibus_engine::dead_letters::{DeadLetter, DeadLetterRouter, Route};
use omnibus_model::queue::{DeadLetterCause, Envelope};
use omnibus_model::{ExchangeName, Timestamp};
use omnibus_record::{AmqpMessage, AmqpNative, Message, Native};

use crate::arguments::{DEAD_LETTER_EXCHANGE, DEAD_LETTER_KEY, Nature};
use crate::door::Door;
use crate::hosts::{Host, plain};
use crate::nature::more_keys;
use crate::queues::Queue;
use crate::wire::{Properties, Table, Value};

const DEATHS: &str = "x-death";

/// Why a message died that a full queue gave up, or did not take.
const MAXLEN: &str = "maxlen";

/// Asks the routes of the dead-letter exchange when a record has died.
#[derive(Debug)]
pub(crate) struct Router {
    /// The door holds the engine, which holds this.
    pub(crate) door: Weak<Door>,
}

/// How a message died, in AMQP's words.
struct Death<'a> {
    queue: &'a str,
    reason: &'static str,
    at: Timestamp,
}

impl DeadLetterRouter for Router {
    fn route(&self, letter: DeadLetter<'_>) -> Option<Route> {
        let nature = Nature::of(&letter.queue.queue.as_deref()?.config);
        nature.text(DEAD_LETTER_EXCHANGE)?;
        let Some(door) = self.door.upgrade() else { return Some(Route::NotNow) };
        let name = letter.queue.name.as_str();
        let death = Death { queue: plain(name), reason: reason(letter.dying.cause)?, at: letter.dying.died_at };
        let (message, queues) = door.dead_letter((name, &nature), &death, letter.message)?;
        Some(Route::To { message: Box::new(message), queues: queues.iter().map(|queue| queue.place).collect() })
    }
}

impl Door {
    /// The dead letter that a message is which a full queue has refused, and who gets it.
    pub(crate) fn refused_letter(&self, queue: &Queue, message: &Message) -> Option<(Message, Vec<Queue>)> {
        let death = Death { queue: plain(queue.name()), reason: MAXLEN, at: message.timestamp };
        self.dead_letter((queue.name(), &queue.nature), &death, message)
    }

    fn dead_letter(
        &self,
        (queue, nature): (&str, &Nature),
        death: &Death<'_>,
        letter: &Message,
    ) -> Option<(Message, Vec<Queue>)> {
        let exchange = nature.text(DEAD_LETTER_EXCHANGE)?;
        let AmqpMessage { native, body } = AmqpMessage::of(letter, death.queue);
        // What came by another door, or was checked at this one.
        let mut properties = Properties::read(&native.properties).unwrap_or_default();
        let headers = properties.headers.clone().unwrap_or_default();
        let mut keys = vec![native.routing_key.clone()];
        keys.extend(more_keys(&headers).unwrap_or_default());
        death.note(&mut properties, &native.exchange, &keys);
        if let Some(key) = nature.text(DEAD_LETTER_KEY) {
            keys = vec![Bytes::copy_from_slice(key.as_bytes())];
        }
        let name = ExchangeName::new(&Host::of(queue).full(exchange)).ok()?;
        // An exchange that is gone, or never was, takes them with it.
        let mut queues = self.route_on(&name, &keys, &properties).map(|way| way.queues).unwrap_or_default();
        queues.retain(|queue| !is_cycle(&properties, plain(queue.name())));
        let native = AmqpNative {
            exchange: Bytes::copy_from_slice(exchange.as_bytes()),
            routing_key: keys.into_iter().next().unwrap_or_default(),
            properties: properties.write(),
        };
        let envelope = Envelope { priority: letter.envelope.priority, ..Envelope::default() };
        Some((Message { native: Native::Amqp(native), body, envelope, ..letter.clone() }, queues))
    }
}

fn reason(cause: DeadLetterCause) -> Option<&'static str> {
    match cause {
        DeadLetterCause::Rejected => Some("rejected"),
        DeadLetterCause::Exhausted => Some("delivery_limit"),
        DeadLetterCause::Expired => Some("expired"),
        DeadLetterCause::Overflow => Some(MAXLEN),
        DeadLetterCause::Moved(_) => None,
    }
}

impl Death<'_> {
    /// Writes it down among the headers: each queue and reason once, the newest first.
    fn note(&self, properties: &mut Properties, exchange: &Bytes, keys: &[Bytes]) {
        let expiration = properties.expiration.take();
        let headers = properties.headers_mut();
        let mut deaths = deaths(headers);
        let same = |death: &Table| is(death, "queue", self.queue) && is(death, "reason", self.reason);
        let death = match deaths.iter().position(same) {
            Some(place) => {
                let mut death = deaths.remove(place);
                let count = death.get("count").and_then(Value::integer).unwrap_or(0);
                death.set("count", Value::I64(count.saturating_add(1)));
                death
            }
            None => self.first(exchange, keys, expiration),
        };
        deaths.insert(0, death);
        headers.set(DEATHS, Value::Array(deaths.into_iter().map(Value::Table).collect()));
        let told = [
            ("reason", Value::text(self.reason)),
            ("queue", Value::text(self.queue)),
            ("exchange", Value::Text(exchange.clone())),
        ];
        for (what, value) in told {
            let first = format!("x-first-death-{what}");
            if headers.get(&first).is_none() {
                headers.set(&first, value.clone());
            }
            headers.set(&format!("x-last-death-{what}"), value);
        }
    }

    fn first(&self, exchange: &Bytes, keys: &[Bytes], expiration: Option<Bytes>) -> Table {
        let mut death = Table::from([
            ("count", Value::I64(1)),
            ("reason", Value::text(self.reason)),
            ("queue", Value::text(self.queue)),
            ("time", Value::Timestamp(u64::try_from(self.at.0).unwrap_or(0) / 1_000)),
            ("exchange", Value::Text(exchange.clone())),
            ("routing-keys", Value::Array(keys.iter().cloned().map(Value::Text).collect())),
        ]);
        if let Some(expiration) = expiration {
            death.set("original-expiration", Value::Text(expiration));
        }
        death
    }
}

/// What is written down already.
fn deaths(headers: &Table) -> Vec<Table> {
    let Some(Value::Array(deaths)) = headers.get(DEATHS) else { return Vec::new() };
    let table = |death: &Value| if let Value::Table(table) = death { Some(table.clone()) } else { None };
    deaths.iter().filter_map(table).collect()
}

fn is(death: &Table, what: &str, text: &str) -> bool {
    death.get(what).and_then(Value::str) == Some(text)
}

/// Whether a message has come round to a queue all by itself: nobody has rejected it since it died there.
fn is_cycle(properties: &Properties, queue: &str) -> bool {
    let deaths = properties.headers.as_ref().map(deaths).unwrap_or_default();
    let Some(before) = deaths.iter().position(|death| is(death, "queue", queue)) else { return false };
    deaths.iter().take(before + 1).all(|death| !is(death, "reason", "rejected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(queue: &'static str, reason: &'static str) -> Death<'static> {
        Death { queue, reason, at: Timestamp(1_700_000_000_000) }
    }

    fn noted(all: &[(&'static str, &'static str)]) -> Properties {
        let mut properties = Properties { expiration: Some(Bytes::from_static(b"50")), ..Properties::default() };
        for (queue, reason) in all {
            death(queue, reason).note(&mut properties, &Bytes::from_static(b"x"), &[Bytes::from_static(b"k")]);
        }
        properties
    }

    #[test]
    fn each_queue_and_reason_stands_once_the_newest_first() {
        let properties = noted(&[("a", "expired"), ("b", "rejected"), ("a", "expired")]);
        let headers = properties.headers.unwrap();
        let shown: Vec<_> = deaths(&headers)
            .iter()
            .map(|death| (death.get("queue").and_then(Value::str).unwrap().to_owned(), death.get("count").cloned()))
            .collect();
        assert_eq!(shown, [("a".to_owned(), Some(Value::I64(2))), ("b".to_owned(), Some(Value::I64(1)))]);
        assert_eq!(deaths(&headers)[0].get("original-expiration"), Some(&Value::text("50")));
        assert_eq!(deaths(&headers)[1].get("original-expiration"), None);
        assert_eq!(headers.get("x-first-death-reason"), Some(&Value::text("expired")));
        assert_eq!(headers.get("x-last-death-queue"), Some(&Value::text("a")));
        assert_eq!(properties.expiration, None);
    }

    #[test]
    fn what_comes_round_by_itself_is_a_cycle() {
        assert!(is_cycle(&noted(&[("a", "expired"), ("b", "expired")]), "a"));
        assert!(is_cycle(&noted(&[("a", "expired")]), "a"));
        assert!(!is_cycle(&noted(&[("a", "expired"), ("b", "rejected")]), "a"));
        assert!(!is_cycle(&noted(&[("b", "expired")]), "a"));
    }
}
