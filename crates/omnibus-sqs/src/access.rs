//! Whether the policy of a queue or a topic lets somebody do something with it.
//!
//! Pure: a policy is JSON, a question is four facts. What a statement says that is not understood
//! here grants nothing and forbids everything, so a policy never gives away more than it says.

use serde_json::{Map, Value};

use crate::place::is_account;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// What kind of caller it is, as policies call it, and the names it goes by.
    pub(crate) caller: (&'a str, &'a [String]),
    /// The service's name, and what is to be done: `sqs`, `SendMessage`.
    pub(crate) action: (&'static str, &'a str),
    /// The ARN of the queue or topic.
    pub(crate) resource: &'a str,
    /// What else is known, by the names of condition keys.
    pub(crate) context: &'a [(&'a str, String)],
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement forbids it, whatever the others say.
    Denied,
    Allowed,
    /// No statement is about it.
    Silent,
}

/// The keys that conditions can ask for, in lower case.
const KEYS: [&str; 8] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "sns:endpoint",
    "sns:protocol",
];

/// A part of a statement that is not understood, for whoever wrote it.
type Unknown = String;

/// Checks that every statement of a policy is understood.
pub(crate) fn check(policy: &str) -> Result<(), Unknown> {
    let question = Question { caller: ("AWS", &[]), action: ("", ""), resource: "", context: &[] };
    statements(policy)?.iter().try_for_each(|statement| applies(statement, question).map(drop))
}

/// Answers a question.
pub(crate) fn verdict(policy: &str, question: Question<'_>) -> Verdict {
    let Ok(statements) = statements(policy) else { return Verdict::Denied };
    let allows = |statement: &Value| statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    let denied = |statement: &Value| !allows(statement) && applies(statement, question).unwrap_or(true);
    if statements.iter().any(denied) {
        return Verdict::Denied;
    }
    let allowed = |statement: &Value| allows(statement) && applies(statement, question).unwrap_or(false);
    if statements.iter().any(allowed) { Verdict::Allowed } else { Verdict::Silent }
}

fn statements(policy: &str) -> Result<Vec<Value>, Unknown> {
    let policy: Map<String, Value> = serde_json::from_str(policy).map_err(|_| "it is not a JSON object".to_owned())?;
    match policy.get("Statement") {
        Some(Value::Array(statements)) => Ok(statements.clone()),
        Some(statement @ Value::Object(_)) => Ok(vec![statement.clone()]),
        _ => Err("it has no Statement".to_owned()),
    }
}

/// Whether a statement is about what is asked. All of it is read, so that nothing unknown in it
/// goes unnoticed.
fn applies(statement: &Value, question: Question<'_>) -> Result<bool, Unknown> {
    let statement = statement.as_object().ok_or("a Statement is no object")?;
    let mut all = true;
    for (name, value) in statement {
        all &= match name.as_str() {
            "Sid" => true,
            "Effect" => matches!(value.as_str(), Some("Allow" | "Deny")) || unknown("Effect", value)?,
            "Principal" => is_principal(value, question)?,
            "Action" | "NotAction" => is_action(value, question)? == (name == "Action"),
            "Resource" | "NotResource" => {
                let is_it = texts(value)?.iter().any(|pattern| glob(pattern, question.resource));
                is_it == (name == "Resource")
            }
            "Condition" => meets(value, question)?,
            _ => return Err(format!("{name} is not understood")),
        };
    }
    // A statement without a Resource is about what has it.
    let has = |name: &str| statement.contains_key(name);
    if !(has("Effect") && has("Principal") && (has("Action") || has("NotAction"))) {
        return Err("a Statement has an Effect, a Principal and an Action".to_owned());
    }
    Ok(all)
}

fn unknown<T>(what: &str, value: &Value) -> Result<T, Unknown> {
    Err(format!("{what} {value} is not understood"))
}

