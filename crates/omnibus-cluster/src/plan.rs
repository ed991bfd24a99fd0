//! Which nodes are to vote about which shard, and which of them should lead it. All nodes make the same plan of
//! the same nodes, so nobody has to keep it, or to be asked.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::{NodeId, ShardId};

use crate::roster::Roster;

/// As many nodes vote about a data shard; all others only get what they decide.
const VOTERS: usize = 3;

/// As many about the metadata, which every node needs to serve anything.
const VOTERS_OF_METADATA: usize = 5;

/// Who is to vote about a shard, and to lead it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) voters: BTreeSet<NodeId>,
    /// Who leads whenever it may.
    pub(crate) preferred: Option<NodeId>,
    /// Who leads as long as that one may not: none if nobody may. Otherwise the same.
    pub(crate) leader: Option<NodeId>,
}

/// The places of all shards, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan(Vec<Place>);

/// What nodes have to do so far.
#[derive(Debug, Default)]
struct Load {
    votes: BTreeMap<NodeId, usize>,
    leads: BTreeMap<NodeId, usize>,
}

impl Plan {
    /// Spreads votes over racks first, then over nodes; and leaderships over those who may lead.
    pub(crate) fn of(roster: &Roster, shards: u16) -> Self {
        let nodes: Vec<(NodeId, Option<&str>)> = roster.staying().collect();
        let mut load = Load::default();
        let mut places: Vec<Place> = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let voters = load.choose(&nodes, voters_of(shard, nodes.len()));
            let leader = load.lead(voters.iter().copied());
            places.push(Place { voters, preferred: leader, leader });
        }
        // What those would lead who may not goes to others; nothing else changes hands for that.
        for place in &mut places {
            if place.leader.is_some_and(|leader| !roster.may_lead(leader)) {
                place.leader = load.lead(place.voters.iter().copied().filter(|node| roster.may_lead(*node)));
            }
        }
        Self(places)
    }

    /// Who leads each shard whenever it may, in their order.
    pub(crate) fn preferred(&self) -> Vec<Option<NodeId>> {
        self.0.iter().map(|place| place.preferred).collect()
    }

    pub(crate) fn place(&self, shard: ShardId) -> &Place {
        &self.0[usize::from(shard.0)]
    }
}

impl Load {
    fn choose(&mut self, nodes: &[(NodeId, Option<&str>)], count: usize) -> BTreeSet<NodeId> {
        let mut racks: BTreeMap<&str, usize> = BTreeMap::new();
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            let free = nodes.iter().filter(|(node, _)| !chosen.contains(node));
            // A node that is in no rack shares its fate with nobody.
            let rank = |(node, rack): &&(NodeId, Option<&str>)| {
                let in_rack = rack.and_then(|rack| racks.get(rack)).copied().unwrap_or_default();
                (in_rack, self.votes.get(node).copied().unwrap_or_default(), *node)
            };
            let Some((node, rack)) = free.min_by_key(rank) else { break };
            chosen.insert(*node);
            *self.votes.entry(*node).or_default() += 1;
            if let Some(rack) = rack {
                *racks.entry(rack).or_default() += 1;
            }
        }
        chosen
    }

    fn lead(&mut self, nodes: impl Iterator<Item = NodeId>) -> Option<NodeId> {
        let leader = nodes.min_by_key(|node| (self.leads.get(node).copied().unwrap_or_default(), *node))?;
        *self.leads.entry(leader).or_default() += 1;
        Some(leader)
    }
}

/// An even number of voters bears no more losses than one less.
fn voters_of(shard: ShardId, nodes: usize) -> usize {
    let most = if shard == ShardId::METADATA { VOTERS_OF_METADATA } else { VOTERS };
    if nodes <= VOTERS { nodes } else { most.min(nodes - (nodes + 1) % 2) }
}

#[cfg(test)]
mod tests {
    use omnibus_model::node::NodeDuty;

    use super::*;
    use crate::roster::Entry;

    /// Nodes from 1 on, in these racks.
    fn roster(racks: &[Option<&str>]) -> Roster {
        let entry = |rack: &Option<&str>| Entry { rack: rack.map(str::to_owned), ..Entry::default() };
        Roster::from((1..).map(NodeId).zip(racks.iter().map(entry)))
    }

