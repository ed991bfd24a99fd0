//! Requests over a connection in memory, to an engine on a disk in memory.

mod http;
mod priorities;
mod sns;

use std::sync::Arc;

use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{Clock, SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use crate::door::Door;
use crate::names::QueueName;
use crate::settings::{Credential, Encryption, Pace, Settings};
use crate::sigv4;
use crate::topics::envelope;

/// An engine with an open door.
struct Node {
    door: Arc<Door>,
    stop: watch::Sender<bool>,
    _running: Running,
}

/// A client's end of a connection.
struct Client {
    socket: DuplexStream,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Node {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
        let seams = Seams {
            disk: Arc::new(FaultDisk::new(1)),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        };
        let (engine, running): (Engine, Running) =
            Engine::open(seams, EngineConfig { log, ..EngineConfig::default() }).unwrap();
        let (stop, _) = watch::channel(false);
        Self { door: Arc::new(Door::new(engine, settings)), stop, _running: running }
    }

    fn connect(&self) -> Client {
        let (socket, theirs) = tokio::io::duplex(1 << 20);
        drop(tokio::spawn(super::serve(theirs, Arc::clone(&self.door), self.stop.subscribe())));
        Client { socket }
    }
}

impl Client {
    async fn json(&mut self, action: &str, body: &Value) -> Reply {
        let headers = format!("x-amz-target: AmazonSQS.{action}\r\ncontent-type: application/x-amz-json-1.0\r\n");
        self.request("POST / HTTP/1.1", &headers, body.to_string().as_bytes()).await
    }

    /// Asks for something that is to succeed.
    async fn ok(&mut self, action: &str, body: Value) -> Value {
        let reply = self.json(action, &body).await;
        assert_eq!(reply.status, 200, "{action} {body}: {}", reply.body);
        if reply.body.is_empty() { Value::Null } else { serde_json::from_str(&reply.body).unwrap() }
    }

    /// Asks for something that is to be refused; returns the code of the Query protocol and the text.
    async fn refused(&mut self, action: &str, body: Value) -> (String, String) {
        let reply = self.json(action, &body).await;
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        let code = reply.header("x-amzn-query-error").unwrap_or_else(|| panic!("{action} {body}: {reply:?}"));
        (code, told["message"].as_str().unwrap().to_owned())
    }

    async fn query(&mut self, address: &str, form: &str) -> Reply {
        let headers = "content-type: application/x-www-form-urlencoded\r\n";
        self.request(&format!("POST {address} HTTP/1.1"), headers, form.as_bytes()).await
    }

    async fn get(&mut self, address: &str) -> Reply {
        self.request(&format!("GET {address} HTTP/1.1"), "", b"").await
    }

    async fn request(&mut self, line: &str, headers: &str, body: &[u8]) -> Reply {
        let head = format!("{line}\r\nhost: localhost:9324\r\n{headers}content-length: {}\r\n\r\n", body.len());
        self.socket.write_all(head.as_bytes()).await.unwrap();
        self.socket.write_all(body).await.unwrap();
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.socket.read_u8().await.unwrap());
        }
        let mut reply =
            Reply { status: 0, head: String::from_utf8(head).unwrap().to_ascii_lowercase(), body: String::new() };
        reply.status = reply.head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = vec![0; reply.header("content-length").map_or(0, |length| length.parse().unwrap())];
        self.socket.read_exact(&mut body).await.unwrap();
        reply.body = String::from_utf8(body).unwrap();
        reply
    }

    async fn queue(&mut self, name: &str, attributes: Value) -> String {
        let created = self.ok("CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await;
        created["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn receive(&mut self, url: &str) -> Vec<Value> {
        let request = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"]});
        let received = self.ok("ReceiveMessage", request).await;
        received["Messages"].as_array().cloned().unwrap_or_default()
    }
}

impl Reply {
    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
    }
}