fn texts(value: &Value) -> Result<Vec<&str>, Unknown> {
    let texts = match value {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Bool(true) => Some(vec!["true"]),
        Value::Bool(false) => Some(vec!["false"]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        Value::Null | Value::Number(_) | Value::Object(_) => None,
    };
    texts.map_or_else(|| unknown("the value", value), Ok)
}

fn is_principal(value: &Value, question: Question<'_>) -> Result<bool, Unknown> {
    if value.as_str() == Some("*") {
        return Ok(true);
    }
    let Some(kinds) = value.as_object() else { return unknown("the Principal", value) };
    let mut any = false;
    for (kind, value) in kinds {
        for name in texts(value)? {
            let is_known = match kind.as_str() {
                "AWS" => name == "*" || account_of(name).is_some(),
                "Service" => true,
                _ => false,
            };
            if !is_known {
                return Err(format!("the Principal {kind} {name:?} is not understood; here they are accounts"));
            }
            let (asks, names) = question.caller;
            let is_it = |own: &String| own == name || account_of(name) == Some(own.as_str());
            any |= kind == asks && (name == "*" || names.iter().any(is_it));
        }
    }
    Ok(any)
}

/// The account that a principal is: by its number, or by the ARN of its root.
fn account_of(principal: &str) -> Option<&str> {
    let of_root = || match principal.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "iam", "", account, "root"] => Some(account),
        _ => None,
    };
    Some(principal).filter(|text| is_account(text)).or_else(of_root).filter(|account| is_account(account))
}

fn is_action(value: &Value, question: Question<'_>) -> Result<bool, Unknown> {
    let (service, asked) = question.action;
    let asked = asked.to_ascii_lowercase();
    let is_it = |pattern: &&str| {
        let pattern = pattern.to_ascii_lowercase();
        let of_service = pattern.strip_prefix(service).and_then(|rest| rest.strip_prefix(':'));
        pattern == "*" || of_service.is_some_and(|action| glob(action, &asked))
    };
    Ok(texts(value)?.iter().any(is_it))
}

fn meets(conditions: &Value, question: Question<'_>) -> Result<bool, Unknown> {
    let Some(conditions) = conditions.as_object() else { return unknown("the Condition", conditions) };
    let mut all = true;
    for (operator, keys) in conditions {
        let Some(keys) = keys.as_object() else { return unknown("the Condition", keys) };
        for (key, values) in keys {
            let key = key.to_ascii_lowercase();
            if !KEYS.contains(&key.as_str()) {
                return Err(format!("the condition key {key} is not understood"));
            }
            let known = question.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key));
            all &= holds(operator, known.map(|(_, value)| value.as_str()), &texts(values)?)?;
        }
    }
    Ok(all)
}

/// Whether a condition holds for a fact that may not be known.
fn holds(operator: &str, fact: Option<&str>, wanted: &[&str]) -> Result<bool, Unknown> {
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    if operator == "Null" {
        return Ok(wanted.contains(&if fact.is_none() { "true" } else { "false" }));
    }
    let (is_negated, compare): (bool, fn(&str, &str) -> bool) = match operator {
        "StringEquals" => (false, |wanted, fact| wanted == fact),
        "StringNotEquals" => (true, |wanted, fact| wanted == fact),
        "StringEqualsIgnoreCase" | "Bool" => (false, str::eq_ignore_ascii_case),
        "StringNotEqualsIgnoreCase" => (true, str::eq_ignore_ascii_case),
        "StringLike" => (false, glob),
        "StringNotLike" => (true, glob),
        "ArnEquals" | "ArnLike" => (false, arn_like),
        "ArnNotEquals" | "ArnNotLike" => (true, arn_like),
        _ => return Err(format!("the condition operator {operator} is not understood")),
    };
    let Some(fact) = fact else { return Ok(is_negated || if_exists) };
    Ok(wanted.iter().any(|wanted| compare(wanted, fact)) != is_negated)
}

/// Compares ARNs part by part: a star does not reach over a colon before the sixth part.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == arn.len() && pattern.iter().zip(arn).all(|(pattern, part)| glob(pattern, part))
}

/// Whether a text is like a pattern, in which a star is any text and a question mark any letter.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[from] => {
                at += 1;
                from += 1;
            }
            // The last star takes one letter more.
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests;
