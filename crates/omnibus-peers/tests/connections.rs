//! Two nodes on this machine's loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::NodeId;
use omnibus_peers::{Answering, Answers, CallError, Door, FRAME_BYTES_MAX, Identity, Lines, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::advance;

fn identity(node: u32) -> Identity {
    Identity { cluster: "c".to_owned(), node: NodeId(node), log: u64::from(node) }
}

/// Answers with who asked what of whom; some requests it does not understand, others it never answers.
#[derive(Default)]
struct Echo {
    order: Arc<Mutex<Vec<Bytes>>>,
    /// What is answered late waits for this.
    late: Arc<Notify>,
}

impl Answers for Echo {
    fn answer(&self, from: NodeId, service: Service, request: Bytes) -> Answering {
        let (order, late) = (Arc::clone(&self.order), Arc::clone(&self.late));
        Box::pin(async move {
            order.lock().await.push(request.clone());
            match &request[..] {
                b"what" => None,
                b"never" => std::future::pending().await,
                b"late" => {
                    late.notified().await;
                    Some(request)
                }
                request => {
                    let said = format!("{from} {service:?} ");
                    Some([said.as_bytes(), request].concat().into())
                }
            }
        })
    }
}

struct There {
    address: String,
    order: Arc<Mutex<Vec<Bytes>>>,
    late: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl There {
    async fn open(node: u32, address: &str) -> Self {
        let door = Door::bind(address.parse().unwrap(), identity(node)).await.unwrap();
        let address = door.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        let echo = Echo::default();
        let (order, late) = (Arc::clone(&echo.order), Arc::clone(&echo.late));
        let task = tokio::spawn(door.run(Arc::new(echo), stopped));
        Self { address, order, late, stop, task }
    }

    async fn close(self) -> String {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.address
    }
}

async fn connected(lines: &Lines, node: u32) {
    while !lines.is_open(NodeId(node)) {
        tokio::task::yield_now().await;
    }
}

async fn call(lines: &Lines, request: &'static [u8]) -> Result<Bytes, CallError> {
    lines.call(NodeId(2), Service::Engine, vec![Bytes::from_static(request)]).await
}

#[tokio::test]
async fn answers_find_those_who_asked() {
    let there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    assert_eq!(call(&lines, b"a").await, Err(CallError::Unreachable { node: NodeId(2) }));
    lines.set(NodeId(2), &there.address);
    connected(&lines, 2).await;
    let many: Vec<_> = (0..500_u32)
        .map(|number| {
            let pieces = vec![Bytes::from(number.to_string()), Bytes::from_static(b"!")];
            lines.call(NodeId(2), Service::Consensus, pieces)
        })
        .collect();
    for (number, answer) in many.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), format!("1 Consensus {number}!"));
    }
    assert!(there.order.lock().await.iter().enumerate().all(|(number, request)| *request == format!("{number}!")));
    assert_eq!(call(&lines, b"what").await, Err(CallError::NotUnderstood { node: NodeId(2) }));
    let long = Bytes::from(vec![b'x'; 20 << 20]);
    let answer = lines.call(NodeId(2), Service::Engine, vec![long.clone()]).await.unwrap();
    assert_eq!(answer.len(), long.len() + "1 Engine ".len());
    let too_long = Bytes::from(vec![0; FRAME_BYTES_MAX + 1]);
    assert_eq!(lines.call(NodeId(2), Service::Engine, vec![too_long]).await, Err(CallError::TooLong));
    there.close().await;
}

#[tokio::test]
async fn who_waits_when_the_connection_ends_is_told_and_it_is_opened_again() {
    let there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    lines.set(NodeId(2), &there.address);
    connected(&lines, 2).await;
    let waits = lines.call(NodeId(2), Service::Engine, vec![Bytes::from_static(b"never")]);
    assert_eq!(call(&lines, b"a").await.unwrap(), "1 Engine a");
    let address = there.close().await;
    assert_eq!(waits.await, Err(CallError::Lost { node: NodeId(2) }));
    let there = There::open(2, &address).await;
    while call(&lines, b"again").await.is_err() {
        tokio::task::yield_now().await;
    }
    lines.remove(NodeId(2));
    assert_eq!(call(&lines, b"a").await, Err(CallError::Unreachable { node: NodeId(2) }));
    there.close().await;
}

