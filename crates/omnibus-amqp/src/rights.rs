//! What a user may do with names of a virtual host: one regular expression for each right. Pure.

use std::fmt;

use regex::Regex;

/// The most bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 8 << 10;

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

/// The same, to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
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
        for pattern in [&self.configure, &self.write, &self.read] {
            if pattern.len() > PATTERN_BYTES_MAX {
                return Err(format!("a pattern is longer than {PATTERN_BYTES_MAX} bytes"));
            }
            Regex::new(pattern).map_err(|error| format!("{pattern} is not a valid regular expression: {error}"))?;
        }
        Ok(())
    }
}

impl Rights {
    pub(crate) fn of(permissions: &Permissions) -> Self {
        let Permissions { configure, write, read } = permissions;
        Self { configure: Pattern::of(configure), write: Pattern::of(write), read: Pattern::of(read) }
    }

    pub(crate) const fn everything() -> Self {
        Self { configure: Pattern::Everything, write: Pattern::Everything, read: Pattern::Everything }
    }

    pub(crate) const fn nothing() -> Self {
        Self { configure: Pattern::Nothing, write: Pattern::Nothing, read: Pattern::Nothing }
    }

    /// Whether no name needs to be looked at.
    pub(crate) const fn is_everything(&self, right: Right) -> bool {
        matches!(self.pattern(right), Pattern::Everything)
    }

    /// Whether it may be done with what clients call so.
    pub(crate) fn allow(&self, right: Right, plain: &str) -> bool {
        match self.pattern(right) {
            Pattern::Everything => true,
            Pattern::Nothing => false,
            Pattern::Of(pattern) => pattern.is_match(plain),
        }
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
            // What is kept was checked.
            other => Regex::new(other).map_or(Self::Nothing, Self::Of),
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
    fn what_cannot_be_read_is_refused_and_allows_nothing() {
        assert!(permissions("a(?=b)").check().is_err() && permissions(&"x".repeat(9_000)).check().is_err());
        assert_eq!(permissions("").check(), Ok(()));
        assert!(!Rights::of(&permissions("(")).allow(Right::Write, "("));
    }
}
