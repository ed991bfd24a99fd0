//! How one setting is written and read, as text: the same in the file, in a variable and
//! in a flag.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use omnibus_admin_api::{Size, Span};
use omnibus_cluster::Members;
use omnibus_log::Choice;
use omnibus_sqs::{Encryption, Pace, Signatures};
use omnibus_webhook::Reach;

use super::{Advertised, LogFormat};

/// A field of the configuration.
pub(crate) trait Setting {
    /// Takes a new value, or says why not.
    fn take(&mut self, text: &str) -> Result<(), String>;

    /// Writes the value so that [`Self::take`] understands it.
    fn show(&self) -> String;
}

impl Setting for SocketAddr {
    fn take(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is not an address; write 127.0.0.1:9092, 0.0.0.0:9092 or [::1]:0");
        *self = text.replace("localhost:", "127.0.0.1:").parse().map_err(|_| wrong())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Empty means that nothing is chosen.
impl Setting for Option<SocketAddr> {
    fn take(&mut self, text: &str) -> Result<(), String> {
        let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
        *self = if text.is_empty() { None } else { Some(address.take(text).map(|()| address)?) };
        Ok(())
    }

    fn show(&self) -> String {
        self.map(|address| address.to_string()).unwrap_or_default()
    }
}

impl Setting for Members {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|error: omnibus_cluster::BadMember| error.to_string())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Any number of addresses with commas between them; `off` means none.
impl Setting for Vec<SocketAddr> {
    fn take(&mut self, text: &str) -> Result<(), String> {
        if text == "off" {
            self.clear();
            return Ok(());
        }
        let address = |text: &str| {
            let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
            address.take(text.trim()).map(|()| address)
        };
        *self = text.split(',').map(address).collect::<Result<_, _>>().map_err(|wrong| format!("{wrong}, or off"))?;
        Ok(())
    }

    fn show(&self) -> String {
        match &self[..] {
            [] => "off".to_owned(),
            addresses => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        }
    }
}

impl Setting for PathBuf {
    fn take(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        *self = Self::from(text);
        Ok(())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for String {
    fn take(&mut self, text: &str) -> Result<(), String> {
        text.clone_into(self);
        Ok(())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// Empty means that nothing is chosen.
impl Setting for Option<String> {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = (!text.is_empty()).then(|| text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// Empty means the address that the client came to.
impl Setting for Option<Advertised> {
    fn take(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("{text:?} is not a host; write broker.example.org or broker.example.org:9092");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() && port.is_some() || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        *self = (!host.is_empty()).then(|| Advertised { host: host.to_owned(), port });
        Ok(())
    }

    fn show(&self) -> String {
        let Some(Advertised { host, port }) = self else { return String::new() };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

impl Setting for bool {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("true", true), ("false", false)])?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Choice {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("auto", Self::Auto), ("on", Self::On), ("off", Self::Off)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
        .to_owned()
    }
}

impl Setting for Pace {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("lenient", Self::Lenient), ("strict", Self::Strict)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::Lenient => "lenient",
            Self::Strict => "strict",
        }
        .to_owned()
    }
}

impl Setting for Signatures {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("on", Self::On), ("off", Self::Off)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
        .to_owned()
    }
}

impl Setting for Encryption {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("none", Self::None), ("disk", Self::Disk)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::None => "none",
            Self::Disk => "disk",
        }
        .to_owned()
    }
}

impl Setting for Reach {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("local", Self::Local), ("public", Self::Public)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::Local => "local",
            Self::Public => "public",
        }
        .to_owned()
    }
}

impl Setting for LogFormat {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = choose(text, &[("text", Self::Text), ("json", Self::Json)])?;
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}

/// `unlimited` means no limit.
impl<T: FromStr<Err: Display> + Display> Setting for Option<T>
where
    T: Measure,
{
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = if text == "unlimited" { None } else { Some(read(text)?) };
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "unlimited".to_owned(), ToString::to_string)
    }
}

impl<T: Measure> Setting for T {
    fn take(&mut self, text: &str) -> Result<(), String> {
        *self = read(text)?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A number with or without a unit.
pub(crate) trait Measure: FromStr<Err: Display> + Display {}

impl Measure for Span {}
impl Measure for Size {}
impl Measure for u32 {}
impl Measure for u64 {}
impl Measure for usize {}

fn read<T: Measure>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is none of {}", names.join(", "))
    })
}
