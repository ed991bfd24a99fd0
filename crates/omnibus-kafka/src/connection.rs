//! Bytes in, bytes out: the only socket code.
//!
//! Requests of one connection are carried out in order, one at a time, as in Kafka; only
//! Produce requests overlap, since each has its place once it is handed over. Responses go
//! out in the order of the requests.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::requests::{self, Call, Reply, Started};
use crate::session::Context;
use crate::wire::DecodeError;

/// Produce requests of one connection that may wait for the disk at a time.
const PENDING_MAX: usize = 256;

/// Bytes of requests that may wait for the disk at a time, per connection.
const PENDING_BYTES_MAX: usize = 16 << 20;

/// What is read at a time.
const READ_BYTES: usize = 64 << 10;

/// Chunks handed to the kernel at a time.
const SLICES_MAX: usize = 64;

/// Why a connection ended before its client closed it.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("a frame of {length} bytes is not within 0 to {max}")]
    FrameLength { length: i32, max: usize },
    #[error("a request could not be read: {0}")]
    Request(#[from] DecodeError),
    #[error("the protocol knows no answer but to hang up")]
    NoAnswer,
}

type ReplyLater = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A response that is on its way.
struct Pending {
    reply: ReplyLater,
    request_bytes: usize,
}

/// One client's connection.
pub(crate) struct Connection<S> {
    socket: S,
    context: Context,
    received: BytesMut,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// A request that others must not overtake is being carried out.
    exclusive: bool,
}

enum Event {
    Reply(Reply),
    Received(usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(socket: S, context: Context) -> Self {
        Self {
            socket,
            context,
            received: BytesMut::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            exclusive: false,
        }
    }

    /// Serves until the client closes the connection.
    pub(crate) async fn serve(mut self) -> Result<(), ConnectionError> {
        loop {
            while self.may_start() {
                let Some(frame) = self.next_frame()? else { break };
                self.start(frame).await?;
            }
            match self.next_event().await? {
                Event::Received(0) => return Ok(()),
                Event::Received(_) => {}
                Event::Reply(Reply::Chunks(chunks)) => write_all(&mut self.socket, chunks).await?,
                Event::Reply(Reply::Nothing) => {}
                Event::Reply(Reply::HangUp) => return Err(ConnectionError::NoAnswer),
            }
        }
    }

    fn may_start(&self) -> bool {
        !self.exclusive && self.pending.len() < PENDING_MAX && self.pending_bytes < PENDING_BYTES_MAX
    }

    /// Takes one whole frame from what was received.
    fn next_frame(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        let Some(prefix) = self.received.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        let max = self.context.settings.request_bytes_max;
        let wanted = usize::try_from(length).ok().filter(|wanted| *wanted <= max);
        let wanted = wanted.ok_or(ConnectionError::FrameLength { length, max })?;
        if self.received.len() - 4 < wanted {
            return Ok(None);
        }
        // An exclusive request waits for all that overlap.
        if !self.pending.is_empty() && !requests::may_overlap(&self.received[4..]) {
            return Ok(None);
        }
        self.received.advance(4);
        Ok(Some(self.received.split_to(wanted).freeze()))
    }

    async fn start(&mut self, frame: Bytes) -> Result<(), ConnectionError> {
        let request_bytes = frame.len();
        let call = Call::read(&self.context, frame)?;
        let reply = match requests::start(call).await? {
            Started::Overlapping(reply) => reply,
            Started::Exclusive(reply) => {
                self.exclusive = true;
                reply
            }
        };
        self.pending_bytes += request_bytes;
        self.pending.push_back(Pending { reply, request_bytes });
        Ok(())
    }

    async fn next_event(&mut self) -> Result<Event, ConnectionError> {
        // Reading goes on while a request is carried out, if only to see the client hang up;
        // how much is bounded by one frame that waits.
        let may_read = self.received.len() < READ_BYTES || self.may_start();
        let Some(pending) = self.pending.front_mut() else {
            return Ok(Event::Received(read(&mut self.socket, &mut self.received).await?));
        };
        tokio::select! {
            biased;
            reply = &mut pending.reply => {
                self.pending_bytes -= pending.request_bytes;
                self.pending.pop_front();
                self.exclusive = false;
                Ok(Event::Reply(reply))
            }
            received = read(&mut self.socket, &mut self.received), if may_read => Ok(Event::Received(received?)),
        }
    }
}

/// Reads what there is; the buffer grows only with what has arrived.
async fn read(socket: &mut (impl AsyncRead + Unpin), received: &mut BytesMut) -> io::Result<usize> {
    let room = received.len().clamp(READ_BYTES, 1 << 20);
    if received.capacity() - received.len() < READ_BYTES / 4 {
        received.reserve(room);
    }
    socket.read_buf(received).await
}

/// Writes all chunks with as few copies and calls as the kernel allows.
async fn write_all(socket: &mut (impl AsyncWrite + Unpin), chunks: Vec<Bytes>) -> io::Result<()> {
    let mut chunks = VecDeque::from(chunks);
    while !chunks.is_empty() {
        let slices: Vec<IoSlice<'_>> = chunks.iter().take(SLICES_MAX).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = socket.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(chunk) = chunks.front_mut() {
            if chunk.len() > written {
                chunk.advance(written);
                break;
            }
            written -= chunk.len();
            chunks.pop_front();
        }
    }
    socket.flush().await
}

impl<S> std::fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("context", &self.context).field("pending", &self.pending.len()).finish()
    }
}
