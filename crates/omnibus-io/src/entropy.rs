//! Chance, as a value that the caller asks for.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;

/// A source of unpredictable numbers.
pub trait Entropy: Debug + Send + Sync {
    /// Returns 128 random bits.
    fn random(&self) -> u128;
}

/// The kernel's random device.
#[derive(Debug)]
pub struct SystemEntropy {
    device: Mutex<File>,
}

impl SystemEntropy {
    /// Opens the kernel's random device.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open() -> io::Result<Self> {
        File::open("/dev/urandom").map(|device| Self { device: Mutex::new(device) })
    }
}

impl Entropy for SystemEntropy {
    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        let mut device = self.device.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A kernel that has opened its random device goes on to answer.
        device.read_exact(&mut bytes).expect("the kernel's random device answers");
        u128::from_le_bytes(bytes)
    }
}
