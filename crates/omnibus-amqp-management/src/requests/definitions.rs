//! Everything that was declared, as one document, and declared from one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use omnibus_amqp::administration::{
    BindingInfo, ExchangeInfo, ExchangeWish, Host, Leads, Maker, Permissions, QueueInfo, QueueWish, TopicPermissions,
    UserWish, plain,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{bindings, hosts, parameters, policies, users};
use crate::answers::{Answer, Body, Done, Failure, flag, host, known_host, object};
use crate::caller::Caller;
use crate::json;
use crate::site::{RABBITMQ, SharedSite, Site};

/// A user, a virtual host, and what the one may do in the other.
type Allowed = (String, String, Permissions);

/// A user, a virtual host, and an exchange there with the keys by which he may publish and bind.
type AllowedKeys = (String, String, (String, TopicPermissions));

/// A document of definitions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Definitions {
    users: Vec<User>,
    vhosts: Vec<VirtualHost>,
    permissions: Vec<Permission>,
    topic_permissions: Vec<TopicPermission>,
    parameters: Vec<Parameter>,
    policies: Vec<Policy>,
    queues: Vec<Queue>,
    exchanges: Vec<Exchange>,
    bindings: Vec<Binding>,
}

#[derive(Debug, Deserialize)]
struct VirtualHost {
    name: String,
    #[serde(flatten)]
    wish: hosts::Wish,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    #[serde(flatten)]
    wish: users::Wish,
}

#[derive(Debug, Deserialize)]
struct Permission {
    user: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(flatten)]
    wish: users::PermissionWish,
}

#[derive(Debug, Deserialize)]
struct TopicPermission {
    user: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(flatten)]
    wish: users::TopicWish,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(flatten)]
    wish: policies::Wish,
}

/// What RabbitMQ keeps as a parameter.
#[derive(Debug, Deserialize)]
struct Parameter {
    component: String,
    name: Option<String>,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(default)]
    value: Value,
}

#[derive(Debug, Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
    /// What RabbitMQ 4 writes beside the arguments.
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "flag")]
    internal: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Binding {
    source: String,
    #[serde(default)]
    vhost: Option<String>,
    destination: String,
    destination_type: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

pub(crate) async fn export(State(site): State<SharedSite>) -> Json<Value> {
    let [users, permissions, topics] = users::defined(&site);
    let hosts: Vec<Value> = site.administration.hosts().iter().map(|host| hosts::defined(&site, host)).collect();
    let mut all = json!({
        "rabbit_version": RABBITMQ,
        "rabbitmq_version": RABBITMQ,
        "product_name": "Omnibus",
        "product_version": env!("CARGO_PKG_VERSION"),
        "rabbitmq_definition_format": "cluster",
        "original_cluster_name": site.cluster_id,
        "users": users,
        "vhosts": hosts,
        "permissions": permissions,
        "topic_permissions": topics,
        "global_parameters": [],
    });
    add_names(&site, &mut all, |_| true);
    Json(all)
}

/// What one virtual host has, without its name.
pub(crate) async fn export_host(State(site): State<SharedSite>, Path(name): Path<String>) -> Answer {
    let host = known_host(&site, &name).await?;
    let mut all = json!({ "rabbit_version": RABBITMQ, "rabbitmq_version": RABBITMQ });
    add_names(&site, &mut all, |each| *each == host);
    for list in ["parameters", "policies", "queues", "exchanges", "bindings"] {
        for each in all[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            each.remove("vhost");
        }
    }
    Ok(Json(all))
}

/// Adds what there is in those virtual hosts that are wanted.
fn add_names(site: &Site, all: &mut Value, is_wanted: impl Fn(&Host) -> bool) {
    let is_in = |name: &str| is_wanted(&Host::of(name));
    let queues = site.administration.queues();
    // An exclusive queue is its connection's.
    let queues = queues.iter().filter(|queue| queue.owner.is_none() && is_in(queue.name.as_str()));
    let queues = queues.map(of_queue).collect();
    let exchanges = site.administration.exchanges();
    let is_there_anyway = |name: &str| plain(name).is_empty() || plain(name).starts_with("amq.");
    let names = |exchange: &&ExchangeInfo| is_in(exchange.name.as_str()) && !is_there_anyway(exchange.name.as_str());
    let exchanges = exchanges.iter().filter(names);
    let exchanges = exchanges.map(of_exchange).collect();
    let bindings = site.administration.bindings();
    let bindings = bindings.iter().filter(|binding| is_in(&binding.source)).map(|binding| {
        let mut shown = bindings::shown(binding);
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("properties_key");
        }
        shown
    });
    all["parameters"] = parameters::all(site, &is_wanted).into();
    let policies = site.administration.policies(Maker::User);
    all["policies"] = policies.iter().filter(|policy| is_wanted(&policy.host)).map(policies::shown).collect();
    all["queues"] = queues;
    all["exchanges"] = exchanges;
    all["bindings"] = bindings.collect();
}

