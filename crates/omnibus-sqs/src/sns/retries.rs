//! The delivery policy of a subscription by HTTP: when it is told again, how fast, and as what.

use std::time::Duration;

use omnibus_engine::push::PushPlan;
use omnibus_engine::push::schedule::{Growth, RetrySchedule};
use serde::{Deserialize, Serialize};

const RETRIES_MAX: u32 = 100;
const DELAY_SECONDS_MAX: u64 = 3_600;
const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// A delivery policy, checked. What it does not name is AWS's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DeliveryPolicy {
    healthy_retry_policy: Retries,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttle_policy: Option<Throttle>,
    request_policy: RequestPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Retries {
    min_delay_target: u64,
    max_delay_target: u64,
    num_retries: u32,
    num_max_delay_retries: u32,
    num_no_delay_retries: u32,
    num_min_delay_retries: u32,
    backoff_function: Backoff,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backoff {
    #[default]
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Throttle {
    max_receives_per_second: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RequestPolicy {
    header_content_type: String,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self { header_content_type: "text/plain; charset=UTF-8".to_owned() }
    }
}

impl DeliveryPolicy {
    /// Reads a policy, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        policy.healthy_retry_policy.check()?;
        if policy.throttle_policy.as_ref().is_some_and(|throttle| throttle.max_receives_per_second == 0) {
            return Err("maxReceivesPerSecond must be at least 1".to_owned());
        }
        let content_type = &policy.request_policy.header_content_type;
        let is_sendable = content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        match is_sendable && (1..=CONTENT_TYPE_BYTES_MAX).contains(&content_type.len()) {
            true => Ok(policy),
            false => Err("headerContentType is no content type".to_owned()),
        }
    }

    /// The content type of what is posted.
    pub(crate) fn content_type(&self) -> &str {
        &self.request_policy.header_content_type
    }

    /// How an endpoint is served.
    pub(crate) fn plan(&self) -> PushPlan {
        let rate_max = self.throttle_policy.as_ref().map(|throttle| throttle.max_receives_per_second);
        PushPlan { schedule: self.healthy_retry_policy.schedule(), rate_max, ..PushPlan::default() }
    }
}

impl Retries {
    fn in_phases(&self) -> Option<u32> {
        let phases = self.num_no_delay_retries.checked_add(self.num_min_delay_retries)?;
        phases.checked_add(self.num_max_delay_retries)
    }

    fn check(&self) -> Result<(), String> {
        let refused = |text: String| Err(text);
        if !(1..=DELAY_SECONDS_MAX).contains(&self.max_delay_target) {
            return refused(format!("maxDelayTarget must be between 1 and {DELAY_SECONDS_MAX}"));
        }
        if !(1..=self.max_delay_target).contains(&self.min_delay_target) {
            return refused("minDelayTarget must be between 1 and maxDelayTarget".to_owned());
        }
        if self.num_retries > RETRIES_MAX {
            return refused(format!("numRetries must be between 0 and {RETRIES_MAX}"));
        }
        match self.in_phases() {
            Some(in_phases) if in_phases <= self.num_retries => Ok(()),
            _ => refused("numRetries must be at least the retries of all phases together".to_owned()),
        }
    }

    fn schedule(&self) -> RetrySchedule {
        RetrySchedule {
            immediate: self.num_no_delay_retries,
            pre_backoff: self.num_min_delay_retries,
            backoff: self.num_retries.saturating_sub(self.in_phases().unwrap_or(u32::MAX)),
            post_backoff: self.num_max_delay_retries,
            delay_min: Duration::from_secs(self.min_delay_target),
            delay_max: Duration::from_secs(self.max_delay_target),
            growth: match self.backoff_function {
                Backoff::Linear => Growth::Linear,
                Backoff::Arithmetic => Growth::Arithmetic,
                Backoff::Geometric => Growth::Geometric,
                Backoff::Exponential => Growth::Exponential,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_default_of_aws() {
        let policy = DeliveryPolicy::parse("{}").unwrap();
        assert_eq!(policy, DeliveryPolicy::default());
        assert_eq!(policy.plan(), PushPlan::default());
        assert_eq!(policy.content_type(), "text/plain; charset=UTF-8");
    }

    #[test]
    fn policy_becomes_a_plan() {
        let text = r#"{
            "healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 60, "numRetries": 50, "numNoDelayRetries": 3,
                "numMinDelayRetries": 2, "numMaxDelayRetries": 35, "backoffFunction": "exponential"},
            "throttlePolicy": {"maxReceivesPerSecond": 10},
            "requestPolicy": {"headerContentType": "application/json"}
        }"#;
        let policy = DeliveryPolicy::parse(text).unwrap();
        let plan = policy.plan();
        assert_eq!(plan.rate_max, Some(10));
        let schedule = RetrySchedule {
            immediate: 3,
            pre_backoff: 2,
            backoff: 10,
            post_backoff: 35,
            delay_min: Duration::from_secs(1),
            delay_max: Duration::from_secs(60),
            growth: Growth::Exponential,
        };
        assert_eq!((plan.schedule, policy.content_type()), (schedule, "application/json"));
    }

    #[test]
    fn what_would_not_be_done_is_refused() {
        for text in [
            "",
            "[1]",
            r#"{"sicklyRetryPolicy": {}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 101}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": -1}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 21}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 0}}"#,
            r#"{"healthyRetryPolicy": {"maxDelayTarget": 3601}}"#,
            r#"{"healthyRetryPolicy": {"numNoDelayRetries": 4}}"#,
            r#"{"healthyRetryPolicy": {"numNoDelayRetries": 4294967295, "numMinDelayRetries": 1}}"#,
            r#"{"healthyRetryPolicy": {"backoffFunction": "none"}}"#,
            r#"{"throttlePolicy": {"maxReceivesPerSecond": 0}}"#,
            r#"{"requestPolicy": {"headerContentType": ""}}"#,
            r#"{"requestPolicy": {"headerContentType": "a\nb"}}"#,
        ] {
            assert!(DeliveryPolicy::parse(text).is_err(), "{text}");
        }
    }
}
