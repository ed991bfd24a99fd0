//! Which brokers hold the partitions that a client places by hand: all of them hold all.

use super::Context;
use super::failure::Failure;
use crate::wire::ErrorCode;

/// The replicas that every partition has.
pub(super) fn factor(context: &Context) -> i16 {
    i16::try_from(context.replicas().len()).unwrap_or(i16::MAX)
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
