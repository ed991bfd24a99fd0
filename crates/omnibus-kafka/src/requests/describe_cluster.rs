//! DescribeCluster: the brokers there are.

use omnibus_model::ShardId;

use super::Context;
use super::group::OPERATIONS_UNKNOWN;
use super::metadata::CLUSTER_OPERATIONS;
use crate::cluster::{Broker, NO_BROKER};
use crate::wire::messages::describe_cluster_request::DescribeClusterRequest;
use crate::wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use crate::wire::{ErrorCode, WireString};

/// The kinds of nodes that can be asked for, by their numbers on the wire (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) async fn handle(
    context: &Context,
    request: DescribeClusterRequest,
    _version: i16,
) -> DescribeClusterResponse {
    match request.endpoint_type {
        BROKERS => DescribeClusterResponse {
            cluster_id: context.settings.cluster_id.as_str().into(),
            controller_id: context.leader(ShardId::METADATA).unwrap_or(NO_BROKER),
            brokers: context.brokers().into_iter().map(broker).collect(),
            cluster_authorized_operations: if request.include_cluster_authorized_operations {
                CLUSTER_OPERATIONS
            } else {
                OPERATIONS_UNKNOWN
            },
            ..DescribeClusterResponse::default()
        },
        CONTROLLERS => failed(ErrorCode::MismatchedEndpointType, "this is the address of a broker"),
        _ => failed(ErrorCode::UnsupportedEndpointType, "there are brokers and controllers to ask for"),
    }
}

fn broker(broker: Broker) -> DescribeClusterBroker {
    let Broker { id, host, port, rack } = broker;
    let rack = rack.map(WireString::from);
    DescribeClusterBroker { broker_id: id, host: host.into(), port, rack, is_fenced: false }
}

fn failed(error: ErrorCode, message: &'static str) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: error.number(),
        error_message: Some(WireString::from_static(message)),
        ..DescribeClusterResponse::default()
    }
}
