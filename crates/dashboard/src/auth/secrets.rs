use std::path::Path;

use axum_extra::extract::cookie::Key;
use sha2::{Digest, Sha512};

use super::identity::Role;
use super::password::Password;
use super::start_error::StartError;
use super::token::Token;
use crate::settings::Settings;

/// The least length of a token that a setting gives.
const MIN_TOKEN: usize = 16;
/// The least length of the secret of cookies.
const MIN_SECRET: usize = 64;

/// The secrets that the settings give, or name files of.
pub(super) struct Secrets {
    /// The passwords of the users.
    pub passwords: [(Role, Option<Password>); 2],
    /// The tokens of the API.
    pub tokens: Vec<(Role, Token)>,
    /// The token that may only read the metrics.
    pub metrics_token: Option<Token>,
    /// The key that encrypts cookies.
    pub key: Key,
}

impl Secrets {
    /// Reads the secrets.
    ///
    /// # Errors
    /// [`StartError`] for an invalid secret, and for a file that cannot be read.
    pub fn read(settings: &Settings) -> Result<Self, StartError> {
        let operator = password(
            "operator-password-hash",
            settings.operator_password_hash.as_deref(),
            settings.operator_password_hash_file.as_deref(),
        )?;
        let viewer = password(
            "viewer-password-hash",
            settings.viewer_password_hash.as_deref(),
            settings.viewer_password_hash_file.as_deref(),
        )?;
        let operator_token = token(
            "operator-token",
            settings.operator_token.as_deref(),
            settings.operator_token_file.as_deref(),
        )?;
        let viewer_token = token(
            "viewer-token",
            settings.viewer_token.as_deref(),
            settings.viewer_token_file.as_deref(),
        )?;
        let tokens = [(Role::Operator, operator_token), (Role::Viewer, viewer_token)];
        let key = match &settings.secret {
            None => Key::generate(),
            Some(secret) if secret.len() >= MIN_SECRET => {
                cookie_key(secret, settings, [&operator, &viewer])
            }
            Some(_) => {
                return Err(StartError(format!("--secret has less than {MIN_SECRET} characters")));
            }
        };
        Ok(Self {
            passwords: [(Role::Operator, operator), (Role::Viewer, viewer)],
            tokens: tokens.into_iter().filter_map(|(role, token)| Some((role, token?))).collect(),
            metrics_token: token("metrics-token", settings.metrics_token.as_deref(), None)?,
            key,
        })
    }
}

/// The key of cookies that outlive the program, until a password or the list of operators changes.
fn cookie_key(secret: &str, settings: &Settings, passwords: [&Option<Password>; 2]) -> Key {
    let passwords = passwords.map(|password| password.as_ref().map_or("", Password::hash));
    let operators = settings.operators.iter().map(String::as_str);
    let mut digest = Sha512::new();
    for part in [secret].into_iter().chain(passwords).chain(operators) {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    Key::from(&digest.finalize())
}

/// The value of a secret, or the content of its file.
fn secret(
    name: &str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, StartError> {
    match (value, file) {
        (Some(value), _) => Ok(Some(value.trim().to_owned())),
        (None, None) => Ok(None),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map(|text| Some(text.trim().to_owned()))
            .map_err(|error| StartError(format!("--{name}-file {}: {error}", file.display()))),
    }
}

fn password(
    name: &str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<Password>, StartError> {
    let hash = secret(name, value, file)?;
    let parse = |hash: String| Password::parse(&hash);
    hash.map(parse).transpose().map_err(|error| StartError(format!("--{name} {error}")))
}

fn token(
    name: &str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<Token>, StartError> {
    match secret(name, value, file)? {
        None => Ok(None),
        Some(secret) if secret.len() >= MIN_TOKEN => Ok(Some(Token::new(&secret))),
        Some(_) => Err(StartError(format!("--{name} has less than {MIN_TOKEN} characters"))),
    }
}
