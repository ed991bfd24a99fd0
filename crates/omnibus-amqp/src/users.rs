//! Users: those of the credentials file, who may do everything, and those that are kept in the catalog.
//!
//! `guest` is there from the beginning where there is no such file, and becomes a kept user when anything is said of
//! him; that he was deleted is kept as well.

use std::collections::BTreeMap;

use omnibus_engine::SubmitError;
use omnibus_model::exchange::{ExchangeConfig, ExchangeKey, ExchangeKind, SharedExchange};
use omnibus_model::{ExchangeName, Refusal};

use crate::account::{Account, PasswordHash, same};
use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::Host;
use crate::limits::Limits;
use crate::rights::Permissions;

/// Who is there from the beginning, and comes in from this machine only.
pub(crate) const GUEST: &str = "guest";

/// Who looks after the broker.
const ADMINISTRATOR: &str = "administrator";

/// How often something is tried that somebody else changes at the same time.
const ATTEMPTS_MAX: u32 = 100;

/// Where a user is known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// From the credentials file, or he was there from the beginning: he may do everything.
    Trusted,
    Kept(Account),
}

/// Where a user is kept; `None` if nobody can be called so.
pub(crate) fn key(user: &str) -> Option<ExchangeKey> {
    let name = ExchangeName::new(user).ok().filter(|name| !name.as_str().is_empty())?;
    Some(ExchangeKey { kind: ExchangeKind::AmqpUser, name })
}

impl Standing {
    pub(crate) fn tags(&self) -> Vec<String> {
        match self {
            Self::Trusted => vec![ADMINISTRATOR.to_owned()],
            Self::Kept(account) => account.tags.clone(),
        }
    }

    /// Whether he may come into a virtual host.
    pub(crate) fn may_enter(&self, host: &Host) -> bool {
        match self {
            Self::Trusted => true,
            Self::Kept(account) => account.permissions.contains_key(host.name()),
        }
    }

    /// Whether he may publish in the name of others.
    pub(crate) fn is_impersonator(&self) -> bool {
        match self {
            Self::Trusted => false,
            Self::Kept(account) => account.is_impersonator(),
        }
    }
}

impl Door {
    /// Whether a user is one of the credentials file.
    pub(crate) fn is_of_file(&self, user: &str) -> bool {
        self.settings.credentials.iter().any(|each| each.user == user)
    }

    /// Whether somebody is a user because nobody has said anything else.
    fn is_implied(&self, user: &str, kept: Option<&SharedExchange>) -> bool {
        user == GUEST && kept.is_none() && self.settings.credentials.is_empty()
    }

    /// What is kept under a user's name.
    pub(crate) fn kept_user(&self, user: &str) -> Option<SharedExchange> {
        self.engine.catalog().exchange(&key(user)?)
    }

    /// Where a user is known from, as far as this node knows; of two of one name the one of the file counts.
    pub(crate) fn user(&self, user: &str) -> Option<Standing> {
        if self.is_of_file(user) {
            return Some(Standing::Trusted);
        }
        self.standing(user, self.kept_user(user).as_ref())
    }

    /// The same of one who is not of the file, and of whom this is kept.
    pub(crate) fn standing(&self, user: &str, kept: Option<&SharedExchange>) -> Option<Standing> {
        if self.is_implied(user, kept) {
            return Some(Standing::Trusted);
        }
        kept.and_then(|kept| Account::of(kept)).map(Standing::Kept)
    }

    /// Whether a user has given the right password, also one who was made at another node a moment ago.
    pub(crate) async fn admits(&self, user: &str, password: &[u8], is_local: bool) -> bool {
        if self.is_of_file(user) {
            let credentials = &self.settings.credentials;
            return credentials.iter().any(|each| each.user == user && same(each.password.as_bytes(), password));
        }
        if user == GUEST && !is_local {
            return false;
        }
        // Nobody is let in only because this node has not heard yet that he is gone.
        if self.kept_user(user).is_some() && self.has_password(user, password) {
            return true;
        }
        self.engine.learn_names().await;
        self.has_password(user, password)
    }

    /// Whether a user may come into a virtual host, also if that was said at another node a moment ago.
    pub(crate) async fn may_enter(&self, user: &str, host: &Host) -> bool {
        let may = || self.user(user).is_some_and(|standing| standing.may_enter(host));
        if may() {
            return true;
        }
        self.engine.learn_names().await;
        may()
    }

