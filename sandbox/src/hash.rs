//! Digests and signatures.

use ring::{digest, hmac};

/// The first eight bytes of the SHA-256 of these texts, each with its length, as a number.
pub fn number(parts: &[&[u8]]) -> u64 {
    let bytes = sha256(parts);
    bytes[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The SHA-256 of these texts, each with its length.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// Signs texts and verifies signatures.
pub struct Signer(hmac::Key);

impl Signer {
    /// A signer with this secret.
    pub fn new(secret: &[u8]) -> Signer {
        Signer(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The signature of a text (HMAC-SHA-256), in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }

    /// Whether a signature belongs to a text. Every wrong signature takes the same time.
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let bytes: Option<Vec<u8>> = (0..signature.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok())
            .collect();
        bytes.is_some_and(|bytes| hmac::verify(&self.0, text.as_bytes(), &bytes).is_ok())
    }
}
