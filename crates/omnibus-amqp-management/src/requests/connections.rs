//! Connections of this node, their channels and their consumers.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, plain};
use omnibus_amqp::registry::{ChannelState, ConnectionInfo, ConnectionState, ConsumerState};
use omnibus_amqp::wire::Value as Field;
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Done, Failure, done, known_host};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What a client is told if nobody says why.
const REASON: &str = "Closed via management plugin";

/// What somebody is told who asks for what is another's, in RabbitMQ's words.
const NOT_HIS: &str = "User not authorised to access object";

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    listing.cut(connections(&site, &caller, |_| true).await).map(Json)
}

pub(crate) async fn list_host(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
    listing: Listing,
) -> Answer {
    known_host(&site, &host).await?;
    listing.cut(connections(&site, &caller, |info| info.host == host).await).map(Json)
}

pub(crate) async fn of_user(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    listing: Listing,
) -> Answer {
    check_sees(&caller, &user)?;
    listing.cut(connections(&site, &caller, |info| info.user == user).await).map(Json)
}

pub(crate) async fn one(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    listing: Listing,
) -> Answer {
    check_connection(&site, &caller, |info| info.name() == name)?;
    let found = connections(&site, &caller, |info| info.name() == name).await.pop();
    Ok(Json(listing.cut_one(found.ok_or_else(Failure::missing)?)))
}