#[tokio::test]
async fn message_goes_in_by_one_protocol_and_comes_out_by_the_other() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("jobs", json!({})).await;
    assert_eq!(url, "http://localhost:9324/000000000000/jobs");
    let attribute = json!({"n": {"DataType": "Number", "StringValue": "7"}});
    let sent = json!({"QueueUrl": url, "MessageBody": "a\r\"<ä", "MessageAttributes": attribute});
    let sent = client.ok("SendMessage", sent).await;
    let form = "Action=ReceiveMessage&Version=2012-11-05&MessageAttributeName.1=n&VisibilityTimeout=0";
    let reply = client.query("/000000000000/jobs", form).await;
    assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some("text/xml")));
    assert!(reply.body.contains("<Body>a&#xD;&quot;&lt;ä</Body>"), "{}", reply.body);
    assert!(reply.body.contains(sent["MessageId"].as_str().unwrap()));
    assert!(reply.body.contains(sent["MD5OfMessageAttributes"].as_str().unwrap()));
    let back = client.receive(&url).await;
    assert_eq!(back[0]["Body"], "a\r\"<ä");
    assert_eq!(back[0]["MessageAttributes"], attribute);
    assert_eq!(back[0]["Attributes"]["ApproximateReceiveCount"], "2");
}

#[tokio::test]
async fn deleted_message_is_gone_and_its_handle_stays_good() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("q", json!({"VisibilityTimeout": "0"})).await;
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    let first = client.receive(&url).await[0]["ReceiptHandle"].clone();
    let second = client.receive(&url).await[0]["ReceiptHandle"].clone();
    assert_ne!(first, second);
    for _ in 0..3 {
        client.ok("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": second})).await;
    }
    assert!(client.receive(&url).await.is_empty());
    let gone = json!({"QueueUrl": url, "ReceiptHandle": second, "VisibilityTimeout": 5});
    let (code, text) = client.refused("ChangeMessageVisibility", gone).await;
    assert_eq!(code, "invalidparametervalue;sender");
    assert!(text.ends_with("Message does not exist or is not available for visibility timeout change."), "{text}");
    let (code, text) = client.refused("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": "garbage"})).await;
    assert_eq!(code, "receipthandleisinvalid;sender");
    assert_eq!(text, "The input receipt handle \"garbage\" is not a valid receipt handle.");
}

#[tokio::test]
async fn one_bad_entry_fails_alone() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("q", json!({"MaximumMessageSize": "1024"})).await;
    let entries = json!([
        {"Id": "a", "MessageBody": "x"},
        {"Id": "b", "MessageBody": "x".repeat(1025)},
        {"Id": "c", "MessageBody": "\u{0}"},
    ]);
    let sent = client.ok("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await;
    assert_eq!(sent["Successful"].as_array().unwrap().len(), 1);
    let codes: Vec<&Value> = sent["Failed"].as_array().unwrap().iter().map(|failed| &failed["Code"]).collect();
    assert_eq!(codes, ["InvalidParameterValue", "InvalidMessageContents"]);
    for (entries, code) in [
        (json!([]), "aws.simplequeueservice.emptybatchrequest;sender"),
        (json!([{"Id": "a b"}]), "aws.simplequeueservice.invalidbatchentryid;sender"),
        (json!([{"Id": "a"}, {"Id": "a"}]), "aws.simplequeueservice.batchentryidsnotdistinct;sender"),
        (json!(vec![json!({"Id": "a"}); 11]), "aws.simplequeueservice.toomanyentriesinbatchrequest;sender"),
    ] {
        let (refused, _) = client.refused("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await;
        assert_eq!(refused, code);
    }
}

#[tokio::test]
async fn who_waits_is_woken_by_a_message() {
    let node = Node::new();
    let (mut waiting, mut client) = (node.connect(), node.connect());
    let url = client.queue("q", json!({})).await;
    let wait = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
    let received = tokio::spawn(async move { waiting.ok("ReceiveMessage", wait).await });
    tokio::task::yield_now().await;
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "wake up"})).await;
    assert_eq!(received.await.unwrap()["Messages"][0]["Body"], "wake up");
}

