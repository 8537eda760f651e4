//! Secrets that a request shows. Only their digests are kept, and compared in constant time.

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The length of a generated token: about 190 bits.
const LENGTH: usize = 32;

/// The digest of a secret.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    pub fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    pub fn matches(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::new(secret).0).into()
    }
}

/// A secret that nobody can guess.
pub fn random() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), LENGTH)
}

#[cfg(test)]
mod tests {
    use super::{Token, random};

    #[test]
    fn only_the_same_secret_matches() {
        let token = Token::new("secret");
        assert!(token.matches("secret"));
        for other in ["", "Secret", "secret ", "secre"] {
            assert!(!token.matches(other), "{other}");
        }
        assert_ne!(random(), random());
    }
}
