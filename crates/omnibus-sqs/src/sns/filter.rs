//! Filter policies: which messages of a topic a subscription wants.
//!
//! A policy's text is checked by `rule`, taken apart into branches by `branch`, and compiled together with
//! the other policies of its topic by `index`; `document` takes a message apart, and `choice` decides.
//! The engine that AWS uses is public (event-ruler); errors and rules are its own as it was in 2022, the
//! state that AWS's answers show. Where the documentation says more than it does, the documentation holds.

mod address;
mod branch;
mod choice;
mod document;
mod error;
mod index;
mod number;
mod pattern;
mod rule;
mod tokens;
mod value;

pub use error::PolicyError;

use branch::Branch;
use document::Place;
use index::Index;

const POLICY_BYTES_MAX: usize = 256 * 1024;

/// What of a message a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterScope {
    /// Its attributes; the policy is flat.
    #[default]
    MessageAttributes,
    /// Its body, which must be an object in JSON.
    MessageBody,
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type: `String`, `String.Array`, `Number`, or another with its label.
    pub data_type: &'a str,
    /// Its text; unused for `Binary`.
    pub value: &'a str,
}

impl Attribute<'_> {
    fn is_binary(&self) -> bool {
        self.is_of("Binary")
    }

    fn is_number(&self) -> bool {
        self.is_of("Number")
    }

    fn is_of(&self, kind: &str) -> bool {
        self.data_type.split('.').next() == Some(kind)
    }
}

/// What policies see of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterMessage<'a> {
    /// Its attributes.
    pub attributes: &'a [Attribute<'a>],
    /// Its body.
    pub body: &'a str,
}

/// A filter policy that was checked.
#[derive(Clone, Debug)]
pub struct FilterPolicy {
    scope: FilterScope,
    /// One is enough; none means that all is welcome.
    branches: Vec<Branch>,
}

impl FilterPolicy {
    /// Reads and checks a policy.
    ///
    /// # Errors
    ///
    /// If it is not one that AWS would take.
    pub fn parse(text: &str, scope: FilterScope) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        Ok(Self { scope, branches: branch::branches(rule::read(text)?, scope)? })
    }

    /// Whether a message is wanted. Who asks for many policies or messages takes a [`FilterIndex`].
    pub fn matches(&self, message: &FilterMessage<'_>) -> bool {
        !FilterIndex::new([self]).matching(message).is_empty()
    }
}

/// The policies of a topic, compiled to be asked together.
#[derive(Clone, Debug, Default)]
pub struct FilterIndex {
    attributes: Index,
    body: Index,
    /// By policy whether it wants all.
    wants_all: Vec<bool>,
}

impl FilterIndex {
    /// Compiles policies, which are known by their places from here on.
    pub fn new<'p>(policies: impl IntoIterator<Item = &'p FilterPolicy>) -> Self {
        let mut index = Self::default();
        for (number, policy) in policies.into_iter().enumerate() {
            index.wants_all.push(policy.branches.is_empty());
            let part = match policy.scope {
                FilterScope::MessageAttributes => &mut index.attributes,
                FilterScope::MessageBody => &mut index.body,
            };
            for branch in &policy.branches {
                part.add(number, branch);
            }
        }
        index
    }

    /// The places of the policies that want a message, in order.
    pub fn matching(&self, message: &FilterMessage<'_>) -> Vec<usize> {
        let mut accepted = self.wants_all.clone();
        if !self.attributes.is_empty()
            && let Some(place) = Place::of_attributes(message, self.attributes.paths())
        {
            self.attributes.mark(&place, &mut accepted);
        }
        if !self.body.is_empty()
            && let Some(place) = Place::of_body(message.body, self.body.paths())
        {
            self.body.mark(&place, &mut accepted);
        }
        accepted.iter().enumerate().filter_map(|(number, accepted)| accepted.then_some(number)).collect()
    }
}

#[cfg(test)]
mod tests;
