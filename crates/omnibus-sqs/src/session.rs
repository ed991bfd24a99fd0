//! One request: what arrived, who asks, and how its body is read and its answer written.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Form, Service};
use crate::door::Door;
use crate::errors::ApiError;
use crate::handles::Handle;
use crate::names::QueueName;
use crate::place::region_of_host;
use crate::protection;
use crate::queues::Queue;
use crate::sigv4::{Signed, Signer};
use crate::wire::shape::Structure;
use crate::wire::{query, read_json};

/// A request as HTTP brought it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) path: String,
    /// What follows the question mark, as it was written.
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn signed(&self) -> Signed<'_> {
        Signed { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers, body: &self.body }
    }
}

/// How a request was written.
#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    Json,
    Query { parameters: Vec<(String, String)> },
}

/// A request whose action is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) door: Arc<Door>,
    /// What is asked for, and of which service.
    pub(crate) action: &'static str,
    pub(crate) service: Service,
    pub(crate) arrived: Arrived,
    pub(crate) protocol: Protocol,
    pub(crate) form: Form,
    pub(crate) signer: Signer,
    pub(crate) request_id: String,
}

impl Call {
    /// Reads the request.
    pub(crate) fn read<T: DeserializeOwned + Structure + Default>(&self) -> Result<T, ApiError> {
        match &self.protocol {
            Protocol::Json => Ok(read_json(&self.arrived.body)?),
            Protocol::Query { parameters } => {
                let mut parameters = parameters.clone();
                // Older clients post to the queue itself.
                if self.arrived.path.len() > 1 && !parameters.iter().any(|(name, _)| name == "QueueUrl") {
                    parameters.push(("QueueUrl".to_owned(), self.arrived.path.clone()));
                }
                let value = query::read(parameters, T::MEMBERS)?;
                serde_json::from_value(value).map_err(|error| ApiError::Serialization(error.to_string()))
            }
        }
    }

    /// Writes the answer.
    pub(crate) fn answer<T: Serialize + Structure>(&self, value: &T) -> Result<Answer, ApiError> {
        Answer::of(self.form, (self.service, self.action), &self.request_id, Some(value))
    }

    /// Writes the answer of an action that has none.
    pub(crate) fn done(&self) -> Result<Answer, ApiError> {
        Answer::of::<Nothing>(self.form, (self.service, self.action), &self.request_id, None)
    }

    /// The region that queues without one are in.
    pub(crate) fn region(&self) -> &str {
        let of_host = || region_of_host(self.arrived.header("host").unwrap_or_default());
        self.signer.region.as_deref().or_else(of_host).unwrap_or(&self.door.settings.region)
    }

    /// The queue that a URL names.
    pub(crate) fn queue_name(&self, url: Option<&str>) -> Result<QueueName, ApiError> {
        let url = url.filter(|url| !url.is_empty()).ok_or(ApiError::MissingParameter("QueueUrl"))?;
        QueueName::of_url(url, &self.signer.account, self.region())
    }

    /// Finds the queue that a URL names, for somebody who may do there what is asked for.
    pub(crate) async fn queue(&self, url: Option<&str>) -> Result<Queue, ApiError> {
        self.permitted(self.door.look_up(&self.queue_name(url)?).await?)
    }

    /// Checks that whoever asks may do with a queue what is asked for.
    pub(crate) fn permitted(&self, queue: Queue) -> Result<Queue, ApiError> {
        protection::authorize(&self.door.settings, self.caller(), self.action, &queue)?;
        Ok(queue)
    }

    /// Who asks, and whether by TLS.
    pub(crate) fn caller(&self) -> (&Signer, bool) {
        (&self.signer, self.scheme() == "https")
    }

    /// Reads a receipt handle of a queue.
    pub(crate) fn handle_of(&self, queue: &Queue, text: &str) -> Result<Handle, ApiError> {
        let handle = self.door.seal.read(text).filter(|handle| queue.has_stream(handle.stream));
        let invalid = || ApiError::ReceiptHandleIsInvalid { handle: text.to_owned() };
        handle.ok_or_else(invalid)
    }

    /// How the client came, as far as whoever ends TLS before us says it.
    fn scheme(&self) -> &'static str {
        match self.arrived.header("x-forwarded-proto") {
            Some("https") => "https",
            _ => "http",
        }
    }

    /// The URL of a service in a region, as the client sees it, without a slash at its end.
    pub(crate) fn base_url(&self, service: &str, region: &str) -> String {
        match &self.door.settings.domain {
            Some(domain) => format!("{}://{service}.{region}.{domain}", self.scheme()),
            None => format!("{}://{}", self.scheme(), self.arrived.header("host").unwrap_or("localhost")),
        }
    }

    /// The URL by which the client can come back to a queue.
    pub(crate) fn url(&self, queue: &QueueName) -> String {
        let QueueName { account, region, name } = queue;
        let scheme = self.scheme();
        if let Some(domain) = &self.door.settings.domain {
            return format!("{scheme}://sqs.{region}.{domain}/{account}/{name}");
        }
        let host = self.arrived.header("host").unwrap_or("localhost");
        let at_home = region_of_host(host).unwrap_or(&self.door.settings.region);
        if region == at_home {
            return format!("{scheme}://{host}/{account}/{name}");
        }
        format!("{scheme}://{host}/queue/{region}/{account}/{name}")
    }
}

/// What an action without an answer answers.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing;

impl Structure for Nothing {
    const MEMBERS: &'static [crate::wire::shape::Member] = &[];
}
