//! `/metrics`: our own names, and the names that dashboards for Kafka ask for.
//!
//! `docs/metrics.md` lists them; a test holds it to that.

mod broker;
mod groups;
mod node;
mod queues;
mod text;
mod topics;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::errors::Failure;
use crate::node::{Node, SharedNode};
use text::Exposition;

pub(crate) async fn metrics(State(node): State<SharedNode>) -> Result<impl IntoResponse, Failure> {
    let text = exposition(&node).await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

async fn exposition(node: &Node) -> Result<String, Failure> {
    let mut exposition = Exposition::new(node.metrics_series_max);
    node::write(node, &mut exposition);
    broker::write(node, &mut exposition);
    topics::write(node, &mut exposition);
    groups::write(node, &mut exposition).await?;
    queues::write(node, &mut exposition).await?;
    Ok(exposition.finish())
}