#[tokio::test]
async fn queue_is_named_by_account_and_region() {
    let node = Node::new();
    let mut client = node.connect();
    let home = client.queue("q", json!({})).await;
    let credential = "authorization: AWS4-HMAC-SHA256 \
        Credential=123456789012/20150830/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n\
        x-amz-date: 20150830T123600Z\r\nx-amz-target: AmazonSQS.CreateQueue\r\nx-forwarded-proto: https\r\n";
    let reply = client.request("POST / HTTP/1.1", credential, br#"{"QueueName":"q"}"#).await;
    let away: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(away["QueueUrl"], "https://localhost:9324/queue/eu-west-1/123456789012/q");
    client.ok("SendMessage", json!({"QueueUrl": away["QueueUrl"], "MessageBody": "far"})).await;
    assert!(client.receive(&home).await.is_empty());
    let listed = client.ok("ListQueues", json!({})).await;
    assert_eq!(listed["QueueUrls"], json!([home]));
    let arn = client.ok("GetQueueAttributes", json!({"QueueUrl": away["QueueUrl"], "AttributeNames": ["QueueArn"]}));
    assert_eq!(arn.await["Attributes"]["QueueArn"], "arn:aws:sqs:eu-west-1:123456789012:q");
}

#[tokio::test]
async fn what_is_unknown_has_a_name_in_each_protocol() {
    let node = Node::new();
    let mut client = node.connect();
    let (code, text) = client.refused("GetQueueUrl", json!({"QueueName": "none"})).await;
    assert_eq!(code, "aws.simplequeueservice.nonexistentqueue;sender");
    assert_eq!(text, "The specified queue does not exist.");
    let reply = client.query("/", "Action=GetQueueUrl&QueueName=none").await;
    assert_eq!((reply.status, reply.header("x-amzn-query-error")), (400, None));
    assert!(reply.body.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"), "{}", reply.body);
    assert!(reply.body.contains("does not exist for this wsdl version."));
    let reply = client.query("/", "Action=FooBar").await;
    assert!(reply.body.contains("<Message>The action FooBar is not valid for this endpoint.</Message>"));
    let reply = client.get("/000000000000/q").await;
    assert_eq!((reply.status, reply.body.trim()), (404, "<UnknownOperationException/>"));
    assert_eq!(client.json("NoSuchAction", &json!({})).await.status, 404);
    let reply = client.request("POST / HTTP/1.1", "x-amz-target: AmazonSQS.SendMessage\r\n", b"{").await;
    assert!(reply.body.contains("com.amazon.coral.service#SerializationException"), "{}", reply.body);
}

#[tokio::test]
async fn harnesses_find_what_they_ask_for() {
    let node = Node::new();
    let mut client = node.connect();
    let health: Value = serde_json::from_str(&client.get("/_localstack/health").await.body).unwrap();
    assert_eq!(health["services"]["sqs"], "running");
    assert_eq!(client.get("/health").await.status, 200);
    let reply = client.query("/", "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(reply.body.contains("<Account>000000000000</Account>"), "{}", reply.body);
}

#[tokio::test]
async fn too_long_a_body_is_refused_before_it_is_kept() {
    let node = Node::with(Settings { request_bytes_max: 100, ..Settings::default() });
    let mut client = node.connect();
    let reply = client.json("SendMessage", &json!({"MessageBody": "x".repeat(200)})).await;
    assert_eq!(reply.status, 413);
    assert!(reply.body.contains("RequestEntityTooLarge"), "{}", reply.body);
}

#[tokio::test]
async fn strangers_stay_outside_once_there_are_credentials() {
    let credential = Credential { access_key: "AKID".to_owned(), secret: "s".to_owned(), account: None };
    let node = Node::with(Settings { credentials: vec![credential], ..Settings::default() });
    let mut client = node.connect();
    let reply = client.json("ListQueues", &json!({})).await;
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("MissingAuthenticationTokenException"), "{}", reply.body);
    assert_eq!(client.get("/health").await.status, 200);
}

/// Two accounts that may come in.
fn guarded(encryption: Encryption) -> Settings {
    let credential = |access_key: &str, account: &str| Credential {
        access_key: access_key.to_owned(),
        secret: "secret".to_owned(),
        account: Some(account.to_owned()),
    };
    let credentials = vec![credential("OWNER", OWNER), credential("GUEST", GUEST)];
    Settings { account: OWNER.to_owned(), credentials, encryption, ..Settings::default() }
}

/// An address at which somebody has signed a request just now.
fn signed_address(body: &[u8], access_key: &str) -> String {
    let now = envelope::iso(Timestamp(SystemClock::default().wall_millis()));
    let plain: String = now.chars().take("2026-01-01T00:00:00".len()).filter(|each| !"-:".contains(*each)).collect();
    sigv4::signed_address(("localhost:9324", body), &format!("{plain}Z"), (access_key, "secret"))
}

const OWNER: &str = "111111111111";
const GUEST: &str = "222222222222";

impl Client {
    /// Asks with a signature; returns the answer or the code of the refusal.
    async fn signed(&mut self, access_key: &str, action: &str, body: Value) -> Result<Value, String> {
        let body = body.to_string();
        let address = signed_address(body.as_bytes(), access_key);
        let headers = format!("x-amz-target: AmazonSQS.{action}\r\ncontent-type: application/x-amz-json-1.0\r\n");
        let reply = self.request(&format!("POST {address} HTTP/1.1"), &headers, body.as_bytes()).await;
        match reply.header("x-amzn-query-error") {
            Some(code) => Err(code),
            None => Ok(serde_json::from_str(&reply.body).unwrap_or_default()),
        }
    }
}

#[tokio::test]
async fn policy_lets_others_do_what_it_says_and_no_more() {
    let node = Node::with(guarded(Encryption::None));
    let mut client = node.connect();
    let made = client.signed("OWNER", "CreateQueue", json!({"QueueName": "q"})).await.unwrap();
    let url = made["QueueUrl"].clone();
    let denied = Err("accessdenied;sender".to_owned());
    let send = || json!({"QueueUrl": url, "MessageBody": "m"});
    assert!(client.signed("OWNER", "SendMessage", send()).await.is_ok());
    assert_eq!(client.signed("GUEST", "SendMessage", send()).await, denied);
    let permission = json!({"QueueUrl": url, "Label": "l", "AWSAccountIds": [GUEST], "Actions": ["SendMessage"]});
    client.signed("OWNER", "AddPermission", permission).await.unwrap();
    assert!(client.signed("GUEST", "SendMessage", send()).await.is_ok());
    let batch = json!({"QueueUrl": url, "Entries": [{"Id": "1", "MessageBody": "m"}]});
    assert!(client.signed("GUEST", "SendMessageBatch", batch).await.is_ok());
    assert_eq!(client.signed("GUEST", "ReceiveMessage", json!({"QueueUrl": url})).await, denied);
    let wanted = json!({"QueueName": "q", "QueueOwnerAWSAccountId": OWNER});
    assert_eq!(client.signed("GUEST", "GetQueueUrl", wanted).await, denied);
    let arn = format!("arn:aws:sqs:us-east-1:{OWNER}:q");
    assert_eq!(client.signed("GUEST", "ListMessageMoveTasks", json!({"SourceArn": arn})).await, denied);
}

#[tokio::test]
async fn owner_who_denies_everybody_can_still_change_the_policy() {
    let node = Node::with(guarded(Encryption::None));
    let mut client = node.connect();
    let made = client.signed("OWNER", "CreateQueue", json!({"QueueName": "q"})).await.unwrap();
    let url = made["QueueUrl"].clone();
    let deny = |condition: Value| {
        let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Condition": condition});
        json!({"QueueUrl": url, "Attributes": {"Policy": json!({"Statement": [statement]}).to_string()}})
    };
    let unknown = deny(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
    let refused = client.signed("OWNER", "SetQueueAttributes", unknown).await;
    assert_eq!(refused, Err("invalidattributevalue;sender".to_owned()));
    let insecure = deny(json!({"Bool": {"aws:SecureTransport": "false"}}));
    client.signed("OWNER", "SetQueueAttributes", insecure).await.unwrap();
    let receive = json!({"QueueUrl": url});
    let refused = client.signed("OWNER", "ReceiveMessage", receive.clone()).await;
    assert_eq!(refused, Err("accessdenied;sender".to_owned()));
    let none = json!({"QueueUrl": url, "Attributes": {"Policy": ""}});
    client.signed("OWNER", "SetQueueAttributes", none).await.unwrap();
    assert!(client.signed("OWNER", "ReceiveMessage", receive).await.is_ok());
}

#[tokio::test]
async fn encryption_is_not_promised_unless_somebody_says_so() {
    for (encryption, attribute, shown) in [
        (Encryption::None, json!({"SqsManagedSseEnabled": "true"}), None),
        (Encryption::None, json!({"KmsMasterKeyId": "alias/aws/sqs"}), None),
        (Encryption::None, json!({"SqsManagedSseEnabled": "false"}), Some("false")),
        (Encryption::None, json!({}), Some("false")),
        (Encryption::Disk, json!({}), Some("true")),
        (Encryption::Disk, json!({"KmsMasterKeyId": "alias/aws/sqs"}), Some("false")),
    ] {
        let node = Node::with(guarded(encryption));
        let mut client = node.connect();
        let made = client.signed("OWNER", "CreateQueue", json!({"QueueName": "q", "Attributes": attribute})).await;
        let Some(shown) = shown else {
            assert_eq!(made, Err("invalidattributevalue;sender".to_owned()), "{attribute}");
            continue;
        };
        let wanted = json!({"QueueUrl": made.unwrap()["QueueUrl"], "AttributeNames": ["All"]});
        let all = client.signed("OWNER", "GetQueueAttributes", wanted).await.unwrap();
        assert_eq!(all["Attributes"]["SqsManagedSseEnabled"], shown, "{attribute}");
    }
}

#[tokio::test]
async fn queue_remembers_attributes_tags_and_permissions() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("q", json!({"DelaySeconds": "1"})).await;
    assert_eq!(client.queue("q", json!({})).await, url);
    let other = json!({"QueueName": "q", "Attributes": {"DelaySeconds": "2"}});
    let (code, text) = client.refused("CreateQueue", other).await;
    assert_eq!(code, "queuealreadyexists;sender");
    assert_eq!(text, "A queue already exists with the same name and a different value for attribute DelaySeconds");
    client.ok("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "5"}})).await;
    client.ok("TagQueue", json!({"QueueUrl": url, "Tags": {"a": "1", "b": ""}})).await;
    client.ok("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["a", "c"]})).await;
    assert_eq!(client.ok("ListQueueTags", json!({"QueueUrl": url})).await, json!({"Tags": {"b": ""}}));
    let permission =
        json!({"QueueUrl": url, "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]});
    client.ok("AddPermission", permission).await;
    let all = client.ok("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    assert_eq!(all["Attributes"]["VisibilityTimeout"], "5");
    assert_eq!(all["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert!(all["Attributes"]["Policy"].as_str().unwrap().contains("SQS:SendMessage"));
    client.ok("RemovePermission", json!({"QueueUrl": url, "Label": "l"})).await;
    let none = client.ok("GetQueueAttributes", json!({"QueueUrl": url})).await;
    assert_eq!(none, json!({}));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let node = Node::new();
    let mut client = node.connect();
    for name in ["a1", "a2", "a3", "b"] {
        client.queue(name, json!({})).await;
    }
    let first = client.ok("ListQueues", json!({"QueueNamePrefix": "a", "MaxResults": 2})).await;
    assert_eq!(first["QueueUrls"].as_array().unwrap().len(), 2);
    let next = json!({"QueueNamePrefix": "a", "MaxResults": 2, "NextToken": first["NextToken"]});
    let second = client.ok("ListQueues", next).await;
    assert_eq!(second, json!({"QueueUrls": ["http://localhost:9324/000000000000/a3"]}));
    assert_eq!(client.ok("ListQueues", json!({"QueueNamePrefix": "c"})).await, json!({}));
}

#[tokio::test]
async fn fifo_queue_keeps_order_and_takes_each_id_once() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("q.fifo", json!({"FifoQueue": "true"})).await;
    let send = |body: &str, dedup: &str| json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": dedup});
    let first = client.ok("SendMessage", send("1", "a")).await;
    let again = client.ok("SendMessage", send("other", "a")).await;
    assert_eq!((&first["MessageId"], &first["SequenceNumber"]), (&again["MessageId"], &again["SequenceNumber"]));
    client.ok("SendMessage", send("2", "b")).await;
    let received = client.receive(&url).await;
    let bodies: Vec<&str> = received.iter().map(|message| message["Body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["1", "2"]);
    assert_eq!(received[0]["Attributes"]["SequenceNumber"], first["SequenceNumber"]);
    assert_eq!(first["SequenceNumber"].as_str().unwrap().len(), 20);
    client.ok("SendMessage", send("3", "c")).await;
    assert!(client.receive(&url).await.is_empty(), "the group is held");
    let (code, _) = client.refused("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    assert_eq!(code, "missingparameter;sender");
}

#[tokio::test]
async fn strict_pace_lets_queues_rest() {
    let node = Node::with(Settings { pace: Pace::Strict, ..Settings::default() });
    let mut client = node.connect();
    let url = client.queue("q", json!({})).await;
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    client.ok("PurgeQueue", json!({"QueueUrl": url})).await;
    assert!(client.receive(&url).await.is_empty());
    let (code, text) = client.refused("PurgeQueue", json!({"QueueUrl": url})).await;
    assert_eq!(code, "aws.simplequeueservice.purgequeueinprogress;sender");
    assert_eq!(text, "Only one PurgeQueue operation on q is allowed every 60 seconds.");
    client.ok("DeleteQueue", json!({"QueueUrl": url})).await;
    let (code, _) = client.refused("CreateQueue", json!({"QueueName": "q"})).await;
    assert_eq!(code, "aws.simplequeueservice.queuedeletedrecently;sender");
}

#[tokio::test]
async fn dead_letters_go_only_where_they_may() {
    let node = Node::new();
    let mut client = node.connect();
    let target = client.queue("dlq", json!({})).await;
    let policy = |name: &str| json!({"deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{name}"), "maxReceiveCount": 1});
    let with = |name: &str| json!({"RedrivePolicy": policy(name).to_string()});
    let source = client.queue("q", with("dlq")).await;
    let sources = client.ok("ListDeadLetterSourceQueues", json!({"QueueUrl": target})).await;
    assert_eq!(sources, json!({"queueUrls": [source]}));
    let none = client.ok("ListDeadLetterSourceQueues", json!({"QueueUrl": source})).await;
    assert_eq!(none, json!({"queueUrls": []}));
    let missing = json!({"QueueName": "q2", "Attributes": with("none")});
    let (code, _) = client.refused("CreateQueue", missing).await;
    assert_eq!(code, "invalidparametervalue;sender");
    let deny = json!({"RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}"});
    client.ok("SetQueueAttributes", json!({"QueueUrl": target, "Attributes": deny})).await;
    let (code, _) = client.refused("CreateQueue", json!({"QueueName": "q2", "Attributes": with("dlq")})).await;
    assert_eq!(code, "invalidparametervalue;sender");
}

#[tokio::test]
async fn dead_letters_are_moved_and_moved_back() {
    let node = Node::new();
    let mut client = node.connect();
    let target = client.queue("dlq", json!({})).await;
    let arn = "arn:aws:sqs:us-east-1:000000000000:dlq";
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    let source = client.queue("q", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy})).await;
    let sent = client.ok("SendMessage", json!({"QueueUrl": source, "MessageBody": "poison"})).await;
    assert_eq!(client.receive(&source).await.len(), 1);
    assert!(client.receive(&source).await.is_empty());
    let wait = json!({"QueueUrl": target, "WaitTimeSeconds": 20, "AttributeNames": ["All"], "VisibilityTimeout": 0});
    let dead = client.ok("ReceiveMessage", wait).await["Messages"][0].clone();
    assert_eq!(dead["MessageId"], sent["MessageId"]);
    assert_eq!(dead["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(dead["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:q");
    let started = client.ok("StartMessageMoveTask", json!({"SourceArn": arn})).await;
    assert!(started["TaskHandle"].is_string());
    let back = json!({"QueueUrl": source, "WaitTimeSeconds": 20});
    let back = client.ok("ReceiveMessage", back).await;
    assert_eq!(back["Messages"][0]["MessageId"], sent["MessageId"]);
    let tasks = client.ok("ListMessageMoveTasks", json!({"SourceArn": arn})).await;
    assert_eq!(tasks["Results"][0]["ApproximateNumberOfMessagesToMove"], 1);
    let unknown = json!({"TaskHandle": crate::wire::base64::write(
        json!({"taskId": "00ff", "sourceArn": arn}).to_string().as_bytes())});
    let (code, text) = client.refused("CancelMessageMoveTask", unknown).await;
    assert_eq!((code.as_str(), text.as_str()), ("resourcenotfoundexception;sender", "Task does not exist."));
    let no_target = json!({"SourceArn": "arn:aws:sqs:us-east-1:000000000000:q"});
    let (_, text) = client.refused("StartMessageMoveTask", no_target).await;
    assert_eq!(text, "Source queue must be configured as a Dead Letter Queue.");
}

#[tokio::test]
async fn dead_letter_goes_where_it_would_be_too_long_to_be_sent() {
    let node = Node::new();
    let mut client = node.connect();
    let dead = client.queue("dlq", json!({"MaximumMessageSize": "1024"})).await;
    let policy = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dlq", "maxReceiveCount": 1});
    let source = client.queue("q", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy.to_string()})).await;
    let body = "x".repeat(2_000);
    client.ok("SendMessage", json!({"QueueUrl": source, "MessageBody": body})).await;
    assert_eq!(client.receive(&source).await.len(), 1);
    assert!(client.receive(&source).await.is_empty());
    let wait = json!({"QueueUrl": dead, "WaitTimeSeconds": 20});
    assert_eq!(client.ok("ReceiveMessage", wait).await["Messages"][0]["Body"], body);
}

#[tokio::test]
async fn move_fails_once_its_target_is_gone() {
    let node = Node::new();
    let mut client = node.connect();
    let source = client.queue("dlq", json!({})).await;
    let target = client.queue("target", json!({})).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let policy = json!({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": 1}).to_string();
    client.queue("q", json!({"RedrivePolicy": policy})).await;
    for body in ["a", "b", "c"] {
        client.ok("SendMessage", json!({"QueueUrl": source, "MessageBody": body})).await;
    }
    let slowly = json!({"SourceArn": arn("dlq"), "DestinationArn": arn("target"), "MaxNumberOfMessagesPerSecond": 1});
    let shown = json!({"QueueUrl": source, "AttributeNames": ["LastModifiedTimestamp"]});
    let altered_at = || node.door.find(&QueueName::of_arn(&arn("dlq")).unwrap()).unwrap().altered_at();
    let before = (altered_at(), client.ok("GetQueueAttributes", shown.clone()).await);
    client.ok("StartMessageMoveTask", slowly).await;
    assert_eq!((altered_at(), client.ok("GetQueueAttributes", shown).await), before, "nobody changed the queue");
    client.ok("DeleteQueue", json!({"QueueUrl": target})).await;
    let task = loop {
        let tasks = client.ok("ListMessageMoveTasks", json!({"SourceArn": arn("dlq")})).await;
        if tasks["Results"][0]["Status"] != "RUNNING" {
            break tasks["Results"][0].clone();
        }
    };
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(task["DestinationArn"], arn("target"));
    assert_eq!(task["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn delayed_message_comes_when_its_time_is_there() {
    let node = Node::new();
    let mut client = node.connect();
    let url = client.queue("q", json!({})).await;
    client.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 1})).await;
    assert!(client.receive(&url).await.is_empty());
    let wait = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
    assert_eq!(client.ok("ReceiveMessage", wait).await["Messages"][0]["Body"], "later");
}
