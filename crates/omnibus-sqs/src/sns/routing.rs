//! Which subscriptions of a topic a message goes to; worked out once for each state of the topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use omnibus_model::TopicName;
use omnibus_model::exchange::{
    Binding, BindingConfig, BindingId, BindingTarget, Exchange, ExchangeConfig, ExchangeKey, SharedExchange,
};
use omnibus_record::SnsForm;

use crate::sns::filter::{FilterIndex, FilterMessage, FilterPolicy, FilterScope};
use crate::sns::retries::{DeliveryPolicy, EffectivePolicy, TopicDeliveryPolicy};

/// What a subscription is kept with.
pub(crate) const PROTOCOL: &str = "Protocol";
pub(crate) const ENDPOINT: &str = "Endpoint";
pub(crate) const RAW: &str = "RawMessageDelivery";
pub(crate) const FILTER: &str = "FilterPolicy";
pub(crate) const FILTER_SCOPE: &str = "FilterPolicyScope";
pub(crate) const REDRIVE: &str = "RedrivePolicy";
pub(crate) const DELIVERY_POLICY: &str = "DeliveryPolicy";
/// The account that has subscribed, if it is not the topic's own.
pub(crate) const SUBSCRIBER: &str = "Subscriber";
/// There until the endpoint has confirmed: the token that it must know.
pub(crate) const PENDING: &str = "PendingToken";
/// The token, once the endpoint has confirmed.
pub(crate) const CONFIRMED: &str = "ConfirmedToken";
/// There once the endpoint has ended it: the token by which it can take that back.
pub(crate) const ENDED: &str = "EndedToken";
/// When the endpoint was last told a token, in milliseconds since 1970.
pub(crate) const TOKEN_AT: &str = "TokenAt";
/// There while a subscription is on its way out whose endpoint has not answered in time.
pub(crate) const EXPIRED: &str = "Expired";
/// Whether only the subscription's owner may end it.
pub(crate) const AUTHENTICATED: &str = "ConfirmationWasAuthenticated";
/// Where an endpoint that is told by HTTP comes back to: what the subscriber called.
pub(crate) const BASE_URL: &str = "BaseUrl";

/// Topics whose routes are kept at hand.
const TOPICS_MAX: usize = 4_096;

/// How messages reach an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Sqs,
    Http,
    Https,
}

/// A subscription that takes messages.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) binding: BindingId,
    pub(crate) protocol: Protocol,
    pub(crate) form: SnsForm,
    /// The queue, or the one that waits for the endpoint.
    pub(crate) queue: TopicName,
    /// The ARN of the queue for what cannot be delivered.
    pub(crate) dead_letters_to: Option<String>,
}

/// The routes of a topic as it was at some time.
#[derive(Debug)]
pub(crate) struct Routes {
    exchange: SharedExchange,
    /// Those who want everything, and behind them those with a policy, in the order of the index.
    routes: Vec<Route>,
    unfiltered: usize,
    index: FilterIndex,
}

/// The routes that were needed lately.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    topics: Mutex<HashMap<ExchangeKey, Arc<Routes>>>,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Sqs, Self::Http, Self::Https];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// What a subscription's filter policy looks at.
pub(crate) fn scope_of(config: &BindingConfig) -> FilterScope {
    match config.attributes.get(FILTER_SCOPE).map(String::as_str) {
        Some("MessageBody") => FilterScope::MessageBody,
        _ => FilterScope::MessageAttributes,
    }
}

/// The delivery policy that counts for a subscription; both were checked when they were set.
pub(crate) fn delivery_policy(exchange: &Exchange, binding: &Binding) -> EffectivePolicy {
    let said = binding.config.attributes.get(DELIVERY_POLICY);
    let said = said.map(|text| DeliveryPolicy::kept(text)).unwrap_or_default();
    topic_delivery_policy(&exchange.config).of_subscription(said)
}

/// The delivery policy of a topic.
pub(crate) fn topic_delivery_policy(config: &ExchangeConfig) -> TopicDeliveryPolicy {
    let said = config.attributes.get(DELIVERY_POLICY);
    said.map(|text| TopicDeliveryPolicy::kept(text)).unwrap_or_default()
}

/// Whether a subscription's endpoint has not said yet that it wants to be told.
pub(crate) fn is_pending(binding: &Binding) -> bool {
    binding.config.attributes.contains_key(PENDING)
}

/// Whether a subscription is over for everybody but its endpoint.
pub(crate) fn has_ended(binding: &Binding) -> bool {
    [ENDED, EXPIRED].into_iter().any(|name| binding.config.attributes.contains_key(name))
}

impl Routing {
    /// The routes of a topic.
    pub(crate) fn of(&self, exchange: &SharedExchange) -> Arc<Routes> {
        let known = self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(&exchange.key).cloned();
        if let Some(routes) = known.filter(|routes| Arc::ptr_eq(&routes.exchange, exchange)) {
            return routes;
        }
        let routes = Arc::new(Routes::of(exchange));
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.len() >= TOPICS_MAX {
            topics.clear();
        }
        topics.insert(exchange.key.clone(), Arc::clone(&routes));
        routes
    }
}

impl Routes {
    fn of(exchange: &SharedExchange) -> Self {
        let mut routes = Vec::new();
        let mut filtered: Vec<(Route, FilterPolicy)> = Vec::new();
        for binding in exchange.bindings.values() {
            let Some(route) = route(binding) else { continue };
            match binding.config.attributes.get(FILTER) {
                None => routes.push(route),
                // It was checked when it was set.
                Some(text) => match FilterPolicy::parse(text, scope_of(&binding.config)) {
                    Ok(policy) => filtered.push((route, policy)),
                    Err(error) => {
                        tracing::warn!(%error, "a filter policy is not one any more: its subscription gets nothing")
                    }
                },
            }
        }
        let unfiltered = routes.len();
        let (more, policies): (Vec<Route>, Vec<FilterPolicy>) = filtered.into_iter().unzip();
        routes.extend(more);
        Self { exchange: Arc::clone(exchange), routes, unfiltered, index: FilterIndex::new(&policies) }
    }

    /// The routes that a message takes.
    pub(crate) fn matching(&self, message: &FilterMessage<'_>) -> Vec<&Route> {
        let (all, filtered) = self.routes.split_at(self.unfiltered);
        let mut matching: Vec<&Route> = all.iter().collect();
        if !filtered.is_empty() {
            matching.extend(self.index.matching(message).into_iter().filter_map(|place| filtered.get(place)));
        }
        matching
    }
}

/// The ARN of the queue for what cannot be delivered.
pub(crate) fn dead_letters_to(config: &BindingConfig) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(config.attributes.get(REDRIVE)?).ok()?;
    Some(policy.get("deadLetterTargetArn")?.as_str()?.to_owned())
}

fn route(binding: &Binding) -> Option<Route> {
    let attribute = |name: &str| binding.config.attributes.get(name).map(String::as_str);
    if is_pending(binding) || has_ended(binding) {
        return None;
    }
    let queue = match &binding.target {
        BindingTarget::Queue(queue) => queue.clone(),
        BindingTarget::Push { .. } => binding.id.push_queue(),
        // SNS binds nothing so.
        BindingTarget::Exchange(_) => return None,
    };
    let form = if attribute(RAW) == Some("true") { SnsForm::Raw } else { SnsForm::Envelope };
    let dead_letters_to = dead_letters_to(&binding.config);
    Some(Route { binding: binding.id, protocol: Protocol::of(attribute(PROTOCOL)?)?, form, queue, dead_letters_to })
}
