//! The key with which envelopes of SNS are signed, and the certificate by which others check it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use omnibus_model::ClusterSecret;
use omnibus_record::Signing;
use rsa::pkcs8::EncodePublicKey;
use rsa::rand_core::{CryptoRng, Error, RngCore, impls};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::errors::ApiError;
use crate::wire::base64;
use crate::wire::md5::hex;

const KEY_BITS: usize = 2048;

/// What stands before a digest in a signature of PKCS #1: which digest it is.
const SHA1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// Signatures that are kept: one is good for every queue that gets the message.
const SIGNATURES_MAX: usize = 4_096;

/// Makes the key when it is first needed, always the same of the same secret.
pub(crate) struct Signer {
    secret: [u8; 32],
    key: OnceCell<Arc<SigningKey>>,
}

/// The key.
pub(crate) struct SigningKey {
    private: RsaPrivateKey,
    secret: [u8; 32],
    pub(crate) certificate: String,
    /// What the certificate is called in its address.
    pub(crate) name: String,
    signatures: Mutex<HashMap<(u128, [u8; 32]), String>>,
}

impl Signer {
    pub(crate) fn new(secret: ClusterSecret) -> Self {
        let secret = Sha256::new().chain_update("omnibus sns signatures ").chain_update(secret.0).finalize().into();
        Self { secret, key: OnceCell::new() }
    }

    /// The key; making it takes a moment, which other requests need not wait for.
    pub(crate) async fn key(&self) -> Result<Arc<SigningKey>, ApiError> {
        let secret = self.secret;
        let make = || async move {
            let made = tokio::task::spawn_blocking(move || SigningKey::new(secret)).await;
            made.map_err(|error| error.to_string()).and_then(|made| made).map(Arc::new)
        };
        self.key.get_or_try_init(make).await.map(Arc::clone).map_err(ApiError::InternalFailure)
    }
}

impl SigningKey {
    fn new(secret: [u8; 32]) -> Result<Self, String> {
        let private =
            RsaPrivateKey::new(&mut Drawn::of(&secret, b"key"), KEY_BITS).map_err(|error| error.to_string())?;
        let certificate = certificate(&private, &secret)?;
        let name = hex(&Sha256::digest(&certificate)).chars().take(32).collect();
        let pem = pem(&certificate);
        Ok(Self { private, secret, certificate: pem, name, signatures: Mutex::default() })
    }

    /// Signs a text of a message in the way that its topic wants; nothing if it wants none.
    pub(crate) fn sign(&self, signing: Signing, id: u128, text: &str) -> Option<String> {
        let (prefix, digest): (Box<[u8]>, Vec<u8>) = match signing {
            Signing::None => return None,
            Signing::Sha1 => (SHA1_PREFIX.into(), Sha1::digest(text).to_vec()),
            Signing::Sha256 => (SHA256_PREFIX.into(), Sha256::digest(text).to_vec()),
        };
        let kept: (u128, [u8; 32]) = (id, Sha256::new().chain_update(&prefix).chain_update(&digest).finalize().into());
        let lock = || self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = lock().get(&kept) {
            return Some(signature.clone());
        }
        let signature = base64::write(&sign(&self.private, &self.secret, prefix, &digest).ok()?);
        let mut signatures = lock();
        if signatures.len() >= SIGNATURES_MAX {
            signatures.clear();
        }
        signatures.insert(kept, signature.clone());
        Some(signature)
    }
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Signs a digest. What blinds the key against whoever measures time is drawn of the secret, too.
fn sign(private: &RsaPrivateKey, secret: &[u8; 32], prefix: Box<[u8]>, digest: &[u8]) -> rsa::Result<Vec<u8>> {
    let padding = Pkcs1v15Sign { hash_len: Some(digest.len()), prefix };
    private.sign_with_rng(&mut Drawn::of(secret, digest), padding, digest)
}

/// Random bytes that follow from a secret.
struct Drawn {
    seed: [u8; 32],
    count: u64,
}

impl Drawn {
    fn of(secret: &[u8; 32], what: &[u8]) -> Self {
        Self { seed: Sha256::new().chain_update(secret).chain_update(what).finalize().into(), count: 0 }
    }
}

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed).chain_update(self.count.to_be_bytes()).finalize();
            self.count += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(into);
        Ok(())
    }
}

impl CryptoRng for Drawn {}

/// A certificate by which the key vouches for itself, in DER (RFC 5280).
fn certificate(private: &RsaPrivateKey, secret: &[u8; 32]) -> Result<Vec<u8>, String> {
    const SEQUENCE: u8 = 0x30;
    const SHA256_WITH_RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let common_name = [COMMON_NAME.to_vec(), tlv(0x0c, b"omnibus sns")].concat();
    let name = tlv(SEQUENCE, &tlv(0x31, &tlv(SEQUENCE, &common_name)));
    let always = [tlv(0x17, b"200101000000Z"), tlv(0x18, b"99991231235959Z")].concat();
    let public = private.to_public_key().to_public_key_der().map_err(|error| error.to_string())?;
    let version = tlv(0xa0, &tlv(0x02, &[2]));
    let serial = tlv(0x02, &[1]);
    let parts = [&version, &serial, &SHA256_WITH_RSA[..], &name, &tlv(SEQUENCE, &always), &name, public.as_bytes()];
    let signed = tlv(SEQUENCE, &parts.concat());
    let signature = sign(private, secret, SHA256_PREFIX.into(), &Sha256::digest(&signed));
    let signature = signature.map_err(|error| error.to_string())?;
    let bits = tlv(0x03, &[&[0], &signature[..]].concat());
    Ok(tlv(SEQUENCE, &[&signed, &SHA256_WITH_RSA[..], &bits].concat()))
}

/// Writes a value behind its tag and length.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let skipped = bytes.iter().take_while(|byte| **byte == 0).count();
            let bytes = &bytes[skipped..];
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(value);
    out
}

fn pem(der: &[u8]) -> String {
    let text = base64::write(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_that_of_the_secret_and_checks_what_it_signed() {
        let key = SigningKey::new([7; 32]).unwrap();
        assert_eq!(SigningKey::new([7; 32]).unwrap().certificate, key.certificate);
        let digest = Sha256::digest("text");
        let padding = || Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
        let signature = base64::read(&key.sign(Signing::Sha256, 1, "text").unwrap()).unwrap();
        key.private.to_public_key().verify(padding(), &digest, &signature).unwrap();
        let digest = Sha1::digest("text");
        let padding = || Pkcs1v15Sign { hash_len: Some(20), prefix: SHA1_PREFIX.into() };
        let signature = base64::read(&key.sign(Signing::Sha1, 1, "text").unwrap()).unwrap();
        key.private.to_public_key().verify(padding(), &digest, &signature).unwrap();
        assert_eq!(key.sign(Signing::None, 1, "text"), None);
    }

    #[test]
    fn lengths_are_those_of_der() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }
}
