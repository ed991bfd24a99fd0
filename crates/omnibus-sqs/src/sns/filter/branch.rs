//! A policy without `$or`: for each combination of alternatives one branch, which asks all it asks at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FilterScope;
use super::error::PolicyError;
use super::pattern::Patterns;
use super::rule::{Entry, Rule};

/// What each path must be; a path is names with dots between them.
pub(super) type Branch = BTreeMap<Box<str>, Arc<Patterns>>;

const KEYS_MAX: usize = 5;
const COMBINATIONS_MAX: usize = 150;
/// Each path of a branch has one bit in a word.
const PATHS_MAX: usize = 64;

/// Checks how much a policy asks, and takes its alternatives apart. No branch means that all is welcome.
pub(super) fn branches(entries: Vec<Entry>, scope: FilterScope) -> Result<Vec<Branch>, PolicyError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    if scope == FilterScope::MessageAttributes && is_nested(&entries) {
        return Err(PolicyError::Nested);
    }
    if entries.len() > KEYS_MAX {
        return Err(PolicyError::TooManyKeys);
    }
    // Before anything is multiplied: there are at most as many branches as combinations.
    if combinations(&entries, 1, 1) > COMBINATIONS_MAX {
        return Err(PolicyError::TooComplex);
    }
    let branches = expand(entries, "", vec![Branch::new()]);
    match branches.iter().any(|branch| branch.len() > PATHS_MAX) {
        true => Err(PolicyError::TooComplex),
        false => Ok(branches),
    }
}

fn is_nested(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match &entry.rule {
        Rule::Values(_) => false,
        Rule::Object(_) => true,
        Rule::AnyOf(alternatives) => alternatives.iter().any(|entries| is_nested(entries)),
    })
}

/// `so_far` times the values of each array, each times its depth; alternatives are added up.
fn combinations(entries: &[Entry], depth: usize, so_far: usize) -> usize {
    entries.iter().fold(so_far, |product, entry| match &entry.rule {
        Rule::Values(values) => product.saturating_mul(values.len()).saturating_mul(depth),
        Rule::Object(entries) => combinations(entries, depth + 1, product),
        Rule::AnyOf(alternatives) => {
            alternatives.iter().map(|entries| combinations(entries, depth, product)).fold(0, usize::saturating_add)
        }
    })
}

/// Adds what the entries ask to each of the branches; a path that is named again replaces the first.
fn expand(entries: Vec<Entry>, parent: &str, mut branches: Vec<Branch>) -> Vec<Branch> {
    for Entry { name, rule } in entries {
        let path = if parent.is_empty() { name } else { format!("{parent}.{name}") };
        branches = match rule {
            Rule::Object(entries) => expand(entries, &path, branches),
            Rule::AnyOf(alternatives) => {
                alternatives.into_iter().flat_map(|entries| expand(entries, parent, branches.clone())).collect()
            }
            Rule::Values(values) => {
                let patterns = Arc::new(Patterns::new(values));
                for branch in &mut branches {
                    branch.insert(path.clone().into(), Arc::clone(&patterns));
                }
                branches
            }
        };
    }
    branches
}
