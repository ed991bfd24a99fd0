//! Record batches: length and checksum are made right, so that what is behind them is reached.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use omnibus_record::{Records, Rules, filter, find_newest, validate};

const DECOMPRESSED_MAX: u64 = 1 << 24;

fuzz_target!(|bytes: &[u8]| {
    let mut batch = bytes.to_vec();
    if batch.len() >= 61 {
        batch[..8].fill(0);
        batch[8..12].copy_from_slice(&u32::try_from(bytes.len() - 12).expect("short").to_be_bytes());
        batch[16] = 2;
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    let batch = Bytes::from(batch);
    let rules = Rules { decompressed_bytes_max: DECOMPRESSED_MAX, ..Rules::default() };
    let valid = validate(&batch, &rules).is_ok();
    let read = Records::of(&batch, DECOMPRESSED_MAX).is_ok_and(|mut records| records.all(|record| record.is_ok()));
    // What the scan takes, the iterator takes.
    assert!(!valid || read);
    drop(find_newest(&batch));
    drop(filter(&batch, DECOMPRESSED_MAX, |record| record.offset.0 % 2 == 0));
});

/// Bit by bit: a fuzzer has time.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}
