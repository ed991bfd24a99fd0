//! How lists are cut: by name, sorted, in pages, and only some columns.

use std::cmp::Ordering;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answers::Failure;

/// Whether a name is wanted.
type Filter = Box<dyn Fn(&str) -> bool>;

const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 500;

/// What is wanted of a list.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Listing {
    page: Option<String>,
    page_size: Option<String>,
    name: Option<String>,
    use_regex: Option<String>,
    sort: Option<String>,
    sort_reverse: Option<String>,
    columns: Option<String>,
    /// Only what a list can tell without looking at each.
    #[serde(default)]
    disable_stats: String,
    #[serde(default)]
    enable_queue_totals: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::<Self>::from_request_parts(parts, state).await;
        read.map(|Query(listing)| listing).map_err(|rejection| Failure::bad(rejection.body_text()))
    }
}

impl Listing {
    /// Whether each of a list is to be looked at.
    pub(crate) fn wants_loads(&self) -> bool {
        self.disable_stats != "true" || self.enable_queue_totals == "true"
    }

    /// Cuts a list.
    pub(crate) fn cut(&self, mut rows: Vec<Value>) -> Result<Value, Failure> {
        let total = rows.len();
        if let Some(filter) = self.filter()? {
            rows.retain(|row| row.get("name").and_then(Value::as_str).is_some_and(&filter));
        }
        if let Some(sort) = self.sort.as_deref().filter(|sort| !sort.is_empty()) {
            rows.sort_by(|one, other| compare(at(one, sort), at(other, sort)));
            if self.sort_reverse.as_deref() == Some("true") {
                rows.reverse();
            }
        }
        let Some(page) = &self.page else { return Ok(self.shorten(rows).into()) };
        let (page, size) = self.pages(page)?;
        let filtered = rows.len();
        let first = (page - 1).saturating_mul(size);
        if first >= filtered && page > 1 {
            let reason = format!("Page out of range, page: {page} page size: {size}, len: {filtered}");
            return Err(Failure::of("page_out_of_range", reason));
        }
        let items: Vec<Value> = rows.into_iter().skip(first).take(size).collect();
        Ok(json!({
            "filtered_count": filtered,
            "item_count": items.len(),
            "items": self.shorten(items),
            "page": page,
            "page_count": filtered.div_ceil(size),
            "page_size": size,
            "total_count": total,
        }))
    }

    /// Leaves out of one thing what nobody wants.
    pub(crate) fn cut_one(&self, row: Value) -> Value {
        self.shorten(vec![row]).pop().unwrap_or_default()
    }

    fn filter(&self) -> Result<Option<Filter>, Failure> {
        let Some(name) = self.name.clone().filter(|name| !name.is_empty()) else { return Ok(None) };
        if self.use_regex.as_deref() != Some("true") {
            let name = name.to_lowercase();
            return Ok(Some(Box::new(move |each| each.to_lowercase().contains(&name))));
        }
        let regex = Regex::new(&name).map_err(|error| Failure::bad(error.to_string()))?;
        Ok(Some(Box::new(move |each| regex.is_match(each))))
    }

    fn pages(&self, page: &str) -> Result<(usize, usize), Failure> {
        let number = |text: &str| text.parse::<usize>().map_err(|_| Failure::bad("Pagination parameters are invalid"));
        let (page, size) = (number(page)?, self.page_size.as_deref().map_or(Ok(PAGE_SIZE), number)?);
        if page == 0 || size == 0 || size > PAGE_SIZE_MAX {
            let reason = format!("Invalid pagination parameters: page number {page}, page size {size}");
            return Err(Failure::of("invalid_pagination_parameters", reason));
        }
        Ok((page, size))
    }

    fn shorten(&self, rows: Vec<Value>) -> Vec<Value> {
        let Some(columns) = self.columns.as_deref().filter(|columns| !columns.is_empty()) else { return rows };
        let columns: Vec<&str> = columns.split(',').collect();
        rows.iter().map(|row| only(row, &columns)).collect()
    }
}

/// What is at the end of a path with dots in it.
fn at<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(row, |value, part| value.get(part)).unwrap_or(&Value::Null)
}

/// Some columns of a row; those that are not there are left out.
fn only(row: &Value, columns: &[&str]) -> Value {
    let mut kept = Map::new();
    for column in columns {
        let (first, rest) = column.split_once('.').map_or((*column, None), |(first, rest)| (first, Some(rest)));
        let Some(value) = row.get(first) else { continue };
        match (rest, kept.get_mut(first)) {
            (None, _) => drop(kept.insert(first.to_owned(), value.clone())),
            (Some(rest), Some(Value::Object(there))) => {
                if let Value::Object(more) = only(value, &[rest]) {
                    there.extend(more);
                }
            }
            (Some(rest), _) => drop(kept.insert(first.to_owned(), only(value, &[rest]))),
        }
    }
    Value::Object(kept)
}

/// Nothing first, then numbers, then texts.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default())
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (one, other) => rank(one).cmp(&rank(other)),
    }
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Value> {
        ["b", "a", "cA"].iter().zip([3, 20, 1]).map(|(name, n)| json!({"name": name, "n": n, "s": {"x": n}})).collect()
    }

    fn names(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn lists_are_sorted_by_numbers_and_texts() {
        let sorted = |by: &str| Listing { sort: Some(by.to_owned()), ..Listing::default() }.cut(rows()).unwrap();
        assert_eq!(names(&sorted("name")), ["a", "b", "cA"]);
        assert_eq!(names(&sorted("s.x")), ["cA", "b", "a"]);
        assert_eq!(names(&sorted("nosuch")), ["b", "a", "cA"]);
    }

    #[test]
    fn pages_say_how_much_there_is() {
        let page = |page: &str, size: &str| {
            Listing { page: Some(page.into()), page_size: Some(size.into()), ..Listing::default() }.cut(rows())
        };
        let second = page("2", "2").unwrap();
        assert_eq!(
            (&second["item_count"], &second["page_count"], &second["total_count"]),
            (&json!(1), &json!(2), &json!(3))
        );
        assert_eq!(names(&second["items"]), ["cA"]);
        for (number, size) in [("3", "2"), ("0", "2"), ("a", "2"), ("1", "501"), ("1", "0")] {
            assert!(page(number, size).is_err(), "{number} {size}");
        }
        assert_eq!(Listing { page: Some("1".into()), ..Listing::default() }.cut(Vec::new()).unwrap()["page_count"], 0);
    }

    #[test]
    fn names_are_looked_for_as_text_or_as_expression() {
        let found = |name: &str, regex: &str| {
            Listing { name: Some(name.into()), use_regex: Some(regex.into()), ..Listing::default() }.cut(rows())
        };
        assert_eq!(names(&found("A", "false").unwrap()), ["a", "cA"]);
        assert_eq!(names(&found("^a", "true").unwrap()), ["a"]);
        assert!(found("(", "true").is_err());
    }

    #[test]
    fn columns_may_have_paths() {
        let listing = Listing { columns: Some("s.x,name,none".into()), ..Listing::default() };
        assert_eq!(
            listing.cut_one(json!({"name": "a", "n": 1, "s": {"x": 1, "y": 2}})),
            json!({"name": "a", "s": {"x": 1}})
        );
    }
}
