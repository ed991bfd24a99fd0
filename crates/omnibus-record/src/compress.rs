//! Compresses and decompresses records.

use std::io::{self, Read, Write};

use crate::codec::{Codec, Target};
use crate::error::InvalidBatch;

/// Xerial's framing of snappy, which Java clients use: this, two version numbers, then blocks,
/// each behind its length.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// A snappy element of three bytes yields at most 64 bytes.
const SNAPPY_EXPANSION_MAX: usize = 22;
/// 2^27 bytes: what zstd's highest levels use. Memory is touched only as output arrives.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Decompresses piece by piece.
pub(crate) fn reader(codec: Codec, bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match codec {
        Codec::None => Box::new(bytes),
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Codec::Snappy => Box::new(SnappyReader::new(bytes)),
        Codec::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// Says that `codec` could not read what it should have written.
pub(crate) fn undecodable(codec: Codec, error: &io::Error) -> InvalidBatch {
    InvalidBatch::Undecodable { codec, reason: error.to_string() }
}

/// Compresses all of `bytes`.
pub(crate) fn compress(codec: Codec, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    compress_into(Target { codec, level: None }, &mut &*bytes, &mut out)?;
    Ok(out)
}

/// Compresses all that there is to read, piece by piece.
pub(crate) fn compress_into(target: Target, from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    match target.codec {
        Codec::None => io::copy(from, to).map(drop),
        Codec::Gzip => {
            let level = target.level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(to, level);
            io::copy(from, &mut encoder)?;
            encoder.finish().map(drop)
        }
        Codec::Snappy => compress_snappy(from, to),
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(to);
            io::copy(from, &mut encoder)?;
            encoder.finish().map(drop).map_err(io::Error::other)
        }
        Codec::Zstd => {
            let level = target.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            zstd::stream::copy_encode(from, to, level)
        }
    }
}

fn compress_snappy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(XERIAL_MAGIC)?;
    to.write_all(&1_i32.to_be_bytes())?;
    to.write_all(&1_i32.to_be_bytes())?;
    let mut encoder = snap::raw::Encoder::new();
    let mut block = Vec::new();
    loop {
        block.clear();
        from.take(XERIAL_BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(());
        }
        let compressed = encoder.compress_vec(&block)?;
        let length = i32::try_from(compressed.len()).map_err(io::Error::other)?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(&compressed)?;
    }
}

/// Decompresses snappy block by block, framed as Java clients do or one bare block.
struct SnappyReader<'a> {
    framed: bool,
    rest: &'a [u8],
    block: Vec<u8>,
    given: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let framed = bytes.starts_with(XERIAL_MAGIC);
        let rest = if framed { bytes.get(XERIAL_HEADER_BYTES..).unwrap_or_default() } else { bytes };
        Self { framed, rest, block: Vec::new(), given: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let compressed = if self.framed { self.take_framed()? } else { std::mem::take(&mut self.rest) };
        let length = snap::raw::decompress_len(compressed)?;
        if length > compressed.len().saturating_mul(SNAPPY_EXPANSION_MAX) {
            return Err(io::Error::other("a block claims more than snappy can expand to"));
        }
        self.block.resize(length, 0);
        let written = snap::raw::Decoder::new().decompress(compressed, &mut self.block)?;
        self.block.truncate(written);
        self.given = 0;
        Ok(())
    }

    fn take_framed(&mut self) -> io::Result<&'a [u8]> {
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(io::Error::other)?;
        let (block, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(block)
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_block()?;
        }
        let mut left = self.block.get(self.given..).unwrap_or_default();
        let read = left.read(out)?;
        self.given = self.given.saturating_add(read);
        Ok(read)
    }
}
