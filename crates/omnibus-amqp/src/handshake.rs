//! How a connection begins: who comes, and what is agreed.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::door::Door;
use crate::errors::Fault;
use crate::hosts::Host;
use crate::registry::Place;
use crate::settings::{FRAME_BYTES_MAX, FRAME_BYTES_MIN, HEARTBEAT, RABBITMQ_VERSION};
use crate::wire::frame::PROTOCOL_HEADER;
use crate::wire::method::put_protocol_header;
use crate::wire::{Frame, FrameKind, LongText, Method, ShortText, Table, Value};

/// How long a frame may be before anything is agreed, as in RabbitMQ 4.
const FRAME_BYTES_FIRST: usize = 8 << 10;

/// Who comes by it says nothing, and is `guest` with his first password, as in RabbitMQ 4.
const ANONYMOUS: &str = "ANONYMOUS";

/// How long a client that cannot be told waits for nothing.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// What was agreed.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) user: String,
    pub(crate) host: Host,
    pub(crate) mechanism: String,
    /// What the client says of itself.
    pub(crate) client: Table,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: usize,
    /// In seconds; 0 is none.
    pub(crate) heartbeat: u16,
    /// Counts for as long as the connection is there.
    pub(crate) place: Place,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Refused(Fault),
    #[error("the client speaks another protocol")]
    OtherProtocol,
}

