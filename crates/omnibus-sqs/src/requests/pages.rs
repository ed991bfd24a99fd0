//! What is no action of SQS, and asked for by those who expect AWS or an emulator of it.

use serde_json::json;

use crate::answer::Answer;
use crate::session::Arrived;
use crate::sigv4::Signer;
use crate::wire::shape::{Member, Shape};
use crate::wire::xml;

const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

const IDENTITY: &[Member] = &[
    Member { name: "Arn", shape: Shape::Text },
    Member { name: "UserId", shape: Shape::Text },
    Member { name: "Account", shape: Shape::Text },
];

/// The page at an address that tells how the broker is.
pub(crate) fn of(arrived: &Arrived, request_id: &str) -> Option<Answer> {
    if arrived.method != "GET" {
        return None;
    }
    let version = env!("CARGO_PKG_VERSION");
    match arrived.path.as_str() {
        "/health" => Some(Answer::page(request_id, &json!({"status": "ok", "version": version}))),
        "/_localstack/health" => {
            let services = json!({"sqs": "running", "sns": "running", "sts": "running"});
            Some(Answer::page(request_id, &json!({"services": services, "edition": "omnibus", "version": version})))
        }
        _ => None,
    }
}

/// STS GetCallerIdentity: who the caller is taken for.
pub(crate) fn caller_identity(signer: &Signer, request_id: &str) -> Answer {
    let account = &signer.account;
    let identity = json!({
        "Arn": signer.arn(),
        "UserId": signer.access_key.as_deref().unwrap_or(account),
        "Account": account,
    });
    Answer::xml(request_id, xml::answer("GetCallerIdentity", STS, request_id, Some((&identity, IDENTITY))))
}
