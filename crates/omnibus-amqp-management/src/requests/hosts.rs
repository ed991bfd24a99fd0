//! Virtual hosts.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, HostNature, HostWish, QueueLoad};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::limits::Whose;
use super::users::Tags;
use crate::answers::{Answer, Body, Done, Failure, done, flag, known_host, made};
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

/// What a virtual host shall be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    description: Option<String>,
    tags: Option<Tags>,
    default_queue_type: Option<String>,
    #[serde(deserialize_with = "flag_or_none")]
    tracing: bool,
    #[serde(deserialize_with = "flag_or_none")]
    protected_from_deletion: bool,
    /// Where definitions have the same.
    metadata: Metadata,
    limits: Value,
}

/// What definitions say of a virtual host.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    description: Option<String>,
    tags: Option<Tags>,
    default_queue_type: Option<String>,
}

/// Reads a truth value; one that is not said is not so.
fn flag_or_none<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(false),
        Value::String(text) if text.is_empty() => Ok(false),
        other => flag(other).map_err(D::Error::custom),
    }
}

impl Wish {
    /// What is said; what would be kept and mean nothing is refused.
    pub(crate) fn read(self) -> Result<HostWish, Failure> {
        let Self { description, tags, default_queue_type, tracing, protected_from_deletion, metadata, limits } = self;
        for (what, is_wanted) in [("tracing", tracing), ("protected_from_deletion", protected_from_deletion)] {
            if is_wanted {
                return Err(Failure::bad(format!("{what} of a virtual host cannot be chosen")));
            }
        }
        let kind = default_queue_type.or(metadata.default_queue_type);
        Ok(HostWish {
            description: description.or(metadata.description),
            tags: tags.or(metadata.tags).map(Tags::read),
            default_queue_type: kind.filter(|kind| kind != "undefined" && !kind.is_empty()),
            limits: Whose::Host.read(&limits)?,
        })
    }
}

/// Creates a virtual host, or says something else of it.
pub(crate) async fn put(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(wish): Body<Wish>,
) -> Done {
    Ok(made(keep(&site, &caller, (&name, wish.read()?)).await?))
}

/// Creates a virtual host, or says something else of it; who creates one may do everything in it.
pub(crate) async fn keep(site: &Site, caller: &Caller, (name, wish): (&str, HostWish)) -> Result<bool, Failure> {
    let is_new = site.administration.put_host(name, &wish).await?;
    if is_new {
        site.administration.permit_creator(&caller.name, &known_host(site, name).await?).await?;
    }
    Ok(is_new)
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

/// What definitions say of a virtual host.
pub(crate) fn defined(site: &Site, host: &Host) -> Value {
    let HostNature { description, tags, default_queue_type, .. } = site.administration.describe_host(host);
    let metadata = json!({"description": description, "tags": tags, "default_queue_type": default_queue_type});
    json!({ "name": host.name(), "limits": [], "metadata": metadata })
}

fn shown(site: &Site, host: &Host, loads: &Loads) -> Value {
    let nodes: Map<String, Value> =
        site.nodes().into_iter().map(|node| (Site::name_of(node), json!("running"))).collect();
    let HostNature { description, tags, default_queue_type, .. } = site.administration.describe_host(host);
    let of_host = || loads.iter().filter(|(of, _)| of == host).map(|(_, load)| load);
    let ready: u64 = of_host().map(|load| load.ready).sum();
    let unacknowledged: u64 = of_host().map(|load| load.unacknowledged).sum();
    let mut shown = json!({
        "name": host.name(),
        "description": description,
        "tags": tags,
        "default_queue_type": default_queue_type,
        "protected_from_deletion": host.name() == "/" || site.administration.is_configured(host),
        "metadata": {"description": description, "tags": tags, "default_queue_type": default_queue_type},
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
