//! As much of AMQP as it takes to make queues, fill one and stand by: without a client, whose memory and threads would
//! be in the way.

use std::collections::BTreeSet;
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(300);
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;
const FRAME_BYTES_MAX: u32 = 131_072;
/// Of the only channel.
const CHANNEL: u16 = 1;
/// How many queues are asked for at a time.
const ASKED_MAX: u32 = 64;

const START: (u16, u16) = (10, 10);
const START_OK: (u16, u16) = (10, 11);
const TUNE: (u16, u16) = (10, 30);
const TUNE_OK: (u16, u16) = (10, 31);
const OPEN: (u16, u16) = (10, 40);
const OPEN_OK: (u16, u16) = (10, 41);
const CHANNEL_OPEN: (u16, u16) = (20, 10);
const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
const DECLARE: (u16, u16) = (50, 10);
const DECLARE_OK: (u16, u16) = (50, 11);
const PUBLISH: (u16, u16) = (60, 40);
const ACK: (u16, u16) = (60, 80);
const SELECT: (u16, u16) = (85, 10);
const SELECT_OK: (u16, u16) = (85, 11);

/// A connection with one channel, as guest.
#[derive(Debug)]
pub(super) struct Wire {
    input: BufReader<TcpStream>,
    output: BufWriter<TcpStream>,
}

/// Whether a broker answers at this address.
pub(super) fn answers(address: &str) -> bool {
    let ask = || -> Result<()> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"AMQP\0\0\x09\x01")?;
        let mut first = [0];
        socket.read_exact(&mut first)?;
        ensure!(first[0] == METHOD, "{address} speaks something else");
        Ok(())
    };
    ask().is_ok()
}

