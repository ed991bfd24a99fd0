use super::Node;
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{self, AlterConfigsRequest};
use crate::wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use crate::wire::messages::describe_configs_response::DescribeConfigsResult;
use crate::wire::messages::incremental_alter_configs_request::{self, IncrementalAlterConfigsRequest};
use crate::wire::messages::list_config_resources_request::ListConfigResourcesRequest;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// What is to be done: to which config, how, and with what.
type Changes<'a> = &'a [(&'a str, i8, Option<&'a str>)];

async fn describe(node: &Node, kind: i8, name: &str, keys: &[&str]) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configuration_keys: Some(keys.iter().map(|key| (*key).into()).collect()),
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, include_documentation: true };
    node.ask(4, request).await.results.remove(0)
}

async fn value(node: &Node, kind: i8, name: &str, key: &str) -> (String, i8) {
    let config = describe(node, kind, name, &[key]).await.configs.remove(0);
    (config.value.unwrap().to_string(), config.config_source)
}

async fn alter(node: &Node, kind: i8, name: &str, configs: &[(&str, Option<&str>)]) -> i16 {
    let config = |(name, value): &(&str, Option<&str>)| alter_configs_request::AlterableConfig {
        name: (*name).into(),
        value: value.map(Into::into),
    };
    let resource = alter_configs_request::AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], ..AlterConfigsRequest::default() };
    node.ask(2, request).await.responses[0].error_code
}

fn changed(kind: i8, name: &str, changes: Changes<'_>) -> IncrementalAlterConfigsRequest {
    let config =
        |(name, operation, value): &(&str, i8, Option<&str>)| incremental_alter_configs_request::AlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: value.map(Into::into),
        };
    let resource = incremental_alter_configs_request::AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: changes.iter().map(config).collect(),
    };
    IncrementalAlterConfigsRequest { resources: vec![resource], ..IncrementalAlterConfigsRequest::default() }
}

async fn change(node: &Node, kind: i8, name: &str, changes: Changes<'_>) -> i16 {
    node.ask(1, changed(kind, name, changes)).await.responses[0].error_code
}

#[tokio::test]
async fn empty_requests_are_answered_in_every_version() {
    let node = Node::start();
    node.answers_every_version::<DescribeConfigsRequest>().await;
    node.answers_every_version::<AlterConfigsRequest>().await;
    node.answers_every_version::<IncrementalAlterConfigsRequest>().await;
    node.answers_every_version::<ListConfigResourcesRequest>().await;
    node.stop().await;
}

#[tokio::test]
async fn every_config_of_a_topic_is_described_in_every_version() {
    let node = Node::start();
    node.create("orders", 1).await;
    for version in 1..=4 {
        let resource =
            DescribeConfigsResource { resource_type: TOPIC, resource_name: "orders".into(), configuration_keys: None };
        let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
        let configs = node.ask(version, request).await.results.remove(0).configs;
        assert_eq!(configs.len(), 33);
        assert!(configs.iter().all(|config| !config.read_only && config.config_source == 5));
    }
    node.stop().await;
}

#[tokio::test]
async fn resources_that_are_not_there_are_errors() {
    let node = Node::start();
    let wanted = [
        (TOPIC, "none", ErrorCode::UnknownTopicOrPartition),
        (TOPIC, "a:b", ErrorCode::InvalidTopicException),
        (BROKER, "9", ErrorCode::InvalidRequest),
        (BROKER, "x", ErrorCode::InvalidRequest),
        (GROUP, "", ErrorCode::InvalidRequest),
        (16, "metrics", ErrorCode::InvalidRequest),
        (99, "x", ErrorCode::InvalidRequest),
    ];
    for (kind, name, error) in wanted {
        assert_eq!(describe(&node, kind, name, &[]).await.error_code, error.number(), "{kind} {name}");
        assert_eq!(alter(&node, kind, name, &[]).await, error.number(), "{kind} {name}");
        assert_eq!(change(&node, kind, name, &[]).await, error.number(), "{kind} {name}");
    }
    node.stop().await;
}

