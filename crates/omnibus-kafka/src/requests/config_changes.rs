//! What changing the configs of a resource has in common, whether all at once or one by one.

use omnibus_engine::SubmitError;
use omnibus_model::topic::{ConfigChange, SharedTopic, TopicConfig};
use omnibus_model::{Refusal, TopicName};

use super::Context;
use super::failure::Failure;
use super::mode::Mode;
use super::resource::{self, Resource};
use crate::configs::{self, ConfigError};
use crate::wire::ErrorCode;

/// How often a change is worked out anew because somebody else was faster.
const ATTEMPTS_MAX: usize = 5;

/// Changes the configuration of a topic as `rewrite` says, even if others change it too.
pub(super) async fn rewrite_topic(
    context: &Context,
    topic: SharedTopic,
    mode: Mode,
    rewrite: impl Fn(&TopicConfig) -> Result<TopicConfig, ConfigError>,
) -> Result<(), Failure> {
    if topic.queue.is_some() {
        let message = format!("{} is a queue, which has none of a topic's configs", topic.name);
        return Err(Failure::new(ErrorCode::PolicyViolation, message));
    }
    let mut topic = topic;
    for _ in 0..ATTEMPTS_MAX {
        let change = ConfigChange { before: topic.config.clone(), after: rewrite(&topic.config)? };
        if mode == Mode::Check || change.before == change.after {
            return Ok(());
        }
        match context.engine.alter_topic(topic.name.clone(), change).await {
            Err(SubmitError::Refused(Refusal::ConfigChangedMeanwhile { .. })) => {
                topic = present(context, &topic.name)?;
            }
            altered => return altered.map(|_| ()).map_err(Failure::from),
        }
    }
    Err(Failure::from(SubmitError::Refused(Refusal::ConfigChangedMeanwhile { topic: topic.name.clone() })))
}

fn present(context: &Context, topic: &TopicName) -> Result<SharedTopic, Failure> {
    context.engine.topic(topic).map_err(|refusal| Failure::from(SubmitError::Refused(refusal)))
}

/// Checks a change of what is no topic: it may only say what is so already. `None` as a value
/// goes back to the default.
pub(super) fn check_unchanged<'a>(
    context: &Context,
    resource: &Resource,
    wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<(), Failure> {
    let facts = resource::group_facts(context);
    for (name, value) in wanted {
        match (resource, value) {
            (Resource::Topic(_), _) | (_, None) => {}
            (Resource::Group, Some(value)) => configs::group::check(&facts, name, value)?,
            (Resource::Broker | Resource::Cluster, Some(_)) => {
                let message = format!("{name} is decided when the broker starts");
                return Err(Failure::new(ErrorCode::InvalidRequest, message));
            }
        }
    }
    Ok(())
}
