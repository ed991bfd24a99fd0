//! Zigzag varints, as records use them.

/// The most bytes a 64-bit varint takes.
pub(crate) const VARINT_BYTES_MAX: usize = 10;

/// Takes a varint off the front of `bytes`.
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(unzigzag(u64::from(first)));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for (position, &byte) in (0_u32..).zip(bytes.iter().take(VARINT_BYTES_MAX)) {
        value |= u64::from(byte & 0x7f).wrapping_shl(position.wrapping_mul(7));
        if byte < 0x80 {
            *bytes = bytes.get(position as usize..)?.get(1..)?;
            return Some(unzigzag(value));
        }
    }
    None
}

/// Appends a varint to `out`.
pub(crate) fn put(out: &mut Vec<u8>, value: i64) {
    let mut left = (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}

#[inline]
const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken() {
        for value in [0, -1, 1, 63, -64, 64, 8191, 8192, -8193, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put(&mut out, value);
            let mut rest = out.as_slice();
            assert_eq!(take(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn an_endless_varint_is_refused() {
        assert_eq!(take(&mut [0xff_u8; 16].as_slice()), None);
        assert_eq!(take(&mut [0xff_u8; 3].as_slice()), None);
        assert_eq!(take(&mut [].as_slice()), None);
    }
}
