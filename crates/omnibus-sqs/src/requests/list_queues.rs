//! ListQueues, GetQueueUrl and ListDeadLetterSourceQueues.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::names::QueueName;
use crate::place::is_account;
use crate::session::Call;
use crate::wire::base64;
use crate::wire::messages::{
    GetQueueUrlRequest, GetQueueUrlResult, ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult,
    ListQueuesRequest, ListQueuesResult,
};

const RESULTS_MAX: usize = 1_000;

pub(crate) fn list(call: &Call) -> Result<Answer, ApiError> {
    let request: ListQueuesRequest = call.read()?;
    let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
    let of_caller = |name: &QueueName| name.account == call.signer.account && name.region == call.region();
    let names = call.door.names();
    let names = names.into_iter().filter(|name| of_caller(name) && name.name.starts_with(prefix));
    let page = page(call, names.collect(), request.max_results, request.next_token.as_deref())?;
    call.answer(&ListQueuesResult { queue_urls: page.urls, next_token: page.next_token })
}

pub(crate) async fn url(call: &Call) -> Result<Answer, ApiError> {
    let request: GetQueueUrlRequest = call.read()?;
    let name = request.queue_name.as_deref().ok_or(ApiError::MissingParameter("QueueName"))?;
    let account = match request.queue_owner_aws_account_id {
        Some(account) if is_account(&account) => account,
        Some(_) => return Err(ApiError::QueueDoesNotExist),
        None => call.signer.account.clone(),
    };
    let name = QueueName { account, region: call.region().to_owned(), name: name.to_owned() };
    let queue = call.permitted(call.door.look_up(&name).await?)?;
    call.answer(&GetQueueUrlResult { queue_url: Some(call.url(&queue.name)) })
}

pub(crate) async fn dead_letter_sources(call: &Call) -> Result<Answer, ApiError> {
    let request: ListDeadLetterSourceQueuesRequest = call.read()?;
    let target = call.queue(request.queue_url.as_deref()).await?;
    let sources = call.door.sources_of(&target);
    let page = page(call, sources, request.max_results, request.next_token.as_deref())?;
    call.answer(&ListDeadLetterSourceQueuesResult { queue_urls: page.urls, next_token: page.next_token })
}

struct Page {
    urls: Vec<String>,
    next_token: Option<String>,
}

/// Cuts a page out of names in order; a token is the last name of the page before.
fn page(call: &Call, names: Vec<QueueName>, count: Option<i64>, token: Option<&str>) -> Result<Page, ApiError> {
    let refused = |value: String, name: &str, reason: &str| {
        ApiError::InvalidParameterValue(format!("Value {value} for parameter {name} is invalid. Reason: {reason}"))
    };
    let count_max = match count {
        None => RESULTS_MAX,
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| (1..=RESULTS_MAX).contains(count))
            .ok_or_else(|| refused(count.to_string(), "MaxResults", "Must be between 1 and 1000, if provided."))?,
    };
    let after = token.filter(|token| !token.is_empty()).map(|token| {
        let name = base64::read_plain(token).and_then(|bytes| String::from_utf8(bytes).ok());
        name.ok_or_else(|| refused(token.to_owned(), "NextToken", "Invalid or expired next token."))
    });
    let after = after.transpose()?;
    let mut names = names.into_iter().filter(|name| after.as_ref().is_none_or(|after| name.name > *after));
    let page: Vec<QueueName> = names.by_ref().take(count_max).collect();
    let has_more = names.next().is_some();
    // Without a count AWS answers a thousand at most, and no token.
    let next_token = page.last().filter(|_| has_more && count.is_some());
    Ok(Page {
        next_token: next_token.map(|name| base64::write_plain(name.name.as_bytes())),
        urls: page.iter().map(|name| call.url(name)).collect(),
    })
}
