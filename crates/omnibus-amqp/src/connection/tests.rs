//! Clients over connections in memory, to an engine on a disk in memory.

mod queues;
mod channels;
mod exchanges;
mod limits;
mod replies;
mod room;
mod shortages;
mod streams;
mod users;
mod virtual_hosts;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use crate::deaths::Router;
use crate::door::Door;
use crate::registry::Ends;
use crate::settings::{Credential, Settings};
use crate::wire::frame::PROTOCOL_HEADER;
use crate::wire::method::put_content;
use crate::wire::{ContentHeader, Frame, FrameKind, LongText, Method, Properties, ShortText, Table, Value};

const FRAME_MAX: usize = 4_096;

/// Where a client comes from.
fn ends(is_local: bool) -> Ends {
    let peer = if is_local { [127, 0, 0, 1] } else { [192, 0, 2, 1] };
    Ends { peer: (peer, 50_000).into(), local: ([127, 0, 0, 1], 5_672).into() }
}

/// An engine with an open door.
struct Node {
    door: Arc<Door>,
    stop: watch::Sender<bool>,
    running: Running,
}

/// A client's end of a connection.
struct Client {
    socket: DuplexStream,
    received: BytesMut,
}

/// A message as a client sees it.
#[derive(Debug)]
struct Message {
    method: Method,
    properties: Properties,
    body: Bytes,
}

impl Node {
    fn new() -> Self {
        Self::on(FaultDisk::new(1), Settings::default())
    }

    fn on(disk: FaultDisk, settings: Settings) -> Self {
        let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let seams = Seams {
            disk: Arc::new(disk),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        };
        let config = EngineConfig { node: NodeId(settings.node), log, ..EngineConfig::default() };
        let (engine, running) = Engine::open(seams, config).unwrap();
        let (stop, _) = watch::channel(false);
        let door = Arc::new(Door::new(engine, settings));
        door.engine.route_dead_letters(Arc::new(Router { door: Arc::downgrade(&door) }));
        Self { door, stop, running }
    }

    /// A socket to which nothing was said.
    fn socket(&self, is_local: bool) -> Client {
        let (socket, theirs) = tokio::io::duplex(1 << 20);
        drop(tokio::spawn(super::serve(theirs, ends(is_local), Arc::clone(&self.door), self.stop.subscribe())));
        Client { socket, received: BytesMut::new() }
    }

    /// A connection with channel 1 open.
    async fn connect(&self) -> Client {
        self.connect_to("/").await
    }