    fn has_password(&self, user: &str, password: &[u8]) -> bool {
        match self.standing(user, self.kept_user(user).as_ref()) {
            Some(Standing::Trusted) => same(password, GUEST.as_bytes()),
            Some(Standing::Kept(account)) => account.password.is_of(password),
            None => false,
        }
    }

    /// All users, by name.
    pub(crate) fn users(&self) -> BTreeMap<String, Standing> {
        let of_file = self.settings.credentials.iter().map(|each| each.user.clone());
        let kept = self.engine.catalog().exchanges(ExchangeKind::AmqpUser);
        let kept = kept.iter().map(|user| user.key.name.as_str().to_owned());
        let names = of_file.chain(kept).chain([GUEST.to_owned()]);
        names.filter_map(|name| self.user(&name).map(|standing| (name, standing))).collect()
    }

    /// A password as it is kept.
    pub(crate) fn hashed(&self, password: &[u8]) -> PasswordHash {
        let [a, b, c, d, ..] = self.engine.random().to_be_bytes();
        PasswordHash::of(password, [a, b, c, d])
    }

    /// Changes a user, or makes one if that is what comes of nobody; returns whether he is new.
    pub(crate) async fn change_user(
        &self,
        user: &str,
        change: impl Fn(Option<Account>) -> Result<Account, Fault>,
    ) -> Result<bool, Fault> {
        if self.is_of_file(user) {
            let text = format!("the user '{user}' is one of amqp.credentials_file, and changes with it");
            return Err(Fault::Precondition(text));
        }
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.kept_user(user);
            let before = match self.standing(user, kept.as_ref()) {
                Some(Standing::Trusted) => Some(self.first()),
                Some(Standing::Kept(account)) => Some(account),
                None => None,
            };
            let is_new = before.is_none();
            let after = change(before)?.config();
            if self.keep_user(user, kept.as_ref(), after).await? {
                return Ok(is_new);
            }
        }
        Err(Fault::Precondition(format!("the user '{user}' is being changed by others")))
    }

    /// Deletes a user; returns whether there was one.
    pub(crate) async fn delete_user(&self, user: &str) -> Result<bool, Fault> {
        if self.is_of_file(user) {
            let text = format!("the user '{user}' is one of amqp.credentials_file, and goes with it");
            return Err(Fault::Precondition(text));
        }
        self.engine.learn_names().await;
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.kept_user(user);
            if self.standing(user, kept.as_ref()).is_none() {
                return Ok(false);
            }
            if user == GUEST {
                // He would be there again otherwise.
                if self.keep_user(user, kept.as_ref(), Account::gone()).await? {
                    return Ok(true);
                }
                continue;
            }
            let Some(key) = key(user) else { return Ok(false) };
            return match self.engine.delete_exchange(key).await {
                Ok(_) => Ok(true),
                Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Ok(false),
                Err(error) => Err(error.into()),
            };
        }
        Err(Fault::Precondition(format!("the user '{user}' is being changed by others")))
    }

    /// Takes a virtual host out of what users may do.
    pub(crate) async fn forget_permissions(&self, host: &Host) -> Result<(), Fault> {
        for (user, standing) in self.users() {
            let Standing::Kept(account) = standing else { continue };
            let of_host = |(of, _): &(String, String)| of == host.name();
            if account.permissions.contains_key(host.name()) || account.topics.keys().any(of_host) {
                let without = |account: Option<Account>| {
                    let mut account = account.ok_or_else(|| Fault::UserDeleted(user.clone()))?;
                    account.permissions.remove(host.name());
                    account.topics.retain(|place, _| !of_host(place));
                    Ok(account)
                };
                match self.change_user(&user, without).await {
                    Ok(_) | Err(Fault::UserDeleted(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(())
    }

    /// Who is there from the beginning, as he is kept once something is said of him.
    fn first(&self) -> Account {
        let hosts = self.virtual_hosts().into_iter();
        Account {
            password: self.hashed(GUEST.as_bytes()),
            tags: vec![ADMINISTRATOR.to_owned()],
            permissions: hosts.map(|host| (host, Permissions::everything())).collect(),
            topics: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// Keeps a user as he is to be; `false` if somebody else has changed him meanwhile.
    async fn keep_user(&self, user: &str, kept: Option<&SharedExchange>, after: ExchangeConfig) -> Result<bool, Fault> {
        let key = key(user).ok_or_else(|| Fault::Precondition(format!("'{user}' cannot be the name of a user")))?;
        self.keep(key, kept, after).await
    }
}
