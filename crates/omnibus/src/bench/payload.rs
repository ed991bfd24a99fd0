//! What the records say: words at random, which compress about as well as what people send.

use bytes::Bytes;
use omnibus_model::Timestamp;
use omnibus_record::{BatchBuilder, Codec, Stamp};

const WORD_BYTES: usize = 8;
const WORDS: usize = 64;

/// A source of values, the same for every run.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    state: u64,
    words: [[u8; WORD_BYTES]; WORDS],
    record_bytes: usize,
}

impl Payload {
    pub(super) fn new(record_bytes: usize) -> Self {
        let mut this = Self { state: 0x9e37_79b9_7f4a_7c15, words: [[0; WORD_BYTES]; WORDS], record_bytes };
        let letter = |random: u64| b'a' + u8::try_from(random % 26).unwrap_or_default();
        let words = std::array::from_fn(|_| std::array::from_fn(|_| letter(this.random())));
        this.words = words;
        this
    }

    /// Returns the next value.
    pub(super) fn value(&mut self) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.record_bytes + WORD_BYTES);
        while value.len() < self.record_bytes {
            let word = usize::try_from(self.random() % WORDS as u64).unwrap_or_default();
            value.extend_from_slice(&self.words[word]);
        }
        value.truncate(self.record_bytes);
        value
    }

    /// Returns a batch of `count` records.
    pub(super) fn batch(&mut self, count: usize, timestamp: Timestamp, codec: Codec) -> Bytes {
        let mut builder = BatchBuilder::new(codec);
        for _ in 0..count {
            builder.push(timestamp, None, Some(&self.value()), &[]);
        }
        builder.finish(Stamp::default())
    }

    /// Xorshift: fast, and random enough for words.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_that_was_asked_for() {
        for size in [0, 1, 100, 1024] {
            assert_eq!(Payload::new(size).value().len(), size);
        }
    }

    #[test]
    fn values_compress_as_text_does() {
        let plain = Payload::new(1024).batch(64, Timestamp(0), Codec::None).len();
        let lz4 = Payload::new(1024).batch(64, Timestamp(0), Codec::Lz4).len();
        assert!((2..=5).contains(&(plain / lz4)), "{plain} to {lz4}");
    }
}
