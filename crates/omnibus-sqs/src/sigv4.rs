//! AWS Signature Version 4: who signed a request, and whether with the right secret.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::errors::ApiError;
use crate::place::{is_account, is_region};
use crate::settings::{Credential, Settings};
use crate::wire::form;
use crate::wire::md5::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a request's time may be from ours, in seconds, as on AWS.
const SKEW_MAX: i64 = 15 * 60;

/// How long a signed address holds at most, in seconds: its key is good for a week.
const EXPIRES_MAX: i64 = 7 * 24 * 60 * 60;

/// A request as far as its signature covers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// Names in lower case.
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

/// What a signature says of its maker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    pub(crate) region: String,
    date: String,
    service: String,
    headers: String,
    signature: String,
    /// When it was made, as it is written.
    time: String,
    /// How long it holds, in seconds; only of an address that was signed.
    expires: Option<i64>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) account: String,
    pub(crate) region: Option<String>,
    pub(crate) access_key: Option<String>,
}

/// Finds out who asks, and checks it if the settings name those who may.
pub(crate) fn signer(request: Signed<'_>, settings: &Settings, now_seconds: i64) -> Result<Signer, ApiError> {
    let claim = claim(request);
    if settings.is_open() {
        let claim = claim.ok().flatten().unwrap_or_default();
        return Ok(claim.signer(None, settings));
    }
    let claim = claim?.ok_or(ApiError::MissingAuthenticationToken)?;
    let credential = settings.credentials.iter().find(|credential| credential.access_key == claim.access_key);
    let credential = credential.ok_or(ApiError::UnrecognizedClient)?;
    check(request, &claim, &credential.secret, now_seconds)?;
    Ok(claim.signer(Some(credential), settings))
}

impl Signer {
    /// The account's root: access keys here are of accounts, not of users.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:root", self.account)
    }
}

impl Claim {
    fn signer(self, credential: Option<&Credential>, settings: &Settings) -> Signer {
        let known = credential.and_then(|credential| credential.account.clone());
        // As elsewhere, an access key of twelve digits is the account's number.
        let from_key = is_account(&self.access_key).then(|| self.access_key.clone());
        Signer {
            account: known.or(from_key).unwrap_or_else(|| settings.account.clone()),
            region: Some(self.region).filter(|region| is_region(region)),
            access_key: Some(self.access_key).filter(|key| !key.is_empty()),
        }
    }
}

/// Reads the signature of a request; `None` if it has none.
fn claim(request: Signed<'_>) -> Result<Option<Claim>, ApiError> {
    let header = |name: &str| request.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str());
    if let Some(authorization) = header("authorization") {
        let fields = authorization.strip_prefix(ALGORITHM).ok_or_else(|| incomplete("an algorithm we know"))?;
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| incomplete(name))
        };
        let time = header("x-amz-date").ok_or_else(|| incomplete("X-Amz-Date"))?;
        let signed = (field("SignedHeaders")?, field("Signature")?);
        return claim_of(field("Credential")?, signed, time, None).map(Some);
    }
    let parameters = form::read(request.query.as_bytes())?;
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(each, _)| each == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| incomplete(name))
    };
    if parameter("X-Amz-Algorithm").is_err() {
        return Ok(None);
    }
    let expires = seconds_to_hold(parameter("X-Amz-Expires")?)?;
    let signed = (parameter("X-Amz-SignedHeaders")?, parameter("X-Amz-Signature")?);
    claim_of(parameter("X-Amz-Credential")?, signed, parameter("X-Amz-Date")?, Some(expires)).map(Some)
}

