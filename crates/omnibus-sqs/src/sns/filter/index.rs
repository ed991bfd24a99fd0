//! The policies of a topic, compiled: a message is taken apart once for all of them, and a branch that asks
//! for one of some texts is found by the text.

use std::collections::HashMap;
use std::sync::Arc;

use super::branch::Branch;
use super::choice;
use super::document::{PathId, Paths, Place};
use super::pattern::Patterns;
use super::value::Value;

/// Branches of policies of one scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    paths: Paths,
    branches: Vec<Compiled>,
    /// By path and text the branches that ask there for nothing but texts, this one among them.
    by_text: Vec<HashMap<Box<str>, Vec<usize>>>,
    /// The other branches.
    unindexed: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Compiled {
    /// Whose it is: the policy's place among all.
    policy: usize,
    demands: Vec<(PathId, Arc<Patterns>)>,
}

impl Index {
    pub(super) fn add(&mut self, policy: usize, branch: &Branch) {
        let demands: Vec<_> =
            branch.iter().map(|(path, patterns)| (self.paths.add(path), Arc::clone(patterns))).collect();
        self.by_text.resize_with(self.paths.count(), HashMap::new);
        let number = self.branches.len();
        // The path with the fewest texts leads the fewest messages here.
        let texts = |(path, patterns): &(PathId, Arc<Patterns>)| Some((*path, patterns.only_texts()?.clone()));
        match demands.iter().filter_map(texts).min_by_key(|(_, texts)| texts.len()) {
            Some((path, texts)) => {
                for text in texts {
                    if let Some(branches) = self.by_text.get_mut(path.index()) {
                        branches.entry(text).or_default().push(number);
                    }
                }
            }
            None => self.unindexed.push(number),
        }
        self.branches.push(Compiled { policy, demands });
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    /// Marks the policies that accept what stands at a place.
    pub(super) fn mark(&self, place: &Place<'_>, accepted: &mut [bool]) {
        let mut seen = vec![false; self.branches.len()];
        for branch in &self.unindexed {
            self.try_branch(*branch, place, accepted, &mut seen);
        }
        self.mark_by_text(place, place, accepted, &mut seen);
    }

    fn mark_by_text(&self, whole: &Place<'_>, part: &Place<'_>, accepted: &mut [bool], seen: &mut [bool]) {
        for (path, value) in part.all_values() {
            let Value::Text(text) = value else { continue };
            let found = self.by_text.get(path.index()).and_then(|texts| texts.get(&**text));
            for branch in found.into_iter().flatten() {
                self.try_branch(*branch, whole, accepted, seen);
            }
        }
        for element in part.arrays().iter().flatten() {
            self.mark_by_text(whole, element, accepted, seen);
        }
    }

    fn try_branch(&self, number: usize, place: &Place<'_>, accepted: &mut [bool], seen: &mut [bool]) {
        let (Some(branch), Some(seen)) = (self.branches.get(number), seen.get_mut(number)) else { return };
        let Some(accepted) = accepted.get_mut(branch.policy).filter(|accepted| !**accepted) else { return };
        if !std::mem::replace(seen, true) {
            *accepted = choice::accepts(&branch.demands, place);
        }
    }
}
