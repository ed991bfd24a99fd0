//! Who asks: HTTP's basic authentication, by the AMQP door's own rules.

use std::net::SocketAddr;

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::answers::Failure;
use crate::caller::{Caller, need};
use crate::entrance::Entrance;
use crate::site::{SharedSite, Site};

const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Entrance>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Lets a request pass of one who has given the right password, and may do what it asks for.
pub(crate) async fn check(
    State(site): State<SharedSite>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    path: Option<MatchedPath>,
    parts: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(caller) = caller(&site, request.headers(), peer).await else {
        let mut refused = Failure::not_authorized("Login failed").into_response();
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        return refused;
    };
    let need = path.as_ref().map(|path| need(request.method(), path.as_str())).unwrap_or_default();
    if let Err(reason) = caller.check(need) {
        return Failure::not_authorised(reason).into_response();
    }
    let host = parts.iter().flatten().find(|(name, _)| *name == "host").map(|(_, host)| host.to_owned());
    if let Some(host) = host
        && !may_enter(&site, &caller, &host).await
    {
        return Failure::not_authorised("User not authorised to access virtual host").into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn caller(site: &Site, headers: &HeaderMap, peer: SocketAddr) -> Option<Caller> {
    let (user, password) = given(headers)?;
    if !site.administration.admits(&user, &password, peer).await {
        return None;
    }
    site.administration.user(&user).map(Caller::from)
}

/// Whether somebody may see what a virtual host has. That one is not there is told by whoever looks for it.
async fn may_enter(site: &Site, caller: &Caller, host: &str) -> bool {
    if caller.is_administrator() {
        return true;
    }
    match site.administration.host(host).await {
        Some(host) => site.administration.may_enter(&caller.name, &host).await,
        None => true,
    }
}

/// The user and the password that a request names.
fn given(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded.get(..colon)?.to_vec()).ok()?;
    Some((user, decoded.get(colon + 1..)?.to_vec()))
}
