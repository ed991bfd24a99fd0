//! How the door presents itself.

/// The version of RabbitMQ as which the door and its management API present themselves.
pub const RABBITMQ_VERSION: &str = "4.1.0";

/// Who may come in, and how much of everything there may be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Those who may do everything, whatever is said of users by the management API. Empty: `guest` is there until somebody says
    /// otherwise, with the password `guest`, from this machine only.
    pub credentials: Vec<Credential>,
    /// Those that are to be there beside `/`.
    pub virtual_hosts: Vec<String>,
    pub connections_max: usize,
    pub channels_max: u16,
    /// The most bytes of one message's body.
    pub message_bytes_max: usize,
    /// What all connections together may hold of messages that are on their way in.
    pub memory_bytes_max: usize,
    /// The number of this node: queues that were exclusive to its connections go when it starts.
    pub node: u32,
    /// What the cluster is called.
    pub cluster: String,
    /// The version of Omnibus.
    pub version: &'static str,
}

/// A user who may come in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub user: String,
    pub password: String,
}

/// What the server offers at most.
pub(crate) const FRAME_BYTES_MAX: u32 = 131_072;
/// Clients that offer less are sent away.
pub(crate) const FRAME_BYTES_MIN: u32 = 4_096;
/// In seconds.
pub(crate) const HEARTBEAT: u16 = 60;

impl Default for Settings {
    fn default() -> Self {
        Self {
            credentials: Vec::new(),
            virtual_hosts: Vec::new(),
            connections_max: 10_000,
            channels_max: 2_047,
            message_bytes_max: 16 << 20,
            memory_bytes_max: 256 << 20,
            node: 1,
            cluster: String::new(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Reads users with their passwords: `user:password` on each line.
///
/// # Errors
/// What is wrong with the text.
pub fn read_credentials(text: &str) -> Result<Vec<Credential>, String> {
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let credentials: Result<Vec<Credential>, String> = lines
        .map(|(number, line)| match line.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Credential { user: user.to_owned(), password: password.to_owned() })
            }
            _ => Err(format!("line {number} is not USER:PASSWORD")),
        })
        .collect();
    let credentials = credentials?;
    if credentials.is_empty() { Err("there is no user in it".to_owned()) } else { Ok(credentials) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let read = read_credentials("# users\nada:se:cret\n\n bob:b \n").unwrap();
        assert_eq!(read[0], Credential { user: "ada".into(), password: "se:cret".into() });
        assert_eq!(read[1], Credential { user: "bob".into(), password: "b".into() });
        for wrong in ["", "# nobody", "ada", "ada:", ":x"] {
            assert!(read_credentials(wrong).is_err(), "{wrong}");
        }
    }
}
