//! Batches of any records, damaged batches, and any bytes.

use bytes::Bytes;
use omnibus_model::exchange::BindingId;
use omnibus_model::queue::{DeadLetterCause, Envelope, Origin};
use omnibus_model::{DedupHash, GroupHash, LeaderEpoch, MoveId, Offset, StreamId, Timestamp};
use omnibus_record::{
    BatchBuilder, Codec, Departure, Header, History, KafkaNative, Message, Messages, Native, Record, Records, Rules,
    SharedMessage, Signing, SnsForm, SnsNative, SnsTarget, SqsAttribute, SqsMessage, SqsNative, SqsValue, Stamp,
    check_message, envelope_of, filter, find_newest, find_timestamp, kafka_batch, stamp_message, validate,
};
use proptest::prelude::*;

const DECOMPRESSED_MAX: u64 = 1 << 20;

/// The window, the blocks of a decompressor, and what snappy expands to.
const SCAN_BYTES_ALWAYS: u64 = 14 << 20;
const SCAN_BYTES_PER_BYTE: u64 = 24;

fn bytes(max: usize) -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from))
}

fn record() -> impl Strategy<Value = Record> {
    let header = (proptest::collection::vec(any::<u8>(), 0..5), bytes(9));
    let headers = proptest::collection::vec(header.prop_map(|(key, value)| Header { key: key.into(), value }), 0..3);
    (0..i64::MAX / 2, bytes(20), bytes(300), headers).prop_map(|(timestamp, key, value, headers)| Record {
        offset: Offset(0),
        timestamp: Timestamp(timestamp),
        key,
        value,
        headers,
    })
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(record(), 1..40).prop_map(|mut records| {
        (1000..).zip(&mut records).for_each(|(offset, record)| record.offset = Offset(offset));
        records
    })
}

fn batch(codec: Codec, records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for record in records {
        builder.push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
    }
    builder.finish(Stamp { base_offset: Offset(1000), ..Stamp::default() })
}

fn read(batch: &Bytes) -> Vec<Record> {
    Records::of(batch, DECOMPRESSED_MAX).expect("opens").collect::<Result<_, _>>().expect("reads")
}

fn codec() -> impl Strategy<Value = Codec> {
    proptest::sample::select(&Codec::ALL[..])
}

fn attribute() -> impl Strategy<Value = SqsAttribute> {
    let value = prop_oneof![
        ".{0,20}".prop_map(|text| SqsValue::Text(text.into())),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| SqsValue::Binary(bytes.into())),
    ];
    (".{0,12}", ".{0,12}", value).prop_map(|(name, data_type, value)| SqsAttribute {
        name: name.into(),
        data_type: data_type.into(),
        value,
    })
}

fn native() -> impl Strategy<Value = Native> {
    let attributes = || proptest::collection::vec(attribute(), 0..4);
    let text = || proptest::option::of(".{0,12}");
    let sqs = (any::<u128>(), any::<i64>(), ".{0,12}", text(), text(), attributes(), attributes());
    prop_oneof![
        sqs.prop_map(|(id, sent_at, sender, group, dedup, attributes, system_attributes)| {
            let (group, dedup) = (group.map(Into::into), dedup.map(Into::into));
            let (sent_at, sender) = (Timestamp(sent_at), sender.into());
            Native::Sqs(SqsNative { id, sent_at, sender, group, dedup, attributes, system_attributes })
        }),
        sns().prop_map(Native::Sns),
        (record(), any::<bool>()).prop_map(|(record, is_tombstone)| {
            Native::Kafka(KafkaNative { key: record.key, headers: record.headers, is_tombstone })
        }),
    ]
}

fn sns() -> impl Strategy<Value = SnsNative> {
    let attributes = || proptest::collection::vec(attribute(), 0..4);
    let text = || proptest::option::of(".{0,12}").prop_map(|text| text.map(Into::into));
    let target = (any::<u64>(), any::<u128>(), prop_oneof![Just(SnsForm::Envelope), Just(SnsForm::Raw)])
        .prop_map(|(stream, binding, form)| SnsTarget { stream: StreamId(stream), binding: BindingId(binding), form });
    let signing = prop_oneof![Just(Signing::None), Just(Signing::Sha1), Just(Signing::Sha256)];
    let numbers = (any::<u128>(), any::<i64>(), proptest::option::of(1..u64::MAX), signing);
    let texts = (".{0,12}", text(), text(), text());
    (numbers, texts, attributes(), attributes(), proptest::collection::vec(target, 0..4)).prop_map(
        |((id, at, sequence, signing), (topic, subject, group, dedup), attributes, system_attributes, targets)| {
            let (published_at, topic) = (Timestamp(at), topic.into());
            SnsNative {
                id,
                published_at,
                topic,
                subject,
                group,
                dedup,
                sequence,
                signing,
                attributes,
                system_attributes,
                targets,
            }
        },
    )
}

