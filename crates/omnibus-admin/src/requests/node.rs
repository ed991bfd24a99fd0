//! The node itself.

use axum::Json;
use axum::extract::State;
use omnibus_admin_api::node::{ConfigView, Counter, HealthView, LogView, NodeView};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::Health;

use crate::errors::{Answer, Failure};
use crate::log_counters::log_counters;
use crate::node::{Node, SharedNode};

/// Whether the process should go on: an orchestrator restarts it otherwise.
pub(crate) async fn healthz(State(node): State<SharedNode>) -> Result<&'static str, Failure> {
    match node.engine.health() {
        Health::Well => Ok("ok\n"),
        Health::Broken { reason } => Err(Problem::new(Code::Unavailable, reason).into()),
    }
}

/// Whether clients should be sent here. The door opens after recovery, so it is the same.
pub(crate) async fn readyz(node: State<SharedNode>) -> Result<&'static str, Failure> {
    healthz(node).await
}

pub(crate) async fn describe(State(node): State<SharedNode>) -> Json<NodeView> {
    Json(NodeView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: node.cluster_id.clone(),
        node_id: node.node_id,
        kafka: node.kafka.to_string(),
        admin: node.admin.to_string(),
        data_dir: node.data_dir.clone(),
        uptime_seconds: node.engine.clock().elapsed().as_secs(),
        health: health(&node),
    })
}

pub(crate) async fn log(State(node): State<SharedNode>) -> Answer<LogView> {
    let counters = log_counters(&node.engine);
    let counter = |(name, value, meaning): (&str, u64, &str)| Counter {
        name: name.to_owned(),
        value,
        meaning: meaning.to_owned(),
    };
    Ok(Json(LogView { counters: counters.into_iter().map(counter).collect() }))
}

pub(crate) async fn config(State(node): State<SharedNode>) -> Json<ConfigView> {
    Json(ConfigView { settings: node.settings.clone() })
}

fn health(node: &Node) -> HealthView {
    match node.engine.health() {
        Health::Well => HealthView::Well,
        Health::Broken { reason } => HealthView::Broken { reason },
    }
}
