//! What holds for a queue: what its creator asked for and what its policy says, merged as RabbitMQ merges them. Pure.
//!
//! Of two numbers the smaller counts, of two texts the creator's.

use omnibus_model::queue::{DeadLetters, Overflow, QueueConfig, QueueLimits};
use omnibus_model::topic::{Cleanup, Limit, TopicConfig};

use crate::arguments::{DEAD_LETTER_EXCHANGE, DELIVERY_LIMIT, MESSAGE_TTL, Nature, is_of_amqp, time_to_live};
use crate::hosts::{Host, plain};
use crate::policy::{Policy, Subject, effective, put};
use crate::stream_arguments::{MAX_AGE, MAX_BYTES, age};

/// What a queue's cursor acts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limits: QueueLimits,
    pub(crate) deliveries_max: Option<u32>,
    pub(crate) dead_letters: DeadLetters,
}

impl Nature {
    /// What holds for the queue.
    pub(crate) fn terms(&self) -> Terms {
        if self.is_stream() {
            // Nothing leaves it but by its topic's retention.
            return Terms::default();
        }
        let overflow = match self.text("x-overflow") {
            Some("reject-publish") => Overflow::RefuseNewest,
            Some("reject-publish-dlx") if !self.is_quorum() => Overflow::RefuseNewest,
            _ => Overflow::DropOldest,
        };
        let limits = QueueLimits {
            records_max: self.number("x-max-length"),
            bytes_max: self.number("x-max-length-bytes"),
            overflow,
            ttl: self.number(MESSAGE_TTL).map(time_to_live),
        };
        let deliveries_max = match self.least("x-delivery-limit") {
            _ if !self.is_quorum() => None,
            None => Some(DELIVERY_LIMIT + 1),
            // So often it may come back; a negative number is no limit.
            Some(limit) => u32::try_from(limit).ok().and_then(|limit| limit.checked_add(1)),
        };
        let has_dead_letters = self.text(DEAD_LETTER_EXCHANGE).is_some();
        let dead_letters = if has_dead_letters { DeadLetters::Moved } else { DeadLetters::Dropped };
        Terms { limits, deliveries_max, dead_letters }
    }

    /// A topic's configuration with how long it keeps records, if it is a stream.
    pub(crate) fn keeping(&self, topic: &TopicConfig) -> Option<TopicConfig> {
        let limit = |limit: Option<u64>| Some(limit.map_or(Limit::Unlimited, Limit::AtMost));
        let time = self.ruled(MAX_AGE).and_then(|value| age(value.str()?)).map(|age| age.0);
        let bytes = self.ruled(MAX_BYTES).and_then(|value| u64::try_from(value.integer()?).ok());
        self.is_stream().then(|| TopicConfig {
            cleanup: Some(Cleanup::Delete),
            retention_time: limit(time),
            retention_bytes: limit(bytes),
            ..topic.clone()
        })
    }
}

