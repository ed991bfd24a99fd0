//! Field values, in the letters that RabbitMQ and its clients use, which are not those of the specification.

use bytes::{Buf, BufMut, Bytes};

use super::{MalformedAmqp, malformed};

/// How deep tables and arrays may lie in each other.
const DEPTH_MAX: u32 = 32;

const PART: &str = "table";

/// Named values, in the order in which they came; a name may come twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(pub Vec<(Bytes, Value)>);

/// One value with its type. Numbers of fractions are kept as their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    Float(u32),
    Double(u64),
    /// So many digits behind the point, and the number without it.
    Decimal(u8, i32),
    Text(Bytes),
    Array(Vec<Self>),
    /// Seconds since 1970.
    Timestamp(u64),
    Table(Table),
    Void,
    Binary(Bytes),
}

impl Table {
    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(each, _)| each == name.as_bytes()).map(|(_, value)| value)
    }

    /// Puts a value in the place of all that have this name, or at the end.
    pub fn set(&mut self, name: &str, value: Value) {
        self.remove(name);
        self.0.push((Bytes::copy_from_slice(name.as_bytes()), value));
    }

    /// Takes out all values of a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(each, _)| each != name.as_bytes());
    }

    /// Takes a table with its length off the front of `input`.
    ///
    /// # Errors
    /// [`MalformedAmqp`].
    pub fn take(input: &mut Bytes) -> Result<Self, MalformedAmqp> {
        Self::take_at(input, 0)
    }

    fn take_at(input: &mut Bytes, depth: u32) -> Result<Self, MalformedAmqp> {
        let mut rest = long(input)?;
        let mut fields = Vec::new();
        while rest.has_remaining() {
            let name = short(&mut rest)?;
            fields.push((name, Value::take(&mut rest, depth)?));
        }
        Ok(Self(fields))
    }

    /// Writes the table behind its length.
    pub fn put(&self, out: &mut Vec<u8>) {
        with_length(out, |out| {
            for (name, value) in &self.0 {
                put_short(out, name);
                value.put(out);
            }
        });
    }
}

