//! Speaks to the admin API of a running broker.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use omnibus_admin_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::output::Misuse;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the admin API is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AdminArgs {
    /// Where the broker's admin API is.
    #[arg(
        long,
        value_name = "URL",
        env = "OMNIBUS_ADMIN",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9644"
    )]
    admin: String,
}

/// A client of the admin API.
#[derive(Clone, Debug)]
pub(crate) struct AdminClient {
    /// Host and port.
    authority: String,
}

impl AdminArgs {
    /// The admin API at another address.
    pub(crate) fn at(address: &str) -> Self {
        Self { admin: address.to_owned() }
    }

    /// Reads the address; nothing is connected yet.
    pub(crate) fn client(&self) -> Result<AdminClient> {
        let address = self.admin.strip_prefix("http://").unwrap_or(&self.admin).trim_end_matches('/');
        // A number alone would be taken for a host.
        let is_number = address.bytes().all(|byte| byte.is_ascii_digit());
        if address.contains("://") || address.contains('/') || is_number {
            bail!(Misuse(format!("--admin {}: write http://HOST:PORT", self.admin)));
        }
        let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { address.to_owned() } else { format!("{address}:9644") };
        Ok(AdminClient { authority })
    }
}

impl AdminClient {
    /// Asks for what is at `path`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path).await
    }

    /// Sends `body` and reads the answer.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body)?;
        self.exchange(method, path, body.into()).await.and_then(|answer| parsed(&answer))
    }

    /// Asks for something to be done that needs no words but its path.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T> {
        self.exchange(method, path, Bytes::new()).await.and_then(|answer| parsed(&answer))
    }

    /// Deletes what is at `path`.
    async fn delete(&self, path: &str) -> Result<()> {
        self.exchange(Method::DELETE, path, Bytes::new()).await.map(drop)
    }

    /// Deletes what is at each of these paths, until one cannot be; tells how many went.
    pub(crate) async fn delete_each(&self, paths: impl Iterator<Item = String>) -> (usize, Result<()>) {
        let mut deleted = 0;
        for path in paths {
            if let Err(error) = self.delete(&path).await {
                return (deleted, Err(error));
            }
            deleted += 1;
        }
        (deleted, Ok(()))
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange_at_leisure(method, path, body));
        exchange.await.map_err(|_| anyhow!("{} gave no answer within {PATIENCE:?}", self.authority))?
    }

    async fn exchange_at_leisure(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let socket = TcpStream::connect(&self.authority).await.map_err(|error| {
            anyhow!(
                "no admin API at http://{}: {error}; start a broker with `omnibus serve`, or name another with \
                 --admin or OMNIBUS_ADMIN",
                self.authority
            )
        })?;
        let not_ours = || format!("http://{} does not answer as the admin API of Omnibus does", self.authority);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (mut sender, connection) = handshake.with_context(not_ours)?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await.with_context(not_ours)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("the answer was cut off: {error}"))?.to_bytes();
        connection.abort();
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => bail!("http://{}{path} answered {status}; is it the admin API of Omnibus?", self.authority),
        }
    }
}

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T> {
    serde_json::from_slice(answer).context("the answer is not as expected; is the broker of another version?")
}

/// Runs the work of a client verb.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Writes a name so that it can stand in a path or a query.
pub(crate) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_letters_fit_into_paths() {
        assert_eq!(escaped("orders-1.x_y~z"), "orders-1.x_y~z");
        assert_eq!(escaped("a/b ?ü"), "a%2Fb%20%3F%C3%BC");
    }

    #[test]
    fn address_may_lack_scheme_and_port() {
        for (given, expected) in [
            ("http://broker:1/", Some("broker:1")),
            ("broker", Some("broker:9644")),
            ("https://broker", None),
            ("9644", None),
            ("", None),
            ("broker/v1", None),
        ] {
            let args = AdminArgs { admin: given.to_owned() };
            assert_eq!(args.client().ok().map(|client| client.authority).as_deref(), expected, "{given}");
        }
    }
}
