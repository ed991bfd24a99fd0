//! What stands in a content header.

use bytes::{Buf, BufMut, Bytes};

use super::value::{put_short, short};
use super::{MalformedAmqp, Table, malformed};

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const KIND: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
const KNOWN: u16 = !0b11;

const PART: &str = "properties";

/// All properties of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    pub content_type: Option<Bytes>,
    pub content_encoding: Option<Bytes>,
    pub headers: Option<Table>,
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<Bytes>,
    pub reply_to: Option<Bytes>,
    /// Milliseconds in decimals.
    pub expiration: Option<Bytes>,
    pub message_id: Option<Bytes>,
    /// Seconds since 1970.
    pub timestamp: Option<u64>,
    /// On the wire `type`.
    pub kind: Option<Bytes>,
    pub user_id: Option<Bytes>,
    pub app_id: Option<Bytes>,
    pub cluster_id: Option<Bytes>,
}

impl Properties {
    /// Reads properties; they are all of `bytes`.
    ///
    /// # Errors
    /// [`MalformedAmqp`].
    pub fn read(bytes: &Bytes) -> Result<Self, MalformedAmqp> {
        let mut input = bytes.clone();
        let flags = input.try_get_u16().map_err(|_| malformed(PART))?;
        if flags & !KNOWN != 0 {
            return Err(malformed("property flags"));
        }
        let has = |flag: u16| flags & flag != 0;
        let octet = |input: &mut Bytes| input.try_get_u8().map_err(|_| malformed(PART));
        let input = &mut input;
        let properties = Self {
            content_type: has(CONTENT_TYPE).then(|| short(input)).transpose()?,
            content_encoding: has(CONTENT_ENCODING).then(|| short(input)).transpose()?,
            headers: has(HEADERS).then(|| Table::take(input)).transpose()?,
            delivery_mode: has(DELIVERY_MODE).then(|| octet(input)).transpose()?,
            priority: has(PRIORITY).then(|| octet(input)).transpose()?,
            correlation_id: has(CORRELATION_ID).then(|| short(input)).transpose()?,
            reply_to: has(REPLY_TO).then(|| short(input)).transpose()?,
            expiration: has(EXPIRATION).then(|| short(input)).transpose()?,
            message_id: has(MESSAGE_ID).then(|| short(input)).transpose()?,
            timestamp: has(TIMESTAMP).then(|| input.try_get_u64().map_err(|_| malformed(PART))).transpose()?,
            kind: has(KIND).then(|| short(input)).transpose()?,
            user_id: has(USER_ID).then(|| short(input)).transpose()?,
            app_id: has(APP_ID).then(|| short(input)).transpose()?,
            cluster_id: has(CLUSTER_ID).then(|| short(input)).transpose()?,
        };
        if input.is_empty() { Ok(properties) } else { Err(malformed(PART)) }
    }

    /// Writes them as a content header has them.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        out.put_u16(self.flags());
        let text = |out: &mut Vec<u8>, text: &Option<Bytes>| text.iter().for_each(|text| put_short(out, text));
        text(&mut out, &self.content_type);
        text(&mut out, &self.content_encoding);
        self.headers.iter().for_each(|headers| headers.put(&mut out));
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        for field in [&self.correlation_id, &self.reply_to, &self.expiration, &self.message_id] {
            text(&mut out, field);
        }
        self.timestamp.iter().for_each(|seconds| out.put_u64(*seconds));
        for field in [&self.kind, &self.user_id, &self.app_id, &self.cluster_id] {
            text(&mut out, field);
        }
        out.into()
    }

    /// The headers, made if there are none.
    pub fn headers_mut(&mut self) -> &mut Table {
        self.headers.get_or_insert_default()
    }

    fn flags(&self) -> u16 {
        let fields = [
            (self.content_type.is_some(), CONTENT_TYPE),
            (self.content_encoding.is_some(), CONTENT_ENCODING),
            (self.headers.is_some(), HEADERS),
            (self.delivery_mode.is_some(), DELIVERY_MODE),
            (self.priority.is_some(), PRIORITY),
            (self.correlation_id.is_some(), CORRELATION_ID),
            (self.reply_to.is_some(), REPLY_TO),
            (self.expiration.is_some(), EXPIRATION),
            (self.message_id.is_some(), MESSAGE_ID),
            (self.timestamp.is_some(), TIMESTAMP),
            (self.kind.is_some(), KIND),
            (self.user_id.is_some(), USER_ID),
            (self.app_id.is_some(), APP_ID),
            (self.cluster_id.is_some(), CLUSTER_ID),
        ];
        fields.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::Value;

    fn full() -> Properties {
        let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        Properties {
            content_type: text("text/plain"),
            content_encoding: text("gzip"),
            headers: Some(Table::from([("h", Value::I32(1))])),
            delivery_mode: Some(2),
            priority: Some(255),
            correlation_id: text("c"),
            reply_to: text("r"),
            expiration: text("60000"),
            message_id: text("m"),
            timestamp: Some(1_700_000_000),
            kind: text("ty"),
            user_id: text("guest"),
            app_id: text("app"),
            cluster_id: text("cl"),
        }
    }

    #[test]
    fn properties_come_back() {
        for properties in [Properties::default(), full(), Properties { expiration: None, ..full() }] {
            assert_eq!(Properties::read(&properties.write()), Ok(properties));
        }
        assert_eq!(Properties::default().write()[..], [0, 0]);
    }

    #[test]
    fn more_flags_and_more_bytes_are_refused() {
        assert!(Properties::read(&Bytes::from_static(&[0, 1, 0, 0])).is_err());
        assert!(Properties::read(&Bytes::from_static(&[0, 0, 0])).is_err());
        assert!(Properties::read(&Bytes::from_static(&[0])).is_err());
    }
}
