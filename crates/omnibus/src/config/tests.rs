use std::io::Write;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn error(given: &Given) -> String {
    Effective::new(given).unwrap_err().to_string()
}

fn key(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).unwrap()
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = file("[topics]\npartitions = 2\nauto_create = false\n[kafka]\nlisten = \"0.0.0.0:1\"\n");
    let given = Given {
        file: Some(file.path().to_owned()),
        variables: vec![variable("OMNIBUS_KAFKA_LISTEN", "0.0.0.0:2"), variable("OMNIBUS_TOPICS_PARTITIONS", "3")],
        flags: vec![variable("kafka.listen", "0.0.0.0:3")],
    };
    let effective = Effective::new(&given).unwrap();
    assert_eq!(effective.config.kafka.listen.port(), 3);
    assert_eq!(effective.config.topics.partitions, 3);
    assert!(!effective.config.topics.auto_create);
    assert_eq!(effective.config.admin.listen.port(), 9644);
    assert_eq!(effective.source(key("kafka.listen")), Source::Flag);
    assert_eq!(effective.source(key("topics.partitions")).to_string(), "variable OMNIBUS_TOPICS_PARTITIONS");
    assert_eq!(effective.source(key("topics.auto_create")), Source::File(file.path().to_owned()));
    assert_eq!(effective.source(key("admin.listen")), Source::Default);
}

#[test]
fn unknown_key_names_the_nearest_one() {
    let file = file("[kafka]\nlisten_on = \"0.0.0.0:1\"\n");
    let in_file = error(&Given { file: Some(file.path().to_owned()), ..Given::default() });
    assert!(in_file.starts_with("there is no key kafka.listen_on (file "), "{in_file}");
    assert!(in_file.ends_with("did you mean kafka.listen?"), "{in_file}");

    let variables = vec![variable("OMNIBUS_KAFKA_ADVERTISE", "x")];
    let in_environment = error(&Given { variables, ..Given::default() });
    assert!(in_environment.ends_with("did you mean OMNIBUS_KAFKA_ADVERTISED?"), "{in_environment}");

    let flags = vec![variable("qqqqqqqq", "x")];
    assert!(error(&Given { flags, ..Given::default() }).ends_with("`omnibus config show` lists all of them"));
}

/// All variables that some command reads.
fn read_by(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(read_by)).collect()
}

#[test]
fn variables_that_commands_read_are_known_to_the_broker() {
    let variables = read_by(&crate::cli::command());
    assert!(variables.iter().any(|name| name == "OMNIBUS_AMQP"), "{variables:?}");
    let is_unknown = |name: &str| {
        let given = Given { variables: vec![variable(name, "x")], ..Given::default() };
        Effective::new(&given).is_err_and(|error| error.to_string().contains("stands for no key"))
    };
    assert!(is_unknown("OMNIBUS_NOTHING"));
    assert!(!variables.iter().any(|name| is_unknown(name)), "{variables:?}");
}

#[test]
fn variables_of_others_are_left_alone() {
    let variables = ["HOME", "OMNIBUS_ADMIN", "OMNIBUS_PORT", "OMNIBUS_PORT_9092_TCP_ADDR", "OMNIBUS_SERVICE_HOST"]
        .map(|name| variable(name, "x"));
    assert!(Effective::new(&Given { variables: variables.into(), ..Given::default() }).is_ok());
}

#[test]
fn invalid_value_says_what_is_valid() {
    for (key, value, expected) in [
        ("kafka.listen", "9092", "\"9092\" is not an address; write 127.0.0.1:9092, 0.0.0.0:9092 or [::1]:0"),
        ("storage.io_uring", "maybe", "\"maybe\" is none of auto, on, off"),
        ("storage.cache", "lots", "\"lots\" is not a size; write 4096, 64KiB, 256MiB or 1GiB"),
        ("topics.partitions", "-1", "invalid digit found in string"),
        ("kafka.advertised", "a b", "\"a b\" is not a host; write broker.example.org or broker.example.org:9092"),
    ] {
        let given = Given { flags: vec![variable(key, value)], ..Given::default() };
        assert_eq!(error(&given), format!("{key} (flag): {expected}"));
    }
}

#[test]
fn every_value_reads_back() {
    let mut config = Config::default();
    for key in KEYS {
        let shown = key.show(&config);
        (key.field)(&mut config).take(&shown).unwrap();
        assert_eq!(key.show(&config), shown, "{}", key.name);
    }
}

#[test]
fn advertised_address_has_an_optional_port() {
    let mut config = Config::default();
    let advertised = key("kafka.advertised");
    for text in ["broker", "broker:19092", "[::1]:9092", "[::1]", ""] {
        (advertised.field)(&mut config).take(text).unwrap();
        assert_eq!(advertised.show(&config), text);
    }
}

#[test]
fn door_may_have_several_addresses_or_none() {
    let listen = |text: &str| {
        let flags = vec![variable("sqs.listen", text)];
        Effective::new(&Given { flags, ..Given::default() }).unwrap().config.sqs.listen
    };
    let ports = |text: &str| listen(text).iter().map(std::net::SocketAddr::port).collect::<Vec<_>>();
    assert_eq!(ports("127.0.0.1:1, localhost:2"), [1, 2]);
    assert_eq!(ports("[::1]:3"), [3]);
    assert_eq!(ports("off"), [] as [u16; 0]);
    assert_eq!(key("sqs.listen").show(&Config::default()), "127.0.0.1:9324,127.0.0.1:4566");
    let flags = vec![variable("sqs.listen", "127.0.0.1:1,")];
    assert!(error(&Given { flags, ..Given::default() }).ends_with(", or off"));
}
