//! AddPermission and RemovePermission, statements of the topic's policy, and the policy that
//! protects data, which an open door keeps and shows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::place::is_account;
use crate::protection::GRANTED_OF_TOPICS;
use crate::session::Call;
use crate::topics::topic_attributes::{DATA_PROTECTION, POLICY, check_promises};
use crate::wire::sns::{
    AddPermissionInput, GetDataProtectionPolicyInput, GetDataProtectionPolicyResponse, PutDataProtectionPolicyInput,
    RemovePermissionInput,
};

use super::{invalid, missing, topic, topic_arn};

const STATEMENT: &str = "Statement";

pub(super) async fn add(call: &Call) -> Result<Answer, ApiError> {
    let request: AddPermissionInput = call.read()?;
    let topic = topic(call, request.topic_arn.as_deref())?;
    let label = request.label.ok_or_else(|| missing("label"))?;
    if request.aws_account_id.is_empty() {
        return Err(missing("aWSAccountId"));
    }
    if request.action_name.is_empty() {
        return Err(missing("actionName"));
    }
    if let Some(account) = request.aws_account_id.iter().find(|account| !is_account(account)) {
        return Err(invalid(&format!("AWSAccountId Reason: {account} is no account")));
    }
    if request.action_name.iter().any(|action| !GRANTED_OF_TOPICS.contains(&action.as_str())) {
        return Err(invalid("Policy statement action out of service scope!"));
    }
    let accounts = request.aws_account_id.iter().map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = request.action_name.iter().map(|action| format!("SNS:{action}"));
    let statement = json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(accounts.collect())},
        "Action": one_or_many(actions.collect()),
        "Resource": topic.arn.text(),
    });
    change(call, request.topic_arn.as_deref(), |statements| {
        if statements.iter().any(|statement| has_label(statement, &label)) {
            return Err(invalid("Statement already exists"));
        }
        statements.push(statement.clone());
        Ok(())
    })
    .await
}

pub(super) async fn remove(call: &Call) -> Result<Answer, ApiError> {
    let request: RemovePermissionInput = call.read()?;
    let label = request.label.ok_or_else(|| missing("label"))?;
    change(call, request.topic_arn.as_deref(), |statements| {
        statements.retain(|statement| !has_label(statement, &label));
        Ok(())
    })
    .await
}

async fn change(
    call: &Call,
    arn: Option<&str>,
    change: impl Fn(&mut Vec<Value>) -> Result<(), ApiError>,
) -> Result<Answer, ApiError> {
    let topic = topic(call, arn)?;
    let default = topic.policy();
    call.door
        .alter_topic(&topic.arn, |config| {
            let said = config.attributes.get(POLICY).and_then(|text| serde_json::from_str(text).ok());
            let mut policy: Value = said.unwrap_or_else(|| default.clone());
            let statements = policy.get_mut(STATEMENT).and_then(Value::as_array_mut);
            change(statements.ok_or_else(|| invalid("Policy: has no list of statements"))?)?;
            config.attributes.insert(POLICY.to_owned(), policy.to_string());
            Ok(())
        })
        .await?;
    call.done()
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => Value::String(texts.remove(0)),
        _ => Value::from(texts),
    }
}

pub(super) fn data_protection(call: &Call) -> Result<Answer, ApiError> {
    let request: GetDataProtectionPolicyInput = call.read()?;
    let topic = call.door.topic(&topic_arn(call, request.resource_arn.as_deref(), "ResourceArn")?)?;
    let data_protection_policy = Some(topic.attribute(DATA_PROTECTION).unwrap_or_default().to_owned());
    call.answer(&GetDataProtectionPolicyResponse { data_protection_policy })
}

pub(super) async fn put_data_protection(call: &Call) -> Result<Answer, ApiError> {
    let request: PutDataProtectionPolicyInput = call.read()?;
    let arn = topic_arn(call, request.resource_arn.as_deref(), "ResourceArn")?;
    let policy = request.data_protection_policy.unwrap_or_default();
    check_json(&policy)?;
    let promise = BTreeMap::from([(DATA_PROTECTION.to_owned(), policy.clone())]);
    check_promises(&call.door.settings, &promise)?;
    call.door
        .alter_topic(&arn, |config| {
            config.attributes.insert(DATA_PROTECTION.to_owned(), policy.clone());
            Ok(())
        })
        .await?;
    call.done()
}

/// Checks that a policy is JSON, and not longer than AWS takes it.
pub(super) fn check_json(policy: &str) -> Result<(), ApiError> {
    const BYTES_MAX: usize = 30_720;
    let is_object = serde_json::from_str::<Value>(policy).is_ok_and(|value| value.is_object());
    if is_object && policy.len() <= BYTES_MAX { Ok(()) } else { Err(invalid("DataProtectionPolicy")) }
}
