//! Users and what they may do: those that are kept, and those who may do everything.

use std::fmt;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omnibus_amqp::administration::{Hashing, Host, PasswordHash, Permissions, TopicPermissions, UserInfo, UserWish};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::limits::{self, Whose};
use crate::answers::{Answer, Body, Done, Failure, done, known_host, known_user, made};
use crate::caller::Caller;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// What RabbitMQ calls the ways in which passwords are made unreadable.
const HASHINGS: [(&str, Hashing); 2] =
    [("rabbit_password_hashing_sha256", Hashing::Sha256), ("rabbit_password_hashing_sha512", Hashing::Sha512)];

/// What a user shall be.
#[derive(Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    hashing_algorithm: Option<String>,
    tags: Option<Tags>,
    #[serde(default)]
    limits: Value,
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish").field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// Texts with commas between them, or a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Tags {
    Text(String),
    List(Vec<String>),
}

impl Tags {
    pub(crate) fn read(self) -> Vec<String> {
        let tags: Vec<String> = match self {
            Self::Text(text) => text.split(',').map(str::to_owned).collect(),
            Self::List(tags) => tags,
        };
        tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
    }
}

/// What a user may do.
#[derive(Debug, Deserialize)]
pub(crate) struct PermissionWish {
    configure: Option<String>,
    write: Option<String>,
    read: Option<String>,
}

/// By which keys a user may publish and bind.
#[derive(Debug, Deserialize)]
pub(crate) struct TopicWish {
    exchange: Option<String>,
    write: Option<String>,
    read: Option<String>,
}

impl TopicWish {
    /// The exchange, and what is said of it.
    pub(crate) fn read(self) -> Result<(String, TopicPermissions), Failure> {
        let Self { exchange, write, read } = self;
        let [exchange, write, read] = present([("exchange", exchange), ("write", write), ("read", read)])?;
        Ok((exchange, TopicPermissions { write, read }))
    }
}

/// What must be said.
fn present(given: [(&str, Option<String>); 3]) -> Result<[String; 3], Failure> {
    let missing = given.iter().filter(|(_, value)| value.is_none());
    let missing: Vec<String> = missing.map(|(key, _)| format!("{{key_missing,{key}}}")).collect();
    if !missing.is_empty() {
        return Err(Failure::bad(format!("[{}]", missing.join(","))));
    }
    Ok(given.map(|(_, value)| value.unwrap_or_default()))
}

/// Who is to go.
#[derive(Debug, Deserialize)]
pub(crate) struct Going {
    users: Option<Vec<String>>,
}

impl Wish {
    /// Whether it says nothing but who somebody is.
    pub(crate) fn is_bare(&self) -> bool {
        self.password.is_none() && self.password_hash.is_none()
    }

    pub(crate) fn named(self, site: &Site, name: String) -> Result<UserWish, Failure> {
        let Self { password, password_hash, hashing_algorithm, tags, limits } = self;
        let limits = Whose::User.read(&limits)?;
        let password = match (password, password_hash) {
            (Some(_), Some(_)) => return Err(Failure::bad("both_password_and_password_hash_are_provided")),
            (Some(password), None) => site.administration.hashed(password.as_bytes()),
            (None, Some(hash)) => taken(&hash, hashing_algorithm.as_deref())?,
            (None, None) => PasswordHash::default(),
        };
        let tags = tags.ok_or_else(|| Failure::bad("tags_not_present"))?.read();
        Ok(UserWish { name, password, tags, limits })
    }
}

/// Takes a password that was made unreadable elsewhere.
fn taken(hash: &str, algorithm: Option<&str>) -> Result<PasswordHash, Failure> {
    let hashing = match algorithm {
        None => Hashing::default(),
        Some(name) => {
            let known = HASHINGS.iter().find(|(known, _)| *known == name);
            known.ok_or_else(|| Failure::bad(format!("hashing_algorithm {name} is not supported")))?.1
        }
    };
    let bytes = BASE64_STANDARD.decode(hash).map_err(|_| Failure::bad("password_hash is not base64"))?;
    let wrong = || Failure::bad("password_hash is not four bytes of salt and a digest of the algorithm's length");
    PasswordHash::taken(hashing, bytes).ok_or_else(wrong)
}

