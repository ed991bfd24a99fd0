//! What comes between a method and a body.

use bytes::{Buf, BufMut, Bytes};

/// A content header. Its properties are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeader {
    pub class: u16,
    pub body_bytes: u64,
    /// From their flags on.
    pub properties: Bytes,
}

impl ContentHeader {
    /// The bytes before the properties.
    pub const BYTES: usize = 12;

    /// Reads the payload of a header frame; the properties are not looked at.
    #[must_use]
    pub fn read(mut payload: Bytes) -> Option<Self> {
        let class = payload.try_get_u16().ok()?;
        let _weight = payload.try_get_u16().ok()?;
        let body_bytes = payload.try_get_u64().ok()?;
        Some(Self { class, body_bytes, properties: payload })
    }

    /// Writes all before the properties.
    #[must_use]
    pub fn beginning(class: u16, body_bytes: u64) -> [u8; Self::BYTES] {
        let mut beginning = [0; Self::BYTES];
        let mut out = &mut beginning[..];
        out.put_u16(class);
        out.put_u16(0);
        out.put_u64(body_bytes);
        beginning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_comes_back() {
        let mut bytes = ContentHeader::beginning(60, 1 << 40).to_vec();
        bytes.extend([0x80, 0, 1, b'a']);
        let read = ContentHeader::read(bytes.into()).unwrap();
        assert_eq!((read.class, read.body_bytes, &read.properties[..]), (60, 1 << 40, &[0x80, 0, 1, b'a'][..]));
        assert_eq!(ContentHeader::read(Bytes::from_static(&[0, 60, 0, 0])), None);
    }
}
