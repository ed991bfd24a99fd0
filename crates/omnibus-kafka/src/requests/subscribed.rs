//! Which topics a member of a consumer group reads: those it names, and those its pattern
//! matches.

use std::collections::BTreeSet;

use omnibus_model::TopicName;
use omnibus_model::group::TopicShape;

use super::Context;
use crate::listed;
use crate::patterns::{PatternError, shape};

/// Returns the topics that are there, by id. An empty pattern matches none.
pub(super) fn topics(context: &Context, names: &[TopicName], pattern: &str) -> Result<Vec<TopicShape>, PatternError> {
    let catalog = context.engine.catalog();
    let named = names.iter().filter_map(|name| listed::topic(catalog, name.as_str()));
    let mut topics: BTreeSet<TopicShape> = named.map(|topic| shape(&topic)).collect();
    if !pattern.is_empty() {
        topics.extend(context.patterns.matching(catalog, pattern)?.iter().cloned());
    }
    Ok(topics.into_iter().collect())
}
