//! Which nodes hold the partitions that a client places by hand. There is one to choose from.

use super::failure::Failure;
use crate::wire::ErrorCode;

/// The replicas that a partition has.
pub(super) const REPLICATION_FACTOR: i16 = 1;

/// Checks one partition's replicas.
pub(super) fn check(node_id: i32, replicas: &[i32]) -> Result<(), Failure> {
    let problem = match replicas {
        [] => String::from("a partition needs a replica"),
        [only] if *only == node_id => return Ok(()),
        [first, rest @ ..] => match replicas.iter().find(|replica| **replica != node_id) {
            Some(unknown) => format!("there is no broker {unknown}"),
            None => format!("broker {first} is named {} times", rest.len() + 1),
        },
    };
    Err(Failure::new(ErrorCode::InvalidReplicaAssignment, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_has_exactly_this_node() {
        assert_eq!(check(1, &[1]), Ok(()));
        for wrong in [&[][..], &[2], &[1, 2], &[1, 1]] {
            assert_eq!(check(1, wrong).unwrap_err().error, ErrorCode::InvalidReplicaAssignment);
        }
    }
}
