//! What one user may do in one virtual host, as it is now: asked by every request, worked out when it changes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::ExchangeName;
use omnibus_model::exchange::{ExchangeKey, SharedExchange};

use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Host, plain};
use crate::rights::{Right, Rights};
use crate::users::{Standing, key};
use crate::wire::Table;

const QUEUE: &str = "queue";
const EXCHANGE: &str = "exchange";

/// What the default exchange is called where rights are asked for.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// The kind of exchange whose keys are looked at.
const TOPIC: &str = "topic";

const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// Names that were allowed lately.
const ALLOWED_MAX: usize = 12;

/// What a user may do in a virtual host.
#[derive(Debug)]
pub(crate) struct Access {
    user: String,
    host: Host,
    /// Where he is kept; `None` if he is of the credentials file, and nothing that is kept matters.
    key: Option<ExchangeKey>,
    is_there: bool,
    kept: Option<SharedExchange>,
    rights: Arc<Rights>,
    pub(crate) is_impersonator: bool,
    /// By its whole name, what was asked for last first.
    allowed: VecDeque<(Right, &'static str, String)>,
    /// The exchange to which he published last, as his client called it.
    published: Option<Bytes>,
}

impl Access {
    /// Looks up what a user may do.
    pub(crate) fn of(door: &Door, user: &str, host: &Host) -> Self {
        let mut access = Self { user: user.to_owned(), host: host.clone(), ..Self::none() };
        access.key = key(user).filter(|_| !door.is_of_file(user));
        access.take(door, door.kept_user(user));
        access
    }

    /// Nobody's.
    pub(crate) fn none() -> Self {
        Self {
            user: String::new(),
            host: Host::default(),
            key: None,
            is_there: false,
            kept: None,
            rights: Arc::new(Rights::nothing()),
            is_impersonator: false,
            allowed: VecDeque::new(),
            published: None,
        }
    }

    /// Looks whether anything has changed; returns whether the user is still one.
    pub(crate) fn refresh(&mut self, door: &Door) -> bool {
        let Some(key) = &self.key else { return self.is_there };
        let now = door.engine.catalog().exchange(key);
        let is_same = match (&self.kept, &now) {
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, now),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            // Who was deleted and made anew is somebody else.
            let is_another = |kept: &SharedExchange, now: &SharedExchange| kept.created_at != now.created_at;
            if self.kept.as_ref().zip(now.as_ref()).is_some_and(|(kept, now)| is_another(kept, now)) {
                self.key = None;
                self.is_there = false;
                return false;
            }
            self.take(door, now);
        }
        self.is_there
    }

    fn take(&mut self, door: &Door, kept: Option<SharedExchange>) {
        let standing = match self.key {
            None => door.user(&self.user),
            Some(_) => door.standing(&self.user, kept.as_ref()),
        };
        self.is_there = standing.is_some();
        self.is_impersonator = standing.as_ref().is_some_and(Standing::is_impersonator);
        self.rights = match (&standing, &kept) {
            (Some(Standing::Trusted), _) => Arc::new(Rights::everything()),
            (Some(Standing::Kept(_)), Some(kept)) => {
                door.rights.of(kept, &self.host).unwrap_or_else(|| Arc::new(Rights::nothing()))
            }
            _ => Arc::new(Rights::nothing()),
        };
        self.kept = kept;
        self.allowed.clear();
        self.published = None;
    }

    /// Whether he may do something with a queue, by its whole name.
    pub(crate) fn queue(&mut self, right: Right, name: &str) -> Result<(), Fault> {
        self.check(right, QUEUE, name)
    }

    /// Whether he may do something with an exchange, by its whole name.
    pub(crate) fn exchange(&mut self, right: Right, name: &str) -> Result<(), Fault> {
        if plain(name).is_empty() {
            let name = self.host.full(DEFAULT_EXCHANGE);
            return self.check(right, EXCHANGE, &name);
        }
        self.check(right, EXCHANGE, name)
    }

