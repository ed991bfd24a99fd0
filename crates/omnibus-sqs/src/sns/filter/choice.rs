//! Whether a branch accepts a message. What a branch asks of properties inside an array it asks of one
//! element, so elements are chosen, and what each choice fulfils is a set of bits.

use std::sync::Arc;

use super::document::{PathId, Place};
use super::pattern::Patterns;

/// Steps after which a message counts as not wanted. Only a policy and a message made for it get there:
/// many arrays beside each other under one path, each with elements that fulfil different parts.
const STEPS_MAX: usize = 1_000_000;

/// All that one branch asks: at most 64 paths.
pub(super) type Demands = [(PathId, Arc<Patterns>)];

/// What a choice of elements gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Choice {
    /// Demands that some value fulfils.
    fulfilled: u64,
    /// Demands that absence would fulfil, but there is a value.
    spoilt: u64,
}

impl Choice {
    fn and(self, other: Self) -> Self {
        Self { fulfilled: self.fulfilled | other.fulfilled, spoilt: self.spoilt | other.spoilt }
    }

    /// Whether it is at least as good in all.
    fn covers(self, other: Self) -> bool {
        self.fulfilled & other.fulfilled == other.fulfilled && self.spoilt & other.spoilt == self.spoilt
    }
}

pub(super) fn accepts(demands: &Demands, place: &Place<'_>) -> bool {
    let mut steps = 0;
    let all = (0..demands.len()).fold(0, |bits, index| bits | bit(index));
    let absence = demands
        .iter()
        .enumerate()
        .filter(|(_, (_, patterns))| patterns.accepts_absence())
        .fold(0, |bits, (index, _)| bits | bit(index));
    let choices = choices(demands, place, &mut steps);
    choices.iter().any(|choice| choice.fulfilled | (absence & !choice.spoilt) == all)
}

fn choices(demands: &Demands, place: &Place<'_>, steps: &mut usize) -> Vec<Choice> {
    let mut result = vec![own(demands, place)];
    for elements in place.arrays() {
        let mut alternatives = Vec::new();
        // If nothing is wanted of any element, all of them are looked at for what must be absent.
        let mut none = Choice::default();
        for element in elements {
            for choice in choices(demands, element, steps) {
                none.spoilt |= choice.spoilt;
                if choice.fulfilled != 0 {
                    add(&mut alternatives, choice, steps);
                }
            }
        }
        add(&mut alternatives, none, steps);
        let before = std::mem::take(&mut result);
        for (left, right) in before.iter().flat_map(|left| alternatives.iter().map(move |right| (left, right))) {
            add(&mut result, left.and(*right), steps);
        }
    }
    result
}

/// Adds a choice, unless there is one that is as good, and drops those that it makes needless.
fn add(choices: &mut Vec<Choice>, choice: Choice, steps: &mut usize) {
    *steps += choices.len() + 1;
    if *steps > STEPS_MAX || choices.iter().any(|other| other.covers(choice)) {
        return;
    }
    choices.retain(|other| !choice.covers(*other));
    choices.push(choice);
}

/// What the values of a place give without its arrays.
fn own(demands: &Demands, place: &Place<'_>) -> Choice {
    let mut choice = Choice::default();
    for (index, (path, patterns)) in demands.iter().enumerate() {
        let values = place.values(*path);
        if values.iter().any(|(_, value)| patterns.accepts(value)) {
            choice.fulfilled |= bit(index);
        }
        if patterns.accepts_absence() && !values.is_empty() {
            choice.spoilt |= bit(index);
        }
    }
    choice
}

fn bit(index: usize) -> u64 {
    u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or_default()
}
