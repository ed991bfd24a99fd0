//! What a queue is called: an account, a region and a name; as URL, as ARN, and as the topic that
//! the engine knows.

use omnibus_model::TopicName;

use crate::errors::ApiError;
use crate::place::{is_account, is_region, partition_of, region_of_host};
use crate::settings::Settings;

const NAME_CHARACTERS_MAX: usize = 80;
const FIFO: &str = ".fifo";

/// The identity of a queue in SQS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

impl QueueName {
    /// Reads a queue's URL, whatever its host: only its last two parts count, and the region if
    /// it says one. A name alone will do, too.
    pub(crate) fn of_url(url: &str, account: &str, region: &str) -> Result<Self, ApiError> {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, path) = match after_scheme.split_once('/') {
            Some((host, path)) if url.contains("://") => (host, path),
            _ => ("", after_scheme.trim_start_matches('/')),
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let of_host = region_of_host(host);
        let (said_region, said_account, name) = match parts[..] {
            ["queue", region, account, name] => (Some(region), Some(account), name),
            ["queue", name] | [name] => (of_host, None, name),
            [account, name] => (of_host, Some(account), name),
            _ => return Err(ApiError::InvalidAddress(url.to_owned())),
        };
        // A URL that ends in a name that no queue can have names none that exists.
        if !is_name(name) {
            return Err(ApiError::QueueDoesNotExist);
        }
        Ok(Self {
            account: said_account.filter(|account| is_account(account)).unwrap_or(account).to_owned(),
            region: said_region.filter(|region| is_region(region)).unwrap_or(region).to_owned(),
            name: name.to_owned(),
        })
    }

    /// Reads an ARN of SQS.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sqs", region, account, name] = parts[..] else { return None };
        let is_known = partition.starts_with("aws") && is_region(region) && is_account(account) && is_name(name);
        is_known.then(|| Self { account: account.to_owned(), region: region.to_owned(), name: name.to_owned() })
    }

    /// The queue that a topic is; `None` if no queue of SQS can be called so.
    pub(crate) fn of_topic(topic: &str, settings: &Settings) -> Option<Self> {
        let (account, region, name) = match topic.split('.').collect::<Vec<_>>()[..] {
            [account, region, _, ..] if is_account(account) && is_region(region) => {
                (account, region, &topic[account.len() + region.len() + 2..])
            }
            _ => (settings.account.as_str(), settings.region.as_str(), topic),
        };
        is_name(name).then(|| Self { account: account.to_owned(), region: region.to_owned(), name: name.to_owned() })
    }

    /// The topic that the queue is: its plain name where it is at home, so that clients of other
    /// protocols find it.
    pub(crate) fn topic(&self, settings: &Settings) -> Result<TopicName, ApiError> {
        let Self { account, region, name } = self;
        let topic = if *account == settings.account && *region == settings.region {
            TopicName::new(name)
        } else {
            TopicName::new(&format!("{account}.{region}.{name}"))
        };
        topic.map_err(|_| ApiError::QueueDoesNotExist)
    }

    pub(crate) fn arn(&self) -> String {
        let partition = partition_of(&self.region);
        format!("arn:{partition}:sqs:{}:{}:{}", self.region, self.account, self.name)
    }
}

/// Checks a name for a new queue.
pub(crate) fn check_name(name: &str, is_fifo: bool) -> Result<(), ApiError> {
    let invalid = |text: &str| Err(ApiError::InvalidParameterValue(text.to_owned()));
    if name.ends_with(FIFO) != is_fifo && is_name(name) {
        return match is_fifo {
            true => invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length",
            ),
            false => invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"),
        };
    }
    if is_name(name) {
        return Ok(());
    }
    invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO).unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && name.len() <= NAME_CHARACTERS_MAX && stem.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(account: &str, region: &str, name: &str) -> QueueName {
        QueueName { account: account.to_owned(), region: region.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn url_names_a_queue_whatever_its_host() {
        let ours = ("000000000000", "us-east-1");
        for (url, expected) in [
            ("http://localhost:9324/000000000000/q", queue(ours.0, ours.1, "q")),
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo", queue("123456789012", "eu-west-1", "q.fifo")),
            ("http://eu-west-1.queue.localhost:4566/123456789012/q", queue("123456789012", "eu-west-1", "q")),
            ("http://localhost/queue/eu-west-1/123456789012/q", queue("123456789012", "eu-west-1", "q")),
            ("http://localhost:9324/queue/q", queue(ours.0, ours.1, "q")),
            ("/123456789012/q", queue("123456789012", ours.1, "q")),
            ("q", queue(ours.0, ours.1, "q")),
        ] {
            assert_eq!(QueueName::of_url(url, ours.0, ours.1), Ok(expected), "{url}");
        }
        for url in ["http://localhost:9324/", "a/b/c", ""] {
            assert!(matches!(QueueName::of_url(url, ours.0, ours.1), Err(ApiError::InvalidAddress(_))), "{url}");
        }
        assert_eq!(QueueName::of_url("http://h/000000000000/a b", ours.0, ours.1), Err(ApiError::QueueDoesNotExist));
    }

    #[test]
    fn topic_and_queue_name_each_other() {
        let settings = Settings::default();
        for (name, topic) in [
            (queue("000000000000", "us-east-1", "q.fifo"), "q.fifo"),
            (queue("000000000000", "eu-west-1", "q.fifo"), "000000000000.eu-west-1.q.fifo"),
            (queue("123456789012", "us-east-1", "q"), "123456789012.us-east-1.q"),
        ] {
            assert_eq!(name.topic(&settings).unwrap().as_str(), topic);
            assert_eq!(QueueName::of_topic(topic, &settings), Some(name.clone()));
            assert_eq!(QueueName::of_arn(&name.arn()), Some(name));
        }
        assert_eq!(QueueName::of_topic("a.topic.of.kafka", &settings), None);
    }

    #[test]
    fn fifo_queues_alone_have_the_suffix() {
        assert!(check_name("q", false).is_ok());
        assert!(check_name("q.fifo", true).is_ok());
        for (name, is_fifo) in [("q", true), ("q.fifo", false), ("", false), (".fifo", true), ("a/b", false)] {
            assert!(check_name(name, is_fifo).is_err(), "{name}");
        }
        assert!(check_name(&"q".repeat(81), false).is_err());
    }
}
