//! Delivery policies of topics and of subscriptions by HTTP: when an endpoint is told again, how fast, and as what.

use std::time::Duration;

use omnibus_engine::push::PushPlan;
use omnibus_engine::push::schedule::{Growth, RetrySchedule};
use serde::{Deserialize, Serialize};

const RETRIES_MAX: u32 = 100;
const DELAY_SECONDS_MAX: u64 = 3_600;
/// How long all retries of a policy together may take.
const DELAYS_MAX: Duration = Duration::from_secs(3_600);
const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// The delivery policy of a subscription, checked. What it does not name is its topic's, or AWS's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DeliveryPolicy {
    healthy_retry_policy: Option<Retries>,
    throttle_policy: Option<Throttle>,
    request_policy: Option<RequestPolicy>,
    sickly_retry_policy: (),
    guaranteed: No,
}

/// The delivery policy of a topic, checked: what counts for subscriptions that say nothing, or for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TopicDeliveryPolicy {
    http: OfHttp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct OfHttp {
    default_healthy_retry_policy: Option<Retries>,
    default_sickly_retry_policy: (),
    default_throttle_policy: Option<Throttle>,
    default_request_policy: Option<RequestPolicy>,
    disable_subscription_overrides: bool,
}

/// What counts for a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectivePolicy {
    healthy_retry_policy: Retries,
    sickly_retry_policy: (),
    throttle_policy: Option<Throttle>,
    request_policy: RequestPolicy,
    guaranteed: No,
}

/// What counts for the subscriptions of a topic that say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectiveTopicPolicy<'a> {
    http: EffectiveOfHttp<'a>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct EffectiveOfHttp<'a> {
    default_healthy_retry_policy: Retries,
    disable_subscription_overrides: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_throttle_policy: Option<&'a Throttle>,
    default_request_policy: RequestPolicy,
}

/// What AWS writes as false, and nobody may say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
struct No;

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

impl TryFrom<bool> for No {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Err("guaranteed must be false") } else { Ok(Self) }
    }
}

impl From<No> for bool {
    fn from(_: No) -> Self {
        false
    }
}

impl DeliveryPolicy {
    /// Reads a policy, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let retries = ("healthyRetryPolicy", &policy.healthy_retry_policy);
        check(retries, &policy.throttle_policy, &policy.request_policy)?;
        Ok(policy)
    }

    /// Reads a policy that was checked when it was set, if more was allowed then.
    pub(crate) fn kept(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl TopicDeliveryPolicy {
    /// Reads a policy, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let http = &policy.http;
        let retries = ("http.defaultHealthyRetryPolicy", &http.default_healthy_retry_policy);
        check(retries, &http.default_throttle_policy, &http.default_request_policy)?;
        Ok(policy)
    }

    /// Reads a policy that was checked when it was set, if more was allowed then.
    pub(crate) fn kept(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// What counts for a subscription that says `said`.
    pub(crate) fn of_subscription(&self, said: DeliveryPolicy) -> EffectivePolicy {
        let http = self.http.clone();
        let said = if http.disable_subscription_overrides { DeliveryPolicy::default() } else { said };
        EffectivePolicy {
            healthy_retry_policy: said.healthy_retry_policy.or(http.default_healthy_retry_policy).unwrap_or_default(),
            throttle_policy: said.throttle_policy.or(http.default_throttle_policy),
            request_policy: said.request_policy.or(http.default_request_policy).unwrap_or_default(),
            ..EffectivePolicy::default()
        }
    }

    /// What counts where no subscription says otherwise.
    pub(crate) fn effective(&self) -> EffectiveTopicPolicy<'_> {
        let http = &self.http;
        EffectiveTopicPolicy {
            http: EffectiveOfHttp {
                default_healthy_retry_policy: http.default_healthy_retry_policy.clone().unwrap_or_default(),
                disable_subscription_overrides: http.disable_subscription_overrides,
                default_throttle_policy: http.default_throttle_policy.as_ref(),
                default_request_policy: http.default_request_policy.clone().unwrap_or_default(),
            },
        }
    }
}

