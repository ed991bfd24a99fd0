//! Requests of SNS.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{Client, GUEST, Node, OWNER, Reply, guarded, signed_address};
use crate::settings::{Credential, Encryption, Settings};
use crate::wire::shape::{Member, Shape};
use crate::wire::sns::Action;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";

impl Client {
    pub(super) async fn sns(&mut self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        self.query("/", &form(action, parameters)).await
    }

    /// Asks with a signature.
    async fn signed_sns(&mut self, access_key: &str, action: &str, parameters: &[(&str, &str)]) -> Reply {
        let form = form(action, parameters);
        let address = signed_address(form.as_bytes(), access_key);
        self.query(&address, &form).await
    }

    pub(super) async fn sns_ok(&mut self, action: &str, parameters: &[(&str, &str)]) -> String {
        let reply = self.sns(action, parameters).await;
        assert_eq!(reply.status, 200, "{action} {parameters:?}: {}", reply.body);
        reply.body
    }

    pub(super) async fn subscribe(&mut self, queue: &str, attributes: &[(&str, &str)]) -> String {
        let endpoint = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        let mut parameters = vec![("TopicArn", TOPIC), ("Protocol", "sqs"), ("Endpoint", &endpoint)];
        parameters.extend(attributes);
        let reply = self.sns_ok("Subscribe", &parameters).await;
        between(&reply, "<SubscriptionArn>", "</SubscriptionArn>").to_owned()
    }
}

fn form(action: &str, parameters: &[(&str, &str)]) -> String {
    let parameters = parameters.iter().map(|(name, value)| format!("&{}={}", escaped(name), escaped(value)));
    format!("Action={action}&Version=2010-03-31{}", parameters.collect::<String>())
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{start}: {text}")).0
}

