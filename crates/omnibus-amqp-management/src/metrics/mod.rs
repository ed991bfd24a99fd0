//! What Prometheus is told under the names that RabbitMQ has for it, so that its dashboards and alerts find it.
//!
//! `docs/rabbitmq-metrics.md` lists it; a test holds it to that.

mod text;
mod node;
mod messages;
mod queues;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::answers;
use crate::site::{SharedSite, Site};
use text::Exposition;

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Everything of a kind together.
    Aggregated,
    /// Each queue by itself.
    PerObject,
}

impl Scope {
    /// As RabbitMQ calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::PerObject => "per-object",
        }
    }
}

/// All paths; whoever reaches them may ask.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(aggregated))
        .route("/metrics/per-object", get(per_object))
        .fallback(answers::unknown_path)
        .method_not_allowed_fallback(answers::unknown_method)
        .with_state(site)
}

async fn aggregated(State(site): State<SharedSite>) -> impl IntoResponse {
    exposition(&site, Scope::Aggregated).await
}

async fn per_object(State(site): State<SharedSite>) -> impl IntoResponse {
    exposition(&site, Scope::PerObject).await
}

async fn exposition(site: &Site, scope: Scope) -> impl IntoResponse + use<> {
    let mut exposition = Exposition::default();
    node::write(site, scope, &mut exposition);
    messages::write(&site.administration.tally(), &mut exposition);
    queues::write(site, scope, &mut exposition).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition.finish())
}
