//! Every method of AMQP 0-9-1 and of RabbitMQ's extensions, with its arguments in their order.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::Table;
use super::field::{Field, Input, LongText, Output, ShortText};
use super::frame::{Frame, FrameKind};

/// Why bytes are no method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MethodError {
    #[error("there is no method {method} of class {class}")]
    Unknown { class: u16, method: u16 },
    #[error("the arguments of method {method} of class {class} cannot be read")]
    Arguments { class: u16, method: u16 },
    #[error("a method frame of {bytes} octets")]
    TooShort { bytes: usize },
}

macro_rules! methods {
    ($($class:literal $id:literal $name:ident { $($field:ident: $kind:ty),* $(,)? })*) => {
        /// A method. Arguments that mean nothing any more are called `reserved`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Method {
            $($name { $($field: $kind),* },)*
        }

        impl Method {
            /// The ids of every method.
            pub const IDS: &[(u16, u16)] = &[$(($class, $id)),*];

            /// Reads the payload of a method frame.
            ///
            /// # Errors
            /// [`MethodError`].
            pub fn read(payload: &Bytes) -> Result<Self, MethodError> {
                let Some(&[class_high, class_low, method_high, method_low]) = payload.first_chunk::<4>() else {
                    return Err(MethodError::TooShort { bytes: payload.len() });
                };
                let class = u16::from_be_bytes([class_high, class_low]);
                let method = u16::from_be_bytes([method_high, method_low]);
                let mut input = Input::new(payload.slice(4..));
                let read = |input: &mut Input| match (class, method) {
                    $(($class, $id) => {
                        let read = Self::$name { $($field: <$kind as Field>::read(input)?),* };
                        input.end()?;
                        Ok(Some(read))
                    })*
                    _ => Ok(None),
                };
                match read(&mut input) {
                    Ok(Some(read)) => Ok(read),
                    Ok(None) => Err(MethodError::Unknown { class, method }),
                    Err(super::field::Malformed) => Err(MethodError::Arguments { class, method }),
                }
            }

            /// The class and the number of the method.
            #[must_use]
            pub const fn id(&self) -> (u16, u16) {
                match self {
                    $(Self::$name { .. } => ($class, $id),)*
                }
            }

            fn write_arguments(&self, output: &mut Output) {
                match self {
                    $(Self::$name { $($field),* } => { $($field.write(output);)* })*
                }
                // Methods without arguments write nothing.
                let _ = output;
            }
        }
    };
}

