//! What RabbitMQ keeps as parameters of its components: here those that bound virtual hosts, and operators' policies.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, Maker, PolicyInfo};
use serde_json::{Map, Value, json};

use super::limits::{self, Whose};
use super::policies;
use crate::answers::{Answer, Body, Done, Failure, done, host, known_host, made};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What the parameters are called that are operators' policies.
pub(crate) const OPERATOR_POLICY: &str = "operator_policy";

/// And those that say how much a virtual host may have, of which each has one.
pub(crate) const LIMITS: &str = "vhost-limits";
const LIMITS_NAME: &str = "limits";

/// The parameters of some virtual hosts.
pub(crate) fn all(site: &Site, is_wanted: impl Fn(&Host) -> bool) -> Vec<Value> {
    let operators = site.administration.policies(Maker::Operator);
    let operators = operators.iter().filter(|policy| is_wanted(&policy.host)).map(of_operator);
    let hosts = site.administration.hosts();
    let limits = hosts.iter().filter(|host| is_wanted(host)).filter_map(|host| of_limits(site, host));
    operators.chain(limits).collect()
}

fn of_operator(policy: &PolicyInfo) -> Value {
    json!({
        "component": OPERATOR_POLICY,
        "name": policy.name,
        "vhost": policy.host.name(),
        "value": {
            "pattern": policy.pattern,
            "apply-to": policy.apply_to,
            "definition": json::of_table(&policy.definition),
            "priority": policy.priority,
        },
    })
}

fn of_limits(site: &Site, host: &Host) -> Option<Value> {
    let limits = site.administration.describe_host(host).limits;
    let shown = || {
        json!({
            "component": LIMITS,
            "name": LIMITS_NAME,
            "vhost": host.name(),
            "value": limits::shown(&limits),
        })
    };
    (!limits.0.is_empty()).then(shown)
}

/// Makes sure that there is something that takes such parameters.
pub(crate) fn check_component(component: &str) -> Result<(), Failure> {
    match component {
        OPERATOR_POLICY | LIMITS => Ok(()),
        // Shovels and upstreams of federations among them, which in RabbitMQ are plugins.
        other => Err(Failure::bad(format!("Validation failed\n\ncomponent {other} not found\n"))),
    }
}

/// Keeps a parameter; returns whether it is new.
pub(crate) async fn keep(
    site: &Site,
    (component, host, name): (&str, &Host, String),
    value: Value,
) -> Result<bool, Failure> {
    check_component(component)?;
    if component == OPERATOR_POLICY {
        let wish: policies::Wish = serde_json::from_value(value).map_err(|error| Failure::bad(error.to_string()))?;
        return Ok(site.administration.put_policy(wish.named(Maker::Operator, host.clone(), name)?).await?);
    }
    if name != LIMITS_NAME {
        return Err(Failure::bad(format!("the parameter of {LIMITS} is called {LIMITS_NAME}")));
    }
    let is_new = of_limits(site, host).is_none();
    limits::limit_host(site, host, Whose::Host.read_all(&value)?).await?;
    Ok(is_new)
}

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    listing.cut(all(&site, |host| caller.sees(host))).map(Json)
}

pub(crate) async fn list_component(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(component): Path<String>,
    listing: Listing,
) -> Answer {
    let mut found = all(&site, |host| caller.sees(host));
    found.retain(|each| each["component"] == component);
    listing.cut(found).map(Json)
}

pub(crate) async fn list_host(
    State(site): State<SharedSite>,
    Path((component, of)): Path<(String, String)>,
    listing: Listing,
) -> Answer {
    listing.cut(of_host(&site, (&component, &of)).await?).map(Json)
}

async fn of_host(site: &Site, (component, of): (&str, &str)) -> Result<Vec<Value>, Failure> {
    let host = known_host(site, of).await?;
    let mut found = all(site, |each| *each == host);
    found.retain(|each| each["component"] == component);
    Ok(found)
}

async fn find(site: &Site, (component, of, name): (&str, &str, &str)) -> Result<Value, Failure> {
    let found = of_host(site, (component, of)).await?.into_iter().find(|each| each["name"] == name);
    found.ok_or_else(Failure::missing)
}

pub(crate) async fn one(
    State(site): State<SharedSite>,
    Path((component, of, name)): Path<(String, String, String)>,
) -> Answer {
    Ok(Json(find(&site, (&component, &of, &name)).await?))
}

pub(crate) async fn put(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((component, of, name)): Path<(String, String, String)>,
    Body(mut body): Body<Map<String, Value>>,
) -> Done {
    let host = host(&site, &of).await?;
    let value = body.remove("value").ok_or_else(|| Failure::bad("[{key_missing,value}]"))?;
    check_component(&component)?;
    check_operator(&caller)?;
    Ok(made(keep(&site, (&component, &host, name), value).await?))
}

pub(crate) async fn delete(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path((component, of, name)): Path<(String, String, String)>,
) -> Done {
    find(&site, (&component, &of, &name)).await?;
    check_operator(&caller)?;
    let host = host(&site, &of).await?;
    if component == LIMITS {
        limits::limit_host(&site, &host, Whose::Host.read_all(&Value::Null)?).await?;
    } else {
        site.administration.delete_policy(Maker::Operator, &host, &name).await?;
    }
    Ok(done())
}

/// What bounds others is said by those who look after the broker, whichever path they take.
fn check_operator(caller: &Caller) -> Result<(), Failure> {
    if caller.is_administrator() { Ok(()) } else { Err(Failure::not_authorised("Not administrator user")) }
}

/// Nothing is kept that is nobody's.
pub(crate) async fn put_global(Path(name): Path<String>) -> Failure {
    Failure::bad(format!("the global parameter {name} is not supported: nothing would come of it"))
}

pub(crate) async fn no_global() -> Failure {
    Failure::missing()
}

pub(crate) async fn nothing() -> Json<Value> {
    Json(json!([]))
}