#[tokio::test]
async fn what_is_published_reaches_every_queue_in_the_form_it_wants() {
    let node = Node::new();
    let mut client = node.connect();
    let (first, second) = (client.queue("first", json!({})).await, client.queue("second", json!({})).await);
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let subscription = client.subscribe("first", &[]).await;
    let raw = [("Attributes.entry.1.key", "RawMessageDelivery"), ("Attributes.entry.1.value", "true")];
    client.subscribe("second", &raw).await;
    let published = client.sns_ok(
        "Publish",
        &[
            ("TopicArn", TOPIC),
            ("Message", "a\r\"<ä"),
            ("Subject", "spring"),
            ("MessageAttributes.entry.1.Name", "n"),
            ("MessageAttributes.entry.1.Value.DataType", "Number"),
            ("MessageAttributes.entry.1.Value.StringValue", "7"),
        ],
    );
    let id = between(&published.await, "<MessageId>", "</MessageId>").to_owned();
    let enveloped = client.receive(&first).await.remove(0);
    let body: Value = serde_json::from_str(enveloped["Body"].as_str().unwrap()).unwrap();
    assert_eq!(body["Type"], "Notification");
    assert_eq!(body["MessageId"], *id);
    assert_eq!(body["TopicArn"], TOPIC);
    assert_eq!(body["Subject"], "spring");
    assert_eq!(body["Message"], "a\r\"<ä");
    assert_eq!(body["MessageAttributes"], json!({"n": {"Type": "Number", "Value": "7"}}));
    let unsubscribe = format!("http://localhost:9324/?Action=Unsubscribe&SubscriptionArn={subscription}");
    assert_eq!(body["UnsubscribeURL"], *unsubscribe);
    let certificate = body["SigningCertURL"].as_str().unwrap().strip_prefix("http://localhost:9324").unwrap();
    assert!(client.get(certificate).await.body.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(client.get("/SimpleNotificationService-00000000000000000000000000000000.pem").await.status, 404);
    assert_eq!((&body["SignatureVersion"], body["Signature"].as_str().unwrap().len()), (&json!("1"), 344));
    assert!(enveloped.get("MessageAttributes").is_none());
    let raw = client.receive(&second).await.remove(0);
    assert_eq!(raw["Body"], "a\r\"<ä");
    assert_eq!(raw["MessageAttributes"], json!({"n": {"DataType": "Number", "StringValue": "7"}}));
    assert_ne!(raw["MessageId"], enveloped["MessageId"]);
    let address = unsubscribe.strip_prefix("http://localhost:9324").unwrap();
    assert_eq!(client.get(address).await.status, 200);
    client.sns_ok("Publish", &[("TopicArn", TOPIC), ("Message", "x")]).await;
    assert!(client.receive(&first).await.is_empty());
}

#[tokio::test]
async fn dead_letter_keeps_its_envelope_wherever_it_goes() {
    let node = Node::new();
    let mut client = node.connect();
    let dead = client.queue("dead", json!({})).await;
    let target = "arn:aws:sqs:us-east-1:000000000000:dead";
    let redrive = json!({"deadLetterTargetArn": target, "maxReceiveCount": 1}).to_string();
    let source = client.queue("source", json!({"VisibilityTimeout": "0", "RedrivePolicy": redrive})).await;
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    client.subscribe("source", &[]).await;
    client.sns_ok("Publish", &[("TopicArn", TOPIC), ("Message", "x")]).await;
    let first = client.receive(&source).await.remove(0);
    assert!(client.receive(&source).await.is_empty());
    let wait = json!({"QueueUrl": dead, "WaitTimeSeconds": 20});
    let moved = client.ok("ReceiveMessage", wait).await["Messages"][0].clone();
    assert_eq!((&moved["Body"], &moved["MessageId"]), (&first["Body"], &first["MessageId"]));
}

#[tokio::test]
async fn version_host_signature_or_name_says_whose_an_action_is() {
    let node = Node::new();
    let mut client = node.connect();
    let reply = client.query("/", "Action=AddPermission&Version=2010-03-31").await;
    assert!(reply.body.contains("http://sns.amazonaws.com/doc/2010-03-31/"), "{}", reply.body);
    let reply = client.query("/", "Action=AddPermission&Version=2012-11-05").await;
    assert!(reply.body.contains("http://queue.amazonaws.com/doc/2012-11-05/"), "{}", reply.body);
    assert_eq!(client.get("/?Action=ListTopics").await.status, 200);
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, \
        Signature=0\r\n";
    let reply = client.request("GET /?Action=AddPermission HTTP/1.1", signed, b"").await;
    assert!(reply.body.contains("http://sns.amazonaws.com/doc/2010-03-31/"), "{}", reply.body);
}

#[tokio::test]
async fn without_a_key_nobody_comes_in_but_who_confirms() {
    let credential = Credential { access_key: "a".to_owned(), secret: "s".to_owned(), account: None };
    let node = Node::with(Settings { credentials: vec![credential], ..Settings::default() });
    let mut client = node.connect();
    assert_eq!(client.sns("ListTopics", &[]).await.status, 403);
    assert_eq!(client.sns("Unsubscribe", &[("SubscriptionArn", &format!("{TOPIC}:0"))]).await.status, 403);
    let reply = client.sns("ConfirmSubscription", &[("TopicArn", TOPIC), ("Token", "x")]).await;
    assert_eq!((reply.status, reply.body.contains("Invalid token")), (400, true), "{}", reply.body);
}

#[tokio::test]
async fn topics_policy_lets_others_do_what_it_says_and_no_more() {
    let node = Node::with(guarded(Encryption::None));
    let mut client = node.connect();
    let arn = format!("arn:aws:sns:us-east-1:{OWNER}:news");
    let arn = arn.as_str();
    let publish = [("TopicArn", arn), ("Message", "m")];
    assert_eq!(client.signed_sns("OWNER", "CreateTopic", &[("Name", "news")]).await.status, 200);
    assert_eq!(client.signed_sns("OWNER", "Publish", &publish).await.status, 200);
    let refused = client.signed_sns("GUEST", "Publish", &publish).await;
    assert!(refused.status == 403 && refused.body.contains("<Code>AuthorizationError<"), "{}", refused.body);
    let permission = [("TopicArn", arn), ("Label", "l"), ("AWSAccountId.member.1", GUEST)];
    let permission = [&permission[..], &[("ActionName.member.1", "Publish")]].concat();
    assert_eq!(client.signed_sns("GUEST", "AddPermission", &permission).await.status, 403);
    assert_eq!(client.signed_sns("OWNER", "AddPermission", &permission).await.status, 200);
    assert_eq!(client.signed_sns("GUEST", "Publish", &publish).await.status, 200);
    let entries =
        [("PublishBatchRequestEntries.member.1.Id", "1"), ("PublishBatchRequestEntries.member.1.Message", "m")];
    let batch = [&[("TopicArn", arn)][..], &entries].concat();
    assert_eq!(client.signed_sns("GUEST", "PublishBatch", &batch).await.status, 200);
    assert_eq!(client.signed_sns("GUEST", "DeleteTopic", &[("TopicArn", arn)]).await.status, 403);
    let tags = [("ResourceArn", arn), ("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    assert_eq!(client.signed_sns("GUEST", "TagResource", &tags).await.status, 403);
    let deny =
        json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": arn}}).to_string();
    let policy = |text| [("TopicArn", arn), ("AttributeName", "Policy"), ("AttributeValue", text)];
    assert_eq!(client.signed_sns("OWNER", "SetTopicAttributes", &policy(&deny)).await.status, 200);
    assert_eq!(client.signed_sns("OWNER", "Publish", &publish).await.status, 403);
    assert_eq!(
        client.signed_sns("OWNER", "SetTopicAttributes", &policy("")).await.status,
        200,
        "the way back stays open"
    );
    let strange = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}});
    let refused = client.signed_sns("OWNER", "SetTopicAttributes", &policy(&strange.to_string())).await;
    assert!(refused.status == 400 && refused.body.contains("is not understood"), "{}", refused.body);
}

