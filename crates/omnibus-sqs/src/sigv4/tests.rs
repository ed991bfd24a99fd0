use super::*;

/// AWS's published example of a signed request (service "service", us-east-1, 2015-08-30T12:36:00Z).
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOON: i64 = 1_440_938_160;

fn settings() -> Settings {
    let credential = Credential { access_key: "AKIDEXAMPLE".to_owned(), secret: SECRET.to_owned(), account: None };
    Settings { credentials: vec![credential], ..Settings::default() }
}

fn headers(signature: &str) -> Vec<(String, String)> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let headers =
        [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)];
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn request<'a>(query: &'a str, headers: &'a [(String, String)]) -> Signed<'a> {
    Signed { method: "GET", path: "/", query, headers, body: b"" }
}

/// Signatures from AWS's own test suite for Signature Version 4.
const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const TWO_PARAMETERS: &str = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";

#[test]
fn signatures_of_aws_are_taken() {
    for (query, signature) in [("", VANILLA), ("Param2=value2&Param1=value1", TWO_PARAMETERS)] {
        let headers = headers(signature);
        let signer = signer(request(query, &headers), &settings(), NOON).unwrap();
        assert_eq!(signer.account, "000000000000");
        assert_eq!(signer.region.as_deref(), Some("us-east-1"));
    }
}

#[test]
fn what_is_changed_after_signing_is_refused() {
    let signed = headers(VANILLA);
    let plain = request("", &signed);
    for changed in [
        Signed { method: "POST", ..plain },
        Signed { path: "/other", ..plain },
        Signed { query: "a=b", ..plain },
        Signed { body: b"x", ..plain },
    ] {
        assert_eq!(signer(changed, &settings(), NOON), Err(ApiError::SignatureDoesNotMatch));
    }
    let mut other_host = signed.clone();
    other_host[0].1 = "example.org".to_owned();
    assert_eq!(signer(request("", &other_host), &settings(), NOON), Err(ApiError::SignatureDoesNotMatch));
}

#[test]
fn time_runs_out() {
    let headers = headers(VANILLA);
    for (now, is_taken) in [(NOON + 900, true), (NOON - 900, true), (NOON + 901, false), (NOON - 901, false)] {
        assert_eq!(signer(request("", &headers), &settings(), now).is_ok(), is_taken, "{now}");
    }
}

#[test]
fn strangers_are_refused() {
    assert_eq!(signer(request("", &[]), &settings(), NOON), Err(ApiError::MissingAuthenticationToken));
    let mut headers = headers(VANILLA);
    headers[2].1 = headers[2].1.replace("AKIDEXAMPLE", "AKIDOTHER");
    assert_eq!(signer(request("", &headers), &settings(), NOON), Err(ApiError::UnrecognizedClient));
    headers[2].1 = "AWS4-HMAC-SHA256 Credential=x".to_owned();
    assert!(matches!(signer(request("", &headers), &settings(), NOON), Err(ApiError::IncompleteSignature(_))));
}

#[test]
fn signed_address_names_its_signer() {
    let query = "Action=ListQueues&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=123456789012%2F20150830%2Feu-west-1%2Fsqs%2Faws4_request\
        &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    let open = signer(request(query, &[]), &Settings::default(), NOON).unwrap();
    assert_eq!((open.account.as_str(), open.region.as_deref()), ("123456789012", Some("eu-west-1")));
}

#[test]
fn signed_address_holds_for_a_week_at_most() {
    let headers = [("host".to_owned(), "h".to_owned())];
    let address = signed_address(("h", b""), "20150830T123600Z", ("AKIDEXAMPLE", SECRET));
    let signed =
        |query: &str| signer(Signed { method: "POST", ..request(query, &headers) }, &settings(), NOON + EXPIRES_MAX);
    let query = address.trim_start_matches("/?");
    assert_eq!(signed(query).unwrap().access_key.as_deref(), Some("AKIDEXAMPLE"));
    for (expires, reason) in [("604801", "less than a week"), ("-1", "non-negative"), ("1d", "a number")] {
        let query = query.replace("Expires=604800", &format!("Expires={expires}"));
        let refused = signed(&query).unwrap_err();
        assert!(matches!(&refused, ApiError::IncompleteSignature(text) if text.contains(reason)), "{refused}");
    }
    let shorter = query.replace("Expires=604800", "Expires=604799");
    assert!(matches!(signed(&shorter), Err(ApiError::RequestExpired { .. })));
}

#[test]
fn open_door_takes_any_signature() {
    for authorization in ["", "AWS4-HMAC-SHA256", "Basic eDp5", "AWS4-HMAC-SHA256 Credential=a/b/c"] {
        let headers = [("authorization".to_owned(), authorization.to_owned())];
        let signer = signer(request("", &headers), &Settings::default(), NOON).unwrap();
        assert_eq!((signer.account.as_str(), signer.region), ("000000000000", None));
    }
}

#[test]
fn times_are_read() {
    assert_eq!(seconds("19700101T000000Z"), Some(0));
    assert_eq!(seconds("20150830T123600Z"), Some(NOON));
    assert_eq!(seconds("20240229T235959Z"), Some(1_709_251_199));
    for wrong in ["", "2015-08-30T12:36", "20150830 123600Z", "2015083ÄT12360Z", "+0150830T123600Z"] {
        assert_eq!(seconds(wrong), None, "{wrong}");
    }
}
