//! The engine's exchanges under their names in SNS, and what is published to them.

pub(crate) mod farewells;
pub(crate) mod delivery;
pub(crate) mod draft;
pub(crate) mod push;
pub(crate) mod envelope;
pub(crate) mod subscription_attributes;
pub(crate) mod topic_attributes;

use std::sync::Arc;

use omnibus_engine::SubmitError;
use omnibus_model::Refusal;
use omnibus_model::command::{Bind, CreateExchange};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{
    Binding, BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKind, SharedExchange,
};

use crate::door::Door;
use crate::errors::ApiError;
use crate::sns::names::{SubscriptionArn, TopicArn};
use crate::sns::routing::has_ended;
use crate::sns_error::SnsError;

/// How often a change starts anew because somebody else has changed the same meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// A topic that is there.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) arn: TopicArn,
    pub(crate) exchange: SharedExchange,
}

/// A subscription that is there.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) arn: SubscriptionArn,
    pub(crate) binding: Arc<Binding>,
}

impl Topic {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.exchange.config.attributes.get(name).map(String::as_str)
    }

    /// The subscriptions in the order in which they came to be.
    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let mut all = self.subscriptions_and_past_ones();
        all.retain(|subscription| !has_ended(&subscription.binding));
        all
    }

    /// The subscriptions, and those that their endpoints can still take back.
    pub(crate) fn subscriptions_and_past_ones(&self) -> Vec<Subscription> {
        let subscription = |binding: &Arc<Binding>| Subscription {
            arn: SubscriptionArn { topic: self.arn.clone(), id: binding.id },
            binding: Arc::clone(binding),
        };
        let mut all: Vec<Subscription> = self.exchange.bindings.values().map(subscription).collect();
        all.sort_by_key(|subscription| (subscription.binding.created_at, subscription.arn.id));
        all
    }
}

impl Door {
    pub(crate) fn topic(&self, arn: &TopicArn) -> Result<Topic, ApiError> {
        Ok(self.topic_if_any(arn)?.ok_or(SnsError::NotFound { what: "Topic" })?)
    }

    pub(crate) fn topic_if_any(&self, arn: &TopicArn) -> Result<Option<Topic>, ApiError> {
        let exchange = self.engine.catalog().exchange(&arn.exchange(&self.settings)?);
        Ok(exchange.map(|exchange| Topic { arn: arn.clone(), exchange }))
    }

    /// All topics of an account in a region, in the order of their names.
    pub(crate) fn topics_of(&self, account: &str, region: &str) -> Vec<Topic> {
        let mut topics = self.topics_in(region);
        topics.retain(|topic| topic.arn.account == account);
        topics
    }

    fn topics_in(&self, region: &str) -> Vec<Topic> {
        let topic = |exchange: SharedExchange| {
            let arn = TopicArn::of_exchange(exchange.key.name.as_str(), &self.settings)?;
            (arn.region == region).then_some(Topic { arn, exchange })
        };
        self.engine.catalog().exchanges(ExchangeKind::Sns).into_iter().filter_map(topic).collect()
    }

    /// Creates a topic; `None` if somebody else was faster.
    pub(crate) async fn create_topic(&self, arn: &TopicArn, config: ExchangeConfig) -> Result<Option<Topic>, ApiError> {
        let key = arn.exchange(&self.settings)?;
        match self.engine.create_exchange(CreateExchange { key, config }).await {
            Ok(exchange) => Ok(Some(Topic { arn: arn.clone(), exchange })),
            Err(SubmitError::Refused(Refusal::ExchangeExists { .. })) => Ok(None),
            Err(SubmitError::Refused(refusal @ Refusal::LimitReached { .. })) => {
                Err(SnsError::TopicLimitExceeded(refusal.to_string()).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a topic with its subscriptions; one that is not there is deleted already.
    pub(crate) async fn delete_topic(&self, arn: &TopicArn) -> Result<(), ApiError> {
        match self.engine.delete_exchange(arn.exchange(&self.settings)?).await {
            Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a topic's configuration; if somebody else does at the same time, one after the other.
    pub(crate) async fn alter_topic(
        &self,
        arn: &TopicArn,
        mut change: impl FnMut(&mut ExchangeConfig) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        for _ in 0..ATTEMPTS_MAX {
            let topic = self.topic(arn)?;
            let before = topic.exchange.config.clone();
            let mut after = before.clone();
            change(&mut after)?;
            if before == after {
                return Ok(());
            }
            match self.engine.alter_exchange(topic.exchange.key.clone(), ConfigChange { before, after }).await {
                Err(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(SnsError::ConcurrentAccess.into())
    }
}

/// Subscriptions.
impl Door {
    pub(crate) fn subscription(&self, arn: &SubscriptionArn) -> Result<Subscription, ApiError> {
        let found = self.binding(arn)?;
        if has_ended(&found) {
            return Err(SnsError::NotFound { what: "Subscription" }.into());
        }
        Ok(Subscription { arn: arn.clone(), binding: found })
    }

    /// A subscription, or one that its endpoint can still take back.
    fn binding(&self, arn: &SubscriptionArn) -> Result<Arc<Binding>, ApiError> {
        let unknown = SnsError::NotFound { what: "Subscription" };
        let topic = self.topic_if_any(&arn.topic)?.ok_or(unknown.clone())?;
        Ok(topic.exchange.bindings.get(&arn.id).cloned().ok_or(unknown)?)
    }

    /// What an account has subscribed to in a region, whosever the topics are.
    pub(crate) fn subscriptions_of(&self, account: &str, region: &str) -> Vec<Subscription> {
        let mut all: Vec<Subscription> = self.topics_in(region).iter().flat_map(Topic::subscriptions).collect();
        all.retain(|subscription| subscription.owner() == account);
        all
    }

    /// Subscribes; if somebody else has subscribed the same meanwhile, returns that one's id.
    pub(crate) async fn subscribe(
        &self,
        topic: &Topic,
        label: String,
        target: BindingTarget,
        config: BindingConfig,
    ) -> Result<BindingId, ApiError> {
        let (exchange, id) = (topic.exchange.key.clone(), BindingId(self.uuid().as_u128()));
        match self.engine.bind(Bind { exchange, id, label, target, config }).await {
            Ok(_) => Ok(id),
            Err(SubmitError::Refused(Refusal::BindingExists { binding })) => Ok(binding),
            Err(SubmitError::Refused(Refusal::UnknownExchange { .. })) => {
                Err(SnsError::NotFound { what: "Topic" }.into())
            }
            Err(SubmitError::Refused(refusal @ Refusal::LimitReached { .. })) => {
                Err(SnsError::SubscriptionLimitExceeded(refusal.to_string()).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a subscription; one that is not there has ended already.
    pub(crate) async fn unsubscribe(&self, arn: &SubscriptionArn) -> Result<(), ApiError> {
        match self.engine.unbind(arn.topic.exchange(&self.settings)?, arn.id).await {
            Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. } | Refusal::UnknownBinding { .. })) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a subscription's configuration.
    pub(crate) async fn alter_subscription(
        &self,
        arn: &SubscriptionArn,
        mut change: impl FnMut(&mut BindingConfig) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        for _ in 0..ATTEMPTS_MAX {
            let before = self.binding(arn)?.config.clone();
            let mut after = before.clone();
            change(&mut after)?;
            if before == after {
                return Ok(());
            }
            let exchange = arn.topic.exchange(&self.settings)?;
            match self.engine.alter_binding(exchange, arn.id, ConfigChange { before, after }).await {
                Err(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(SnsError::ConcurrentAccess.into())
    }
}