#[tokio::test]
async fn guest_who_may_subscribe_owns_the_subscription() {
    let node = Node::with(guarded(Encryption::None));
    let mut client = node.connect();
    client.signed_sns("OWNER", "CreateTopic", &[("Name", "news")]).await;
    let arn = format!("arn:aws:sns:us-east-1:{OWNER}:news");
    let arn = arn.as_str();
    let allow = json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": GUEST}, "Action": "SNS:Subscribe",
        "Resource": arn, "Condition": {"StringEquals": {"sns:Protocol": "sqs"}}}})
    .to_string();
    let policy = [("TopicArn", arn), ("AttributeName", "Policy"), ("AttributeValue", &allow)];
    assert_eq!(client.signed_sns("OWNER", "SetTopicAttributes", &policy).await.status, 200);
    let queue = format!("arn:aws:sqs:us-east-1:{GUEST}:q");
    let by = |protocol, endpoint| [("TopicArn", arn), ("Protocol", protocol), ("Endpoint", endpoint)];
    assert_eq!(client.signed_sns("GUEST", "Subscribe", &by("http", "http://localhost/")).await.status, 403);
    let subscribed = client.signed_sns("GUEST", "Subscribe", &by("sqs", &queue)).await;
    let subscription = between(&subscribed.body, "<SubscriptionArn>", "</SubscriptionArn>").to_owned();
    let named = [("SubscriptionArn", subscription.as_str())];
    let shown = client.signed_sns("GUEST", "GetSubscriptionAttributes", &named).await;
    assert!(shown.body.contains(&format!("<key>Owner</key><value>{GUEST}</value>")), "{}", shown.body);
    assert!(client.signed_sns("GUEST", "ListSubscriptions", &[]).await.body.contains(&subscription));
    assert!(!client.signed_sns("OWNER", "ListSubscriptions", &[]).await.body.contains(&subscription));
    let listed = client.signed_sns("OWNER", "ListSubscriptionsByTopic", &[("TopicArn", arn)]).await;
    assert!(listed.body.contains(&subscription), "{}", listed.body);
    assert_eq!(client.signed_sns("GUEST", "Unsubscribe", &named).await.status, 200);
    assert!(!client.signed_sns("GUEST", "ListSubscriptions", &[]).await.body.contains(&subscription));
}

#[tokio::test]
async fn what_a_queue_finds_too_long_is_a_dead_letter() {
    let node = Node::new();
    let mut client = node.connect();
    let dead = client.queue("dead", json!({})).await;
    let small = client.queue("small", json!({"MaximumMessageSize": "1024"})).await;
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let redrive = r#"{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}"#;
    let redrive = [("Attributes.entry.1.key", "RedrivePolicy"), ("Attributes.entry.1.value", redrive)];
    let raw = [("Attributes.entry.2.key", "RawMessageDelivery"), ("Attributes.entry.2.value", "true")];
    let arn = client.subscribe("small", &redrive).await;
    for (length, fits) in [(100, true), (600, false)] {
        client.sns_ok("Publish", &[("TopicArn", TOPIC), ("Message", &"x".repeat(length))]).await;
        let (there, instead) = (client.receive(&small).await, client.receive(&dead).await);
        assert_eq!((there.len(), instead.len()), (usize::from(fits), usize::from(!fits)), "{length}");
    }
    client.sns_ok("Unsubscribe", &[("SubscriptionArn", &arn)]).await;
    client.subscribe("small", &[redrive, raw].concat()).await;
    for (length, fits) in [(1_024, true), (1_025, false)] {
        client.sns_ok("Publish", &[("TopicArn", TOPIC), ("Message", &"x".repeat(length))]).await;
        let (there, instead) = (client.receive(&small).await, client.receive(&dead).await);
        assert_eq!((there.len(), instead.len()), (usize::from(fits), usize::from(!fits)), "{length}");
    }
}

