//! Users, what they may do, and what is done on behalf of one.

use std::net::SocketAddr;

use super::{Administration, BindingInfo, ExchangeWish, Leads, QueueWish, Refused, named};
use crate::access::Access;
use crate::account::{Account, PasswordHash};
use crate::errors::Fault;
use crate::hosts::Host;
use crate::limits::{Limits, LimitsWish};
use crate::rights::{Permissions, Right, TopicPermissions};
use crate::users::Standing;

/// The most users' tags, and the most bytes of one.
const TAGS_MAX: usize = 64;
const TAG_BYTES_MAX: usize = 255;

/// A user as those know him who look after the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    pub name: String,
    pub tags: Vec<String>,
    /// What is kept of his password; `None` of one who may do everything and is not kept.
    pub password: Option<PasswordHash>,
    /// By virtual host.
    pub permissions: Vec<(Host, Permissions)>,
    /// By virtual host and exchange: what keys may be there.
    pub topics: Vec<(Host, String, TopicPermissions)>,
    pub limits: Limits,
}

/// What a user shall be.
#[derive(Clone, Debug, Default)]
pub struct UserWish {
    pub name: String,
    pub password: PasswordHash,
    pub tags: Vec<String>,
    pub limits: LimitsWish,
}

/// Users.
impl Administration {
    /// Whether a user has given the right password.
    pub async fn admits(&self, user: &str, password: &[u8], peer: SocketAddr) -> bool {
        self.door.admits(user, password, peer.ip().is_loopback()).await
    }

    /// All who may come in, by name.
    #[must_use]
    pub fn users(&self) -> Vec<UserInfo> {
        self.door.users().into_iter().map(|(name, standing)| self.info(name, standing)).collect()
    }

    /// Finds a user, as far as this node knows.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<UserInfo> {
        self.door.user(name).map(|standing| self.info(name.to_owned(), standing))
    }

    fn info(&self, name: String, standing: Standing) -> UserInfo {
        let tags = standing.tags();
        let (password, permissions, topics, limits) = match standing {
            Standing::Trusted => {
                let hosts = self.hosts().into_iter();
                (None, hosts.map(|host| (host, Permissions::everything())).collect(), Vec::new(), Limits::default())
            }
            Standing::Kept(Account { password, permissions, topics, limits, .. }) => {
                let permissions = permissions.into_iter().map(|(host, permissions)| (Host::new(&host), permissions));
                let topic = |((host, exchange), topic): ((String, String), _)| (Host::new(&host), exchange, topic);
                (Some(password), permissions.collect(), topics.into_iter().map(topic).collect(), limits)
            }
        };
        UserInfo { name, tags, password, permissions, topics, limits }
    }

    /// Whether a user is one of the credentials file, which alone says who he is.
    #[must_use]
    pub fn is_of_file(&self, name: &str) -> bool {
        self.door.is_of_file(name)
    }

    /// A password as it is kept.
    #[must_use]
    pub fn hashed(&self, password: &[u8]) -> PasswordHash {
        self.door.hashed(password)
    }

    /// Keeps a user, or changes the password and the tags of one; returns whether he is new.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn put_user(&self, UserWish { name, password, tags, limits }: UserWish) -> Result<bool, Refused> {
        let is_unfit = |tag: &String| tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.contains(',');
        if tags.len() > TAGS_MAX || tags.iter().any(is_unfit) {
            let text = format!("a user has at most {TAGS_MAX} tags, each of 1 to {TAG_BYTES_MAX} bytes without commas");
            return Err(Fault::Precondition(text).into());
        }
        let put = |before: Option<Account>| {
            let before = before.unwrap_or_default();
            let limits = before.limits.clone().with(&limits);
            Ok(Account { password: password.clone(), tags: tags.clone(), limits, ..before })
        };
        Ok(self.door.change_user(&name, put).await?)
    }

    /// Says how much a user may have.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn limit_user(&self, name: &str, wish: &LimitsWish) -> Result<(), Refused> {
        // What this node has not heard of yet counts.
        self.door.engine.learn_names().await;
        // Who has no limits and keeps none stays as he is.
        if wish.values().all(Option::is_none) && self.user(name).is_some_and(|user| user.limits == Limits::default()) {
            return Ok(());
        }
        let limit = |account: Option<Account>| {
            let account = account.ok_or_else(|| Fault::Precondition(format!("there is no user '{name}'")))?;
            let limits = account.limits.clone().with(wish);
            Ok(Account { limits, ..account })
        };
        self.door.change_user(name, limit).await?;
        Ok(())
    }

    /// Deletes a user; returns whether there was one. His connections are closed when they next ask for something, or
    /// within half a heartbeat.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn delete_user(&self, name: &str) -> Result<bool, Refused> {
        Ok(self.door.delete_user(name).await?)
    }

    /// Says what a user may do in a virtual host, `None` if he may not come in; returns whether he could not before.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn permit(&self, user: &str, host: &Host, permissions: Option<Permissions>) -> Result<bool, Refused> {
        if let Some(permissions) = &permissions {
            permissions.check().map_err(Fault::Precondition)?;
        }
        if self.door.user(user).is_none() {
            self.door.engine.learn_names().await;
        }
        let could = self.user(user).is_some_and(|user| user.permissions.iter().any(|(of, _)| of == host));
        if self.door.user(user) == Some(Standing::Trusted) && permissions == Some(Permissions::everything()) {
            return Ok(false);
        }
        let change = |account: Option<Account>| {
            let mut account = account.ok_or_else(|| Fault::Precondition(format!("there is no user '{user}'")))?;
            match permissions.clone() {
                Some(permissions) => drop(account.permissions.insert(host.name().to_owned(), permissions)),
                None => drop(account.permissions.remove(host.name())),
            }
            Ok(account)
        };
        self.door.change_user(user, change).await?;
        Ok(!could)
    }

    /// Says by which keys a user may publish to a topic exchange and bind to it, `None` if by any; without an exchange,
    /// by any to all of the virtual host. Returns whether nothing was said of it before.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn permit_topics(
        &self,
        (user, host): (&str, &Host),
        exchange: Option<&str>,
        topics: Option<TopicPermissions>,
    ) -> Result<bool, Refused> {
        if let Some(topics) = &topics {
            topics.check().map_err(Fault::Precondition)?;
        }
        if exchange.is_some_and(|exchange| exchange.contains('\n')) {
            return Err(Fault::Precondition("the name of an exchange has no line ends".to_owned()).into());
        }
        let is_meant = |of: &str, name: &str| of == host.name() && exchange.is_none_or(|exchange| name == exchange);
        let said =
            self.user(user).is_some_and(|user| user.topics.iter().any(|(of, name, _)| is_meant(of.name(), name)));
        let change = |account: Option<Account>| {
            let mut account = account.ok_or_else(|| Fault::Precondition(format!("there is no user '{user}'")))?;
            account.topics.retain(|(of, name), _| !is_meant(of, name));
            if let (Some(exchange), Some(topics)) = (exchange, topics.clone()) {
                account.topics.insert((host.name().to_owned(), exchange.to_owned()), topics);
            }
            Ok(account)
        };
        self.door.change_user(user, change).await?;
        Ok(!said)
    }

    /// Lets who has created a virtual host do everything in it, if that needs to be said.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn permit_creator(&self, user: &str, host: &Host) -> Result<(), Refused> {
        self.permit(user, host, Some(Permissions::everything())).await.map(drop)
    }
}

