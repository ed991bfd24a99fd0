//! AddPermission and RemovePermission: statements of the queue's policy.

use crate::answer::Answer;
use crate::attributes::POLICY;
use crate::errors::ApiError;
use crate::policy::{self, Permission};
use crate::session::Call;
use crate::wire::messages::{AddPermissionRequest, RemovePermissionRequest};

pub(crate) async fn add(call: &Call) -> Result<Answer, ApiError> {
    let request: AddPermissionRequest = call.read()?;
    let label = request.label.as_deref().ok_or(ApiError::MissingParameter("Label"))?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    let queue_arn = &queue.name.arn();
    let permission = Permission { label, accounts: &request.aws_account_ids, actions: &request.actions, queue_arn };
    change(call, &queue, |policy| policy::add(policy, permission)).await
}

pub(crate) async fn remove(call: &Call) -> Result<Answer, ApiError> {
    let request: RemovePermissionRequest = call.read()?;
    let label = request.label.as_deref().ok_or(ApiError::MissingParameter("Label"))?;
    let queue = call.queue(request.queue_url.as_deref()).await?;
    change(call, &queue, |policy| policy::remove(policy, label)).await
}

async fn change(
    call: &Call,
    queue: &crate::queues::Queue,
    change: impl Fn(&str) -> Result<String, ApiError>,
) -> Result<Answer, ApiError> {
    call.door
        .alter(queue, |config| {
            let policy = change(config.attributes.get(POLICY).map(String::as_str).unwrap_or_default())?;
            match policy.is_empty() {
                true => config.attributes.remove(POLICY),
                false => config.attributes.insert(POLICY.to_owned(), policy),
            };
            Ok(())
        })
        .await?;
    call.done()
}