/// Reads how long a signed address holds; AWS refuses other times in these words.
fn seconds_to_hold(text: &str) -> Result<i64, ApiError> {
    let refused = |reason: &str| Err(ApiError::IncompleteSignature(format!("X-Amz-Expires {reason}")));
    match text.parse() {
        Err(_) => refused("should be a number"),
        Ok(..0) => refused("must be non-negative"),
        Ok(expires @ 0..=EXPIRES_MAX) => Ok(expires),
        Ok(_) => refused(
            "must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
    }
}

fn claim_of(
    credential: &str,
    (headers, signature): (&str, &str),
    time: &str,
    expires: Option<i64>,
) -> Result<Claim, ApiError> {
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = parts[..] else {
        return Err(incomplete("a Credential of five parts"));
    };
    Ok(Claim {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        date: date.to_owned(),
        service: service.to_owned(),
        headers: headers.to_owned(),
        signature: signature.to_owned(),
        time: time.to_owned(),
        expires,
    })
}

fn incomplete(what: &str) -> ApiError {
    ApiError::IncompleteSignature(format!("The signature lacks {what}."))
}

fn check(request: Signed<'_>, claim: &Claim, secret: &str, now_seconds: i64) -> Result<(), ApiError> {
    let made_at = seconds(&claim.time).ok_or_else(|| incomplete("a time of the form 20060102T150405Z"))?;
    let age = now_seconds.saturating_sub(made_at);
    let age_max = claim.expires.unwrap_or(SKEW_MAX);
    if age > age_max || age < -SKEW_MAX {
        return Err(ApiError::RequestExpired { minutes: SKEW_MAX / 60 });
    }
    let signature = from_hex(&claim.signature).ok_or(ApiError::SignatureDoesNotMatch)?;
    sign(request, claim, secret)?.verify_slice(&signature).map_err(|_| ApiError::SignatureDoesNotMatch)
}

/// What a secret makes of a request.
fn sign(request: Signed<'_>, claim: &Claim, secret: &str) -> Result<Hmac<Sha256>, ApiError> {
    let Claim { date, region, service, time, .. } = claim;
    let digest = hex(&Sha256::digest(canonical(request, claim)?.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/aws4_request\n{digest}");
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = mac(&key, part).finalize().into_bytes().to_vec();
    }
    Ok(mac(&key, &to_sign))
}

/// An address at which a request is signed, at a time like `20200101T000000Z`, for as long as it goes.
#[cfg(test)]
pub(crate) fn signed_address((host, body): (&str, &[u8]), time: &str, (access_key, secret): (&str, &str)) -> String {
    let day = &time[..8];
    let query = format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={access_key}%2F{day}%2Fus-east-1%2Fsqs%2Faws4_request\
         &X-Amz-Date={time}&X-Amz-Expires={EXPIRES_MAX}&X-Amz-SignedHeaders=host"
    );
    let headers = [("host".to_owned(), host.to_owned())];
    let unsigned = format!("{query}&X-Amz-Signature=");
    let request = Signed { method: "POST", path: "/", query: &unsigned, headers: &headers, body };
    let claim = claim(request).unwrap().unwrap();
    let signature = sign(request, &claim, secret).unwrap().finalize().into_bytes();
    format!("/?{unsigned}{}", hex(&signature))
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.chain_update(text.as_bytes())
}

/// Writes a request in the one way in which it is signed.
fn canonical(request: Signed<'_>, claim: &Claim) -> Result<String, ApiError> {
    let mut out = format!("{}\n{}\n{}\n", request.method, encode(request.path, true), canonical_query(request.query)?);
    let names: Vec<&str> = claim.headers.split(';').collect();
    if !names.contains(&"host") {
        return Err(incomplete("the Host header among those that are signed"));
    }
    for name in names {
        let values = request.headers.iter().filter(|(each, _)| each == name);
        let values: Vec<String> =
            values.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        writeln!(out, "{name}:{}", values.join(",")).expect("a string takes all");
    }
    let digest = hex(&Sha256::digest(request.body));
    write!(out, "\n{}\n{digest}", claim.headers).expect("a string takes all");
    Ok(out)
}

fn canonical_query(query: &str) -> Result<String, ApiError> {
    // A plus sign in a query is signed as the space that it stands for.
    let mut pairs: Vec<(String, String)> = form::read(query.as_bytes())?
        .into_iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(&name, false), encode(&value, false)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(pairs.join("&"))
}

fn encode(text: &str, keeps_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if is_plain || keeps_slashes && byte == b'/' {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
    }
    out
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}

/// Seconds since 1970 of a time like `20261121T101500Z`.
fn seconds(time: &str) -> Option<i64> {
    let bytes = time.as_bytes();
    let is_form = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    let number = |range: std::ops::Range<usize>| {
        let part = time.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok())?
    };
    if !is_form {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    // Days from a year that begins in March, so that leap days come last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests;
