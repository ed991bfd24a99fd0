//! The types that arguments of methods have.

use bytes::{Buf, BufMut, Bytes};
use omnibus_record::amqp::Table;

/// Arguments that end too early, or are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What has not been read of a method's arguments. Neighbouring bits share an octet.
#[derive(Debug)]
pub struct Input {
    rest: Bytes,
    bits: Option<(u8, u32)>,
}

/// Arguments that are being written.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many bits of the last octet are taken.
    bits: u32,
}

/// One argument.
pub trait Field: Sized {
    /// # Errors
    /// [`Malformed`].
    fn read(input: &mut Input) -> Result<Self, Malformed>;
    fn write(&self, output: &mut Output);
}

/// At most 255 bytes, of which nobody promises that they are text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortText(pub Bytes);

/// Many bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongText(pub Bytes);

impl ShortText {
    /// The text, with marks in place of what is none.
    #[must_use]
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&str> for LongText {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Input {
    #[must_use]
    pub const fn new(rest: Bytes) -> Self {
        Self { rest, bits: None }
    }

    /// Makes sure that nothing is left.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn whole(&mut self) -> &mut Bytes {
        self.bits = None;
        &mut self.rest
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.rest.len() { Err(Malformed) } else { Ok(self.rest.split_to(length)) }
    }
}

impl Output {
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn whole(&mut self) -> &mut Vec<u8> {
        self.bits = 0;
        &mut self.bytes
    }
}

impl Field for bool {
    fn read(input: &mut Input) -> Result<Self, Malformed> {
        let (octet, place) = match input.bits {
            Some((octet, place)) if place < u8::BITS => (octet, place),
            _ => (input.rest.try_get_u8().map_err(|_| Malformed)?, 0),
        };
        input.bits = Some((octet, place.saturating_add(1)));
        Ok(octet.wrapping_shr(place) & 1 == 1)
    }

    fn write(&self, output: &mut Output) {
        if output.bits.is_multiple_of(u8::BITS) {
            output.bytes.push(0);
            output.bits = 0;
        }
        if let Some(octet) = output.bytes.last_mut() {
            *octet |= u8::from(*self).wrapping_shl(output.bits);
        }
        output.bits = output.bits.saturating_add(1);
    }
}

macro_rules! numbers {
    ($($number:ty: $get:ident, $put:ident;)*) => {$(
        impl Field for $number {
            fn read(input: &mut Input) -> Result<Self, Malformed> {
                input.whole().$get().map_err(|_| Malformed)
            }

            fn write(&self, output: &mut Output) {
                output.whole().$put(*self);
            }
        }
    )*};
}

numbers! {
    u8: try_get_u8, put_u8;
    u16: try_get_u16, put_u16;
    u32: try_get_u32, put_u32;
    u64: try_get_u64, put_u64;
}

impl Field for ShortText {
    fn read(input: &mut Input) -> Result<Self, Malformed> {
        let length = u8::read(input)?;
        input.take(usize::from(length)).map(Self)
    }

    fn write(&self, output: &mut Output) {
        let bytes = self.0.get(..usize::from(u8::MAX)).unwrap_or(&self.0);
        u8::try_from(bytes.len()).unwrap_or(u8::MAX).write(output);
        output.bytes.extend_from_slice(bytes);
    }
}

impl Field for LongText {
    fn read(input: &mut Input) -> Result<Self, Malformed> {
        let length = u32::read(input)?;
        input.take(usize::try_from(length).map_err(|_| Malformed)?).map(Self)
    }

    fn write(&self, output: &mut Output) {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).write(output);
        output.bytes.extend_from_slice(&self.0);
    }
}

impl Field for Table {
    fn read(input: &mut Input) -> Result<Self, Malformed> {
        Self::take(input.whole()).map_err(|_| Malformed)
    }

    fn write(&self, output: &mut Output) {
        self.put(output.whole());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_bits_share_octets() {
        let mut output = Output::default();
        let bits = [true, false, true, true, false, false, false, true, true, false];
        bits.iter().for_each(|bit| bit.write(&mut output));
        7u8.write(&mut output);
        true.write(&mut output);
        let bytes = output.into_bytes();
        assert_eq!(bytes, [0b1000_1101, 1, 7, 1]);
        let mut input = Input::new(bytes.into());
        assert_eq!(bits.map(|_| bool::read(&mut input).unwrap()), bits);
        assert_eq!(u8::read(&mut input), Ok(7));
        assert_eq!(bool::read(&mut input), Ok(true));
        assert_eq!(input.end(), Ok(()));
    }

    #[test]
    fn what_is_too_short_is_refused() {
        assert_eq!(ShortText::read(&mut Input::new(Bytes::from_static(&[2, b'a']))), Err(Malformed));
        assert_eq!(LongText::read(&mut Input::new(Bytes::from_static(&[0, 0, 0, 2, b'a']))), Err(Malformed));
        assert_eq!(bool::read(&mut Input::new(Bytes::new())), Err(Malformed));
    }
}
