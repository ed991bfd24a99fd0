use serde_json::json;

use super::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:jobs";

fn ask(policy: &Value, account: &str, action: &str) -> Verdict {
    let names = [account.to_owned()];
    let context = [("aws:PrincipalAccount", account.to_owned()), ("aws:SecureTransport", "false".to_owned())];
    let question = Question { caller: ("AWS", &names), action: ("sqs", action), resource: QUEUE, context: &context };
    verdict(&policy.to_string(), question)
}

fn policy(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn allow(principal: &Value, action: &Value) -> Value {
    policy(&json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": QUEUE}))
}

#[test]
fn account_is_named_by_number_by_arn_or_by_a_star() {
    for principal in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": "222222222222"}),
        json!({"AWS": ["333333333333", "arn:aws:iam::222222222222:root"]}),
    ] {
        assert_eq!(ask(&allow(&principal, &json!("sqs:*")), "222222222222", "SendMessage"), Verdict::Allowed);
    }
    for principal in [json!({"AWS": "333333333333"}), json!({"Service": "sns.amazonaws.com"})] {
        assert_eq!(ask(&allow(&principal, &json!("sqs:*")), "222222222222", "SendMessage"), Verdict::Silent);
    }
}

#[test]
fn action_may_be_a_pattern_and_letters_case_is_nothing() {
    let anybody = json!("*");
    for (action, verdict) in [
        (json!("SQS:SendMessage"), Verdict::Allowed),
        (json!(["sqs:ReceiveMessage", "sqs:send*"]), Verdict::Allowed),
        (json!("*"), Verdict::Allowed),
        (json!("sns:SendMessage"), Verdict::Silent),
        (json!("sqs:SendMessages"), Verdict::Silent),
    ] {
        assert_eq!(ask(&allow(&anybody, &action), "222222222222", "SendMessage"), verdict, "{action}");
    }
    let not = policy(&json!({"Effect": "Allow", "Principal": "*", "NotAction": "sqs:Purge*"}));
    assert_eq!(ask(&not, "222222222222", "SendMessage"), Verdict::Allowed);
    assert_eq!(ask(&not, "222222222222", "PurgeQueue"), Verdict::Silent);
}

#[test]
fn who_is_denied_stays_so() {
    let both = json!({"Statement": [
        {"Effect": "Deny", "Principal": {"AWS": "222222222222"}, "Action": "sqs:SendMessage", "Resource": "*"},
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"},
    ]});
    assert_eq!(ask(&both, "222222222222", "SendMessage"), Verdict::Denied);
    assert_eq!(ask(&both, "333333333333", "SendMessage"), Verdict::Allowed);
    let elsewhere = policy(
        &json!({"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:111111111111:other"}),
    );
    assert_eq!(ask(&elsewhere, "222222222222", "SendMessage"), Verdict::Silent);
}

#[test]
fn topic_sends_where_the_condition_names_it() {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111111111111:news*"}},
    });
    let names = ["sns.amazonaws.com".to_owned()];
    let from = |topic: &str| {
        let context = [("aws:SourceArn", format!("arn:aws:sns:us-east-1:111111111111:{topic}"))];
        let question = Question {
            caller: ("Service", &names),
            action: ("sqs", "SendMessage"),
            resource: QUEUE,
            context: &context,
        };
        verdict(&policy(&statement).to_string(), question)
    };
    assert_eq!(from("news-1"), Verdict::Allowed);
    assert_eq!(from("other"), Verdict::Silent);
}

#[test]
fn condition_of_an_unknown_fact_holds_only_where_it_forbids_or_may_be_absent() {
    for (operator, fact, holds) in [
        ("StringEquals", Some("a"), true),
        ("StringEquals", Some("b"), false),
        ("StringEquals", None, false),
        ("StringEqualsIfExists", None, true),
        ("StringNotEquals", Some("a"), false),
        ("StringNotEquals", None, true),
        ("Bool", Some("A"), true),
        ("StringLike", Some("a"), true),
        ("StringNotLike", Some("ab"), true),
    ] {
        assert_eq!(super::holds(operator, fact, &["a"]), Ok(holds), "{operator} {fact:?}");
    }
    assert_eq!(super::holds("Null", None, &["true"]), Ok(true));
    assert_eq!(super::holds("Null", Some("a"), &["true"]), Ok(false));
    assert!(super::holds("NumericEquals", Some("1"), &["1"]).is_err());
}

#[test]
fn what_is_not_understood_grants_nothing_and_forbids_all() {
    for part in [
        json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
        json!({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
        json!({"NotPrincipal": "*"}),
        json!({"Principal": {"AWS": "arn:aws:iam::222222222222:user/eve"}}),
        json!({"Principal": {"Federated": "x"}}),
    ] {
        for (effect, expected) in [("Allow", Verdict::Silent), ("Deny", Verdict::Denied)] {
            let mut statement = json!({"Effect": effect, "Principal": "*", "Action": "sqs:*", "Resource": "*"});
            let part = part.as_object().unwrap().clone();
            statement.as_object_mut().unwrap().extend(part);
            let policy = policy(&statement);
            assert_eq!(ask(&policy, "222222222222", "SendMessage"), expected, "{policy}");
            assert!(check(&policy.to_string()).is_err(), "{policy}");
        }
    }
    for policy in ["", "[]", "{}", "{\"Statement\":1}", "{\"Statement\":[1]}", "{\"Statement\":[{}]}"] {
        assert!(check(policy).is_err(), "{policy}");
    }
    assert_eq!(check(&allow(&json!("*"), &json!("sqs:*")).to_string()), Ok(()));
}

#[test]
fn stars_and_question_marks_stand_for_letters() {
    for (pattern, text, like) in [
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c*e", "abcde", true),
        ("a*c", "abd", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("", "a", false),
        ("*a", "aaab", false),
        ("ä*", "äß", true),
    ] {
        assert_eq!(glob(pattern, text), like, "{pattern} {text}");
    }
    assert!(arn_like("arn:aws:sns:*:*:t", "arn:aws:sns:r:1:t"));
    assert!(!arn_like("arn:*:t", "arn:aws:sns:r:1:t"));
}
