//! Who else may use a queue: written into its policy.

use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::place::is_account;

const ACTIONS_MAX: usize = 7;
const LABEL_CHARACTERS_MAX: usize = 80;

/// One permission as AddPermission says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permission<'a> {
    pub(crate) label: &'a str,
    pub(crate) accounts: &'a [String],
    pub(crate) actions: &'a [String],
    pub(crate) queue_arn: &'a str,
}

/// Adds a permission to a policy; an empty text is no policy.
pub(crate) fn add(policy: &str, permission: Permission<'_>) -> Result<String, ApiError> {
    check(permission)?;
    let Permission { label, accounts, actions, queue_arn } = permission;
    let mut policy = read(policy).unwrap_or_else(
        || json!({"Version": "2008-10-17", "Id": format!("{queue_arn}/SQSDefaultPolicy"), "Statement": []}),
    );
    let statements = statements(&mut policy)?;
    if statements.iter().any(|statement| has_label(statement, label)) {
        return Err(invalid_label(label, "Already exists."));
    }
    let accounts: Vec<String> = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
    let actions: Vec<String> = actions.iter().map(|action| format!("SQS:{action}")).collect();
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(accounts)},
        "Action": one_or_many(actions),
        "Resource": queue_arn,
    }));
    Ok(policy.to_string())
}

/// Takes a permission out of a policy; returns an empty text if none is left.
pub(crate) fn remove(policy: &str, label: &str) -> Result<String, ApiError> {
    let missing = || invalid_label(label, "can't find label.");
    let mut policy = read(policy).ok_or_else(missing)?;
    let statements = statements(&mut policy)?;
    let before = statements.len();
    statements.retain(|statement| !has_label(statement, label));
    match statements.len() {
        0 if before > 0 => Ok(String::new()),
        after if after < before => Ok(policy.to_string()),
        _ => Err(missing()),
    }
}

fn check(permission: Permission<'_>) -> Result<(), ApiError> {
    let Permission { label, accounts, actions, .. } = permission;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if label.is_empty() || label.len() > LABEL_CHARACTERS_MAX || !label.bytes().all(allowed) {
        return Err(invalid_label(
            label,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
        ));
    }
    if accounts.is_empty() {
        return Err(ApiError::MissingParameter("AWSAccountIds"));
    }
    if actions.is_empty() {
        return Err(ApiError::MissingParameter("Actions"));
    }
    let invalid = |value: &str, name: &str, reason: &str| {
        ApiError::InvalidParameterValue(format!("Value {value} for parameter {name} is invalid. Reason: {reason}"))
    };
    if actions.len() > ACTIONS_MAX {
        return Err(invalid(&actions.join(","), "ActionName", "At most 7 actions are allowed."));
    }
    if let Some(account) = accounts.iter().find(|account| !is_account(account)) {
        return Err(invalid(account, "PrincipalId", "Unable to verify."));
    }
    let known = |action: &str| action == "*" || GRANTED.contains(&action);
    match actions.iter().find(|action| !known(action)) {
        Some(action) => {
            Err(invalid(action, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions."))
        }
        None => Ok(()),
    }
}

/// What can be granted to others.
pub(crate) const GRANTED: [&str; 7] = [
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ReceiveMessage",
    "SendMessage",
    "PurgeQueue",
];

fn invalid_label(label: &str, reason: &str) -> ApiError {
    ApiError::InvalidParameterValue(format!("Value {label} for parameter Label is invalid. Reason: {reason}"))
}

fn one_or_many(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => Value::String(values.remove(0)),
        _ => Value::from(values),
    }
}

fn read(policy: &str) -> Option<Value> {
    serde_json::from_str::<Map<String, Value>>(policy).ok().map(Value::Object)
}

fn statements(policy: &mut Value) -> Result<&mut Vec<Value>, ApiError> {
    policy
        .get_mut("Statement")
        .and_then(Value::as_array_mut)
        .ok_or_else(|| ApiError::InvalidAttributeValue("Invalid value for the parameter Policy.".to_owned()))
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(label: &str) -> Permission<'_> {
        static ACCOUNTS: std::sync::LazyLock<Vec<String>> =
            std::sync::LazyLock::new(|| vec!["111111111111".to_owned()]);
        static ACTIONS: std::sync::LazyLock<Vec<String>> =
            std::sync::LazyLock::new(|| vec!["ReceiveMessage".to_owned()]);
        Permission { label, accounts: &ACCOUNTS, actions: &ACTIONS, queue_arn: "arn:aws:sqs:r:000000000000:q" }
    }

    #[test]
    fn permissions_come_and_go_by_label() {
        let one = add("", permission("one")).unwrap();
        let statement: Value = serde_json::from_str(&one).unwrap();
        assert_eq!(statement["Id"], "arn:aws:sqs:r:000000000000:q/SQSDefaultPolicy");
        assert_eq!(statement["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111111111111:root");
        assert_eq!(statement["Statement"][0]["Action"], "SQS:ReceiveMessage");
        let two = add(&one, permission("two")).unwrap();
        assert_eq!(add(&two, permission("one")), Err(invalid_label("one", "Already exists.")));
        let one_left = remove(&two, "one").unwrap();
        assert_eq!(remove(&one_left, "one"), Err(invalid_label("one", "can't find label.")));
        assert_eq!(remove(&one_left, "two").unwrap(), "");
    }
}
