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
async fn broker_tells_how_it_is_set_up_and_lets_nobody_change_it() {
    let node = Node::start();
    let described = describe(&node, BROKER, "1", &[]).await;
    assert!(described.configs.iter().all(|config| config.read_only));
    assert!(described.configs.iter().all(|config| config.documentation.as_ref().is_some_and(|doc| !doc.is_empty())));
    assert!(described.configs.is_sorted_by(|one, other| one.name < other.name), "each name once");
    assert_eq!(value(&node, BROKER, "1", "num.partitions").await, (String::from("4"), 4));
    assert_eq!(value(&node, BROKER, "1", "auto.create.topics.enable").await.0, "true");
    assert_eq!(value(&node, BROKER, "1", "message.max.bytes").await.0, "1048588");
    assert_eq!(value(&node, BROKER, "1", "log.retention.hours").await.0, "168");
    assert_eq!(value(&node, BROKER, "1", "listeners").await.0, "PLAINTEXT://127.0.0.1:9092");
    assert_eq!(describe(&node, BROKER, "", &[]).await.configs.len(), 0);
    let refused = ErrorCode::InvalidRequest.number();
    assert_eq!(alter(&node, BROKER, "1", &[("num.partitions", Some("3"))]).await, refused);
    assert_eq!(change(&node, BROKER, "", &[("num.partitions", SET, Some("3"))]).await, refused);
    node.stop().await;
}

#[tokio::test]
async fn group_configs_are_what_they_are() {
    let node = Node::start();
    assert_eq!(value(&node, GROUP, "g", "consumer.session.timeout.ms").await, (String::from("45000"), 5));
    let refused = ErrorCode::InvalidConfig.number();
    assert_eq!(change(&node, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("50000"))]).await, refused);
    assert_eq!(change(&node, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("45000"))]).await, 0);
    assert_eq!(change(&node, GROUP, "g", &[("consumer.session.timeout.ms", DELETE, None)]).await, 0);
    assert_eq!(change(&node, GROUP, "g", &[("foo", SET, Some("1"))]).await, refused);
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
async fn topics_and_brokers_are_listed_as_having_configs() {
    let node = Node::start();
    node.create("a", 1).await;
    let list = async |resource_types: &[i8]| {
        let request = ListConfigResourcesRequest { resource_types: resource_types.to_vec() };
        let response = node.ask(1, request).await;
        let listed = response.config_resources.iter();
        let listed: Vec<_> = listed.map(|found| (found.resource_name.to_string(), found.resource_type)).collect();
        (response.error_code, listed)
    };
    assert_eq!(list(&[]).await, (0, vec![(String::from("1"), BROKER), (String::from("a"), TOPIC)]));
    assert_eq!(list(&[TOPIC]).await, (0, vec![(String::from("a"), TOPIC)]));
    assert_eq!(list(&[1]).await, (ErrorCode::UnsupportedVersion.number(), Vec::new()));
    node.stop().await;
}