/// The client's side of the socket, and what it has sent.
pub(crate) struct Visitor<'a, S> {
    pub(crate) socket: &'a mut S,
    pub(crate) received: &'a mut BytesMut,
    pub(crate) door: &'a Door,
    pub(crate) is_local: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Visitor<'_, S> {
    /// Agrees with the client on all that comes before the first channel.
    pub(crate) async fn agree(mut self) -> Result<Agreed, HandshakeError> {
        self.greet().await?;
        self.say(&start(self.door)).await?;
        let method = self.next().await?;
        let id = method.id();
        let (user, mechanism, client) = match self.log_in(method).await {
            Ok(admitted) => admitted,
            Err((fault, tells)) => return self.refuse(fault, id, tells).await,
        };
        let channel_max = self.door.settings.channels_max;
        self.say(&Method::ConnectionTune { channel_max, frame_max: FRAME_BYTES_MAX, heartbeat: HEARTBEAT }).await?;
        let method = self.next().await?;
        let id = method.id();
        let (channel_max, frame_max, heartbeat) = match tuned(&method, channel_max) {
            Ok(tuned) => tuned,
            Err(fault) => return self.refuse(fault, id, true).await,
        };
        let method = self.next().await?;
        let host = match &method {
            Method::ConnectionOpen { virtual_host, .. } => Host::new(&virtual_host.lossy()),
            other => return self.refuse(unexpected(other), method.id(), true).await,
        };
        let place = match self.enter(&user, &host).await {
            Ok(place) => place,
            Err(fault) => return self.refuse(fault, method.id(), true).await,
        };
        self.say(&Method::ConnectionOpenOk { reserved: ShortText::default() }).await?;
        Ok(Agreed { user, host, mechanism, client, channel_max, frame_max, heartbeat, place })
    }

    /// Makes sure that a virtual host is there, that a user may come in, and that there may be one more connection.
    async fn enter(&self, user: &str, host: &Host) -> Result<Place, Fault> {
        self.door.look_up_host(host).await?;
        if self.door.may_enter(user, host).await {
            return self.door.take_place(user, host);
        }
        Err(Fault::HostRefused { host: host.name().to_owned(), user: user.to_owned() })
    }

    /// Reads which protocol the client wants, and says which there is if it is another.
    async fn greet(&mut self) -> Result<(), HandshakeError> {
        while self.received.len() < PROTOCOL_HEADER.len() {
            let wrong = self.received.iter().zip(&PROTOCOL_HEADER).any(|(got, wanted)| got != wanted);
            if wrong || self.socket.read_buf(self.received).await? == 0 {
                break;
            }
        }
        if self.received.starts_with(&PROTOCOL_HEADER) {
            self.received.advance(PROTOCOL_HEADER.len());
            return Ok(());
        }
        let mut out = BytesMut::new();
        put_protocol_header(&mut out);
        self.socket.write_all(&out).await?;
        Err(HandshakeError::OtherProtocol)
    }

    async fn say(&mut self, method: &Method) -> io::Result<()> {
        let mut out = BytesMut::new();
        method.put(&mut out, 0);
        self.socket.write_all(&out).await
    }

    /// Waits for the next method.
    async fn next(&mut self) -> Result<Method, HandshakeError> {
        loop {
            match Frame::take(self.received, FRAME_BYTES_FIRST) {
                Ok(Some(Frame { kind: FrameKind::Heartbeat, channel: 0, .. })) => {}
                Ok(Some(Frame { kind: FrameKind::Method, channel: 0, payload })) => match Method::read(&payload) {
                    Ok(method) => return Ok(method),
                    Err(error) => return self.refuse(Fault::Method(error), (0, 0), true).await,
                },
                Ok(Some(_)) => return self.refuse(Fault::MethodExpected, (0, 0), true).await,
                Ok(None) if self.socket.read_buf(self.received).await? == 0 => {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                Ok(None) => {}
                Err(error) => return self.refuse(Fault::Frame(error), (0, 0), true).await,
            }
        }
    }

    /// Sends the client away, and tells it why if it understands that.
    async fn refuse<T>(&mut self, fault: Fault, (class, method): (u16, u16), tells: bool) -> Result<T, HandshakeError> {
        if tells {
            let text = ShortText::from(&*fault.reply_text());
            self.say(&Method::ConnectionClose { code: fault.code().number, text, class, method }).await?;
            // It says that it has read that, or nothing more.
            let answer = self.socket.read_buf(self.received);
            drop(tokio::time::timeout(REFUSAL_PAUSE, answer).await);
        } else {
            tokio::time::sleep(REFUSAL_PAUSE).await;
        }
        Err(HandshakeError::Refused(fault))
    }

    /// Who comes, and what the client can do; or why not, and whether the client wants to hear it.
    async fn log_in(&self, method: Method) -> Result<(String, String, Table), (Fault, bool)> {
        let Method::ConnectionStartOk { client_properties, mechanism, response, .. } = method else {
            return Err((unexpected(&method), true));
        };
        let mechanism = mechanism.lossy();
        let given = match &*mechanism {
            "PLAIN" => plain(&response.0),
            "AMQPLAIN" => amqplain(&response.0),
            ANONYMOUS if has_guest(self.door) => Some(("guest".to_owned(), Bytes::from_static(b"guest"))),
            _ => return Err((Fault::MechanismUnknown(mechanism), true)),
        };
        match given {
            Some((user, password)) if self.door.admits(&user, &password, self.is_local).await => {
                Ok((user, mechanism, client_properties))
            }
            _ => {
                tracing::info!(mechanism, "a login was refused");
                Err((Fault::LoginRefused { mechanism }, capable(&client_properties, "authentication_failure_close")))
            }
        }
    }
}

fn unexpected(method: &Method) -> Fault {
    let (class, method) = method.id();
    Fault::Unsolicited { class, method }
}

/// Whether there may be a `guest` with his first password.
const fn has_guest(door: &Door) -> bool {
    door.settings.credentials.is_empty()
}

/// What the server is and can do. It is RabbitMQ for whoever asks what to expect of it (ADR 102).
fn start(door: &Door) -> Method {
    let yes = |name| (name, Value::Bool(true));
    let capabilities = Table::from([
        yes("publisher_confirms"),
        yes("exchange_exchange_bindings"),
        yes("basic.nack"),
        yes("consumer_cancel_notify"),
        yes("connection.blocked"),
        yes("consumer_priorities"),
        yes("direct_reply_to"),
        yes("authentication_failure_close"),
        yes("per_consumer_qos"),
    ]);
    let server_properties = Table::from([
        ("capabilities", Value::Table(capabilities)),
        ("product", Value::text("RabbitMQ")),
        ("version", Value::text(RABBITMQ_VERSION)),
        ("cluster_name", Value::text(&door.settings.cluster)),
        ("platform", Value::text(&format!("Omnibus {}", door.settings.version))),
        ("information", Value::text("https://github.com/omnibus-mq/omnibus")),
    ]);
    let mechanisms = if has_guest(door) { "PLAIN AMQPLAIN ANONYMOUS" } else { "PLAIN AMQPLAIN" };
    Method::ConnectionStart {
        version_major: 0,
        version_minor: 9,
        server_properties,
        mechanisms: LongText::from(mechanisms),
        locales: LongText::from("en_US"),
    }
}

