//! One connection with one channel: how it begins, asks and ends. What goes back and forth in between its owner does.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use omnibus_amqp::wire::frame::PROTOCOL_HEADER;
use omnibus_amqp::wire::method::put_protocol_header;
use omnibus_amqp::wire::{FrameAt, FrameKind, LongText, Method, ShortText, Table, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Address;

/// The only channel of a connection.
pub(super) const CHANNEL: u16 = 1;

/// How long a broker may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The largest frames that are agreed on, as most clients do.
const FRAME_BYTES_MAX: u32 = 128 << 10;

/// What is read at a time.
const READ_BYTES: usize = 256 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: TcpStream,
    pub(super) incoming: Incoming,
    /// What is to be sent.
    pub(super) out: BytesMut,
    pub(super) frame_max: usize,
}

/// What has arrived. Frames are looked at where they lie: nothing is allocated or counted for them.
#[derive(Debug)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// Where the next frame begins, and where what has arrived ends.
    begin: usize,
    end: usize,
    frame_max: usize,
}

/// What a broker says beside what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It takes no messages for now.
    Blocked,
    Unblocked,
}

impl Client {
    /// Comes in and opens the channel; without heartbeats, for either side speaks all the time.
    pub(super) async fn open(address: &Address) -> Result<Self> {
        let opening = Self::come_in(address);
        let opened = timeout(PATIENCE, opening).await.unwrap_or_else(|_| bail!("it does not answer"));
        opened.with_context(|| format!("no connection over AMQP to {}", address.authority))
    }

    async fn come_in(address: &Address) -> Result<Self> {
        let socket = TcpStream::connect(&address.authority).await?;
        socket.set_nodelay(true)?;
        let frame_max = usize::try_from(FRAME_BYTES_MAX)?;
        let mut client = Self { socket, incoming: Incoming::new(frame_max), out: BytesMut::new(), frame_max };
        put_protocol_header(&mut client.out);
        client.answer(&[(10, 10)]).await?;
        client.tell(0, &start_ok(address));
        let Method::ConnectionTune { frame_max, .. } = client.answer(&[(10, 30)]).await? else { bail!("no tune") };
        // Zero is no limit.
        let agreed = if frame_max == 0 { FRAME_BYTES_MAX } else { frame_max.min(FRAME_BYTES_MAX) };
        client.frame_max = usize::try_from(agreed)?;
        client.tell(0, &Method::ConnectionTuneOk { channel_max: CHANNEL, frame_max: agreed, heartbeat: 0 });
        let (virtual_host, reserved_1) = (address.host.as_str().into(), ShortText::default());
        client.tell(0, &Method::ConnectionOpen { virtual_host, reserved_1, reserved_2: false });
        client.answer(&[(10, 41)]).await?;
        client.tell(CHANNEL, &Method::ChannelOpen { reserved: ShortText::default() });
        client.answer(&[(20, 11)]).await?;
        Ok(client)
    }

    /// Asks, and waits for the method with these numbers.
    pub(super) async fn ask(&mut self, method: &Method, answer: (u16, u16)) -> Result<Method> {
        self.tell(CHANNEL, method);
        let answered = timeout(PATIENCE, self.answer(&[answer])).await;
        answered.unwrap_or_else(|_| bail!("the broker has not answered for {} s", PATIENCE.as_secs()))
    }

    /// Ends in order; what still comes is passed over.
    pub(super) async fn close(mut self) -> Result<()> {
        self.tell(0, &Method::ConnectionClose { code: 200, text: "done".into(), class: 0, method: 0 });
        let closed = timeout(PATIENCE, self.answer(&[(10, 51)])).await;
        closed.unwrap_or_else(|_| bail!("the broker has not let go for {} s", PATIENCE.as_secs())).map(drop)
    }

    fn tell(&mut self, channel: u16, method: &Method) {
        method.put(&mut self.out, channel);
    }

    /// Sends what is to be sent and waits for one of these methods; messages in between are passed over.
    async fn answer(&mut self, wanted: &[(u16, u16)]) -> Result<Method> {
        self.socket.write_all_buf(&mut self.out).await?;
        loop {
            while let Some(frame) = self.incoming.next()? {
                if frame.kind != FrameKind::Method {
                    continue;
                }
                let method = Method::read(&Bytes::copy_from_slice(frame.payload))?;
                if wanted.contains(&method.id()) {
                    return Ok(method);
                }
                let is_passed_over = matches!(method.id(), (10, 60 | 61) | (60, 60 | 80));
                if !is_passed_over {
                    bail!(unexpected(method));
                }
            }
            self.incoming.fill(&mut self.socket).await?;
        }
    }
}

impl Incoming {
    pub(super) fn new(frame_max: usize) -> Self {
        // A whole frame always fits.
        let bytes = vec![0; READ_BYTES.max(frame_max + PROTOCOL_HEADER.len())];
        Self { bytes, begin: 0, end: 0, frame_max }
    }

