//! A property's value in a message.

use std::borrow::Cow;

use super::number::Millionths;
use super::tokens::Token;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number {
        text: &'a str,
        /// None if it is too large to be compared.
        number: Option<Millionths>,
    },
    Boolean(bool),
    Null,
    /// An attribute whose text is not of its type.
    Unreadable,
}

impl<'a> Value<'a> {
    pub(super) fn number(text: &'a str) -> Self {
        Self::Number { text, number: Millionths::read(text).ok() }
    }

    /// What a token of a single value says; none for names, objects and arrays.
    pub(super) fn of(token: Token<'a>) -> Option<Self> {
        Some(match token {
            Token::Text(text) => Self::Text(text),
            Token::Number(text) => Self::number(text),
            Token::True => Self::Boolean(true),
            Token::False => Self::Boolean(false),
            Token::Null => Self::Null,
            Token::Name(_) | Token::ObjectStart | Token::ObjectEnd | Token::ArrayStart | Token::ArrayEnd => {
                return None;
            }
        })
    }

    /// Whether `exists` counts it as nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }
}
