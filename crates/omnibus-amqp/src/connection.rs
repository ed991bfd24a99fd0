//! Bytes in, bytes out: the only socket code but for the handshake's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep, timeout};

use crate::alarms::Shortage;
use crate::door::Door;
use crate::errors::Fault;
use crate::handshake::{Agreed, HandshakeError, Visitor, capable};
use crate::link::{Ending, Link};
use crate::publishing;
use crate::registry::{ConnectionInfo, Ends, Word};
use crate::requests::{self, settle};
use crate::wire::method::put_heartbeat;
use crate::wire::{Frame, FrameKind, Method};

/// How long a client may take to come in.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a client may take to say that it has heard of the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is read at a time: little, until a client fills it. Most connections hardly say anything.
const READ_BYTES_MIN: usize = 256;
const READ_BYTES_MAX: usize = 64 << 10;

/// While more waits for the client, nothing is done for it.
const OUT_BYTES_MAX: usize = 2 << 20;

/// A buffer that has grown beyond this is given back when it is empty.
const BUFFER_KEPT_BYTES: usize = 256 << 10;

/// Publishes of one connection that may wait for the disk at a time, and their bytes.
const PUBLISHING_MAX: usize = 4_096;
const PUBLISHING_BYTES_MAX: usize = 16 << 20;

/// Settlements that may wait for the disk at a time.
const SETTLING_MAX: usize = 1_024;

/// Frames that are carried out before anybody else has a turn.
const FRAMES_MAX: usize = 64;

/// How often is looked whether there is life where no heartbeats were agreed on.
const TICK: Duration = Duration::from_secs(30);

/// A client is gone when nothing has come for two heartbeats, each of two ticks.
const SILENT_TICKS_MAX: u32 = 4;

/// Why a connection ended before its client closed it.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("no connection was agreed on: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("the client took too long to come in")]
    Slow,
    #[error("the client has sent nothing for two heartbeats")]
    Silent,
}

/// Serves until the client or the server ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    ends: Ends,
    door: Arc<Door>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let mut received = BytesMut::new();
    let visitor =
        Visitor { socket: &mut socket, received: &mut received, door: &door, is_local: ends.peer.ip().is_loopback() };
    let agreed = timeout(HANDSHAKE_MAX, Box::pin(visitor.agree())).await.map_err(|_| ConnectionError::Slow)??;
    let mut link = Link::new(door);
    let Agreed { user, host, mechanism, client, channel_max, frame_max, heartbeat, place } = agreed;
    link.enter(&user, host);
    link.hears_cancels = capable(&client, "consumer_cancel_notify");
    link.hears_blocks = capable(&client, "connection.blocked");
    link.channel_max = channel_max;
    link.frame_max = frame_max;
    let info = ConnectionInfo {
        ends,
        user,
        host: link.host.name().to_owned(),
        mechanism,
        client,
        channel_max,
        frame_max,
        heartbeat,
        connected_at: link.door.engine.now(),
        owner: link.owner.clone(),
    };
    let (known, words) = link.door.registry.enter(info, Arc::clone(&link.meter));
    let (shortages, life) = (link.door.alarms.watch(), Life::default());
    let mut connection =
        Connection { socket, received, link, words, shortages, shutdown, life, at_once: READ_BYTES_MIN };
    let ended = connection.run(heartbeat).await;
    Box::pin(connection.link.end_all()).await;
    // It is over, whether or not its client has heard of it.
    drop((known, place));
    if ended.is_ok() {
        let Connection { socket, received, shutdown, .. } = connection;
        Box::pin(hear_out(socket, received, shutdown)).await;
    }
    ended
}

/// Passes over what a client still says, until it has hung up: who closes a socket in which something was not read takes back
/// what was written last.
async fn hear_out<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    mut received: BytesMut,
    mut shutdown: watch::Receiver<bool>,
) {
    let heard = async {
        socket.shutdown().await?;
        while socket.read_buf(&mut received).await? > 0 {
            received.clear();
        }
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        heard = heard => if let Err(error) = heard {
            tracing::debug!(%error, "a client has hung up before it had heard the end");
        },
        () = told_to_stop(&mut shutdown) => {}
        () = sleep(FAREWELL) => {}
    }
}

