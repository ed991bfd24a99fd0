//! Reads a message from the bytes of a frame, without copying them.

use bytes::{Buf, Bytes};
use omnibus_model::TopicId;
use thiserror::Error;

use super::output::Records;
use super::primitive::{Form, WireString};

/// The memory that the elements of arrays may take, for each byte of the frame and at least.
/// No client comes near it: an element of 16 bytes rarely has less than 8 on the wire.
const MEMORY_PER_BYTE: usize = 8;
const MEMORY_ALWAYS: usize = 1 << 20;

/// Why bytes are not a message. `at` counts from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("byte {at}: {wanted} bytes wanted, {left} left")]
    Truncated { at: usize, wanted: usize, left: usize },
    #[error("byte {at}: {length} is not a length")]
    LengthInvalid { at: usize, length: i32 },
    #[error("byte {at}: {count} elements cannot be in the {left} bytes left")]
    CountInvalid { at: usize, count: usize, left: usize },
    #[error("byte {at}: {count} elements would take more memory than the frame pays for")]
    CountExcessive { at: usize, count: usize },
    #[error("byte {at}: null is not allowed")]
    NullNotAllowed { at: usize },
    #[error("byte {at}: a varint of more than 32 bits")]
    VarintTooLong { at: usize },
    #[error("byte {at}: {left} bytes after the end")]
    TrailingBytes { at: usize, left: usize },
    #[error("version {version} is not known")]
    VersionUnknown { version: i16 },
    #[error("API key {key} is not known")]
    ApiKeyUnknown { key: i16 },
}

/// Bytes still to be read.
#[derive(Clone, Debug)]
pub struct Input {
    bytes: Bytes,
    /// Where the bytes end in their frame.
    end: usize,
    /// How much memory further elements may take.
    memory: usize,
}

impl From<Bytes> for Input {
    fn from(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self { bytes, end, memory: end.saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_ALWAYS) }
    }
}

impl Input {
    /// Returns how many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes that have not been read.
    #[must_use]
    pub fn rest(self) -> Bytes {
        self.bytes
    }

    /// Makes sure that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes { at: self.at(), left: self.left() })
        }
    }

    pub(super) fn bool(&mut self) -> Result<bool, DecodeError> {
        self.i8().map(|byte| byte != 0)
    }

    pub(super) fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed(1, |bytes| bytes.try_get_i8().ok())
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.fixed(2, |bytes| bytes.try_get_u16().ok())
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed(2, |bytes| bytes.try_get_i16().ok())
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed(4, |bytes| bytes.try_get_i32().ok())
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed(8, |bytes| bytes.try_get_i64().ok())
    }

    pub(super) fn uuid(&mut self) -> Result<TopicId, DecodeError> {
        self.fixed(16, |bytes| bytes.try_get_u128().ok()).map(TopicId)
    }

    /// Reads a string. What is not UTF-8 in it is replaced, as Kafka does.
    pub(super) fn string(&mut self, form: Form) -> Result<WireString, DecodeError> {
        let at = self.at();
        self.nullable_string(form)?.ok_or(DecodeError::NullNotAllowed { at })
    }

    pub(super) fn nullable_string(&mut self, form: Form) -> Result<Option<WireString>, DecodeError> {
        let length = match form {
            Form::Fixed => self.i16().map(i32::from).and_then(|length| self.length(length))?,
            Form::Compact => self.compact_length()?,
        };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.take(length)?;
        Ok(Some(
            WireString::try_from(bytes.clone()).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).as_ref().into()),
        ))
    }

    pub(super) fn bytes(&mut self, form: Form) -> Result<Bytes, DecodeError> {
        let at = self.at();
        self.nullable_bytes(form)?.ok_or(DecodeError::NullNotAllowed { at })
    }

    pub(super) fn nullable_bytes(&mut self, form: Form) -> Result<Option<Bytes>, DecodeError> {
        self.long_length(form)?.map(|length| self.take(length)).transpose()
    }

    pub(super) fn nullable_records(&mut self, form: Form) -> Result<Option<Records>, DecodeError> {
        self.nullable_bytes(form).map(|bytes| bytes.map(Records::from))
    }

    /// Reads an array whose elements take at least `element_bytes_min` each.
    pub(super) fn array<T>(
        &mut self,
        form: Form,
        element_bytes_min: usize,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let at = self.at();
        self.nullable_array(form, element_bytes_min, read)?.ok_or(DecodeError::NullNotAllowed { at })
    }

    pub(super) fn nullable_array<T>(
        &mut self,
        form: Form,
        element_bytes_min: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let at = self.at();
        let Some(count) = self.count(form, element_bytes_min)? else { return Ok(None) };
        let memory = count.checked_mul(size_of::<T>()).and_then(|taken| self.memory.checked_sub(taken));
        self.memory = memory.ok_or(DecodeError::CountExcessive { at, count })?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads a struct that a byte below zero stands for the absence of.
    pub(super) fn nullable_struct<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 { Ok(None) } else { read(self).map(Some) }
    }

    /// Reads tagged fields (KIP-482): `known` reads the value of a tag, or returns false.
    ///
    /// Like Kafka it takes them in any order, and the last of a tag counts.
    pub(super) fn tags(
        &mut self,
        known: &mut dyn FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let length = self.uvarint().map(|length| usize::try_from(length).unwrap_or(usize::MAX))?;
            let bytes = self.take(length)?;
            let mut value = Self { bytes, end: self.at(), memory: self.memory };
            if known(tag, &mut value)? {
                value.finish()?;
                self.memory = value.memory;
            }
        }
        Ok(())
    }

    pub(super) fn skip_tags(&mut self) -> Result<(), DecodeError> {
        self.tags(&mut |_, _| Ok(false))
    }

    fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let at = self.at();
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.fixed(1, |bytes| bytes.try_get_u8().ok())?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { at })
    }

    /// Reads the count of an array, and believes it only if that many elements can be there.
    fn count(&mut self, form: Form, element_bytes_min: usize) -> Result<Option<usize>, DecodeError> {
        let at = self.at();
        let Some(count) = self.long_length(form)? else { return Ok(None) };
        let left = self.left();
        match count.checked_mul(element_bytes_min) {
            Some(bytes) if bytes <= left => Ok(Some(count)),
            _ => Err(DecodeError::CountInvalid { at, count, left }),
        }
    }

    fn long_length(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        match form {
            Form::Fixed => self.i32().and_then(|length| self.length(length)),
            Form::Compact => self.compact_length(),
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        let length = self.uvarint()?.checked_sub(1);
        Ok(length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn length(&self, length: i32) -> Result<Option<usize>, DecodeError> {
        match length {
            -1 => Ok(None),
            length => {
                usize::try_from(length).map(Some).map_err(|_| DecodeError::LengthInvalid { at: self.at(), length })
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.left() {
            return Err(self.truncated(length));
        }
        Ok(self.bytes.split_to(length))
    }

    fn fixed<T>(&mut self, wanted: usize, get: impl FnOnce(&mut Bytes) -> Option<T>) -> Result<T, DecodeError> {
        get(&mut self.bytes).ok_or_else(|| self.truncated(wanted))
    }

    fn truncated(&self, wanted: usize) -> DecodeError {
        DecodeError::Truncated { at: self.at(), wanted, left: self.left() }
    }

    fn at(&self) -> usize {
        self.end.saturating_sub(self.bytes.len())
    }
}
