//! Devices and phones, of which there are none: what speaks of one that is not there is told so, and
//! what would make one is refused.

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::session::Call;
use crate::sns_error::SnsError;
use crate::wire::sns::{
    CheckIfPhoneNumberIsOptedOutInput, CheckIfPhoneNumberIsOptedOutResponse, CreatePlatformApplicationInput,
    CreatePlatformEndpointInput, DeleteEndpointInput, DeletePlatformApplicationInput, GetEndpointAttributesInput,
    GetPlatformApplicationAttributesInput, ListEndpointsByPlatformApplicationInput, ListPhoneNumbersOptedOutResponse,
    ListPlatformApplicationsResponse, OptInPhoneNumberInput, OptInPhoneNumberResponse, SetEndpointAttributesInput,
    SetPlatformApplicationAttributesInput, SetSMSAttributesInput,
};

use super::invalid;

pub(super) const NO_PHONES: &str = "this broker sends no text messages";
pub(super) const NO_DEVICES: &str = "this broker pushes to no devices";

const PLATFORMS: [&str; 10] =
    ["ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "BAIDU", "FCM", "GCM", "MACOS", "MPNS"];
const NAME_CHARACTERS_MAX: usize = 256;

pub(super) fn create_application(call: &Call) -> Result<Answer, ApiError> {
    let request: CreatePlatformApplicationInput = call.read()?;
    check_name(request.name.as_deref().unwrap_or_default())?;
    let platform = request.platform.unwrap_or_default();
    if !PLATFORMS.contains(&platform.as_str()) {
        return Err(invalid(&format!("Platform Reason: {platform} is not supported")));
    }
    let has = |name: &str| request.attributes.contains_key(name);
    match (has("PlatformPrincipal"), has("PlatformCredential")) {
        (true, false) => {
            Err(invalid("Attributes Reason: PlatformPrincipal attribute provided without PlatformCredential"))
        }
        (false, true) => {
            Err(invalid("Attributes Reason: PlatformCredential attribute provided without PlatformPrincipal"))
        }
        (false, false) => Err(attributes_missing()),
        (true, true) => Err(SnsError::OperationUnsupported { action: call.action, reason: NO_DEVICES }.into()),
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let reason = match name {
        "" => "cannot be empty",
        name if name.len() > NAME_CHARACTERS_MAX => "must be at most 256 characters long",
        name if !name.bytes().all(allowed) => {
            "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"
        }
        _ => return Ok(()),
    };
    Err(invalid(&format!("{name} Reason: {reason}")))
}

fn attributes_missing() -> ApiError {
    SnsError::MemberMissing { member: "attributes".to_owned() }.into()
}

pub(super) fn applications(call: &Call) -> Result<Answer, ApiError> {
    call.answer(&ListPlatformApplicationsResponse::default())
}

pub(super) fn application_attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: GetPlatformApplicationAttributesInput = call.read()?;
    Err(no_application(request.platform_application_arn.as_deref()))
}

pub(super) fn set_application_attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: SetPlatformApplicationAttributesInput = call.read()?;
    match no_application(request.platform_application_arn.as_deref()) {
        ApiError::Sns(SnsError::NotFound { .. }) if request.attributes.is_empty() => Err(attributes_missing()),
        other => Err(other),
    }
}

pub(super) fn create_endpoint(call: &Call) -> Result<Answer, ApiError> {
    let request: CreatePlatformEndpointInput = call.read()?;
    Err(no_application(request.platform_application_arn.as_deref()))
}

pub(super) fn endpoints(call: &Call) -> Result<Answer, ApiError> {
    let request: ListEndpointsByPlatformApplicationInput = call.read()?;
    Err(no_application(request.platform_application_arn.as_deref()))
}

pub(super) fn endpoint_attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: GetEndpointAttributesInput = call.read()?;
    Err(none(request.endpoint_arn.as_deref(), "EndpointArn", "Endpoint"))
}

pub(super) fn set_endpoint_attributes(call: &Call) -> Result<Answer, ApiError> {
    let request: SetEndpointAttributesInput = call.read()?;
    Err(none(request.endpoint_arn.as_deref(), "EndpointArn", "Endpoint"))
}

fn no_application(arn: Option<&str>) -> ApiError {
    none(arn, "PlatformApplicationArn", "PlatformApplication")
}

fn none(arn: Option<&str>, parameter: &str, what: &'static str) -> ApiError {
    let parts = arn.unwrap_or_default().split(':').count();
    if parts < 6 {
        return invalid(&format!("{parameter} Reason: An ARN must have at least 6 elements, not {parts}"));
    }
    SnsError::NotFound { what }.into()
}

/// What is not there is deleted already.
pub(super) fn delete_application(call: &Call) -> Result<Answer, ApiError> {
    let request: DeletePlatformApplicationInput = call.read()?;
    gone(call, no_application(request.platform_application_arn.as_deref()))
}

pub(super) fn delete_endpoint(call: &Call) -> Result<Answer, ApiError> {
    let request: DeleteEndpointInput = call.read()?;
    gone(call, none(request.endpoint_arn.as_deref(), "EndpointArn", "Endpoint"))
}

fn gone(call: &Call, error: ApiError) -> Result<Answer, ApiError> {
    match error {
        ApiError::Sns(SnsError::NotFound { .. }) => call.done(),
        other => Err(other),
    }
}

/// Nobody has opted out of what is not sent.
pub(super) fn opt_in(call: &Call) -> Result<Answer, ApiError> {
    let request: OptInPhoneNumberInput = call.read()?;
    check_number(request.phone_number.as_deref())?;
    call.answer(&OptInPhoneNumberResponse::default())
}

pub(super) fn is_opted_out(call: &Call) -> Result<Answer, ApiError> {
    let request: CheckIfPhoneNumberIsOptedOutInput = call.read()?;
    check_number(request.phone_number.as_deref())?;
    call.answer(&CheckIfPhoneNumberIsOptedOutResponse { is_opted_out: Some(false) })
}

pub(super) fn opted_out(call: &Call) -> Result<Answer, ApiError> {
    call.answer(&ListPhoneNumbersOptedOutResponse::default())
}

pub(super) fn set_sms_attributes(call: &Call) -> Result<Answer, ApiError> {
    const KNOWN: [&str; 6] = [
        "DefaultSMSType",
        "DefaultSenderID",
        "DeliveryStatusIAMRole",
        "DeliveryStatusSuccessSamplingRate",
        "MonthlySpendLimit",
        "UsageReportS3Bucket",
    ];
    let request: SetSMSAttributesInput = call.read()?;
    let unknown = request.attributes.keys().find(|name| !KNOWN.contains(&name.as_str()));
    if let Some(name) = unknown {
        return Err(SnsError::Invalid(format!("{name} is not a valid attribute")).into());
    }
    let kind = request.attributes.get("DefaultSMSType").map(String::as_str);
    if kind.is_some_and(|kind| !["Promotional", "Transactional"].contains(&kind)) {
        return Err(SnsError::Invalid("DefaultSMSType is invalid".to_owned()).into());
    }
    Err(SnsError::OperationUnsupported { action: call.action, reason: NO_PHONES }.into())
}

fn check_number(number: Option<&str>) -> Result<(), ApiError> {
    if is_number(number.unwrap_or_default()) {
        return Ok(());
    }
    Err(invalid("PhoneNumber Reason: input incorrectly formatted"))
}

/// Whether a text is a telephone number with its country.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