impl PermissionWish {
    pub(crate) fn read(self) -> Result<Permissions, Failure> {
        let Self { configure, write, read } = self;
        let [configure, write, read] = present([("configure", configure), ("write", write), ("read", read)])?;
        Ok(Permissions { configure, write, read })
    }
}

pub(crate) async fn whoami(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "name": caller.name, "tags": caller.tags }))
}

pub(crate) async fn auth() -> Json<Value> {
    Json(json!({ "oauth_enabled": false }))
}

pub(crate) async fn list(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(site.administration.users().iter().map(shown).collect()).map(Json)
}

pub(crate) async fn without_permissions(State(site): State<SharedSite>, listing: Listing) -> Answer {
    let users = site.administration.users();
    listing.cut(users.iter().filter(|user| user.permissions.is_empty()).map(shown).collect()).map(Json)
}

pub(crate) async fn one(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    Ok(Json(shown(&known_user(&site, &user).await?)))
}

pub(crate) async fn put(State(site): State<SharedSite>, Path(user): Path<String>, Body(wish): Body<Wish>) -> Done {
    let wish = wish.named(&site, user)?;
    Ok(made(site.administration.put_user(wish).await?))
}

pub(crate) async fn delete(State(site): State<SharedSite>, Path(user): Path<String>) -> Done {
    if site.administration.delete_user(&user).await? { Ok(done()) } else { Err(Failure::missing()) }
}

pub(crate) async fn delete_many(State(site): State<SharedSite>, Body(going): Body<Going>) -> Done {
    for user in going.users.ok_or_else(|| Failure::bad("[{key_missing,users}]"))? {
        site.administration.delete_user(&user).await?;
    }
    Ok(done())
}

pub(crate) async fn permissions(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(all(&site, |_| true)).map(Json)
}

/// What each user may do in each virtual host.
fn all(site: &Site, is_wanted: impl Fn(&Host) -> bool) -> Vec<Value> {
    let users = site.administration.users();
    let mut rows: Vec<(&Host, Value)> = Vec::new();
    for user in &users {
        let wanted = user.permissions.iter().filter(|(host, _)| is_wanted(host));
        rows.extend(wanted.map(|(host, permissions)| (host, allowed(&user.name, host.name(), permissions))));
    }
    rows.sort_by(|(one, _), (other, _)| one.name().cmp(other.name()));
    rows.into_iter().map(|(_, row)| row).collect()
}

pub(crate) async fn permissions_of_host(
    State(site): State<SharedSite>,
    Path(host): Path<String>,
    listing: Listing,
) -> Answer {
    let host = known_host(&site, &host).await?;
    listing.cut(all(&site, |each| *each == host)).map(Json)
}

pub(crate) async fn permissions_of_user(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    let UserInfo { name, permissions, .. } = known_user(&site, &user).await?;
    Ok(Json(permissions.iter().map(|(host, permissions)| allowed(&name, host.name(), permissions)).collect()))
}

pub(crate) async fn permission(State(site): State<SharedSite>, Path((host, user)): Path<(String, String)>) -> Answer {
    let (host, user) = (known_host(&site, &host).await?, known_user(&site, &user).await?);
    let found = user.permissions.iter().find(|(of, _)| *of == host);
    let (host, permissions) = found.ok_or_else(Failure::missing)?;
    Ok(Json(allowed(&user.name, host.name(), permissions)))
}

pub(crate) async fn put_permission(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
    Body(wish): Body<PermissionWish>,
) -> Done {
    let unknown = || Failure::bad("vhost_or_user_not_found");
    let host = site.administration.host(&host).await.ok_or_else(unknown)?;
    known_user(&site, &user).await.map_err(|_| unknown())?;
    Ok(made(site.administration.permit(&user, &host, Some(wish.read()?)).await?))
}

pub(crate) async fn delete_permission(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
) -> Done {
    let (host, found) = (known_host(&site, &host).await?, known_user(&site, &user).await?);
    if !found.permissions.iter().any(|(of, _)| *of == host) {
        return Err(Failure::missing());
    }
    site.administration.permit(&user, &host, None).await?;
    Ok(done())
}

pub(crate) async fn topic_permissions(State(site): State<SharedSite>, listing: Listing) -> Answer {
    listing.cut(topics(&site, |_, _| true)).map(Json)
}

