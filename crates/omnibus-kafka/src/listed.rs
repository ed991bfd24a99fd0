//! The topics that clients are shown.

use omnibus_engine::catalog::Catalog;
use omnibus_model::exchange::BindingId;
use omnibus_model::topic::SharedTopic;

/// All topics by name, without the queues from which others are told of records.
pub(crate) fn topics(catalog: &Catalog) -> Vec<SharedTopic> {
    let mut topics = catalog.topics();
    topics.retain(|topic| BindingId::of_push_queue(&topic.name).is_none());
    topics
}
