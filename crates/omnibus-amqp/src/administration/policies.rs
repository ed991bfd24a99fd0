//! Policies.

use super::{Administration, Refused};
use crate::errors::Fault;
use crate::hosts::Host;
use crate::policy::{ApplyTo, Policy};
use crate::wire::Table;

/// The policy that holds for something, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governed {
    pub name: Option<String>,
    pub definition: Table,
}

impl From<(Option<String>, Table)> for Governed {
    fn from((name, definition): (Option<String>, Table)) -> Self {
        Self { name, definition }
    }
}

/// A policy as operators know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
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
        let Policy { host, name, pattern, apply_to, priority, definition } = policy;
        Self { host, name, pattern, apply_to: apply_to.name().to_owned(), priority, definition }
    }
}

impl Administration {
    /// All policies of all virtual hosts.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicyInfo> {
        self.door.policies().into_iter().map(PolicyInfo::from).collect()
    }

    /// Keeps a policy, in the place of one of the same name; returns whether it is new. What it says holds when this
    /// returns.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn put_policy(&self, policy: PolicyInfo) -> Result<bool, Refused> {
        let PolicyInfo { host, name, pattern, apply_to, priority, definition } = policy;
        let unknown =
            || Fault::Precondition(format!("Validation failed\n\n{apply_to} is not what a policy applies to\n"));
        let apply_to = ApplyTo::of(&apply_to).ok_or_else(unknown)?;
        let is_new = self.door.policies().iter().all(|policy| (&policy.host, &policy.name) != (&host, &name));
        self.door.put_policy(Policy { host, name, pattern, apply_to, priority, definition }).await?;
        Ok(is_new)
    }

    /// Forgets a policy; returns whether there was one.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn delete_policy(&self, host: &Host, name: &str) -> Result<bool, Refused> {
        Ok(self.door.delete_policy(host, name).await?)
    }
}
