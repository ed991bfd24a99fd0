//! DeleteTopics: by name, or by id so that a topic made anew under the name stays.

use omnibus_model::topic::SharedTopic;
use omnibus_model::{TopicId, TopicName};

use super::distinct::{Times, distinct};
use super::failure::Failure;
use super::{Context, concurrently};
use crate::listed;
use crate::wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use crate::wire::{ErrorCode, WireString};

pub(super) async fn handle(context: &Context, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
    let named = |name: WireString| DeleteTopicState { name: Some(name), ..DeleteTopicState::default() };
    let wanted = if version >= 6 { request.topics } else { request.topic_names.into_iter().map(named).collect() };
    let deleting =
        distinct(wanted, |wanted| (wanted.name.clone(), wanted.topic_id)).into_iter().map(|(wanted, times)| {
            let context = context.clone();
            async move { delete(&context, wanted, times).await }
        });
    let responses = concurrently::all(deleting).await;
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

async fn delete(context: &Context, wanted: DeleteTopicState, times: Times) -> DeletableTopicResult {
    let deleted = match find(context, &wanted, times) {
        Ok(topic) => context.engine.delete_topic(topic.name.clone()).await.map_err(Failure::from).map(|()| topic),
        Err(failure) => Err(failure),
    };
    match deleted {
        Ok(topic) => DeletableTopicResult {
            name: Some(topic.name.as_str().into()),
            topic_id: topic.id,
            ..DeletableTopicResult::default()
        },
        Err(failure) => DeletableTopicResult {
            name: wanted.name,
            topic_id: wanted.topic_id,
            error_code: failure.error.number(),
            error_message: failure.wire_message(),
        },
    }
}

fn find(context: &Context, wanted: &DeleteTopicState, times: Times) -> Result<SharedTopic, Failure> {
    times.check()?;
    let catalog = context.engine.catalog();
    match (&wanted.name, wanted.topic_id) {
        (Some(name), id) if id == TopicId::default() => {
            let topic = TopicName::new(name).ok().and_then(|name| listed::topic(catalog, name.as_str()));
            topic.ok_or_else(|| Failure::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {name}")))
        }
        (None, id) if id != TopicId::default() => {
            let topic = listed::topic_by_id(catalog, id);
            topic.ok_or_else(|| Failure::new(ErrorCode::UnknownTopicId, "there is no topic of this id"))
        }
        _ => Err(Failure::new(ErrorCode::InvalidRequest, "a topic is named either by its name or by its id")),
    }
}