fn history() -> impl Strategy<Value = History> {
    let place =
        || any::<(u64, u64)>().prop_map(|(stream, offset)| Origin { stream: StreamId(stream), offset: Offset(offset) });
    let cause = prop_oneof![
        Just(DeadLetterCause::Rejected),
        Just(DeadLetterCause::Exhausted),
        Just(DeadLetterCause::Expired),
        any::<u64>().prop_map(|task| DeadLetterCause::Moved(MoveId(task))),
    ];
    (place(), place(), any::<(u32, u32, i64)>(), proptest::option::of(0..i64::MAX), cause, ".{0,12}").prop_map(
        |(first, from, (deaths, deliveries, at), delivered, cause, queue)| {
            let (first_delivered_at, at) = (delivered.map(Timestamp), Timestamp(at));
            let last = Departure { queue: queue.into(), from, cause, deliveries, first_delivered_at, at };
            History { first, deaths, last }
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let time = || proptest::option::of(any::<i64>().prop_map(Timestamp));
    let hashes = (proptest::option::of(any::<u64>()), proptest::option::of(any::<u128>()));
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (any::<(u64, i64, u8)>(), (time(), time()), hashes, native(), proptest::option::of(history()), body).prop_map(
        |((offset, timestamp, priority), (deliver_at, expires_at), (group, dedup), native, history, body)| {
            let (group, dedup) = (group.map(GroupHash), dedup.map(DedupHash));
            let envelope = Envelope { deliver_at, expires_at, group, dedup, priority };
            let (offset, timestamp) = (Offset(offset), Timestamp(timestamp));
            Message { offset, timestamp, envelope, native, history, body: body.into() }
        },
    )
}

proptest! {
    #[test]
    fn a_message_reads_as_it_was_written(message in message()) {
        let bytes = message.encode().expect("short").joined();
        prop_assert_eq!(check_message(&bytes), Ok(()));
        prop_assert_eq!(envelope_of(&bytes), Ok(message.envelope));
        prop_assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn a_shared_message_is_written_as_if_it_were_alone(message in message(), epoch in any::<u32>()) {
        let (offset, epoch) = (message.offset, LeaderEpoch(epoch));
        let (head, rest) = stamp_message(&message.encode().expect("short"), offset, epoch);
        let shared = message.encode_shared().expect("short");
        let mut heads = shared.heads();
        prop_assert_eq!(heads.head(&Envelope::default(), Offset(1), LeaderEpoch(2)).len(), 64);
        let first = heads.head(&message.envelope, Offset(3), LeaderEpoch(4));
        prop_assert_eq!(first.len(), head.len() + rest.len() - shared.rest().len());
        let own = heads.head(&message.envelope, offset, epoch);
        prop_assert!(own.len() <= SharedMessage::HEAD_BYTES_MAX);
        prop_assert_eq!([own, shared.rest().clone()].concat(), [head, rest].concat());
        prop_assert_eq!(shared.placed(message.envelope, offset), Ok(message));
    }

    #[test]
    fn a_message_looks_the_same_to_kafka_whoever_converts(message in message()) {
        let message = Message { offset: Offset(message.offset.0 >> 1), ..message };
        let bytes = message.encode().expect("short").joined();
        let batch = kafka_batch(&bytes).expect("converts");
        prop_assert!(validate(&batch, &Rules::default()).is_ok());
        prop_assert_eq!(read(&batch), read(&bytes));
    }

    #[test]
    fn a_damaged_message_is_refused_or_read(
        message in message(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut damaged = message.encode().expect("short").joined().to_vec();
        for (at, byte) in damage {
            let at = 21 + at.index(damaged.len() - 21);
            damaged[at] = byte;
        }
        if cut {
            damaged.truncate(61 + length.index(damaged.len() - 60));
        }
        survives_as_message(&sealed(damaged));
    }

    #[test]
    fn any_bytes_behind_the_header_of_a_message_are_refused_or_read(
        kind in 0..4_u8,
        flags in any::<u8>(),
        body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = batch(Codec::None, &[Record::default()])[..61].to_vec();
        bytes[16] = 77;
        bytes.extend([1, kind, flags & 0x3f]);
        bytes.extend(body);
        survives_as_message(&sealed(bytes));
    }

    #[test]
    fn what_was_built_is_valid_and_reads_the_same(records in records(), codec in codec()) {
        let batch = batch(codec, &records);
        let checked = validate(&batch, &Rules::default()).expect("valid");
        prop_assert_eq!(checked.count as usize, records.len());
        prop_assert!(!checked.rewrite_timestamp_max);
        prop_assert_eq!(read(&batch), records);
    }

    #[test]
    fn the_first_record_late_enough_is_found(records in records(), codec in codec(), time in 0..i64::MAX / 2) {
        let batch = batch(codec, &records);
        let expected = records.iter().find(|record| record.timestamp.0 >= time).map(|r| (r.offset, r.timestamp));
        prop_assert_eq!(find_timestamp(&batch, Timestamp(time), Offset(0)), Ok(expected));
        let newest = records.iter().map(|record| record.timestamp).max().expect("some");
        prop_assert_eq!(find_newest(&batch).expect("reads").expect("some").1, newest);
    }

    #[test]
    fn thinning_keeps_exactly_what_was_asked_for(records in records(), codec in codec(), mask in any::<u64>()) {
        use omnibus_record::Filtered::{Emptied, Thinned, Unchanged};
        let keep = |record: &Record| mask >> (record.offset.0 % 64) & 1 == 1;
        let original = batch(codec, &records);
        let left = match filter(&original, DECOMPRESSED_MAX, keep).expect("reads") {
            Unchanged => original,
            Thinned { batch, .. } | Emptied { batch } => batch,
        };
        let expected: Vec<_> = records.into_iter().filter(|record| keep(record)).collect();
        prop_assert_eq!(read(&left), expected);
    }

    #[test]
    fn a_damaged_batch_is_refused_or_read(
        records in records(),
        codec in codec(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut damaged = batch(codec, &records).to_vec();
        for (at, byte) in damage {
            // The format number stays, or there would be little left to test.
            let at = 21 + at.index(damaged.len() - 21);
            damaged[at] = byte;
        }
        if cut {
            damaged.truncate(61 + length.index(damaged.len() - 60));
        }
        survives(&sealed(damaged));
    }

    #[test]
    fn any_records_are_refused_or_read(body in proptest::collection::vec(any::<u8>(), 0..400), codec in 0..8_u8, count in 1..200_u8) {
        let mut bytes = batch(Codec::None, &[Record::default()])[..61].to_vec();
        bytes[22] = codec;
        bytes[26] = count - 1;
        bytes[60] = count;
        bytes.extend(body);
        survives(&sealed(bytes));
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes.into());
    }
}

/// Makes length and checksum right, so that what is behind them is looked at.
fn sealed(mut batch: Vec<u8>) -> Bytes {
    let length = i32::try_from(batch.len() - 12).expect("short");
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// Looks at a batch in every way; only the memory is judged.
fn survives(batch: &Bytes) {
    let rules = Rules { decompressed_bytes_max: DECOMPRESSED_MAX, ..Rules::default() };
    let scanned = allocation_counter::measure(|| {
        drop(validate(batch, &rules));
        drop(find_newest(batch));
    });
    let allowed = SCAN_BYTES_PER_BYTE * batch.len() as u64 + SCAN_BYTES_ALWAYS;
    assert!(scanned.bytes_max <= allowed, "{} for {} bytes", scanned.bytes_max, batch.len());
    drop(Records::of(batch, DECOMPRESSED_MAX).map(|records| records.filter(Result::is_err).count()));
    drop(filter(batch, DECOMPRESSED_MAX, |record| record.offset.0 % 2 == 0));
}

/// Looks at a message in every way; what is read of it takes memory by its bytes.
fn survives_as_message(bytes: &Bytes) {
    survives(bytes);
    let decoded = allocation_counter::measure(|| drop(Message::decode(bytes)));
    assert!(decoded.bytes_max <= 64 * bytes.len() as u64 + 1024, "{} for {}", decoded.bytes_max, bytes.len());
    drop(envelope_of(bytes));
    for message in Messages::of(bytes, DECOMPRESSED_MAX).into_iter().flatten().flatten() {
        drop(SqsMessage::of(&message, StreamId(1)));
        let again = message.encode().expect("no longer than it was").joined();
        assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    }
    drop(kafka_batch(bytes));
}

/// A short batch that asks its decompressor for as much as the format can.
#[test]
fn a_claim_of_size_costs_little() {
    let claims: [(u8, &[u8]); 4] = [
        // lz4: a frame of 4 MiB blocks, then nothing.
        (3, &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0xff, 0xff, 0xff, 0x7f]),
        // snappy: a block that says it holds 4 GiB.
        (2, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]),
        // zstd: a window of 128 MiB.
        (4, &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00]),
        // gzip: a header, then nothing.
        (1, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (codec, body) in claims {
        let mut bytes = batch(Codec::None, &[Record::default()])[..61].to_vec();
        bytes[22] = codec;
        bytes.extend(body);
        survives(&sealed(bytes));
    }
}