/// What users may do.
impl Administration {
    /// Whether a user may come into a virtual host.
    pub async fn may_enter(&self, user: &str, host: &Host) -> bool {
        self.door.may_enter(user, host).await
    }

    /// Makes sure that a user may declare a queue.
    ///
    /// # Errors
    /// [`Refused`] with 403, as all of these.
    pub fn may_declare_queue(&self, user: &str, wish: &QueueWish) -> Result<(), Refused> {
        let is_new = self.door.find(&wish.name).is_none();
        Ok(self.access(user, &wish.name).declare_queue(&wish.name, &wish.arguments, is_new)?)
    }

    /// Makes sure that a user may delete a queue.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_delete_queue(&self, user: &str, name: &str) -> Result<(), Refused> {
        Ok(self.access(user, name).queue(Right::Configure, name)?)
    }

    /// Makes sure that a user may take messages out of a queue.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_read_queue(&self, user: &str, name: &str) -> Result<(), Refused> {
        Ok(self.access(user, name).queue(Right::Read, name)?)
    }

    /// Makes sure that a user may declare an exchange.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_declare_exchange(&self, user: &str, name: &str, wish: &ExchangeWish) -> Result<(), Refused> {
        let name = named(name)?;
        let is_new = self.door.exchange(&name).is_none();
        Ok(self.access(user, name.as_str()).declare_exchange(name.as_str(), &wish.arguments, is_new)?)
    }

    /// Makes sure that a user may delete an exchange.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_delete_exchange(&self, user: &str, name: &str) -> Result<(), Refused> {
        Ok(self.access(user, name).exchange(Right::Configure, name)?)
    }

    /// Makes sure that a user may make or end a binding.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_bind(&self, user: &str, binding: &BindingInfo) -> Result<(), Refused> {
        let mut access = self.access(user, &binding.source);
        match &binding.leads {
            Leads::ToQueue(queue) => access.queue(Right::Write, queue)?,
            Leads::ToExchange(exchange) => access.exchange(Right::Write, exchange)?,
        }
        let source = named(&binding.source)?;
        access.exchange(Right::Read, source.as_str())?;
        Ok(access.key(&self.door, (Right::Read, &source), &binding.key)?)
    }

    /// What a user may do in the virtual host of something.
    pub(super) fn access(&self, user: &str, name: &str) -> Access {
        Access::of(&self.door, user, &Host::of(name))
    }
}