methods! {
    10 10 ConnectionStart {
        version_major: u8, version_minor: u8, server_properties: Table, mechanisms: LongText, locales: LongText,
    }
    10 11 ConnectionStartOk {
        client_properties: Table, mechanism: ShortText, response: LongText, locale: ShortText,
    }
    10 20 ConnectionSecure { challenge: LongText }
    10 21 ConnectionSecureOk { response: LongText }
    10 30 ConnectionTune { channel_max: u16, frame_max: u32, heartbeat: u16 }
    10 31 ConnectionTuneOk { channel_max: u16, frame_max: u32, heartbeat: u16 }
    10 40 ConnectionOpen { virtual_host: ShortText, reserved_1: ShortText, reserved_2: bool }
    10 41 ConnectionOpenOk { reserved: ShortText }
    10 50 ConnectionClose { code: u16, text: ShortText, class: u16, method: u16 }
    10 51 ConnectionCloseOk {}
    10 60 ConnectionBlocked { reason: ShortText }
    10 61 ConnectionUnblocked {}
    10 70 ConnectionUpdateSecret { secret: LongText, reason: ShortText }
    10 71 ConnectionUpdateSecretOk {}
    20 10 ChannelOpen { reserved: ShortText }
    20 11 ChannelOpenOk { reserved: LongText }
    20 20 ChannelFlow { active: bool }
    20 21 ChannelFlowOk { active: bool }
    20 40 ChannelClose { code: u16, text: ShortText, class: u16, method: u16 }
    20 41 ChannelCloseOk {}
    30 10 AccessRequest {
        realm: ShortText, exclusive: bool, passive: bool, active: bool, write: bool, read: bool,
    }
    30 11 AccessRequestOk { ticket: u16 }
    40 10 ExchangeDeclare {
        reserved: u16, exchange: ShortText, kind: ShortText, passive: bool, durable: bool, auto_delete: bool,
        internal: bool, no_wait: bool, arguments: Table,
    }
    40 11 ExchangeDeclareOk {}
    40 20 ExchangeDelete { reserved: u16, exchange: ShortText, if_unused: bool, no_wait: bool }
    40 21 ExchangeDeleteOk {}
    40 30 ExchangeBind {
        reserved: u16, destination: ShortText, source: ShortText, routing_key: ShortText, no_wait: bool,
        arguments: Table,
    }
    40 31 ExchangeBindOk {}
    40 40 ExchangeUnbind {
        reserved: u16, destination: ShortText, source: ShortText, routing_key: ShortText, no_wait: bool,
        arguments: Table,
    }
    40 51 ExchangeUnbindOk {}
    50 10 QueueDeclare {
        reserved: u16, queue: ShortText, passive: bool, durable: bool, exclusive: bool, auto_delete: bool,
        no_wait: bool, arguments: Table,
    }
    50 11 QueueDeclareOk { queue: ShortText, message_count: u32, consumer_count: u32 }
    50 20 QueueBind {
        reserved: u16, queue: ShortText, exchange: ShortText, routing_key: ShortText, no_wait: bool,
        arguments: Table,
    }
    50 21 QueueBindOk {}
    50 30 QueuePurge { reserved: u16, queue: ShortText, no_wait: bool }
    50 31 QueuePurgeOk { message_count: u32 }
    50 40 QueueDelete { reserved: u16, queue: ShortText, if_unused: bool, if_empty: bool, no_wait: bool }
    50 41 QueueDeleteOk { message_count: u32 }
    50 50 QueueUnbind {
        reserved: u16, queue: ShortText, exchange: ShortText, routing_key: ShortText, arguments: Table,
    }
    50 51 QueueUnbindOk {}
    60 10 BasicQos { prefetch_size: u32, prefetch_count: u16, global: bool }
    60 11 BasicQosOk {}
    60 20 BasicConsume {
        reserved: u16, queue: ShortText, consumer_tag: ShortText, no_local: bool, no_ack: bool, exclusive: bool,
        no_wait: bool, arguments: Table,
    }
    60 21 BasicConsumeOk { consumer_tag: ShortText }
    60 30 BasicCancel { consumer_tag: ShortText, no_wait: bool }
    60 31 BasicCancelOk { consumer_tag: ShortText }
    60 40 BasicPublish {
        reserved: u16, exchange: ShortText, routing_key: ShortText, mandatory: bool, immediate: bool,
    }
    60 50 BasicReturn { code: u16, text: ShortText, exchange: ShortText, routing_key: ShortText }
    60 60 BasicDeliver {
        consumer_tag: ShortText, delivery_tag: u64, redelivered: bool, exchange: ShortText, routing_key: ShortText,
    }
    60 70 BasicGet { reserved: u16, queue: ShortText, no_ack: bool }
    60 71 BasicGetOk {
        delivery_tag: u64, redelivered: bool, exchange: ShortText, routing_key: ShortText, message_count: u32,
    }
    60 72 BasicGetEmpty { reserved: ShortText }
    60 80 BasicAck { delivery_tag: u64, multiple: bool }
    60 90 BasicReject { delivery_tag: u64, requeue: bool }
    60 100 BasicRecoverAsync { requeue: bool }
    60 110 BasicRecover { requeue: bool }
    60 111 BasicRecoverOk {}
    60 120 BasicNack { delivery_tag: u64, multiple: bool, requeue: bool }
    85 10 ConfirmSelect { no_wait: bool }
    85 11 ConfirmSelectOk {}
    90 10 TxSelect {}
    90 11 TxSelectOk {}
    90 20 TxCommit {}
    90 21 TxCommitOk {}
    90 30 TxRollback {}
    90 31 TxRollbackOk {}
}

