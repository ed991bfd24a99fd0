//! One socket: requests go out as they are asked, answers come back in the same order.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::{ClientError, check};
use crate::wire::header::{request_header_version, response_header_version};
use crate::wire::messages::api_versions_request::ApiVersionsRequest;
use crate::wire::messages::api_versions_response::ApiVersionsResponse;
use crate::wire::messages::request_header::RequestHeader;
use crate::wire::messages::response_header::ResponseHeader;
use crate::wire::{ApiKey, ErrorCode, Input, Message, Output, Request, Versions, WireString};

const CONNECT_DURATION_MAX: Duration = Duration::from_secs(10);
/// Requests that may be on their way to the socket.
const OUTGOING_MAX: usize = 64;
/// Requests that may wait for their answers.
const WAITING_MAX: usize = 4096;
/// Chunks handed to the kernel at a time.
const SLICES_MAX: usize = 64;
/// The longest answer that is believed.
const FRAME_BYTES_MAX: usize = 256 << 20;
const READ_BYTES: usize = 256 << 10;

/// An open connection. A clone is another handle of the same.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Outgoing>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    client_id: WireString,
    correlation: AtomicI32,
    /// What the other side speaks; empty until it has said so.
    versions: OnceLock<BTreeMap<i16, Versions>>,
    /// Why the connection ended.
    ended: OnceLock<String>,
}

#[derive(Debug)]
struct Outgoing {
    chunks: Vec<Bytes>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    correlation: i32,
    reply: oneshot::Sender<Bytes>,
}

/// An answer on its way. Dropping it does not take the request back.
#[derive(Debug)]
pub struct Answer<T> {
    reply: oneshot::Receiver<Bytes>,
    shared: Arc<Shared>,
    key: ApiKey,
    version: i16,
    kind: PhantomData<fn() -> T>,
}

impl Connection {
    /// Connects to `host:port` and learns which versions it speaks.
    ///
    /// # Errors
    /// If nobody answers there, or not as a Kafka broker would.
    pub async fn open(address: &str, client_id: &str) -> Result<Self, ClientError> {
        let failed = |reason: String| ClientError::Connect { address: address.to_owned(), reason };
        let connecting = tokio::time::timeout(CONNECT_DURATION_MAX, TcpStream::connect(address)).await;
        let socket = connecting.map_err(|_| failed("it took too long".to_owned()))?;
        let socket = socket.map_err(|error| failed(error.to_string()))?;
        socket.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        Self::over(socket, address, client_id).await
    }

    /// Speaks over a socket that is connected; `address` is for messages.
    ///
    /// # Errors
    /// If the other side does not answer as a Kafka broker would.
    pub async fn over<S>(socket: S, address: &str, client_id: &str) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(socket);
        let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
        let (wait, waiting) = mpsc::channel(WAITING_MAX);
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            client_id: client_id.into(),
            correlation: AtomicI32::new(0),
            versions: OnceLock::new(),
            ended: OnceLock::new(),
        });
        let (of_writer, of_reader) = (Arc::clone(&shared), Arc::clone(&shared));
        drop(tokio::spawn(of_writer.write(writer, to_write, wait)));
        drop(tokio::spawn(of_reader.read(reader, waiting)));
        let connection = Self { shared, outgoing };
        connection.learn_versions().await?;
        Ok(connection)
    }

    /// Whether requests can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.ended.get().is_none()
    }

    /// Returns where the connection leads.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Returns the newest version of a request that both sides speak.
    ///
    /// # Errors
    /// [`ClientError::VersionUnsupported`].
    pub fn version(&self, key: ApiKey) -> Result<i16, ClientError> {
        let ours = key.served();
        let theirs = self.shared.versions.get().and_then(|versions| versions.get(&key.number()));
        let version = theirs.map(|theirs| theirs.max.min(ours.max));
        let common = |version: &i16| theirs.is_some_and(|theirs| theirs.contains(*version)) && ours.contains(*version);
        let unsupported = || ClientError::VersionUnsupported { address: self.shared.address.clone(), key };
        version.filter(common).ok_or_else(unsupported)
    }

    /// Sends a request in the newest common version, and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.start(request).await?.wait().await
    }

    /// Sends a request in the newest common version; the answer can be waited for later.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn start<R: Request>(&self, request: &R) -> Result<Answer<R::Response>, ClientError> {
        self.start_as(request, self.version(R::KEY)?).await
    }

    /// Sends a request in a version of the caller's choice.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn start_as<R: Request>(&self, request: &R, version: i16) -> Result<Answer<R::Response>, ClientError> {
        let correlation = self.shared.correlation.fetch_add(1, Ordering::Relaxed);
        let chunks = self.encoded(request, version, correlation)?;
        let (sender, reply) = oneshot::channel();
        self.send(Outgoing { chunks, waiting: Some(Waiting { correlation, reply: sender }) }).await?;
        Ok(Answer { reply, shared: Arc::clone(&self.shared), key: R::KEY, version, kind: PhantomData })
    }

    /// Sends a request that has no answer: Produce with `acks` 0.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn send_unanswered<R: Request>(&self, request: &R) -> Result<(), ClientError> {
        let correlation = self.shared.correlation.fetch_add(1, Ordering::Relaxed);
        let chunks = self.encoded(request, self.version(R::KEY)?, correlation)?;
        self.send(Outgoing { chunks, waiting: None }).await
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), ClientError> {
        self.outgoing.send(outgoing).await.map_err(|_| self.shared.closed())
    }

    fn encoded<R: Request>(&self, request: &R, version: i16, correlation: i32) -> Result<Vec<Bytes>, ClientError> {
        let header = RequestHeader {
            request_api_key: R::KEY.number(),
            request_api_version: version,
            correlation_id: correlation,
            client_id: Some(self.shared.client_id.clone()),
        };
        let mut out = Output::framed();
        let written = header
            .encode(&mut out, request_header_version(R::KEY, version))
            .and_then(|()| request.encode(&mut out, version));
        written.map_err(|error| ClientError::Encode { key: R::KEY, error })?;
        Ok(out.into_chunks())
    }

    /// Asks in our newest version. Who does not know that says so in version 0, and is asked again.
    async fn learn_versions(&self) -> Result<(), ClientError> {
        let key = ApiKey::ApiVersions;
        let newest = key.served().max;
        let mut request = ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let body = self.start_as(&request, newest).await?.bytes().await?;
        let unsupported = ErrorCode::UnsupportedVersion.number().to_be_bytes();
        let response = if body.get(4..6) == Some(&unsupported) {
            request = ApiVersionsRequest::default();
            self.start_as(&request, 0).await?.wait().await?
        } else {
            decode::<ApiVersionsResponse>(key, body, newest)?
        };
        check(key, response.error_code)?;
        let versions = |api: &crate::wire::messages::api_versions_response::ApiVersion| {
            (api.api_key, Versions { min: api.min_version, max: api.max_version })
        };
        self.shared.versions.get_or_init(|| response.api_keys.iter().map(versions).collect());
        Ok(())
    }
}

