//! Users and what they may do: those of the AMQP door, who may do everything.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{Answer, Body, Done, Failure, known_host, made};
use crate::listing::Listing;
use crate::login::User;
use crate::site::{SharedSite, Site};

/// Where users are kept.
const KEPT: &str = "users are those of the file that amqp.credentials_file names, and change with it";

const EVERYTHING: &str = ".*";

/// What a user may do.
#[derive(Debug, Deserialize)]
pub(crate) struct PermissionWish {
    configure: String,
    write: String,
    read: String,
}

pub(crate) async fn whoami(Extension(User(user)): Extension<User>) -> Json<Value> {
    Json(json!({ "name": user, "tags": ["administrator"] }))
}

pub(crate) async fn auth() -> Json<Value> {
    Json(json!({ "oauth_enabled": false }))
}

pub(crate) async fn list(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(site.administration.users().iter().map(|user| shown(user)).collect()).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    check_user(&site, &user)?;
    Ok(Json(shown(&user)))
}

pub(crate) async fn put() -> Done {
    Err(Failure::bad(KEPT))
}

pub(crate) async fn delete(State(site): State<SharedSite>, Path(user): Path<String>) -> Done {
    check_user(&site, &user)?;
    Err(Failure::bad(KEPT))
}

pub(crate) async fn permissions(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(all(&site)).map(Json)
}

/// What each user may do in each virtual host.
pub(crate) fn all(site: &Site) -> Vec<Value> {
    let (hosts, users) = (site.administration.hosts(), site.administration.users());
    hosts.iter().flat_map(|host| users.iter().map(|user| allowed(user, host.name()))).collect()
}

pub(crate) async fn permissions_of_host(
    State(site): State<SharedSite>,
    Path(host): Path<String>,
    listing: Listing,
) -> Answer {
    known_host(&site, &host).await?;
    listing.cut(site.administration.users().iter().map(|user| allowed(user, &host)).collect()).map(Json)
}

pub(crate) async fn permissions_of_user(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    check_user(&site, &user)?;
    Ok(Json(site.administration.hosts().iter().map(|host| allowed(&user, host.name())).collect()))
}

pub(crate) async fn permission(State(site): State<SharedSite>, Path((host, user)): Path<(String, String)>) -> Answer {
    check(&site, &host, &user).await?;
    Ok(Json(allowed(&user, &host)))
}

pub(crate) async fn put_permission(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
    Body(wish): Body<PermissionWish>,
) -> Done {
    check(&site, &host, &user).await?;
    if [&wish.configure, &wish.write, &wish.read].into_iter().all(|pattern| pattern == EVERYTHING) {
        return Ok(made(false));
    }
    Err(Failure::bad(format!("every user may do everything: {EVERYTHING} is all that can be said")))
}

pub(crate) async fn delete_permission(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
) -> Done {
    check(&site, &host, &user).await?;
    Err(Failure::bad("every user may do everything"))
}

pub(crate) async fn topic_permissions() -> Json<Value> {
    Json(json!([]))
}

pub(crate) async fn topic_permissions_of_host(State(site): State<SharedSite>, Path(host): Path<String>) -> Answer {
    known_host(&site, &host).await?;
    Ok(Json(json!([])))
}

pub(crate) async fn topic_permissions_of_user(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    check_user(&site, &user)?;
    Ok(Json(json!([])))
}

async fn check(site: &Site, host: &str, user: &str) -> Result<(), Failure> {
    known_host(site, host).await?;
    check_user(site, user)
}

fn check_user(site: &Site, user: &str) -> Result<(), Failure> {
    if site.administration.users().iter().any(|each| each == user) { Ok(()) } else { Err(Failure::missing()) }
}

/// A user. What is kept of passwords is not told.
fn shown(user: &str) -> Value {
    json!({ "name": user, "tags": ["administrator"], "limits": {} })
}

fn allowed(user: &str, host: &str) -> Value {
    json!({ "user": user, "vhost": host, "configure": EVERYTHING, "write": EVERYTHING, "read": EVERYTHING })
}
