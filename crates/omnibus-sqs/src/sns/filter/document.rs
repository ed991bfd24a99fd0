//! A message as policies see it: the values at the paths that some policy names.

use std::collections::HashMap;

use super::tokens::{SyntaxError, Token, Tokens};
use super::value::Value;
use super::{Attribute, FilterMessage};

/// A path that some policy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathId(usize);

impl PathId {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// The paths that policies name, and the beginnings of those paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    steps: HashMap<Box<str>, Option<PathId>>,
    count: usize,
}

impl Paths {
    /// The number of a path, which it is given when it is named first.
    pub(super) fn add(&mut self, path: &str) -> PathId {
        for (dot, _) in path.match_indices('.') {
            self.steps.entry(path.get(..dot).unwrap_or_default().into()).or_default();
        }
        let id = self.steps.entry(path.into()).or_default();
        *id.get_or_insert_with(|| {
            self.count += 1;
            PathId(self.count - 1)
        })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// Values that stand together: those of an object, but each object in an array is a place of its own.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    /// In the order of their paths.
    values: Vec<(PathId, Value<'a>)>,
    /// For each array its elements that are objects or arrays.
    arrays: Vec<Vec<Self>>,
}

impl<'a> Place<'a> {
    /// What a body says; none if it is not an object in JSON.
    pub(super) fn of_body(body: &'a str, paths: &Paths) -> Option<Self> {
        let mut reader = Reader { tokens: Tokens::new(body), paths, path: String::new() };
        let mut place = Self::default();
        if reader.tokens.next().ok()? != Some(Token::ObjectStart) {
            return None;
        }
        reader.object(&mut place).ok()?;
        let is_whole = reader.tokens.next().ok()?.is_none();
        place.finish();
        is_whole.then_some(place)
    }

    /// What attributes say; none if there is no attribute that a policy could look at.
    pub(super) fn of_attributes(message: &FilterMessage<'a>, paths: &Paths) -> Option<Self> {
        let mut place = Self::default();
        let mut is_empty = true;
        for attribute in message.attributes.iter().filter(|attribute| !attribute.is_binary()) {
            is_empty = false;
            if let Some(Some(path)) = paths.steps.get(attribute.name) {
                place.add_attribute(*path, attribute, paths);
            }
        }
        place.finish();
        (!is_empty).then_some(place)
    }

    pub(super) fn values(&self, path: PathId) -> &[(PathId, Value<'a>)] {
        let start = self.values.partition_point(|(other, _)| *other < path);
        let rest = self.values.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(other, _)| *other == path)).unwrap_or_default()
    }

    pub(super) fn all_values(&self) -> &[(PathId, Value<'a>)] {
        &self.values
    }

    pub(super) fn arrays(&self) -> &[Vec<Self>] {
        &self.arrays
    }

    fn add_attribute(&mut self, path: PathId, attribute: &Attribute<'a>, paths: &Paths) {
        let value = attribute.value;
        if attribute.data_type.ends_with(".Array") {
            let mut reader = Reader { tokens: Tokens::new(value), paths, path: attribute.name.to_owned() };
            if reader.whole_array(self, path).is_err() {
                self.values.push((path, Value::Unreadable));
            }
        } else if attribute.is_number() {
            self.values.push((path, Value::number(value.trim())));
        } else {
            self.values.push((path, Value::Text(value.into())));
        }
    }

    fn finish(&mut self) {
        // Stable, so equal paths keep their order.
        self.values.sort_by_key(|(path, _)| *path);
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.arrays.is_empty()
    }
}

struct Reader<'a, 'p> {
    tokens: Tokens<'a>,
    paths: &'p Paths,
    path: String,
}

impl<'a> Reader<'a, '_> {
    /// Reads an object behind its opening brace. What no policy names is only checked.
    fn object(&mut self, place: &mut Place<'a>) -> Result<(), SyntaxError> {
        while let Some(Token::Name(name)) = self.tokens.next()? {
            let Some(first) = self.tokens.next()? else { break };
            let parent = self.path.len();
            if parent > 0 {
                self.path.push('.');
            }
            self.path.push_str(&name);
            match self.paths.steps.get(self.path.as_str()) {
                Some(path) => self.value(place, *path, first)?,
                None => self.tokens.skip(&first)?,
            }
            self.path.truncate(parent);
        }
        Ok(())
    }

    fn value(&mut self, place: &mut Place<'a>, path: Option<PathId>, first: Token<'a>) -> Result<(), SyntaxError> {
        match first {
            Token::ObjectStart => self.object(place),
            Token::ArrayStart => self.array(place, path),
            single => {
                place.values.extend(path.zip(Value::of(single)));
                Ok(())
            }
        }
    }

    /// Reads an array behind its opening bracket. Single values belong to the place of the array, as
    /// if each stood there alone; objects and arrays are alternatives to each other.
    fn array(&mut self, place: &mut Place<'a>, path: Option<PathId>) -> Result<(), SyntaxError> {
        let mut elements = Vec::new();
        while let Some(first) = self.tokens.next()?.filter(|token| *token != Token::ArrayEnd) {
            if !matches!(first, Token::ObjectStart | Token::ArrayStart) {
                place.values.extend(path.zip(Value::of(first)));
                continue;
            }
            let mut element = Place::default();
            self.value(&mut element, path, first)?;
            if !element.is_empty() {
                element.finish();
                elements.push(element);
            }
        }
        if elements.len() == 1 {
            // There is nothing to choose.
            let only = elements.swap_remove(0);
            place.values.extend(only.values);
            place.arrays.extend(only.arrays);
        } else if !elements.is_empty() {
            place.arrays.push(elements);
        }
        Ok(())
    }

    fn whole_array(&mut self, place: &mut Place<'a>, path: PathId) -> Result<(), SyntaxError> {
        let not_an_array = SyntaxError { reason: "not an array".to_owned(), at: 0 };
        let mut found = Place::default();
        if self.tokens.next()? != Some(Token::ArrayStart) {
            return Err(not_an_array);
        }
        self.array(&mut found, Some(path))?;
        if self.tokens.next()?.is_some() {
            return Err(not_an_array);
        }
        place.values.extend(found.values);
        place.arrays.extend(found.arrays);
        Ok(())
    }
}
