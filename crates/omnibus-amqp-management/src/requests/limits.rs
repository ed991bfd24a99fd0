//! How much virtual hosts and users may have.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use omnibus_amqp::administration::{Host, Limited, Limits, LimitsWish};
use serde_json::{Map, Value, json};

use crate::answers::{Answer, Body, Done, Failure, done, host, known_host, known_user, made};
use crate::caller::Caller;
use crate::listing::Listing;
use crate::site::{SharedSite, Site};

/// Whose limits are spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Host,
    User,
}

impl Whose {
    fn limited(self) -> [Limited; 2] {
        match self {
            Self::Host => Limited::OF_HOSTS,
            Self::User => Limited::OF_USERS,
        }
    }

    /// What is limited under a name.
    fn find(self, name: &str) -> Option<Limited> {
        self.limited().into_iter().find(|each| each.name() == name)
    }

    /// Reads one limit; refuses it in RabbitMQ's words.
    fn read_one(self, name: &str, max: &Value) -> Result<(Limited, Option<i64>), Failure> {
        let Some(what) = self.find(name) else {
            let terms = format!("Unrecognised terms [{{<<\"{name}\">>,{}}}] in", term(max));
            return Err(Failure::bad(match self {
                Self::Host => format!("Validation failed\n\n{terms} limits\n"),
                Self::User => format!("{terms} user-limits"),
            }));
        };
        let Some(max) = max.as_i64() else {
            let text = format!("{name} should be a number, actually was {}", term(max));
            return Err(Failure::bad(match self {
                Self::Host => format!("Validation failed\n\n{text}\n"),
                Self::User => text,
            }));
        };
        Ok((what, Some(max)))
    }

    /// Reads all limits that are said at once; of the rest stays what was said.
    pub(crate) fn read(self, said: &Value) -> Result<LimitsWish, Failure> {
        match said {
            Value::Null => Ok(LimitsWish::new()),
            // Some languages write an empty object as an empty list.
            Value::Array(none) if none.is_empty() => Ok(LimitsWish::new()),
            Value::Object(said) => said.iter().map(|(name, max)| self.read_one(name, max)).collect(),
            other => Err(Failure::bad(format!("limits are not an object: {other}"))),
        }
    }

    /// Reads limits that are all that there shall be.
    pub(crate) fn read_all(self, said: &Value) -> Result<LimitsWish, Failure> {
        let mut wish: LimitsWish = self.limited().into_iter().map(|each| (each, None)).collect();
        wish.extend(self.read(said)?);
        Ok(wish)
    }
}

/// A value as Erlang writes it.
fn term(value: &Value) -> String {
    match value {
        Value::String(text) => format!("<<\"{text}\">>"),
        other => other.to_string(),
    }
}

/// Limits as they are told.
pub(crate) fn shown(Limits(limits): &Limits) -> Value {
    limits.iter().map(|(what, max)| (what.name().to_owned(), json!(max))).collect::<Map<_, _>>().into()
}

/// The limits of those of whom any are said, one after the other.
fn rows<'a>(key: &str, all: impl Iterator<Item = (&'a str, &'a Limits)>) -> Vec<Value> {
    let limited = all.filter(|(_, limits)| !limits.0.is_empty());
    limited.map(|(name, limits)| json!({ key: name, "value": shown(limits) })).collect()
}

/// Reads the one limit that a request is about.
fn wished(whose: Whose, name: &str, body: &Map<String, Value>) -> Result<LimitsWish, Failure> {
    let max = body.get("value").ok_or_else(|| Failure::bad("[{key_missing,value}]"))?;
    Ok(LimitsWish::from([whose.read_one(name, max)?]))
}

/// What is said of a limit that ends; one that is not known was never said.
fn ended(whose: Whose, name: &str) -> LimitsWish {
    whose.find(name).map(|what| (what, None)).into_iter().collect()
}

