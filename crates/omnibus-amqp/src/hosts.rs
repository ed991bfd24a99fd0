//! Virtual hosts, as names: what their queues and exchanges are called by the engine. Pure.
//!
//! Those of the host `/` have the names that clients give them, so that other doors find a queue by its name; those of
//! others have their host's before them, as in `/staging/orders`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The host that is there from the beginning.
pub(crate) const DEFAULT: &str = "/";

/// A virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(Arc<str>);

impl Default for Host {
    fn default() -> Self {
        Self(Arc::from(DEFAULT))
    }
}

impl Host {
    pub(crate) fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The host of what the engine calls so.
    #[must_use]
    pub fn of(full: &str) -> Self {
        Self::new(&split(full).0)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_default(&self) -> bool {
        self.name() == DEFAULT
    }

    /// What the engine calls what clients of the host call so.
    #[must_use]
    pub fn full(&self, plain: &str) -> String {
        match self.name() {
            // Otherwise it would be some other host's.
            DEFAULT if plain.starts_with('/') => format!("//{plain}"),
            DEFAULT => plain.to_owned(),
            other => format!("/{}/{plain}", other.replace('%', "%25").replace('/', "%2F")),
        }
    }
}

/// The name of the host of what the engine calls so, and what clients of that host call it.
pub(crate) fn split(full: &str) -> (Cow<'_, str>, &str) {
    match full.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
        Some(("", plain)) => (DEFAULT.into(), plain),
        Some((host, plain)) if host.contains('%') => (host.replace("%2F", "/").replace("%25", "%").into(), plain),
        Some((host, plain)) => (host.into(), plain),
        None => (DEFAULT.into(), full),
    }
}

/// What clients call what the engine calls so.
#[must_use]
pub fn plain(full: &str) -> &str {
    split(full).1
}

/// What the engine calls so, as RabbitMQ's texts have it.
pub(crate) struct Named<'a>(pub(crate) &'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, plain) = split(self.0);
        write!(f, "'{plain}' in vhost '{host}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_each_host_is_one_name() {
        for (host, name, wanted) in [
            ("/", "orders", "orders"),
            ("/", "", ""),
            ("/", "a/b", "a/b"),
            ("/", "/a/b", "///a/b"),
            ("staging", "orders", "/staging/orders"),
            ("staging", "", "/staging/"),
            ("staging", "/a", "/staging//a"),
            ("a/b%2F", "q", "/a%2Fb%252F/q"),
        ] {
            let full = Host::new(host).full(name);
            assert_eq!(full, wanted);
            assert_eq!(split(&full), (host.into(), name), "{full}");
            assert_eq!((Host::of(&full), plain(&full)), (Host::new(host), name));
        }
        assert_eq!(Named("/staging/orders").to_string(), "'orders' in vhost 'staging'");
    }
}
