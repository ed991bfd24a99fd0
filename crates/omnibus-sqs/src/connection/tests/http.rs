//! Subscriptions by HTTP, with a server that is called.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use omnibus_engine::push::Pushing;
use omnibus_model::Millis;
use omnibus_webhook::{Poster, Settings as Calling};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::sns::between;
use super::{Client, Node};
use crate::door::Door;
use crate::settings::{Credential, Settings, Signatures};
use crate::topics::farewells;
use crate::topics::push::HttpPusher;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";
const POLICY: &str = "DeliveryPolicy";
const AT_ONCE: &str = r#"{"healthyRetryPolicy": {"numRetries": 2, "numNoDelayRetries": 2},
    "requestPolicy": {"headerContentType": "application/json"}}"#;

/// The headers of somebody with a key.
const KEY: &str = "authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request, \
    SignedHeaders=host, Signature=0\r\nx-amz-date: 20260101T000000Z\r\n";

/// What a server was told.
#[derive(Debug)]
struct Told {
    head: String,
    body: String,
}

/// A server that answers as it is told, and otherwise that all is well.
struct Endpoint {
    url: String,
    told: mpsc::Receiver<Told>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(": ").is_some_and(|(each, _)| each.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line)).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Endpoint {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/told", listener.local_addr().unwrap());
        let (tell, told) = mpsc::channel(100);
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(listen(socket, tell.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, told, answers }
    }

    fn answer_with(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    async fn next(&mut self) -> Told {
        self.told.recv().await.unwrap()
    }
}

/// Serves one connection; the end of the other side is its end.
async fn listen(socket: TcpStream, tell: mpsc::Sender<Told>, answers: Arc<Mutex<VecDeque<u16>>>) {
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse().ok();
        let mut body = vec![0; head.lines().find_map(length).unwrap_or(0)];
        socket.read_exact(&mut body).await.unwrap();
        let status = answers.lock().unwrap().pop_front().unwrap_or(200);
        // Whoever has seen the message may count on its answer.
        let asks = if status == 401 { "www-authenticate: Basic realm=\"x\"\r\n" } else { "" };
        let answer = format!("HTTP/1.1 {status} X\r\n{asks}content-length: 0\r\n\r\n");
        let written = socket.get_mut().write_all(answer.as_bytes()).await;
        if written.is_err() || tell.send(Told { head, body: String::from_utf8(body).unwrap() }).await.is_err() {
            return;
        }
    }
}

impl Node {
    async fn push(&self) -> Pushing {
        let poster = Arc::new(Poster::new(Calling::default()).unwrap());
        let pusher = Arc::new(HttpPusher { door: Arc::clone(&self.door), poster });
        Pushing::start(self.door.engine.clone(), pusher).await.unwrap()
    }
}

impl Client {
    async fn subscribe_url(&mut self, url: &str, attributes: &[(&str, &str)]) -> String {
        let attributes: Vec<(String, &str)> = (1..)
            .zip(attributes)
            .flat_map(|(place, (name, value))| {
                let member = |what: &str| format!("Attributes.entry.{place}.{what}");
                [(member("key"), *name), (member("value"), *value)]
            })
            .collect();
        let mut parameters = vec![("TopicArn", TOPIC), ("Protocol", "http"), ("Endpoint", url)];
        parameters.extend(attributes.iter().map(|(name, value)| (name.as_str(), *value)));
        self.sns_ok("Subscribe", &parameters).await
    }

    /// Subscribes and confirms; returns the subscription's ARN.
    async fn join(&mut self, endpoint: &mut Endpoint, attributes: &[(&str, &str)]) -> String {
        self.subscribe_url(&endpoint.url, attributes).await;
        let question = endpoint.next().await.json();
        let reply = self.get(here(&question["SubscribeURL"])).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        between(&reply.body, "<SubscriptionArn>", "</SubscriptionArn>").to_owned()
    }

    async fn publish(&mut self, text: &str) -> String {
        let published = self.sns_ok("Publish", &[("TopicArn", TOPIC), ("Message", text)]).await;
        between(&published, "<MessageId>", "</MessageId>").to_owned()
    }
}

/// A node that signs nothing: making the key takes a while.
fn unsigned() -> Node {
    Node::with(Settings { signatures: Signatures::Off, ..Settings::default() })
}

