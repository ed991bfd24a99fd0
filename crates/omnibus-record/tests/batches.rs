//! Batches that Kafka's own classes wrote (`golden/Batches.java`), and batches of ours.

use bytes::Bytes;
use omnibus_model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, Timestamp};
use omnibus_record::{
    BatchBuilder, BatchHeader, BatchView, Codec, Filtered, Header, InvalidBatch, Record, RecordFaultReason, Records,
    Rules, Stamp, Target, batches, filter, find_newest, find_timestamp, recompress, stamp, validate, with_broker_time,
    with_timestamp_max,
};

const VECTORS: &str = include_str!("golden/batches.txt");
const ANY: u64 = 1 << 20;

fn hex(text: &str) -> Bytes {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).expect("hex")).expect("a digit");
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn golden() -> impl Iterator<Item = (Codec, Bytes)> {
    VECTORS.lines().map(|line| {
        let (name, bytes) = line.split_once(' ').expect("two words");
        (Codec::ALL.into_iter().find(|codec| codec.name() == name).expect("a codec"), hex(bytes))
    })
}

fn header(key: &'static str, value: Option<&'static str>) -> Header {
    Header { key: key.into(), value: value.map(Bytes::from) }
}

fn record(offset: u64, timestamp: i64, key: Option<&'static str>, value: Option<&'static str>) -> Record {
    let (key, value) = (key.map(Bytes::from), value.map(Bytes::from));
    Record { offset: Offset(offset), timestamp: Timestamp(timestamp), key, value, headers: Vec::new() }
}

fn expected(base: u64) -> Vec<Record> {
    let long = Box::leak("x".repeat(300).into_boxed_str());
    vec![
        Record {
            headers: vec![header("h", Some("one")), header("h", None)],
            ..record(base, 500, Some("key-0"), Some("value-0"))
        },
        record(base + 1, 900, None, Some("value-1")),
        record(base + 2, 700, Some("key-2"), None),
        record(base + 3, 900, Some(""), Some(long)),
    ]
}

const PRODUCER: ProducerStamp = ProducerStamp { id: ProducerId(77), epoch: ProducerEpoch(3), sequence_first: 5 };

fn built(codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for record in expected(0) {
        builder.push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
    }
    builder.finish(Stamp { base_offset: Offset(1000), leader_epoch: Some(LeaderEpoch(9)), producer: Some(PRODUCER) })
}

fn read(batch: &Bytes) -> Vec<Record> {
    Records::of(batch, ANY).expect("opens").collect::<Result<_, _>>().expect("reads")
}

#[test]
fn what_kafka_wrote_is_valid_and_reads_the_same() {
    assert_eq!(golden().count(), 5);
    for (codec, batch) in golden() {
        let checked = validate(&batch, &Rules::default()).expect("valid");
        assert_eq!((checked.codec, checked.count, checked.timestamp_max), (codec, 4, Timestamp(900)));
        assert_eq!((checked.producer, checked.rewrite_timestamp_max), (Some(PRODUCER), false));
        assert_eq!(read(&batch), expected(1000), "{codec}");
    }
}

#[test]
fn what_is_built_is_what_kafka_would_write() {
    let (_, uncompressed) = golden().next().expect("one");
    assert_eq!(built(Codec::None), uncompressed);
    for codec in Codec::ALL {
        let batch = built(codec);
        assert_eq!(validate(&batch, &Rules::default()).expect("valid").codec, codec);
        assert_eq!(read(&batch), expected(1000), "{codec}");
    }
}

#[test]
fn snappy_without_framing_is_understood() {
    let plain = built(Codec::None);
    let mut batch = plain[..61].to_vec();
    batch.extend(snap::raw::Encoder::new().compress_vec(&plain[61..]).expect("compresses"));
    batch[22] |= 2;
    let batch = sealed(batch);
    assert_eq!(read(&batch), expected(1000));
    assert_eq!(validate(&batch, &Rules::default()).expect("valid").codec, Codec::Snappy);
}

