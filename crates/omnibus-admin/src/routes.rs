//! What is served where.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};

use crate::node::Node;
use crate::requests::{cluster, groups, node, queue_records, queues, records, scrub, seek, topics};
use crate::{errors, metrics};

/// The most bytes that a request may carry.
const BODY_BYTES_MAX: usize = 1 << 20;

/// All paths of the admin door.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/healthz", get(node::healthz))
        .route("/readyz", get(node::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/node", get(node::describe))
        .route("/v1/log", get(node::log))
        .route("/v1/config", get(node::config))
        .route("/v1/scrub", get(scrub::describe).post(scrub::begin))
        .route("/v1/cluster", get(cluster::describe))
        .route("/v1/cluster/nodes", post(cluster::join))
        .route("/v1/cluster/nodes/{node}", delete(cluster::remove))
        .route("/v1/cluster/nodes/{node}/drain", post(cluster::drain).delete(cluster::undrain))
        .route("/v1/cluster/balance", post(cluster::balance))
        .route("/v1/topics", get(topics::list).post(topics::create))
        .route("/v1/topics/{topic}", get(topics::describe).patch(topics::alter).delete(topics::delete))
        .route("/v1/topics/{topic}/records", get(records::peek))
        .route("/v1/queues", get(queues::list).post(queues::create))
        .route("/v1/queues/{queue}", get(queues::describe).patch(queues::alter).delete(queues::delete))
        .route("/v1/queues/{queue}/records", get(queue_records::peek))
        .route("/v1/queues/{queue}/purge", post(queues::purge))
        .route("/v1/queues/{queue}/rewind", post(queues::rewind))
        .route("/v1/queues/{queue}/moves", post(queues::start_move))
        .route("/v1/queues/{queue}/moves/{task}", delete(queues::cancel_move))
        .route("/v1/groups", get(groups::list))
        .route("/v1/groups/{group}", get(groups::describe).delete(groups::delete))
        .route("/v1/groups/{group}/lag", get(groups::lag))
        .route("/v1/groups/{group}/seek", post(seek::seek))
        .fallback(errors::unknown_path)
        .method_not_allowed_fallback(errors::unknown_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(node)
}
