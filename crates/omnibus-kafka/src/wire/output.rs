//! Writes messages as a list of chunks, so that records need not be copied to be sent.

use bytes::{BufMut, Bytes, BytesMut};
use omnibus_model::TopicId;
use thiserror::Error;

use super::primitive::{Form, WireString};

/// From this size on, bytes are spliced in as a chunk of their own instead of being copied.
const SPLICE_BYTES_MIN: usize = 4096;

/// Room for what most answers need.
const CAPACITY: usize = 256;

const FRAME_LENGTH_BYTES: usize = 4;

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    #[error("version {version} is not known")]
    VersionUnknown { version: i16 },
    #[error("version {version} has no {field}")]
    FieldUnsupported { field: &'static str, version: i16 },
    #[error("{field} cannot be null in version {version}")]
    NullNotAllowed { field: &'static str, version: i16 },
    #[error("a length of {length} does not fit")]
    TooLong { length: usize },
}

/// Record batches as slices of wherever they are kept, sent one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(pub Vec<Bytes>);

impl Records {
    /// Returns how many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).fold(0, usize::saturating_add)
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Vec::new() } else { vec![bytes] })
    }
}

/// Bytes to be sent: copied runs, and between them spliced slices.
#[derive(Clone, Debug)]
pub struct Output {
    /// All copied runs, one after the other.
    copied: BytesMut,
    /// What is spliced in, and how many copied bytes come before it.
    spliced: Vec<(usize, Bytes)>,
    spliced_bytes: usize,
    /// Whether the first four bytes are to be the length of the rest.
    framed: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Output {
    /// Returns an empty output.
    #[must_use]
    pub fn new() -> Self {
        Self { copied: BytesMut::with_capacity(CAPACITY), spliced: Vec::new(), spliced_bytes: 0, framed: false }
    }

    /// Returns an output that will begin with its length, as every frame does.
    #[must_use]
    pub fn framed() -> Self {
        let mut out = Self::new();
        out.put_i32(0);
        out.framed = true;
        out
    }

    /// Returns how many bytes were written, a frame's length among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copied.len().saturating_add(self.spliced_bytes)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the chunks in order, none of them empty.
    #[must_use]
    pub fn into_chunks(mut self) -> Vec<Bytes> {
        self.write_frame_length();
        let mut chunks = Vec::with_capacity(self.spliced.len().saturating_mul(2).saturating_add(1));
        let mut done = 0_usize;
        for (before, bytes) in self.spliced {
            let run = self.copied.split_to(before.saturating_sub(done));
            if !run.is_empty() {
                chunks.push(run.freeze());
            }
            done = before;
            chunks.push(bytes);
        }
        if !self.copied.is_empty() {
            chunks.push(self.copied.freeze());
        }
        chunks
    }

    /// Returns all bytes in one piece; copies what was spliced in.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let length = self.len();
        let mut chunks = self.into_chunks();
        if chunks.len() <= 1 {
            return chunks.pop().unwrap_or_default();
        }
        let mut joined = BytesMut::with_capacity(length);
        chunks.iter().for_each(|chunk| joined.put_slice(chunk));
        joined.freeze()
    }

