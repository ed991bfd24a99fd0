//! ApiVersions: what this broker speaks (KIP-35, KIP-511).

use super::{ANSWERED, Call, Reply};
use crate::wire::messages::api_versions_request::ApiVersionsRequest;
use crate::wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::wire::{ApiKey, ErrorCode};

/// The level of the feature that lets clients use the new group protocol (KIP-848).
const GROUP_VERSION: i16 = 1;

/// Clients of older versions fail on a feature that may be off, so they are told of none
/// (KAFKA-17492).
const FEATURES_OFF_FROM: i16 = 4;

/// Answers at once. A version from the future is answered in version 0, which all understand.
pub(super) fn reply(mut call: Call) -> Reply {
    if !call.key.served().contains(call.version) {
        call.version = 0;
        return call.reply(&response(ErrorCode::UnsupportedVersion, call.version));
    }
    let error = match super::read::<ApiVersionsRequest>(&mut call) {
        Ok(request) if call.version >= 3 && !names_software(&request) => ErrorCode::InvalidRequest,
        Ok(_) => ErrorCode::None,
        Err(_) => return Reply::HangUp,
    };
    call.reply(&response(error, call.version))
}

fn response(error: ErrorCode, version: i16) -> ApiVersionsResponse {
    let group_version =
        SupportedFeatureKey { name: "group.version".into(), min_version: 0, max_version: GROUP_VERSION };
    ApiVersionsResponse {
        error_code: error.number(),
        api_keys: ANSWERED.iter().map(|key| api_version(*key)).collect(),
        supported_features: if version < FEATURES_OFF_FROM { Vec::new() } else { vec![group_version] },
        finalized_features_epoch: 1,
        finalized_features: vec![FinalizedFeatureKey {
            name: "group.version".into(),
            max_version_level: GROUP_VERSION,
            min_version_level: GROUP_VERSION,
        }],
        ..ApiVersionsResponse::default()
    }
}

fn api_version(key: ApiKey) -> ApiVersion {
    let versions = key.advertised();
    ApiVersion { api_key: key.number(), min_version: versions.min, max_version: versions.max }
}

/// Whether the client names its software as Kafka wants it: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn names_software(request: &ApiVersionsRequest) -> bool {
    is_software(&request.client_software_name) && is_software(&request.client_software_version)
}

fn is_software(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| inner(*byte))
}
