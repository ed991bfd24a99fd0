//! Policies.

use super::{Administration, Refused};
use crate::errors::Fault;
use crate::hosts::Host;
use crate::policy::{ApplyTo, Maker, Policy, Ruling};
use crate::wire::Table;

/// The policies that hold for something, and what they say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governed {
    pub name: Option<String>,
    /// That of those who look after the broker.
    pub operator: Option<String>,
    pub definition: Table,
}

impl From<Ruling> for Governed {
    fn from(Ruling { name, operator, definition }: Ruling) -> Self {
        Self { name, operator, definition }
    }
}

/// A policy as operators know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
    pub maker: Maker,
    /// The virtual host whose queues and exchanges it is for.
    pub host: Host,
    pub name: String,
    pub pattern: String,
    /// In RabbitMQ's words.
    pub apply_to: String,
    pub priority: i64,
    pub definition: Table,
}

impl From<Policy> for PolicyInfo {
    fn from(policy: Policy) -> Self {
        let Policy { maker, host, name, pattern, apply_to, priority, definition } = policy;
        Self { maker, host, name, pattern, apply_to: apply_to.name().to_owned(), priority, definition }
    }
}

impl Administration {
    /// All policies of all virtual hosts that users or operators have made.
    #[must_use]
    pub fn policies(&self, maker: Maker) -> Vec<PolicyInfo> {
        let all = self.door.policies().into_iter();
        all.filter(|policy| policy.maker == maker).map(PolicyInfo::from).collect()
    }

    /// Keeps a policy, in the place of one of the same name; returns whether it is new. What it says holds when this
    /// returns.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn put_policy(&self, policy: PolicyInfo) -> Result<bool, Refused> {
        let PolicyInfo { maker, host, name, pattern, apply_to, priority, definition } = policy;
        let unknown =
            || Fault::Precondition(format!("Validation failed\n\n{apply_to} is not what a policy applies to\n"));
        let apply_to = ApplyTo::of(&apply_to).ok_or_else(unknown)?;
        let is_new = self
            .door
            .policies()
            .iter()
            .all(|policy| (policy.maker, &policy.host, &policy.name) != (maker, &host, &name));
        self.door.put_policy(Policy { maker, host, name, pattern, apply_to, priority, definition }).await?;
        Ok(is_new)
    }

    /// Forgets a policy; returns whether there was one.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn delete_policy(&self, maker: Maker, host: &Host, name: &str) -> Result<bool, Refused> {
        Ok(self.door.delete_policy(maker, host, name).await?)
    }
}