    /// Copies bytes as they are.
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.copied.put_slice(bytes);
    }

    /// Adds bytes as they are, spliced in if they are many.
    pub fn put_chunk(&mut self, bytes: Bytes) {
        if bytes.len() < SPLICE_BYTES_MIN {
            self.put_slice(&bytes);
        } else {
            self.spliced_bytes = self.spliced_bytes.saturating_add(bytes.len());
            self.spliced.push((self.copied.len(), bytes));
        }
    }

    pub(super) fn put_bool(&mut self, value: bool) {
        self.copied.put_u8(u8::from(value));
    }

    pub(super) fn put_i8(&mut self, value: i8) {
        self.copied.put_i8(value);
    }

    pub(super) fn put_u16(&mut self, value: u16) {
        self.copied.put_u16(value);
    }

    pub(super) fn put_i16(&mut self, value: i16) {
        self.copied.put_i16(value);
    }

    pub(super) fn put_i32(&mut self, value: i32) {
        self.copied.put_i32(value);
    }

    pub(super) fn put_i64(&mut self, value: i64) {
        self.copied.put_i64(value);
    }

    pub(super) fn put_uuid(&mut self, value: TopicId) {
        self.copied.put_u128(value.0);
    }

    pub(super) fn put_string(&mut self, value: &WireString, form: Form) -> Result<(), EncodeError> {
        self.put_short_length(Some(value.len()), form)?;
        self.put_slice(value.as_bytes());
        Ok(())
    }

    pub(super) fn put_nullable_string(&mut self, value: Option<&WireString>, form: Form) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.put_string(value, form),
            None => self.put_short_length(None, form),
        }
    }

    pub(super) fn put_bytes(&mut self, value: &Bytes, form: Form) -> Result<(), EncodeError> {
        self.put_length(Some(value.len()), form)?;
        self.put_chunk(value.clone());
        Ok(())
    }

    pub(super) fn put_nullable_bytes(&mut self, value: Option<&Bytes>, form: Form) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.put_bytes(value, form),
            None => self.put_length(None, form),
        }
    }

    pub(super) fn put_nullable_records(&mut self, value: Option<&Records>, form: Form) -> Result<(), EncodeError> {
        self.put_length(value.map(Records::len), form)?;
        for slice in value.iter().flat_map(|records| &records.0) {
            self.put_chunk(slice.clone());
        }
        Ok(())
    }

    pub(super) fn put_array<T>(
        &mut self,
        value: &[T],
        form: Form,
        mut write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.put_length(Some(value.len()), form)?;
        value.iter().try_for_each(|item| write(self, item))
    }

    pub(super) fn put_nullable_array<T>(
        &mut self,
        value: Option<&[T]>,
        form: Form,
        write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.put_array(value, form, write),
            None => self.put_length(None, form),
        }
    }

    pub(super) fn put_nullable_struct<T>(
        &mut self,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.put_i8(if value.is_some() { 1 } else { -1 });
        value.map_or(Ok(()), |value| write(self, value))
    }

    pub(super) fn put_tags(&mut self, tags: Tags) -> Result<(), EncodeError> {
        self.put_uvarint(tags.count);
        self.append(tags.fields);
        Ok(())
    }

    pub(super) fn put_no_tags(&mut self) {
        self.put_uvarint(0);
    }

    fn append(&mut self, other: Self) {
        for chunk in other.into_chunks() {
            self.put_chunk(chunk);
        }
    }

    fn put_short_length(&mut self, length: Option<usize>, form: Form) -> Result<(), EncodeError> {
        match (form, length) {
            (Form::Compact, _) => self.put_length(length, form)?,
            (Form::Fixed, None) => self.put_i16(-1),
            (Form::Fixed, Some(length)) => {
                self.put_i16(i16::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
            }
        }
        Ok(())
    }

    fn put_length(&mut self, length: Option<usize>, form: Form) -> Result<(), EncodeError> {
        let length = match length {
            Some(length) => Some(i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?),
            None => None,
        };
        match form {
            Form::Fixed => self.put_i32(length.unwrap_or(-1)),
            Form::Compact => self.put_uvarint(length.map_or(0, |length| length.unsigned_abs().saturating_add(1))),
        }
        Ok(())
    }

    fn put_uvarint(&mut self, mut value: u32) {
        while let Some(low @ 0x80..) = Some(value) {
            self.copied.put_u8(low.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.copied.put_u8(value.to_le_bytes()[0]);
    }

    fn write_frame_length(&mut self) {
        let length = self.len().saturating_sub(FRAME_LENGTH_BYTES);
        if let (true, Some(prefix)) = (self.framed, self.copied.first_chunk_mut()) {
            *prefix = i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
        }
    }
}

/// Tagged fields on their way out (KIP-482).
#[derive(Debug, Default)]
pub(super) struct Tags {
    count: u32,
    fields: Output,
}

impl Tags {
    /// Adds one field; call in ascending order of tags.
    pub(super) fn add(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Output) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut value = Output::new();
        write(&mut value)?;
        let length = value.len();
        self.count = self.count.saturating_add(1);
        self.fields.put_uvarint(tag);
        self.fields.put_uvarint(u32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
        self.fields.append(value);
        Ok(())
    }
}

/// Refuses to drop what `version` cannot say.
pub(super) fn lacks(said: bool, field: &'static str, version: i16) -> Result<(), EncodeError> {
    if said { Err(EncodeError::FieldUnsupported { field, version }) } else { Ok(()) }
}

/// Refuses null where `version` has none.
pub(super) fn required<'a, T>(value: Option<&'a T>, field: &'static str, version: i16) -> Result<&'a T, EncodeError> {
    value.ok_or(EncodeError::NullNotAllowed { field, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_sent_from_where_they_are() {
        let (long, short) = (Bytes::from(vec![7; SPLICE_BYTES_MIN]), Bytes::from_static(b"short"));
        let mut out = Output::framed();
        out.put_nullable_records(Some(&Records(vec![long.clone(), short.clone(), long.clone()])), Form::Fixed)
            .expect("written");
        out.put_i8(1);
        let length = out.len();
        let chunks = out.clone().into_chunks();
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [8, long.len(), short.len(), long.len(), 1]);
        assert_eq!(chunks.get(1).map(|chunk| chunk.as_ptr()), Some(long.as_ptr()));
        let joined = out.into_bytes();
        assert_eq!(joined.len(), length);
        let prefix = joined.first_chunk().map(|prefix| i32::from_be_bytes(*prefix));
        assert_eq!(prefix, i32::try_from(length).ok().and_then(|all| all.checked_sub(4)));
    }

    #[test]
    fn a_varint_takes_as_few_bytes_as_it_can() {
        for (value, bytes) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u32::MAX, 5)] {
            let mut out = Output::new();
            out.put_uvarint(value);
            assert_eq!(out.len(), bytes, "{value}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut out = Output::new();
        let long = WireString::from("x".repeat(40_000));
        assert_eq!(out.put_string(&long, Form::Fixed), Err(EncodeError::TooLong { length: 40_000 }));
        assert_eq!(out.put_string(&long, Form::Compact), Ok(()));
    }
}