#[tokio::test]
async fn broker_tells_how_it_is_set_up() {
    let node = Node::start();
    let described = describe(&node, BROKER, "1", &[]).await;
    assert!(described.configs.iter().all(|config| config.documentation.as_ref().is_some_and(|doc| !doc.is_empty())));
    assert!(described.configs.is_sorted_by(|one, other| one.name < other.name), "each name once");
    let changeable = described.configs.iter().filter(|config| !config.read_only).map(|config| &*config.name);
    let of_topics = |name: &&str| name.starts_with("log.") || name.starts_with("compression.");
    let others: Vec<&str> = changeable.filter(|name| !of_topics(name)).collect();
    assert_eq!(
        others,
        ["max.connections", "message.max.bytes", "min.insync.replicas", "unclean.leader.election.enable"]
    );
    assert_eq!(value(&node, BROKER, "1", "num.partitions").await, (String::from("4"), 4));
    assert_eq!(value(&node, BROKER, "1", "auto.create.topics.enable").await.0, "true");
    assert_eq!(value(&node, BROKER, "1", "message.max.bytes").await.0, "1048588");
    assert_eq!(value(&node, BROKER, "1", "log.retention.hours").await.0, "168");
    assert_eq!(value(&node, BROKER, "1", "listeners").await.0, "PLAINTEXT://127.0.0.1:9092");
    assert_eq!(describe(&node, BROKER, "", &[]).await.configs.len(), 0);
    node.stop().await;
}

/// Every value that a config has or would have, with its name and source.
async fn synonyms(node: &Node, kind: i8, name: &str, key: &str) -> Vec<(String, String, i8)> {
    let config = describe(node, kind, name, &[key]).await.configs.remove(0);
    let synonyms = config.synonyms.into_iter();
    synonyms.map(|known| (known.name.to_string(), known.value.unwrap_or_default().to_string(), known.source)).collect()
}

fn known(name: &str, value: &str, source: i8) -> (String, String, i8) {
    (name.to_owned(), value.to_owned(), source)
}

#[tokio::test]
async fn what_brokers_are_set_to_counts_for_topics_that_say_nothing() {
    let node = Node::start();
    node.create("a", 1).await;
    node.create("b", 1).await;
    assert_eq!(change(&node, TOPIC, "b", &[("max.message.bytes", SET, Some("9"))]).await, 0);
    assert_eq!(change(&node, BROKER, "", &[("message.max.bytes", SET, Some("11"))]).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "max.message.bytes").await, (String::from("11"), 3));
    assert_eq!(node.context.engine.config_defaults().batch_bytes_max, 11);
    assert_eq!(change(&node, BROKER, "1", &[("message.max.bytes", SET, Some("10"))]).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "max.message.bytes").await, (String::from("10"), 2));
    let of_broker = [
        known("message.max.bytes", "10", 2),
        known("message.max.bytes", "11", 3),
        known("message.max.bytes", "1048588", 5),
    ];
    assert_eq!(synonyms(&node, BROKER, "1", "message.max.bytes").await, of_broker);
    assert_eq!(synonyms(&node, BROKER, "", "message.max.bytes").await, of_broker[1..2]);
    let of_topic = [vec![known("max.message.bytes", "9", 1)], of_broker.to_vec()].concat();
    assert_eq!(synonyms(&node, TOPIC, "b", "max.message.bytes").await, of_topic);
    assert_eq!(change(&node, BROKER, "1", &[("message.max.bytes", DELETE, None)]).await, 0);
    assert_eq!(alter(&node, BROKER, "", &[("max.connections", Some("7"))]).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "max.message.bytes").await, (String::from("1048588"), 5));
    assert_eq!(value(&node, BROKER, "1", "max.connections").await, (String::from("7"), 3));
    node.stop().await;
}

#[tokio::test]
async fn what_brokers_are_set_to_is_shown_where_topics_have_no_default_of_the_broker() {
    let node = Node::start();
    node.create("a", 1).await;
    let pairs = [
        ("log.retention.ms", "retention.ms"),
        ("log.roll.ms", "segment.ms"),
        ("log.roll.jitter.ms", "segment.jitter.ms"),
        ("log.flush.interval.ms", "flush.ms"),
    ];
    for (of_broker, of_topic) in pairs {
        assert_eq!(synonyms(&node, TOPIC, "a", of_topic).await, []);
        assert_eq!(change(&node, BROKER, "", &[(of_broker, SET, Some("5000"))]).await, 0);
        assert_eq!(synonyms(&node, TOPIC, "a", of_topic).await, [known(of_broker, "5000", 3)]);
        assert_eq!(value(&node, TOPIC, "a", of_topic).await, (String::from("5000"), 3));
    }
    node.stop().await;
}