pub(crate) async fn close(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Done {
    let all = site.administration.connections();
    let is_anothers = |info: &ConnectionInfo| info.name() == name && !caller.closes_connections_of(&info.user);
    if all.iter().any(|info| is_anothers(info)) {
        return Err(Failure::not_authorised(NOT_HIS));
    }
    let is_there = site.administration.close_connection(&name, reason(&headers)).await;
    if is_there { Ok(done()) } else { Err(Failure::missing()) }
}

pub(crate) async fn close_user(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Done {
    if !caller.closes_connections_of(&user) {
        return Err(Failure::not_authorised(NOT_HIS));
    }
    for connection in site.administration.connections() {
        if connection.user == user {
            site.administration.close_connection(&connection.name(), reason(&headers)).await;
        }
    }
    Ok(done())
}

pub(crate) async fn channels(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    listing.cut(all_channels(&site, &caller, |_| true).await).map(Json)
}

pub(crate) async fn channels_host(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
    listing: Listing,
) -> Answer {
    known_host(&site, &host).await?;
    listing.cut(all_channels(&site, &caller, |info| info.host == host).await).map(Json)
}

pub(crate) async fn channels_of(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    listing: Listing,
) -> Answer {
    check_connection(&site, &caller, |info| info.name() == name)?;
    if !site.administration.connections().iter().any(|info| info.name() == name) {
        return Err(Failure::missing());
    }
    listing.cut(all_channels(&site, &caller, |info| info.name() == name).await).map(Json)
}

pub(crate) async fn channel(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    listing: Listing,
) -> Answer {
    for (info, state) in site.administration.describe_connections().await {
        let channel = state.channels.iter().find(|channel| channel_name(&info, channel.number) == name);
        let Some(channel) = channel else { continue };
        check_sees(&caller, &info.user)?;
        let consumers = channel.consumers.iter().map(|consumer| of_consumer(&site, &info, (channel.number, consumer)));
        let consumers: Vec<Value> = consumers.collect();
        let mut shown = of_channel(&site, &info, channel);
        shown.insert("consumer_details".to_owned(), consumers.into());
        shown.insert("publishes".to_owned(), json!([]));
        shown.insert("deliveries".to_owned(), json!([]));
        return Ok(Json(listing.cut_one(shown.into())));
    }
    Err(Failure::missing())
}

pub(crate) async fn consumers(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    listing.cut(all_consumers(&site, |info, _| caller.sees_connections_of(&info.user)).await).map(Json)
}

pub(crate) async fn consumers_host(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
    listing: Listing,
) -> Answer {
    known_host(&site, &host).await?;
    let is_wanted = |info: &ConnectionInfo, consumer: &ConsumerState| {
        Host::of(&consumer.queue).name() == host && caller.sees_connections_of(&info.user)
    };
    listing.cut(all_consumers(&site, is_wanted).await).map(Json)
}

/// Who consumes a queue by this node; it is named with its virtual host.
pub(crate) async fn consumers_of(site: &Site, queue: &str) -> Vec<Value> {
    all_consumers(site, |_, consumer| consumer.queue == queue).await
}

/// Makes sure that somebody may see a user's connections.
fn check_sees(caller: &Caller, user: &str) -> Result<(), Failure> {
    if caller.sees_connections_of(user) { Ok(()) } else { Err(Failure::not_authorised(NOT_HIS)) }
}

/// Makes sure that somebody may see a connection, if it is there.
fn check_connection(site: &Site, caller: &Caller, is_it: impl Fn(&ConnectionInfo) -> bool) -> Result<(), Failure> {
    let all = site.administration.connections();
    all.iter().find(|info| is_it(info)).map_or(Ok(()), |info| check_sees(caller, &info.user))
}

/// Those connections of this node that are wanted, and that somebody may see.
async fn connections(site: &Site, caller: &Caller, is_wanted: impl Fn(&ConnectionInfo) -> bool) -> Vec<Value> {
    let all = site.administration.describe_connections().await;
    let is_shown = |info: &ConnectionInfo| is_wanted(info) && caller.sees_connections_of(&info.user);
    all.iter().filter(|(info, _)| is_shown(info)).map(|(info, state)| of_connection(site, info, state)).collect()
}

async fn all_channels(site: &Site, caller: &Caller, is_wanted: impl Fn(&ConnectionInfo) -> bool) -> Vec<Value> {
    let all = site.administration.describe_connections().await;
    let wanted = all.iter().filter(|(info, _)| is_wanted(info) && caller.sees_connections_of(&info.user));
    let channels = wanted.flat_map(|(info, state)| state.channels.iter().map(move |channel| (info, channel)));
    channels.map(|(info, channel)| of_channel(site, info, channel).into()).collect()
}

async fn all_consumers(site: &Site, is_wanted: impl Fn(&ConnectionInfo, &ConsumerState) -> bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for (info, state) in site.administration.describe_connections().await {
        for channel in &state.channels {
            let wanted = channel.consumers.iter().filter(|consumer| is_wanted(&info, consumer));
            rows.extend(wanted.map(|consumer| of_consumer(site, &info, (channel.number, consumer))));
        }
    }
    rows
}

/// Why a connection is closed, as its client is told.
fn reason(headers: &HeaderMap) -> String {
    headers.get("x-reason").and_then(|reason| reason.to_str().ok()).unwrap_or(REASON).to_owned()
}

fn channel_name(info: &ConnectionInfo, number: u16) -> String {
    format!("{} ({number})", info.name())
}

fn of_connection(site: &Site, info: &ConnectionInfo, state: &ConnectionState) -> Value {
    let given_name = info.client.get("connection_name").and_then(Field::str);
    let mut shown = json!({
        "name": info.name(),
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "state": state_of(site, state),
        "node": site.name(),
        "vhost": info.host,
        "user": info.user,
        "user_who_performed_action": info.user,
        "auth_mechanism": info.mechanism,
        "client_properties": json::of_table(&info.client),
        "connected_at": info.connected_at.0,
        "host": info.ends.local.ip().to_string(),
        "port": info.ends.local.port(),
        "peer_host": info.ends.peer.ip().to_string(),
        "peer_port": info.ends.peer.port(),
        "channel_max": info.channel_max,
        "frame_max": info.frame_max,
        "timeout": info.heartbeat,
        "channels": state.channels.len(),
        "recv_oct": state.received_bytes,
        "send_oct": state.sent_bytes,
        "ssl": false,
    });
    if let (Some(name), Value::Object(shown)) = (given_name, &mut shown) {
        shown.insert("user_provided_name".to_owned(), json!(name));
    }
    shown
}

/// A connection is blocked once it wants to publish while something is short, and will be if it wants to.
fn state_of(site: &Site, state: &ConnectionState) -> &'static str {
    match (state.is_blocked, site.administration.shortage()) {
        (true, _) => "blocked",
        (false, Some(_)) => "blocking",
        (false, None) => "running",
    }
}

fn of_channel(site: &Site, info: &ConnectionInfo, channel: &ChannelState) -> Map<String, Value> {
    let shown = json!({
        "name": channel_name(info, channel.number),
        "number": channel.number,
        "node": site.name(),
        "vhost": info.host,
        "user": info.user,
        "user_who_performed_action": info.user,
        "state": "running",
        "confirm": channel.confirms,
        "transactional": channel.is_transactional,
        "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.prefetch_all,
        "consumer_count": channel.consumers.len(),
        "messages_unacknowledged": channel.unacknowledged,
        "messages_unconfirmed": channel.unconfirmed,
        "messages_uncommitted": channel.publishes_held_back,
        "acks_uncommitted": channel.settlements_held_back,
        "connection_details": {
            "name": info.name(),
            "peer_host": info.ends.peer.ip().to_string(),
            "peer_port": info.ends.peer.port(),
        },
    });
    match shown {
        Value::Object(shown) => shown,
        other => unreachable!("an object was written and {other} is there"),
    }
}

fn of_consumer(site: &Site, info: &ConnectionInfo, (number, consumer): (u16, &ConsumerState)) -> Value {
    json!({
        "consumer_tag": consumer.tag,
        "queue": { "name": plain(&consumer.queue), "vhost": Host::of(&consumer.queue).name() },
        "ack_required": consumer.settles,
        "exclusive": consumer.is_exclusive,
        "prefetch_count": consumer.prefetch,
        "arguments": json::of_table(&consumer.arguments),
        "channel_details": {
            "name": channel_name(info, number),
            "number": number,
            "connection_name": info.name(),
            "node": site.name(),
            "user": info.user,
            "peer_host": info.ends.peer.ip().to_string(),
            "peer_port": info.ends.peer.port(),
        },
    })
}
