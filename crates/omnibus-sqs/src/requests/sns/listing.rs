//! ListTopics, ListSubscriptions and ListSubscriptionsByTopic, a hundred at a time.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns::endpoint::Endpoint;
use crate::sns::routing::{ENDPOINT, PROTOCOL, is_pending};
use crate::topics::Subscription;
use crate::wire::base64;
use crate::wire::sns::{
    ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse, ListSubscriptionsInput, ListSubscriptionsResponse,
    ListTopicsInput, ListTopicsResponse, Subscription as Listed, Topic as ListedTopic,
};

use super::{invalid, topic};

const PAGE: usize = 100;

pub(super) fn topics(call: &Call) -> Result<Answer, ApiError> {
    let request: ListTopicsInput = call.read()?;
    let topics = call.door.topics_of(&call.signer.account, call.region());
    let arns = topics.iter().map(|topic| topic.arn.text()).collect();
    let (page, next_token) = page(arns, request.next_token.as_deref(), String::clone)?;
    let topics = page.into_iter().map(|arn| ListedTopic { topic_arn: Some(arn) }).collect();
    call.answer(&ListTopicsResponse { next_token, topics })
}

pub(super) fn subscriptions(call: &Call) -> Result<Answer, ApiError> {
    let request: ListSubscriptionsInput = call.read()?;
    let all = call.door.subscriptions_of(&call.signer.account, call.region());
    let (page, next_token) = page(all, request.next_token.as_deref(), |subscription| subscription.arn.text())?;
    call.answer(&ListSubscriptionsResponse { next_token, subscriptions: page.iter().map(listed).collect() })
}

pub(super) fn subscriptions_of_topic(call: &Call) -> Result<Answer, ApiError> {
    let request: ListSubscriptionsByTopicInput = call.read()?;
    let all = topic(call, request.topic_arn.as_deref())?.subscriptions();
    let (page, next_token) = page(all, request.next_token.as_deref(), |subscription| subscription.arn.text())?;
    call.answer(&ListSubscriptionsByTopicResponse { next_token, subscriptions: page.iter().map(listed).collect() })
}

fn listed(subscription: &Subscription) -> Listed {
    let arn = match is_pending(&subscription.binding) {
        true => "PendingConfirmation".to_owned(),
        false => subscription.arn.text(),
    };
    Listed {
        endpoint: Some(Endpoint::of(subscription.attribute(ENDPOINT)).listed()),
        owner: Some(subscription.owner().to_owned()),
        protocol: Some(subscription.attribute(PROTOCOL).to_owned()),
        subscription_arn: Some(arn),
        topic_arn: Some(subscription.arn.topic.text()),
    }
}

/// Cuts a page out of a list; a token is the last element of the page before, and where it stood.
fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    name: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let (place, last) = read_token(token).ok_or_else(|| invalid("NextToken"))?;
            // If it is gone, the others have moved up by one at least.
            let found = all.iter().position(|each| name(each) == last);
            found.map_or(place.saturating_sub(1), |found| found.saturating_add(1))
        }
    };
    let more = all.len() > start.saturating_add(PAGE);
    let page: Vec<T> = all.into_iter().skip(start).take(PAGE).collect();
    let last = page.last().filter(|_| more).map(name);
    let token = last.map(|last| base64::write(format!("{} {last}", start.saturating_add(PAGE)).as_bytes()));
    Ok((page, token))
}

fn read_token(token: &str) -> Option<(usize, String)> {
    let text = String::from_utf8(base64::read(token)?).ok()?;
    let (place, last) = text.split_once(' ')?;
    Some((place.parse().ok()?, last.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:04}")).collect()
    }

    #[test]
    fn pages_are_of_a_hundred_and_miss_nothing() {
        let (first, token) = page(names(250), None, String::clone).unwrap();
        let (second, token) = page(names(250), token.as_deref(), String::clone).unwrap();
        let (third, end) = page(names(250), token.as_deref(), String::clone).unwrap();
        assert_eq!([first, second, third].concat(), names(250));
        assert_eq!(end, None);
        assert_eq!(page(names(100), None, String::clone).unwrap().1, None);
    }

    #[test]
    fn page_goes_on_if_its_last_is_gone() {
        let (_, token) = page(names(150), None, String::clone).unwrap();
        let left: Vec<String> = names(150).into_iter().filter(|name| name != "0099").collect();
        let (second, _) = page(left, token.as_deref(), String::clone).unwrap();
        assert_eq!(second.first().map(String::as_str), Some("0100"));
        for token in ["x", "MQ==", "YSBi"] {
            assert!(page(names(1), Some(token), String::clone).is_err(), "{token}");
        }
    }
}
