//! Writes batches of records.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use omnibus_kafka::client::{Answer, Connection, check};
use omnibus_kafka::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use omnibus_kafka::wire::messages::produce_response::ProduceResponse;
use omnibus_kafka::wire::{ApiKey, ErrorCode, Records};
use omnibus_record::Codec;

use super::{TIMEOUT_MS, TopicAt};

/// When a record counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Acks {
    /// The broker does not answer.
    #[value(name = "0")]
    #[serde(rename = "0")]
    None,
    /// The leader has it.
    #[value(name = "1")]
    #[serde(rename = "1")]
    Leader,
    /// All replicas in sync have it.
    #[default]
    All,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CodecName {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// A batch and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) partition: i32,
    pub(crate) bytes: Bytes,
}

/// A batch that is on its way.
#[derive(Debug)]
pub(crate) struct Sent(Option<Answer<ProduceResponse>>);

/// Sends a batch; it keeps its place behind those sent before on the same connection.
pub(crate) async fn send(connection: &Connection, topic: &TopicAt, batch: Batch, acks: Acks) -> Result<Sent> {
    let records = Some(Records::from(batch.bytes));
    let data = TopicProduceData {
        name: topic.name.clone(),
        topic_id: topic.id,
        partition_data: vec![PartitionProduceData { index: batch.partition, records }],
    };
    let request =
        ProduceRequest { transactional_id: None, acks: acks.number(), timeout_ms: TIMEOUT_MS, topic_data: vec![data] };
    if acks == Acks::None {
        connection.send_unanswered(&request).await?;
        return Ok(Sent(None));
    }
    Ok(Sent(Some(connection.start(&request).await?)))
}

impl Sent {
    /// Waits until the batch is written; returns its first offset if the broker tells.
    pub(crate) async fn written(self) -> Result<Option<i64>> {
        let Some(answer) = self.0 else { return Ok(None) };
        let response = answer.wait().await?;
        let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let partition = partition.context("the broker does not say whether it took the batch")?;
        if ErrorCode::from_number(partition.error_code) == Some(ErrorCode::MessageTooLarge) {
            bail!(
                "the message is larger than its topic takes; on Omnibus \
                 `omnibus topic alter TOPIC --set batch_bytes_max=SIZE` raises that"
            );
        }
        if let Err(error) = check(ApiKey::Produce, partition.error_code) {
            match partition.error_message.as_deref() {
                Some(message) => bail!("{error}: {message}"),
                None => bail!(error),
            }
        }
        Ok(Some(partition.base_offset))
    }
}

impl Acks {
    const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::None => Self::None,
            CodecName::Gzip => Self::Gzip,
            CodecName::Snappy => Self::Snappy,
            CodecName::Lz4 => Self::Lz4,
            CodecName::Zstd => Self::Zstd,
        }
    }
}

/// The place among `count` partitions that Kafka's own producers give a key.
pub(crate) fn partition_of_key(key: &[u8], count: usize) -> usize {
    let positive = murmur2(key) & 0x7fff_ffff;
    usize::try_from(positive).unwrap_or_default() % count.max(1)
}

/// MurmurHash 2 with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c_u32 ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = word.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let mixed = word.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (mixed ^ mixed >> 24).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Kafka's own tests.
    #[test]
    fn keys_are_hashed_as_kafka_does() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash.cast_unsigned(), "{key}");
        }
    }
}
