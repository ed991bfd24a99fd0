//! Turns a message of one protocol into one of another, by the table in `docs/conversion.md`.
//!
//! Nothing here is stored: it is done for a reader of another protocol, each time it reads.

mod to_amqp;
mod to_kafka;
mod to_sqs;
mod from_amqp;
mod text;

pub use to_amqp::AmqpMessage;
pub use to_kafka::kafka_batch;
pub(crate) use to_kafka::record;
pub use to_sqs::SqsMessage;

/// Says the type of the SQS attribute whose name follows, if it is not String.
const SQS_TYPE: &str = "omnibus.sqs.type.";

/// Carries the SQS system attribute whose name follows.
const SQS_SYSTEM: &str = "omnibus.sqs.system.";
