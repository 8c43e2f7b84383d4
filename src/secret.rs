//! Key material that cannot be printed, compared or serialised by accident.
//!
//! `expose` is the only way to the bytes and is easy to search for. Memory is wiped on drop.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes that must not appear in logs, errors, metrics or answers.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The shortest secret we sign with, in bytes (the Tools API's own rule).
    pub const MIN_LEN: usize = 8;

    /// Takes ownership of the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves. Every call of this is a place to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `***` and the last three characters, or `***` alone where three would give away too much
    /// of a short secret.
    // spec: SIG-5
    pub fn mask(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let length = text.chars().count();
        let shown = if length < 12 { 0 } else { 3 };
        let tail: String = text.chars().skip(length - shown).collect();
        format!("***{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A token's SHA-256: all that comparing takes, and of one length whatever the token's is, so that
/// the time a comparison takes tells nothing.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Digests a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether both are of the same token, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_three_characters_of_a_long_secret_only() {
        for (secret, mask) in [
            ("your_shared_secret_key", "***key"),
            ("exactly12byt", "***byt"),
            ("elevenbytes", "***"),
            ("пароль-и-密码-🔑", "***码-🔑"),
            ("пароль-密码-🔑", "***"),
        ] {
            assert_eq!(Secret::new(secret).mask(), mask);
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("supersecret")), "Secret(***)");
    }
}
