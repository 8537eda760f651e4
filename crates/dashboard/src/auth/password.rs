//! Passwords, as argon2 hashes.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// A hash takes 19 MiB of memory and a core for some milliseconds: more at once would let anybody use up both.
static CONCURRENT: Semaphore = Semaphore::const_new(2);

/// The hash of a user's password.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Checks the form of a hash.
    pub fn parse(hash: &str) -> Result<Self, String> {
        let hash = hash.trim();
        match PasswordHash::new(hash) {
            Ok(_) if hash.starts_with("$argon2") => Ok(Self(hash.to_owned())),
            _ => {
                Err("is not an argon2 hash: make one with `ratelog-dashboard hash-password`"
                    .to_owned())
            }
        }
    }

    /// The hash.
    pub fn hash(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. Without a hash it takes as long, so that nobody learns which users there are.
    pub async fn verify(hash: Option<&Self>, password: String) -> bool {
        let Ok(_permit) = CONCURRENT.acquire().await else { return false };
        let expected = hash.map(|hash| hash.0.clone());
        let verify = move || {
            let Some(expected) = expected else {
                let _ = Argon2::default().hash_password(password.as_bytes());
                return false;
            };
            PasswordHash::new(&expected).is_ok_and(|expected| {
                Argon2::default().verify_password(password.as_bytes(), &expected).is_ok()
            })
        };
        tokio::task::spawn_blocking(verify).await.unwrap_or(false)
    }
}

/// The hash of a password.
///
/// # Errors
/// The text names what is wrong with the password.
pub fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < 8 {
        return Err("a password has at least 8 characters".to_owned());
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Password, hash};

    #[tokio::test]
    async fn only_the_password_of_a_hash_is_accepted() {
        let text = hash("correct horse").unwrap();
        let parsed = Password::parse(&format!("{text}\n")).unwrap();
        assert!(Password::verify(Some(&parsed), "correct horse".to_owned()).await);
        assert!(!Password::verify(Some(&parsed), "battery staple".to_owned()).await);
        assert!(!Password::verify(None, "correct horse".to_owned()).await);
    }

    #[test]
    fn other_texts_are_no_hashes() {
        assert!(hash("short").is_err());
        for text in ["", "correct horse", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(Password::parse(text).is_err(), "{text}");
        }
    }
}