/// By which keys each user may publish and bind, as far as anything is said of that.
fn topics(site: &Site, is_wanted: impl Fn(&UserInfo, &Host) -> bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for user in &site.administration.users() {
        for (host, exchange, TopicPermissions { write, read }) in &user.topics {
            if is_wanted(user, host) {
                rows.push(json!({
                    "user": user.name,
                    "vhost": host.name(),
                    "exchange": exchange,
                    "write": write,
                    "read": read,
                }));
            }
        }
    }
    rows
}

pub(crate) async fn topic_permissions_of_host(State(site): State<SharedSite>, Path(host): Path<String>) -> Answer {
    let host = known_host(&site, &host).await?;
    Ok(Json(topics(&site, |_, of| *of == host).into()))
}

pub(crate) async fn topic_permissions_of_user(State(site): State<SharedSite>, Path(user): Path<String>) -> Answer {
    known_user(&site, &user).await?;
    Ok(Json(topics(&site, |each, _| each.name == user).into()))
}

pub(crate) async fn topic_permissions_of_both(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
) -> Answer {
    let host = known_host(&site, &host).await?;
    let found = topics(&site, |each, of| each.name == user && *of == host);
    if found.is_empty() { Err(Failure::missing()) } else { Ok(Json(found.into())) }
}

pub(crate) async fn put_topic_permissions(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
    Body(wish): Body<TopicWish>,
) -> Done {
    let unknown = || Failure::bad("vhost_or_user_not_found");
    let host = site.administration.host(&host).await.ok_or_else(unknown)?;
    known_user(&site, &user).await.map_err(|_| unknown())?;
    let (exchange, topics) = wish.read()?;
    Ok(made(site.administration.permit_topics((&user, &host), Some(&exchange), Some(topics)).await?))
}

pub(crate) async fn delete_topic_permissions(
    State(site): State<SharedSite>,
    Path((host, user)): Path<(String, String)>,
) -> Done {
    forget_topics(&site, (&host, &user), None).await
}

pub(crate) async fn delete_topic_permissions_of_exchange(
    State(site): State<SharedSite>,
    Path((host, user, exchange)): Path<(String, String, String)>,
) -> Done {
    forget_topics(&site, (&host, &user), Some(&exchange)).await
}

async fn forget_topics(site: &Site, (host, user): (&str, &str), exchange: Option<&str>) -> Done {
    let (host, found) = (known_host(site, host).await?, known_user(site, user).await?);
    let is_meant = |name: &str| exchange.is_none_or(|exchange| exchange == name);
    if !found.topics.iter().any(|(of, name, _)| *of == host && is_meant(name)) {
        return Err(Failure::missing());
    }
    site.administration.permit_topics((user, &host), exchange, None).await?;
    Ok(done())
}

/// A user with what is kept of his password, as RabbitMQ tells it to administrators.
fn shown(user: &UserInfo) -> Value {
    let mut shown = Map::from_iter([
        ("name".to_owned(), json!(user.name)),
        ("tags".to_owned(), json!(user.tags)),
        ("limits".to_owned(), limits::shown(&user.limits)),
    ]);
    if let Some(password) = &user.password {
        shown.insert("password_hash".to_owned(), json!(BASE64_STANDARD.encode(password.bytes())));
        let name = HASHINGS.iter().find(|(_, hashing)| *hashing == password.hashing).map(|(name, _)| *name);
        shown.insert("hashing_algorithm".to_owned(), json!(name));
    }
    shown.into()
}

fn allowed(user: &str, host: &str, Permissions { configure, write, read }: &Permissions) -> Value {
    json!({ "user": user, "vhost": host, "configure": configure, "write": write, "read": read })
}

/// What definitions say of users: those of configuration are its.
pub(crate) fn defined(site: &Site) -> [Vec<Value>; 3] {
    let users = site.administration.users();
    let kept: Vec<&UserInfo> = users.iter().filter(|user| user.password.is_some()).collect();
    let names: Vec<&str> = kept.iter().map(|user| user.name.as_str()).collect();
    let permissions = all(site, |_| true).into_iter();
    let permissions = permissions.filter(|row| row["user"].as_str().is_some_and(|user| names.contains(&user)));
    [kept.iter().map(|user| shown(user)).collect(), permissions.collect(), topics(site, |_, _| true)]
}
