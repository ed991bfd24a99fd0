//! A broker with its doors open, and clients of them.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use omnibus_amqp::Settings;
use omnibus_amqp::wire::frame::PROTOCOL_HEADER;
use omnibus_amqp::wire::method::put_content;
use omnibus_amqp::wire::{Frame, FrameKind, LongText, Method, ShortText, Table, Value as Field};
use omnibus_amqp_management::{Listening, Process, Site};
use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::NodeId;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A broker with both doors open.
pub(crate) struct Broker {
    pub(crate) amqp: SocketAddr,
    http: SocketAddr,
    metrics: SocketAddr,
    login: String,
    _stop: watch::Sender<bool>,
    _running: Running,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Broker {
    pub(crate) async fn open() -> Self {
        Self::with(Settings::default(), "guest:guest").await
    }

    pub(crate) async fn with(settings: Settings, login: &str) -> Self {
        let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let seams = Seams {
            disk: Arc::new(FaultDisk::new(1)),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        };
        let (engine, running) = Engine::open(seams, EngineConfig { log, ..EngineConfig::default() }).unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut door = omnibus_amqp::Server::new(engine.clone(), settings);
        let amqp = door.listen(anywhere).await.unwrap();
        let mut server = omnibus_amqp_management::Server::default();
        let http = server.listen(anywhere).await.unwrap();
        let metrics = server.listen_for_metrics(anywhere).await.unwrap();
        let site = Site {
            administration: door.administration(),
            cluster_id: "cluster".to_owned(),
            node: NodeId(1),
            listening: vec![
                Listening { protocol: "amqp", address: amqp },
                Listening { protocol: "http", address: http },
            ],
            disk_reserve_bytes: 0,
            metrics_series_max: 2,
            read_process: || Process { memory_bytes: Some(1), open_files: Some(2), open_files_max: None },
        };
        let (stop, stopped) = watch::channel(false);
        drop(tokio::spawn(door.run(stopped.clone())));
        drop(tokio::spawn(server.run(site, stopped)));
        Self { amqp, http, metrics, login: login.to_owned(), _stop: stop, _running: running }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answered {
        let login = BASE64_STANDARD.encode(&self.login);
        self.raw(method, path, &format!("authorization: Basic {login}\r\nx-reason: because\r\n"), body).await
    }

    /// The same by another user, `NAME:PASSWORD`.
    pub(crate) async fn ask_as(&self, login: &str, (method, path): (&str, &str), body: Option<Value>) -> Answered {
        let login = BASE64_STANDARD.encode(login);
        self.raw(method, path, &format!("authorization: Basic {login}\r\n"), body).await
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &str, body: Option<Value>) -> Answered {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{method} /api/{path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        let (status, head, body) = exchange(self.http, &request).await;
        Answered { status, head, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
    }

    /// What Prometheus is told; empty if the path is not there.
    pub(crate) async fn metrics(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        let (status, head, body) = exchange(self.metrics, &request).await;
        assert_eq!(status == 200, head.contains("text/plain; version=0.0.4"), "{head}");
        if status == 200 { body } else { String::new() }
    }

    /// The number of one series.
    pub(crate) async fn metric(&self, path: &str, series: &str) -> f64 {
        let text = self.metrics(path).await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answered = self.ask("GET", path, None).await;
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
        answered.body
    }

    /// The status and the reason of a refusal.
    pub(crate) async fn status(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let answered = self.ask(method, path, Some(body)).await;
        (answered.status, answered.body["reason"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn done(&self, method: &str, path: &str, body: Value) -> u16 {
        let (status, reason) = self.status(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {reason}");
        status
    }
}

/// Sends a request, and reads the status, the head and the body of what comes back.
async fn exchange(to: SocketAddr, request: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

/// Longer bodies come in several frames.
const FRAME_MAX: usize = 1_000;

/// An AMQP client, as far as it is needed.
pub(crate) struct Client {
    socket: TcpStream,
    received: BytesMut,
}

impl Client {
    pub(crate) async fn connect(broker: &Broker) -> Self {
        Self::connect_to(broker, "/").await
    }

    pub(crate) async fn connect_to(broker: &Broker, virtual_host: &str) -> Self {
        let (client, method) = Self::log_in(broker, "guest:guest", virtual_host).await;
        assert!(matches!(method, Method::ConnectionOpenOk { .. }), "{method:?}");
        client
    }

    /// Comes in as a user, `NAME:PASSWORD`; returns what was said last, too.
    pub(crate) async fn log_in(broker: &Broker, login: &str, virtual_host: &str) -> (Self, Method) {
        let socket = TcpStream::connect(broker.amqp).await.unwrap();
        let mut client = Self { socket, received: BytesMut::new() };
        client.socket.write_all(&PROTOCOL_HEADER).await.unwrap();
        client.next().await;
        let capabilities = Table::from([("authentication_failure_close", Field::Bool(true))]);
        let named =
            Table::from([("connection_name", Field::text("worker")), ("capabilities", Field::Table(capabilities))]);
        let login = Method::ConnectionStartOk {
            client_properties: named,
            mechanism: "PLAIN".into(),
            response: LongText(Bytes::from(format!("\0{}", login.replacen(':', "\0", 1)))),
            locale: "en_US".into(),
        };
        client.say(0, login).await;
        let tune = client.next().await;
        if !matches!(tune, Method::ConnectionTune { .. }) {
            return (client, tune);
        }
        client.say(0, Method::ConnectionTuneOk { channel_max: 7, frame_max: 131_072, heartbeat: 0 }).await;
        let virtual_host = ShortText::from(virtual_host);
        client
            .say(0, Method::ConnectionOpen { virtual_host, reserved_1: ShortText::default(), reserved_2: false })
            .await;
        let opened = client.next().await;
        (client, opened)
    }

    pub(crate) async fn say(&mut self, channel: u16, method: Method) {
        let mut out = BytesMut::new();
        method.put(&mut out, channel);
        self.socket.write_all(&out).await.unwrap();
    }

    /// A message as it is sent: where to, whether it must be routed, and what it says.
    pub(crate) fn message(channel: u16, (exchange, key): (&str, &str), (mandatory, body): (bool, &[u8])) -> BytesMut {
        let (exchange, routing_key) = (exchange.into(), key.into());
        let publish = Method::BasicPublish { reserved: 0, exchange, routing_key, mandatory, immediate: false };
        let mut out = BytesMut::new();
        publish.put(&mut out, channel);
        put_content(&mut out, (channel, FRAME_MAX), &[0, 0], body);
        out
    }

    pub(crate) async fn publish(&mut self, channel: u16, to: (&str, &str), content: (bool, &[u8])) {
        self.send(&Self::message(channel, to, content)).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn open_channel(&mut self, channel: u16) {
        let open = Method::ChannelOpen { reserved: ShortText::default() };
        assert!(matches!(self.ask(channel, open).await, Method::ChannelOpenOk { .. }));
    }

    pub(crate) async fn consume(&mut self, channel: u16, queue: &str, no_ack: bool) {
        let consume = Method::BasicConsume {
            reserved: 0,
            queue: queue.into(),
            consumer_tag: queue.into(),
            no_local: false,
            no_ack,
            exclusive: false,
            no_wait: false,
            arguments: Table::default(),
        };
        assert!(matches!(self.ask(channel, consume).await, Method::BasicConsumeOk { .. }));
    }

    pub(crate) async fn next(&mut self) -> Method {
        loop {
            match Frame::take(&mut self.received, 131_072).unwrap() {
                Some(Frame { kind: FrameKind::Method, payload, .. }) => return Method::read(&payload).unwrap(),
                Some(_) => {}
                None => assert_ne!(self.socket.read_buf(&mut self.received).await.unwrap(), 0, "the server hung up"),
            }
        }
    }

    pub(crate) async fn ask(&mut self, channel: u16, method: Method) -> Method {
        self.say(channel, method).await;
        self.next().await
    }
}
