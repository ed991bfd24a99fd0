//! How the door presents itself, and whom it lets in.

use omnibus_model::ClusterSecret;

use crate::place::{is_account, is_region};

/// The choices of whoever runs the broker.
#[derive(Clone)]
pub struct Settings {
    /// The account of clients whose access key names none.
    pub account: String,
    /// The region of clients that name none.
    pub region: String,
    /// The domain of queue URLs, with its port: they are `http://sqs.REGION.DOMAIN/ACCOUNT/NAME`.
    /// `None` for the host that each client came to.
    pub domain: Option<String>,
    /// Who may come in. Nobody named: everybody, whatever the signature.
    pub credentials: Vec<Credential>,
    pub pace: Pace,
    pub encryption: Encryption,
    pub signatures: Signatures,
    pub connections_max: usize,
    /// The most bytes of one request's body.
    pub request_bytes_max: usize,
    /// The most bytes of bodies that all connections together hold.
    pub memory_bytes_max: usize,
    /// Receipt handles are sealed and envelopes are signed with keys that follow from it.
    pub secret: ClusterSecret,
}

/// One access key.
#[derive(Clone)]
pub struct Credential {
    pub access_key: String,
    pub secret: String,
    /// The account that it belongs to; `None` for the one that the key itself or the settings name.
    pub account: Option<String>,
}

/// Whether queues rest for 60 seconds after they were purged or deleted, as on AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Lenient,
    Strict,
}

/// What whoever runs the broker says of the disk below the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing.
    #[default]
    None,
    /// It is encrypted, with keys that are not the broker's business.
    Disk,
}

/// Whether envelopes of SNS are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signatures {
    #[default]
    On,
    /// For who checks none: a signature takes the processor longer than all else of a message.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: String::from("000000000000"),
            region: String::from("us-east-1"),
            domain: None,
            credentials: Vec::new(),
            pace: Pace::Lenient,
            encryption: Encryption::None,
            signatures: Signatures::On,
            connections_max: 20_000,
            // Escapes can make six bytes of one, and a batch has 1 MiB.
            request_bytes_max: 8 << 20,
            memory_bytes_max: 256 << 20,
            secret: ClusterSecret([0; 32]),
        }
    }
}

impl Settings {
    /// Whether everybody is let in, and taken for whom they say they are.
    pub(crate) const fn is_open(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Checks what everything else takes for granted.
    ///
    /// # Errors
    /// What is wrong, for whoever chose it.
    pub fn check(&self) -> Result<(), String> {
        if !is_account(&self.account) {
            return Err(format!("{:?} is not an account: sqs.account has twelve digits", self.account));
        }
        if !is_region(&self.region) {
            return Err(format!("{:?} is not a region; write sqs.region like eu-west-1", self.region));
        }
        match self.credentials.iter().filter_map(|credential| credential.account.as_ref()).find(|id| !is_account(id)) {
            Some(account) => Err(format!("{account:?} is not an account: account_id has twelve digits")),
            None => Ok(()),
        }
    }
}

/// Reads access keys from a file in the form of `~/.aws/credentials`.
///
/// # Errors
/// What is wrong with which line.
pub fn read_credentials(text: &str) -> Result<Vec<Credential>, String> {
    let mut credentials: Vec<Credential> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            credentials.push(Credential { access_key: String::new(), secret: String::new(), account: None });
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {number} is not NAME = VALUE"))?;
        let credential = credentials.last_mut().ok_or_else(|| format!("line {number} belongs to no [section]"))?;
        let value = value.trim().to_owned();
        match name.trim() {
            "aws_access_key_id" => credential.access_key = value,
            "aws_secret_access_key" => credential.secret = value,
            "account_id" | "aws_account_id" => credential.account = Some(value),
            // Clients keep other things there, too.
            _ => {}
        }
    }
    if credentials.is_empty() {
        return Err("there is no access key in it".to_owned());
    }
    match credentials.iter().position(|credential| credential.access_key.is_empty() || credential.secret.is_empty()) {
        Some(place) => {
            Err(format!("section {} lacks aws_access_key_id or aws_secret_access_key", place.saturating_add(1)))
        }
        None => Ok(credentials),
    }
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { account, region, domain, credentials, .. } = self;
        f.debug_struct("Settings")
            .field("account", account)
            .field("region", region)
            .field("domain", domain)
            .field("credentials", credentials)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_clients_keep_them() {
        let text = "# ours\n[default]\naws_access_key_id = AKID\naws_secret_access_key=se=cret\nregion = x\n\n\
            [other]\naws_access_key_id=B\naws_secret_access_key=b\naccount_id = 123456789012\n";
        let read = read_credentials(text).unwrap();
        assert_eq!((read[0].access_key.as_str(), read[0].secret.as_str()), ("AKID", "se=cret"));
        assert_eq!(read[1].account.as_deref(), Some("123456789012"));
        for wrong in ["", "[a]\naws_access_key_id=B\n", "aws_access_key_id=B", "[a]\nnonsense"] {
            assert!(read_credentials(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn account_and_region_are_checked() {
        assert_eq!(Settings::default().check(), Ok(()));
        assert!(Settings { account: "1".to_owned(), ..Settings::default() }.check().is_err());
        assert!(Settings { region: "EU".to_owned(), ..Settings::default() }.check().is_err());
    }
}