/// What a URL asks of the door.
fn here(url: &Value) -> &str {
    url.as_str().unwrap().strip_prefix("http://localhost:9324").unwrap()
}

#[tokio::test]
async fn endpoint_confirms_and_is_told_until_it_unsubscribes() {
    let (node, mut endpoint) = (Node::new(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let subscribed = client.subscribe_url(&endpoint.url, &[]).await;
    assert!(subscribed.contains(">pending confirmation<"), "{subscribed}");
    let asked = endpoint.next().await;
    assert!(asked.head.starts_with("POST /told HTTP/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.header("x-amz-sns-message-type"), Some("SubscriptionConfirmation"));
    assert_eq!(asked.header("content-type"), Some("text/plain; charset=UTF-8"));
    let question = asked.json();
    assert_eq!((&question["Type"], &question["TopicArn"]), (&json!("SubscriptionConfirmation"), &json!(TOPIC)));
    assert_eq!(question["Signature"].as_str().unwrap().len(), 344);
    client.publish("too early").await;
    let confirmed = client.get(here(&question["SubscribeURL"])).await;
    let subscription = between(&confirmed.body, "<SubscriptionArn>", "</SubscriptionArn>").to_owned();
    let token = question["Token"].as_str().unwrap();
    let again = client.sns_ok("ConfirmSubscription", &[("TopicArn", TOPIC), ("Token", token)]).await;
    assert!(again.contains(&subscription), "{again}");
    let id = client.publish("spring").await;
    let told = endpoint.next().await;
    assert_eq!(told.header("x-amz-sns-message-type"), Some("Notification"));
    assert_eq!(told.header("x-amz-sns-message-id"), Some(id.as_str()));
    assert_eq!(told.header("x-amz-sns-topic-arn"), Some(TOPIC));
    assert_eq!(told.header("x-amz-sns-subscription-arn"), Some(subscription.as_str()));
    let notification = told.json();
    assert_eq!((&notification["Message"], &notification["MessageId"]), (&json!("spring"), &json!(id)));
    assert_eq!(client.ok("ListQueues", json!({})).await, json!({}), "the endpoint's queue is nobody's");
    assert_eq!(client.get(here(&notification["UnsubscribeURL"])).await.status, 200);
    let left = client.sns_ok("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await;
    assert!(!left.contains("<Endpoint>"), "{left}");
    pushing.stop().await;
}

#[tokio::test]
async fn who_ends_it_without_a_key_is_asked_and_may_take_it_back() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    let dead = client.queue("dead", json!({})).await;
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let redrive = r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}"#;
    let arn = client.join(&mut endpoint, &[("RedrivePolicy", redrive)]).await;
    let end = format!("/?Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(client.get(&end).await.status, 200);
    let told = endpoint.next().await;
    assert_eq!(told.header("x-amz-sns-message-type"), Some("UnsubscribeConfirmation"));
    let question = told.json();
    assert_eq!((&question["Type"], &question["TopicArn"]), (&json!("UnsubscribeConfirmation"), &json!(TOPIC)));
    assert!(question["Message"].as_str().unwrap().contains(&arn), "{question}");
    let subscription = [("SubscriptionArn", arn.as_str())];
    assert_eq!(client.sns("GetSubscriptionAttributes", &subscription).await.status, 404);
    let shown = client.sns_ok("GetTopicAttributes", &[("TopicArn", TOPIC)]).await;
    assert!(shown.contains("<key>SubscriptionsConfirmed</key><value>0</value>"), "{shown}");
    client.publish("into the void").await;
    let restored = client.get(here(&question["SubscribeURL"])).await;
    assert_eq!(between(&restored.body, "<SubscriptionArn>", "</SubscriptionArn>"), arn);
    client.publish("back").await;
    assert_eq!(endpoint.next().await.json()["Message"], "back");
    // What it is asked at its end is no dead letter.
    endpoint.answer_with(&[400]);
    assert_eq!(client.get(&end).await.status, 200);
    assert_eq!(endpoint.next().await.json()["Type"], "UnsubscribeConfirmation");
    assert!(client.receive(&dead).await.is_empty());
    let subscribed = client.subscribe_url(&endpoint.url, &[]).await;
    assert!(subscribed.contains(">pending confirmation<"), "{subscribed}");
    assert_eq!(endpoint.next().await.json()["Type"], "SubscriptionConfirmation");
    pushing.stop().await;
}

#[tokio::test]
async fn what_its_owner_ends_nobody_takes_back() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let arn = client.join(&mut endpoint, &[]).await;
    let end = format!("/?Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(client.get(&end).await.status, 200);
    let question = endpoint.next().await.json();
    assert_eq!(client.request(&format!("GET {end} HTTP/1.1"), KEY, b"").await.status, 200);
    let late = client.get(here(&question["SubscribeURL"])).await;
    assert!(late.status == 400 && late.body.contains("Invalid parameter: Token"), "{}", late.body);
    pushing.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_forgotten() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let arn = client.join(&mut endpoint, &[]).await;
    let pending = format!("{}/other", endpoint.url);
    client.subscribe_url(&pending, &[]).await;
    let question = endpoint.next().await.json();
    let days = |count: u64| node.door.engine.now().plus(Millis(count * 24 * 3_600_000));
    farewells::sweep(&node.door, days(1)).await.unwrap();
    let list = [("TopicArn", TOPIC)];
    assert!(client.sns_ok("ListSubscriptionsByTopic", &list).await.contains(&pending));
    farewells::sweep(&node.door, days(2)).await.unwrap();
    let left = client.sns_ok("ListSubscriptionsByTopic", &list).await;
    assert!(left.contains(&arn) && !left.contains(&pending), "{left}");
    let late = client.get(here(&question["SubscribeURL"])).await;
    assert!(late.status == 400 && late.body.contains("Invalid parameter: Token"), "{}", late.body);
    pushing.stop().await;
}

#[tokio::test]
async fn topic_says_how_its_endpoints_are_told() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    let of_topic = r#"{"http": {"defaultHealthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1},
        "defaultRequestPolicy": {"headerContentType": "application/xml"}}}"#;
    let attributes = [("Attributes.entry.1.key", POLICY), ("Attributes.entry.1.value", of_topic)];
    client.sns_ok("CreateTopic", &[&[("Name", "news")][..], &attributes].concat()).await;
    let arn = client.join(&mut endpoint, &[("RawMessageDelivery", "true")]).await;
    endpoint.answer_with(&[500]);
    client.publish("x").await;
    for _ in 0..2 {
        assert_eq!(endpoint.next().await.header("content-type"), Some("application/xml"));
    }
    let strict = of_topic.replacen("\"http\": {", "\"http\": {\"disableSubscriptionOverrides\": true, ", 1);
    let subscription = [("SubscriptionArn", arn.as_str()), ("AttributeName", POLICY), ("AttributeValue", AT_ONCE)];
    client.sns_ok("SetSubscriptionAttributes", &subscription).await;
    client.publish("x").await;
    assert_eq!(endpoint.next().await.header("content-type"), Some("application/json"));
    let set = [("TopicArn", TOPIC), ("AttributeName", POLICY), ("AttributeValue", strict.as_str())];
    client.sns_ok("SetTopicAttributes", &set).await;
    client.publish("x").await;
    assert_eq!(endpoint.next().await.header("content-type"), Some("application/xml"));
    let shown = client.sns_ok("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    assert!(shown.contains("application/xml"), "{shown}");
    pushing.stop().await;
}

#[tokio::test]
async fn attributes_tell_of_an_endpoint() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let parameters =
        [("TopicArn", TOPIC), ("Protocol", "http"), ("Endpoint", &endpoint.url), ("ReturnSubscriptionArn", "true")];
    let pending = client.sns_ok("Subscribe", &parameters).await;
    let arn = between(&pending, "<SubscriptionArn>", "</SubscriptionArn>").to_owned();
    let listed = client.sns_ok("ListSubscriptions", &[]).await;
    assert!(listed.contains(">PendingConfirmation<"), "{listed}");
    let shown = client.sns_ok("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    let token = endpoint.next().await.json()["Token"].as_str().unwrap().to_owned();
    assert!(!shown.contains(&token) && !shown.contains("BaseUrl"), "{shown}");
    assert!(shown.contains("<key>PendingConfirmation</key><value>true</value>"), "{shown}");
    assert!(shown.contains("<key>EffectiveDeliveryPolicy</key>"), "{shown}");
    let wrong = "0".repeat(64);
    let refused = client.sns("ConfirmSubscription", &[("TopicArn", TOPIC), ("Token", &wrong)]).await;
    assert!(refused.status == 400 && refused.body.contains("Invalid parameter: Token"), "{}", refused.body);
    let owners = [("TopicArn", TOPIC), ("Token", &token), ("AuthenticateOnUnsubscribe", "true")];
    assert_eq!(client.sns("ConfirmSubscription", &owners).await.status, 403, "nobody is nobody's owner");
    client.sns_ok("ConfirmSubscription", &[("TopicArn", TOPIC), ("Token", &token)]).await;
    let shown = client.sns_ok("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    assert!(shown.contains("<key>PendingConfirmation</key><value>false</value>"), "{shown}");
    assert!(shown.contains("<key>ConfirmationWasAuthenticated</key><value>false</value>"), "{shown}");
    assert!(!shown.contains(&token), "{shown}");
    pushing.stop().await;
}

#[tokio::test]
async fn what_fails_is_told_again_by_the_delivery_policy() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    client.join(&mut endpoint, &[("RawMessageDelivery", "true"), (POLICY, AT_ONCE)]).await;
    endpoint.answer_with(&[500, 429]);
    let id = client.publish("{\"raw\": 1}").await;
    for _ in 0..3 {
        let told = endpoint.next().await;
        assert_eq!(told.header("x-amz-sns-rawdelivery"), Some("true"));
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!(told.header("x-amz-sns-message-id"), Some(id.as_str()));
        assert_eq!(told.body, "{\"raw\": 1}");
    }
    client.publish("next").await;
    assert_eq!(endpoint.next().await.body, "next");
    pushing.stop().await;
}

#[tokio::test]
async fn what_is_given_up_is_a_dead_letter() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    let dead = client.queue("dead", json!({})).await;
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let redrive = r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}"#;
    client.join(&mut endpoint, &[("RedrivePolicy", redrive), (POLICY, AT_ONCE)]).await;
    for (statuses, text) in [(&[404][..], "never taken"), (&[500, 503, 302], "not taken in time")] {
        endpoint.answer_with(statuses);
        client.publish(text).await;
        for _ in statuses {
            assert_eq!(endpoint.next().await.json()["Message"], *text);
        }
        let wait = json!({"QueueUrl": dead, "WaitTimeSeconds": 20});
        let letter = client.ok("ReceiveMessage", wait).await["Messages"][0].clone();
        let body: Value = serde_json::from_str(letter["Body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["Type"], &body["Message"]), (&json!("Notification"), &json!(text)));
        client.ok("DeleteMessage", json!({"QueueUrl": dead, "ReceiptHandle": letter["ReceiptHandle"]})).await;
    }
    pushing.stop().await;
}

#[tokio::test]
async fn question_waits_for_who_asks_it_and_is_no_dead_letter() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let redrive = r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}"#;
    let dead = client.queue("dead", json!({})).await;
    let attributes = [("RedrivePolicy", redrive)];
    client.subscribe_url(&endpoint.url, &attributes).await;
    endpoint.answer_with(&[400]);
    let pushing = node.push().await;
    let first = endpoint.next().await.json();
    // Subscribing again asks again.
    client.subscribe_url(&endpoint.url, &attributes).await;
    let second = endpoint.next().await.json();
    assert_eq!(first["Token"], second["Token"]);
    assert!(client.receive(&dead).await.is_empty());
    assert_eq!(client.get(here(&second["SubscribeURL"])).await.status, 200);
    let subscribed = client.subscribe_url(&endpoint.url, &attributes).await;
    assert!(subscribed.contains(">arn:aws:sns:"), "{subscribed}");
    client.publish("x").await;
    assert_eq!(endpoint.next().await.json()["Message"], "x");
    pushing.stop().await;
}

