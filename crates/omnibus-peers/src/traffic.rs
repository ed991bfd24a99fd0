//! Frames in and out of a connection.

use std::io;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::frame::{BadFrame, FrameHeader, HEADER_BYTES};

/// What is read or written at a time, if it is short.
const BUFFER_BYTES: usize = 64 << 10;

/// Why nothing more comes.
#[derive(Debug, Error)]
pub(crate) enum TrafficError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] BadFrame),
}

/// A frame on its way out. Its payload is sent from where it lies.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) header: FrameHeader,
    pub(crate) pieces: Vec<Bytes>,
}

/// Frames that come in.
#[derive(Debug)]
pub(crate) struct Incoming(BufReader<OwnedReadHalf>);

impl Incoming {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Self(BufReader::with_capacity(BUFFER_BYTES, half))
    }

    /// Reads the next frame; none if the other end has closed the connection behind one.
    /// A call that is not waited for to its end leaves the connection useless.
    pub(crate) async fn next(&mut self) -> Result<Option<(FrameHeader, Bytes)>, TrafficError> {
        let mut header = [0; HEADER_BYTES];
        if self.0.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut header[1..]).await?;
        let header = FrameHeader::decode(&header)?;
        let bytes = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        let mut payload = BytesMut::new();
        // Memory is taken as bytes come, not as they are announced.
        while payload.len() < bytes {
            payload.reserve((bytes - payload.len()).min(BUFFER_BYTES));
            let mut part = (&mut self.0).take((bytes - payload.len()) as u64);
            if part.read_buf(&mut payload).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        header.check(&payload)?;
        Ok(Some((header, payload.freeze())))
    }
}

/// Writes what comes out of a queue, as much at a time as there is, until nobody puts anything into it.
pub(crate) async fn write(mut queue: mpsc::Receiver<Outgoing>, half: OwnedWriteHalf) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, half);
    while let Some(frame) = queue.recv().await {
        let mut next = Some(frame);
        while let Some(Outgoing { header, pieces }) = next {
            out.write_all(&header.encode()).await?;
            for piece in pieces {
                out.write_all(&piece).await?;
            }
            next = queue.try_recv().ok();
        }
        out.flush().await?;
    }
    out.shutdown().await
}