impl EffectivePolicy {
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

fn check(
    (name, retries): (&str, &Option<Retries>),
    throttle: &Option<Throttle>,
    request: &Option<RequestPolicy>,
) -> Result<(), String> {
    retries.iter().try_for_each(Retries::check).map_err(|reason| format!("{name}: {reason}"))?;
    if throttle.as_ref().is_some_and(|throttle| throttle.max_receives_per_second == 0) {
        return Err("maxReceivesPerSecond must be at least 1".to_owned());
    }
    let is_sendable = |content_type: &str| {
        let is_plain = content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        is_plain && (1..=CONTENT_TYPE_BYTES_MAX).contains(&content_type.len())
    };
    match request.as_ref().is_none_or(|request| is_sendable(&request.header_content_type)) {
        true => Ok(()),
        false => Err("headerContentType is no content type".to_owned()),
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
        if self.in_phases().is_none_or(|in_phases| in_phases > self.num_retries) {
            return refused("numRetries must be at least the retries of all phases together".to_owned());
        }
        match self.schedule().delays() <= DELAYS_MAX {
            true => Ok(()),
            false => {
                refused(format!("Total policy retry time cannot be greater than {} seconds", DELAYS_MAX.as_secs()))
            }
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
    use serde_json::Value;

    use super::*;

    fn effective(topic: &str, subscription: &str) -> EffectivePolicy {
        TopicDeliveryPolicy::parse(topic).unwrap().of_subscription(DeliveryPolicy::parse(subscription).unwrap())
    }

    #[test]
    fn nothing_said_is_the_default_of_aws() {
        let policy = effective("{}", "{}");
        assert_eq!(policy, EffectivePolicy::default());
        assert_eq!(policy.plan(), PushPlan::default());
        assert_eq!(policy.content_type(), "text/plain; charset=UTF-8");
        let shown = serde_json::to_value(&policy).unwrap();
        assert_eq!(effective("{}", &shown.to_string()), policy, "what is shown can be set");
        assert_eq!((&shown["sicklyRetryPolicy"], &shown["guaranteed"]), (&Value::Null, &Value::Bool(false)));
    }

    #[test]
    fn policy_becomes_a_plan() {
        let text = r#"{
            "healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 60, "numRetries": 50, "numNoDelayRetries": 3,
                "numMinDelayRetries": 2, "numMaxDelayRetries": 35, "backoffFunction": "exponential"},
            "throttlePolicy": {"maxReceivesPerSecond": 10},
            "requestPolicy": {"headerContentType": "application/json"}
        }"#;
        let policy = effective("{}", text);
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
            r#"{"guaranteed": true}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 101}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": -1}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 21}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 0}}"#,
            r#"{"healthyRetryPolicy": {"maxDelayTarget": 3601}}"#,
            r#"{"healthyRetryPolicy": {"numNoDelayRetries": 4}}"#,
            r#"{"healthyRetryPolicy": {"numNoDelayRetries": 4294967295, "numMinDelayRetries": 1}}"#,
            r#"{"healthyRetryPolicy": {"backoffFunction": "none"}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 100, "maxDelayTarget": 53}}"#,
            r#"{"throttlePolicy": {"maxReceivesPerSecond": 0}}"#,
            r#"{"requestPolicy": {"headerContentType": ""}}"#,
            r#"{"requestPolicy": {"headerContentType": "a\nb"}}"#,
        ] {
            assert!(DeliveryPolicy::parse(text).is_err(), "{text}");
        }
        for text in [
            "",
            r#"{"healthyRetryPolicy": {}}"#,
            r#"{"http": {"healthyRetryPolicy": {}}}"#,
            r#"{"http": {"defaultSicklyRetryPolicy": {}}}"#,
            r#"{"http": {"defaultHealthyRetryPolicy": {"numRetries": 101}}}"#,
            r#"{"http": {"defaultThrottlePolicy": {"maxReceivesPerSecond": 0}}}"#,
            r#"{"http": {"defaultRequestPolicy": {"headerContentType": ""}}}"#,
            r#"{"http": {"disableSubscriptionOverrides": "maybe"}}"#,
        ] {
            assert!(TopicDeliveryPolicy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn retries_of_a_policy_take_an_hour_together() {
        let retries = |number: u32, delay: u32| {
            format!(r#"{{"numRetries": {number}, "minDelayTarget": {delay}, "maxDelayTarget": {delay}}}"#)
        };
        for (number, delay, is_taken) in [(1, 3_600, true), (60, 60, true), (61, 60, false), (2, 1_801, false)] {
            let retries = retries(number, delay);
            let subscription = format!(r#"{{"healthyRetryPolicy": {retries}}}"#);
            let topic = format!(r#"{{"http": {{"defaultHealthyRetryPolicy": {retries}}}}}"#);
            let why = "Total policy retry time cannot be greater than 3600 seconds";
            let refused = |name: &str| (!is_taken).then(|| format!("{name}: {why}"));
            assert_eq!(DeliveryPolicy::parse(&subscription).err(), refused("healthyRetryPolicy"));
            assert_eq!(TopicDeliveryPolicy::parse(&topic).err(), refused("http.defaultHealthyRetryPolicy"));
            // What was taken before counts on.
            assert_eq!(DeliveryPolicy::kept(&subscription).healthy_retry_policy.unwrap().num_retries, number);
        }
    }

    #[test]
    fn subscription_overrides_its_topic_part_by_part_if_it_may() {
        let topic = r#"{"http": {
            "defaultHealthyRetryPolicy": {"numRetries": 7},
            "defaultThrottlePolicy": {"maxReceivesPerSecond": 5},
            "defaultRequestPolicy": {"headerContentType": "application/xml"}
        }}"#;
        let said = r#"{"healthyRetryPolicy": {"numRetries": 1}, "throttlePolicy": null}"#;
        let policy = effective(topic, said);
        assert_eq!(policy.plan().schedule.attempts_max(), 2);
        assert_eq!((policy.plan().rate_max, policy.content_type()), (Some(5), "application/xml"));
        let strict = topic.replacen("{\"http\": {", "{\"http\": {\"disableSubscriptionOverrides\": true, ", 1);
        assert_eq!(effective(&strict, said).plan().schedule.attempts_max(), 8);
        let shown = serde_json::to_value(TopicDeliveryPolicy::parse(&strict).unwrap().effective()).unwrap();
        assert_eq!(shown["http"]["defaultHealthyRetryPolicy"]["minDelayTarget"], 20);
        assert_eq!(shown["http"]["defaultThrottlePolicy"]["maxReceivesPerSecond"], 5);
        assert_eq!(shown["http"]["disableSubscriptionOverrides"], true);
    }
}