#[tokio::test]
async fn endpoints_and_policies_that_would_not_do_are_refused() {
    let node = unsigned();
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    for (protocol, endpoint, policy) in [
        ("http", "https://localhost/", "{}"),
        ("https", "http://localhost/", "{}"),
        ("http", "http://", "{}"),
        ("http", "http://user:secret@/", "{}"),
        ("http", "http://localhost/", r#"{"sicklyRetryPolicy": {}}"#),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:q", "{}"),
    ] {
        let parameters = [
            ("TopicArn", TOPIC),
            ("Protocol", protocol),
            ("Endpoint", endpoint),
            ("Attributes.entry.1.key", POLICY),
            ("Attributes.entry.1.value", policy),
        ];
        let reply = client.sns("Subscribe", &parameters).await;
        assert!(reply.status == 400 && reply.body.contains("InvalidParameter"), "{endpoint}: {}", reply.body);
    }
    let fifo = [("Name", "f.fifo"), ("Attributes.entry.1.key", "FifoTopic"), ("Attributes.entry.1.value", "true")];
    client.sns_ok("CreateTopic", &fifo).await;
    let arn = "arn:aws:sns:us-east-1:000000000000:f.fifo";
    let parameters = [("TopicArn", arn), ("Protocol", "http"), ("Endpoint", "http://localhost/")];
    let refused = client.sns("Subscribe", &parameters).await;
    assert!(refused.body.contains("Invalid parameter: Invalid protocol type: http<"), "{}", refused.body);
}

#[tokio::test]
async fn what_its_owner_has_confirmed_only_who_has_a_key_ends() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    client.subscribe_url(&endpoint.url, &[]).await;
    let question = endpoint.next().await.json();
    let confirm = format!("GET {}&AuthenticateOnUnsubscribe=true HTTP/1.1", here(&question["SubscribeURL"]));
    let confirmed = client.request(&confirm, KEY, b"").await;
    let arn = between(&confirmed.body, "<SubscriptionArn>", "</SubscriptionArn>").to_owned();
    let end = format!("/?Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(client.get(&end).await.status, 403);
    assert_eq!(client.request(&format!("GET {end} HTTP/1.1"), KEY, b"").await.status, 200);
    let left = client.sns_ok("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await;
    assert!(!left.contains(&arn), "{left}");
    pushing.stop().await;
}

#[tokio::test]
async fn who_is_told_may_end_it_without_a_key() {
    let (node, mut endpoint) = (unsigned(), Endpoint::open().await);
    let pushing = node.push().await;
    let mut client = node.connect();
    client.queue("q", json!({})).await;
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let queues = client.subscribe("q", &[]).await;
    let told = client.join(&mut endpoint, &[]).await;
    let credential = Credential { access_key: "a".to_owned(), secret: "b".to_owned(), account: None };
    let settings = Settings { credentials: vec![credential], ..Settings::default() };
    let closed = Node { door: Arc::new(Door::new(node.door.engine.clone(), settings)), ..node };
    let mut stranger = closed.connect();
    assert_eq!(stranger.get(&format!("/?Action=Unsubscribe&SubscriptionArn={queues}")).await.status, 403);
    assert_eq!(stranger.get(&format!("/?Action=Unsubscribe&SubscriptionArn={told}")).await.status, 200);
    let left = client.sns_ok("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await;
    assert!(left.contains(&queues) && !left.contains(&told), "{left}");
    pushing.stop().await;
}

#[tokio::test]
async fn endpoint_that_asks_is_told_the_login_of_its_url() {
    let node = unsigned();
    let _pushing = node.push().await;
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let mut endpoint = Endpoint::open().await;
    let bare = endpoint.url.clone();
    endpoint.url = bare.replacen("http://", "http://me:s%40fe@", 1);
    endpoint.answer_with(&[401, 200, 401, 200]);
    client.subscribe_url(&endpoint.url, &[]).await;
    assert_eq!(endpoint.next().await.header("authorization"), None);
    let asked = endpoint.next().await;
    assert_eq!(asked.header("authorization"), Some("Basic bWU6c0BmZQ=="));
    let reply = client.get(here(&asked.json()["SubscribeURL"])).await;
    let arn = between(&reply.body, "<SubscriptionArn>", "</SubscriptionArn>").to_owned();
    client.publish("hello").await;
    assert_eq!(endpoint.next().await.header("authorization"), None);
    let told = endpoint.next().await;
    assert_eq!((told.header("authorization"), &told.json()["Message"]), (Some("Basic bWU6c0BmZQ=="), &json!("hello")));
    // The password is shown to nobody who lists, and to whom the subscription is.
    let listed = client.sns_ok("ListSubscriptions", &[]).await;
    let listed = listed + &client.sns_ok("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await;
    let hidden = bare.replacen("http://", "http://me:****@", 1);
    assert_eq!((listed.matches(&hidden).count(), listed.contains("s%40fe")), (2, false), "{listed}");
    let shown = client.sns_ok("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    assert!(shown.contains(&endpoint.url), "{shown}");
}