impl<T: Message> Answer<T> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// If the connection ends before it comes, or it cannot be read.
    pub async fn wait(self) -> Result<T, ClientError> {
        let (key, version) = (self.key, self.version);
        decode(key, self.bytes().await?, version)
    }

    async fn bytes(self) -> Result<Bytes, ClientError> {
        let Self { reply, shared, .. } = self;
        reply.await.map_err(|_| shared.closed())
    }
}

impl Shared {
    fn closed(&self) -> ClientError {
        ClientError::Closed { reason: self.ended.get().cloned().unwrap_or_else(|| "it was given up".to_owned()) }
    }

    async fn write<W: AsyncWrite + Unpin>(
        self: Arc<Self>,
        socket: W,
        mut outgoing: mpsc::Receiver<Outgoing>,
        waiting: mpsc::Sender<Waiting>,
    ) {
        let result = write(socket, &mut outgoing, waiting).await;
        // Only then the channel closes: who waits finds the reason.
        self.end(result);
    }

    async fn read<R: AsyncRead + Unpin>(self: Arc<Self>, socket: R, mut waiting: mpsc::Receiver<Waiting>) {
        let result = read(socket, &mut waiting).await;
        self.end(result);
    }

    fn end(&self, result: io::Result<()>) {
        let reason = result.err().map_or_else(|| "the other side hung up".to_owned(), |error| error.to_string());
        self.ended.get_or_init(|| reason);
    }
}

fn decode<T: Message>(key: ApiKey, bytes: Bytes, version: i16) -> Result<T, ClientError> {
    let mut input = Input::from(bytes);
    ResponseHeader::decode(&mut input, response_header_version(key, version))
        .and_then(|_| T::decode(&mut input, version))
        .map_err(|error| ClientError::Decode { key, error })
}

/// Writes requests, several at a time if they are there. Ends when the last handle is gone.
async fn write<W: AsyncWrite + Unpin>(
    mut socket: W,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    waiting: mpsc::Sender<Waiting>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(OUTGOING_MAX);
    while outgoing.recv_many(&mut batch, OUTGOING_MAX).await > 0 {
        let mut chunks = Vec::with_capacity(batch.len());
        for next in batch.drain(..) {
            if let Some(wait) = next.waiting
                && waiting.send(wait).await.is_err()
            {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            chunks.extend(next.chunks);
        }
        write_all(&mut socket, chunks).await?;
    }
    socket.shutdown().await
}

async fn write_all<W: AsyncWrite + Unpin>(socket: &mut W, mut chunks: Vec<Bytes>) -> io::Result<()> {
    let mut first = 0;
    while first < chunks.len() {
        let slices: Vec<_> = chunks.iter().skip(first).take(SLICES_MAX).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = socket.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(chunk) = chunks.get_mut(first).filter(|_| written > 0) {
            let step = written.min(chunk.len());
            chunk.advance(step);
            written -= step;
            first += usize::from(chunk.is_empty());
        }
    }
    socket.flush().await
}

/// Reads answers and hands each to the oldest that waits.
async fn read<R: AsyncRead + Unpin>(mut socket: R, waiting: &mut mpsc::Receiver<Waiting>) -> io::Result<()> {
    let mut received = BytesMut::with_capacity(READ_BYTES);
    loop {
        while let Some(frame) = take_frame(&mut received)? {
            let Some(wait) = waiting.recv().await else { return Ok(()) };
            let correlation = frame.first_chunk().map(|id| i32::from_be_bytes(*id));
            if correlation != Some(wait.correlation) {
                return Err(io::Error::other("an answer to something that was not asked"));
            }
            // Who no longer waits does not mind.
            drop(wait.reply.send(frame));
        }
        received.reserve(READ_BYTES);
        if socket.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

fn take_frame(received: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some(prefix) = received.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(*prefix)).map_err(io::Error::other)?;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("an answer of {length} bytes is not Kafka's")));
    }
    if received.len() - 4 < length {
        received.reserve(length + 4 - received.len());
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}
