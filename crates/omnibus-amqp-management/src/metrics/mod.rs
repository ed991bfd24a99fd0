//! What Prometheus is told under the names that RabbitMQ has for it, so that its dashboards and alerts find it.
//!
//! `docs/rabbitmq-metrics.md` lists it; a test holds it to that.

mod text;
mod node;
mod messages;
mod queues;
mod names;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use omnibus_amqp::administration::Host;

use crate::answers::{self, Failure};
use crate::site::{SharedSite, Site};
use text::Exposition;

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Everything of a kind together.
    Aggregated,
    /// Each queue by itself.
    PerObject,
    /// What is asked for.
    Detailed,
}

/// What may be asked for, as RabbitMQ calls it.
const QUEUE_MESSAGES: &str = "queue_coarse_metrics";
const QUEUE_CONSUMERS: &str = "queue_consumer_count";
/// Of which consumers are all that is known.
const QUEUES: &str = "queue_metrics";
const HOSTS: &str = "vhost_status";
const EXCHANGES: &str = "exchange_names";
const BINDINGS: &str = "exchange_bindings";
const FAMILIES: [&str; 6] = [QUEUE_MESSAGES, QUEUE_CONSUMERS, QUEUES, HOSTS, EXCHANGES, BINDINGS];

/// An answer.
type Text = ([(HeaderName, &'static str); 1], String);

impl Scope {
    /// As RabbitMQ calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated",
            Self::PerObject => "per-object",
            Self::Detailed => "detailed",
        }
    }
}

/// All paths; whoever reaches them may ask.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(aggregated))
        .route("/metrics/per-object", get(per_object))
        .route("/metrics/detailed", get(detailed))
        .fallback(answers::unknown_path)
        .method_not_allowed_fallback(answers::unknown_method)
        .with_state(site)
}

async fn aggregated(State(site): State<SharedSite>) -> Text {
    let mut exposition = begun(&site, Scope::Aggregated);
    queues::write_sums(&site, &mut exposition).await;
    ended(exposition)
}

async fn per_object(State(site): State<SharedSite>) -> Text {
    let mut exposition = begun(&site, Scope::PerObject);
    queues::write_each(&site, &mut exposition).await;
    ended(exposition)
}

/// What is asked for by families, of some virtual hosts or of all.
async fn detailed(State(site): State<SharedSite>, Query(asked): Query<Vec<(String, String)>>) -> Result<Text, Failure> {
    let (families, hosts) = (values(&asked, "family"), values(&asked, "vhost"));
    let is_wanted = |host: &Host| hosts.is_empty() || hosts.contains(&host.name());
    if let Some(unknown) = families.iter().find(|family| !FAMILIES.contains(family)) {
        return Err(Failure::bad(format!("{unknown} is not told; there are {}", FAMILIES.join(", "))));
    }
    let has = |family| families.contains(&family);
    let mut exposition = Exposition::default();
    node::write_identity(&site, Scope::Detailed, &mut exposition);
    let mut columns = Vec::new();
    if has(QUEUE_MESSAGES) {
        columns.extend(queues::MESSAGES);
    }
    if has(QUEUE_CONSUMERS) || has(QUEUES) {
        columns.extend(queues::CONSUMERS);
    }
    if !columns.is_empty() {
        queues::write_detailed(&site, (&columns, is_wanted), &mut exposition).await;
    }
    if has(HOSTS) {
        names::write_hosts(&site, &mut exposition);
    }
    if has(EXCHANGES) {
        names::write_exchanges(&site, &is_wanted, &mut exposition);
    }
    if has(BINDINGS) {
        names::write_bindings(&site, &is_wanted, &mut exposition);
    }
    Ok(ended(exposition))
}

/// What a query says of something, each time that it does.
fn values<'a>(asked: &'a [(String, String)], key: &str) -> Vec<&'a str> {
    asked.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
}

fn begun(site: &Site, scope: Scope) -> Exposition {
    let mut exposition = Exposition::default();
    node::write(site, scope, &mut exposition);
    messages::write(&site.administration.tally(), &mut exposition);
    exposition
}

fn ended(exposition: Exposition) -> Text {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exposition.finish())
}