#[tokio::test]
async fn broker_configs_are_refused_where_they_cannot_be_changed() {
    let node = Node::start();
    let refused: [(Changes<'_>, ErrorCode); 9] = [
        (&[("num.partitions", SET, Some("3"))], ErrorCode::InvalidRequest),
        (&[("num.partitions", DELETE, None)], ErrorCode::None),
        (&[("foo", SET, Some("3"))], ErrorCode::InvalidRequest),
        (&[("log.retention.ms", SET, Some("abc"))], ErrorCode::InvalidRequest),
        (&[("log.retention.ms", APPEND, Some("5"))], ErrorCode::InvalidConfig),
        (&[("unclean.leader.election.enable", SET, Some("true"))], ErrorCode::InvalidConfig),
        (&[("max.connections", SET, Some("0"))], ErrorCode::InvalidRequest),
        (&[("max.connections", APPEND, Some("5"))], ErrorCode::InvalidConfig),
        (
            &[
                ("log.cleaner.max.compaction.lag.ms", SET, Some("5")),
                ("log.cleaner.min.compaction.lag.ms", SET, Some("6")),
            ],
            ErrorCode::InvalidConfig,
        ),
    ];
    for scope in ["", "1"] {
        for (changes, error) in refused {
            assert_eq!(change(&node, BROKER, scope, changes).await, error.number(), "{changes:?}");
        }
        assert_eq!(describe(&node, BROKER, "", &[]).await.configs, []);
    }
    let response = node.ask(1, changed(BROKER, "", &[("num.partitions", SET, Some("3"))])).await;
    let message = response.responses[0].error_message.clone().unwrap();
    assert_eq!(&*message, "Cannot update these configs dynamically: [num.partitions]");
    assert_eq!(alter(&node, BROKER, "1", &[("num.partitions", Some("3"))]).await, ErrorCode::InvalidRequest.number());
    node.stop().await;
}

#[tokio::test]
async fn consumer_group_has_configs_of_its_own() {
    let node = Node::start();
    let session = |value| [("consumer.session.timeout.ms", SET, Some(value))];
    assert_eq!(value(&node, GROUP, "g", "consumer.session.timeout.ms").await, (String::from("45000"), 5));
    assert_eq!(change(&node, GROUP, "g", &session("50000")).await, 0);
    assert_eq!(change(&node, GROUP, "g", &[("consumer.heartbeat.interval.ms", SET, Some("6000"))]).await, 0);
    let both =
        [known("consumer.session.timeout.ms", "50000", 8), known("group.consumer.session.timeout.ms", "45000", 5)];
    assert_eq!(synonyms(&node, GROUP, "g", "consumer.session.timeout.ms").await, both);
    assert_eq!(value(&node, GROUP, "h", "consumer.session.timeout.ms").await, (String::from("45000"), 5));
    assert_eq!(alter(&node, GROUP, "g", &[("consumer.heartbeat.interval.ms", Some("7000"))]).await, 0);
    assert_eq!(value(&node, GROUP, "g", "consumer.session.timeout.ms").await, (String::from("45000"), 5));
    assert_eq!(change(&node, GROUP, "g", &[("consumer.heartbeat.interval.ms", DELETE, None)]).await, 0);
    assert_eq!(node.context.engine.configs().groups(), []);
    node.stop().await;
}

#[tokio::test]
async fn group_configs_are_refused_outside_their_bounds() {
    let node = Node::start();
    let refused: [(Changes<'_>, ErrorCode); 10] = [
        (&[("consumer.session.timeout.ms", SET, Some("5999"))], ErrorCode::InvalidConfig),
        (&[("consumer.session.timeout.ms", SET, Some("1800001"))], ErrorCode::InvalidConfig),
        (&[("consumer.session.timeout.ms", SET, Some("abc"))], ErrorCode::InvalidConfig),
        (&[("consumer.session.timeout.ms", APPEND, Some("1"))], ErrorCode::InvalidConfig),
        (&[("consumer.heartbeat.interval.ms", SET, Some("999"))], ErrorCode::InvalidConfig),
        (
            &[
                ("consumer.heartbeat.interval.ms", SET, Some("9000")),
                ("consumer.session.timeout.ms", SET, Some("9000")),
            ],
            ErrorCode::InvalidConfig,
        ),
        (&[("consumer.assignment.interval.ms", SET, Some("0"))], ErrorCode::None),
        (&[("consumer.assignment.interval.ms", SET, Some("1000"))], ErrorCode::InvalidConfig),
        (&[("share.session.timeout.ms", SET, Some("50000"))], ErrorCode::InvalidConfig),
        (&[("foo", DELETE, None)], ErrorCode::None),
    ];
    for (changes, error) in refused {
        assert_eq!(change(&node, GROUP, "g", changes).await, error.number(), "{changes:?}");
    }
    assert_eq!(node.context.engine.configs().groups(), []);
    node.stop().await;
}

#[tokio::test]
async fn altering_replaces_all_configs() {
    let node = Node::start();
    node.create("a", 1).await;
    assert_eq!(
        alter(&node, TOPIC, "a", &[("retention.ms", Some("100")), ("cleanup.policy", Some("compact"))]).await,
        0
    );
    assert_eq!(value(&node, TOPIC, "a", "cleanup.policy").await, (String::from("compact"), 1));
    assert_eq!(alter(&node, TOPIC, "a", &[("retention.ms", Some("200"))]).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "cleanup.policy").await, (String::from("delete"), 5));
    assert_eq!(value(&node, TOPIC, "a", "retention.ms").await, (String::from("200"), 1));
    assert_eq!(alter(&node, TOPIC, "a", &[("retention.ms", None)]).await, ErrorCode::InvalidRequest.number());
    assert_eq!(alter(&node, TOPIC, "a", &[("foo", Some("1"))]).await, ErrorCode::InvalidConfig.number());
    node.stop().await;
}

#[tokio::test]
async fn single_configs_are_set_deleted_appended_and_subtracted() {
    let node = Node::start();
    node.create("a", 1).await;
    let changes = [("retention.ms", SET, Some("100")), ("cleanup.policy", APPEND, Some("compact"))];
    assert_eq!(change(&node, TOPIC, "a", &changes).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "cleanup.policy").await.0, "compact,delete");
    let changes = [("retention.ms", DELETE, None), ("cleanup.policy", SUBTRACT, Some("delete"))];
    assert_eq!(change(&node, TOPIC, "a", &changes).await, 0);
    assert_eq!(value(&node, TOPIC, "a", "cleanup.policy").await.0, "compact");
    assert_eq!(value(&node, TOPIC, "a", "retention.ms").await, (String::from("604800000"), 5));
    node.stop().await;
}

