//! What topics and subscriptions are called: as ARNs, and as the exchanges that the engine knows.

use omnibus_model::ExchangeName;
use omnibus_model::exchange::{BindingId, ExchangeKey, ExchangeKind};
use uuid::Uuid;

use crate::errors::ApiError;
use crate::place::{is_account, is_region, partition_of};
use crate::settings::Settings;
use crate::sns_error::SnsError;

const NAME_CHARACTERS_MAX: usize = 256;
const FIFO: &str = ".fifo";

/// The fewest parts of an ARN.
const PARTS_MIN: usize = 6;

/// The identity of a topic in SNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicArn {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

/// The identity of a subscription in SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionArn {
    pub(crate) topic: TopicArn,
    pub(crate) id: BindingId,
}

impl TopicArn {
    /// Reads the ARN that a parameter holds.
    pub(crate) fn read(arn: Option<&str>, parameter: &str) -> Result<Self, SnsError> {
        let arn = arn.unwrap_or_default();
        check_parts(arn, parameter)?;
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return Err(invalid(parameter)) };
        Self::of_parts((partition, region, account), name).ok_or_else(|| invalid(parameter))
    }

    fn of_parts((partition, region, account): (&str, &str, &str), name: &str) -> Option<Self> {
        let is_known = partition.starts_with("aws") && is_region(region) && is_account(account) && is_name(name);
        is_known.then(|| Self { account: account.to_owned(), region: region.to_owned(), name: name.to_owned() })
    }

    /// The topic that an exchange is; `None` if no topic can be called so.
    pub(crate) fn of_exchange(name: &str, settings: &Settings) -> Option<Self> {
        let (account, region, name) = match name.split('.').collect::<Vec<_>>()[..] {
            [account, region, _, ..] if is_account(account) && is_region(region) => {
                (account, region, name.get(account.len() + region.len() + 2..)?)
            }
            _ => (settings.account.as_str(), settings.region.as_str(), name),
        };
        is_name(name).then(|| Self { account: account.to_owned(), region: region.to_owned(), name: name.to_owned() })
    }

    /// The exchange that the topic is: its plain name where it is at home, as with queues.
    pub(crate) fn exchange(&self, settings: &Settings) -> Result<ExchangeKey, ApiError> {
        let Self { account, region, name } = self;
        let at_home = *account == settings.account && *region == settings.region;
        let name = if at_home { name.clone() } else { format!("{account}.{region}.{name}") };
        let name = ExchangeName::new(&name).map_err(|_| invalid("TopicArn"))?;
        Ok(ExchangeKey { kind: ExchangeKind::Sns, name })
    }

    pub(crate) fn text(&self) -> String {
        format!("arn:{}:sns:{}:{}:{}", partition_of(&self.region), self.region, self.account, self.name)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO)
    }
}

impl SubscriptionArn {
    /// Reads the ARN that `SubscriptionArn` holds.
    pub(crate) fn read(arn: Option<&str>) -> Result<Self, SnsError> {
        const PARAMETER: &str = "SubscriptionArn";
        let missing =
            || SnsError::InvalidParameter("SubscriptionArn Reason: no value for required parameter".to_owned());
        let arn = arn.ok_or_else(missing)?;
        check_parts(arn, PARAMETER)?;
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name, id] = parts[..] else {
            return Err(invalid("SubscriptionId"));
        };
        let topic = TopicArn::of_parts((partition, region, account), name).ok_or_else(|| invalid(PARAMETER))?;
        // No subscription has another kind of id.
        let id = Uuid::parse_str(id).map_err(|_| SnsError::NotFound { what: "Subscription" })?;
        Ok(Self { topic, id: BindingId(id.as_u128()) })
    }

    pub(crate) fn text(&self) -> String {
        format!("{}:{}", self.topic.text(), Uuid::from_u128(self.id.0))
    }
}

/// Checks a name for a new topic.
pub(crate) fn check_name(name: &str, is_fifo: bool) -> Result<(), SnsError> {
    if is_name(name) && name.ends_with(FIFO) == is_fifo { Ok(()) } else { Err(invalid("Topic Name")) }
}

fn check_parts(arn: &str, parameter: &str) -> Result<(), SnsError> {
    let parts = arn.split(':').count();
    if parts >= PARTS_MIN {
        return Ok(());
    }
    Err(SnsError::InvalidParameter(format!("{parameter} Reason: An ARN must have at least 6 elements, not {parts}")))
}

fn invalid(what: &str) -> SnsError {
    SnsError::InvalidParameter(what.to_owned())
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO).unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && name.len() <= NAME_CHARACTERS_MAX && stem.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_and_exchange_name_each_other() {
        let settings = Settings::default();
        for (arn, exchange) in [
            ("arn:aws:sns:us-east-1:000000000000:news.fifo", "news.fifo"),
            ("arn:aws:sns:eu-west-1:000000000000:news.fifo", "000000000000.eu-west-1.news.fifo"),
            ("arn:aws-cn:sns:cn-north-1:123456789012:news", "123456789012.cn-north-1.news"),
        ] {
            let topic = TopicArn::read(Some(arn), "TopicArn").unwrap();
            assert_eq!(topic.exchange(&settings).unwrap().name.as_str(), exchange);
            assert_eq!(TopicArn::of_exchange(exchange, &settings), Some(topic.clone()));
            assert_eq!(topic.text(), arn);
        }
    }

    #[test]
    fn arns_that_are_none_are_refused_by_name() {
        for (arn, text) in [
            ("", "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("a:b", "TopicArn Reason: An ARN must have at least 6 elements, not 2"),
            ("arn:aws:sns:us-east-1:000000000000:a b", "TopicArn"),
            ("arn:aws:sqs:us-east-1:000000000000:q", "TopicArn"),
            ("arn:aws:sns:us-east-1:000000000000:t:x", "TopicArn"),
        ] {
            let refused = SnsError::InvalidParameter(text.to_owned());
            assert_eq!(TopicArn::read(Some(arn), "TopicArn"), Err(refused), "{arn}");
        }
        for (arn, text) in [
            (None, "SubscriptionArn Reason: no value for required parameter"),
            (Some("pending confirmation"), "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
            (Some("arn:aws:sns:us-east-1:000000000000:t"), "SubscriptionId"),
        ] {
            let refused = SnsError::InvalidParameter(text.to_owned());
            assert_eq!(SubscriptionArn::read(arn), Err(refused), "{arn:?}");
        }
        let arn = "arn:aws:sns:us-east-1:000000000000:t:01234567-89ab-4def-8123-456789abcdef";
        assert_eq!(SubscriptionArn::read(Some(arn)).unwrap().text(), arn);
    }

    #[test]
    fn fifo_topics_alone_have_the_suffix() {
        assert!(check_name("t", false).is_ok());
        assert!(check_name(&"t".repeat(256), false).is_ok());
        assert!(check_name("t.fifo", true).is_ok());
        for (name, is_fifo) in [("t", true), ("t.fifo", false), ("", false), ("a b", false), (".fifo", true)] {
            assert!(check_name(name, is_fifo).is_err(), "{name}");
        }
        assert!(check_name(&"t".repeat(257), false).is_err());
    }
}
