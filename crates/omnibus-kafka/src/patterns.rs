//! Which topics a pattern matches, found out once for each change of the catalog: members send
//! heartbeats all the time, and there may be many topics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use omnibus_engine::catalog::Catalog;
use omnibus_model::group::TopicShape;
use omnibus_model::topic::Topic;
use regex::{Regex, RegexBuilder};

use crate::listed;

/// The most memory that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Patterns that are remembered; all are forgotten when there are more.
const PATTERNS_MAX: usize = 100;

/// Patterns in use, and what they match. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    known: Arc<Mutex<HashMap<String, Matched>>>,
}

/// What a pattern matched when the catalog had a version.
#[derive(Clone, Debug)]
struct Matched {
    pattern: Regex,
    version: u64,
    topics: Arc<[TopicShape]>,
}

/// Why a pattern matches nothing at all.
#[derive(Debug)]
pub(crate) struct PatternError {
    pub(crate) pattern: String,
    pub(crate) reason: String,
}

impl Patterns {
    /// Returns the topics whose whole names match.
    pub(crate) fn matching(&self, catalog: &Catalog, pattern: &str) -> Result<Arc<[TopicShape]>, PatternError> {
        // Asked first: if topics come meanwhile, the next to ask finds out anew.
        let version = catalog.version();
        let known = self.lock().get(pattern).cloned();
        let compiled = match known {
            Some(matched) if matched.version == version => return Ok(matched.topics),
            Some(matched) => matched.pattern,
            None => compile(pattern)?,
        };
        let all = listed::topics(catalog).into_iter();
        let topics: Arc<[_]> =
            all.filter(|topic| compiled.is_match(topic.name.as_str())).map(|topic| shape(&topic)).collect();
        let mut known = self.lock();
        if known.len() >= PATTERNS_MAX {
            known.clear();
        }
        known.insert(pattern.to_owned(), Matched { pattern: compiled, version, topics: Arc::clone(&topics) });
        Ok(topics)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Matched>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a group needs to know of a topic.
pub(crate) fn shape(topic: &Topic) -> TopicShape {
    let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    TopicShape { topic: topic.id, name: topic.name.clone(), partitions }
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

    #[test]
    fn matches_are_kept_while_the_catalog_stays_and_patterns_are_bounded() {
        let (patterns, catalog) = (Patterns::default(), Catalog::default());
        let first = patterns.matching(&catalog, "a.*").unwrap();
        assert!(Arc::ptr_eq(&first, &patterns.matching(&catalog, "a.*").unwrap()));
        for number in 0..2 * PATTERNS_MAX {
            patterns.matching(&catalog, &format!("b{number}")).unwrap();
        }
        assert!(patterns.lock().len() <= PATTERNS_MAX);
        assert!(!Arc::ptr_eq(&first, &patterns.matching(&catalog, "a.*").unwrap()));
    }
}
