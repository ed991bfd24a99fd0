//! The admin API against a real engine on a disk in memory: requests in, JSON out, no sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use omnibus_admin::Node;
use omnibus_admin_api::node::Setting;
use omnibus_engine::{Engine, EngineConfig, Payload, Running, Seams};
use omnibus_io::{FaultDisk, SystemClock, SystemEntropy};
use omnibus_model::command::{CommitOffsets, JoinGroup};
use omnibus_model::group::{ClientInfo, CommittedOffset, ProtocolOffer, Subscription, TopicPartition};
use omnibus_model::queue::Envelope;
use omnibus_model::{
    BatchInfo, Command, GroupName, MemberId, Millis, Offset, PartitionIndex, RecordFormat, Timestamp, TopicName,
};
use omnibus_record::{BatchBuilder, Codec, Header, Message, Native, SqsNative, Stamp};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A broker without sockets.
struct Broker {
    engine: Engine,
    running: Running,
    router: Router,
}

impl Broker {
    fn open() -> Self {
        let entropy = SystemEntropy::open().unwrap();
        let disk = Arc::new(FaultDisk::new(1));
        let seams = Seams { disk, clock: Arc::new(SystemClock::default()), entropy: Arc::new(entropy) };
        let mut config = EngineConfig::default();
        config.log.segment_bytes = 4 << 20;
        config.log.reserve_bytes = 0;
        config.log.identity = 7;
        let (engine, running) = Engine::open(seams, config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let node = Node {
            cluster: None,
            engine: engine.clone(),
            cluster_id: "cluster".to_owned(),
            node_id: 1,
            kafka: address,
            admin: address,
            data_dir: "nowhere".to_owned(),
            partitions_default: 3,
            metrics_series_max: 20,
            settings: vec![Setting { key: "a".into(), value: "1".into(), source: "default".into() }],
            read_assignment: |_, _| None,
        };
        Self { engine, running, router: omnibus_admin::router(Arc::new(node)) }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let request =
            axum::http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn json(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.ask(method, path, body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.json("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    async fn problem(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, value) = self.json(method, path, body).await;
        (status, value["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn create(&self, topic: &str, partitions: u32) {
        let body = json!({ "name": topic, "partitions": partitions });
        assert_eq!(self.json("POST", "/v1/topics", Some(body)).await.0, 201);
    }

    /// Appends one batch, a record for each value.
    async fn append(&self, topic: &str, partition: usize, values: &[&[u8]]) {
        let mut builder = BatchBuilder::new(Codec::Lz4);
        let header = Header { key: "h".into(), value: Some("1".into()) };
        for (at, value) in (1_000..).zip(values) {
            builder.push(Timestamp(at), Some(b"key"), Some(value), std::slice::from_ref(&header));
        }
        let count = builder.count();
        let bytes = builder.finish(Stamp::default());
        let batch = BatchInfo {
            format: RecordFormat::KafkaBatch,
            count,
            bytes: u32::try_from(bytes.len()).unwrap(),
            timestamp_max: Timestamp(1_000 + i64::from(count) - 1),
            producer: None,
        };
        let to = self.engine.catalog().topic(topic).unwrap().partitions[partition];
        self.engine.append(to.shard, to.stream, Payload { batch, bytes }).await.unwrap().appended().await.unwrap();
    }

    async fn commit(&self, group: &str, topic: &str, partition: u32, offset: u64) {
        let group = GroupName::new(group).unwrap();
        let at = TopicPartition { topic: TopicName::new(topic).unwrap(), partition: PartitionIndex(partition) };
        let offset = CommittedOffset {
            offset: Offset(offset),
            leader_epoch: None,
            metadata: String::new(),
            committed_at: Timestamp(5),
        };
        let command = CommitOffsets {
            group: group.clone(),
            member: None,
            instance: None,
            generation: -1,
            stale_epoch_supported: false,
            retention: None,
            offsets: vec![(at, offset)],
        };
        let shard = self.engine.group_shard(&group);
        self.engine.submit(shard, Command::CommitOffsets(Box::new(command))).await.unwrap();
    }

    async fn close(self) {
        drop(self.router);
        self.running.close().await;
    }
}

#[tokio::test]
async fn topics_are_created_changed_and_deleted() {
    let broker = Broker::open();
    let body = json!({ "name": "orders", "config": { "retention_time": "1h" } });
    let (status, topic) = broker.json("POST", "/v1/topics", Some(body)).await;
    assert_eq!((status, topic["partitions"].as_array().unwrap().len()), (201, 3));
    let retention = |topic: &Value| {
        let config = topic["config"].as_array().unwrap();
        config.iter().find(|setting| setting["key"] == "retention_time").unwrap().clone()
    };
    assert_eq!(retention(&topic), json!({ "key": "retention_time", "value": "1h", "source": "topic" }));

    let change = json!({ "partitions": 5, "config": { "retention_time": null } });
    let (status, topic) = broker.json("PATCH", "/v1/topics/orders", Some(change)).await;
    assert_eq!((status, topic["partitions"].as_array().unwrap().len()), (200, 5));
    assert_eq!(retention(&topic)["source"], "default");
    assert_eq!(broker.get("/v1/topics").await["topics"][0]["partitions"], 5);

    assert_eq!(broker.ask("DELETE", "/v1/topics/orders", None).await.0, 204);
    assert_eq!(broker.get("/v1/topics").await, json!({ "topics": [] }));
    broker.close().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_a_code() {
    let broker = Broker::open();
    broker.create("orders", 1).await;
    for (method, path, body, status, code) in [
        ("GET", "/v1/topics/none", None, 404, "unknown_topic"),
        ("GET", "/v1/topics/orders/records?partition=1", None, 404, "unknown_partition"),
        ("GET", "/v1/topics/orders/records?from=7", None, 416, "offset_out_of_range"),
        ("GET", "/v1/topics/orders/records?count=0", None, 400, "invalid"),
        ("GET", "/v1/topics/orders/records?colour=red", None, 400, "invalid"),
        ("GET", "/v1/groups/none", None, 404, "unknown_group"),
        ("GET", "/v2", None, 404, "unknown_path"),
        ("PUT", "/v1/topics", None, 405, "unknown_path"),
        ("POST", "/v1/topics", Some(json!({ "name": "orders" })), 409, "topic_exists"),
        ("POST", "/v1/topics", Some(json!({ "name": "a/b" })), 400, "invalid"),
        ("POST", "/v1/topics", Some(json!({ "name": "x", "partitions": 0 })), 400, "invalid"),
        ("POST", "/v1/topics", Some(json!({ "name": "x", "colour": "red" })), 400, "invalid"),
        ("POST", "/v1/topics", Some(json!({ "name": "x", "config": { "retention.ms": "1" } })), 400, "invalid"),
        ("POST", "/v1/topics", Some(json!({ "name": "x".repeat(1 << 20) })), 413, "too_large"),
        ("PATCH", "/v1/topics/orders", Some(json!({ "partitions": 0 })), 400, "invalid"),
        ("POST", "/v1/groups/g/seek", Some(json!({ "to": "earliest" })), 404, "unknown_group"),
        ("POST", "/v1/groups/g/seek", Some(json!({ "to": "earliest", "partition": 1 })), 400, "invalid"),
    ] {
        let shown = body.as_ref().map_or(0, |body| body.to_string().len());
        assert_eq!(broker.problem(method, path, body).await, (status, code.to_owned()), "{method} {path} {shown}");
    }
    broker.close().await;
}

#[tokio::test]
async fn records_are_shown_without_loss() {
    let broker = Broker::open();
    broker.create("orders", 2).await;
    broker.append("orders", 1, &[b"a", &[0xff, 0x00]]).await;
    broker.append("orders", 1, &[b"c"]).await;

    let records = broker.get("/v1/topics/orders/records?from=earliest").await;
    assert_eq!(
        records["records"][1],
        json!({
            "partition": 1, "offset": 1, "timestamp": 1001, "key": { "text": "key" }, "value": { "base64": "/wA=" },
            "headers": [{ "key": "h", "value": { "text": "1" } }],
        })
    );
    assert_eq!((records["records"].as_array().unwrap().len(), &records["truncated"]), (3, &json!(false)));

    let offsets = |records: &Value| -> Vec<u64> {
        records["records"].as_array().unwrap().iter().map(|record| record["offset"].as_u64().unwrap()).collect()
    };
    assert_eq!(offsets(&broker.get("/v1/topics/orders/records?count=2").await), [1, 2]);
    assert_eq!(offsets(&broker.get("/v1/topics/orders/records?partition=1&from=1&count=1").await), [1]);
    assert_eq!(offsets(&broker.get("/v1/topics/orders/records?partition=0").await), [0; 0]);
    broker.close().await;
}

#[tokio::test]
async fn lag_is_what_is_there_and_not_committed() {
    let broker = Broker::open();
    broker.create("orders", 2).await;
    broker.append("orders", 0, &[b"a", b"b", b"c"]).await;
    broker.append("orders", 1, &[b"a", b"b"]).await;
    broker.commit("readers", "orders", 0, 1).await;
    broker.commit("readers", "orders", 1, 2).await;

    let lag = broker.get("/v1/groups/readers/lag").await;
    assert_eq!((&lag["total"], &lag["state"]), (&json!(2), &json!("Empty")));
    assert_eq!(lag["partitions"][0]["lag"], 2);
    assert_eq!(lag["partitions"][1]["lag"], 0);
    assert_eq!(broker.get("/v1/groups").await["groups"][0]["name"], "readers");
    broker.close().await;
}

#[tokio::test]
async fn group_without_members_is_moved() {
    let broker = Broker::open();
    broker.create("orders", 1).await;
    broker.append("orders", 0, &[b"a", b"b", b"c", b"d"]).await;
    broker.commit("readers", "orders", 0, 2).await;
    let committed = async || broker.get("/v1/groups/readers/lag").await["partitions"][0]["committed"].clone();
    for (to, after) in [
        (json!("earliest"), 0),
        (json!("latest"), 4),
        (json!({ "offset": 3 }), 3),
        (json!({ "timestamp": 1001 }), 1),
        (json!({ "timestamp": 9999 }), 4),
        (json!({ "shift": -3 }), 1),
        (json!({ "shift": 99 }), 4),
    ] {
        let (status, sought) = broker.json("POST", "/v1/groups/readers/seek", Some(json!({ "to": to }))).await;
        assert_eq!((status, &sought["partitions"][0]["after"]), (200, &json!(after)), "{to}");
        assert_eq!(committed().await, after);
    }
    let preview = json!({ "to": "earliest", "mode": "preview" });
    broker.json("POST", "/v1/groups/readers/seek", Some(preview)).await;
    assert_eq!(committed().await, 4);
    let beyond = json!({ "to": { "offset": 5 } });
    assert_eq!(broker.problem("POST", "/v1/groups/readers/seek", Some(beyond)).await.1, "offset_out_of_range");
    let other = json!({ "to": "earliest", "topic": "orders" });
    assert_eq!(broker.json("POST", "/v1/groups/new/seek", Some(other)).await.0, 200);

    assert_eq!(broker.ask("DELETE", "/v1/groups/readers", None).await.0, 204);
    assert_eq!(broker.problem("GET", "/v1/groups/readers", None).await.1, "unknown_group");
    broker.close().await;
}

#[tokio::test]
async fn group_with_members_stays() {
    let broker = Broker::open();
    broker.create("orders", 1).await;
    let group = GroupName::new("readers").unwrap();
    let member = MemberId::new("m").unwrap();
    let join = JoinGroup {
        group: group.clone(),
        member: None,
        member_new: member,
        instance: None,
        client: ClientInfo { id: "c".into(), host: "/h".into(), rack: None },
        session_timeout: Millis(30_000),
        rebalance_timeout: Millis(30_000),
        protocol_type: "consumer".into(),
        protocols: vec![ProtocolOffer { name: "range".into(), metadata: bytes::Bytes::new() }],
        subscription: Subscription::Unreadable,
        member_id_required: false,
        skip_assignment_supported: true,
        reason: None,
    };
    // The join is answered only when the round closes; being a member begins at once.
    let shard = broker.engine.group_shard(&group);
    broker.engine.submit(shard, Command::JoinGroup(Box::new(join))).await.unwrap();
    let seek = json!({ "to": "earliest", "topic": "orders" });
    assert_eq!(broker.problem("POST", "/v1/groups/readers/seek", Some(seek)).await, (409, "group_not_empty".into()));
    assert_eq!(broker.problem("DELETE", "/v1/groups/readers", None).await, (409, "group_not_empty".into()));
    let described = broker.get("/v1/groups/readers").await;
    assert_eq!(described["members"][0]["client"], "c");
    broker.close().await;
}

#[tokio::test]
async fn node_tells_about_itself() {
    let broker = Broker::open();
    assert_eq!(broker.ask("GET", "/healthz", None).await, (200, "ok\n".to_owned()));
    assert_eq!(broker.ask("GET", "/readyz", None).await, (200, "ok\n".to_owned()));
    assert_eq!(broker.get("/v1/node").await["health"], json!({ "state": "well" }));
    assert_eq!(broker.get("/v1/config").await["settings"][0]["value"], "1");
    assert!(broker.get("/v1/log").await["counters"].as_array().unwrap().len() > 10);
    broker.close().await;
}

#[tokio::test]
async fn queues_are_made_looked_into_and_emptied() {
    let broker = Broker::open();
    let config = json!({ "lease": "10s", "deliveries_max": "3", "dead_letters_to": "dead", "history": "kept" });
    let body = json!({ "name": "work", "config": config });
    let (status, made) = broker.json("POST", "/v1/queues", Some(body.clone())).await;
    assert_eq!((status, made["config"]["lease"].as_str(), made["ordered"].as_bool()), (201, Some("10s"), Some(false)));
    assert_eq!(broker.problem("POST", "/v1/queues", Some(body)).await, (409, "topic_exists".into()));
    let wrong = json!({ "name": "b", "config": { "leese": "10s" } });
    assert_eq!(broker.problem("POST", "/v1/queues", Some(wrong)).await, (400, "invalid".into()));
    broker.create("plain", 1).await;
    assert_eq!(broker.problem("GET", "/v1/queues/plain", None).await, (400, "invalid".into()));

    let changes = json!({ "config": { "lease": "1m", "deliveries_max": "none" } });
    let (status, altered) = broker.json("PATCH", "/v1/queues/work", Some(changes)).await;
    assert_eq!((status, altered["config"]["lease"].as_str()), (200, Some("1m")), "{altered}");
    assert_eq!(altered["config"]["dead_letters_to"], "dead");
    let order = json!({ "config": { "order": "ordered" } });
    assert_eq!(broker.problem("PATCH", "/v1/queues/work", Some(order)).await.0, 400);

    broker.append("work", 0, &[b"a", b"b", b"c"]).await;
    let peeked = broker.get("/v1/queues/work/records?from=1&count=1").await;
    assert_eq!((&peeked["records"][0]["state"], &peeked["records"][0]["offset"]), (&json!("ready"), &json!(1)));
    assert_eq!(peeked["records"][0]["value"], json!({ "text": "b" }));
    let found = broker.get("/v1/queues/work/records?matching=c").await;
    assert_eq!((&found["records"][0]["offset"], found["records"].as_array().unwrap().len()), (&json!(2), 1), "{found}");
    assert_eq!(found.get("next"), None);
    let found = broker.get("/v1/queues/work/records?matching=none").await;
    assert_eq!(found["records"], json!([]));
    assert_eq!(broker.problem("GET", "/v1/queues/work/records?matching=", None).await, (400, "invalid".into()));
    assert_eq!(broker.get("/v1/queues").await["queues"][0]["counts"]["ready"], 3);
    let (_, metrics) = broker.ask("GET", "/metrics", None).await;
    assert!(metrics.contains("omnibus_queue_records{queue=\"work\",state=\"ready\"} 3\n"));
    assert!(metrics.contains("omnibus_queue_records_total{queue=\"work\",event=\"enqueued\"} 3\n"));
    assert!(metrics.contains("# TYPE omnibus_queue_oldest_age_seconds gauge\nomnibus_queue_oldest_age_seconds{"));
    assert_eq!(broker.json("POST", "/v1/queues/work/purge", Some(json!(null))).await.1["records"], 3);
    let to = json!({ "offset": 1 });
    assert_eq!(broker.json("POST", "/v1/queues/work/rewind", Some(to)).await.1["records"], 2);
    let neither = broker.problem("POST", "/v1/queues/work/rewind", Some(json!({}))).await;
    assert_eq!(neither, (400, "invalid".into()));

    let other = json!({ "name": "dead" });
    assert_eq!(broker.json("POST", "/v1/queues", Some(other)).await.0, 201);
    let wanted = json!({ "target": "dead", "rate_max": 1 });
    let (status, started) = broker.json("POST", "/v1/queues/work/moves", Some(wanted.clone())).await;
    assert_eq!(status, 201, "{started}");
    let described = broker.get("/v1/queues/work").await;
    assert_eq!((&described["moves"][0]["target"], &described["moves"][0]["planned"]), (&json!("dead"), &json!(2)));
    let task = format!("/v1/queues/work/moves/{}", started["task"]);
    assert_eq!(broker.json("DELETE", &task, None).await.0, 200);
    assert_eq!(broker.ask("DELETE", "/v1/queues/work", None).await.0, 204);
    assert_eq!(broker.problem("GET", "/v1/queues/work", None).await, (404, "unknown_topic".into()));
    broker.close().await;
}

#[tokio::test]
async fn queue_with_priorities_is_one_queue() {
    let broker = Broker::open();
    let ordered = json!({ "name": "graded", "priorities": 2, "config": { "order": "ordered" } });
    assert_eq!(broker.problem("POST", "/v1/queues", Some(ordered)).await, (400, "invalid".into()));
    let create = json!({ "name": "graded", "priorities": 2, "config": { "history": "kept" } });
    assert_eq!(broker.json("POST", "/v1/queues", Some(create)).await.0, 201);
    let queue = broker.engine.queue(&TopicName::new("graded").unwrap()).unwrap().queue_place().unwrap();
    let native = SqsNative { id: 7, ..SqsNative::default() };
    for (priority, body) in [(0, "low one"), (2, "high one"), (1, "middle"), (0, "low two"), (2, "high two")] {
        let message = Message {
            offset: Offset::ZERO,
            timestamp: Timestamp(1_000),
            envelope: Envelope { priority, ..Envelope::default() },
            native: Native::Sqs(native.clone()),
            history: None,
            body: body.into(),
        };
        let sent = broker.engine.enqueue(queue, vec![(message.encode().unwrap(), None)]).await.unwrap();
        assert!(sent[0].is_ok());
    }
    let listed = broker.get("/v1/queues").await;
    assert_eq!((&listed["queues"][0]["priorities"], &listed["queues"][0]["counts"]["ready"]), (&json!(2), &json!(5)));
    let described = broker.get("/v1/queues/graded").await;
    let ready = |place: usize| described["by_priority"][place]["counts"]["ready"].clone();
    assert_eq!([ready(0), ready(1), ready(2)], [json!(2), json!(1), json!(2)], "{described}");

    let peeked = async |query: &str| {
        let answer = broker.get(&format!("/v1/queues/graded/records{query}")).await;
        let texts = answer["records"].as_array().unwrap().iter().map(|record| record["value"]["text"].clone());
        (texts.collect::<Vec<_>>(), answer["next_priority"].clone(), answer["next"].clone())
    };
    let (all, none) = (["high one", "high two", "middle", "low one", "low two"], json!(null));
    assert_eq!(peeked("").await, (all.map(|text| json!(text)).to_vec(), none.clone(), none.clone()));
    let (found, ..) = peeked("?priority=1&count=2").await;
    assert_eq!(found, [json!("middle"), json!("low one")]);
    let (found, ..) = peeked("?from=1&count=2").await;
    assert_eq!(found, [json!("high two"), json!("middle")]);
    let (found, priority, next) = peeked("?matching=one&count=1").await;
    assert_eq!((found, priority, next.is_u64()), (vec![json!("high one")], json!(1), true));
    let (found, ..) = peeked("?matching=one&priority=1&from=0").await;
    assert_eq!(found, [json!("low one")]);
    let path = "/v1/queues/graded/records?priority=3";
    assert_eq!(broker.problem("GET", path, None).await, (400, "invalid".into()));

    let (_, metrics) = broker.ask("GET", "/metrics", None).await;
    assert!(metrics.contains("omnibus_queue_records{queue=\"graded\",state=\"ready\"} 5\n"));
    assert_eq!(broker.json("POST", "/v1/queues/graded/purge", Some(json!(null))).await.1["records"], 5);
    let to_offset = broker.problem("POST", "/v1/queues/graded/rewind", Some(json!({ "offset": 0 }))).await;
    assert_eq!(to_offset, (400, "invalid".into()));
    let rewound = broker.json("POST", "/v1/queues/graded/rewind", Some(json!({ "time": 0 }))).await;
    assert_eq!(rewound.1["records"], 5);
    assert_eq!(broker.json("POST", "/v1/queues", Some(json!({ "name": "other" }))).await.0, 201);
    let paced = json!({ "target": "other", "rate_max": 1 });
    assert_eq!(broker.problem("POST", "/v1/queues/graded/moves", Some(paced)).await, (400, "invalid".into()));
    let (status, started) = broker.json("POST", "/v1/queues/graded/moves", Some(json!({ "target": "other" }))).await;
    assert_eq!((status, &started["task"]), (201, &json!(1)));
    let described = broker.get("/v1/queues/graded").await;
    assert_eq!((&described["moves"][0]["target"], &described["moves"][0]["planned"]), (&json!("other"), &json!(5)));
    assert_eq!(broker.ask("DELETE", "/v1/queues/graded", None).await.0, 204);
    broker.close().await;
}

#[tokio::test]
async fn message_of_a_queue_is_looked_at_like_a_record() {
    let broker = Broker::open();
    assert_eq!(broker.json("POST", "/v1/queues", Some(json!({ "name": "work" }))).await.0, 201);
    let native = SqsNative { id: 7, group: Some("g".into()), ..SqsNative::default() };
    let message = Message {
        offset: Offset::ZERO,
        timestamp: Timestamp(1_000),
        envelope: Envelope::default(),
        native: Native::Sqs(native),
        history: None,
        body: "hello".into(),
    };
    let queue = broker.engine.catalog().topic("work").unwrap().partitions[0];
    let sent = broker.engine.enqueue(queue, vec![(message.encode().unwrap(), None)]).await.unwrap();
    assert!(sent[0].is_ok());
    for path in ["/v1/topics/work/records?from=earliest", "/v1/queues/work/records"] {
        let record = broker.get(path).await["records"][0].clone();
        assert_eq!((&record["offset"], &record["timestamp"]), (&json!(0), &json!(1_000)), "{path}");
        assert_eq!(
            (&record["key"], &record["value"]),
            (&json!({ "text": "g" }), &json!({ "text": "hello" })),
            "{path}"
        );
    }
    broker.close().await;
}

#[tokio::test]
async fn data_at_rest_is_read_again_on_demand() {
    let broker = Broker::open();
    let asked = broker.ask("POST", "/v1/scrub", None).await;
    assert_eq!(asked.0, 200);
    while broker.get("/v1/scrub").await["passes"] != 1 {
        tokio::task::yield_now().await;
    }
    let told = broker.get("/v1/scrub").await;
    assert_eq!((&told["damaged"], &told["places"]), (&json!({ "places": 0, "records": 0, "bytes": 0 }), &json!([])));
    assert!(told["last_end"].is_i64() && told["pass"].is_null());
    assert_eq!(broker.get("/v1/cluster").await["damaged"]["places"], 0);
    broker.close().await;
}

#[tokio::test]
async fn metrics_are_bounded_and_documented() {
    let broker = Broker::open();
    broker.create("orders", 30).await;
    broker.append("orders", 0, &[b"a", b"b"]).await;
    broker.commit("readers", "orders", 0, 1).await;
    let (status, text) = broker.ask("GET", "/metrics", None).await;
    assert_eq!(status, 200);
    for line in [
        "kafka_brokers 1",
        "kafka_topic_partitions{topic=\"orders\"} 30",
        "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} 2",
        "kafka_topic_partition_oldest_offset{topic=\"orders\",partition=\"0\"} 0",
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"} 2",
        "kafka_server_brokertopicmetrics_messagesin_total 2",
        "kafka_consumergroup_lag{consumergroup=\"readers\",topic=\"orders\",partition=\"0\"} 1",
        "kafka_consumergroup_lag_sum{consumergroup=\"readers\",topic=\"orders\"} 1",
        "omnibus_records_appended_total 2",
        "omnibus_healthy 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("partition=\"20\""), "no metric has more than 20 series");
    let left_out = text.lines().find_map(|line| line.strip_prefix("omnibus_metrics_series_left_out ")).unwrap();
    assert_eq!(left_out, "90", "10 partitions in each of 9 metrics");

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}`")), "docs/metrics.md does not tell of {name}");
    }
    broker.close().await;
}
