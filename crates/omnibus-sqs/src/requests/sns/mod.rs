//! SNS: one file per family of actions.

mod confirm;
mod listing;
mod publish;
mod subscriptions;
mod topics;
mod permissions;
mod tags;
mod devices;

use std::sync::Arc;

use crate::answer::{Answer, Form, Service};
use crate::door::Door;
use crate::errors::ApiError;
use crate::protection;
use crate::session::{Arrived, Call, Protocol};
use crate::sigv4::{self, Signer};
use crate::sns::names::{SubscriptionArn, TopicArn};
use crate::sns_error::SnsError;
use crate::topics::Topic;
use crate::topics::topic_attributes::POLICY;
use crate::wire::sns::Action;

/// Carries out a request.
pub(super) async fn answer(
    door: Arc<Door>,
    arrived: Arrived,
    protocol: Protocol,
    name: &str,
    (form, request_id): (Form, &str),
) -> Result<Answer, ApiError> {
    let action = Action::ALL.into_iter().find(|action| action.name() == name);
    let action = action.ok_or_else(|| ApiError::InvalidAction(name.to_owned()))?;
    let signer = signer(&door, &arrived, action)?;
    let (action_name, service, request_id) = (action.name(), Service::Sns, request_id.to_owned());
    let call = Call { door, action: action_name, service, arrived, protocol, form, signer, request_id };
    dispatch(action, &call).await
}

/// Finds out who asks; whoever has the token of a confirmation, or is told by HTTP, needs no key.
fn signer(door: &Door, arrived: &Arrived, action: Action) -> Result<Signer, ApiError> {
    let signer = sigv4::signer(arrived.signed(), &door.settings, door.engine.now().0 / 1_000);
    match signer {
        Err(ApiError::MissingAuthenticationToken)
            if matches!(action, Action::ConfirmSubscription | Action::Unsubscribe) =>
        {
            Ok(Signer { account: door.settings.account.clone(), region: None, access_key: None })
        }
        signer => signer,
    }
}

async fn dispatch(action: Action, call: &Call) -> Result<Answer, ApiError> {
    match action {
        Action::AddPermission => permissions::add(call).await,
        Action::ConfirmSubscription => confirm::confirm(call).await,
        Action::CreateTopic => topics::create(call).await,
        Action::DeleteTopic => topics::delete(call).await,
        Action::GetDataProtectionPolicy => permissions::data_protection(call),
        Action::GetSubscriptionAttributes => subscriptions::attributes(call),
        Action::GetTopicAttributes => topics::attributes(call),
        Action::ListSubscriptions => listing::subscriptions(call),
        Action::ListSubscriptionsByTopic => listing::subscriptions_of_topic(call),
        Action::ListTagsForResource => tags::list(call),
        Action::ListTopics => listing::topics(call),
        Action::Publish => publish::publish(call).await,
        Action::PublishBatch => publish::publish_batch(call).await,
        Action::PutDataProtectionPolicy => permissions::put_data_protection(call).await,
        Action::RemovePermission => permissions::remove(call).await,
        Action::SetSubscriptionAttributes => subscriptions::set_attribute(call).await,
        Action::SetTopicAttributes => topics::set_attribute(call).await,
        Action::Subscribe => subscriptions::subscribe(call).await,
        Action::TagResource => tags::tag(call).await,
        Action::Unsubscribe => subscriptions::unsubscribe(call).await,
        Action::UntagResource => tags::untag(call).await,
        Action::CheckIfPhoneNumberIsOptedOut => devices::is_opted_out(call),
        Action::CreatePlatformApplication => devices::create_application(call),
        Action::CreatePlatformEndpoint => devices::create_endpoint(call),
        Action::DeleteEndpoint => devices::delete_endpoint(call),
        Action::DeletePlatformApplication => devices::delete_application(call),
        Action::GetEndpointAttributes => devices::endpoint_attributes(call),
        Action::GetPlatformApplicationAttributes => devices::application_attributes(call),
        Action::ListEndpointsByPlatformApplication => devices::endpoints(call),
        Action::ListPhoneNumbersOptedOut => devices::opted_out(call),
        Action::ListPlatformApplications => devices::applications(call),
        Action::OptInPhoneNumber => devices::opt_in(call),
        Action::SetEndpointAttributes => devices::set_endpoint_attributes(call),
        Action::SetPlatformApplicationAttributes => devices::set_application_attributes(call),
        Action::SetSMSAttributes => devices::set_sms_attributes(call),
        Action::CreateSMSSandboxPhoneNumber
        | Action::DeleteSMSSandboxPhoneNumber
        | Action::GetSMSAttributes
        | Action::GetSMSSandboxAccountStatus
        | Action::ListOriginationNumbers
        | Action::ListSMSSandboxPhoneNumbers
        | Action::VerifySMSSandboxPhoneNumber => {
            Err(SnsError::OperationUnsupported { action: action.name(), reason: devices::NO_PHONES }.into())
        }
    }
}

/// Reads the ARN of a topic. One of another region than the client's is none that it can mean.
fn topic_arn(call: &Call, arn: Option<&str>, parameter: &str) -> Result<TopicArn, ApiError> {
    topic_arn_with(call, arn, parameter, &[])
}

/// The same, where a policy may ask for `more`.
fn topic_arn_with(
    call: &Call,
    arn: Option<&str>,
    parameter: &str,
    more: &[(&'static str, String)],
) -> Result<TopicArn, ApiError> {
    let topic = TopicArn::read(arn, parameter)?;
    match &call.signer.region {
        Some(region) if *region != topic.region => Err(invalid(parameter)),
        _ => permitted(call, topic, more),
    }
}

/// Where callers are checked, a topic's policy says who else than its owner may use it.
fn permitted(call: &Call, topic: TopicArn, more: &[(&'static str, String)]) -> Result<TopicArn, ApiError> {
    let found = call.door.topic_if_any(&topic)?;
    let policy = found.as_ref().and_then(|found| found.attribute(POLICY));
    protection::authorize_topic(&call.door.settings, call.caller(), call.action, (&topic, policy), more)?;
    Ok(topic)
}

/// Reads the ARN of a subscription. Where callers are checked, it is its subscriber's and the topic's owner's.
fn subscription_arn(call: &Call, arn: Option<&str>) -> Result<SubscriptionArn, ApiError> {
    let arn = SubscriptionArn::read(arn)?;
    let account = &call.signer.account;
    if call.door.settings.is_open() || arn.topic.account == *account {
        return Ok(arn);
    }
    match call.door.subscription(&arn) {
        Ok(found) if found.owner() == account => Ok(arn),
        _ => Err(SnsError::AuthorizationError { action: call.action, resource: arn.text() }.into()),
    }
}

/// Finds the topic that an ARN names.
fn topic(call: &Call, arn: Option<&str>) -> Result<Topic, ApiError> {
    call.door.topic(&topic_arn(call, arn, "TopicArn")?)
}

/// What a request cannot do without was not said.
fn missing(member: &str) -> ApiError {
    SnsError::MemberMissing { member: member.to_owned() }.into()
}

fn invalid(text: &str) -> ApiError {
    SnsError::InvalidParameter(text.to_owned()).into()
}