    fn with_duty(racks: &[Option<&str>], node: u32, duty: NodeDuty) -> Roster {
        let nodes = roster(racks);
        let changed = nodes.iter().map(|(known, entry)| {
            let duty = if known == NodeId(node) { duty } else { entry.duty };
            (known, Entry { duty, ..entry.clone() })
        });
        Roster::from(changed.collect::<Vec<_>>())
    }

    fn counts(plan: &Plan, of: impl Fn(&Place) -> Vec<NodeId>) -> Vec<usize> {
        let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
        plan.0.iter().skip(1).flat_map(of).for_each(|node| *counts.entry(node).or_default() += 1);
        counts.into_values().collect()
    }

    fn votes(plan: &Plan) -> Vec<usize> {
        counts(plan, |place| place.voters.iter().copied().collect())
    }

    fn leads(plan: &Plan) -> Vec<usize> {
        counts(plan, |place| place.leader.into_iter().collect())
    }

    #[test]
    fn up_to_three_nodes_vote_about_all_and_take_turns_to_lead() {
        for nodes in 1..=3 {
            let plan = Plan::of(&roster(&vec![None; nodes]), 17);
            assert!(plan.0.iter().all(|place| place.voters.len() == nodes), "{nodes}");
            let turns = (0..17).map(|shard| u32::try_from(shard % nodes).ok().map(|turn| NodeId(turn + 1)));
            assert!(plan.0.iter().map(|place| place.leader).eq(turns), "{nodes}");
        }
    }

    #[test]
    fn more_nodes_have_about_as_many_votes_each() {
        for nodes in 4..=9 {
            let plan = Plan::of(&roster(&vec![None; nodes]), 17);
            let (votes, leads) = (votes(&plan), leads(&plan));
            assert_eq!(votes.iter().sum::<usize>(), 48);
            assert!(votes.iter().max().unwrap() - votes.iter().min().unwrap() <= 2, "{nodes}: {votes:?}");
            assert!(leads.iter().max().unwrap() - leads.iter().min().unwrap() <= 2, "{nodes}: {leads:?}");
            let metadata = plan.place(ShardId::METADATA).voters.len();
            assert_eq!(metadata, if nodes == 4 { 3 } else { 5 });
        }
    }

    #[test]
    fn no_two_votes_are_in_a_rack_while_there_are_others() {
        for racks in [vec!["a", "a", "a", "b", "c"], vec!["a", "a", "b", "b", "c", "c"], vec!["a", "b", "c", "d"]] {
            let racks: Vec<Option<&str>> = racks.into_iter().map(Some).collect();
            let plan = Plan::of(&roster(&racks), 17);
            for place in plan.0.iter().skip(1) {
                let in_racks: BTreeSet<_> = place.voters.iter().map(|node| racks[node.0 as usize - 1]).collect();
                assert_eq!(in_racks.len(), 3, "{place:?}");
            }
        }
        let two = Plan::of(&roster(&[Some("a"), Some("a"), Some("a"), Some("b")]), 17);
        assert!(two.0.iter().all(|place| place.voters.contains(&NodeId(4))));
    }

    #[test]
    fn who_is_drained_votes_and_leads_nothing_and_others_lead_what_they_led() {
        let (all, drained) =
            (Plan::of(&roster(&[None; 3]), 17), Plan::of(&with_duty(&[None; 3], 2, NodeDuty::Drained), 17));
        for (before, after) in all.0.iter().zip(&drained.0) {
            assert_eq!((&before.voters, before.preferred), (&after.voters, after.preferred));
            if before.leader == Some(NodeId(2)) {
                assert_ne!(after.leader, Some(NodeId(2)));
            } else {
                assert_eq!(before.leader, after.leader);
            }
        }
        assert!(leads(&drained).iter().all(|leads| *leads == 8));
    }

    #[test]
    fn who_was_removed_has_no_part() {
        let plan = Plan::of(&with_duty(&[None; 4], 1, NodeDuty::Removed), 17);
        assert!(plan.0.iter().all(|place| !place.voters.contains(&NodeId(1)) && place.voters.len() == 3));
        assert_eq!(leads(&plan).iter().sum::<usize>(), 16);
    }
}
