//! What requests answer, and what each refusal is called: the only place that knows the status codes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use omnibus_amqp::administration::{Host, Refused, UserInfo};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::json::Unfit;
use crate::site::Site;

/// An answer that says why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    error: &'static str,
    reason: Value,
}

/// What a request answers that asks for something.
pub(crate) type Answer = Result<Json<Value>, Failure>;

/// What a request answers that changes something.
pub(crate) type Done = Result<Response, Failure>;

impl Failure {
    /// What is named by the path is not there.
    pub(crate) fn missing() -> Self {
        Self { status: StatusCode::NOT_FOUND, error: "Object Not Found", reason: json!("Not Found") }
    }

    /// What is named by the request is not there.
    pub(crate) fn not_found(reason: impl Into<Value>) -> Self {
        Self { status: StatusCode::NOT_FOUND, error: "not_found", reason: reason.into() }
    }

    pub(crate) fn bad(reason: impl Into<Value>) -> Self {
        Self::of("bad_request", reason)
    }

    /// A bad request that RabbitMQ has another name for.
    pub(crate) fn of(error: &'static str, reason: impl Into<Value>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, reason: reason.into() }
    }

    pub(crate) fn not_authorized(reason: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "not_authorized", reason: json!(reason) }
    }

    /// He is known, and may not.
    pub(crate) fn not_authorised(reason: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "not_authorised", reason: json!(reason) }
    }

    /// A check that failed; `more` is told beside it.
    pub(crate) fn unwell(more: Value) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, Json(more)).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, error, reason } = self;
        (status, Json(json!({ "error": error, "reason": reason }))).into_response()
    }
}

impl From<Refused> for Failure {
    fn from(Refused { code, name, text }: Refused) -> Self {
        let (status, error) = match code {
            404 => (StatusCode::NOT_FOUND, "not_found"),
            403 => (StatusCode::UNAUTHORIZED, "not_authorised"),
            320 => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
            541 => {
                tracing::error!(text, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error")
            }
            // As RabbitMQ tells them: with their number.
            405 | 540 => {
                let reason = format!("{code} {name} - {text}");
                return Self { status: StatusCode::BAD_REQUEST, error: "bad_request", reason: json!(reason) };
            }
            _ => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Self { status, error, reason: json!(text) }
    }
}

impl From<Unfit> for Failure {
    fn from(Unfit(reason): Unfit) -> Self {
        Self::bad(reason)
    }
}

impl From<PathRejection> for Failure {
    fn from(_: PathRejection) -> Self {
        Self::missing()
    }
}

pub(crate) async fn unknown_path() -> Failure {
    Failure::missing()
}

pub(crate) async fn unknown_method() -> (StatusCode, Json<Value>) {
    let reason = "this path does not take this method";
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({ "error": "method_not_allowed", "reason": reason })))
}

/// Finds the virtual host in which something is to be changed.
pub(crate) async fn host(site: &Site, name: &str) -> Result<Host, Failure> {
    site.administration.host(name).await.ok_or_else(|| Failure::not_found("vhost_not_found"))
}

/// Finds the virtual host of which something is to be told.
pub(crate) async fn known_host(site: &Site, name: &str) -> Result<Host, Failure> {
    site.administration.host(name).await.ok_or_else(Failure::missing)
}

/// Finds a user, also one who was made at another node a moment ago.
pub(crate) async fn known_user(site: &Site, user: &str) -> Result<UserInfo, Failure> {
    if let Some(found) = site.administration.user(user) {
        return Ok(found);
    }
    site.administration.engine().learn_names().await;
    site.administration.user(user).ok_or_else(Failure::missing)
}

/// What was made, or was there already.
pub(crate) fn made(is_new: bool) -> Response {
    let status = if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    // RabbitMQ sends an empty body that says how long it is.
    (status, [(header::CONTENT_LENGTH, HeaderValue::from_static("0"))]).into_response()
}

/// It was done, and there is nothing to say.
pub(crate) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Reads a truth value; some clients write it as text.
pub(crate) fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    match Value::deserialize(input)? {
        Value::Bool(value) => Ok(value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(D::Error::custom(format!("not_boolean: {other}"))),
    }
}

/// Reads an object; some languages write an empty one as an empty list.
pub(crate) fn object<'de, D: Deserializer<'de>>(input: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(input)? {
        Value::Object(fields) => Ok(fields),
        Value::Array(empty) if empty.is_empty() => Ok(Map::new()),
        other => Err(D::Error::custom(format!("not an object: {other}"))),
    }
}

/// Reads a whole number, or nothing; some clients write it as text.
pub(crate) fn whole<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(input)?;
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    if number.is_none() && !value.is_null() {
        return Err(D::Error::custom(format!("not_int: {value}")));
    }
    Ok(number)
}

/// The JSON that a request carries, whatever it says of its kind. One without a body is an empty object.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            Failure { status, error: "bad_request", reason: json!(rejection.body_text()) }
        })?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value: Value = serde_json::from_slice(text).map_err(|_| Failure::bad("not_json"))?;
        serde_json::from_value(value).map(Self).map_err(|error| Failure::bad(error.to_string()))
    }
}
