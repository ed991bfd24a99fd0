//! Bytes in, bytes out: the only socket code.
//!
//! Requests of one connection are carried out in order, one at a time, as in Kafka; only
//! Produce requests overlap, since each has its place once it is handed over. Responses go
//! out in the order of the requests.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::budget::Share;
use crate::requests::{self, Call, Reply, Started};
use crate::session::Context;
use crate::wire::DecodeError;

/// Produce requests of one connection that may wait for the disk at a time.
const PENDING_MAX: usize = 256;

/// Bytes of requests that may wait for the disk at a time, per connection.
const PENDING_BYTES_MAX: usize = 16 << 20;

/// What is read at a time.
const READ_BYTES: usize = 64 << 10;

/// How much is received before anybody has said what is coming.
const FIRST_BYTES: usize = 16 << 10;

/// The most room made at once for a request that has begun to arrive.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// How long a client may take nothing of what it asked for.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How long a client may be silent; Kafka's `connections.max.idle.ms`.
const IDLE_MAX: Duration = Duration::from_secs(600);

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
    #[error("the memory for requests is used up")]
    OutOfMemory,
    #[error("the client has taken nothing for {} s", STALL_MAX.as_secs())]
    Stalled,
    #[error("the client has sent nothing for {} s", IDLE_MAX.as_secs())]
    Idle,
}

type ReplyLater = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A response that is on its way.
struct Pending {
    reply: ReplyLater,
    request_bytes: usize,
    /// Pays for the request's bytes.
    share: Share,
}

/// One client's connection.
pub(crate) struct Connection<S> {
    socket: S,
    context: Context,
    received: BytesMut,
    /// Pays for what was received beyond the first [`READ_BYTES`].
    held: Share,
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
            held: Share::default(),
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
        let mut share = std::mem::take(&mut self.held);
        let missing = request_bytes.saturating_sub(share.bytes());
        share.join(self.context.budget.take(missing).await.ok_or(ConnectionError::OutOfMemory)?);
        let call = Call::read(&self.context, frame)?;
        let reply = match requests::start(call).await? {
            Started::Overlapping(reply) => reply,
            Started::Exclusive(reply) => {
                self.exclusive = true;
                reply
            }
        };
        self.pending_bytes += request_bytes;
        self.pending.push_back(Pending { reply, request_bytes, share });
        Ok(())
    }

    async fn next_event(&mut self) -> Result<Event, ConnectionError> {
        if self.pending.is_empty() {
            return self.receive_patiently().await;
        }
        self.make_room().await?;
        // Reading goes on while a request is carried out, if only to see the client hang up;
        // how much is bounded by one frame that waits.
        let may_read = self.received.len() < READ_BYTES || self.may_start();
        let Some(pending) = self.pending.front_mut() else { return Ok(Event::Received(0)) };
        tokio::select! {
            biased;
            reply = &mut pending.reply => {
                self.pending_bytes -= pending.request_bytes;
                drop(std::mem::take(&mut pending.share));
                self.pending.pop_front();
                self.exclusive = false;
                Ok(Event::Reply(reply))
            }
            received = self.socket.read_buf(&mut self.received), if may_read => Ok(Event::Received(received?)),
        }
    }

    /// Waits for a client that owes nothing and is owed nothing.
    async fn receive_patiently(&mut self) -> Result<Event, ConnectionError> {
        if self.received.is_empty() {
            // What was read before is carried out: an idle connection holds no large buffer.
            self.received = BytesMut::new();
        }
        self.make_room().await?;
        let received = tokio::time::timeout(IDLE_MAX, self.socket.read_buf(&mut self.received)).await;
        Ok(Event::Received(received.map_err(|_| ConnectionError::Idle)??))
    }

    /// Makes room to receive: a first part, and once that has arrived the rest of the frame, as
    /// far as [`ROOM_BYTES_MAX`] goes at a time. All beyond the first part is paid for.
    async fn make_room(&mut self) -> Result<(), ConnectionError> {
        let (arrived, room) = (self.received.len(), self.received.capacity() - self.received.len());
        if arrived < FIRST_BYTES {
            if room < FIRST_BYTES {
                self.received.reserve(FIRST_BYTES);
            }
        } else if room == 0 {
            let more = self.missing().clamp(FIRST_BYTES, ROOM_BYTES_MAX);
            self.held.join(self.context.budget.take(more).await.ok_or(ConnectionError::OutOfMemory)?);
            self.received.reserve(more);
        }
        Ok(())
    }

    /// What has not arrived yet of the first frame.
    fn missing(&self) -> usize {
        let Some(prefix) = self.received.first_chunk::<4>() else { return 0 };
        let wanted = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(0);
        wanted.saturating_add(prefix.len()).saturating_sub(self.received.len())
    }
}

/// Writes all chunks with as few copies and calls as the kernel allows.
async fn write_all(socket: &mut (impl AsyncWrite + Unpin), chunks: Vec<Bytes>) -> Result<(), ConnectionError> {
    let mut chunks = VecDeque::from(chunks);
    while !chunks.is_empty() {
        let slices: Vec<IoSlice<'_>> = chunks.iter().take(SLICES_MAX).map(|chunk| IoSlice::new(chunk)).collect();
        let written = tokio::time::timeout(STALL_MAX, socket.write_vectored(&slices)).await;
        let mut written = written.map_err(|_| ConnectionError::Stalled)??;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
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
    Ok(socket.flush().await?)
}

impl<S> std::fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("context", &self.context).field("pending", &self.pending.len()).finish()
    }
}

#[cfg(test)]
mod tests;
