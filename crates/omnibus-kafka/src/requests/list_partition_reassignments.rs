//! ListPartitionReassignments: partitions on the move. With one node there is nowhere to go.

use super::Context;
use crate::wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use crate::wire::messages::list_partition_reassignments_response::ListPartitionReassignmentsResponse;

pub(super) async fn handle(
    _context: &Context,
    _request: ListPartitionReassignmentsRequest,
    _version: i16,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
