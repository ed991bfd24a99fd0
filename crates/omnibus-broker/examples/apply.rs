//! Measures what the broker costs: ns per append, by how the producer is marked and how many
//! streams there are, and bytes of checkpoint per stream. Run it with `--release`.

#![expect(clippy::print_stdout, reason = "a measurement is for reading")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the broker has no clock, its measurer has")]

use std::time::Instant;

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::Append;
use omnibus_model::{
    BatchInfo, Command, LeaderEpoch, ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, StreamId, Timestamp,
};

const APPENDS: u32 = 2_000_000;

fn main() {
    println!("{:>9} {:>12} {:>10} {:>14}", "streams", "producers", "ns/append", "bytes/stream");
    for streams in [1, 100, 10_000, 200_000] {
        for producers in [0, 1, 20] {
            if streams * producers <= 200_000 {
                measure(streams, producers);
            }
        }
    }
}

fn measure(streams: u32, producers: u32) {
    let commands = commands(streams, producers);
    let mut broker = Broker::new(BrokerLimits::default());
    let mut apply = |commands: &[Command]| {
        for command in commands {
            broker.apply(Timestamp(0), command).expect("sequences are right");
        }
    };
    // The first half brings streams and producers into being.
    let (first, second) = commands.split_at(commands.len() / 2);
    apply(first);
    let begin = Instant::now();
    apply(second);
    let nanoseconds = begin.elapsed().as_nanos() / second.len() as u128;
    let bytes = broker.encode().len() / streams as usize;
    println!("{streams:>9} {producers:>12} {nanoseconds:>10} {bytes:>14}");
}

/// Appends that visit the streams in a scattered order.
fn commands(streams: u32, producers: u32) -> Vec<Command> {
    let mut sequences = vec![0_u32; (streams * producers.max(1)) as usize];
    let mut command = |index: u32| {
        let stream = index.wrapping_mul(2_654_435_761) % streams;
        let producer = (producers > 0).then(|| {
            let id = (index / 7) % producers;
            let sequence = &mut sequences[(stream * producers + id) as usize];
            *sequence += 10;
            ProducerStamp { id: ProducerId(id.into()), epoch: ProducerEpoch(0), sequence_first: *sequence - 10 }
        });
        let format = RecordFormat::KafkaBatch;
        let batch = BatchInfo { format, count: 10, bytes: 10_000, timestamp_max: Timestamp(0), producer };
        Command::Append(Append { stream: StreamId(stream.into()), batch, leader_epoch: LeaderEpoch(1) })
    };
    (0..APPENDS).map(&mut command).collect()
}
