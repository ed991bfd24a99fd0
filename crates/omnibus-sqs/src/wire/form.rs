//! `application/x-www-form-urlencoded`: names and values in the order in which they came.

use super::DecodeError;

/// The most parameters of one request.
pub const PARAMETERS_MAX: usize = 4096;

/// Reads a form, or the part of an address after its question mark.
///
/// # Errors
/// [`DecodeError`] if it is not UTF-8 once decoded, or there is too much of it.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    let mut parameters = Vec::new();
    for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if parameters.len() == PARAMETERS_MAX {
            return Err(DecodeError::TooManyParameters { max: PARAMETERS_MAX });
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        parameters.push((decode(name)?, decode(value)?));
    }
    Ok(parameters)
}

fn decode(bytes: &[u8]) -> Result<String, DecodeError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                let (Some(high), Some(low)) = (high, low) else { return Err(DecodeError::Form) };
                u8::try_from(high << 4 | low).map_err(|_| DecodeError::Form)?
            }
            plain => *plain,
        });
    }
    String::from_utf8(out).map_err(|_| DecodeError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_decoded() {
        let read = read(b"Action=SendMessage&MessageBody=a+b%26%C3%A4&&Empty=&Bare").unwrap();
        let expected = [("Action", "SendMessage"), ("MessageBody", "a b&ä"), ("Empty", ""), ("Bare", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn half_an_escape_and_half_a_letter_are_refused() {
        for bytes in ["a=%4", "a=%zz", "a=%C3"] {
            assert_eq!(read(bytes.as_bytes()), Err(DecodeError::Form), "{bytes}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let many = "a&".repeat(PARAMETERS_MAX + 1);
        assert!(matches!(read(many.as_bytes()), Err(DecodeError::TooManyParameters { .. })));
    }
}
