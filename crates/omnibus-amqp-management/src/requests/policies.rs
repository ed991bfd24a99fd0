//! Policies, and the other settings that RabbitMQ keeps beside them, of which there are none.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, PolicyInfo};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Body, Done, Failure, done, host, known_host, made, whole};
use crate::caller::Caller;
use crate::json;
use crate::listing::Listing;
use crate::site::SharedSite;

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
    pub(crate) fn named(self, host: Host, name: String) -> Result<PolicyInfo, Failure> {
        let missing = |key: &str| Failure::bad(format!("[{{key_missing,{key}}}]"));
        let definition = self.definition.ok_or_else(|| missing("definition"))?;
        Ok(PolicyInfo {
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
    let policies = site.administration.policies();
    listing.cut(policies.iter().filter(|policy| caller.sees(&policy.host)).map(shown).collect()).map(Json)
}

pub(crate) async fn list_host(State(site): State<SharedSite>, Path(name): Path<String>, listing: Listing) -> Answer {
    let host = known_host(&site, &name).await?;
    let policies = site.administration.policies();
    listing.cut(policies.iter().filter(|policy| policy.host == host).map(shown).collect()).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path((of, name)): Path<(String, String)>) -> Answer {
    let host = known_host(&site, &of).await?;
    let mut policies = site.administration.policies().into_iter();
    let found = policies.find(|policy| policy.host == host && policy.name == name);
    Ok(Json(shown(&found.ok_or_else(Failure::missing)?)))
}

pub(crate) async fn put(
    State(site): State<SharedSite>,
    Path((of, name)): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Done {
    let host = host(&site, &of).await?;
    Ok(made(site.administration.put_policy(wish.named(host, name)?).await?))
}

pub(crate) async fn delete(State(site): State<SharedSite>, Path((of, name)): Path<(String, String)>) -> Done {
    let host = host(&site, &of).await?;
    if site.administration.delete_policy(&host, &name).await? { Ok(done()) } else { Err(Failure::missing()) }
}

/// What nobody can set.
pub(crate) async fn nothing() -> Json<Value> {
    Json(json!([]))
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
