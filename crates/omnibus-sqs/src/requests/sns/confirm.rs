//! ConfirmSubscription.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::names::{SubscriptionArn, TopicArn};
use crate::sns::routing::{AUTHENTICATED, CONFIRMED, ENDED, PENDING};
use crate::sns_error::SnsError;
use crate::topics::Subscription;
use crate::topics::farewells::is_overdue;
use crate::topics::topic_attributes::parse_bool;
use crate::wire::sns::{ConfirmSubscriptionInput, ConfirmSubscriptionResponse};

use super::invalid;

/// No token is longer.
const TOKEN_CHARACTERS_MAX: usize = 512;

pub(super) async fn confirm(call: &Call) -> Result<Answer, ApiError> {
    let request: ConfirmSubscriptionInput = call.read()?;
    // Whoever has a token may be anybody.
    let arn = TopicArn::read(request.topic_arn.as_deref(), "TopicArn")?;
    let token = request.token.unwrap_or_default();
    let is_one =
        token.len() <= TOKEN_CHARACTERS_MAX && token.len() > 63 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_one {
        return Err(SnsError::Invalid("Invalid token".to_owned()).into());
    }
    let is_owners = match &request.authenticate_on_unsubscribe {
        Some(word) => parse_bool("AuthenticateOnUnsubscribe", word)?,
        None => false,
    };
    let arn = subscription_of(call, &arn, &token)?;
    if is_owners && call.signer.access_key.is_none() {
        return Err(SnsError::AuthorizationError { action: call.action, resource: arn.text() }.into());
    }
    call.door
        .alter_subscription(&arn, |config| {
            // Who confirms twice has confirmed.
            let token = [PENDING, ENDED].into_iter().find_map(|name| config.attributes.remove(name));
            if let Some(token) = token {
                config.attributes.insert(CONFIRMED.to_owned(), token);
                config.attributes.insert(AUTHENTICATED.to_owned(), is_owners.to_string());
            }
            Ok(())
        })
        .await?;
    call.answer(&ConfirmSubscriptionResponse { subscription_arn: Some(arn.text()) })
}

/// The subscription that a token was made for.
fn subscription_of(call: &Call, topic: &TopicArn, token: &str) -> Result<SubscriptionArn, ApiError> {
    let topic = call.door.topic_if_any(topic)?;
    let subscriptions = topic.map(|topic| topic.subscriptions_and_past_ones()).unwrap_or_default();
    let now = call.door.engine.now();
    let of_token = |subscription: &Subscription| {
        let has = |name| subscription.attribute(name) == token;
        [PENDING, CONFIRMED, ENDED].into_iter().any(has) && !is_overdue(&subscription.binding, now)
    };
    let found = subscriptions.into_iter().find(of_token).ok_or_else(|| invalid("Token"))?;
    Ok(found.arn)
}