    async fn connect_to(&self, virtual_host: &str) -> Client {
        let mut client = self.socket(true);
        client.open("PLAIN", b"\0guest\0guest", virtual_host).await;
        client.channel(1).await;
        client
    }
}

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    async fn say(&mut self, channel: u16, method: Method) {
        let mut out = BytesMut::new();
        method.put(&mut out, channel);
        self.send(&out).await;
    }

    async fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::take(&mut self.received, 131_072).unwrap() {
                return frame;
            }
            assert_ne!(self.socket.read_buf(&mut self.received).await.unwrap(), 0, "the server has hung up");
        }
    }

    /// The next method, by whatever channel.
    async fn hear(&mut self) -> (u16, Method) {
        loop {
            let frame = self.frame().await;
            match frame.kind {
                FrameKind::Method => return (frame.channel, Method::read(&frame.payload).unwrap()),
                FrameKind::Heartbeat => {}
                other => panic!("{other:?} instead of a method"),
            }
        }
    }

    async fn ask(&mut self, method: Method) -> Method {
        self.say(1, method).await;
        self.hear().await.1
    }

    /// A method that a message follows.
    async fn message(&mut self) -> Message {
        let method = self.hear().await.1;
        self.rest_of(method).await
    }

    async fn rest_of(&mut self, method: Method) -> Message {
        let header = ContentHeader::read(self.frame().await.payload).unwrap();
        let mut body = BytesMut::new();
        while (body.len() as u64) < header.body_bytes {
            body.extend_from_slice(&self.frame().await.payload);
        }
        Message { method, properties: Properties::read(&header.properties).unwrap(), body: body.freeze() }
    }

    /// Goes through the handshake up to where the server says that the connection is open, or closes it.
    async fn open(&mut self, mechanism: &str, response: &'static [u8], virtual_host: &str) {
        self.log_in(mechanism, response).await;
        let (_, tune) = self.hear().await;
        assert_eq!(tune, Method::ConnectionTune { channel_max: 2_047, frame_max: 131_072, heartbeat: 60 });
        let frame_max = u32::try_from(FRAME_MAX).unwrap();
        self.say(0, Method::ConnectionTuneOk { channel_max: 2_047, frame_max, heartbeat: 0 }).await;
        let open = Method::ConnectionOpen {
            virtual_host: virtual_host.into(),
            reserved_1: ShortText::default(),
            reserved_2: false,
        };
        self.say(0, open).await;
        if virtual_host != "nope" {
            assert_eq!(self.hear().await.1, Method::ConnectionOpenOk { reserved: ShortText::default() });
        }
    }

    async fn log_in(&mut self, mechanism: &str, response: &'static [u8]) {
        self.send(&PROTOCOL_HEADER).await;
        let (_, start) = self.hear().await;
        assert!(matches!(start, Method::ConnectionStart { version_major: 0, version_minor: 9, .. }), "{start:?}");
        let yes = |name| (name, Value::Bool(true));
        let capabilities = Table::from([
            yes("authentication_failure_close"),
            yes("consumer_cancel_notify"),
            yes("connection.blocked"),
        ]);
        let start_ok = Method::ConnectionStartOk {
            client_properties: Table::from([("capabilities", Value::Table(capabilities))]),
            mechanism: mechanism.into(),
            response: LongText(Bytes::from_static(response)),
            locale: "en_US".into(),
        };
        self.say(0, start_ok).await;
    }

    async fn channel(&mut self, number: u16) {
        self.say(number, Method::ChannelOpen { reserved: ShortText::default() }).await;
        assert_eq!(self.hear().await, (number, Method::ChannelOpenOk { reserved: LongText::default() }));
    }

    async fn publish(&mut self, exchange: &str, key: &str, properties: &Properties, body: &[u8]) {
        let publish = Method::BasicPublish {
            reserved: 0,
            exchange: exchange.into(),
            routing_key: key.into(),
            mandatory: true,
            immediate: false,
        };
        let mut out = BytesMut::new();
        publish.put(&mut out, 1);
        put_content(&mut out, (1, FRAME_MAX), &properties.write(), body);
        self.send(&out).await;
    }

    async fn declare(&mut self, queue: &'static str) -> Method {
        self.ask(declare(queue)).await
    }

    /// Fetches a message that is done with that; `None` if there is none.
    async fn get(&mut self, queue: &str, no_ack: bool) -> Option<Message> {
        let get = Method::BasicGet { reserved: 0, queue: queue.into(), no_ack };
        match self.ask(get).await {
            Method::BasicGetEmpty { .. } => None,
            got => Some(self.rest_of(got).await),
        }
    }

    /// All that a queue holds, each with whether it comes again.
    async fn drain(&mut self, queue: &str) -> Vec<(String, bool)> {
        let mut drained = Vec::new();
        while let Some(Message { method, body, .. }) = self.get(queue, true).await {
            let Method::BasicGetOk { redelivered, .. } = method else { panic!("{method:?}") };
            drained.push((String::from_utf8(body.to_vec()).unwrap(), redelivered));
        }
        drained
    }

    /// The code and the text with which a channel was closed.
    async fn closed(&mut self) -> (u16, String) {
        match self.hear().await {
            (1, Method::ChannelClose { code, text, .. }) => {
                self.say(1, Method::ChannelCloseOk {}).await;
                self.channel(1).await;
                (code, text.lossy())
            }
            (0, Method::ConnectionClose { code, text, .. }) => {
                self.say(0, Method::ConnectionCloseOk {}).await;
                (code, text.lossy())
            }
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&mut self, method: Method) -> (u16, String) {
        self.say(1, method).await;
        self.closed().await
    }
}

/// What is wanted of a queue.
#[derive(Clone, Copy)]
struct Declare {
    queue: &'static str,
    passive: bool,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
}

const DECLARE: Declare = Declare { queue: "q", passive: false, durable: true, exclusive: false, auto_delete: false };

impl Declare {
    fn method(self) -> Method {
        self.with(Table::default())
    }

    fn with(self, arguments: Table) -> Method {
        let Self { queue, passive, durable, exclusive, auto_delete } = self;
        let queue = queue.into();
        Method::QueueDeclare { reserved: 0, queue, passive, durable, exclusive, auto_delete, no_wait: false, arguments }
    }
}

fn declare(queue: &'static str) -> Method {
    Declare { queue, ..DECLARE }.method()
}

