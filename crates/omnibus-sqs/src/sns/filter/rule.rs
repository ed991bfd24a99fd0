//! A policy's text as a tree of rules, checked as AWS checks it.

use super::address::Network;
use super::error::PolicyError;
use super::number::Millionths;
use super::pattern::{Bound, Pattern};
use super::tokens::{SyntaxError, Token, Tokens};

/// A rule for a property, or for what lies below it.
#[derive(Debug)]
pub(super) enum Rule {
    Values(Vec<Pattern>),
    Object(Vec<Entry>),
    /// One of the objects is enough; it stands beside a name, not below it.
    AnyOf(Vec<Vec<Entry>>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) rule: Rule,
}

/// Objects below objects; deeper ones are too complex in any case.
const DEPTH_MAX: usize = 150;
const SOURCE_CHARACTERS_MAX: usize = 500;
const OR: &str = "$or";

/// Reads a policy. `{}` is one, and asks nothing.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, PolicyError> {
    let items = tokens(text).map_err(|error| syntax(text, error))?;
    let mut reader = Reader { text, items, next: 0, place: 0 };
    if reader.next() != Token::ObjectStart {
        return Err(reader.refusal("Filter is not an object"));
    }
    if reader.items.len() == 2 {
        return Ok(Vec::new());
    }
    reader.object(0)
}

/// A token with the offsets that its parser stands at when the token is seen, and when it is read.
#[derive(Debug)]
struct Item<'a> {
    token: Token<'a>,
    seen: usize,
    read: usize,
}

fn tokens(text: &str) -> Result<Vec<Item<'_>>, SyntaxError> {
    let mut tokens = Tokens::new(text);
    let mut items = Vec::new();
    while let Some(token) = tokens.next()? {
        items.push(Item { token, seen: tokens.begun(), read: tokens.end() });
    }
    Ok(items)
}

fn syntax(text: &str, error: SyntaxError) -> PolicyError {
    let source = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
    let SyntaxError { reason, at } = error;
    PolicyError::Syntax { reason: format!("{reason}\n at [Source: {source}; {}]", position(text, at)) }
}

/// Line and column behind an offset, both from 1; columns count UTF-16 units.
fn position(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().encode_utf16().count() + 1;
    format!("line: {line}, column: {column}")
}