fn of_hosts(site: &Site, is_wanted: impl Fn(&Host) -> bool) -> Vec<Value> {
    let hosts = site.administration.hosts();
    let limits: BTreeMap<&str, Limits> = hosts
        .iter()
        .filter(|host| is_wanted(host))
        .map(|host| (host.name(), site.administration.describe_host(host).limits))
        .collect();
    rows("vhost", limits.iter().map(|(name, limits)| (*name, limits)))
}

pub(crate) async fn hosts(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    listing.cut(of_hosts(&site, |host| caller.sees(host))).map(Json)
}

pub(crate) async fn of_host(State(site): State<SharedSite>, Path(name): Path<String>) -> Answer {
    let host = known_host(&site, &name).await?;
    Ok(Json(of_hosts(&site, |each| *each == host).into()))
}

pub(crate) async fn put_of_host(
    State(site): State<SharedSite>,
    Path((of, name)): Path<(String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> Done {
    let host = host(&site, &of).await?;
    limit_host(&site, &host, wished(Whose::Host, &name, &body)?).await
}

pub(crate) async fn delete_of_host(State(site): State<SharedSite>, Path((of, name)): Path<(String, String)>) -> Done {
    let host = host(&site, &of).await?;
    limit_host(&site, &host, ended(Whose::Host, &name)).await?;
    Ok(done())
}

pub(crate) async fn limit_host(site: &Site, host: &Host, limits: LimitsWish) -> Done {
    site.administration.limit_host(host, limits).await?;
    Ok(made(false))
}

pub(crate) async fn users(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    listing: Listing,
) -> Answer {
    let users = site.administration.users();
    let seen = users.iter().filter(|user| caller.sees_connections_of(&user.name));
    listing.cut(rows("user", seen.map(|user| (&*user.name, &user.limits)))).map(Json)
}

pub(crate) async fn of_user(
    State(site): State<SharedSite>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Answer {
    if !caller.sees_connections_of(&user) {
        return Err(Failure::not_authorised("User not authorised to access object"));
    }
    let user = known_user(&site, &user).await?;
    Ok(Json(rows("user", std::iter::once((&*user.name, &user.limits))).into()))
}

pub(crate) async fn put_of_user(
    State(site): State<SharedSite>,
    Path((user, name)): Path<(String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> Done {
    known_user(&site, &user).await.map_err(|_| Failure::bad(json!(["no_such_user", user])))?;
    site.administration.limit_user(&user, &wished(Whose::User, &name, &body)?).await?;
    Ok(made(false))
}

pub(crate) async fn delete_of_user(State(site): State<SharedSite>, Path((user, name)): Path<(String, String)>) -> Done {
    known_user(&site, &user).await?;
    site.administration.limit_user(&user, &ended(Whose::User, &name)).await?;
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_that_are_known() {
        let read = |whose: Whose, said: Value| whose.read(&said).ok();
        assert_eq!(read(Whose::Host, json!(null)), Some(LimitsWish::new()));
        assert_eq!(read(Whose::User, json!([])), Some(LimitsWish::new()));
        let wanted = LimitsWish::from([(Limited::Connections, Some(-1)), (Limited::Queues, Some(2))]);
        assert_eq!(read(Whose::Host, json!({"max-connections": -1, "max-queues": 2})), Some(wanted));
        for (whose, said) in [
            (Whose::User, json!({"max-queues": 2})),
            (Whose::Host, json!({"max-channels": 2})),
            (Whose::Host, json!({"max-queues": "2"})),
            (Whose::Host, json!({"max-queues": 1.5})),
            (Whose::Host, json!(7)),
        ] {
            assert_eq!(read(whose, said.clone()), None, "{said}");
        }
        let all = Whose::User.read_all(&json!({"max-channels": 1})).unwrap();
        assert_eq!(all, LimitsWish::from([(Limited::Connections, None), (Limited::Channels, Some(1))]));
    }
}