fn of_queue(queue: &QueueInfo) -> Value {
    let name = queue.name.as_str();
    json!({
        "name": plain(name),
        "vhost": Host::of(name).name(),
        "durable": queue.is_durable,
        "auto_delete": queue.is_auto_delete,
        "arguments": json::of_table(&queue.arguments),
    })
}

fn of_exchange(exchange: &ExchangeInfo) -> Value {
    let name = exchange.name.as_str();
    json!({
        "name": plain(name),
        "vhost": Host::of(name).name(),
        "type": exchange.kind,
        "durable": exchange.is_durable,
        "auto_delete": exchange.is_auto_delete,
        "internal": exchange.is_internal,
        "arguments": json::of_table(&exchange.arguments),
    })
}

pub(crate) async fn import(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Body(mut wanted): Body<Definitions>,
) -> Done {
    let known: Vec<String> = site.administration.hosts().iter().map(|host| host.name().to_owned()).collect();
    let known = known.iter().chain(wanted.vhosts.iter().map(|host| &host.name));
    wanted.check(&known.map(String::as_str).collect::<Vec<_>>())?;
    let users = wanted.take_users(&site)?;
    let permissions = wanted.take_permissions(&site, &users)?;
    let topics = wanted.take_topics(&site, &users)?;
    let read = |VirtualHost { name, wish }| wish.read().map(|wish| (name, wish));
    let hosts = std::mem::take(&mut wanted.vhosts).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for wish in users {
        site.administration.put_user(wish).await?;
    }
    for (name, wish) in hosts {
        hosts::keep(&site, &caller, (&name, wish)).await?;
    }
    for (user, name, permissions) in permissions {
        site.administration.permit(&user, &host(&site, &name).await?, Some(permissions)).await?;
    }
    for (user, name, (exchange, topics)) in topics {
        let host = host(&site, &name).await?;
        site.administration.permit_topics((&user, &host), Some(&exchange), Some(topics)).await?;
    }
    wanted.carry_out(&site, &Host::default()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Declares what one virtual host shall have, whichever its definitions name.
pub(crate) async fn import_host(
    State(site): State<SharedSite>,
    Path(name): Path<String>,
    Body(mut wanted): Body<Definitions>,
) -> Done {
    let host = host(&site, &name).await?;
    wanted.name_no_host();
    wanted.check(&[])?;
    wanted.carry_out(&site, &host).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Definitions {
    /// Takes all for one virtual host, and leaves out what is no host's.
    fn name_no_host(&mut self) {
        self.users.clear();
        self.permissions.clear();
        self.topic_permissions.clear();
        self.vhosts.clear();
        let hosts = self.policies.iter_mut().map(|each| &mut each.vhost);
        let hosts = hosts.chain(self.parameters.iter_mut().map(|each| &mut each.vhost));
        let hosts = hosts.chain(self.queues.iter_mut().map(|each| &mut each.vhost));
        let hosts = hosts.chain(self.exchanges.iter_mut().map(|each| &mut each.vhost));
        hosts.chain(self.bindings.iter_mut().map(|each| &mut each.vhost)).for_each(|host| *host = None);
    }

    /// Looks for what cannot be had, before anything is done; these are the virtual hosts that there are.
    fn check(&self, known: &[&str]) -> Result<(), Failure> {
        self.parameters.iter().try_for_each(|each| parameters::check_component(&each.component))?;
        let hosts = self.vhosts.iter().map(|host| &host.name);
        let hosts = hosts.chain(self.permissions.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.topic_permissions.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.policies.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.parameters.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.queues.iter().filter_map(|each| each.vhost.as_ref()));
        let hosts = hosts.chain(self.exchanges.iter().filter_map(|each| each.vhost.as_ref()));
        let mut hosts = hosts.chain(self.bindings.iter().filter_map(|each| each.vhost.as_ref()));
        match hosts.find(|host| !known.contains(&host.as_str())) {
            Some(host) => Err(Failure::bad(format!("there is no virtual host {host}"))),
            None => Ok(()),
        }
    }

    /// Takes out who shall be a user. Who is one already, and of whom nothing else is said, stays as he is.
    fn take_users(&mut self, site: &Site) -> Result<Vec<UserWish>, Failure> {
        let mut wishes = Vec::new();
        for User { name, wish } in std::mem::take(&mut self.users) {
            match site.administration.user(&name) {
                Some(known) if wish.is_bare() && known.password.is_none() => {}
                _ if site.administration.is_of_file(&name) => {
                    let text = format!("the user '{name}' is one of amqp.credentials_file, and changes with it");
                    return Err(Failure::bad(text));
                }
                _ => wishes.push(wish.named(site, name)?),
            }
        }
        Ok(wishes)
    }

    /// Takes out what users may do, each of whom is there or among these.
    fn take_permissions(&mut self, site: &Site, users: &[UserWish]) -> Result<Vec<Allowed>, Failure> {
        let door = &site.administration;
        let mut all = Vec::new();
        for Permission { user, vhost, wish } in std::mem::take(&mut self.permissions) {
            let permissions = wish.read()?;
            permissions.check().map_err(Failure::bad)?;
            if door.user(&user).is_none() && !users.iter().any(|wish| wish.name == user) {
                return Err(Failure::bad(format!("there is no user {user}")));
            }
            if door.is_of_file(&user) && permissions != Permissions::everything() {
                return Err(Failure::bad(format!("the permissions of {user} are less than .*")));
            }
            all.push((user, vhost.unwrap_or_else(|| Host::default().name().to_owned()), permissions));
        }
        Ok(all)
    }

    /// Takes out by which keys users may publish and bind.
    fn take_topics(&mut self, site: &Site, users: &[UserWish]) -> Result<Vec<AllowedKeys>, Failure> {
        let mut all = Vec::new();
        for TopicPermission { user, vhost, wish } in std::mem::take(&mut self.topic_permissions) {
            let (exchange, topics) = wish.read()?;
            topics.check().map_err(Failure::bad)?;
            if site.administration.is_of_file(&user) {
                return Err(Failure::bad(format!(
                    "the user '{user}' is one of amqp.credentials_file, and may do everything"
                )));
            }
            if site.administration.user(&user).is_none() && !users.iter().any(|wish| wish.name == user) {
                return Err(Failure::bad(format!("there is no user {user}")));
            }
            all.push((user, vhost.unwrap_or_else(|| Host::default().name().to_owned()), (exchange, topics)));
        }
        Ok(all)
    }

    /// Declares everything; what names no virtual host is for this one.
    async fn carry_out(self, site: &Site, first: &Host) -> Result<(), Failure> {
        let door = &site.administration;
        let hosts = door.hosts();
        let host = |named: Option<String>| match named {
            None => Ok(first),
            Some(name) => hosts.iter().find(|host| host.name() == name).ok_or_else(|| gone(&name)),
        };
        for Policy { name, wish, vhost } in self.policies {
            door.put_policy(wish.named(Maker::User, host(vhost)?.clone(), name)?).await?;
        }
        for Parameter { component, name, value, vhost } in self.parameters {
            let name = name.ok_or_else(|| Failure::bad("[{key_missing,name}]"))?;
            parameters::keep(site, (&component, host(vhost)?, name), value).await?;
        }
        for Queue { name, durable, auto_delete, mut arguments, kind, vhost } in self.queues {
            let name = host(vhost)?.full(&name);
            if let Some(kind) = kind.filter(|_| !arguments.contains_key("x-queue-type")) {
                arguments.insert("x-queue-type".to_owned(), json!(kind));
            }
            let arguments = json::table(&arguments)?;
            door.declare_queue(QueueWish { name, is_durable: durable, is_auto_delete: auto_delete, arguments }).await?;
        }
        for Exchange { name, kind, durable, auto_delete, internal, arguments, vhost } in self.exchanges {
            let wish = ExchangeWish {
                kind,
                is_durable: durable,
                is_auto_delete: auto_delete,
                is_internal: internal,
                arguments: json::table(&arguments)?,
            };
            door.declare_exchange(&host(vhost)?.full(&name), wish).await?;
        }
        for Binding { source, destination, destination_type, routing_key, arguments, vhost } in self.bindings {
            let host = host(vhost)?;
            let leads = match &*destination_type {
                "queue" => Leads::ToQueue(host.full(&destination)),
                "exchange" => Leads::ToExchange(host.full(&destination)),
                other => return Err(Failure::bad(format!("a binding leads to no {other}"))),
            };
            // Every queue is bound to the default exchange by itself.
            if source.is_empty() {
                continue;
            }
            let (source, arguments) = (host.full(&source), json::table(&arguments)?);
            door.bind(BindingInfo { source, leads, key: routing_key.into(), arguments }).await?;
        }
        Ok(())
    }
}

fn gone(host: &str) -> Failure {
    Failure::bad(format!("there is no virtual host {host} any more"))
}
