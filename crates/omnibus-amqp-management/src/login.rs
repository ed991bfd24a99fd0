//! Who asks: HTTP's basic authentication, by the AMQP door's own rules.

use std::net::SocketAddr;

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::answers::Failure;
use crate::entrance::Entrance;
use crate::site::SharedSite;

const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Entrance>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Who has logged in.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

/// Lets a request pass of one who has given the right password.
pub(crate) async fn check(
    State(site): State<SharedSite>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = given(request.headers());
    match given.filter(|(user, password)| site.administration.admits(user, password, peer)) {
        Some((user, _)) => {
            request.extensions_mut().insert(User(user));
            next.run(request).await
        }
        None => {
            let mut refused = Failure::not_authorized("Login failed").into_response();
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
            refused
        }
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