#[tokio::test]
async fn attributes_that_nothing_would_act_on_are_refused() {
    let node = Node::new();
    let mut client = node.connect();
    for (name, value, reason) in [
        ("HTTPSuccessFeedbackRoleArn", "arn:aws:iam::000000000000:role/r", "CloudWatch"),
        ("SQSSuccessFeedbackSampleRate", "50", "CloudWatch"),
        ("TracingConfig", "Active", "X-Ray"),
        ("ArchivePolicy", r#"{"MessageRetentionPeriod": "7"}"#, "archive"),
        ("DeliveryPolicy", r#"{"http": {"defaultHealthyRetryPolicy": {"numRetries": 1000}}}"#, "numRetries"),
        ("Colour", "blue", "Unknown attribute Colour"),
    ] {
        let attribute = [("Attributes.entry.1.key", name), ("Attributes.entry.1.value", value)];
        let refused = client.sns("CreateTopic", &[&[("Name", "news")][..], &attribute].concat()).await;
        assert!(refused.status == 400 && refused.body.contains(reason), "{name}: {}", refused.body);
    }
}

#[tokio::test]
async fn what_an_action_cannot_do_without_is_asked_for() {
    let node = Node::new();
    let mut client = node.connect();
    client.sns_ok("CreateTopic", &[("Name", "news")]).await;
    let account = ("AWSAccountId.member.1", "111111111111");
    for (action, parameters, member) in [
        ("AddPermission", vec![account, ("ActionName.member.1", "Publish")], "'label'"),
        ("AddPermission", vec![("Label", "l"), ("ActionName.member.1", "Publish")], "'aWSAccountId'"),
        ("AddPermission", vec![("Label", "l"), account], "'actionName'"),
        ("RemovePermission", vec![], "'label'"),
        ("TagResource", vec![], "'tags'"),
        ("UntagResource", vec![], "'tagKeys'"),
        ("DeleteEndpoint", vec![], "EndpointArn"),
        ("DeletePlatformApplication", vec![], "PlatformApplicationArn"),
    ] {
        let topic = [("TopicArn", TOPIC), ("ResourceArn", TOPIC)];
        let refused = client.sns(action, &[&topic[..], &parameters].concat()).await;
        let told = refused.body.replace("&apos;", "'");
        assert!(refused.status == 400 && told.contains(member), "{action}: {}", refused.body);
    }
}

/// What a parameter may say, right and wrong.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(TOPIC.to_owned()),
        Just("arn:aws:sqs:us-east-1:000000000000:q".to_owned()),
        Just(format!("{TOPIC}:01234567-89ab-4def-8123-456789abcdef")),
        Just("sqs".to_owned()),
        Just("true".to_owned()),
        Just("json".to_owned()),
        Just("{\"default\": \"x\"}".to_owned()),
        Just("FilterPolicy".to_owned()),
        Just("{\"a\": [{\"numeric\": [\"<\", 5]}]}".to_owned()),
        Just("RedrivePolicy".to_owned()),
        Just("Policy".to_owned()),
        Just("{\"Statement\": 7}".to_owned()),
        Just("String".to_owned()),
        Just(String::new()),
        ".{0,20}",
        "[a-z]{1,3}",
    ]
}

/// The names under which a member's values stand in a form.
fn names(prefix: &str, member: &str, shape: &Shape, out: &mut Vec<String>) {
    let name = if prefix.is_empty() { member.to_owned() } else { format!("{prefix}.{member}") };
    match shape {
        Shape::Text | Shape::Integer | Shape::Boolean => out.push(name),
        Shape::Structure(members) => {
            members.iter().for_each(|inner: &Member| names(&name, inner.name, &inner.shape, out))
        }
        Shape::List { item, of } | Shape::WrappedList { item, of } => names(&format!("{name}.{item}"), "1", of, out),
        Shape::Map { item, key, value, of } | Shape::WrappedMap { item, key, value, of } => {
            out.push(format!("{name}.{item}.1.{key}"));
            names(&format!("{name}.{item}.1"), value, of, out);
        }
    }
}

#[tokio::test]
async fn no_request_however_odd_is_the_brokers_fault() {
    let node = Node::new();
    let mut client = node.connect();
    client.queue("q", json!({})).await;
    let mut runner = TestRunner::deterministic();
    for action in Action::ALL {
        let mut known = Vec::new();
        action.request().iter().for_each(|member| names("", member.name, &member.shape, &mut known));
        for _ in 0..40 {
            client.sns_ok("CreateTopic", &[("Name", "news")]).await;
            let chosen = proptest::collection::vec(proptest::option::of(value()), known.len());
            let values = chosen.new_tree(&mut runner).unwrap().current();
            let said = known.iter().zip(&values).filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
            let parameters: Vec<(&str, &str)> = said.collect();
            let reply = client.sns(action.name(), &parameters).await;
            assert!(reply.status < 500, "{} {parameters:?}: {}", action.name(), reply.body);
        }
    }
}
