//! Virtual hosts.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, QueueLoad};
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Body, Done, Failure, done, known_host, made};
use crate::caller::Caller;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What there is of what a virtual host holds.
type Loads = Vec<(Host, QueueLoad)>;

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    let loads = loads(&site, &listing).await;
    let hosts = site.administration.hosts();
    let known = hosts.iter().filter(|host| caller.knows(host));
    listing.cut(known.map(|host| shown(&site, host, &loads)).collect()).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let host = known_host(&site, &name).await?;
    Ok(Json(listing.cut_one(shown(&site, &host, &loads(&site, &listing).await))))
}

/// Creates a virtual host. What would be kept of it and mean nothing is refused.
pub(crate) async fn put(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(wanted): Body<Map<String, Value>>,
) -> Done {
    let is_refused = |(key, value): &(&String, &Value)| {
        let is_nothing = matches!(value, Value::Null | Value::Bool(false)) || *value == "" || *value == &json!([]);
        // What it is by itself.
        let is_so = match key.as_str() {
            "name" => *value == &name,
            // Where a tool is that creates another.
            "vhost" => true,
            "default_queue_type" => *value == "classic" || *value == "undefined",
            "tracing" => *value == "false",
            "description" => *value == description(&name),
            _ => false,
        };
        !is_nothing && !is_so
    };
    if let Some((key, _)) = wanted.iter().find(is_refused) {
        return Err(Failure::bad(format!("{key} of a virtual host cannot be chosen")));
    }
    let is_new = site.administration.create_host(&name).await?;
    if is_new {
        let host = known_host(&site, &name).await?;
        site.administration.permit_creator(&caller.name, &host).await?;
    }
    Ok(made(is_new))
}

pub(crate) async fn delete(State(site): State<SharedSite>, Path(name): Path<String>) -> Done {
    let host = known_host(&site, &name).await?;
    if site.administration.is_configured(&host) {
        let reason = format!("amqp.virtual_hosts names {name}, so it would be there again at the next start");
        return Err(Failure::bad(reason));
    }
    site.administration.delete_host(&name).await?;
    Ok(done())
}

/// How much there is in the queues of all virtual hosts, if anybody wants to know.
async fn loads(site: &Site, listing: &Listing) -> Loads {
    if !listing.wants_loads() {
        return Loads::new();
    }
    let all = site.administration.loads(site.administration.queues()).await;
    all.into_iter().filter_map(|(queue, load)| Some((Host::of(queue.name.as_str()), load.ok()?))).collect()
}

fn description(name: &str) -> &'static str {
    if name == "/" { "Default virtual host" } else { "" }
}

fn shown(site: &Site, host: &Host, loads: &Loads) -> Value {
    let nodes: Map<String, Value> =
        site.nodes().into_iter().map(|node| (Site::name_of(node), json!("running"))).collect();
    let description = description(host.name());
    let of_host = || loads.iter().filter(|(of, _)| of == host).map(|(_, load)| load);
    let ready: u64 = of_host().map(|load| load.ready).sum();
    let unacknowledged: u64 = of_host().map(|load| load.unacknowledged).sum();
    let mut shown = json!({
        "name": host.name(),
        "description": description,
        "tags": [],
        "default_queue_type": "classic",
        "protected_from_deletion": host.name() == "/" || site.administration.is_configured(host),
        "metadata": {"description": description, "tags": [], "default_queue_type": "classic"},
        "tracing": false,
        "cluster_state": nodes,
    });
    // RabbitMQ leaves them out of one whose queues say nothing.
    if let (Some(shown), true) = (shown.as_object_mut(), of_host().next().is_some()) {
        shown.insert("messages".to_owned(), json!(ready + unacknowledged));
        shown.insert("messages_ready".to_owned(), json!(ready));
        shown.insert("messages_unacknowledged".to_owned(), json!(unacknowledged));
    }
    shown
}
