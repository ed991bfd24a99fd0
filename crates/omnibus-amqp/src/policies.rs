//! Policies are kept, and held to: what they say is written to the queues and exchanges that they hold for.

use omnibus_engine::SubmitError;
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{ExchangeConfig, ExchangeKey, ExchangeKind};
use omnibus_model::queue::DeadLetters;
use omnibus_model::topic::SharedTopic;
use omnibus_model::{ExchangeName, Refusal};

use crate::arguments::{Nature, is_of_amqp};
use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::{Host, plain};
use crate::nature::ExchangeNature;
use crate::policy::{Maker, Policy, Subject, effective, put};
use crate::terms::governed;

/// How often something is tried that somebody else changes at the same time.
const ATTEMPTS_MAX: u32 = 100;

const KINDS: [ExchangeKind; 2] = [ExchangeKind::AmqpPolicy, ExchangeKind::AmqpOperatorPolicy];

fn key(maker: Maker, host: &Host, name: &str) -> Result<ExchangeKey, Fault> {
    let name = ExchangeName::new(&host.full(name))
        .map_err(|error| Fault::Precondition(format!("policy '{name}': {error}")))?;
    let kind = match maker {
        Maker::User => ExchangeKind::AmqpPolicy,
        Maker::Operator => ExchangeKind::AmqpOperatorPolicy,
    };
    Ok(ExchangeKey { kind, name })
}

impl Door {
    /// All policies, by name; those of operators come last.
    pub(crate) fn policies(&self) -> Vec<Policy> {
        let kept = KINDS.into_iter().flat_map(|kind| self.engine.catalog().exchanges(kind));
        kept.map(|exchange| Policy::of(&exchange)).collect()
    }

    /// Keeps a policy, in the place of one of the same name, and holds queues and exchanges to it.
    pub(crate) async fn put_policy(&self, policy: Policy) -> Result<(), Fault> {
        policy.check()?;
        let (key, after) = (key(policy.maker, &policy.host, &policy.name)?, policy.config());
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.engine.catalog().exchange(&key);
            if self.keep(key.clone(), kept.as_ref(), after.clone()).await? {
                return self.hold_to_policies().await;
            }
        }
        Err(Fault::Precondition(format!("the policy '{}' is being changed by others", policy.name)))
    }

    /// Forgets a policy; returns whether there was one.
    pub(crate) async fn delete_policy(&self, maker: Maker, host: &Host, name: &str) -> Result<bool, Fault> {
        match self.engine.delete_exchange(key(maker, host, name)?).await {
            Ok(_) => self.hold_to_policies().await.map(|()| true),
            Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets all policies of a virtual host, of which nothing else is left.
    pub(crate) async fn forget_policies(&self, host: &Host) -> Result<(), Fault> {
        for policy in self.policies().iter().filter(|policy| policy.host == *host) {
            match self.engine.delete_exchange(key(policy.maker, host, &policy.name)?).await {
                Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Holds every queue and exchange to the policy that holds for it now. What is so already is left alone.
    pub(crate) async fn hold_to_policies(&self) -> Result<(), Fault> {
        let policies = self.policies();
        for topic in self.engine.catalog().topics() {
            self.hold_queue(topic, &policies).await?;
        }
        for name in self.exchange_names() {
            self.hold_exchange(&name, &policies).await?;
        }
        Ok(())
    }

    /// Holds everything to policies of which a change was cut short.
    pub(crate) async fn hold_at_start(&self) {
        if let Err(fault) = self.hold_to_policies().await {
            tracing::warn!(%fault, "not every queue and exchange is held to its policy");
        }
    }

    async fn hold_queue(&self, mut topic: SharedTopic, policies: &[Policy]) -> Result<SharedTopic, Fault> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(queue) = topic.queue.as_deref() else { return Ok(topic) };
            if !is_of_amqp(&queue.config) {
                return Ok(topic);
            }
            let after = governed(&queue.config, topic.name.as_str(), policies).unwrap_or_else(|| queue.config.clone());
            let nature = Nature::of(&after);
            let terms = nature.terms();
            let has_dead_letters = terms.dead_letters == DeadLetters::Moved;
            let keeping = nature.keeping(&topic.config).and_then(|after| change(&topic.config, after));
            let (config, limits) = (change(&queue.config, after), change(&queue.limits, terms.limits));
            let changed = match (config, limits, keeping) {
                (None, None, _) => return Ok(topic),
                // Last comes what says that it is done.
                (Some(_), _, Some(keeping)) => self.engine.alter_topic(topic.name.clone(), keeping).await,
                // What is too much at once is a dead letter already, or still.
                (Some(config), limits, None) if has_dead_letters || limits.is_none() => {
                    self.engine.alter_queue(topic.name.clone(), config).await
                }
                (_, Some(limits), _) => self.engine.limit_queue(topic.name.clone(), limits).await,
                (Some(config), None, None) => self.engine.alter_queue(topic.name.clone(), config).await,
            };
            match changed {
                Ok(now) => topic = now,
                Err(SubmitError::Refused(Refusal::UnknownTopic { .. })) => return Ok(topic),
                Err(SubmitError::Refused(Refusal::ConfigChangedMeanwhile { .. })) => {
                    self.engine.learn_names().await;
                    let now = self.engine.catalog().topic(topic.name.as_str());
                    let Some(now) = now.filter(|now| now.id == topic.id) else { return Ok(topic) };
                    topic = now;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::Precondition(format!("the queue '{}' is being changed by others", topic.name)))
    }

    async fn hold_exchange(&self, name: &ExchangeName, policies: &[Policy]) -> Result<(), Fault> {
        let plain = plain(name.as_str());
        let holding = effective(policies, &Host::of(name.as_str()), Subject::Exchange(plain));
        let key = ExchangeKey { kind: ExchangeKind::Amqp, name: name.clone() };
        for _ in 0..ATTEMPTS_MAX {
            let kept = self.engine.catalog().exchange(&key);
            let mut after: ExchangeConfig = match (&kept, ExchangeNature::predeclared(plain)) {
                (Some(exchange), _) => exchange.config.clone(),
                // One that was there from the beginning is kept once something is said of it.
                (None, Some(nature)) if !holding.is_nothing() => nature.config(),
                (None, _) => return Ok(()),
            };
            put(&mut after.attributes, holding);
            if self.keep(key.clone(), kept.as_ref(), after).await? {
                return Ok(());
            }
        }
        Err(Fault::Precondition(format!("the exchange '{name}' is being changed by others")))
    }

    /// Holds one new queue to policies that came while it was made.
    pub(crate) async fn hold_new(&self, topic: SharedTopic) -> Result<SharedTopic, Fault> {
        self.hold_queue(topic, &self.policies()).await
    }

    /// Holds one new exchange to policies that came while it was made.
    pub(crate) async fn hold_new_exchange(&self, name: &ExchangeName) -> Result<(), Fault> {
        self.hold_exchange(name, &self.policies()).await
    }
}

/// A change, if it is one.
fn change<T: Clone + PartialEq>(before: &T, after: T) -> Option<ConfigChange<T>> {
    (*before != after).then(|| ConfigChange { before: before.clone(), after })
}
