//! ConfirmSubscription.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::names::TopicArn;
use crate::sns_error::SnsError;
use crate::wire::sns::ConfirmSubscriptionInput;

use super::invalid;

/// No token is longer.
const TOKEN_CHARACTERS_MAX: usize = 512;

#[expect(clippy::unused_async, reason = "one of many")]
pub(super) async fn confirm(call: &Call) -> Result<Answer, ApiError> {
    let request: ConfirmSubscriptionInput = call.read()?;
    // Whoever has a token may be anybody.
    TopicArn::read(request.topic_arn.as_deref(), "TopicArn")?;
    let token = request.token.unwrap_or_default();
    let is_one =
        token.len() <= TOKEN_CHARACTERS_MAX && token.len() > 63 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_one {
        return Err(SnsError::Invalid("Invalid token".to_owned()).into());
    }
    // Only endpoints that are told by HTTP would have got one.
    Err(invalid("Token"))
}