impl Wire {
    /// Connects without heartbeats.
    pub(super) fn open(address: &str) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let mut wire = Self { input: BufReader::new(socket.try_clone()?), output: BufWriter::new(socket) };
        wire.output.write_all(b"AMQP\0\0\x09\x01")?;
        wire.await_method(START)?;
        let mut words = 0u32.to_be_bytes().to_vec();
        short(&mut words, "PLAIN");
        long(&mut words, b"\0guest\0guest");
        short(&mut words, "en_US");
        wire.say(0, START_OK, &words)?;
        wire.await_method(TUNE)?;
        let tuned = [&8u16.to_be_bytes()[..], &FRAME_BYTES_MAX.to_be_bytes(), &0u16.to_be_bytes()].concat();
        wire.say(0, TUNE_OK, &tuned)?;
        let mut words = Vec::new();
        short(&mut words, "/");
        short(&mut words, "");
        words.push(0);
        wire.ask(0, (OPEN, OPEN_OK), &words)?;
        wire.ask(CHANNEL, (CHANNEL_OPEN, CHANNEL_OPEN_OK), &[0])?;
        Ok(wire)
    }

    /// The connection alone, for who only holds it: it takes one file descriptor less.
    pub(super) fn into_socket(self) -> TcpStream {
        self.input.into_inner()
    }

    /// Declares durable queues whose names begin with this and end with a number, some at a time.
    pub(super) fn declare(&mut self, prefix: &str, count: u32, queue_type: Option<&str>) -> Result<()> {
        let mut asked = 0;
        for number in 0..count {
            self.say(CHANNEL, DECLARE, &declaration(&format!("{prefix}{number}"), queue_type))?;
            asked += 1;
            if asked == ASKED_MAX || number + 1 == count {
                for _ in 0..asked {
                    self.await_method(DECLARE_OK)?;
                }
                asked = 0;
            }
        }
        Ok(())
    }

    /// Publishes persistent messages, `under_way` of which may be unconfirmed, and waits until all are confirmed.
    pub(super) fn fill(&mut self, queue: &str, (count, body): (u64, &[u8]), under_way: usize) -> Result<()> {
        self.ask(CHANNEL, (SELECT, SELECT_OK), &[0])?;
        let mut words = 0u16.to_be_bytes().to_vec();
        short(&mut words, "");
        short(&mut words, queue);
        words.push(0);
        // Class, weight, the length of the body, and the one property that says the message is persistent.
        let mut header = [&60u16.to_be_bytes()[..], &0u16.to_be_bytes()].concat();
        header.extend(u64::try_from(body.len())?.to_be_bytes());
        header.extend(0x1000u16.to_be_bytes());
        header.push(2);
        let mut unconfirmed = BTreeSet::new();
        for number in 1..=count {
            self.put(METHOD, CHANNEL, &method(PUBLISH, &words))?;
            self.put(HEADER, CHANNEL, &header)?;
            self.put(BODY, CHANNEL, body)?;
            unconfirmed.insert(number);
            while unconfirmed.len() >= under_way {
                self.confirm(&mut unconfirmed)?;
            }
        }
        while !unconfirmed.is_empty() {
            self.confirm(&mut unconfirmed)?;
        }
        Ok(())
    }

    /// Reads one confirm, which may be for all up to its number.
    fn confirm(&mut self, unconfirmed: &mut BTreeSet<u64>) -> Result<()> {
        let told = self.await_method(ACK)?;
        let number = u64::from_be_bytes(*told.first_chunk().context("a confirm without a number")?);
        if told.get(8) == Some(&1) {
            *unconfirmed = unconfirmed.split_off(&(number + 1));
        } else {
            unconfirmed.remove(&number);
        }
        Ok(())
    }

    fn ask(&mut self, channel: u16, (asked, answer): ((u16, u16), (u16, u16)), words: &[u8]) -> Result<()> {
        self.say(channel, asked, words)?;
        self.await_method(answer).map(drop)
    }

    fn say(&mut self, channel: u16, name: (u16, u16), words: &[u8]) -> Result<()> {
        self.put(METHOD, channel, &method(name, words))
    }

    fn put(&mut self, kind: u8, channel: u16, payload: &[u8]) -> Result<()> {
        self.output.write_all(&[kind])?;
        self.output.write_all(&channel.to_be_bytes())?;
        self.output.write_all(&u32::try_from(payload.len())?.to_be_bytes())?;
        self.output.write_all(payload)?;
        Ok(self.output.write_all(&[FRAME_END])?)
    }

    /// Sends what is to be sent, and reads until this method comes; returns what it says.
    fn await_method(&mut self, wanted: (u16, u16)) -> Result<Vec<u8>> {
        self.output.flush()?;
        loop {
            let mut head = [0; 7];
            self.input.read_exact(&mut head)?;
            let [kind, _, _, length @ ..] = head;
            let length = u32::from_be_bytes(length);
            ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
            let mut payload = vec![0; usize::try_from(length)? + 1];
            self.input.read_exact(&mut payload)?;
            payload.pop();
            if kind != METHOD {
                continue;
            }
            let words = payload.split_off(payload.len().min(4));
            let name = payload.first_chunk::<4>().context("a short method")?;
            let [class, id] = [u16::from_be_bytes([name[0], name[1]]), u16::from_be_bytes([name[2], name[3]])];
            ensure!(
                (class, id) == wanted,
                "{class}.{id} came instead of {wanted:?}: {}",
                String::from_utf8_lossy(&words)
            );
            return Ok(words);
        }
    }
}

fn method((class, id): (u16, u16), words: &[u8]) -> Vec<u8> {
    [&class.to_be_bytes()[..], &id.to_be_bytes(), words].concat()
}

fn declaration(queue: &str, queue_type: Option<&str>) -> Vec<u8> {
    const DURABLE: u8 = 0b10;
    let mut words = 0u16.to_be_bytes().to_vec();
    short(&mut words, queue);
    words.push(DURABLE);
    let mut arguments = Vec::new();
    if let Some(queue_type) = queue_type {
        short(&mut arguments, "x-queue-type");
        arguments.push(b'S');
        long(&mut arguments, queue_type.as_bytes());
    }
    long(&mut words, &arguments);
    words
}

/// A text of at most 255 bytes, all of which are ours.
fn short(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend(text.as_bytes());
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}
