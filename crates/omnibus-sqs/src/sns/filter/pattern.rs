//! What a policy asks of one property's value.

use std::collections::HashSet;
use std::net::IpAddr;

use super::address::{self, Network};
use super::number::Millionths;
use super::value::Value;

/// One thing that a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    Text(Box<str>),
    /// A text that is an address matches the address in any spelling.
    Address(IpAddr),
    Number {
        text: Box<str>,
        number: Option<Millionths>,
    },
    Boolean(bool),
    Null,
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// In lower case.
    IgnoreCase(Box<str>),
    NoneOfTexts(Vec<Box<str>>),
    NoneOfNumbers(Vec<Millionths>),
    NotPrefix(Box<str>),
    Range {
        bottom: Option<Bound>,
        top: Option<Bound>,
    },
    Network(Network),
    Present,
    Absent,
}

/// An end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) number: Millionths,
    pub(super) is_open: bool,
}

impl Pattern {
    /// A policy's plain text.
    pub(super) fn text(text: &str) -> Self {
        address::read(text).map_or_else(|| Self::Text(text.into()), Self::Address)
    }

    pub(super) fn ignoring_case(text: &str) -> Self {
        Self::IgnoreCase(text.to_lowercase().into())
    }

    fn accepts(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            // What could not be read is there, and equals nothing.
            (Self::Present, Value::Unreadable) => true,
            (_, Value::Unreadable) | (Self::Absent, _) => false,
            (Self::Present, value) => !value.is_empty(),
            (Self::Text(wanted), Value::Text(text)) => **wanted == **text,
            (Self::Address(wanted), Value::Text(text)) => address::read(text) == Some(*wanted),
            (Self::Number { text: wanted, number }, Value::Number { text, number: given }) => {
                number.is_some() && number == given || **wanted == **text
            }
            (Self::Boolean(wanted), Value::Boolean(given)) => wanted == given,
            (Self::Null, Value::Null) => true,
            (Self::Prefix(prefix), Value::Text(text)) => text.starts_with(&**prefix),
            (Self::Suffix(suffix), Value::Text(text)) => text.ends_with(&**suffix),
            (Self::IgnoreCase(wanted), Value::Text(text)) => **wanted == text.to_lowercase(),
            (Self::NoneOfTexts(unwanted), Value::Text(text)) => !unwanted.iter().any(|other| **other == **text),
            (Self::NoneOfNumbers(unwanted), Value::Number { number: Some(number), .. }) => !unwanted.contains(number),
            (Self::NotPrefix(prefix), Value::Text(text)) => !text.starts_with(&**prefix),
            // A value of another kind is anything but that.
            (Self::NoneOfTexts(_) | Self::NoneOfNumbers(_) | Self::NotPrefix(_), _) => true,
            (Self::Range { bottom, top }, Value::Number { number: Some(number), .. }) => {
                bottom.is_none_or(|bound| *number > bound.number || !bound.is_open && *number == bound.number)
                    && top.is_none_or(|bound| *number < bound.number || !bound.is_open && *number == bound.number)
            }
            (Self::Network(network), Value::Text(text)) => address::read(text).is_some_and(|it| network.contains(it)),
            _ => false,
        }
    }
}

/// All that a value may be: one of the patterns is enough.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Patterns {
    texts: HashSet<Box<str>>,
    others: Vec<Pattern>,
    accepts_absence: bool,
}

impl Patterns {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let mut sorted = Self::default();
        for pattern in patterns {
            match pattern {
                Pattern::Text(text) => drop(sorted.texts.insert(text)),
                Pattern::Absent => sorted.accepts_absence = true,
                other => sorted.others.push(other),
            }
        }
        sorted
    }

    pub(super) fn accepts(&self, value: &Value<'_>) -> bool {
        let is_listed = |text: &str| !self.texts.is_empty() && self.texts.contains(text);
        matches!(value, Value::Text(text) if is_listed(text)) || self.others.iter().any(|one| one.accepts(value))
    }

    /// Whether a message without the property is welcome.
    pub(super) fn accepts_absence(&self) -> bool {
        self.accepts_absence
    }

    /// The texts that a value must be one of, if nothing else will do.
    pub(super) fn only_texts(&self) -> Option<&HashSet<Box<str>>> {
        (self.others.is_empty() && !self.accepts_absence).then_some(&self.texts)
    }
}