    /// Whether he may publish to an exchange that a client has named so.
    pub(crate) fn publish(&mut self, exchange: &Bytes) -> Result<(), Fault> {
        if self.rights.is_everything(Right::Write) || self.published.as_ref() == Some(exchange) {
            return Ok(());
        }
        let name = self.host.full(&String::from_utf8_lossy(exchange));
        self.exchange(Right::Write, &name)?;
        // A copy: it is a piece of what was read.
        self.published = Some(Bytes::copy_from_slice(exchange));
        Ok(())
    }

    /// Whether it matters by which key he publishes or binds.
    pub(crate) fn looks_at_keys(&self) -> bool {
        self.rights.has_topics()
    }

    /// Whether he may do something with a key at an exchange, by its whole name; keys are looked at where that is a topic exchange.
    pub(crate) fn key(&self, door: &Door, (right, exchange): (Right, &ExchangeName), key: &[u8]) -> Result<(), Fault> {
        if !self.looks_at_keys() || door.exchange(exchange).is_none_or(|found| found.nature.kind != TOPIC) {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        if self.rights.allow_key(right, plain(exchange.as_str()), &key) {
            return Ok(());
        }
        let (key, exchange) = (key.into_owned(), exchange.as_str().to_owned());
        Err(Fault::KeyNotPermitted { right, key, exchange, user: self.user.clone() })
    }

    /// Whether he may look whether there is a queue: who may do anything with it may.
    pub(crate) fn see_queue(&mut self, name: &str) -> Result<(), Fault> {
        self.see(QUEUE, name)
    }

    /// Whether he may look whether there is an exchange.
    pub(crate) fn see_exchange(&mut self, name: &str) -> Result<(), Fault> {
        self.see(EXCHANGE, name)
    }

    fn see(&mut self, what: &'static str, name: &str) -> Result<(), Fault> {
        let may = |access: &mut Self, right| access.check(right, what, name);
        may(self, Right::Read).or_else(|_| may(self, Right::Write)).or_else(|_| may(self, Right::Configure))
    }

    /// Whether he may declare a queue, by its whole name; one that is there already is asked for no more.
    pub(crate) fn declare_queue(&mut self, name: &str, arguments: &Table, is_new: bool) -> Result<(), Fault> {
        self.queue(Right::Configure, name)?;
        let letters = arguments.get(DEAD_LETTER_EXCHANGE).and_then(|exchange| exchange.str());
        if let Some(exchange) = letters.filter(|_| is_new) {
            self.queue(Right::Read, name)?;
            let exchange = self.host.full(exchange);
            self.exchange(Right::Write, &exchange)?;
        }
        Ok(())
    }

    /// Whether he may declare an exchange, by its whole name.
    pub(crate) fn declare_exchange(&mut self, name: &str, arguments: &Table, is_new: bool) -> Result<(), Fault> {
        self.exchange(Right::Configure, name)?;
        let alternate = arguments.get(ALTERNATE_EXCHANGE).and_then(|exchange| exchange.str());
        if let Some(alternate) = alternate.filter(|_| is_new) {
            self.exchange(Right::Read, name)?;
            let alternate = self.host.full(alternate);
            self.exchange(Right::Write, &alternate)?;
        }
        Ok(())
    }

    fn check(&mut self, right: Right, what: &'static str, name: &str) -> Result<(), Fault> {
        if self.rights.is_everything(right) {
            return Ok(());
        }
        let is_it = |(of, kind, known): &(Right, &str, String)| *of == right && *kind == what && known == name;
        if self.allowed.iter().any(is_it) {
            return Ok(());
        }
        if !self.rights.allow(right, plain(name)) {
            return Err(Fault::NotPermitted { right, what, name: name.to_owned(), user: self.user.clone() });
        }
        self.allowed.truncate(ALLOWED_MAX - 1);
        self.allowed.push_front((right, what, name.to_owned()));
        Ok(())
    }
}