/// Walks over the tokens of valid JSON, so that an object or array that began also ends.
struct Reader<'a> {
    text: &'a str,
    items: Vec<Item<'a>>,
    next: usize,
    place: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Token<'a> {
        let Some(item) = self.items.get(self.next) else { return Token::ObjectEnd };
        self.next += 1;
        self.place = match (&item.token, self.items.get(self.next)) {
            // A name is seen together with the beginning of its value.
            (Token::Name(_), Some(value)) => value.seen,
            _ => item.seen,
        };
        item.token.clone()
    }

    /// Notes that the text of the last token was read, not only seen.
    fn read_text(&mut self) {
        if let Some(item) = self.next.checked_sub(1).and_then(|last| self.items.get(last)) {
            self.place = self.place.max(item.read);
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Entry>, PolicyError> {
        if depth > DEPTH_MAX {
            return Err(PolicyError::TooComplex);
        }
        let mut entries = Vec::new();
        while let Token::Name(name) = self.next() {
            let rule = if name == OR && self.begins_alternatives() {
                self.alternatives(depth)?
            } else {
                match self.next() {
                    Token::ObjectStart => Rule::Object(self.object(depth + 1)?),
                    Token::ArrayStart => Rule::Values(self.values()?),
                    _ => return Err(self.refusal(&format!("\"{name}\" must be an object or an array"))),
                }
            };
            entries.push(Entry { name: name.into_owned(), rule });
        }
        match entries.is_empty() {
            true => Err(self.refusal("Empty objects are not allowed")),
            false => Ok(entries),
        }
    }

    /// Whether an array of at least two objects follows whose names are not operators: otherwise
    /// `$or` is a name like others.
    fn begins_alternatives(&self) -> bool {
        let Some((Token::ArrayStart, inner)) =
            self.items.get(self.next..).and_then(<[Item<'_>]>::split_first).map(|(first, rest)| (&first.token, rest))
        else {
            return false;
        };
        let (mut depth, mut objects) = (0_usize, 0_usize);
        for item in inner {
            match &item.token {
                Token::ArrayEnd if depth == 0 => return objects >= 2,
                Token::ObjectStart => {
                    objects += usize::from(depth == 0);
                    depth += 1;
                }
                Token::ArrayStart if depth > 0 => depth += 1,
                Token::ObjectEnd | Token::ArrayEnd => depth -= 1,
                Token::Name(name) if depth == 1 && is_reserved(name) => return false,
                _ if depth == 0 => return false,
                _ => {}
            }
        }
        false
    }

    fn alternatives(&mut self, depth: usize) -> Result<Rule, PolicyError> {
        let mut alternatives = Vec::new();
        self.next();
        while self.next() == Token::ObjectStart {
            alternatives.push(self.object(depth + 1)?);
        }
        Ok(Rule::AnyOf(alternatives))
    }

    fn values(&mut self) -> Result<Vec<Pattern>, PolicyError> {
        let mut patterns = Vec::new();
        loop {
            let pattern = match self.next() {
                Token::ArrayEnd => break,
                Token::ObjectStart => self.expression()?,
                Token::Text(text) => Pattern::text(&text),
                Token::Number(text) => Pattern::Number { text: text.into(), number: Millionths::read(text).ok() },
                Token::True => Pattern::Boolean(true),
                Token::False => Pattern::Boolean(false),
                Token::Null => Pattern::Null,
                Token::ArrayStart | Token::ObjectEnd | Token::Name(_) => {
                    return Err(self.refusal("Match value must be String, number, true, false, or null"));
                }
            };
            patterns.push(pattern);
        }
        match patterns.is_empty() {
            true => Err(self.refusal("Empty arrays are not allowed")),
            false => Ok(patterns),
        }
    }

    /// `{"operator": operand}`, behind its opening brace.
    fn expression(&mut self) -> Result<Pattern, PolicyError> {
        let Token::Name(operator) = self.next() else {
            return Err(self.refusal("Match expression name not found"));
        };
        let pattern = match &*operator {
            "exactly" => Pattern::Text(self.operand("exact")?.into()),
            "prefix" => Pattern::Prefix(self.operand("prefix")?.into()),
            "suffix" => Pattern::Suffix(self.operand("suffix")?.into()),
            "equals-ignore-case" => Pattern::ignoring_case(&self.operand("equals-ignore-case")?),
            "cidr" => {
                let network = Network::read(&self.operand("prefix")?);
                Pattern::Network(network.map_err(|reason| PolicyError::Rule { reason })?)
            }
            "exists" => match self.next() {
                Token::True => Pattern::Present,
                Token::False => Pattern::Absent,
                _ => return Err(self.refusal("exists match pattern must be either true or false.")),
            },
            "numeric" => return self.numeric(),
            "anything-but" => return self.anything_but(),
            _ => return Err(self.refusal(&format!("Unrecognized match type {operator}"))),
        };
        self.end("Only one key allowed in match expression")?;
        Ok(pattern)
    }

    /// An operand that must be a text.
    fn operand(&mut self, operator: &str) -> Result<String, PolicyError> {
        match self.next() {
            Token::Text(text) => {
                self.read_text();
                Ok(text.into_owned())
            }
            _ => Err(self.refusal(&format!("{operator} match pattern must be a string"))),
        }
    }

    /// Expects the end of an expression.
    fn end(&mut self, otherwise: &str) -> Result<(), PolicyError> {
        match self.next() {
            Token::ObjectEnd => Ok(()),
            _ => Err(self.refusal(otherwise)),
        }
    }

    fn numeric(&mut self) -> Result<Pattern, PolicyError> {
        if self.next() != Token::ArrayStart {
            return Err(self.refusal("Value of numeric must be an array."));
        }
        let pattern = self.range()?;
        self.end("Too many elements in numeric expression")?;
        Ok(pattern)
    }

    fn range(&mut self) -> Result<Pattern, PolicyError> {
        let operator = match self.next() {
            Token::Text(operator) => operator,
            other => return Err(self.refusal(&format!("Invalid member in numeric match: {}", other.shown()))),
        };
        self.read_text();
        let number = self.next();
        if !matches!(&*operator, "=" | "<" | "<=" | ">" | ">=") {
            return Err(self.refusal(&format!("Unrecognized numeric range operator: {operator}")));
        }
        let name = if operator == "=" { "equals" } else { &*operator };
        let Token::Number(text) = number else {
            return Err(self.refusal(&format!("Value of {name} must be numeric")));
        };
        let is_open = matches!(&*operator, "<" | ">");
        match (&*operator, self.next()) {
            (">" | ">=", Token::ArrayEnd) => Ok(Pattern::Range { bottom: Some(self.bound(text, is_open)?), top: None }),
            (">" | ">=", second) => self.range_to(text, is_open, second),
            (_, Token::ArrayEnd) => {
                let bound = self.bound(text, is_open)?;
                Ok(Pattern::Range { bottom: (operator == "=").then_some(bound), top: Some(bound) })
            }
            _ => Err(self.refusal("Too many elements in numeric expression")),
        }
    }

    /// The upper end of a range, whose operator was just seen.
    fn range_to(&mut self, bottom: &str, is_bottom_open: bool, operator: Token<'_>) -> Result<Pattern, PolicyError> {
        self.read_text();
        let operator = match operator {
            Token::Text(operator) => operator,
            other => return Err(self.refusal(&format!("Bad value in numeric range: {}", other.shown()))),
        };
        if !matches!(&*operator, "<" | "<=") {
            return Err(self.refusal(&format!("Bad numeric range operator: {operator}")));
        }
        let Token::Number(top) = self.next() else {
            return Err(self.refusal(&format!("Value of {operator} must be numeric")));
        };
        if self.next() != Token::ArrayEnd {
            return Err(self.refusal("Too many terms in numeric range expression"));
        }
        let bottom = self.bound(bottom, is_bottom_open)?;
        let top = self.bound(top, operator == "<")?;
        if bottom.number >= top.number {
            return Err(self.refusal("Bottom must be less than top"));
        }
        Ok(Pattern::Range { bottom: Some(bottom), top: Some(top) })
    }

    fn bound(&self, text: &str, is_open: bool) -> Result<Bound, PolicyError> {
        let number = Millionths::read(text).map_err(|error| self.refusal(&error.to_string()))?;
        Ok(Bound { number, is_open })
    }

    fn anything_but(&mut self) -> Result<Pattern, PolicyError> {
        let pattern = match self.next() {
            Token::ObjectStart => return self.anything_but_prefix(),
            Token::ArrayStart => self.anything_but_list()?,
            Token::Text(text) => {
                self.read_text();
                Pattern::NoneOfTexts(vec![text.into()])
            }
            Token::Number(text) => {
                let number = Millionths::read(text).map_err(|error| PolicyError::Rule { reason: error.to_string() })?;
                Pattern::NoneOfNumbers(vec![number])
            }
            _ => return Err(self.refusal("Value of anything-but must be an array or single string/number value.")),
        };
        self.end("Too many elements in numeric expression")?;
        Ok(pattern)
    }

    fn anything_but_prefix(&mut self) -> Result<Pattern, PolicyError> {
        let Token::Name(operator) = self.next() else {
            return Err(self.refusal("Anything-But expression name not found"));
        };
        if operator != "prefix" {
            return Err(self.refusal(&format!("Unsupported anything-but pattern: {operator}")));
        }
        let prefix = self.operand("prefix")?;
        if prefix.is_empty() {
            return Err(self.refusal("Null prefix not allowed"));
        }
        self.end("Only one key allowed in match expression")?;
        self.end("Only one key allowed in match expression")?;
        Ok(Pattern::NotPrefix(prefix.into()))
    }

    fn anything_but_list(&mut self) -> Result<Pattern, PolicyError> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        loop {
            match self.next() {
                Token::ArrayEnd => break,
                Token::Text(text) => texts.push(text.into()),
                Token::Number(text) => {
                    numbers.push(Millionths::read(text).map_err(|error| self.refusal(&error.to_string()))?);
                }
                _ => {
                    // AWS wraps this one twice, and so names the place twice.
                    let reason = "Inside anything but list, start|null|boolean is not supported.";
                    return Err(self.refusal(&format!("{reason}{}", self.source())));
                }
            }
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => Ok(Pattern::NoneOfTexts(texts)),
            (true, false) => Ok(Pattern::NoneOfNumbers(numbers)),
            _ => Err(self.refusal(
                "Inside anything but list, either all values are number or string, mixed type is not supported",
            )),
        }
    }

    fn refusal(&self, reason: &str) -> PolicyError {
        PolicyError::Rule { reason: format!("{reason}{}", self.source()) }
    }

    /// The policy and the place in it, as AWS's parser says them.
    fn source(&self) -> String {
        let units: Vec<u16> = self.text.encode_utf16().collect();
        let shown = String::from_utf16_lossy(units.get(..SOURCE_CHARACTERS_MAX).unwrap_or(&units));
        let cut = match units.len().saturating_sub(SOURCE_CHARACTERS_MAX) {
            0 => String::new(),
            more => format!("[truncated {more} chars]"),
        };
        format!("\n at [Source: (String)\"{shown}\"{cut}; {}]", position(self.text, self.place))
    }
}

/// Names that an alternative of `$or` cannot have.
fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 24] = [
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    ];
    RESERVED.contains(&name)
}