/// Corrects length and checksum.
fn sealed(mut batch: Vec<u8>) -> Bytes {
    let length = i32::try_from(batch.len() - 12).expect("short");
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn patched(at: usize, bytes: &[u8]) -> Result<omnibus_record::Checked, InvalidBatch> {
    let mut batch = built(Codec::None).to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    validate(&sealed(batch), &Rules::default())
}

#[test]
fn a_bad_header_is_refused_for_its_reason() {
    assert_eq!(patched(16, &[1]), Err(InvalidBatch::FormatOld { magic: 1 }));
    assert_eq!(patched(16, &[3]), Err(InvalidBatch::FormatUnknown { magic: 3 }));
    assert_eq!(patched(22, &[7]), Err(InvalidBatch::CodecUnknown { number: 7 }));
    assert_eq!(patched(22, &[0x20]), Err(InvalidBatch::ControlBatch));
    assert_eq!(patched(22, &[0x08]), Err(InvalidBatch::BrokerTimeClaimed));
    assert_eq!(patched(23, &4_i32.to_be_bytes()), Err(InvalidBatch::CountMismatch { count: 4, last_offset_delta: 4 }));
    assert_eq!(
        patched(53, &(-1_i32).to_be_bytes()),
        Err(InvalidBatch::ProducerInvalid { id: 77, epoch: 3, sequence: -1 })
    );
    let batch = built(Codec::None);
    let twice = [&*batch, &*batch].concat();
    assert!(matches!(validate(&twice, &Rules::default()), Err(InvalidBatch::LengthMismatch { .. })));
    assert!(matches!(validate(&batch[..60], &Rules::default()), Err(InvalidBatch::TooShort { bytes: 60 })));
    let mut flipped = batch.to_vec();
    flipped[70] ^= 1;
    assert!(matches!(validate(&flipped, &Rules::default()), Err(InvalidBatch::ChecksumMismatch { .. })));
}

#[test]
fn bad_records_are_refused_for_their_reason() {
    let fewer = [2_i32.to_be_bytes(), 3_i32.to_be_bytes()];
    let mut batch = built(Codec::None).to_vec();
    batch[23..27].copy_from_slice(&fewer[0]);
    batch[57..61].copy_from_slice(&fewer[1]);
    assert_eq!(validate(&sealed(batch), &Rules::default()), Err(InvalidBatch::TrailingBytes));
    // The second byte of the first record is its attributes, then come two deltas.
    assert_eq!(patched(64, &[2]), Err(InvalidBatch::OffsetDeltaInvalid { index: 0, delta: 1 }));
    assert_eq!(patched(61, &[0xfe]), Err(InvalidBatch::RecordMalformed { index: 0 }));
}

#[test]
fn records_that_the_topic_forbids_are_named() {
    let rules = Rules { keys_required: true, timestamp_latest: Timestamp(899), ..Rules::default() };
    for codec in Codec::ALL {
        let refused = validate(&built(codec), &rules).expect_err("refused");
        let faults: Vec<_> = refused.records().iter().map(|fault| fault.index).collect();
        assert_eq!(faults, [1, 3]);
        assert_eq!(refused.records()[0].reason, RecordFaultReason::KeyMissing);
        assert!(matches!(refused.records()[1].reason, RecordFaultReason::TimestampOutOfRange { .. }));
    }
}

#[test]
fn a_wrong_newest_timestamp_is_told_and_rewritten() {
    let mut batch = built(Codec::Lz4).to_vec();
    batch[35..43].copy_from_slice(&1_i64.to_be_bytes());
    let batch = sealed(batch);
    let checked = validate(&batch, &Rules::default()).expect("valid");
    assert!(checked.rewrite_timestamp_max);
    assert_eq!(with_timestamp_max(&batch, checked.timestamp_max), built(Codec::Lz4));
}

#[test]
fn the_place_is_patched_without_touching_the_checksum() {
    let (prefix, rest) = stamp(RecordFormat::KafkaBatch, built(Codec::Zstd), Offset(1 << 40), LeaderEpoch(12));
    let batch = Bytes::from([prefix, rest].concat());
    BatchView::of(&batch).expect("a batch").check_crc().expect("unchanged");
    assert_eq!(read(&batch), expected(1 << 40));
    assert_eq!(BatchHeader::read(&batch).expect("a header").leader_epoch, 12);
}

#[test]
fn the_brokers_time_is_on_every_record() {
    for codec in Codec::ALL {
        let batch = with_broker_time(&built(codec), Timestamp(123_456));
        BatchView::of(&batch).expect("a batch").check_crc().expect("sealed");
        assert!(read(&batch).iter().all(|record| record.timestamp == Timestamp(123_456)));
        assert_eq!(find_newest(&batch), Ok(Some((Offset(1000), Timestamp(123_456)))));
    }
}

#[test]
fn records_are_found_by_time() {
    for codec in Codec::ALL {
        let batch = built(codec);
        let find = |time, start| find_timestamp(&batch, Timestamp(time), Offset(start)).expect("reads");
        assert_eq!(find(0, 0), Some((Offset(1000), Timestamp(500))));
        assert_eq!(find(600, 0), Some((Offset(1001), Timestamp(900))));
        assert_eq!(find(600, 1002), Some((Offset(1002), Timestamp(700))));
        assert_eq!(find(901, 0), None);
        assert_eq!(find_newest(&batch), Ok(Some((Offset(1001), Timestamp(900)))));
    }
}

#[test]
fn a_thinned_batch_takes_up_the_same_offsets() {
    for codec in Codec::ALL {
        let batch = built(codec);
        assert_eq!(filter(&batch, ANY, |_| true), Ok(Filtered::Unchanged));
        let Ok(Filtered::Thinned { batch: thinned, count: 2 }) = filter(&batch, ANY, |r| r.offset.0 % 2 == 0) else {
            panic!("two are left");
        };
        assert_eq!(read(&thinned), [expected(1000)[0].clone(), expected(1000)[2].clone()]);
        let (before, after) =
            (BatchHeader::read(&batch).expect("a header"), BatchHeader::read(&thinned).expect("a header"));
        assert_eq!((after.base_offset, after.last_offset()), (before.base_offset, before.last_offset()));
        assert_eq!((after.codec(), after.producer()), (Ok(codec), Some(PRODUCER)));
        assert_eq!(after.max_timestamp, 700);
        BatchView::of(&thinned).expect("a batch").check_crc().expect("sealed");
    }
}

#[test]
fn an_emptied_batch_remembers_its_producer() {
    for codec in Codec::ALL {
        let Ok(Filtered::Emptied { batch }) = filter(&built(codec), ANY, |_| false) else { panic!("none is left") };
        let header = BatchHeader::read(&batch).expect("a header");
        assert_eq!((header.count, header.last_offset(), header.codec()), (0, 1003, Ok(Codec::None)));
        assert_eq!((header.producer(), header.max_timestamp), (Some(PRODUCER), 900));
        assert_eq!(read(&batch), []);
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(codec);
        builder.push(Timestamp(1), None, Some(&vec![0; 4 << 20]), &[]);
        let batch = builder.finish(Stamp::default());
        let rules = Rules { decompressed_bytes_max: 1 << 20, ..Rules::default() };
        let max = rules.decompressed_bytes_max;
        if codec == Codec::None {
            assert!(validate(&batch, &rules).is_ok());
        } else {
            assert_eq!(validate(&batch, &rules), Err(InvalidBatch::DecompressedTooLong { max }), "{codec}");
            assert_eq!(Records::of(&batch, max).err(), Some(InvalidBatch::DecompressedTooLong { max }), "{codec}");
        }
        assert_eq!(validate(&batch, &Rules::default()).expect("valid").count, 1);
    }
}

#[test]
fn a_fetch_is_split_into_its_whole_batches() {
    let (a, b) = (built(Codec::None), built(Codec::Gzip));
    let cut = Bytes::from([&*a, &*b, &a[..80]].concat());
    assert_eq!(batches(cut).collect::<Vec<_>>(), [a, b]);
}

#[test]
fn recompressed_batch_differs_in_its_codec_only() {
    for (_, batch) in golden() {
        let before = BatchHeader::read(&batch).expect("a header");
        for (codec, level) in Codec::ALL.map(|codec| (codec, None)).into_iter().chain([
            (Codec::Gzip, Some(-1)),
            (Codec::Gzip, Some(9)),
            (Codec::Zstd, Some(-5)),
            (Codec::Zstd, Some(22)),
        ]) {
            let after = recompress(&batch, Target { codec, level }, 10_000).expect("recompressed");
            assert_eq!(validate(&after, &Rules::default()).expect("valid").codec, codec);
            assert_eq!(read(&after), expected(1000), "{codec}");
            let header = BatchHeader::read(&after).expect("a header");
            let same = BatchHeader { length: header.length, crc: header.crc, attributes: header.attributes, ..before };
            assert_eq!(header, same);
        }
    }
}

#[test]
fn recompressed_batch_of_many_blocks_is_whole() {
    let mut builder = BatchBuilder::new(Codec::Zstd);
    let value: Vec<u8> = (0..100_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    builder.push(Timestamp(1), None, Some(&value), &[]);
    let batch = builder.finish(Stamp::default());
    for codec in Codec::ALL {
        let after = recompress(&batch, Target { codec, level: None }, 1 << 20).expect("recompressed");
        assert_eq!(read(&after)[0].value.as_deref(), Some(&*value), "{codec}");
    }
}

#[test]
fn recompression_stops_at_its_limit() {
    let mut builder = BatchBuilder::new(Codec::Zstd);
    builder.push(Timestamp(1), None, Some(&vec![0; 10 << 20]), &[]);
    let batch = builder.finish(Stamp::default());
    let target = Target { codec: Codec::None, level: None };
    let refused = InvalidBatch::RecompressedTooLong { codec: Codec::None, max: 1 << 20 };
    assert_eq!(recompress(&batch, target, 1 << 20), Err(refused));
}
