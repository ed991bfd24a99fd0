//! The codec on valid, damaged and random bodies of every message and version.

mod bodies;

use bytes::Bytes;
use omnibus_kafka::wire::exchange::{Codec, EchoError};
use omnibus_kafka::wire::header::read_request_header;
use omnibus_kafka::wire::messages::CODECS;
use omnibus_kafka::wire::{DecodeError, Input};

use bodies::{Random, Schema, schemas};

/// Bodies for each message and version.
const VALID: u64 = 40;
const DAMAGED: u64 = 60;
const RANDOM: u64 = 30;

/// The most memory a message may take at its peak while it is read and written again: for each
/// byte that arrived, and always. The first line binds small bodies (measured: 35 at worst), the
/// second large ones.
const LIMITS: [(u64, u64); 2] = [(48, 4096), (16, (1 << 20) + 4096)];

fn each_version(mut check: impl FnMut(&Codec, &Schema, i16)) {
    let schemas = schemas();
    assert_eq!(schemas.len(), CODECS.len());
    for codec in CODECS {
        let schema = schemas.iter().find(|schema| schema.name == codec.name).expect("a schema");
        for version in codec.versions.iter() {
            check(codec, schema, version);
        }
    }
}

#[test]
fn what_is_read_is_written_the_same() {
    each_version(|codec, schema, version| {
        for seed in 0..VALID {
            let body = Bytes::from(schema.body(version, &mut Random::new(seed)));
            let echoed = codec.echo(body.clone(), version);
            let echoed = echoed.unwrap_or_else(|e| panic!("{} {version} seed {seed}: {e}", codec.name));
            assert_eq!(echoed.into_bytes(), body, "{} {version} seed {seed}", codec.name);
        }
    });
}

#[test]
fn every_shorter_body_is_refused() {
    each_version(|codec, schema, version| {
        let body = Bytes::from(schema.body(version, &mut Random::new(1)));
        for length in 0..body.len() {
            let cut = codec.echo(body.slice(..length), version);
            assert!(matches!(cut, Err(EchoError::Decode(_))), "{} {version} cut to {length}", codec.name);
        }
    });
}

#[test]
fn bytes_after_the_end_are_noticed() {
    each_version(|codec, schema, version| {
        let mut body = schema.body(version, &mut Random::new(2));
        body.push(0);
        let trailing = EchoError::Decode(DecodeError::TrailingBytes { at: body.len() - 1, left: 1 });
        assert_eq!(codec.echo(body.into(), version).err(), Some(trailing), "{} {version}", codec.name);
    });
}

#[test]
fn unknown_tags_are_skipped_in_any_order() {
    let codec = CODECS.iter().find(|codec| codec.name == "FetchRequest").expect("a codec");
    let schema = schemas().into_iter().find(|schema| schema.name == "FetchRequest").expect("a schema");
    let plain = loop_until_untagged(&schema);
    let mut tagged = plain.clone();
    tagged.pop();
    // Three tags: 9, 7 and again 9, of two, no and one byte.
    tagged.extend([3, 9, 2, 1, 1, 7, 0, 9, 1, 1]);
    assert_eq!(codec.echo(tagged.into(), 12).expect("skipped").into_bytes(), plain);
}

fn loop_until_untagged(schema: &Schema) -> Vec<u8> {
    let bodies = (0..).map(|seed| schema.body(12, &mut Random::new(seed)));
    bodies.into_iter().find(|body| body.last() == Some(&0)).expect("half have none")
}

#[test]
fn damaged_bodies_cost_no_more_than_they_pay_for() {
    each_version(|codec, schema, version| {
        for seed in 0..DAMAGED {
            let mut random = Random::new(seed);
            let mut body = schema.body(version, &mut random);
            damage(&mut body, &mut random);
            echo_within_bounds(codec, body.into(), version, seed);
        }
    });
}

#[test]
fn random_bytes_cost_no_more_than_they_pay_for() {
    each_version(|codec, _, version| {
        for seed in 0..RANDOM {
            let mut random = Random::new(seed);
            let length = random.below(600);
            // Small numbers get further than large ones.
            let mask = [0xff, 0x0f, 0x03, 0x83][random.below(4)];
            let body: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0] & mask).collect();
            echo_within_bounds(codec, body.into(), version, seed);
        }
    });
}

#[test]
fn random_headers_are_read_or_refused() {
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.next().to_le_bytes()[0]).collect();
        if let [first, second, ..] = bytes.as_mut_slice() {
            (*first, *second) = (0, *second % 80);
        }
        match read_request_header(&mut Input::from(Bytes::from(bytes))) {
            Ok((key, header)) => assert_eq!(key.number(), header.request_api_key),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn an_array_of_the_cheapest_elements_is_paid_for() {
    each_version(|codec, _, version| {
        for fill in [0, 1, 2] {
            echo_within_bounds(codec, vec![fill; 20_000].into(), version, u64::from(fill));
            let mut large = vec![fill; 1 << 19];
            large[..6].copy_from_slice(&[0xff, 0xff, 0x7f, 0xff, 0xff, 0x7f]);
            for from in 0..6 {
                echo_within_bounds(codec, Bytes::from(large[from..].to_vec()), version, u64::from(fill));
            }
        }
    });
}

fn echo_within_bounds(codec: &Codec, body: Bytes, version: i16, seed: u64) {
    let length = body.len() as u64;
    let used = allocation_counter::measure(|| drop(codec.echo(body, version)));
    let allowed = LIMITS.iter().map(|(each, always)| each * length + always).min().expect("two");
    assert!(used.bytes_max <= allowed, "{} {version} seed {seed}: {} of {length}", codec.name, used.bytes_max);
}

fn damage(body: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if body.is_empty() {
            return;
        }
        let at = random.below(body.len());
        match random.below(6) {
            0 => body[at] = random.next().to_le_bytes()[0],
            1 => body[at] ^= 1 << random.below(8),
            2 => body.truncate(at),
            3 => drop(body.splice(at..at, [0x7f, 0xff, 0xff, 0xff])),
            4 => drop(body.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            _ => drop(body.splice(at.., [0xff; 8])),
        }
    }
}
