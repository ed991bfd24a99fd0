//! One connection to another node, as long as it holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::NodeId;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::frame::{FRAME_BYTES_MAX, FrameHeader, Kind, Service};
use crate::hello::{HelloError, Identity, check_cluster, read_hello, write_hello};
use crate::traffic::{Incoming, Outgoing, write};

/// Frames that may wait for the connection before a caller is told that it is busy.
const QUEUE_FRAMES: usize = 1024;

/// How long connecting and saying hello may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// How often a sign of life is asked for, and how many may be missed.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const MISSED_MAX: u32 = 3;

type Reply = oneshot::Sender<Result<Bytes, CallError>>;
pub(crate) type Answer = oneshot::Receiver<Result<Bytes, CallError>>;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The request was not sent.
    #[error("there is no connection to node {node}")]
    Unreachable { node: NodeId },
    /// It was not sent.
    #[error("too much waits for the connection to node {node}")]
    Busy { node: NodeId },
    /// It was not sent.
    #[error("a request may have {FRAME_BYTES_MAX} bytes at most")]
    TooLong,
    /// It was sent, and may have been carried out.
    #[error("the connection to node {node} ended before the answer came")]
    Lost { node: NodeId },
    /// It was not carried out.
    #[error("node {node} did not understand the request")]
    NotUnderstood { node: NodeId },
}

/// The callers' end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    node: NodeId,
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<Mutex<Waiting>>,
    /// Rung when the other end is about to go and nobody waits for it any more.
    left: Arc<Notify>,
}

/// Who waits for which answer.
#[derive(Debug, Default)]
struct Waiting {
    replies: HashMap<u64, Reply>,
    last_id: u64,
    /// Signs of life that were asked for since something came.
    missed: u32,
    /// Nothing more is asked: the other end is about to go, or has gone.
    has_ended: bool,
}

/// A connection that is open, to be served.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) line: Line,
    incoming: Incoming,
    queue: mpsc::Receiver<Outgoing>,
    half: tokio::net::tcp::OwnedWriteHalf,
}

/// Connects to a node and makes sure that it is the one that is wanted.
pub(crate) async fn connect(ours: &Identity, node: NodeId, address: &str) -> Result<(Open, Identity), HelloError> {
    let late = |_| HelloError::Io(std::io::ErrorKind::TimedOut.into());
    timeout(CONNECT_TIME, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&write_hello(ours)).await?;
        let theirs = read_hello(&mut stream).await?;
        check_cluster(ours, &theirs)?;
        if theirs.node != node {
            return Err(HelloError::OtherNode { node: theirs.node });
        }
        let (incoming, half) = stream.into_split();
        let (sender, queue) = mpsc::channel(QUEUE_FRAMES);
        let line = Line { node, queue: sender, waiting: Arc::default(), left: Arc::default() };
        Ok((Open { line, incoming: Incoming::new(incoming), queue, half }, theirs))
    })
    .await
    .map_err(late)?
}

impl Open {
    /// Carries requests and answers until the connection ends; says why it did.
    pub(crate) async fn serve(self) -> String {
        let Self { line, incoming, queue, half } = self;
        let reason = tokio::select! {
            reason = line.read(incoming) => reason,
            written = write(queue, half) => match written {
                Ok(()) => "it was closed here".to_owned(),
                Err(error) => error.to_string(),
            },
            () = line.watch() => format!("no sign of life in {MISSED_MAX} seconds"),
            () = line.left.notified() => "it said goodbye".to_owned(),
        };
        line.end();
        reason
    }
}

impl Line {
    /// Sends a request; the answer comes to whoever waits.
    pub(crate) fn call(&self, service: Service, pieces: Vec<Bytes>) -> Answer {
        self.send(Kind::Request(service), pieces)
    }

    /// Asks for a sign of life; what comes is empty.
    pub(crate) fn ping(&self) -> Answer {
        self.send(Kind::Ping, Vec::new())
    }

    fn send(&self, kind: Kind, pieces: Vec<Bytes>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.last_id += 1;
        let id = waiting.last_id;
        let error = if waiting.has_ended {
            Some(CallError::Unreachable { node: self.node })
        } else if let Some(header) = FrameHeader::of(kind, id, &pieces) {
            // Under the lock, so that requests leave in the order of their numbers.
            let sent = self.queue.try_send(Outgoing { header, pieces });
            sent.is_err().then_some(CallError::Busy { node: self.node })
        } else {
            Some(CallError::TooLong)
        };
        match error {
            // Nobody listens if the caller has gone meanwhile.
            Some(error) => drop(reply.send(Err(error))),
            None => drop(waiting.replies.insert(id, reply)),
        }
        answer
    }

    async fn read(&self, mut incoming: Incoming) -> String {
        loop {
            match incoming.next().await {
                Ok(Some((header, payload))) => self.take(header, payload),
                Ok(None) => return "it was closed there".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn take(&self, header: FrameHeader, payload: Bytes) {
        let mut waiting = self.waiting.lock();
        waiting.missed = 0;
        let answer = match header.kind {
            Kind::Answer | Kind::Pong => Some(Ok(payload)),
            Kind::NoAnswer => Some(Err(CallError::NotUnderstood { node: self.node })),
            Kind::Goodbye => {
                waiting.has_ended = true;
                None
            }
            Kind::Request(_) | Kind::Ping => None,
        };
        if let Some((answer, reply)) = answer.zip(waiting.replies.remove(&header.id)) {
            drop(reply.send(answer));
        }
        self.leave(&waiting);
    }

    /// Whether nothing more can be asked.
    pub(crate) fn has_ended(&self) -> bool {
        self.waiting.lock().has_ended
    }

    /// Whether the last sign of life that was asked for has come, or is not late yet.
    pub(crate) fn is_heard(&self) -> bool {
        let waiting = self.waiting.lock();
        !waiting.has_ended && waiting.missed <= 1
    }

    fn leave(&self, waiting: &Waiting) {
        if waiting.has_ended && waiting.replies.is_empty() {
            self.left.notify_one();
        }
    }

    /// Ends when the other end has given no sign of life for long.
    async fn watch(&self) {
        loop {
            sleep(PING_INTERVAL).await;
            {
                let mut waiting = self.waiting.lock();
                waiting.missed += 1;
                if waiting.missed > MISSED_MAX {
                    return;
                }
                // Who gave up waits no more; their places would pile up on a node that never answers.
                waiting.replies.retain(|_, reply| !reply.is_closed());
                self.leave(&waiting);
            }
            if let Some(header) = FrameHeader::of(Kind::Ping, 0, &[]) {
                // If the queue is full, what is in it asks for a sign of life, too.
                drop(self.queue.try_send(Outgoing { header, pieces: Vec::new() }));
            }
        }
    }

    fn end(&self) {
        let mut waiting = self.waiting.lock();
        waiting.has_ended = true;
        for (_, reply) in waiting.replies.drain() {
            drop(reply.send(Err(CallError::Lost { node: self.node })));
        }
    }
}
