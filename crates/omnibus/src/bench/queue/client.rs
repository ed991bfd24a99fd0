//! One connection that speaks SQS, as AWS JSON 1.0.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// The most bytes of an answer: ten messages of 1 MiB whose every character is escaped.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Servers that check no signatures want one all the same.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/sqs/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=00";

pub(super) struct Client {
    authority: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueCreated {
    queue_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Received {
    /// Left out where there are none.
    #[serde(default)]
    pub(super) messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    pub(super) receipt_handle: String,
    pub(super) body: String,
}

/// The answer to a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Outcome {
    #[serde(default)]
    pub(super) failed: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Client {
    /// Reads the address; nothing is connected yet.
    pub(super) fn new(url: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").with_context(|| format!("--sqs {url}: write http://HOST:PORT"))?;
        Ok(Self { authority: authority.trim_end_matches('/').to_owned(), connection: None })
    }

    /// Makes a queue, or finds the one that is there.
    pub(super) async fn create_queue(&mut self, name: &str, is_fifo: bool) -> Result<String> {
        let attributes = if is_fifo { serde_json::json!({ "FifoQueue": "true" }) } else { serde_json::json!({}) };
        let body = serde_json::json!({ "QueueName": name, "Attributes": attributes });
        let created: QueueCreated = self.call("CreateQueue", body.to_string()).await?;
        Ok(created.queue_url)
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call<T: DeserializeOwned>(&mut self, action: &str, body: String) -> Result<T> {
        let request = Request::post("/")
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AmazonSQS.{action}"))
            .header("x-amz-date", "20260101T000000Z")
            .header(AUTHORIZATION, SIGNATURE)
            .body(Full::new(Bytes::from(body)))?;
        let response = self.connection().await?.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let answer = answer.map_err(|error| anyhow::anyhow!("{action}: {error}"))?.to_bytes();
        if !status.is_success() {
            bail!("{action} was answered with {status}: {}", String::from_utf8_lossy(&answer));
        }
        // Some servers answer with nothing where there is nothing to say.
        let answer: &[u8] = if answer.is_empty() { b"{}" } else { &answer };
        serde_json::from_slice(answer).with_context(|| format!("{action}: the answer is not what SQS says"))
    }

    /// The connection; a new one where the server has closed the last.
    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(open) = &mut self.connection
            && open.ready().await.is_err()
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let socket = TcpStream::connect(&self.authority).await;
            let socket = socket.with_context(|| format!("nobody answers at {}", self.authority))?;
            socket.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
            // What goes wrong on it is told to who sends.
            tokio::spawn(async move { drop(connection.await) });
            self.connection = Some(sender);
        }
        self.connection.as_mut().context("there is no connection")
    }
}