struct Connection<S> {
    socket: S,
    received: BytesMut,
    link: Link,
    words: mpsc::Receiver<Word>,
    shortages: watch::Receiver<Option<Shortage>>,
    shutdown: watch::Receiver<bool>,
    life: Life,
    /// How much is read at once: as much as the client lately had to say.
    at_once: usize,
}

/// What has been heard since the last ticks.
#[derive(Debug, Default)]
struct Life {
    has_received: bool,
    silent_ticks: u32,
    received_bytes: u64,
    /// At the tick before.
    received_before: u64,
    sent_bytes: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self, heartbeat: u16) -> Result<(), ConnectionError> {
        let tick = if heartbeat == 0 { TICK } else { Duration::from_secs(heartbeat.into()) / 2 };
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_more = self.carry_out().await;
            publishing::hand_over(&mut self.link).await;
            match self.link.ending {
                Ending::No => {}
                Ending::Told => return Box::pin(self.part()).await,
                Ending::Done => return Box::pin(self.write_all()).await,
            }
            let may_read = !has_more && !self.link.is_blocked && self.has_room();
            self.shrink();
            let Self { socket, received, link, words, shortages, shutdown, life, at_once } = self;
            if may_read && received.capacity() - received.len() < *at_once / 2 {
                received.reserve(*at_once);
            }
            let room = received.capacity() - received.len();
            let (mut reading, mut writing) = tokio::io::split(socket);
            tokio::select! {
                Some(published) = link.publishing.under_way.next(), if !link.publishing.under_way.is_empty() => {
                    publishing::confirm(link, published);
                }
                Some(done) = link.settling.next(), if !link.settling.is_empty() => settle::settled(link, done),
                event = link.events.receive(), if link.out.len() < OUT_BYTES_MAX => requests::deliver(link, event).await,
                reply = link.replies.receive(), if link.out.len() < OUT_BYTES_MAX => requests::reply(link, reply),
                read = reading.read_buf(received), if may_read => match read? {
                    0 => return Ok(()),
                    bytes => {
                        life.received(bytes);
                        *at_once = next_room(*at_once, (bytes, room));
                    }
                },
                written = writing.write_buf(&mut link.out), if !link.out.is_empty() => match written? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    bytes => life.sent_bytes += bytes as u64,
                },
                Some(word) = words.recv() => match word {
                    // Whoever asked may have gone.
                    Word::Describe(answer) => drop(answer.send(link.describe((life.received_bytes, life.sent_bytes)))),
                    Word::Close(reason) => Box::pin(link.fail(0, Fault::Forced(reason), (0, 0))).await,
                },
                _ = ticks.tick() => {
                    // Whoever is not read from cannot show that he lives.
                    life.has_received |= link.is_blocked;
                    if life.is_idle() {
                        *at_once = READ_BYTES_MIN;
                        [received, &mut link.out].into_iter().filter(|buffer| buffer.is_empty()).for_each(give_back);
                    }
                    life.tick(heartbeat > 0, &mut link.out)?;
                }
                () = due(&mut link.giving_back), if link.giving_back.is_some() => Box::pin(requests::give_all_back(link)).await,
                () = over(shortages), if link.is_blocked => link.unblock(),
                () = told_to_stop(shutdown) => Box::pin(link.fail(0, Fault::Shutdown, (0, 0))).await,
                () = std::future::ready(()), if has_more => {}
            }
        }
    }

    /// Carries out what has arrived, up to a limit; returns whether there may be more that can be carried out now.
    async fn carry_out(&mut self) -> bool {
        if self.link.ending == Ending::No
            && let Some(fault) = self.link.outlived()
        {
            Box::pin(self.link.fail(0, fault, (0, 0))).await;
        }
        for _ in 0..FRAMES_MAX {
            if self.link.ending != Ending::No || self.link.is_blocked || !self.has_room() {
                return false;
            }
            if self.link.holds_back(&self.received) {
                return false;
            }
            match Frame::take(&mut self.received, self.link.frame_max) {
                Ok(Some(frame)) => requests::handle(&mut self.link, frame).await,
                Ok(None) => return false,
                Err(error) => {
                    publishing::hand_over(&mut self.link).await;
                    Box::pin(self.link.fail(0, Fault::Frame(error), (0, 0))).await;
                }
            }
        }
        true
    }

    fn has_room(&self) -> bool {
        let link = &self.link;
        link.out.len() < OUT_BYTES_MAX
            && link.publishing.count < PUBLISHING_MAX
            && link.publishing.bytes < PUBLISHING_BYTES_MAX
            && link.settling.len() < SETTLING_MAX
    }

    /// Gives back room that a burst has taken.
    fn shrink(&mut self) {
        for buffer in [&mut self.received, &mut self.link.out] {
            if buffer.is_empty() && buffer.capacity() > BUFFER_KEPT_BYTES {
                give_back(buffer);
            }
        }
    }

    /// Waits until the client has heard that it is over.
    async fn part(&mut self) -> Result<(), ConnectionError> {
        let told = async {
            self.write_all().await?;
            loop {
                match Frame::take(&mut self.received, self.link.frame_max) {
                    Ok(Some(Frame { kind: FrameKind::Method, channel: 0, payload })) => match Method::read(&payload) {
                        Ok(Method::ConnectionCloseOk {}) => return Ok(()),
                        Ok(Method::ConnectionClose { .. }) => {
                            self.link.tell(0, &Method::ConnectionCloseOk {});
                            return self.write_all().await;
                        }
                        _ => {}
                    },
                    Ok(Some(_)) => {}
                    Ok(None) if self.socket.read_buf(&mut self.received).await? == 0 => return Ok(()),
                    Ok(None) => {}
                    // What cannot be understood any more is passed over, as long as the client sends.
                    Err(_) => self.received.clear(),
                }
            }
        };
        tokio::select! {
            told = told => told,
            () = sleep(FAREWELL) => Ok(()),
        }
    }

    async fn write_all(&mut self) -> Result<(), ConnectionError> {
        let written = timeout(FAREWELL, self.socket.write_all_buf(&mut self.link.out)).await;
        // A client that takes nothing any more misses nothing.
        written.unwrap_or(Ok(()))?;
        Ok(self.socket.flush().await?)
    }
}

