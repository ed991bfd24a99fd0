//! Bindings: those that somebody made, and that of every queue to the default exchange.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use omnibus_amqp::administration::{BindingInfo, Leads};
use omnibus_amqp::wire::Table;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exchanges::named;
use super::queues::find;
use crate::answers::{Answer, Body, Done, Failure, check_host, done, object};
use crate::json;
use crate::keys::{is_named, properties_key, quoted};
use crate::listing::Listing;
use crate::site::{SharedSite, Site, VIRTUAL_HOST};

/// What a binding shall be.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    routing_key: String,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

pub(crate) async fn list(State(site): State<SharedSite>, listing: Listing) -> Answer {
    cut(all(&site), &listing)
}

pub(crate) async fn list_host(site: State<SharedSite>, Path(host): Path<String>, listing: Listing) -> Answer {
    check_host(&host).map_err(|_| Failure::missing())?;
    list(site, listing).await
}

pub(crate) async fn of_queue(
    State(site): State<SharedSite>,
    Path((host, queue)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    check_host(&host).map_err(|_| Failure::missing())?;
    find(&site, &queue).await?;
    let leads = Leads::ToQueue(queue);
    cut(all(&site).into_iter().filter(|binding| binding.leads == leads).collect(), &listing)
}

pub(crate) async fn of_source(
    State(site): State<SharedSite>,
    Path((host, exchange)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let exchange = there(&site, &host, exchange)?;
    cut(all(&site).into_iter().filter(|binding| binding.source == exchange).collect(), &listing)
}

pub(crate) async fn of_destination(
    State(site): State<SharedSite>,
    Path((host, exchange)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    let leads = Leads::ToExchange(there(&site, &host, exchange)?);
    cut(all(&site).into_iter().filter(|binding| binding.leads == leads).collect(), &listing)
}

pub(crate) async fn between(State(site): State<SharedSite>, Path(ends): Path<Ends>, listing: Listing) -> Answer {
    let (source, leads) = ends.read()?;
    cut(matching(&site, &source, &leads), &listing)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(place): Path<Place>) -> Answer {
    Ok(Json(shown(&place.find(&site)?)))
}

pub(crate) async fn bind(State(site): State<SharedSite>, Path(ends): Path<Ends>, Body(wish): Body<Wish>) -> Done {
    let (source, leads) = ends.read()?;
    let arguments = json::table(&wish.arguments)?;
    let key = properties_key(wish.routing_key.as_bytes(), &arguments);
    if wish.routing_key.len() > usize::from(u8::MAX) {
        return Err(Failure::bad("the routing key is longer than 255 bytes"));
    }
    site.administration.bind(BindingInfo { source, leads, key: wish.routing_key.into(), arguments }).await?;
    let place = format!("{}/{}", quoted(ends.to.as_bytes()), quoted(key.as_bytes()));
    let place = HeaderValue::from_str(&place).map_err(|error| Failure::bad(error.to_string()))?;
    let empty = HeaderValue::from_static("0");
    Ok((StatusCode::CREATED, [(header::LOCATION, place), (header::CONTENT_LENGTH, empty)]).into_response())
}

pub(crate) async fn unbind(State(site): State<SharedSite>, Path(place): Path<Place>) -> Done {
    site.administration.unbind(place.find(&site)?).await?;
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
    fn read(&self) -> Result<(String, Leads), Failure> {
        check_host(&self.host)?;
        let leads = match &*self.kind {
            "q" => Leads::ToQueue(self.to.clone()),
            "e" => Leads::ToExchange(named(self.to.clone())),
            _ => return Err(Failure::missing()),
        };
        Ok((named(self.source.clone()), leads))
    }
}

impl Place {
    fn find(self, site: &Site) -> Result<BindingInfo, Failure> {
        let Self { host, source, kind, to, key } = self;
        let (source, leads) = Ends { host, source, kind, to }.read()?;
        let mut between = matching(site, &source, &leads).into_iter();
        between.find(|binding| is_named(&key, &binding.key, &binding.arguments)).ok_or_else(Failure::missing)
    }
}

fn there(site: &Site, host: &str, exchange: String) -> Result<String, Failure> {
    check_host(host).map_err(|_| Failure::missing())?;
    let name = named(exchange);
    site.administration.exchange(&name).map(|_| name).ok_or_else(Failure::missing)
}

fn matching(site: &Site, source: &str, leads: &Leads) -> Vec<BindingInfo> {
    all(site).into_iter().filter(|binding| binding.source == source && binding.leads == *leads).collect()
}

/// All bindings, those to the default exchange first.
fn all(site: &Site) -> Vec<BindingInfo> {
    let implied = site.administration.queues().into_iter().map(|queue| BindingInfo {
        source: String::new(),
        leads: Leads::ToQueue(queue.name.as_str().to_owned()),
        key: Bytes::copy_from_slice(queue.name.as_str().as_bytes()),
        arguments: Table::default(),
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
        "source": binding.source,
        "vhost": VIRTUAL_HOST,
        "destination": to,
        "destination_type": kind,
        "routing_key": json::text(&binding.key),
        "arguments": json::of_table(&binding.arguments),
        "properties_key": properties_key(&binding.key, &binding.arguments),
    })
}
