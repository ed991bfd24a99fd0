//! Where other nodes come in.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use omnibus_model::NodeId;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::frame::{FrameHeader, Kind, Service};
use crate::hello::{HelloError, Identity, check_cluster, read_hello, write_hello};
use crate::traffic::{Incoming, Outgoing, TrafficError, write};

/// How long saying hello may take.
const HELLO_TIME: Duration = Duration::from_secs(2);

/// Requests of one connection that are worked on at a time; then it is read no further.
const AT_ONCE: usize = 4096;

/// Requests that are read ahead, and answers that wait to be written.
const QUEUE_FRAMES: usize = 64;

/// How long those who asked may take to leave, once they were told to.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Connections that have not said who they are yet.
const STRANGERS_MAX: usize = 64;

/// An answer in the making; none if the request is not understood.
pub type Answering = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// Answers what other nodes ask.
pub trait Answers: Send + Sync {
    /// Requests of one connection are handed over in their order, and begun in it.
    fn answer(&self, from: NodeId, service: Service, request: Bytes) -> Answering;
}

/// A listener for other nodes.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    ours: Identity,
}

impl Door {
    /// Listens.
    ///
    /// # Errors
    /// If that cannot be done there.
    pub async fn bind(address: SocketAddr, ours: Identity) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, ours })
    }

    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers other nodes until told to stop. Then they are told, what they have asked is answered, and
    /// all connections are closed.
    pub async fn run(self, answers: Arc<dyn Answers>, mut stop: watch::Receiver<bool>) {
        let mut guests = JoinSet::new();
        let hellos = Arc::new(tokio::sync::Semaphore::new(STRANGERS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = guests.join_next() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a node could not be let in");
                    // Out of descriptors, most likely: others must end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(stranger) = Arc::clone(&hellos).try_acquire_owned() else {
                tracing::warn!(%from, "too many wait to say who they are");
                continue;
            };
            let (ours, answers, stop) = (self.ours.clone(), Arc::clone(&answers), stop.clone());
            guests.spawn(async move {
                match timeout(HELLO_TIME, greet(stream, &ours)).await {
                    Ok(Ok((stream, theirs))) => {
                        drop(stranger);
                        serve(stream, theirs.node, &*answers, stop).await;
                    }
                    Ok(Err(error)) => tracing::warn!(%from, %error, "a stranger was turned away"),
                    Err(_) => tracing::warn!(%from, "a stranger did not say who it is"),
                }
            });
        }
        drop(self.listener);
        let leave = async { while guests.join_next().await.is_some() {} };
        if timeout(GOODBYE_TIME, leave).await.is_err() {
            tracing::warn!("not all that other nodes have asked was answered");
        }
    }
}

async fn greet(mut stream: TcpStream, ours: &Identity) -> Result<(TcpStream, Identity), HelloError> {
    stream.set_nodelay(true)?;
    let theirs = read_hello(&mut stream).await?;
    // Who is turned away is told, too, where it got.
    stream.write_all(&write_hello(ours)).await?;
    check_cluster(ours, &theirs)?;
    Ok((stream, theirs))
}

async fn serve(stream: TcpStream, node: NodeId, answers: &dyn Answers, stop: watch::Receiver<bool>) {
    let (incoming, half) = stream.into_split();
    let (requests, taken) = mpsc::channel(QUEUE_FRAMES);
    let (sender, queue) = mpsc::channel(QUEUE_FRAMES);
    // Whichever ends first ends all.
    let reason = tokio::select! {
        read = read(Incoming::new(incoming), requests) => read.err().map(|error| error.to_string()),
        written = write(queue, half) => written.err().map(|error| error.to_string()),
        () = work(taken, sender, (node, answers), stop) => None,
    };
    if let Some(reason) = reason {
        tracing::warn!(%node, reason, "a node's connection ended");
    }
}

async fn read(mut incoming: Incoming, requests: mpsc::Sender<(FrameHeader, Bytes)>) -> Result<(), TrafficError> {
    while let Some(frame) = incoming.next().await? {
        if requests.send(frame).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Has requests answered, many at a time.
async fn work(
    mut requests: mpsc::Receiver<(FrameHeader, Bytes)>,
    out: mpsc::Sender<Outgoing>,
    (node, answers): (NodeId, &dyn Answers),
    mut stop: watch::Receiver<bool>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut is_leaving = false;
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = under_way.next(), if !under_way.is_empty() => frame,
            request = requests.recv(), if under_way.len() < AT_ONCE => match request {
                Some((FrameHeader { kind: Kind::Request(service), id, .. }, payload)) => {
                    let answering = answers.answer(node, service, payload);
                    under_way.push(async move { answer(id, answering.await) });
                    continue;
                }
                Some((FrameHeader { kind: Kind::Ping, id, .. }, _)) => plain(Kind::Pong, id),
                Some(_) => continue,
                None => return,
            },
            _ = stop.wait_for(|stop| *stop), if !is_leaving => {
                is_leaving = true;
                plain(Kind::Goodbye, 0)
            }
        };
        if out.send(frame).await.is_err() {
            return;
        }
    }
}

fn answer(id: u64, answer: Option<Bytes>) -> Outgoing {
    let Some(answer) = answer else { return plain(Kind::NoAnswer, id) };
    let pieces = vec![answer];
    match FrameHeader::of(Kind::Answer, id, &pieces) {
        Some(header) => Outgoing { header, pieces },
        None => plain(Kind::NoAnswer, id),
    }
}

fn plain(kind: Kind, id: u64) -> Outgoing {
    let header = FrameHeader { kind, id, payload_bytes: 0, payload_crc: 0 };
    Outgoing { header, pieces: Vec::new() }
}
