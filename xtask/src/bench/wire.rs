//! The requests that are sent without a client: is somebody there, and remove this.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const DELETE_TOPICS: i16 = 20;
const CORRELATION: i32 = 7;
const ANSWER_BYTES_MAX: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a broker answers at this address.
pub(super) fn answers(address: &str) -> bool {
    ask(address, (API_VERSIONS, 0), &[]).is_ok()
}

/// How many nodes a broker tells of.
pub(super) fn nodes(address: &str) -> Result<usize> {
    let no_topics = 0i32.to_be_bytes();
    let answer = ask(address, (METADATA, 1), &no_topics)?;
    let count = answer.first_chunk().context("an answer without nodes")?;
    Ok(usize::try_from(i32::from_be_bytes(*count))?)
}

/// Whether a server of HTTP answers at this address, whatever it says.
pub(super) fn answers_http(address: &str) -> bool {
    let ask = || -> Result<bool> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(socket, "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 5];
        socket.read_exact(&mut head)?;
        Ok(&head == b"HTTP/")
    };
    ask().unwrap_or(false)
}

/// Removes a topic from a broker, or from a cluster that has several addresses.
pub(super) fn delete_topic(addresses: &str, name: &str) -> Result<()> {
    let address = addresses.split(',').next().unwrap_or(addresses);
    let mut body = 1i32.to_be_bytes().to_vec();
    body.extend(i16::try_from(name.len())?.to_be_bytes());
    body.extend(name.as_bytes());
    body.extend(30_000i32.to_be_bytes());
    let answer = ask(address, (DELETE_TOPICS, 1), &body)?;
    ensure!(answer.ends_with(&[0, 0]), "{address} does not delete {name}");
    Ok(())
}

/// Sends a request of a version without tagged fields, and returns the answer after its header.
fn ask(address: &str, (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    // No client id.
    request.extend((-1i16).to_be_bytes());
    request.extend(body);
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
    socket.write_all(&request)?;
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let length = usize::try_from(u32::from_be_bytes(head))?;
    ensure!((4..=ANSWER_BYTES_MAX).contains(&length), "{address} answers {length} bytes");
    let mut answer = vec![0; length];
    socket.read_exact(&mut answer)?;
    ensure!(answer.starts_with(&CORRELATION.to_be_bytes()), "{address} answers something else");
    Ok(answer.split_off(4))
}
