//! The topics that clients are shown. The queues from which others are told of records are nobody's: to clients
//! they are not there, whatever they know.

use omnibus_engine::catalog::Catalog;
use omnibus_model::exchange::BindingId;
use omnibus_model::topic::SharedTopic;
use omnibus_model::{TopicId, TopicName};

/// All topics by name.
pub(crate) fn topics(catalog: &Catalog) -> Vec<SharedTopic> {
    let mut topics = catalog.topics();
    topics.retain(|topic| !is_hidden(&topic.name));
    topics
}

/// A topic by its name.
pub(crate) fn topic(catalog: &Catalog, name: &str) -> Option<SharedTopic> {
    catalog.topic(name).filter(|topic| !is_hidden(&topic.name))
}

/// A topic by its id.
pub(crate) fn topic_by_id(catalog: &Catalog, id: TopicId) -> Option<SharedTopic> {
    catalog.topic_by_id(id).filter(|topic| !is_hidden(&topic.name))
}

/// Whether a name is the broker's own.
pub(crate) fn is_hidden(name: &TopicName) -> bool {
    BindingId::of_push_queue(name).is_some()
}
