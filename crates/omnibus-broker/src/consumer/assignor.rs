//! Who shall read what.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::group::TopicShape;
use omnibus_model::{InstanceId, MemberId, PartitionIndex, TopicId};
use serde::{Deserialize, Serialize};

use super::Share;

/// How often at most a spread over members with different topics is evened out. Members with the
/// same topics need one round; every further one about halves what is left.
const EVENING_ROUNDS_MAX: usize = 16;

/// A way to share out partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Assignor {
    /// Evenly over all topics, moving as little as possible.
    Uniform,
    /// Each topic in contiguous ranges, so that equal partitions of several topics meet.
    Range,
}

/// A member, to an assignor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) id: &'a MemberId,
    pub(super) instance: Option<&'a InstanceId>,
    pub(super) topics: &'a BTreeSet<TopicId>,
    /// What it should own until now.
    pub(super) before: &'a BTreeSet<Share>,
}

/// Every topic that is read.
type Topics = BTreeMap<TopicId, TopicShape>;

/// What each candidate shall own, in the candidates' order.
type Shares = Vec<BTreeSet<Share>>;

impl Assignor {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub(super) fn assign(self, candidates: &[Candidate<'_>], topics: &Topics) -> Shares {
        let alike = candidates.windows(2).all(|pair| pair[0].topics == pair[1].topics);
        match self {
            Self::Range => range(candidates, topics),
            Self::Uniform if alike => uniform_alike(candidates, topics),
            Self::Uniform => uniform_mixed(candidates, topics),
        }
    }
}

fn range(candidates: &[Candidate<'_>], topics: &Topics) -> Shares {
    // Static members come first: they keep their places over restarts.
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|index| {
        let candidate = &candidates[*index];
        (candidate.instance.is_none(), candidate.instance, candidate.id)
    });
    let mut shares = vec![BTreeSet::new(); candidates.len()];
    for topic in topics.keys() {
        let readers: Vec<usize> =
            order.iter().copied().filter(|index| candidates[*index].topics.contains(topic)).collect();
        let partitions: Vec<Share> = shares_of(topics, topic).collect();
        let mut rest = partitions.as_slice();
        for (place, reader) in readers.iter().enumerate() {
            let (part, others) = rest.split_at(quota(partitions.len(), readers.len(), place));
            shares[*reader].extend(part);
            rest = others;
        }
    }
    shares
}

/// All read the same: whoever has most keeps most, and nobody has two more than another.
fn uniform_alike(candidates: &[Candidate<'_>], topics: &Topics) -> Shares {
    let mut shares = keep(candidates, topics);
    let mut free = unshared(&shares, topics);
    let total = free.len() + shares.iter().map(BTreeSet::len).sum::<usize>();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(shares[*index].len()));
    let quotas: Vec<usize> = (0..candidates.len()).map(|place| quota(total, candidates.len(), place)).collect();
    for (place, index) in order.iter().enumerate() {
        while shares[*index].len() > quotas[place] {
            free.extend(shares[*index].pop_last());
        }
    }
    for (place, index) in order.iter().enumerate() {
        let room = quotas[place] - shares[*index].len();
        let given = free.len().min(room);
        let given: Vec<Share> = pop_first(&mut free, given);
        shares[*index].extend(given);
    }
    assert!(free.is_empty(), "the quotas add up to all partitions");
    shares
}

/// Members read different topics: the rarest partitions go first, each to the reader with the
/// least; then loads are evened out.
fn uniform_mixed(candidates: &[Candidate<'_>], topics: &Topics) -> Shares {
    let mut shares = keep(candidates, topics);
    let readers_of = |topic: &TopicId| -> Vec<usize> {
        (0..candidates.len()).filter(|index| candidates[*index].topics.contains(topic)).collect()
    };
    let readers: BTreeMap<TopicId, Vec<usize>> = topics.keys().map(|topic| (*topic, readers_of(topic))).collect();
    let mut free: Vec<Share> = unshared(&shares, topics).into_iter().collect();
    free.sort_by_key(|share| (readers[&share.topic].len(), *share));
    for share in free {
        let least = readers[&share.topic].iter().min_by_key(|reader| shares[**reader].len());
        if let Some(reader) = least {
            shares[*reader].insert(share);
        }
    }
    for _ in 0..EVENING_ROUNDS_MAX {
        let moved = readers.iter().map(|(topic, readers)| even_out(&mut shares, *topic, readers));
        if moved.sum::<usize>() == 0 {
            break;
        }
    }
    shares
}

/// Moves partitions of one topic from the reader with most to the one with least while that
/// makes a difference; returns how many.
fn even_out(shares: &mut Shares, topic: TopicId, readers: &[usize]) -> usize {
    let last = Share { topic, partition: PartitionIndex(u32::MAX) };
    let first = Share { topic, partition: PartitionIndex(0) };
    let mut moved = 0;
    loop {
        let givers = readers.iter().filter(|reader| shares[**reader].range(first..=last).next().is_some());
        let Some(giver) = givers.max_by_key(|reader| shares[**reader].len()) else {
            return moved;
        };
        let taker = readers.iter().min_by_key(|reader| shares[**reader].len()).unwrap_or(giver);
        if shares[*giver].len() < shares[*taker].len() + 2 {
            return moved;
        }
        let share = *shares[*giver].range(first..=last).next_back().expect("a giver has some");
        shares[*giver].remove(&share);
        shares[*taker].insert(share);
        moved += 1;
    }
}

/// Returns what each candidate may keep: what it reads and what still exists.
fn keep(candidates: &[Candidate<'_>], topics: &Topics) -> Shares {
    let exists = |share: &Share| topics.get(&share.topic).is_some_and(|shape| share.partition.0 < shape.partitions);
    let kept = |candidate: &Candidate<'_>| {
        let reads = |share: &&Share| candidate.topics.contains(&share.topic) && exists(share);
        candidate.before.iter().filter(reads).copied().collect()
    };
    candidates.iter().map(kept).collect()
}

fn unshared(shares: &Shares, topics: &Topics) -> BTreeSet<Share> {
    let taken: BTreeSet<&Share> = shares.iter().flatten().collect();
    let all = topics.keys().flat_map(|topic| shares_of(topics, topic));
    all.filter(|share| !taken.contains(share)).collect()
}

fn shares_of(topics: &Topics, topic: &TopicId) -> impl Iterator<Item = Share> {
    let partitions = topics.get(topic).map_or(0, |shape| shape.partitions);
    let topic = *topic;
    (0..partitions).map(move |partition| Share { topic, partition: PartitionIndex(partition) })
}

/// Returns how many of `total` the one at `place` gets; the first ones get the remainder.
const fn quota(total: usize, members: usize, place: usize) -> usize {
    total / members + if place < total % members { 1 } else { 0 }
}

fn pop_first(free: &mut BTreeSet<Share>, count: usize) -> Vec<Share> {
    (0..count).map_while(|_| free.pop_first()).collect()
}