impl Method {
    /// The payload of a method frame.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (class, method) = self.id();
        let mut output = Output::default();
        class.write(&mut output);
        method.write(&mut output);
        self.write_arguments(&mut output);
        output.into_bytes()
    }

    /// Writes the method as a frame.
    pub fn put(&self, out: &mut BytesMut, channel: u16) {
        Frame::put(out, FrameKind::Method, channel, &self.write());
    }
}

/// Writes a message behind its method: the header, and the body in as many frames as it takes.
pub fn put_content(out: &mut BytesMut, (channel, frame_max): (u16, usize), properties: &[u8], body: &[u8]) {
    const BASIC: u16 = 60;
    let beginning = super::ContentHeader::beginning(BASIC, u64::try_from(body.len()).unwrap_or(u64::MAX));
    Frame::put_parts(out, (FrameKind::Header, channel), &[&beginning, properties]);
    let piece_max = frame_max.saturating_sub(super::frame::OVERHEAD).max(1);
    body.chunks(piece_max).for_each(|piece| Frame::put(out, FrameKind::Body, channel, piece));
}

/// Writes a frame that says nothing but that somebody is there.
pub fn put_heartbeat(out: &mut BytesMut) {
    Frame::put(out, FrameKind::Heartbeat, 0, &[]);
}

/// Says how the protocol is opened, to whoever opened it otherwise.
pub fn put_protocol_header(out: &mut BytesMut) {
    out.put_slice(&super::frame::PROTOCOL_HEADER);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn publish_is_as_the_specification_has_it() {
        let publish = Method::BasicPublish {
            reserved: 0,
            exchange: "amq.topic".into(),
            routing_key: "a.b".into(),
            mandatory: true,
            immediate: false,
        };
        let bytes = publish.write();
        assert_eq!(bytes, b"\x00\x3c\x00\x28\x00\x00\x09amq.topic\x03a.b\x01");
        assert_eq!(Method::read(&bytes.into()), Ok(publish));
    }

    #[test]
    fn unbind_ok_of_an_exchange_has_an_odd_number() {
        assert_eq!(Method::ExchangeUnbindOk {}.id(), (40, 51));
    }

    #[test]
    fn every_method_is_read_from_arguments_of_zeros() {
        for (class, method) in Method::IDS {
            let mut payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
            let read = (0..64).find_map(|_| {
                let read = Method::read(&Bytes::copy_from_slice(&payload));
                payload.push(0);
                read.ok()
            });
            let read = read.unwrap_or_else(|| panic!("method {class}.{method}"));
            assert_eq!(read.id(), (*class, *method));
            assert_eq!(Method::read(&read.write().into()), Ok(read));
        }
    }

    #[test]
    fn what_is_no_method_is_refused() {
        assert_eq!(Method::read(&Bytes::from_static(&[0, 60])), Err(MethodError::TooShort { bytes: 2 }));
        let unknown = Method::read(&Bytes::from_static(&[0, 99, 0, 1]));
        assert_eq!(unknown, Err(MethodError::Unknown { class: 99, method: 1 }));
        let longer = Method::read(&Bytes::from_static(&[0, 90, 0, 10, 0]));
        assert_eq!(longer, Err(MethodError::Arguments { class: 90, method: 10 }));
    }

    #[test]
    fn body_is_cut_where_a_frame_ends() {
        let mut out = BytesMut::new();
        put_content(&mut out, (1, 16), &[0, 0], b"0123456789");
        let mut lengths = Vec::new();
        while let Some(frame) = Frame::take(&mut out, 32).unwrap() {
            lengths.push((frame.kind, frame.payload.len()));
        }
        assert_eq!(lengths, [(FrameKind::Header, 14), (FrameKind::Body, 8), (FrameKind::Body, 2)]);
    }

    proptest! {
        #[test]
        fn any_arguments_are_read_or_refused(which in any::<prop::sample::Index>(), bytes: Vec<u8>) {
            let (class, method) = Method::IDS[which.index(Method::IDS.len())];
            let mut payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
            payload.extend(bytes);
            if let Ok(read) = Method::read(&payload.into()) {
                prop_assert_eq!(Method::read(&read.write().into()), Ok(read));
            }
        }
    }
}
