//! A user as he is kept: what is left of his password, his tags, and what he may do in which virtual host. Pure.
//!
//! The digests are those that RabbitMQ writes into its definitions, so that users move with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use omnibus_model::ExchangeName;
use omnibus_model::exchange::{Exchange, ExchangeConfig, SharedExchange};
use parking_lot::Mutex;
use sha2::{Digest, Sha256, Sha512};

use crate::hosts::Host;
use crate::limits::Limits;
use crate::nature::{hex, read_hex};
use crate::rights::{Doer, Permissions, Rights, TopicPermissions};

const PASSWORD: &str = "amqp.password";
const TAGS: &str = "amqp.tags";
/// A name that was there from the beginning and is no user any more.
const GONE: &str = "amqp.gone";
const CONFIGURE: &str = "amqp.may.configure.";
const WRITE: &str = "amqp.may.write.";
const READ: &str = "amqp.may.read.";
const TOPIC_WRITE: &str = "amqp.topic.write.";
const TOPIC_READ: &str = "amqp.topic.read.";
/// Between a virtual host and the name of an exchange, which has no line ends.
const BETWEEN: char = '\n';

/// Who may publish in the name of others.
const IMPERSONATOR: &str = "impersonator";

/// Users whose rights are kept at hand, each in one virtual host.
const KNOWN_MAX: usize = 4_096;

/// The bytes before a digest.
const SALT_BYTES: usize = 4;

/// How a password was made unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    #[default]
    Sha256,
    Sha512,
}

/// What is kept of a password: salt and digest, or nothing, which no password matches.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PasswordHash {
    pub hashing: Hashing,
    bytes: Vec<u8>,
}

/// A user as he is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) password: PasswordHash,
    pub(crate) tags: Vec<String>,
    /// By virtual host.
    pub(crate) permissions: BTreeMap<String, Permissions>,
    /// By virtual host and exchange.
    pub(crate) topics: BTreeMap<(String, String), TopicPermissions>,
    pub(crate) limits: Limits,
}

impl Hashing {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec(),
            Self::Sha512 => Sha512::new().chain_update(salt).chain_update(password).finalize().to_vec(),
        }
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl PasswordHash {
    /// Makes a password unreadable; none at all is kept as one that nobody has.
    #[must_use]
    pub fn of(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        if password.is_empty() {
            return Self::default();
        }
        let hashing = Hashing::default();
        Self { hashing, bytes: [&salt[..], &hashing.digest(&salt, password)].concat() }
    }

    /// Takes salt and digest as they are; `None` if that cannot be what it is said to be.
    #[must_use]
    pub fn taken(hashing: Hashing, bytes: Vec<u8>) -> Option<Self> {
        let is_whole = bytes.is_empty() || bytes.len() == SALT_BYTES + hashing.digest_bytes();
        is_whole.then_some(Self { hashing, bytes })
    }

    /// Salt and digest, or nothing.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is this password.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        match self.bytes.split_at_checked(SALT_BYTES) {
            Some((salt, digest)) if !password.is_empty() => same(digest, &self.hashing.digest(salt, password)),
            _ => false,
        }
    }

    fn written(&self) -> String {
        format!("{}:{}", self.hashing.name(), hex(&self.bytes))
    }

    fn read(text: &str) -> Option<Self> {
        let (name, digits) = text.split_once(':')?;
        let hashing = [Hashing::Sha256, Hashing::Sha512].into_iter().find(|each| each.name() == name)?;
        Self::taken(hashing, read_hex(digits)?.to_vec())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("hashing", &self.hashing).finish_non_exhaustive()
    }
}

/// Compares without telling by the time it takes where they differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

impl Account {
    /// Reads what is kept; `None` if it says that there is nobody any more.
    pub(crate) fn of(kept: &Exchange) -> Option<Self> {
        let attributes = &kept.config.attributes;
        if attributes.contains_key(GONE) {
            return None;
        }
        let text = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
        let mut permissions: BTreeMap<String, Permissions> = BTreeMap::new();
        let mut topics: BTreeMap<(String, String), TopicPermissions> = BTreeMap::new();
        let place =
            |text: &str| text.rsplit_once(BETWEEN).map(|(host, exchange)| (host.to_owned(), exchange.to_owned()));
        for (name, pattern) in attributes {
            if let Some(host) = name.strip_prefix(CONFIGURE) {
                permissions.entry(host.to_owned()).or_default().configure.clone_from(pattern);
            } else if let Some(host) = name.strip_prefix(WRITE) {
                permissions.entry(host.to_owned()).or_default().write.clone_from(pattern);
            } else if let Some(host) = name.strip_prefix(READ) {
                permissions.entry(host.to_owned()).or_default().read.clone_from(pattern);
            } else if let Some(place) = name.strip_prefix(TOPIC_WRITE).and_then(place) {
                topics.entry(place).or_default().write.clone_from(pattern);
            } else if let Some(place) = name.strip_prefix(TOPIC_READ).and_then(place) {
                topics.entry(place).or_default().read.clone_from(pattern);
            }
        }
        Some(Self {
            password: PasswordHash::read(text(PASSWORD)).unwrap_or_default(),
            tags: text(TAGS).split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            permissions,
            topics,
            limits: Limits::of(attributes),
        })
    }

