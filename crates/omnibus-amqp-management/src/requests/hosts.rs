//! Virtual hosts: there is one.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Body, Done, Failure, check_host, made};
use crate::listing::Listing;
use crate::site::{SharedSite, Site, VIRTUAL_HOST};

pub(crate) async fn list(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(vec![shown(&site)]).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(host): Path<String>, listing: Listing) -> Answer {
    check_host(&host).map_err(|_| Failure::missing())?;
    Ok(Json(listing.cut_one(shown(&site))))
}

pub(crate) async fn put(Path(host): Path<String>, Body(wanted): Body<Map<String, Value>>) -> Done {
    if host != VIRTUAL_HOST {
        return Err(Failure::bad("there is the virtual host / only"));
    }
    let is_refused = |(name, value): &(&String, &Value)| {
        let is_nothing = matches!(value, Value::Null | Value::Bool(false)) || *value == "" || *value == &json!([]);
        // What it is by itself.
        let is_so = matches!(&***name, "description") || *name == "default_queue_type" && *value == "classic";
        !is_nothing && !is_so
    };
    match wanted.iter().find(is_refused) {
        Some((name, _)) => Err(Failure::bad(format!("{name} of the virtual host / cannot be changed"))),
        None => Ok(made(false)),
    }
}

pub(crate) async fn delete(Path(host): Path<String>) -> Done {
    check_host(&host).map_err(|_| Failure::missing())?;
    Err(Failure::bad("the virtual host / cannot be deleted"))
}

fn shown(site: &Site) -> Value {
    let nodes: Map<String, Value> =
        site.nodes().into_iter().map(|node| (Site::name_of(node), json!("running"))).collect();
    let description = "Default virtual host";
    json!({
        "name": VIRTUAL_HOST,
        "description": description,
        "tags": [],
        "default_queue_type": "classic",
        "protected_from_deletion": true,
        "metadata": {"description": description, "tags": [], "default_queue_type": "classic"},
        "tracing": false,
        "cluster_state": nodes,
    })
}
