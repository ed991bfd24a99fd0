//! Policies, and those of operators.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, Maker, PolicyInfo};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Body, Done, Failure, done, host, known_host, made, whole};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What a policy shall be.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    pattern: Option<String>,
    definition: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "whole")]
    priority: Option<i64>,
    #[serde(default, rename = "apply-to")]
    apply_to: Option<String>,
}

impl Wish {
    pub(crate) fn named(self, maker: Maker, host: Host, name: String) -> Result<PolicyInfo, Failure> {
        let missing = |key: &str| Failure::bad(format!("[{{key_missing,{key}}}]"));
        let definition = self.definition.ok_or_else(|| missing("definition"))?;
        Ok(PolicyInfo {
            maker,
            host,
            name,
            pattern: self.pattern.ok_or_else(|| missing("pattern"))?,
            apply_to: self.apply_to.unwrap_or_else(|| "all".to_owned()),
            priority: self.priority.unwrap_or_default(),
            definition: json::table(&definition)?,
        })
    }
}

pub(crate) async fn list(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    list_of(&site, Maker::User, (&listing, |host: &Host| caller.sees(host)))
}

pub(crate) async fn list_host(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let host = known_host(&site, &name).await?;
    list_of(&site, Maker::User, (&listing, |of: &Host| *of == host))
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(place): Path<(String, String)>) -> Answer {
    find(&site, Maker::User, place).await
}

pub(crate) async fn put(
    State(site): State<SharedSite>,
    Path(place): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Done {
    keep(&site, Maker::User, (place, wish)).await
}

pub(crate) async fn delete(State(site): State<SharedSite>, Path(place): Path<(String, String)>) -> Done {
    forget(&site, Maker::User, place).await
}

pub(crate) async fn list_operators(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    list_of(&site, Maker::Operator, (&listing, |host: &Host| caller.sees(host)))
}

pub(crate) async fn list_operators_host(
    State(site): State<SharedSite>,
    Path(name): Path<String>,
    listing: Listing,
) -> Answer {
    let host = known_host(&site, &name).await?;
    list_of(&site, Maker::Operator, (&listing, |of: &Host| *of == host))
}

pub(crate) async fn one_operators(State(site): State<SharedSite>, Path(place): Path<(String, String)>) -> Answer {
    find(&site, Maker::Operator, place).await
}

pub(crate) async fn put_operators(
    State(site): State<SharedSite>,
    Path(place): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Done {
    keep(&site, Maker::Operator, (place, wish)).await
}

pub(crate) async fn delete_operators(State(site): State<SharedSite>, Path(place): Path<(String, String)>) -> Done {
    forget(&site, Maker::Operator, place).await
}

fn list_of(site: &Site, maker: Maker, (listing, is_wanted): (&Listing, impl Fn(&Host) -> bool)) -> Answer {
    let policies = site.administration.policies(maker);
    listing.cut(policies.iter().filter(|policy| is_wanted(&policy.host)).map(shown).collect()).map(Json)
}

async fn find(site: &Site, maker: Maker, (of, name): (String, String)) -> Answer {
    let host = known_host(site, &of).await?;
    let mut policies = site.administration.policies(maker).into_iter();
    let found = policies.find(|policy| policy.host == host && policy.name == name);
    Ok(Json(shown(&found.ok_or_else(Failure::missing)?)))
}

async fn keep(site: &Site, maker: Maker, ((of, name), wish): ((String, String), Wish)) -> Done {
    let host = host(site, &of).await?;
    Ok(made(site.administration.put_policy(wish.named(maker, host, name)?).await?))
}

async fn forget(site: &Site, maker: Maker, (of, name): (String, String)) -> Done {
    let host = host(site, &of).await?;
    if site.administration.delete_policy(maker, &host, &name).await? { Ok(done()) } else { Err(Failure::missing()) }
}

pub(crate) fn shown(policy: &PolicyInfo) -> Value {
    json!({
        "vhost": policy.host.name(),
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": json::of_table(&policy.definition),
        "priority": policy.priority,
    })
}
