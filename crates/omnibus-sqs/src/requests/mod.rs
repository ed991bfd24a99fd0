//! One file per family of actions: from wire, engine call, to wire.

mod batch;
mod create_queue;
mod delete_message;
mod delete_queue;
mod list_queues;
mod move_tasks;
mod permissions;
mod pages;
mod queue_attributes;
mod receive_message;
mod send_message;
mod sns;
mod tags;
mod visibility;

use std::sync::Arc;

use crate::answer::{Answer, Form, Service};
use crate::door::Door;
use crate::errors::ApiError;
use crate::session::{Arrived, Call, Protocol};
use crate::sigv4;
use crate::topics::envelope;
use crate::wire::form;
use crate::wire::messages::{Action, TARGET, VERSION};
use crate::wire::sns::{Action as SnsAction, VERSION as SNS_VERSION};

/// How a certificate is written.
const CERTIFICATE: &str = "application/x-pem-file";

/// Carries out a request.
pub(crate) async fn answer(door: Arc<Door>, arrived: Arrived) -> Answer {
    let request_id = door.uuid().to_string();
    if let Some(page) = pages::of(&arrived, &request_id) {
        return page;
    }
    let form = form_of(&arrived);
    match envelope::certificate(&door, &arrived.path).await {
        Ok(None) => {}
        Ok(Some(certificate)) => return Answer::ok(CERTIFICATE, &request_id, certificate.into_bytes()),
        Err(error) => return told(form, Service::Sns, &request_id, &error),
    }
    match carry_out(door, arrived, form, &request_id).await {
        Ok(answer) => answer,
        Err((service, error)) => told(form, service, &request_id, &error),
    }
}

/// Refuses a request that did not even arrive.
pub(crate) fn refuse(door: &Door, arrived: &Arrived, error: &ApiError) -> Answer {
    told(form_of(arrived), Service::Sqs, &door.uuid().to_string(), error)
}

fn told(form: Form, service: Service, request_id: &str, error: &ApiError) -> Answer {
    if error.kind().status >= 500 {
        tracing::warn!(request_id, %error, "a request failed");
    }
    Answer::error(form, service, request_id, error)
}

fn form_of(arrived: &Arrived) -> Form {
    let wants_json = || arrived.header("accept").is_some_and(|accept| accept.contains("application/json"));
    if arrived.header("x-amz-target").is_some() {
        Form::Json
    } else if wants_json() && arrived.query.contains("Action=") {
        Form::WrappedJson
    } else {
        Form::Xml
    }
}

async fn carry_out(
    door: Arc<Door>,
    arrived: Arrived,
    form: Form,
    request_id: &str,
) -> Result<Answer, (Service, ApiError)> {
    let (name, protocol) = what(&arrived).map_err(|error| (Service::Sqs, error))?;
    let service = service_of(&arrived, &protocol, &name);
    let done = async {
        if service == Service::Sns {
            return sns::answer(door, arrived, protocol, &name, (form, request_id)).await;
        }
        let now_seconds = door.engine.now().0 / 1_000;
        let signer = sigv4::signer(arrived.signed(), &door.settings, now_seconds)?;
        if name == "GetCallerIdentity" {
            return Ok(pages::caller_identity(&signer, request_id));
        }
        let action = Action::ALL.into_iter().find(|action| action.name() == name);
        let action = action.ok_or_else(|| ApiError::InvalidAction(name.clone()))?;
        let is_at_queue = matches!(protocol, Protocol::Query { .. }) && arrived.path.len() > 1;
        if is_at_queue && matches!(action, Action::CreateQueue | Action::ListQueues) {
            return Err(ApiError::InvalidAction(name));
        }
        let (request_id, name) = (request_id.to_owned(), action.name());
        let call = Call { door, action: name, service, arrived, protocol, form, signer, request_id };
        dispatch(action, &call).await
    };
    done.await.map_err(|error| (service, error))
}

/// Whose action it is: the version says so, the host or the signature, and in the end the action's name.
fn service_of(arrived: &Arrived, protocol: &Protocol, name: &str) -> Service {
    let Protocol::Query { parameters } = protocol else { return Service::Sqs };
    let version = parameters.iter().find(|(name, _)| name == "Version").map(|(_, version)| version.as_str());
    match version {
        Some(SNS_VERSION) => return Service::Sns,
        Some(VERSION) => return Service::Sqs,
        _ => {}
    }
    let host = arrived.header("host").unwrap_or_default();
    let authorization = arrived.header("authorization").unwrap_or_default();
    let is_of_sns = host.starts_with("sns.") || authorization.contains("/sns/aws4_request");
    let only_sns = SnsAction::ALL.iter().any(|action| action.name() == name)
        && !Action::ALL.iter().any(|action| action.name() == name);
    if is_of_sns || only_sns { Service::Sns } else { Service::Sqs }
}

/// Which action is asked for, and in which protocol.
fn what(arrived: &Arrived) -> Result<(String, Protocol), ApiError> {
    if let Some(target) = arrived.header("x-amz-target") {
        let name = target.strip_prefix(TARGET).and_then(|rest| rest.strip_prefix('.'));
        let name = name.filter(|name| Action::ALL.iter().any(|action| action.name() == *name));
        return Ok((name.ok_or(ApiError::UnknownOperation)?.to_owned(), Protocol::Json));
    }
    let mut parameters = form::read(arrived.query.as_bytes())?;
    let is_form =
        arrived.header("content-type").is_none_or(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if arrived.method == "POST" && is_form {
        parameters.extend(form::read(&arrived.body)?);
    }
    let action = parameters.iter().find(|(name, _)| name == "Action").map(|(_, action)| action.clone());
    Ok((action.ok_or(ApiError::UnknownOperation)?, Protocol::Query { parameters }))
}

async fn dispatch(action: Action, call: &Call) -> Result<Answer, ApiError> {
    match action {
        Action::AddPermission => permissions::add(call).await,
        Action::CancelMessageMoveTask => move_tasks::cancel(call).await,
        Action::ChangeMessageVisibility => visibility::change(call).await,
        Action::ChangeMessageVisibilityBatch => visibility::change_batch(call).await,
        Action::CreateQueue => create_queue::create(call).await,
        Action::DeleteMessage => delete_message::delete(call).await,
        Action::DeleteMessageBatch => delete_message::delete_batch(call).await,
        Action::DeleteQueue => delete_queue::delete(call).await,
        Action::GetQueueAttributes => queue_attributes::get(call).await,
        Action::GetQueueUrl => list_queues::url(call).await,
        Action::ListDeadLetterSourceQueues => list_queues::dead_letter_sources(call).await,
        Action::ListMessageMoveTasks => move_tasks::list(call).await,
        Action::ListQueueTags => tags::list(call).await,
        Action::ListQueues => list_queues::list(call),
        Action::PurgeQueue => delete_queue::purge(call).await,
        Action::ReceiveMessage => receive_message::receive(call).await,
        Action::RemovePermission => permissions::remove(call).await,
        Action::SendMessage => send_message::send(call).await,
        Action::SendMessageBatch => send_message::send_batch(call).await,
        Action::SetQueueAttributes => queue_attributes::set(call).await,
        Action::StartMessageMoveTask => move_tasks::start(call).await,
        Action::TagQueue => tags::tag(call).await,
        Action::UntagQueue => tags::untag(call).await,
    }
}
