//! Batches of any records, damaged batches, and any bytes.

use bytes::Bytes;
use omnibus_model::{Offset, Timestamp};
use omnibus_record::{
    BatchBuilder, Codec, Header, Record, Records, Rules, Stamp, filter, find_newest, find_timestamp, validate,
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

proptest! {
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
