//! Filter policies without any haste: alternatives multiplied out, every choice of elements tried.

use std::collections::BTreeMap;

use serde_json::Value as Json;

type Fields = Vec<(String, Json)>;

pub(super) fn wants(policy: &Json, body: &Json) -> bool {
    let chosen = choices(body, "");
    branches(policy, "").iter().any(|branch| chosen.iter().any(|fields| branch_accepts(branch, fields, body)))
}

fn branch_accepts(branch: &BTreeMap<String, Json>, fields: &Fields, body: &Json) -> bool {
    let wanted = |path: &str, patterns: &Json, fields: &Fields| {
        fields.iter().any(|(other, value)| other == path && any(patterns, value))
    };
    branch.iter().all(|(path, patterns)| {
        let may_lack = patterns.as_array().unwrap().iter().any(|pattern| pattern["exists"] == Json::Bool(false));
        wanted(path, patterns, fields)
            || may_lack && !visible(body, "", branch, fields).iter().any(|(other, _)| other == path)
    })
}

/// The fields that count for what must be absent: of an array that has a chosen element with something
/// that the branch wants this element's, else all.
fn visible(value: &Json, path: &str, branch: &BTreeMap<String, Json>, chosen: &Fields) -> Fields {
    let wants_some = |fields: &Fields| {
        fields.iter().any(|(path, value)| branch.get(path).is_some_and(|patterns| any(patterns, value)))
    };
    match value {
        Json::Object(map) => {
            map.iter().flat_map(|(name, value)| visible(value, &join(path, name), branch, chosen)).collect()
        }
        Json::Array(elements) => {
            let singles = elements.iter().filter(|element| !is_place(element));
            let mut fields: Fields = singles.map(|single| (path.to_owned(), single.clone())).collect();
            let marker = (mark(value), Json::Null);
            let index = chosen.iter().find(|(name, _)| *name == marker.0).and_then(|(_, index)| index.as_u64());
            let places: Vec<&Json> = elements.iter().filter(|element| is_place(element)).collect();
            match index.and_then(|index| places.get(usize::try_from(index).unwrap())) {
                Some(element)
                    if choices(element, path)
                        .iter()
                        .any(|part| wants_some(part) && part.iter().all(|field| chosen.contains(field))) =>
                {
                    fields.extend(visible(element, path, branch, chosen));
                }
                _ => fields.extend(places.iter().flat_map(|element| visible(element, path, branch, chosen))),
            }
            fields
        }
        single => vec![(path.to_owned(), single.clone())],
    }
}

/// What can be seen at once, with a mark for each array that says which element was chosen.
fn choices(value: &Json, path: &str) -> Vec<Fields> {
    match value {
        Json::Object(map) => map.iter().fold(vec![Fields::new()], |before, (name, value)| {
            let after = choices(value, &join(path, name));
            let both = |left: &Fields, right: &Fields| left.iter().chain(right).cloned().collect::<Fields>();
            before.iter().flat_map(|left| after.iter().map(|right| both(left, right))).collect()
        }),
        Json::Array(elements) => {
            let singles = elements.iter().filter(|element| !is_place(element));
            let singles: Fields = singles.map(|single| (path.to_owned(), single.clone())).collect();
            let mut all = vec![singles.clone()];
            for (index, element) in elements.iter().filter(|element| is_place(element)).enumerate() {
                for choice in choices(element, path) {
                    let mark = (mark(value), Json::from(index));
                    all.push(singles.iter().chain(&choice).chain([&mark]).cloned().collect());
                }
            }
            all
        }
        single => vec![vec![(path.to_owned(), single.clone())]],
    }
}

fn is_place(value: &Json) -> bool {
    value.is_object() || value.is_array()
}

/// A name for an array that is no path: the address of its value.
fn mark(array: &Json) -> String {
    format!("\u{0}{array:p}")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn branches(policy: &Json, path: &str) -> Vec<BTreeMap<String, Json>> {
    policy.as_object().unwrap().iter().fold(vec![BTreeMap::new()], |before, (name, rule)| {
        let added = match rule {
            Json::Array(objects) if name == "$or" => objects.iter().flat_map(|object| branches(object, path)).collect(),
            Json::Object(_) => branches(rule, &join(path, name)),
            values => vec![BTreeMap::from([(join(path, name), values.clone())])],
        };
        let both = |left: &BTreeMap<String, Json>, right: &BTreeMap<String, Json>| {
            left.iter().chain(right).map(|(path, patterns)| (path.clone(), patterns.clone())).collect()
        };
        before.iter().flat_map(|left| added.iter().map(move |right| both(left, right))).collect()
    })
}

fn any(patterns: &Json, value: &Json) -> bool {
    patterns.as_array().unwrap().iter().any(|pattern| accepts(pattern, value))
}

fn accepts(pattern: &Json, value: &Json) -> bool {
    let Some((operator, operand)) = pattern.as_object().and_then(|operators| operators.iter().next()) else {
        return pattern == value;
    };
    match operator.as_str() {
        "exists" => *operand == Json::Bool(true) && !value.is_null() && *value != "",
        "prefix" => value.as_str().is_some_and(|text| text.starts_with(operand.as_str().unwrap())),
        "anything-but" => !operand.as_array().unwrap().contains(value),
        "numeric" => value.as_f64().is_some_and(|number| number > 0.0 && number <= 2.0),
        other => unreachable!("{other}"),
    }
}