impl<const N: usize> From<[(&'static str, Value); N]> for Table {
    fn from(fields: [(&'static str, Value); N]) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), value)).collect())
    }
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A whole number of whatever width.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::I8(number) => Some(i64::from(*number)),
            Self::U8(number) => Some(i64::from(*number)),
            Self::I16(number) => Some(i64::from(*number)),
            Self::U16(number) => Some(i64::from(*number)),
            Self::I32(number) => Some(i64::from(*number)),
            Self::U32(number) => Some(i64::from(*number)),
            Self::I64(number) => Some(*number),
            _ => None,
        }
    }

    /// A text, if it is one of Unicode.
    #[must_use]
    pub fn str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// What RabbitMQ calls the type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Decimal(..) => "decimal",
            Self::Text(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Binary(_) => "binary",
        }
    }

    fn take(input: &mut Bytes, depth: u32) -> Result<Self, MalformedAmqp> {
        let short = |_| malformed(PART);
        Ok(match input.try_get_u8().map_err(short)? {
            b't' => Self::Bool(input.try_get_u8().map_err(short)? != 0),
            b'b' => Self::I8(input.try_get_i8().map_err(short)?),
            b'B' => Self::U8(input.try_get_u8().map_err(short)?),
            b's' => Self::I16(input.try_get_i16().map_err(short)?),
            b'u' => Self::U16(input.try_get_u16().map_err(short)?),
            b'I' => Self::I32(input.try_get_i32().map_err(short)?),
            b'i' => Self::U32(input.try_get_u32().map_err(short)?),
            b'l' | b'L' => Self::I64(input.try_get_i64().map_err(short)?),
            b'f' => Self::Float(input.try_get_u32().map_err(short)?),
            b'd' => Self::Double(input.try_get_u64().map_err(short)?),
            b'D' => Self::Decimal(input.try_get_u8().map_err(short)?, input.try_get_i32().map_err(short)?),
            b'S' => Self::Text(long(input)?),
            b'A' => Self::Array(array(input, deeper(depth)?)?),
            b'T' => Self::Timestamp(input.try_get_u64().map_err(short)?),
            b'F' => Self::Table(Table::take_at(input, deeper(depth)?)?),
            b'V' => Self::Void,
            b'x' => Self::Binary(long(input)?),
            _ => return Err(malformed(PART)),
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.letter());
        match self {
            Self::Bool(value) => out.put_u8(u8::from(*value)),
            Self::I8(number) => out.put_i8(*number),
            Self::U8(number) => out.put_u8(*number),
            Self::I16(number) => out.put_i16(*number),
            Self::U16(number) => out.put_u16(*number),
            Self::I32(number) => out.put_i32(*number),
            Self::U32(number) => out.put_u32(*number),
            Self::I64(number) => out.put_i64(*number),
            Self::Float(bits) => out.put_u32(*bits),
            Self::Double(bits) => out.put_u64(*bits),
            Self::Decimal(digits, number) => {
                out.put_u8(*digits);
                out.put_i32(*number);
            }
            Self::Text(bytes) | Self::Binary(bytes) => with_length(out, |out| out.extend_from_slice(bytes)),
            Self::Array(values) => with_length(out, |out| values.iter().for_each(|value| value.put(out))),
            Self::Timestamp(seconds) => out.put_u64(*seconds),
            Self::Table(table) => table.put(out),
            Self::Void => {}
        }
    }

    /// The letter of the type on the wire.
    #[must_use]
    pub const fn letter(&self) -> u8 {
        match self {
            Self::Bool(_) => b't',
            Self::I8(_) => b'b',
            Self::U8(_) => b'B',
            Self::I16(_) => b's',
            Self::U16(_) => b'u',
            Self::I32(_) => b'I',
            Self::U32(_) => b'i',
            Self::I64(_) => b'l',
            Self::Float(_) => b'f',
            Self::Double(_) => b'd',
            Self::Decimal(..) => b'D',
            Self::Text(_) => b'S',
            Self::Array(_) => b'A',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Void => b'V',
            Self::Binary(_) => b'x',
        }
    }
}

fn deeper(depth: u32) -> Result<u32, MalformedAmqp> {
    if depth < DEPTH_MAX { Ok(depth.saturating_add(1)) } else { Err(malformed("nested table")) }
}

fn array(input: &mut Bytes, depth: u32) -> Result<Vec<Value>, MalformedAmqp> {
    let mut rest = long(input)?;
    let mut values = Vec::new();
    while rest.has_remaining() {
        values.push(Value::take(&mut rest, depth)?);
    }
    Ok(values)
}

pub(super) fn short(input: &mut Bytes) -> Result<Bytes, MalformedAmqp> {
    let length = usize::from(input.try_get_u8().map_err(|_| malformed("short text"))?);
    take(input, length)
}

fn long(input: &mut Bytes) -> Result<Bytes, MalformedAmqp> {
    let length = input.try_get_u32().map_err(|_| malformed("long text"))?;
    take(input, usize::try_from(length).unwrap_or(usize::MAX))
}

fn take(input: &mut Bytes, length: usize) -> Result<Bytes, MalformedAmqp> {
    if length > input.len() { Err(malformed("text")) } else { Ok(input.split_to(length)) }
}

/// Writes a short text; what is beyond 255 bytes is cut off.
pub(super) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u8::MAX)).unwrap_or(bytes);
    out.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.put_u32(0);
    write(out);
    let behind = at.saturating_add(size_of::<u32>());
    let length = u32::try_from(out.len().saturating_sub(behind)).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(at..behind) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_type() -> Table {
        Table::from([
            ("t", Value::Bool(true)),
            ("b", Value::I8(-1)),
            ("B", Value::U8(255)),
            ("s", Value::I16(-2)),
            ("u", Value::U16(65_535)),
            ("I", Value::I32(-3)),
            ("i", Value::U32(u32::MAX)),
            ("l", Value::I64(i64::MIN)),
            ("f", Value::Float(1.5f32.to_bits())),
            ("d", Value::Double(2.5f64.to_bits())),
            ("D", Value::Decimal(2, 125)),
            ("S", Value::text("text")),
            ("A", Value::Array(vec![Value::Void, Value::I32(1)])),
            ("T", Value::Timestamp(1_700_000_000)),
            ("F", Value::Table(Table::from([("inner", Value::Void)]))),
            ("V", Value::Void),
            ("x", Value::Binary(Bytes::from_static(b"\x00\xff"))),
        ])
    }

    #[test]
    fn every_type_comes_back() {
        let mut out = Vec::new();
        every_type().put(&mut out);
        let mut input = Bytes::from(out);
        assert_eq!(Table::take(&mut input), Ok(every_type()));
        assert!(input.is_empty());
        for (name, value) in every_type().0 {
            assert_eq!(name[0], value.letter());
        }
    }

    #[test]
    fn both_letters_of_a_long_are_signed() {
        let mut input = Bytes::from_static(b"\x00\x00\x00\x0b\x01kL\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(Table::take(&mut input), Ok(Table::from([("k", Value::I64(-1))])));
    }

    #[test]
    fn depth_is_bounded() {
        let mut table = Table::default();
        for _ in 0..=DEPTH_MAX {
            table = Table::from([("t", Value::Table(table))]);
        }
        let mut out = Vec::new();
        table.put(&mut out);
        assert!(Table::take(&mut Bytes::from(out)).is_err());
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let mut out = Vec::new();
        every_type().put(&mut out);
        for length in 0..out.len() {
            assert!(Table::take(&mut Bytes::copy_from_slice(&out[..length])).is_err(), "{length}");
        }
    }
}
