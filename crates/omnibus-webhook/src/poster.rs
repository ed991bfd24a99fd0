//! Requests and answers.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use tokio_rustls::TlsConnector;

use crate::challenge;
use crate::connecting::{Connection, connect};
use crate::error::{PostError, SetupError};
use crate::pool::Pool;
use crate::reach::Reach;
use crate::target::{Server, Target};
use crate::tls;

/// How a poster calls.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a connection may take to be made.
    pub connect_time_max: Duration,
    /// How long a whole post may take.
    pub time_max: Duration,
    /// What is read of an answer at most.
    pub answer_bytes_max: usize,
    pub reach: Reach,
    /// A file of certificates in PEM; those that the system trusts if none is named.
    pub certificates_file: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_time_max: Duration::from_secs(5),
            time_max: Duration::from_secs(15),
            answer_bytes_max: 64 << 10,
            reach: Reach::default(),
            certificates_file: None,
        }
    }
}

/// Something to post.
#[derive(Clone, Debug)]
pub struct Post {
    pub url: String,
    /// All but Host and Content-Length.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// What the header Authorization says to a server that asks for it by the scheme [`BASIC`].
    pub authorization: Option<String>,
}

/// The scheme by which a server is told who calls.
pub const BASIC: &str = "basic";

/// An answer, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Empty if it was longer than what is read.
    pub body: Bytes,
    /// The schemes by which the server wants to be told who calls, in lower case.
    pub challenges: Vec<String>,
}

impl Answer {
    /// Whether the server wants to be told who calls.
    #[must_use]
    pub const fn asks_who(&self) -> bool {
        self.status == 401
    }

    /// Whether it wants to be told so by a scheme.
    #[must_use]
    pub fn asks_who_by(&self, scheme: &str) -> bool {
        self.asks_who() && self.challenges.iter().any(|each| each == scheme)
    }

    /// Whether the server took what was posted.
    #[must_use]
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }

    /// Whether the server will never take it: its 4xx, but for "too many requests".
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.status >= 400 && self.status < 500 && self.status != 429
    }
}

/// Posts to HTTP servers.
#[expect(missing_debug_implementations, reason = "a TLS connector has none")]
pub struct Poster {
    settings: Settings,
    /// What the system trusts is looked up for the first https call: a start need not wait for it.
    tls: OnceLock<Option<TlsConnector>>,
    pool: Pool,
}

impl Poster {
    /// Makes a poster.
    ///
    /// # Errors
    /// [`SetupError`] if there are no certificates in the file that was chosen.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let tls = match settings.certificates_file.as_deref() {
            Some(chosen) => OnceLock::from(tls::connector(Some(chosen))?),
            None => OnceLock::new(),
        };
        Ok(Self { settings, tls, pool: Pool::default() })
    }

    /// Checks that a URL can be called, as far as it says so itself.
    ///
    /// # Errors
    /// [`PostError::Url`].
    pub fn check(url: &str) -> Result<(), PostError> {
        Target::read(url).map(drop)
    }

    /// Posts, and reads the answer. A server that asks who calls is told if the post says it; nobody is told unasked.
    ///
    /// # Errors
    /// [`PostError`] if there is none.
    pub async fn post(&self, post: &Post) -> Result<Answer, PostError> {
        let target = Target::read(&post.url)?;
        let answered = self.introduced(&target, post);
        tokio::time::timeout(self.settings.time_max, answered).await.unwrap_or(Err(PostError::TimedOut))
    }

    async fn introduced(&self, target: &Target, post: &Post) -> Result<Answer, PostError> {
        let answer = self.exchange(&target.server, request(target, post)?).await?;
        let Some(authorization) = post.authorization.as_ref().filter(|_| answer.asks_who_by(BASIC)) else {
            return Ok(answer);
        };
        let mut request = request(target, post)?;
        let unsendable = |_| PostError::Header { name: AUTHORIZATION.to_string() };
        let mut value = HeaderValue::from_str(authorization).map_err(unsendable)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        self.exchange(&target.server, request).await
    }

    async fn exchange(&self, server: &Server, request: Request<Full<Bytes>>) -> Result<Answer, PostError> {
        let mut request = request;
        // The server may have closed a connection that was kept at the moment it is used again; then
        // nothing of the request was sent, and it is given back.
        while let Some(mut connection) = self.pool.take(server) {
            match connection.try_send_request(request).await {
                Ok(response) => return self.read(server, connection, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&error.into_error())),
                },
            }
        }
        let mut connection = self.connect(server).await?;
        let response = connection.send_request(request).await.map_err(|error| broken(&error))?;
        self.read(server, connection, response).await
    }

    async fn connect(&self, server: &Server) -> Result<Connection, PostError> {
        let tls = if server.is_secure { self.tls() } else { None };
        let connecting = connect(server, self.settings.reach, tls);
        tokio::time::timeout(self.settings.connect_time_max, connecting).await.unwrap_or(Err(PostError::TimedOut))
    }

    fn tls(&self) -> Option<&TlsConnector> {
        let system = || {
            tls::connector(None).unwrap_or_else(|error| {
                tracing::error!(%error, "no server can be called by https");
                None
            })
        };
        self.tls.get_or_init(system).as_ref()
    }

    /// Reads an answer; keeps the connection if all of it was read.
    async fn read(
        &self,
        server: &Server,
        mut connection: Connection,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Answer, PostError> {
        let status = response.status().as_u16();
        let challenges = challenge::schemes(response.headers());
        let body = match Limited::new(response.into_body(), self.settings.answer_bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            // Too long, or cut short: the status was said.
            Err(_) => return Ok(Answer { status, body: Bytes::new(), challenges }),
        };
        // It takes the next request once it has seen the end of this answer.
        if let Ok(Ok(())) = tokio::time::timeout(self.settings.connect_time_max, connection.ready()).await {
            self.pool.put(server.clone(), connection);
        }
        Ok(Answer { status, body, challenges })
    }
}

fn request(target: &Target, post: &Post) -> Result<Request<Full<Bytes>>, PostError> {
    let mut request = Request::new(Full::new(post.body.clone()));
    *request.method_mut() = hyper::Method::POST;
    let unreadable = || PostError::Url { url: post.url.clone(), reason: "it cannot be read" };
    *request.uri_mut() = target.path.parse().map_err(|_| unreadable())?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&target.authority).map_err(|_| unreadable())?);
    for (name, value) in &post.headers {
        let unsendable = || PostError::Header { name: name.clone() };
        let key: HeaderName = name.parse().map_err(|_| unsendable())?;
        headers.insert(key, HeaderValue::from_str(value).map_err(|_| unsendable())?);
    }
    Ok(request)
}

fn broken(error: &hyper::Error) -> PostError {
    PostError::Broken { reason: error.to_string() }
}
