//! The link with which the person at the terminal signs in.

use std::sync::{Mutex, PoisonError};

use super::token::{self, Token};

/// A link that works once. Each use makes the next one.
pub struct OneTimeLink {
    /// The address of the login page.
    login: String,
    current: Mutex<Option<Token>>,
}

impl OneTimeLink {
    pub fn new(login: String) -> Self {
        Self { login, current: Mutex::default() }
    }

    /// Makes a link, which replaces the one before, and prints it on the terminal.
    pub fn print(&self) {
        let secret = token::random();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Token::new(&secret));
        eprintln!("Sign in once with this link: {}?token={secret}", self.login);
    }

    /// Whether this is the secret of the link, which then no longer works.
    pub fn redeem(&self, secret: &str) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = current.as_ref().is_some_and(|token| token.matches(secret));
        if matches {
            *current = None;
        }
        drop(current);
        if matches {
            self.print();
        }
        matches
    }
}
