//! How fast batches are checked: `cargo run --release -p omnibus-record --example speed`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints what its clock says")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omnibus_model::Timestamp;
use omnibus_record::{BatchBuilder, Codec, Rules, Stamp, find_newest, validate};

const BATCH_BYTES: usize = 1 << 20;
const DURATION: Duration = Duration::from_secs(1);

fn main() {
    println!("{:28} {:>10} {:>10} {:>12}", "", "GB/s", "records", "M records/s");
    for value_bytes in [1, 10, 100, 1024, 16 * 1024] {
        for codec in Codec::ALL {
            let (batch, plain) = batch(codec, value_bytes);
            let name = format!("validate {value_bytes} B {codec}");
            report(&name, plain, &batch, || validate(&batch, &Rules::default()).expect("valid").count);
        }
    }
    let (batch, plain) = batch(Codec::None, 1024);
    report("crc only", plain, &batch, || crc32c::crc32c(&batch));
    report("find newest", plain, &batch, || find_newest(&batch).expect("valid").map_or(0, |_| 1));
    report("build 1024 B none", plain, &batch, || u32::try_from(self::batch(Codec::None, 1024).1).unwrap_or(0));
}

fn report(name: &str, plain: usize, batch: &Bytes, mut run: impl FnMut() -> u32) {
    let started = Instant::now();
    let mut rounds = 0_u32;
    while started.elapsed() < DURATION {
        black_box(run());
        rounds += 1;
    }
    let seconds = started.elapsed().as_secs_f64() / f64::from(rounds);
    let count = omnibus_record::BatchHeader::read(batch).expect("a batch").count;
    #[expect(clippy::cast_precision_loss, reason = "a rounded figure")]
    let gigabytes = plain as f64 / seconds / 1e9;
    println!("{name:28} {gigabytes:10.2} {count:10} {:12.1}", f64::from(count) / seconds / 1e6);
}

/// A batch of as many records as make up its bytes, and how many bytes these are uncompressed.
fn batch(codec: Codec, value_bytes: usize) -> (Bytes, usize) {
    let words: Vec<u8> = (0..value_bytes).map(|i| b'a' + u8::try_from(i * i % 23).unwrap_or(0)).collect();
    let mut builder = BatchBuilder::new(codec);
    let mut time = 1_700_000_000_000;
    while builder.bytes() < BATCH_BYTES {
        builder.push(Timestamp(time), None, Some(&words), &[]);
        time += 1;
    }
    let plain = builder.bytes();
    (builder.finish(Stamp::default()), plain)
}
