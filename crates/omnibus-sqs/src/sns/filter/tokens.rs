//! JSON, one token after the other, with the places in it that AWS's messages name.

use std::borrow::Cow;

/// How deep objects and arrays may nest.
const DEPTH_MAX: usize = 500;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Name(Cow<'a, str>),
    Text(Cow<'a, str>),
    Number(&'a str),
    True,
    False,
    Null,
}

impl Token<'_> {
    /// The token as a message about it shows it.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::ObjectStart => "{",
            Self::ObjectEnd => "}",
            Self::ArrayStart => "[",
            Self::ArrayEnd => "]",
            Self::Name(text) | Self::Text(text) => text,
            Self::Number(text) => text,
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
        }
    }
}

/// Why a text is not JSON, and where: an offset in bytes.
#[derive(Debug, PartialEq)]
pub(super) struct SyntaxError {
    pub(super) reason: String,
    pub(super) at: usize,
}

/// Reads one JSON value to its end.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The objects (true) and arrays (false) that are open.
    open: Vec<bool>,
    expected: Expected,
    /// Where a reader stands that has seen a text begin but has not yet read it.
    begun: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Value,
    /// The first value of an array, or its end.
    ValueOrEnd,
    /// The first name of an object, or its end.
    NameOrEnd,
    /// A comma, or the end of what is open.
    CommaOrEnd,
    Nothing,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new(), expected: Expected::Value, begun: 0 }
    }

    /// The offset behind the last token.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The offset behind the last token, for a text behind its opening quote.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// The next token; none behind the value.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, SyntaxError> {
        self.skip_space();
        if self.expected == Expected::CommaOrEnd && self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
            let is_object = self.open.last() == Some(&true);
            return if is_object { self.name().map(Some) } else { self.value().map(Some) };
        }
        let byte = match (self.expected, self.peek()) {
            (Expected::Nothing, None) => return Ok(None),
            (_, Some(byte)) => byte,
            (_, None) => return Err(self.error_at(self.at, "Unexpected end-of-input".to_owned())),
        };
        match (self.expected, byte) {
            (Expected::NameOrEnd, b'}') => Ok(Some(self.close(Token::ObjectEnd))),
            (Expected::ValueOrEnd, b']') => Ok(Some(self.close(Token::ArrayEnd))),
            (Expected::CommaOrEnd, b'}') if self.open.last() == Some(&true) => Ok(Some(self.close(Token::ObjectEnd))),
            (Expected::CommaOrEnd, b']') if self.open.last() == Some(&false) => Ok(Some(self.close(Token::ArrayEnd))),
            (Expected::NameOrEnd, _) => self.name().map(Some),
            (Expected::Value | Expected::ValueOrEnd, _) => self.value().map(Some),
            (Expected::CommaOrEnd, _) => {
                let kind = if self.open.last() == Some(&true) { "Object" } else { "Array" };
                Err(self.unexpected(&format!("was expecting comma to separate {kind} entries")))
            }
            (Expected::Nothing, _) => Err(self.unexpected("was expecting the end of the value")),
        }
    }

    /// Reads past the value whose first token was just read.
    pub(super) fn skip(&mut self, first: &Token<'a>) -> Result<(), SyntaxError> {
        if !matches!(first, Token::ObjectStart | Token::ArrayStart) {
            return Ok(());
        }
        let depth = self.open.len();
        while self.open.len() >= depth {
            self.next()?;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Token<'a>, SyntaxError> {
        let token = match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => {
                let begun = self.at + 1;
                let text = self.string()?;
                self.after_value();
                self.begun = begun;
                return Ok(Token::Text(text));
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.literal()?,
            None => return Err(self.error_at(self.at, "Unexpected end-of-input".to_owned())),
        };
        self.after_value();
        Ok(token)
    }

    fn name(&mut self) -> Result<Token<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        let name = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("was expecting a colon to separate field name and value"));
        }
        self.at += 1;
        self.begun = self.at;
        self.expected = Expected::Value;
        Ok(Token::Name(name))
    }

    fn open(&mut self, is_object: bool) -> Result<Token<'a>, SyntaxError> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.error_at(self.at, format!("Document nesting exceeds the maximum of {DEPTH_MAX}")));
        }
        self.open.push(is_object);
        self.at += 1;
        self.begun = self.at;
        let (expected, token) = match is_object {
            true => (Expected::NameOrEnd, Token::ObjectStart),
            false => (Expected::ValueOrEnd, Token::ArrayStart),
        };
        self.expected = expected;
        Ok(token)
    }

    fn close(&mut self, token: Token<'a>) -> Token<'a> {
        self.open.pop();
        self.at += 1;
        self.after_value();
        token
    }

    fn after_value(&mut self) {
        self.begun = self.at;
        self.expected = if self.open.is_empty() { Expected::Nothing } else { Expected::CommaOrEnd };
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        self.take_if(|byte| byte == b'-');
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(self.error_at(start, "Invalid numeric value: Leading zeroes not allowed".to_owned()));
        }
        if self.take_if(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.take_if(|byte| matches!(byte, b'e' | b'E')) {
            self.take_if(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(Token::Number(self.text.get(start..self.at).unwrap_or_default()))
    }

    fn digits(&mut self) -> Result<usize, SyntaxError> {
        let start = self.at;
        while self.take_if(|byte| byte.is_ascii_digit()) {}
        if self.at == start {
            return Err(self.unexpected("was expecting a digit"));
        }
        Ok(self.at - start)
    }

    fn literal(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        while self.take_if(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')) {}
        const CHOICE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
        match self.text.get(start..self.at).unwrap_or_default() {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            "" => Err(self.unexpected(&format!("expected a valid value {CHOICE}"))),
            word => {
                let reason = format!("Unrecognized token '{word}': was expecting {CHOICE}");
                Err(self.error_at(self.at, reason))
            }
        }
    }

    /// A string from its opening quote to its closing one.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut built: Option<String> = None;
        loop {
            let plain = self.at;
            while self.take_if(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {}
            let run = self.text.get(plain..self.at).unwrap_or_default();
            if let Some(built) = &mut built {
                built.push_str(run);
            }
            match self.peek() {
                Some(b'"') => {
                    let whole = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(built.map_or(Cow::Borrowed(whole), Cow::Owned));
                }
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    // Up to the first escape the run is all there is.
                    built.get_or_insert_with(|| run.to_owned()).push(escaped);
                }
                Some(_) => return Err(self.unexpected("has to be escaped using backslash")),
                None => return Err(self.error_at(self.at, "Unexpected end-of-input in a string".to_owned())),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        self.at += 1;
        let byte = self.peek();
        self.at += usize::from(byte.is_some_and(|byte| byte.is_ascii()));
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.error_at(self.at, "Unrecognized character escape".to_owned())),
        })
    }

    /// A character behind `\u`; half a pair alone becomes the replacement character.
    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text.get(self.at..self.at + 2) == Some("\\u") {
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            return Err(self.unexpected("expected a hex-digit for character escape sequence"));
        };
        self.at += 4;
        Ok(u32::from_str_radix(digits, 16).unwrap_or_default())
    }

    fn skip_space(&mut self) {
        while self.take_if(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take_if(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let takes = self.peek().is_some_and(wanted);
        self.at += usize::from(takes);
        takes
    }

    fn unexpected(&self, wish: &str) -> SyntaxError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                let reason = format!("Unexpected character ('{found}' (code {})): {wish}", u32::from(found));
                self.error_at(self.at, reason)
            }
            None => self.error_at(self.at, "Unexpected end-of-input".to_owned()),
        }
    }

    fn error_at(&self, at: usize, reason: String) -> SyntaxError {
        SyntaxError { reason, at: at.min(self.text.len()) }
    }
}