/// How much to read at once after so many bytes came where so many had room.
fn next_room(at_once: usize, (bytes, room): (usize, usize)) -> usize {
    match bytes {
        _ if bytes >= room => at_once.saturating_mul(8).min(READ_BYTES_MAX),
        _ if bytes < at_once / 8 => (at_once / 2).max(READ_BYTES_MIN),
        _ => at_once,
    }
}

fn give_back(buffer: &mut BytesMut) {
    *buffer = BytesMut::new();
}

impl Life {
    const fn received(&mut self, bytes: usize) {
        self.has_received = true;
        self.received_bytes += bytes as u64;
    }

    /// Whether hardly more than a heartbeat has come since this was asked last.
    const fn is_idle(&mut self) -> bool {
        let before = std::mem::replace(&mut self.received_before, self.received_bytes);
        self.received_bytes - before < READ_BYTES_MIN as u64
    }

    /// Says that the server is there, and makes sure that the client is.
    fn tick(&mut self, has_heartbeats: bool, out: &mut BytesMut) -> Result<(), ConnectionError> {
        if !has_heartbeats {
            return Ok(());
        }
        if out.is_empty() {
            put_heartbeat(out);
        }
        self.silent_ticks = if std::mem::take(&mut self.has_received) { 0 } else { self.silent_ticks + 1 };
        if self.silent_ticks > SILENT_TICKS_MAX { Err(ConnectionError::Silent) } else { Ok(()) }
    }
}

/// Waits for a time, if there is one.
async fn due(time: &mut Option<Pin<Box<Sleep>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}

/// Waits until nothing is short.
async fn over(shortages: &mut watch::Receiver<Option<Shortage>>) {
    drop(shortages.wait_for(Option::is_none).await);
}

/// Waits for the word; a sender that is gone means the same.
pub(crate) async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests;
