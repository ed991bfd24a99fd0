//! Things that a request may name more than once, though that makes no sense.

use std::collections::HashMap;
use std::hash::Hash;

use super::failure::Failure;
use crate::wire::ErrorCode;

/// Returns each thing once, in the order of the request, and how often it was named.
pub(super) fn distinct<T, K: Eq + Hash>(things: Vec<T>, key: impl Fn(&T) -> K) -> Vec<(T, Times)> {
    let mut times: HashMap<K, Times> = HashMap::with_capacity(things.len());
    for thing in &things {
        times.entry(key(thing)).and_modify(|times| *times = Times::Often).or_insert(Times::Once);
    }
    things.into_iter().filter_map(|thing| times.remove(&key(&thing)).map(|times| (thing, times))).collect()
}

/// How often something was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Often,
}

impl Times {
    /// Refuses what was named more than once: there is no telling which is meant.
    pub(super) fn check(self) -> Result<(), Failure> {
        match self {
            Self::Once => Ok(()),
            Self::Often => Err(Failure::new(ErrorCode::InvalidRequest, "it is named more than once")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_keep_their_order_and_are_counted() {
        let found = distinct(vec!["b", "a", "b"], |name| name.len() + usize::from(*name == "b"));
        assert_eq!(found, [("b", Times::Often), ("a", Times::Once)]);
    }
}