#[tokio::test]
async fn changes_are_refused_where_kafka_refuses_them() {
    let node = Node::start();
    node.create("a", 1).await;
    let twice = [("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)];
    let refused: [(Changes<'_>, ErrorCode); 6] = [
        (&[("retention.ms", APPEND, Some("1"))], ErrorCode::InvalidConfig),
        (&[("retention.ms", SET, None)], ErrorCode::InvalidRequest),
        (&[("retention.ms", 9, Some("1"))], ErrorCode::InvalidRequest),
        (&[("foo", SET, Some("1"))], ErrorCode::InvalidConfig),
        (&[("foo", DELETE, None)], ErrorCode::None),
        (&twice, ErrorCode::InvalidRequest),
    ];
    for (changes, error) in refused {
        assert_eq!(change(&node, TOPIC, "a", changes).await, error.number(), "{changes:?}");
    }
    let check = changed(TOPIC, "a", &[("retention.ms", SET, Some("5"))]);
    let check = IncrementalAlterConfigsRequest { validate_only: true, ..check };
    assert_eq!(node.ask(1, check).await.responses[0].error_code, 0);
    assert_eq!(value(&node, TOPIC, "a", "retention.ms").await.1, 5);
    let mut both = changed(TOPIC, "a", &[("retention.ms", SET, Some("5"))]);
    both.resources.extend(both.resources.clone());
    let responses = node.ask(1, both).await.responses;
    assert_eq!((responses.len(), responses[0].error_code), (1, ErrorCode::InvalidRequest.number()));
    node.stop().await;
}

#[tokio::test]
async fn what_has_configs_is_listed() {
    let node = Node::start();
    node.create("a", 1).await;
    assert_eq!(change(&node, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("50000"))]).await, 0);
    let list = async |resource_types: &[i8]| {
        let request = ListConfigResourcesRequest { resource_types: resource_types.to_vec() };
        let response = node.ask(1, request).await;
        let listed = response.config_resources.iter();
        let listed: Vec<_> = listed.map(|found| (found.resource_name.to_string(), found.resource_type)).collect();
        (response.error_code, listed)
    };
    let all = [("1", BROKER), ("g", GROUP), ("a", TOPIC)].map(|(name, kind)| (name.to_owned(), kind));
    assert_eq!(list(&[]).await, (0, all.to_vec()));
    assert_eq!(list(&[TOPIC]).await, (0, vec![(String::from("a"), TOPIC)]));
    assert_eq!(list(&[1]).await, (ErrorCode::UnsupportedVersion.number(), Vec::new()));
    node.stop().await;
}