#[tokio::test]
async fn a_sign_of_life_comes_or_the_connection_is_known_to_have_ended() {
    let there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    lines.set(NodeId(2), &there.address);
    connected(&lines, 2).await;
    lines.sign_of_life(NodeId(2)).await;
    assert!(lines.is_open(NodeId(2)));
    // As a process that is killed, without a word.
    there.task.abort();
    let _ended = there.task.await;
    lines.sign_of_life(NodeId(2)).await;
    assert!(!lines.is_open(NodeId(2)));
    lines.sign_of_life(NodeId(2)).await;
    lines.sign_of_life(NodeId(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_says_nothing_is_not_heard_before_its_connection_ends() {
    // Somebody is always busy, so time passes only when it is let pass.
    let busy = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let there = There::open(2, "127.0.0.1:0").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lines = Lines::new(identity(1));
    lines.set(NodeId(2), &listener.local_addr().unwrap().to_string());
    let (cut, address) = (Arc::new(Notify::new()), there.address.clone());
    let is_cut = Arc::clone(&cut);
    let way = tokio::spawn(async move {
        let (mut here, _) = listener.accept().await.unwrap();
        let mut there = TcpStream::connect(address).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
            () = is_cut.notified() => std::future::pending().await,
        }
    });
    assert!(!lines.is_heard(NodeId(2)));
    connected(&lines, 2).await;
    for _ in 0..5 {
        advance(Duration::from_secs(1)).await;
        lines.sign_of_life(NodeId(2)).await;
        assert!(lines.is_heard(NodeId(2)));
    }
    cut.notify_one();
    advance(Duration::from_millis(2_100)).await;
    while lines.is_heard(NodeId(2)) {
        tokio::task::yield_now().await;
        advance(Duration::from_millis(1)).await;
    }
    assert!(lines.is_open(NodeId(2)));
    busy.abort();
    way.abort();
    there.close().await;
}

#[tokio::test]
async fn a_process_is_gone_whose_connection_has_ended_and_whose_machine_lets_nobody_in() {
    let mut there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    let mut departures = lines.departures();
    lines.set(NodeId(2), &there.address);
    // Nobody has ever been there.
    lines.set(NodeId(3), "127.0.0.1:1");
    for times in 1..=2 {
        connected(&lines, 2).await;
        there.task.abort();
        departures.changed().await.unwrap();
        assert_eq!(*departures.borrow_and_update(), [(NodeId(2), times)].into());
        there = There::open(2, &there.address).await;
    }
    there.close().await;
}

#[tokio::test]
async fn who_goes_answers_what_was_asked_and_is_asked_nothing_more() {
    let there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    lines.set(NodeId(2), &there.address);
    connected(&lines, 2).await;
    let asked = lines.call(NodeId(2), Service::Engine, vec![Bytes::from_static(b"late")]);
    assert_eq!(call(&lines, b"a").await.unwrap(), "1 Engine a");
    there.stop.send_replace(true);
    while lines.is_open(NodeId(2)) {
        tokio::task::yield_now().await;
    }
    assert_eq!(call(&lines, b"b").await, Err(CallError::Unreachable { node: NodeId(2) }));
    there.late.notify_one();
    assert_eq!(asked.await.unwrap(), "late");
    assert_eq!(there.order.lock().await.len(), 2);
    there.task.await.unwrap();
}

#[tokio::test]
async fn other_clusters_and_other_nodes_are_not_spoken_to() {
    let there = There::open(3, "127.0.0.1:0").await;
    for (ours, wanted) in [
        (Identity { cluster: "d".to_owned(), ..identity(1) }, 3),
        // Node 3 answers where node 2 is said to be.
        (identity(1), 2),
    ] {
        let lines = Lines::new(ours);
        lines.set(NodeId(wanted), &there.address);
        let nearby = Lines::new(identity(1));
        nearby.set(NodeId(3), &there.address);
        connected(&nearby, 3).await;
        assert!(!lines.is_open(NodeId(wanted)));
    }
    assert!(there.order.lock().await.is_empty());
    there.close().await;
}

/// What a stranger gets that sends some bytes: until the connection ends.
async fn told(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut told = Vec::new();
    // It may have been reset.
    drop(stream.read_to_end(&mut told).await);
    told
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let there = There::open(2, "127.0.0.1:0").await;
    let lines = Lines::new(identity(1));
    lines.set(NodeId(2), &there.address);
    connected(&lines, 2).await;
    assert_eq!(told(&there.address, b"GET / HTTP/1.1\r\n\r\n, and some more").await, b"");
    assert_eq!(told(&there.address, b"OMBP").await, b"");
    // A hello as it should be, recorded from a node, and then no frame.
    let recorder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorded = Lines::new(identity(1));
    recorded.set(NodeId(9), &recorder.local_addr().unwrap().to_string());
    let (mut stream, _) = recorder.accept().await.unwrap();
    let mut hello = vec![0; 24];
    stream.read_exact(&mut hello).await.unwrap();
    let answered = told(&there.address, &[&hello[..], &[0xff; 100]].concat()).await;
    assert_eq!(answered.len(), hello.len());
    assert_eq!(call(&lines, b"a").await.unwrap(), "1 Engine a");
    there.close().await;
}
