use super::*;

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn shown(config: &QueueConfig) -> Vec<(&'static str, String)> {
    SHOWN.iter().filter_map(|name| Some((*name, show(config, name)?))).collect()
}

#[test]
fn defaults_are_those_of_aws() {
    let standard = create("q", &given(&[])).unwrap();
    let expected = [
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ];
    assert_eq!(shown(&standard), expected.map(|(name, text)| (name, text.to_owned())));
    let fifo = create("q.fifo", &given(&[("FifoQueue", "True")])).unwrap();
    for (name, text) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(show(&fifo, name).as_deref(), Some(text));
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    for (name, text) in [
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "43201"),
        ("DelaySeconds", "901"),
        ("MaximumMessageSize", "512"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("ReceiveMessageWaitTimeSeconds", "x"),
        ("ReceiveMessageWaitTimeSeconds", "99999999999999999999"),
        ("Policy", "no policy"),
        ("RedriveAllowPolicy", "{\"redrivePermission\":\"byQueue\"}"),
        ("SqsManagedSseEnabled", "maybe"),
    ] {
        let error = create("q", &given(&[(name, text)])).unwrap_err();
        assert!(matches!(error, ApiError::InvalidAttributeValue(_)), "{name} {text}: {error}");
    }
}

#[test]
fn attributes_of_fifo_queues_are_refused_elsewhere() {
    for (name, text, message) in [
        ("FifoQueue", "false", "Unknown Attribute FifoQueue."),
        ("ContentBasedDeduplication", "false", "Unknown Attribute ContentBasedDeduplication."),
        ("DeduplicationScope", "queue", "You can specify the DeduplicationScope only when FifoQueue is set to true."),
        (
            "FifoThroughputLimit",
            "perQueue",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
        ("QueueArn", "x", "Unknown Attribute QueueArn."),
    ] {
        let expected = ApiError::InvalidAttributeName(message.to_owned());
        assert_eq!(create("q", &given(&[(name, text)])).unwrap_err(), expected);
    }
    let mut fifo = create("q.fifo", &given(&[("FifoQueue", "true")])).unwrap();
    assert!(change(&mut fifo, &given(&[("FifoQueue", "true")])).is_ok());
    assert!(matches!(change(&mut fifo, &given(&[("FifoQueue", "false")])), Err(ApiError::InvalidAttributeValue(_))));
}

#[test]
fn redrive_policy_names_a_queue_and_a_count() {
    let arn = "arn:aws:sqs:us-east-1:000000000000:dlq";
    for count in ["3", "\"3\""] {
        let policy = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":{count}}}");
        let config = create("q", &given(&[("RedrivePolicy", &policy)])).unwrap();
        assert_eq!(redrive(&config).unwrap().target.arn(), arn);
        assert_eq!(config.cursor.deliveries_max, Some(3));
        assert_eq!(config.cursor.dead_letters, DeadLetters::Moved);
    }
    let mut changed = create(
        "q",
        &given(&[("RedrivePolicy", &format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":3}}"))]),
    )
    .unwrap();
    assert!(show(&changed, "RedrivePolicy").is_some());
    changed.cursor.deliveries_max = Some(4);
    assert_eq!(show(&changed, "RedrivePolicy"), None, "it says something else than the queue does");
    for policy in [
        "x".to_owned(),
        format!("{{\"deadLetterTargetArn\":\"{arn}\"}}"),
        format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":0}}"),
        format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":1001}}"),
        "{\"maxReceiveCount\":3}".to_owned(),
        "{\"deadLetterTargetArn\":\"dummy\",\"maxReceiveCount\":3}".to_owned(),
    ] {
        let error = create("q", &given(&[("RedrivePolicy", &policy)])).unwrap_err();
        assert!(matches!(error, ApiError::InvalidParameterValue(_)), "{policy}");
    }
}

#[test]
fn empty_text_takes_an_attribute_away() {
    let mut config = create("q", &given(&[("Policy", "{}"), ("KmsMasterKeyId", "key")])).unwrap();
    assert_eq!(show(&config, "SqsManagedSseEnabled").as_deref(), Some("false"));
    change(&mut config, &given(&[("Policy", ""), ("KmsMasterKeyId", "")])).unwrap();
    assert_eq!((show(&config, "Policy"), show(&config, "KmsMasterKeyId")), (None, None));
    assert_eq!(show(&config, "SqsManagedSseEnabled").as_deref(), Some("false"));
}

#[test]
fn only_what_is_given_is_compared() {
    let config = create("q", &given(&[("DelaySeconds", "1"), ("ReceiveMessageWaitTimeSeconds", "1")])).unwrap();
    assert_eq!(difference(&config, &given(&[])), Ok(None));
    assert_eq!(difference(&config, &given(&[("DelaySeconds", "1")])), Ok(None));
    assert_eq!(difference(&config, &given(&[("DelaySeconds", "2")])), Ok(Some("DelaySeconds".to_owned())));
}

#[test]
fn scope_of_deduplication_stays_as_it_was() {
    let scope = |text| given(&[("FifoQueue", "true"), ("DeduplicationScope", text)]);
    let mut config = create("q.fifo", &scope("queue")).unwrap();
    change(&mut config, &scope("messageGroup")).unwrap();
    assert_eq!(show(&config, "DeduplicationScope").as_deref(), Some("messageGroup"));
    assert!(!dedups_by_group(&config));
    assert!(dedups_by_group(&create("q.fifo", &scope("messageGroup")).unwrap()));
}

#[test]
fn redrive_allow_policy_says_whose_dead_letters_come() {
    let source = |name: &str| QueueName::of_arn(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).unwrap();
    let queue = |policy: &str| create("dlq", &given(&[("RedriveAllowPolicy", policy)])).unwrap();
    let by_queue = "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"arn:aws:sqs:us-east-1:000000000000:a\"]}";
    assert!(allows_redrive_from(&queue(""), &source("a")));
    assert!(allows_redrive_from(&queue("{\"redrivePermission\":\"allowAll\"}"), &source("a")));
    assert!(!allows_redrive_from(&queue("{\"redrivePermission\":\"denyAll\"}"), &source("a")));
    assert!(allows_redrive_from(&queue(by_queue), &source("a")));
    assert!(!allows_redrive_from(&queue(by_queue), &source("b")));
}

#[test]
fn targets_of_moves_are_kept_as_long_as_the_moves() {
    let mut config = QueueConfig::default();
    for task in 1..=12 {
        note_move(&mut config, Timestamp(5), (MoveId(task), format!("arn{task}")));
    }
    assert_eq!(altered_at(&config, Timestamp(9)), Timestamp(5), "nobody has changed the queue");
    note_change(&mut config);
    assert_eq!(altered_at(&config, Timestamp(9)), Timestamp(9));
    assert_eq!(config.attributes.len(), 10);
    assert_eq!(move_target(&config, MoveId(2)), None);
    assert_eq!(move_target(&config, MoveId(3)).as_deref(), Some("arn3"));
    assert_eq!(move_target(&config, MoveId(12)).as_deref(), Some("arn12"));
}
