//! Endpoints that are asked, and how long they have to answer: whether they want to be subscribed, and
//! whether they meant to end it.
//!
//! A subscription that its endpoint has ended is kept until then, so that the endpoint can take it back.

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{Binding, BindingConfig, ExchangeKind, SharedExchange};
use omnibus_model::{Millis, Refusal, Timestamp};

use crate::door::Door;
use crate::errors::ApiError;
use crate::sns::names::SubscriptionArn;
use crate::sns::routing::{CONFIRMED, ENDED, EXPIRED, PENDING, TOKEN_AT};
use crate::topics::{Topic, delivery};

/// How long a token is good for, as on AWS.
const TOKEN_LIFETIME: Millis = Millis(2 * 24 * 3_600_000);

/// How often those who have not answered in time are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A new token: what only the endpoint is told.
pub(crate) fn token(door: &Door) -> String {
    format!("{:032x}{:032x}", door.engine.random(), door.engine.random())
}

/// Writes down that an endpoint is asked now.
pub(crate) fn stamp(config: &mut BindingConfig, now: Timestamp) {
    config.attributes.insert(TOKEN_AT.to_owned(), now.0.to_string());
}

/// Whether an endpoint has not answered in time.
pub(crate) fn is_overdue(binding: &Binding, now: Timestamp) -> bool {
    let has = |name: &str| binding.config.attributes.contains_key(name);
    let asked_at = binding.config.attributes.get(TOKEN_AT).and_then(|text| text.parse().ok());
    let asked_at = asked_at.map_or(binding.created_at, Timestamp);
    has(EXPIRED) || ((has(PENDING) || has(ENDED)) && asked_at.plus(TOKEN_LIFETIME) <= now)
}

/// Ends a subscription for its endpoint, and tells it how to take that back.
pub(crate) async fn dismiss(door: &Door, topic: &Topic, arn: &SubscriptionArn) -> Result<(), ApiError> {
    let (token, now) = (token(door), door.engine.now());
    let mut was_confirmed = false;
    door.alter_subscription(arn, |config| {
        was_confirmed = config.attributes.remove(CONFIRMED).is_some();
        if was_confirmed {
            config.attributes.insert(ENDED.to_owned(), token.clone());
            stamp(config, now);
        }
        Ok(())
    })
    .await?;
    if !was_confirmed {
        return door.unsubscribe(arn).await;
    }
    let text = format!(
        "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the subscription, visit \
         the SubscribeURL included in this message.",
        arn.text()
    );
    delivery::ask(door, topic, (arn.id, text)).await
}

/// Ends the subscriptions of those who have not answered in time, again and again.
pub(crate) async fn run(door: Arc<Door>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        match sweep(&door, door.engine.now()).await {
            Ok(()) => {}
            Err(SubmitError::Closing | SubmitError::Broken) => return,
            Err(error) => tracing::warn!(%error, "subscriptions that nobody confirmed could not be ended"),
        }
    }
}

/// Ends what nobody has confirmed until `now`.
pub(crate) async fn sweep(door: &Door, now: Timestamp) -> Result<(), SubmitError> {
    for exchange in door.engine.catalog().exchanges(ExchangeKind::Sns) {
        for binding in exchange.bindings.values().filter(|binding| is_overdue(binding, now)) {
            expire(door, &exchange, binding).await?;
        }
    }
    Ok(())
}

/// Ends one subscription in two steps, so that an answer that comes in this moment either counts or comes
/// too late.
async fn expire(door: &Door, exchange: &SharedExchange, binding: &Binding) -> Result<(), SubmitError> {
    let (key, before) = (exchange.key.clone(), binding.config.clone());
    let mut after = before.clone();
    after.attributes.retain(|name, _| ![PENDING, ENDED].contains(&name.as_str()));
    after.attributes.insert(EXPIRED.to_owned(), "true".to_owned());
    if before != after {
        match door.engine.alter_binding(key.clone(), binding.id, ConfigChange { before, after }).await {
            Ok(_) => {}
            // It has been confirmed, or is gone.
            Err(SubmitError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    match door.engine.unbind(key, binding.id).await {
        Ok(_) | Err(SubmitError::Refused(Refusal::UnknownExchange { .. } | Refusal::UnknownBinding { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::exchange::{BindingId, BindingTarget};

    use super::*;

    #[test]
    fn token_is_good_for_two_days() {
        let binding = |attributes: &[(&str, &str)]| Binding {
            id: BindingId(1),
            label: String::new(),
            target: BindingTarget::Push { url: String::new() },
            config: BindingConfig {
                attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            },
            created_at: Timestamp(1_000),
        };
        let days = |count: i64| Timestamp(1_000 + count * 24 * 3_600_000);
        for waiting in [PENDING, ENDED] {
            let asked_once = binding(&[(waiting, "t")]);
            assert!(!is_overdue(&asked_once, Timestamp(days(2).0 - 1)));
            assert!(is_overdue(&asked_once, days(2)));
            let asked_again = binding(&[(waiting, "t"), (TOKEN_AT, &days(1).0.to_string())]);
            assert!(!is_overdue(&asked_again, days(2)));
            assert!(is_overdue(&asked_again, days(3)));
        }
        assert!(!is_overdue(&binding(&[(CONFIRMED, "t")]), days(100)));
        assert!(is_overdue(&binding(&[(EXPIRED, "true")]), days(0)), "one that was to be ended already");
    }
}