/// Whether a client says that it can do something.
pub(crate) fn capable(client: &Table, what: &str) -> bool {
    match client.get("capabilities") {
        Some(Value::Table(capabilities)) => capabilities.get(what) == Some(&Value::Bool(true)),
        _ => false,
    }
}

/// Nothing, the user and the password, with zeros between them.
fn plain(response: &[u8]) -> Option<(String, Bytes)> {
    let mut parts = response.splitn(3, |byte| *byte == 0);
    let (_, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    Some((String::from_utf8(user.to_vec()).ok()?, Bytes::copy_from_slice(password)))
}

/// A table without its length.
fn amqplain(response: &[u8]) -> Option<(String, Bytes)> {
    let length = u32::try_from(response.len()).ok()?;
    let mut input = Bytes::from([&length.to_be_bytes(), response].concat());
    let table = Table::take(&mut input).ok()?;
    match (table.get("LOGIN")?, table.get("PASSWORD")?) {
        (user, Value::Text(password)) => Some((user.str()?.to_owned(), password.clone())),
        _ => None,
    }
}

/// What both agree on: no more than the server offers.
fn tuned(method: &Method, channel_max: u16) -> Result<(u16, usize, u16), Fault> {
    let &Method::ConnectionTuneOk { channel_max: channels, frame_max: frame, heartbeat } = method else {
        return Err(unexpected(method));
    };
    negotiated("channel_max", u32::from(channels), (1, u32::from(channel_max)))?;
    negotiated("frame_max", frame, (FRAME_BYTES_MIN, FRAME_BYTES_MAX))?;
    Ok((channels, usize::try_from(frame).unwrap_or(usize::MAX), heartbeat))
}

fn negotiated(what: &'static str, value: u32, (min, max): (u32, u32)) -> Result<(), Fault> {
    let refused = |relation, bound: u32, value| Err(Fault::Negotiation { what, value, relation, bound: bound.into() });
    match value {
        0 => refused("higher than the maximum", max, "0 (no limit)".to_owned()),
        value if value > max => refused("higher than the maximum", max, value.to_string()),
        value if value < min => refused("lower than the minimum", min, value.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_mechanisms_name_user_and_password() {
        let wanted = Some(("guest".to_owned(), Bytes::from_static(b"se\0cret")));
        assert_eq!(plain(b"\0guest\0se\0cret"), wanted);
        assert_eq!(plain(b"guest"), None);
        let login = Table::from([("LOGIN", Value::text("guest")), ("PASSWORD", Value::text("se\0cret"))]);
        let mut out = Vec::new();
        login.put(&mut out);
        assert_eq!(amqplain(&out[4..]), wanted);
        assert_eq!(amqplain(b"nonsense"), None);
    }

    #[test]
    fn client_may_ask_for_less_and_not_for_more() {
        let tune =
            |channel_max, frame_max| tuned(&Method::ConnectionTuneOk { channel_max, frame_max, heartbeat: 7 }, 2_047);
        assert_eq!(tune(2_047, 131_072), Ok((2_047, 131_072, 7)));
        assert_eq!(tune(10, 4_096), Ok((10, 4_096, 7)));
        for (channels, frame, text) in [
            (2_048, 4_096, "channel_max = 2048 is higher than the maximum allowed value (2047)"),
            (0, 4_096, "channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"),
            (1, 131_073, "frame_max = 131073 is higher than the maximum allowed value (131072)"),
            (1, 4_095, "frame_max = 4095 is lower than the minimum allowed value (4096)"),
        ] {
            assert_eq!(tune(channels, frame).unwrap_err().to_string(), format!("negotiated {text}"));
        }
    }
}
