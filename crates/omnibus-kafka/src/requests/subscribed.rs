//! Which topics a member of a consumer group reads: those it names, and those its pattern
//! matches.

use std::collections::BTreeSet;

use omnibus_engine::catalog::Catalog;
use omnibus_model::TopicName;
use omnibus_model::group::TopicShape;
use omnibus_model::topic::Topic;
use regex::{Regex, RegexBuilder};

/// The most memory that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a pattern matches nothing at all.
#[derive(Debug)]
pub(super) struct PatternError {
    pub(super) pattern: String,
    pub(super) reason: String,
}

/// Returns the topics that are there, by id. An empty pattern matches none.
pub(super) fn topics(catalog: &Catalog, names: &[TopicName], pattern: &str) -> Result<Vec<TopicShape>, PatternError> {
    let mut topics: BTreeSet<TopicShape> =
        names.iter().filter_map(|name| catalog.topic(name.as_str())).map(|topic| shape(&topic)).collect();
    if !pattern.is_empty() {
        let pattern = compile(pattern)?;
        let matching = catalog.topics().into_iter().filter(|topic| pattern.is_match(topic.name.as_str()));
        topics.extend(matching.map(|topic| shape(&topic)));
    }
    Ok(topics.into_iter().collect())
}

/// Compiles a pattern that must match a whole name, as Kafka's does.
fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build()
    };
    // By itself first: `)|(` would be made whole by what is put around it.
    let compiled = build(pattern).and_then(|_| build(&format!("^(?:{pattern})$")));
    compiled.map_err(|error| PatternError { pattern: pattern.to_owned(), reason: error.to_string() })
}

fn shape(topic: &Topic) -> TopicShape {
    let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    TopicShape { topic: topic.id, name: topic.name.clone(), partitions }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_whole_names() {
        let pattern = compile("a|b.*").unwrap();
        let matches: Vec<bool> = ["a", "ab", "b", "bc", "cb"].iter().map(|name| pattern.is_match(name)).collect();
        assert_eq!(matches, [true, false, true, true, false]);
    }

    #[test]
    fn pattern_is_refused_if_it_is_wrong_or_takes_too_much_memory() {
        assert!(compile("(").is_err());
        assert!(compile(")|(").is_err());
        assert!(compile(r"\w{1000}{1000}").is_err());
    }
}
