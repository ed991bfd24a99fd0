//! What changing the configs of a resource has in common, whether all at once or one by one.

use omnibus_engine::SubmitError;
use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::topic::{EffectiveConfig, SharedTopic, TopicConfig};
use omnibus_model::{GroupName, Refusal, TopicName};

use super::Context;
use super::failure::Failure;
use super::mode::Mode;
use super::resource;
use crate::configs::topic::Change;
use crate::configs::{self, ConfigError};
use crate::wire::ErrorCode;

/// How often a change is worked out anew because somebody else was faster.
const ATTEMPTS_MAX: usize = 5;

/// What is to be done to which configs.
pub(super) type Changes<'a> = Vec<(&'a str, Change<'a>)>;

/// What a change begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// What is set: only the configs that are named change.
    Present,
    /// Nothing: what is not named goes back to its default.
    Nothing,
}

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

/// Changes what is set for brokers, even if others change it too.
pub(super) async fn change_brokers(
    context: &Context,
    scope: ConfigScope,
    (base, changes): (Base, &Changes<'_>),
    mode: Mode,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS_MAX {
        let before = context.engine.configs().brokers(scope);
        let counts = inherited(context, scope);
        let mut after = match base {
            Base::Present => before.clone(),
            Base::Nothing => BrokerConfig::default(),
        };
        for (name, change) in changes {
            configs::broker::change(&mut after, name, *change, &counts).map_err(invalid_broker_config)?;
        }
        configs::topic::check(&after.topics, &counts)?;
        if mode == Mode::Check || before == after {
            return Ok(());
        }
        match context.engine.alter_brokers(scope, ConfigChange { before, after }).await {
            Err(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)) => {}
            altered => return altered.map_err(Failure::from),
        }
    }
    Err(Failure::from(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)))
}

/// What counts for topics where a scope says nothing of its own.
fn inherited(context: &Context, scope: ConfigScope) -> EffectiveConfig {
    let inherited = context.engine.configs().inherited();
    match scope {
        ConfigScope::Cluster => inherited.cluster.effective(&inherited.started),
        ConfigScope::Node(_) => inherited.effective(),
    }
}

/// Unlike for a topic, a broker config's wrong value is an invalid request.
fn invalid_broker_config(error: ConfigError) -> Failure {
    match error {
        ConfigError::ValueInvalid { .. } => Failure::new(ErrorCode::InvalidRequest, error.to_string()),
        error => Failure::from(error),
    }
}

/// Changes what is set for a consumer group, even if others change it too.
pub(super) async fn change_group(
    context: &Context,
    group: GroupName,
    (base, changes): (Base, &Changes<'_>),
    mode: Mode,
) -> Result<(), Failure> {
    let facts = resource::group_facts(context);
    for _ in 0..ATTEMPTS_MAX {
        let before = context.engine.configs().group(&group);
        let mut after = match base {
            Base::Present => before,
            Base::Nothing => GroupConfig::default(),
        };
        for (name, change) in changes {
            configs::group::change(&mut after, name, *change)?;
        }
        configs::group::check(&after, &facts)?;
        if mode == Mode::Check || before == after {
            return Ok(());
        }
        match context.engine.alter_group(group.clone(), ConfigChange { before, after }).await {
            Err(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)) => {}
            altered => return altered.map_err(Failure::from),
        }
    }
    Err(Failure::from(SubmitError::Refused(Refusal::SettingsChangedMeanwhile)))
}