    /// How he is kept.
    pub(crate) fn config(&self) -> ExchangeConfig {
        let mut attributes =
            BTreeMap::from([(PASSWORD.to_owned(), self.password.written()), (TAGS.to_owned(), self.tags.join(","))]);
        for (host, Permissions { configure, write, read }) in &self.permissions {
            attributes.insert(format!("{CONFIGURE}{host}"), configure.clone());
            attributes.insert(format!("{WRITE}{host}"), write.clone());
            attributes.insert(format!("{READ}{host}"), read.clone());
        }
        for ((host, exchange), TopicPermissions { write, read }) in &self.topics {
            attributes.insert(format!("{TOPIC_WRITE}{host}{BETWEEN}{exchange}"), write.clone());
            attributes.insert(format!("{TOPIC_READ}{host}{BETWEEN}{exchange}"), read.clone());
        }
        attributes.extend(self.limits.attributes());
        ExchangeConfig { attributes, ..ExchangeConfig::default() }
    }

    /// How it is kept that there is nobody of a name any more.
    pub(crate) fn gone() -> ExchangeConfig {
        let attributes = BTreeMap::from([(GONE.to_owned(), "true".to_owned())]);
        ExchangeConfig { attributes, ..ExchangeConfig::default() }
    }

    /// Whether he may publish in the name of others.
    pub(crate) fn is_impersonator(&self) -> bool {
        self.tags.iter().any(|tag| tag == IMPERSONATOR)
    }
}

/// What users may do, worked out once for each state of a user: their connections share it.
#[derive(Debug, Default)]
pub(crate) struct KnownRights {
    known: Mutex<BTreeMap<Place, Known>>,
}

/// A user, and the virtual host that he is in.
type Place = (ExchangeName, String);

/// A user as he was, and what he might do.
type Known = (SharedExchange, Arc<Rights>);

impl KnownRights {
    /// What a user as he is kept may do in a virtual host; `None` if he may not come in.
    pub(crate) fn of(&self, kept: &SharedExchange, host: &Host) -> Option<Arc<Rights>> {
        let mut known = self.known.lock();
        let place = (kept.key.name.clone(), host.name().to_owned());
        if let Some((then, rights)) = known.get(&place)
            && Arc::ptr_eq(then, kept)
        {
            return Some(Arc::clone(rights));
        }
        let account = Account::of(kept)?;
        let mut rights = Rights::of(account.permissions.get(host.name())?);
        let doer = Doer { user: kept.key.name.as_str(), host: host.name() };
        for ((_, exchange), topics) in account.topics.iter().filter(|((of, _), _)| of == host.name()) {
            rights = rights.and(exchange, topics, doer);
        }
        let rights = Arc::new(rights);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(place, (Arc::clone(kept), Arc::clone(&rights)));
        Some(rights)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::exchange::{ExchangeKey, ExchangeKind};
    use omnibus_model::{ExchangeName, Timestamp};

    use super::*;
    use crate::limits::Limited;

    fn kept(config: ExchangeConfig) -> Exchange {
        let key = ExchangeKey { kind: ExchangeKind::AmqpUser, name: ExchangeName::new("ada").unwrap() };
        Exchange { key, config, created_at: Timestamp(0), bindings: BTreeMap::default() }
    }

    #[test]
    fn account_is_kept_without_its_password() {
        let account = Account {
            password: PasswordHash::of(b"secret", [1, 2, 3, 4]),
            tags: vec!["monitoring".to_owned(), "ops".to_owned()],
            permissions: BTreeMap::from([
                ("/".to_owned(), Permissions::everything()),
                ("a.b".to_owned(), Permissions { configure: String::new(), write: "^w".into(), read: "r$".into() }),
            ]),
            topics: BTreeMap::from([(
                ("a.b".to_owned(), "amq.topic".to_owned()),
                TopicPermissions { write: "^w".into(), read: String::new() },
            )]),
            limits: Limits(BTreeMap::from([(Limited::Channels, 5)])),
        };
        let config = account.config();
        assert!(config.attributes.values().all(|value| !value.contains("secret")), "{config:?}");
        assert_eq!(Account::of(&kept(config)), Some(account));
        assert_eq!(Account::of(&kept(Account::gone())), None);
    }

    #[test]
    fn digests_are_rabbitmqs() {
        // As RabbitMQ's documents have it, for the password `test12`.
        let wanted = "908dc60aa5b924b3096b8897d65a3b5f80fa5db62a94b83122cdf4f8fead10d515d8f391";
        let salt = [0x90, 0x8d, 0xc6, 0x0a];
        let hash = PasswordHash::of(b"test12", salt);
        assert_eq!(hex(hash.bytes()), wanted);
        assert!(PasswordHash::taken(Hashing::Sha256, hash.bytes()[1..].to_vec()).is_none(), "it is cut short");
        assert!(hash.is_of(b"test12") && !hash.is_of(b"test1") && !hash.is_of(b""));
        let longer = Hashing::Sha512.digest(&salt, b"test12");
        let longer = PasswordHash::taken(Hashing::Sha512, [&salt[..], &longer].concat()).unwrap();
        assert!(longer.is_of(b"test12") && !longer.is_of(b"test"));
        assert_eq!(PasswordHash::read(&longer.written()), Some(longer));
    }

    #[test]
    fn who_has_no_password_does_not_come_in_by_one() {
        let none = PasswordHash::of(b"", [1; 4]);
        assert_eq!(PasswordHash::read(&none.written()), Some(none.clone()));
        assert!(!none.is_of(b"") && !none.is_of(b"x"));
        assert!(!format!("{:?}", PasswordHash::of(b"secret", [1; 4])).contains("bytes"));
    }
}
