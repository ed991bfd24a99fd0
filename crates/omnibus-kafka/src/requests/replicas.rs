//! Which brokers hold the partitions that a client places by hand: all of them hold all.

use std::collections::BTreeMap;

use omnibus_model::NodeId;
use omnibus_model::topic::Placement;

use super::Context;
use super::failure::Failure;
use crate::wire::ErrorCode;

/// The replicas that every partition has.
pub(super) fn factor(context: &Context) -> i16 {
    i16::try_from(context.replicas().len()).unwrap_or(i16::MAX)
}

/// Where partitions are to be that a client places by hand, of each the brokers in order: who is named first is to lead it,
/// so it goes into a shard that this one leads by the cluster's plan (ADR 0095).
pub(super) fn placement<'request>(
    context: &Context,
    partitions: impl Iterator<Item = &'request [i32]>,
) -> Result<Placement, Failure> {
    let brokers = context.replicas();
    let mut placement = Placement { nodes: Vec::new(), shards: BTreeMap::new() };
    for replicas in partitions {
        check(&brokers, replicas)?;
        // Their numbers are those of brokers, so none is negative.
        let nodes: Vec<NodeId> = replicas.iter().map(|id| NodeId(id.unsigned_abs())).collect();
        let first = nodes[0];
        let shards = placement.shards.entry(first).or_insert_with(|| context.led_by(first));
        if shards.is_empty() {
            let message = format!("broker {first} is to lead nothing, so no partition can name it first");
            return Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        placement.nodes.push(nodes);
    }
    Ok(placement)
}

/// Checks one partition's replicas against the brokers there are.
pub(super) fn check(brokers: &[i32], replicas: &[i32]) -> Result<(), Failure> {
    let of = |node: &i32| replicas.iter().filter(|replica| *replica == node).count();
    let problem = if replicas.is_empty() {
        String::from("a partition needs a replica")
    } else if let Some(unknown) = replicas.iter().find(|replica| !brokers.contains(replica)) {
        format!("there is no broker {unknown}")
    } else if let Some(twice) = replicas.iter().find(|replica| of(replica) > 1) {
        format!("broker {twice} is named {} times", of(twice))
    } else if let Some(missing) = brokers.iter().find(|broker| of(broker) == 0) {
        format!("every broker holds every partition, but broker {missing} is not named")
    } else {
        return Ok(());
    };
    Err(Failure::new(ErrorCode::InvalidReplicaAssignment, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_has_every_broker_once() {
        assert_eq!(check(&[1], &[1]), Ok(()));
        assert_eq!(check(&[1, 2, 3], &[3, 1, 2]), Ok(()));
        for (brokers, wrong) in
            [(&[1][..], &[][..]), (&[1], &[2]), (&[1], &[1, 2]), (&[1], &[1, 1]), (&[1, 2, 3], &[1, 2])]
        {
            assert_eq!(check(brokers, wrong).unwrap_err().error, ErrorCode::InvalidReplicaAssignment);
        }
    }
}
