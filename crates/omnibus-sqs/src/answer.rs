//! An answer on its way out.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::errors::ApiError;
use crate::wire::messages::NAMESPACE;
use crate::wire::shape::Structure;
use crate::wire::{sns, wrapped, xml};

const JSON: &str = "application/x-amz-json-1.0";
const XML: &str = "text/xml";
const PLAIN_JSON: &str = "application/json";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Xml,
    /// A Query client that would rather have JSON.
    WrappedJson,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Sqs,
    Sns,
}

impl Service {
    const fn namespace(self) -> &'static str {
        match self {
            Self::Sqs => NAMESPACE,
            Self::Sns => sns::NAMESPACE,
        }
    }

    /// What an error's XML has besides.
    const fn detail(self) -> &'static str {
        match self {
            Self::Sqs => "<Detail/>",
            Self::Sns => "",
        }
    }
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) request_id: String,
    /// The code by which older clients know the error.
    pub(crate) query_error: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Writes what an action answers.
    pub(crate) fn of<T: Serialize + Structure>(
        form: Form,
        (service, action): (Service, &str),
        request_id: &str,
        value: Option<&T>,
    ) -> Result<Self, ApiError> {
        let failed = |error: serde_json::Error| ApiError::InternalFailure(error.to_string());
        let (content_type, body) = match form {
            Form::Json => (JSON, value.map(serde_json::to_vec).transpose().map_err(failed)?.unwrap_or_default()),
            Form::Xml => {
                let value = value.map(serde_json::to_value).transpose().map_err(failed)?;
                let result = value.as_ref().map(|value| (value, T::MEMBERS));
                (XML, xml::answer(action, service.namespace(), request_id, result).into_bytes())
            }
            Form::WrappedJson => {
                let mut inner = json!({"ResponseMetadata": {"RequestId": request_id}});
                if let Some(value) = value {
                    let value = serde_json::to_value(value).map_err(failed)?;
                    inner[format!("{action}Result")] = wrapped::structure(&value, T::MEMBERS);
                }
                (PLAIN_JSON, json!({format!("{action}Response"): inner}).to_string().into_bytes())
            }
        };
        Ok(Self::ok(content_type, request_id, body))
    }

    pub(crate) fn ok(content_type: &'static str, request_id: &str, body: Vec<u8>) -> Self {
        Self { status: 200, content_type, request_id: request_id.to_owned(), query_error: None, body: body.into() }
    }

    /// JSON that is no answer of an action.
    pub(crate) fn page(request_id: &str, value: &serde_json::Value) -> Self {
        Self::ok(PLAIN_JSON, request_id, value.to_string().into_bytes())
    }

    /// XML that is no answer of SQS.
    pub(crate) fn xml(request_id: &str, body: String) -> Self {
        Self::ok(XML, request_id, body.into_bytes())
    }

    /// Writes an error.
    pub(crate) fn error(form: Form, service: Service, request_id: &str, error: &ApiError) -> Self {
        let kind = error.kind();
        let (content_type, body) = match form {
            Form::Json => (JSON, json!({"__type": kind.shape(), "message": error.to_string()}).to_string()),
            Form::Xml if *error == ApiError::UnknownOperation => (XML, "<UnknownOperationException/>\n".to_owned()),
            Form::Xml => {
                let message = error.query_message();
                let (code, detail) = (kind.code(), service.detail());
                (XML, xml::error(service.namespace(), request_id, (error.fault(), &code, &message), detail))
            }
            Form::WrappedJson => {
                let error = json!({"Type": error.fault(), "Code": kind.code(), "Message": error.query_message()});
                (PLAIN_JSON, json!({"Error": error, "RequestId": request_id}).to_string())
            }
        };
        let query_error = (form == Form::Json).then(|| format!("{};{}", kind.code(), error.fault()));
        Self {
            status: kind.status,
            content_type,
            request_id: request_id.to_owned(),
            query_error,
            body: body.into_bytes().into(),
        }
    }
}
