//! The table in `docs/conversion.md`, row by row: stored bytes, and what each protocol sees of them.
//! `UPDATE_EXPECT=1` writes the files anew.

use std::fmt::Write;

use bytes::Bytes;
use expect_test::expect_file;
use omnibus_model::exchange::BindingId;
use omnibus_model::queue::{DeadLetterCause, Envelope, Origin};
use omnibus_model::{DedupHash, GroupHash, LeaderEpoch, Offset, StreamId, Timestamp};
use omnibus_record::amqp::{Properties, Table, Value};
use omnibus_record::{
    AmqpMessage, AmqpNative, BatchBuilder, Codec, Departure, Header, History, KafkaNative, Message, Messages, Native,
    Record, Records, Rules, Signing, SnsForm, SnsNative, SnsTarget, SqsAttribute, SqsMessage, SqsNative, SqsValue,
    Stamp, check_message, envelope_of, find_newest, find_timestamp, kafka_batch, stamp_message, validate,
};

const STREAM: StreamId = StreamId(7);
const DECOMPRESSED_MAX: u64 = 1 << 20;

fn sqs(native: SqsNative, body: &'static str) -> Message {
    let native = SqsNative {
        id: 0x0123_4567_89ab_4def_8123_4567_89ab_cdef,
        sent_at: Timestamp(1_700_000_000_000),
        sender: "000000000000".into(),
        ..native
    };
    Message {
        offset: Offset(41),
        timestamp: native.sent_at,
        envelope: Envelope::default(),
        native: Native::Sqs(native),
        history: None,
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn text(name: &'static str, data_type: &'static str, value: &'static str) -> SqsAttribute {
    let value = SqsValue::Text(value.into());
    SqsAttribute { name: name.into(), data_type: data_type.into(), value }
}

fn header(key: &'static str, value: Option<&'static [u8]>) -> Header {
    Header { key: Bytes::from_static(key.as_bytes()), value: value.map(Bytes::from_static) }
}

fn history() -> History {
    let first = Origin { stream: StreamId(3), offset: Offset(9) };
    let last = Departure {
        queue: "orders".into(),
        from: first,
        cause: DeadLetterCause::Exhausted,
        deliveries: 5,
        first_delivered_at: Some(Timestamp(1_700_000_001_000)),
        at: Timestamp(1_700_000_009_000),
    };
    History { first, deaths: 1, last }
}

/// What is on the disk.
fn stored(message: &Message) -> Bytes {
    let encoded = message.encode().expect("short");
    assert_eq!(encoded.batch().bytes as usize, encoded.joined().len());
    let (head, body) = stamp_message(&encoded, message.offset, LeaderEpoch(4));
    assert_eq!(body.as_ptr(), message.body.as_ptr(), "a body is not copied");
    let stored: Bytes = [head, body].concat().into();
    check_message(&stored).expect("the checksum fits");
    stored
}

fn hex(bytes: &Bytes) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn show(bytes: &Bytes) -> String {
    bytes.escape_ascii().to_string()
}

fn kafka_view(record: &Record) -> String {
    let mut view = format!("offset {}\ntimestamp {}\n", record.offset, record.timestamp.0);
    let part = |part: &Option<Bytes>| part.as_ref().map_or("null".into(), |bytes| format!("'{}'", show(bytes)));
    writeln!(view, "key {}\nvalue {}", part(&record.key), part(&record.value)).expect("memory");
    for header in &record.headers {
        writeln!(view, "header {} = {}", show(&header.key), part(&header.value)).expect("memory");
    }
    view
}

fn sqs_view(message: &SqsMessage) -> String {
    let SqsMessage { native, body } = message;
    let mut view = format!("MessageId {:032x}\nSentTimestamp {}\n", native.id, native.sent_at.0);
    writeln!(view, "SenderId '{}'\nBody '{}'", native.sender, body.escape_debug()).expect("memory");
    writeln!(view, "MessageGroupId {:?}\nMessageDeduplicationId {:?}", native.group, native.dedup).expect("memory");
    for (kind, attributes) in [("attribute", &native.attributes), ("system attribute", &native.system_attributes)] {
        for attribute in attributes {
            let value = match &attribute.value {
                SqsValue::Text(text) => format!("text '{text}'"),
                SqsValue::Binary(bytes) => format!("binary '{}'", show(bytes)),
            };
            writeln!(view, "{kind} {}: {} = {value}", attribute.name, attribute.data_type).expect("memory");
        }
    }
    view
}

fn amqp_view(message: &AmqpMessage) -> String {
    let AmqpMessage { native, body } = message;
    let mut view = format!("exchange '{}'\nrouting key '{}'\n", show(&native.exchange), show(&native.routing_key));
    writeln!(view, "body '{}'", show(body)).expect("memory");
    let properties = Properties::read(&native.properties).expect("properties");
    for (name, value) in properties.headers.iter().flat_map(|table| &table.0) {
        writeln!(view, "header {} = {value:?}", show(name)).expect("memory");
    }
    writeln!(view, "{:?}", Properties { headers: None, ..properties }).expect("memory");
    view
}

/// Writes down what is stored and what both protocols see, and checks that nothing is lost.
fn check(message: &Message) -> (String, String) {
    let stored = stored(message);
    let read: Vec<Message> = Messages::of(&stored, 0).expect("opens").collect::<Result<_, _>>().expect("reads");
    assert_eq!(read, std::slice::from_ref(message));
    assert_eq!(envelope_of(&stored), Ok(message.envelope));
    let place = Some((message.offset, message.timestamp));
    assert_eq!(find_newest(&stored), Ok(place));
    assert_eq!(find_timestamp(&stored, message.timestamp, message.offset), Ok(place));
    assert_eq!(find_timestamp(&stored, Timestamp(message.timestamp.0 + 1), message.offset), Ok(None));

    let batch = kafka_batch(&stored).expect("converts");
    assert_eq!(validate(&batch, &Rules::default()).expect("valid").count, 1);
    let records: Vec<Record> = Records::of(&batch, 0).expect("opens").collect::<Result<_, _>>().expect("reads");
    let direct: Vec<Record> = Records::of(&stored, 0).expect("opens").collect::<Result<_, _>>().expect("reads");
    assert_eq!(records, direct);
    let views = format!("{}\n{}", kafka_view(&records[0]), sqs_view(&SqsMessage::of(message, STREAM)));
    (format!("stored\n{}\nKafka\n{}", hex(&stored), hex(&batch)), views)
}

/// A record as its batch was sent, and what SQS sees of it.
fn check_record(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> (String, String) {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_700_000_000_000), key, value, headers);
    let batch = builder.finish(Stamp { base_offset: Offset(12), ..Stamp::default() });
    let message = Messages::of(&batch, DECOMPRESSED_MAX).expect("opens").next().expect("one").expect("reads");
    let record = Records::of(&batch, DECOMPRESSED_MAX).expect("opens").next().expect("one").expect("reads");
    let views = format!("{}\n{}", kafka_view(&record), sqs_view(&SqsMessage::of(&message, STREAM)));
    (hex(&batch), views)
}

#[test]
fn plain_sqs_message() {
    let (bytes, views) = check(&sqs(SqsNative::default(), "hello"));
    expect_file!["golden/plain_sqs.hex"].assert_eq(&bytes);
    expect_file!["golden/plain_sqs.txt"].assert_eq(&views);
}

#[test]
fn sqs_message_with_everything() {
    let binary = SqsValue::Binary(Bytes::from_static(b"\x00\xff"));
    let native = SqsNative {
        group: Some("customer-7".into()),
        dedup: Some("order-1".into()),
        attributes: vec![
            text("colour", "String", "grün"),
            text("weight", "Number.float", "4.5"),
            SqsAttribute { name: "raw".into(), data_type: "Binary".into(), value: binary },
        ],
        system_attributes: vec![text("AWSTraceHeader", "String", "Root=1-5759e988-bd862e3fe1be46a994272793")],
        ..SqsNative::default()
    };
    let envelope = Envelope {
        deliver_at: Some(Timestamp(1_700_000_060_000)),
        expires_at: Some(Timestamp(1_700_000_900_000)),
        group: Some(GroupHash(0x1122_3344_5566_7788)),
        dedup: Some(DedupHash(0x99)),
        priority: 3,
    };
    let message = Message { envelope, history: Some(history()), ..sqs(native, "{\"order\":1}") };
    let (bytes, views) = check(&message);
    expect_file!["golden/full_sqs.hex"].assert_eq(&bytes);
    expect_file!["golden/full_sqs.txt"].assert_eq(&views);
}

#[test]
fn amqp_message_with_everything() {
    let headers = Table::from([
        ("text", Value::text("grün")),
        ("number", Value::I32(-7)),
        ("fraction", Value::Double(4.5f64.to_bits())),
        ("truth", Value::Bool(true)),
        ("bytes", Value::Binary(Bytes::from_static(b"\x00\xff"))),
        ("nothing", Value::Void),
        ("time", Value::Timestamp(1_700_000_000)),
        ("list", Value::Array(vec![Value::I64(1), Value::text("a\"b")])),
        ("table", Value::Table(Table::from([("x", Value::Void)]))),
    ]);
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let properties = Properties {
        content_type: text("application/json"),
        content_encoding: text("utf-8"),
        headers: Some(headers),
        delivery_mode: Some(2),
        priority: Some(5),
        correlation_id: text("c"),
        reply_to: text("replies"),
        expiration: text("60000"),
        message_id: text("m"),
        timestamp: Some(1_700_000_000),
        kind: text("order"),
        user_id: text("guest"),
        app_id: text("app"),
        cluster_id: text("cluster"),
    };
    let native = AmqpNative {
        exchange: Bytes::from_static(b"amq.topic"),
        routing_key: Bytes::from_static(b"orders.new"),
        properties: properties.write(),
    };
    let message = Message { native: Native::Amqp(native), ..sqs(SqsNative::default(), "{\"order\":1}") };
    let (bytes, views) = check(&message);
    expect_file!["golden/full_amqp.hex"].assert_eq(&bytes);
    expect_file!["golden/full_amqp.txt"].assert_eq(&views);
    assert_eq!(AmqpMessage::of(&message, "orders").native.properties, properties.write());
    // Copied by a client of Kafka's, it is the same again but for what Kafka has no types for.
    let record = message.to_record();
    let native = KafkaNative { key: record.key, headers: record.headers, is_tombstone: false };
    let copied = Message { native: Native::Kafka(native), ..message };
    expect_file!["golden/copied_amqp.txt"].assert_eq(&amqp_view(&AmqpMessage::of(&copied, "orders")));
}

#[test]
fn amqp_clients_view_of_others() {
    let attributes = vec![text("colour", "String", "grün"), text("weight", "Number", "4.5")];
    let native = SqsNative { group: Some("customer-7".into()), attributes, ..SqsNative::default() };
    let view = amqp_view(&AmqpMessage::of(&sqs(native, "hello"), "orders"));
    expect_file!["golden/sqs_over_amqp.txt"].assert_eq(&view);
}

#[test]
fn sns_message_with_everything() {
    let target = |stream, form| SnsTarget { stream: StreamId(stream), binding: BindingId(u128::from(stream)), form };
    let native = SnsNative {
        id: 0x0123_4567_89ab_4def_8123_4567_89ab_cdef,
        published_at: Timestamp(1_700_000_000_000),
        topic: "arn:aws:sns:us-east-1:000000000000:news.fifo".into(),
        subject: Some("spring".into()),
        group: Some("customer-7".into()),
        dedup: Some("order-1".into()),
        sequence: Some(10_000_000_000_000_003_000),
        signing: Signing::Sha256,
        attributes: vec![text("colour", "String", "grün"), text("weight", "Number", "4.5")],
        system_attributes: vec![text("AWSTraceHeader", "String", "Root=1-5759e988-bd862e3fe1be46a994272793")],
        targets: vec![target(3, SnsForm::Envelope), target(7, SnsForm::Raw)],
    };
    assert_eq!(native.target(StreamId(7)), Some(target(7, SnsForm::Raw)));
    assert_eq!(native.target(StreamId(4)), None);
    let message =
        Message { native: Native::Sns(native), history: Some(history()), ..sqs(SqsNative::default(), "{\"order\":1}") };
    let (bytes, views) = check(&message);
    expect_file!["golden/full_sns.hex"].assert_eq(&bytes);
    expect_file!["golden/full_sns.txt"].assert_eq(&views);
}

#[test]
fn kafka_record_that_was_moved() {
    let native = KafkaNative {
        key: Some(Bytes::from_static(b"k")),
        headers: vec![header("a", Some(b"1")), header("a", None)],
        is_tombstone: true,
    };
    let message = Message {
        native: Native::Kafka(native),
        history: Some(history()),
        body: Bytes::new(),
        ..sqs(SqsNative::default(), "")
    };
    let (bytes, views) = check(&message);
    expect_file!["golden/moved_kafka.hex"].assert_eq(&bytes);
    expect_file!["golden/moved_kafka.txt"].assert_eq(&views);
}

#[test]
fn plain_kafka_record() {
    let headers = [header("colour", Some("grün".as_bytes())), header("raw", Some(b"\x00\xff"))];
    let (bytes, views) = check_record(Some(b"customer-7"), Some(b"hello"), &headers);
    expect_file!["golden/plain_kafka.hex"].assert_eq(&bytes);
    expect_file!["golden/plain_kafka.txt"].assert_eq(&views);
}

#[test]
fn kafka_record_that_sqs_has_no_words_for() {
    let headers = [
        header("has space", Some(b"1")),
        header("twice", Some(b"1")),
        header("twice", Some(b"2")),
        header("empty", Some(b"")),
        header("null", None),
        header("AWS.mine", Some(b"1")),
        header("weight", Some(b"4.5")),
        header("omnibus.sqs.type.weight", Some(b"Number.float")),
        header("word", Some(b"four")),
        header("omnibus.sqs.type.word", Some(b"Number")),
        header("omnibus.sqs.system.AWSTraceHeader", Some(b"Root=1-5759e988-bd862e3fe1be46a994272793")),
    ];
    let (bytes, views) = check_record(Some(b"\xff"), Some(b"\x00\x01\x02"), &headers);
    expect_file!["golden/odd_kafka.hex"].assert_eq(&bytes);
    expect_file!["golden/odd_kafka.txt"].assert_eq(&views);
}

#[test]
fn tombstone() {
    let (bytes, views) = check_record(None, None, &[]);
    expect_file!["golden/tombstone.hex"].assert_eq(&bytes);
    expect_file!["golden/tombstone.txt"].assert_eq(&views);
}

#[test]
fn no_producer_of_kafka_can_send_a_message_of_ours() {
    assert!(validate(&stored(&sqs(SqsNative::default(), "hello")), &Rules::default()).is_err());
}