fn consume(queue: &str, tag: &str, no_ack: bool) -> Method {
    Method::BasicConsume {
        reserved: 0,
        queue: queue.into(),
        consumer_tag: tag.into(),
        no_local: false,
        no_ack,
        exclusive: false,
        no_wait: false,
        arguments: Table::default(),
    }
}

const fn ack(delivery_tag: u64) -> Method {
    Method::BasicAck { delivery_tag, multiple: false }
}

#[tokio::test]
async fn both_mechanisms_are_let_in() {
    let node = Node::new();
    node.socket(true).open("PLAIN", b"\0guest\0guest", "/").await;
    node.socket(true).open("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest", "/").await;
}

#[tokio::test]
async fn clients_find_a_rabbitmq_that_says_what_it_is() {
    let node = Node::on(FaultDisk::new(1), Settings { cluster: "ours".to_owned(), ..Settings::default() });
    let mut client = node.socket(true);
    client.send(&PROTOCOL_HEADER).await;
    let (_, Method::ConnectionStart { server_properties, .. }) = client.hear().await else { panic!("no start") };
    let told = |name: &str| server_properties.get(name).and_then(Value::str).unwrap_or_default().to_owned();
    assert_eq!((told("product"), told("version")), ("RabbitMQ".to_owned(), "4.1.0".to_owned()));
    let omnibus = format!("Omnibus {}", env!("CARGO_PKG_VERSION"));
    assert_eq!((told("platform"), told("cluster_name")), (omnibus, "ours".to_owned()));
}

#[tokio::test]
async fn who_says_nothing_is_guest_where_guest_may_come_in() {
    let node = Node::new();
    node.socket(true).open("ANONYMOUS", b"", "/").await;
    let refused = "ACCESS_REFUSED - Login was refused using authentication mechanism ANONYMOUS. For details see the \
                   broker logfile.";
    let mut elsewhere = node.socket(false);
    elsewhere.log_in("ANONYMOUS", b"").await;
    assert_eq!(elsewhere.closed().await, (403, refused.to_owned()));
    let ada = Credential { user: "ada".to_owned(), password: "secret".to_owned() };
    let node = Node::on(FaultDisk::new(2), Settings { credentials: vec![ada], ..Settings::default() });
    let mut client = node.socket(true);
    client.log_in("ANONYMOUS", b"").await;
    assert_eq!(client.closed().await.0, 503);
}

#[tokio::test]
async fn strangers_are_told_why_they_are_sent_away() {
    let node = Node::new();
    let refusal = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker \
                   logfile.";
    for (is_local, response) in [(true, &b"\0guest\0wrong"[..]), (false, b"\0guest\0guest"), (true, b"nonsense")] {
        let mut client = node.socket(is_local);
        client.log_in("PLAIN", response).await;
        assert_eq!(client.closed().await, (403, refusal.to_owned()));
    }
    let mut client = node.socket(true);
    client.open("PLAIN", b"\0guest\0guest", "nope").await;
    assert_eq!(client.closed().await, (530, "NOT_ALLOWED - vhost nope not found".to_owned()));
}

#[tokio::test]
async fn other_protocols_are_told_which_it_is() {
    let node = Node::new();
    for greeting in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"AMQP\x00\x01\x00\x00"] {
        let mut client = node.socket(true);
        client.send(greeting).await;
        let mut answer = Vec::new();
        client.socket.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, PROTOCOL_HEADER);
    }
}

#[tokio::test]
async fn server_says_farewell() {
    let node = Node::new();
    let mut client = node.connect().await;
    node.stop.send_replace(true);
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    assert_eq!(client.closed().await, (320, text.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn silence_of_two_heartbeats_ends_a_connection() {
    let node = Node::new();
    let mut client = node.socket(true);
    client.log_in("PLAIN", b"\0guest\0guest").await;
    client.hear().await;
    client.say(0, Method::ConnectionTuneOk { channel_max: 1, frame_max: 4_096, heartbeat: 2 }).await;
    let open = Method::ConnectionOpen { virtual_host: "/".into(), reserved_1: ShortText::default(), reserved_2: false };
    client.say(0, open).await;
    client.hear().await;
    let mut heartbeats = 0;
    loop {
        if let Some(frame) = Frame::take(&mut client.received, 4_096).unwrap() {
            assert_eq!((frame.kind, frame.channel), (FrameKind::Heartbeat, 0));
            heartbeats += 1;
        } else if client.socket.read_buf(&mut client.received).await.unwrap() == 0 {
            break;
        }
    }
    assert_eq!(heartbeats, 4);
}
