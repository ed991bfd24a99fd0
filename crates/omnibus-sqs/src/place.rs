//! Accounts and regions.

/// Whether a text is the number of an account.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text can be a region's name; which regions there are is nobody's business.
pub(crate) fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

/// The partition of AWS that a region's ARNs begin with.
pub(crate) fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The region that a host names, as in `sqs.eu-west-1.example.org` and `eu-west-1.queue.example.org`.
pub(crate) fn region_of_host(host: &str) -> Option<&str> {
    let mut parts = host.split('.');
    let region = match (parts.next()?, parts.next()?, parts.next()) {
        ("sqs" | "sns", region, Some(_)) => region,
        (region, "queue", Some(_)) => region,
        _ => return None,
    };
    (is_region(region) && region.contains('-')).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_may_name_a_region() {
        for (host, region) in [
            ("sqs.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("eu-west-1.queue.localhost:4566", Some("eu-west-1")),
            ("sqs.localhost", None),
            ("sqs.example.org", None),
            ("queue.amazonaws.com", None),
            ("localhost:9324", None),
            ("127.0.0.1:9324", None),
        ] {
            assert_eq!(region_of_host(host), region, "{host}");
        }
    }
}
