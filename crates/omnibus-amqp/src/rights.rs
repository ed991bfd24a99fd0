//! What a user may do with names of a virtual host: one regular expression for each right. Pure.

use std::collections::BTreeMap;
use std::fmt;

use regex::{Regex, RegexBuilder};

/// The most bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 8 << 10;

/// And of what it becomes, which counts for how long it takes to ask it.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// What somebody may do with a queue or an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Configure,
    Write,
    Read,
}

/// The patterns that names must match, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    pub configure: String,
    pub write: String,
    pub read: String,
}

/// The patterns that routing keys must match at a topic exchange, as they were given: `{username}` and `{vhost}` in them
/// stand for those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPermissions {
    pub write: String,
    pub read: String,
}

/// Who does something where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doer<'a> {
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
}

/// The same, to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
    /// By topic exchange, as clients call it: what keys may be written and read there.
    topics: BTreeMap<String, (Pattern, Pattern)>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Everything,
    Nothing,
    Of(Regex),
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

impl Permissions {
    const EVERYTHING: &str = ".*";

    /// Those of who may do everything.
    #[must_use]
    pub fn everything() -> Self {
        let all = || Self::EVERYTHING.to_owned();
        Self { configure: all(), write: all(), read: all() }
    }

    /// Makes sure that they can be asked.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        [&self.configure, &self.write, &self.read].into_iter().try_for_each(|pattern| check(pattern))
    }
}

/// Makes sure that a pattern can be asked, in a time that is bounded.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    compiled(pattern).map_err(|error| format!("{pattern} is not a valid regular expression: {error}"))?;
    Ok(())
}

/// A pattern, if it takes no more memory than a name is worth.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build()
}

impl TopicPermissions {
    /// Makes sure that they can be asked.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let somebody = Doer { user: "user", host: "vhost" };
        [&self.write, &self.read].into_iter().try_for_each(|pattern| check(&somebody.put_into(pattern)))
    }
}

impl Doer<'_> {
    fn put_into(&self, pattern: &str) -> String {
        let with_user = pattern.replace("{username}", &regex::escape(self.user));
        with_user.replace("{vhost}", &regex::escape(self.host))
    }
}

impl Rights {
    pub(crate) fn of(permissions: &Permissions) -> Self {
        let Permissions { configure, write, read } = permissions;
        let topics = BTreeMap::new();
        Self { configure: Pattern::of(configure), write: Pattern::of(write), read: Pattern::of(read), topics }
    }

    /// With what is said of keys at a topic exchange.
    pub(crate) fn and(mut self, exchange: &str, topics: &TopicPermissions, doer: Doer<'_>) -> Self {
        // The empty key is one.
        let pattern = |text: &str| match text {
            "" => Pattern::of_keys("^$"),
            text => Pattern::of_keys(&doer.put_into(text)),
        };
        self.topics.insert(exchange.to_owned(), (pattern(&topics.write), pattern(&topics.read)));
        self
    }

    /// Whether anything is said of keys.
    pub(crate) fn has_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Whether it may be done with a key at what clients call so, which is a topic exchange.
    pub(crate) fn allow_key(&self, right: Right, exchange: &str, key: &str) -> bool {
        let Some((write, read)) = self.topics.get(exchange) else { return true };
        match right {
            Right::Configure => true,
            Right::Write => write.matches(key),
            Right::Read => read.matches(key),
        }
    }

    pub(crate) const fn everything() -> Self {
        let topics = BTreeMap::new();
        Self { configure: Pattern::Everything, write: Pattern::Everything, read: Pattern::Everything, topics }
    }

    pub(crate) const fn nothing() -> Self {
        let topics = BTreeMap::new();
        Self { configure: Pattern::Nothing, write: Pattern::Nothing, read: Pattern::Nothing, topics }
    }

    /// Whether no name needs to be looked at.
    pub(crate) const fn is_everything(&self, right: Right) -> bool {
        matches!(self.pattern(right), Pattern::Everything)
    }

    /// Whether it may be done with what clients call so.
    pub(crate) fn allow(&self, right: Right, plain: &str) -> bool {
        self.pattern(right).matches(plain)
    }

    const fn pattern(&self, right: Right) -> &Pattern {
        match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        }
    }
}

impl Pattern {
    /// Any part of a name may match; no text at all is no name, as in RabbitMQ.
    fn of(text: &str) -> Self {
        match text {
            Permissions::EVERYTHING => Self::Everything,
            "" | "^$" => Self::Nothing,
            other => Self::of_keys(other),
        }
    }

    /// Any part of a key may match.
    fn of_keys(text: &str) -> Self {
        match text {
            Permissions::EVERYTHING => Self::Everything,
            // What is kept was checked.
            other => compiled(other).map_or(Self::Nothing, Self::Of),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::Of(pattern) => pattern.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(write: &str) -> Permissions {
        Permissions { configure: String::new(), write: write.to_owned(), read: ".*".to_owned() }
    }

    #[test]
    fn name_is_allowed_that_a_pattern_matches_anywhere() {
        let rights = Rights::of(&permissions("^orders|amq\\.default$"));
        assert!(rights.allow(Right::Write, "orders.eu") && rights.allow(Right::Write, "amq.default"));
        assert!(!rights.allow(Right::Write, "my-orders"));
        assert!(rights.allow(Right::Read, "x") && !rights.allow(Right::Configure, "x"));
        assert!(rights.is_everything(Right::Read) && !rights.is_everything(Right::Write));
        assert!(Rights::everything().allow(Right::Configure, "x") && !Rights::nothing().allow(Right::Read, "x"));
    }

    #[test]
    fn keys_are_looked_at_where_something_is_said_of_them() {
        let topics = TopicPermissions { write: "^{username}\\.{vhost}$".into(), read: String::new() };
        assert_eq!(topics.check(), Ok(()));
        let doer = Doer { user: "a.b", host: "/" };
        let rights = Rights::everything().and("amq.topic", &topics, doer);
        assert!(rights.allow_key(Right::Write, "amq.topic", "a.b./"));
        assert!(
            !rights.allow_key(Right::Write, "amq.topic", "axb./") && !rights.allow_key(Right::Read, "amq.topic", "a")
        );
        assert!(rights.allow_key(Right::Read, "amq.topic", ""), "nothing is a key, and the only one");
        assert!(rights.allow_key(Right::Write, "other", "x") && rights.has_topics());
        assert!(TopicPermissions { write: "{client_id}".into(), ..topics }.check().is_err());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_allows_nothing() {
        assert!(permissions("a(?=b)").check().is_err() && permissions(&"x".repeat(9_000)).check().is_err());
        assert!(permissions("(\\w{1000}){9}").check().is_err(), "short, and large once it is compiled");
        assert_eq!(permissions("").check(), Ok(()));
        assert!(!Rights::of(&permissions("(")).allow(Right::Write, "("));
    }
}
