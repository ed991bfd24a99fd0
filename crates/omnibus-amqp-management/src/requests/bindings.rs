//! Bindings: those that somebody made, and that of every queue to the default exchange.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use bytes::Bytes;
use omnibus_amqp::administration::{BindingInfo, Host, Leads, plain};
use omnibus_amqp::wire::Table;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exchanges::named;
use super::queues::find;
use crate::answers::{Answer, Body, Done, Failure, done, host, known_host, object};
use crate::caller::Caller;
use crate::json;
use crate::keys::{is_named, properties_key, quoted};
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What a binding shall be.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    routing_key: String,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    cut(all(&site).into_iter().filter(|binding| caller.sees_name(&binding.source)).collect(), &listing)
}

pub(crate) async fn list_host(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let host = known_host(&site, &name).await?;
    cut(all(&site).into_iter().filter(|binding| Host::of(&binding.source) == host).collect(), &listing)
}

pub(crate) async fn of_queue(
    State(site): State<SharedSite>,
    Path((of, queue)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let queue = known_host(&site, &of).await?.full(&queue);
    find(&site, &queue).await?;
    let leads = Leads::ToQueue(queue);
    cut(all(&site).into_iter().filter(|binding| binding.leads == leads).collect(), &listing)
}

pub(crate) async fn of_source(
    State(site): State<SharedSite>,
    Path((host, exchange)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let exchange = there(&site, &host, &exchange).await?;
    cut(all(&site).into_iter().filter(|binding| binding.source == exchange).collect(), &listing)
}

pub(crate) async fn of_destination(
    State(site): State<SharedSite>,
    Path((host, exchange)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let leads = Leads::ToExchange(there(&site, &host, &exchange).await?);
    cut(all(&site).into_iter().filter(|binding| binding.leads == leads).collect(), &listing)
}

pub(crate) async fn between(State(site): State<SharedSite>, Path(ends): Path<Ends>, listing: Listing) -> Answer {
    let (source, leads) = ends.read(&site).await?;
    cut(matching(&site, &source, &leads), &listing)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(place): Path<Place>) -> Answer {
    Ok(Json(shown(&place.find(&site).await?)))
}

pub(crate) async fn bind(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(ends): Path<Ends>,
    Body(wish): Body<Wish>,
) -> Done {
    let (source, leads) = ends.read(&site).await?;
    let arguments = json::table(&wish.arguments)?;
    let key = properties_key(wish.routing_key.as_bytes(), &arguments);
    if wish.routing_key.len() > usize::from(u8::MAX) {
        return Err(Failure::bad("the routing key is longer than 255 bytes"));
    }
    let binding = BindingInfo { source, leads, key: wish.routing_key.into(), arguments };
    site.administration.may_bind(&caller.name, &binding)?;
    site.administration.bind(binding).await?;
    let place = format!("{}/{}", quoted(ends.to.as_bytes()), quoted(key.as_bytes()));
    let place = HeaderValue::from_str(&place).map_err(|error| Failure::bad(error.to_string()))?;
    let empty = HeaderValue::from_static("0");
    Ok((StatusCode::CREATED, [(header::LOCATION, place), (header::CONTENT_LENGTH, empty)]).into_response())
}

pub(crate) async fn unbind(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(place): Path<Place>,
) -> Done {
    let binding = place.find(&site).await?;
    site.administration.may_bind(&caller.name, &binding)?;
    site.administration.unbind(binding).await?;
    Ok(done())
}

/// The two ends of bindings, in a path.
#[derive(Debug, Deserialize)]
pub(crate) struct Ends {
    host: String,
    source: String,
    kind: String,
    to: String,
}

/// One binding, in a path.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    host: String,
    source: String,
    kind: String,
    to: String,
    key: String,
}

impl Ends {
    async fn read(&self, site: &Site) -> Result<(String, Leads), Failure> {
        let host = host(site, &self.host).await?;
        let leads = match &*self.kind {
            "q" => Leads::ToQueue(host.full(&self.to)),
            "e" => Leads::ToExchange(host.full(named(&self.to))),
            _ => return Err(Failure::missing()),
        };
        Ok((host.full(named(&self.source)), leads))
    }
}

impl Place {
    async fn find(self, site: &Site) -> Result<BindingInfo, Failure> {
        let Self { host, source, kind, to, key } = self;
        let (source, leads) = Ends { host, source, kind, to }.read(site).await?;
        let mut between = matching(site, &source, &leads).into_iter();
        between.find(|binding| is_named(&key, &binding.key, &binding.arguments)).ok_or_else(Failure::missing)
    }
}

async fn there(site: &Site, host: &str, exchange: &str) -> Result<String, Failure> {
    let name = known_host(site, host).await?.full(named(exchange));
    site.administration.exchange(&name).map(|_| name).ok_or_else(Failure::missing)
}

fn matching(site: &Site, source: &str, leads: &Leads) -> Vec<BindingInfo> {
    all(site).into_iter().filter(|binding| binding.source == source && binding.leads == *leads).collect()
}

/// All bindings, those to the default exchange first.
fn all(site: &Site) -> Vec<BindingInfo> {
    let implied = site.administration.queues().into_iter().map(|queue| {
        let name = queue.name.as_str();
        BindingInfo {
            source: Host::of(name).full(""),
            leads: Leads::ToQueue(name.to_owned()),
            key: Bytes::copy_from_slice(plain(name).as_bytes()),
            arguments: Table::default(),
        }
    });
    implied.chain(site.administration.bindings()).collect()
}

fn cut(bindings: Vec<BindingInfo>, listing: &Listing) -> Answer {
    listing.cut(bindings.iter().map(shown).collect()).map(Json)
}

pub(crate) fn shown(binding: &BindingInfo) -> Value {
    let (to, kind) = match &binding.leads {
        Leads::ToQueue(queue) => (queue, "queue"),
        Leads::ToExchange(exchange) => (exchange, "exchange"),
    };
    json!({
        "source": plain(&binding.source),
        "vhost": Host::of(&binding.source).name(),
        "destination": plain(to),
        "destination_type": kind,
        "routing_key": json::text(&binding.key),
        "arguments": json::of_table(&binding.arguments),
        "properties_key": properties_key(&binding.key, &binding.arguments),
    })
}