/// A queue's configuration as it must be if these are the policies; `None` if it is so already, or the queue is another
/// protocol's.
pub(crate) fn governed(config: &QueueConfig, name: &str, policies: &[Policy]) -> Option<QueueConfig> {
    if !is_of_amqp(config) {
        return None;
    }
    let mut after = config.clone();
    let subject = Subject::Queue { name: plain(name), kind: Nature::of(config).kind() };
    put(&mut after.attributes, effective(policies, &Host::of(name), subject));
    if after.attributes == config.attributes {
        return None;
    }
    let terms = Nature::of(&after).terms();
    after.cursor.deliveries_max = terms.deliveries_max;
    after.cursor.dead_letters = terms.dead_letters;
    after.cursor.expired = terms.dead_letters;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Declaration, Made, QUEUE_TYPE};
    use crate::policy::{ApplyTo, Maker};
    use crate::wire::{Table, Value};
    use omnibus_model::Millis;

    fn made(arguments: Table) -> Made {
        Declaration { queue: "q".into(), is_durable: true, arguments, ..Declaration::default() }.made("me").unwrap()
    }

    fn policy(definition: Table) -> [Policy; 1] {
        let (host, name, pattern) = (Host::default(), "p".to_owned(), "^q$".to_owned());
        [Policy { maker: Maker::User, host, name, pattern, apply_to: ApplyTo::Queues, priority: 0, definition }]
    }

    #[test]
    fn without_a_policy_what_was_asked_for_holds() {
        for arguments in [
            Table::default(),
            Table::from([(MESSAGE_TTL, Value::I32(10)), ("x-max-length", Value::I64(5))]),
            Table::from([("x-max-length-bytes", Value::I64(5)), ("x-overflow", Value::text("reject-publish"))]),
            Table::from([("x-max-length", Value::I64(5)), ("x-overflow", Value::text("reject-publish-dlx"))]),
            Table::from([(QUEUE_TYPE, Value::text("quorum")), ("x-overflow", Value::text("reject-publish-dlx"))]),
            Table::from([("x-max-priority", Value::I32(3)), ("x-max-length", Value::I64(5))]),
            Table::from([(DEAD_LETTER_EXCHANGE, Value::text(""))]),
            Table::from([(QUEUE_TYPE, Value::text("quorum"))]),
            Table::from([(QUEUE_TYPE, Value::text("quorum")), ("x-delivery-limit", Value::I32(-1))]),
            Table::from([(QUEUE_TYPE, Value::text("quorum")), ("x-delivery-limit", Value::I32(3))]),
        ] {
            let Made { config, limits, .. } = made(arguments);
            let terms = Nature::of(&config).terms();
            assert_eq!(terms.limits, limits);
            assert_eq!(terms.deliveries_max, config.cursor.deliveries_max);
            assert_eq!(terms.dead_letters, config.cursor.dead_letters);
            assert_eq!(governed(&config, "q", &[]), None);
        }
    }

    #[test]
    fn smaller_number_and_creators_text_count() {
        let arguments = [
            ("x-max-length", Value::I64(5)),
            (MESSAGE_TTL, Value::I64(10)),
            (DEAD_LETTER_EXCHANGE, Value::text("mine")),
        ];
        let before = made(Table::from(arguments)).config;
        let says = policy(Table::from([
            ("max-length", Value::I64(3)),
            ("message-ttl", Value::I64(20)),
            ("max-length-bytes", Value::I64(9)),
            ("dead-letter-exchange", Value::text("others")),
            ("dead-letter-routing-key", Value::text("k")),
            ("overflow", Value::text("reject-publish")),
        ]));
        let after = governed(&before, "q", &says).unwrap();
        let nature = Nature::of(&after);
        let limits = nature.terms().limits;
        assert_eq!((limits.records_max, limits.bytes_max, limits.ttl), (Some(3), Some(9), Some(Millis(10))));
        assert_eq!(limits.overflow, Overflow::RefuseNewest);
        assert_eq!(nature.text(DEAD_LETTER_EXCHANGE), Some("mine"));
        assert_eq!(nature.text("x-dead-letter-routing-key"), Some("k"));
        assert_eq!(governed(&after, "q", &says), None);
        assert_eq!(governed(&after, "q", &[]), Some(before));
    }

    #[test]
    fn stream_keeps_what_its_policy_says_or_else_its_creator() {
        let arguments = [
            (QUEUE_TYPE, Value::text("stream")),
            ("x-max-age", Value::text("1h")),
            ("x-max-length-bytes", Value::I64(5)),
        ];
        let before = made(Table::from(arguments)).config;
        let kept = |config: &QueueConfig| {
            let topic = Nature::of(config).keeping(&TopicConfig::default()).unwrap();
            (topic.retention_time, topic.retention_bytes)
        };
        assert_eq!(kept(&before), (Some(Limit::AtMost(3_600_000)), Some(Limit::AtMost(5))));
        let longer = policy(Table::from([("max-age", Value::text("2h"))]));
        let after = governed(&before, "q", &longer).unwrap();
        assert_eq!(kept(&after), (Some(Limit::AtMost(7_200_000)), Some(Limit::AtMost(5))));
        assert_eq!(Nature::of(&after).terms(), Terms::default());
        let all = made(Table::from([(QUEUE_TYPE, Value::text("stream"))])).config;
        assert_eq!(kept(&all), (Some(Limit::Unlimited), Some(Limit::Unlimited)));
        assert_eq!(Nature::of(&made(Table::default()).config).keeping(&TopicConfig::default()), None);
    }

    #[test]
    fn policy_gives_dead_letters_and_a_delivery_limit() {
        let quorum = made(Table::from([(QUEUE_TYPE, Value::text("quorum"))])).config;
        let says =
            policy(Table::from([("delivery-limit", Value::I64(2)), ("dead-letter-exchange", Value::text("dlx"))]));
        let after = governed(&quorum, "q", &says).unwrap().cursor;
        assert_eq!((after.deliveries_max, after.dead_letters), (Some(3), DeadLetters::Moved));
        let classic = governed(&made(Table::default()).config, "q", &says).unwrap().cursor;
        assert_eq!((classic.deliveries_max, classic.expired), (None, DeadLetters::Moved));
        assert_eq!(governed(&quorum, "other", &says), None);
        assert_eq!(governed(&QueueConfig::default(), "q", &says), None);
    }
}