    /// Takes the next frame that is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<FrameAt<'_>>> {
        let received = &self.bytes[self.begin..self.end];
        if received.starts_with(b"AMQP") {
            bail!("the broker speaks another version of AMQP");
        }
        let frame = FrameAt::look(received, self.frame_max).context("what the broker sends")?;
        if let Some(frame) = &frame {
            self.begin += frame.bytes();
        }
        Ok(frame)
    }

    /// Waits for more; all whole frames must have been taken.
    pub(super) async fn fill(&mut self, socket: &mut (impl AsyncRead + Unpin)) -> Result<()> {
        self.bytes.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        let read = socket.read(&mut self.bytes[self.end..]).await?;
        ensure!(read > 0, "the broker has hung up");
        self.end += read;
        Ok(())
    }
}

/// Reads a method that was not asked for; an error if it ends what is done.
pub(super) fn word(payload: &[u8]) -> Result<Word> {
    match Method::read(&Bytes::copy_from_slice(payload))? {
        Method::ConnectionBlocked { .. } => Ok(Word::Blocked),
        Method::ConnectionUnblocked {} => Ok(Word::Unblocked),
        method => bail!(unexpected(method)),
    }
}

/// What is said of a method that nobody wants; a broker's own code and text, if it has closed something.
fn unexpected(method: Method) -> String {
    match method {
        Method::ConnectionClose { code, text, .. } => {
            format!("the broker closed the connection: {code} {}", text.lossy())
        }
        Method::ChannelClose { code, text, .. } => format!("the broker closed the channel: {code} {}", text.lossy()),
        Method::BasicCancel { .. } => "the broker cancelled a consumer: its queue is gone, or has moved".to_owned(),
        Method::BasicReturn { code, text, .. } => format!("the broker returned a message: {code} {}", text.lossy()),
        Method::BasicNack { delivery_tag, .. } => format!("the broker refused message {delivery_tag}"),
        other => {
            let (class, method) = other.id();
            format!("the broker sent method {method} of class {class}, which nobody asked for")
        }
    }
}

fn start_ok(address: &Address) -> Method {
    let capable = Table::from([
        ("authentication_failure_close", Value::Bool(true)),
        ("basic.nack", Value::Bool(true)),
        ("connection.blocked", Value::Bool(true)),
        ("consumer_cancel_notify", Value::Bool(true)),
        ("publisher_confirms", Value::Bool(true)),
    ]);
    let client_properties =
        Table::from([("product", Value::text("omnibus bench")), ("capabilities", Value::Table(capable))]);
    let response = format!("\0{}\0{}", address.user, address.password);
    Method::ConnectionStartOk {
        client_properties,
        mechanism: "PLAIN".into(),
        response: LongText(response.into()),
        locale: "en_US".into(),
    }
}

#[cfg(test)]
impl Client {
    /// A client for which a broker has said this, and the other end of its connection.
    pub(super) async fn told(said: &[Method]) -> (Self, TcpStream) {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let socket = TcpStream::connect(door.local_addr().expect("it has an address")).await.expect("it answers");
        let (mut broker, _) = door.accept().await.expect("somebody has connected");
        let mut out = BytesMut::new();
        said.iter().for_each(|method| method.put(&mut out, CHANNEL));
        broker.write_all_buf(&mut out).await.expect("the socket takes it");
        let frame_max = 4_096;
        (Self { socket, incoming: Incoming::new(frame_max), out: BytesMut::new(), frame_max }, broker)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_amqp::wire::Frame;

    use super::*;

    #[tokio::test]
    async fn frames_are_taken_however_they_arrive() {
        let mut out = BytesMut::new();
        (0..100_u8).for_each(|number| Frame::put(&mut out, FrameKind::Body, CHANNEL, &[number; 100]));
        for piece in [1, 7, 108, 5_000, out.len()] {
            let mut incoming = Incoming::new(4_096);
            let mut taken = 0_u8;
            for mut arrived in out.chunks(piece) {
                incoming.fill(&mut arrived).await.unwrap();
                while let Some(frame) = incoming.next().unwrap() {
                    assert_eq!(frame.payload, [taken; 100]);
                    taken += 1;
                }
            }
            assert_eq!(taken, 100, "pieces of {piece}");
            assert!(incoming.fill(&mut &b""[..]).await.is_err());
        }
    }

    #[test]
    fn end_is_told_in_the_brokers_words() {
        let close = Method::ChannelClose { code: 404, text: "NOT_FOUND - no queue 'q'".into(), class: 60, method: 20 };
        let told = word(&close.write()).unwrap_err().to_string();
        assert_eq!(told, "the broker closed the channel: 404 NOT_FOUND - no queue 'q'");
        let blocked = Method::ConnectionBlocked { reason: "low on disk".into() };
        assert_eq!(word(&blocked.write()).unwrap(), Word::Blocked);
    }
}
