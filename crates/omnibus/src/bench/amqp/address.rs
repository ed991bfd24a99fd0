//! Where a broker is, who comes, and to which virtual host: what an `amqp://` URL says.

use anyhow::{Context, Result, bail};

use crate::output::Misuse;

/// What brokers speak AMQP at where nothing else is said.
const PORT: u16 = 5672;

const USER: &str = "guest";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Host and port.
    pub(super) authority: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) host: String,
}

impl Address {
    /// Reads a URL.
    pub(super) fn read(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("amqp://") else { bail!(misuse("it begins with amqp://")) };
        let (place, host) = rest.split_once('/').map_or((rest, None), |(place, host)| (place, Some(host)));
        let (login, authority) = place.rsplit_once('@').map_or((None, place), |(login, at)| (Some(login), at));
        let (user, password) = login.map_or((USER, USER), |login| login.split_once(':').unwrap_or((login, "")));
        let (name, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        if name.is_empty() {
            bail!(misuse("it names no host"));
        }
        let port = if port.is_empty() { PORT } else { port.parse().map_err(|_| misuse("its port is none"))? };
        Ok(Self {
            authority: format!("{name}:{port}"),
            user: decoded(user)?,
            password: decoded(password)?,
            host: host.filter(|host| !host.is_empty()).map_or_else(|| Ok("/".to_owned()), decoded)?,
        })
    }
}

/// The URL is not repeated: it may hold a password.
fn misuse(why: &str) -> Misuse {
    Misuse(format!("--amqp: write amqp://USER:PASSWORD@HOST:PORT/VIRTUAL-HOST; {why}"))
}

/// Puts characters in the place of their numbers, as in `%2F`.
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let number = high.zip(low).map(|(high, low)| high * 16 + low).context(misuse("a % has two digits"))?;
                u8::try_from(number)?
            }
            byte => byte,
        });
    }
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> [String; 4] {
        let Address { authority, user, password, host } = Address::read(url).unwrap();
        [authority, user, password, host]
    }

    #[test]
    fn what_is_left_out_is_as_brokers_come() {
        assert_eq!(read("amqp://127.0.0.1:5673"), ["127.0.0.1:5673", "guest", "guest", "/"]);
        assert_eq!(read("amqp://broker/"), ["broker:5672", "guest", "guest", "/"]);
        assert_eq!(read("amqp://a:b@broker/%2Forders%2f1"), ["broker:5672", "a", "b", "/orders/1"]);
        assert_eq!(read("amqp://a%40b:c@[::1]:1/shop"), ["[::1]:1", "a@b", "c", "shop"]);
    }

    #[test]
    fn refusal_does_not_repeat_a_password() {
        for url in ["broker:5672", "amqp://", "amqp://u:secret@h:port", "amqp://u:secret%4@h", "amqps://u:secret@h"] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(error.contains("--amqp") && !error.contains("secret"), "{error}");
        }
    }
}
