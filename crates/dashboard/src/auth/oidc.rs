//! Signing in at an OIDC provider, by the authorization code flow with PKCE.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata,
};
use openidconnect::reqwest::redirect::Policy;
use openidconnect::reqwest::{Client, ClientBuilder};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::start_error::StartError;
use super::token::Token;
use crate::operations::failure::Failure;

type ProviderClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The endpoints of a provider, and its algorithms.
struct Provider {
    client: ProviderClient,
    algorithms: Vec<CoreJwsSigningAlgorithm>,
}

/// The name of the cookie of a sign-in that has begun.
pub const COOKIE: &str = "ratelog_dashboard_sign_in";

/// The time for which a sign-in waits for the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An OIDC provider.
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    redirect_url: RedirectUrl,
    http: Client,
    /// The provider's endpoints and keys, read when somebody first signs in, and again when its keys have changed.
    provider: Mutex<Option<Arc<Provider>>>,
}

/// The secrets of a sign-in that has begun. They stay with the browser that began it.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Oidc {
    /// A provider. Nothing is connected to yet.
    pub fn new(
        issuer: &str,
        client_id: &str,
        client_secret: Option<String>,
        redirect_url: &str,
    ) -> Result<Self, StartError> {
        let invalid = |option: &str, error: String| StartError(format!("--{option}: {error}"));
        // A provider that redirects the requests of this program could have them sent anywhere.
        let http = ClientBuilder::new().redirect(Policy::none()).timeout(TIMEOUT).build();
        Ok(Self {
            issuer: IssuerUrl::new(issuer.to_owned())
                .map_err(|error| invalid("oidc-issuer", error.to_string()))?,
            client_id: ClientId::new(client_id.to_owned()),
            client_secret: client_secret.map(ClientSecret::new),
            redirect_url: RedirectUrl::new(redirect_url.to_owned())
                .map_err(|error| invalid("oidc-redirect-url", error.to_string()))?,
            http: http.map_err(|error| invalid("oidc-issuer", error.to_string()))?,
            provider: Mutex::default(),
        })
    }

    /// Begins to sign in. Returns the URL of the provider's page.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if the provider cannot be asked for its endpoints.
    pub async fn begin(&self) -> Result<(String, Attempt), Failure> {
        let provider = self.provider().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = provider
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url.to_string(), Attempt { state, nonce, verifier }))
    }

    /// Ends a sign-in with the answer of the provider. Returns the user: the verified email address, or else the subject,
    /// which is `subject NAME` if it looks like an address.
    ///
    /// # Errors
    /// [`Failure::Invalid`] if the answer is not that of this attempt, or the provider does not confirm it.
    pub async fn end(
        &self,
        attempt: Attempt,
        state: &str,
        code: String,
    ) -> Result<String, Failure> {
        if !Token::new(attempt.state.secret()).matches(state) {
            return Err(Failure::Invalid(
                "This answer of the provider is not for this browser.".to_owned(),
            ));
        }
        let provider = self.provider().await?;
        let invalid = |error: String| {
            tracing::warn!(error, "the provider's answer is refused");
            Failure::Invalid("The provider does not confirm who you are.".to_owned())
        };
        let tokens = provider
            .client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| invalid(error.to_string()))?
            .set_pkce_verifier(attempt.verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| invalid(error.to_string()))?;
        let token = tokens
            .id_token()
            .ok_or_else(|| Failure::Invalid("The provider sends no ID token.".to_owned()))?;
        if let Ok(user) = provider.user(token, &attempt.nonce) {
            return Ok(user);
        }
        // Providers change their keys from time to time.
        let provider = self.discover().await?;
        let user = provider.user(token, &attempt.nonce).map_err(invalid)?;
        *self.provider.lock().await = Some(Arc::new(provider));
        Ok(user)
    }

    async fn provider(&self) -> Result<Arc<Provider>, Failure> {
        let mut known = self.provider.lock().await;
        if let Some(provider) = &*known {
            return Ok(Arc::clone(provider));
        }
        let provider = Arc::new(self.discover().await?);
        *known = Some(Arc::clone(&provider));
        Ok(provider)
    }

    async fn discover(&self) -> Result<Provider, Failure> {
        let discover = async || {
            let metadata =
                CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await?;
            let supported = metadata.id_token_signing_alg_values_supported();
            let algorithms =
                supported.iter().filter(|name| has_public_key(name)).cloned().collect();
            let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
            let client = CoreClient::from_provider_metadata(metadata, id, secret);
            let client = client.set_redirect_uri(self.redirect_url.clone());
            Ok(Provider { client, algorithms })
        };
        discover().await.map_err(|error: openidconnect::DiscoveryError<_>| {
            Failure::Unavailable(format!("the OIDC provider {}: {error}", *self.issuer))
        })
    }
}

impl Provider {
    /// The user whom a token of this provider names.
    fn user(&self, token: &CoreIdToken, nonce: &Nonce) -> Result<String, String> {
        let verifier = self.client.id_token_verifier();
        let verifier = verifier.set_allowed_algs(self.algorithms.iter().cloned());
        token.claims(&verifier, nonce).map(user).map_err(|error| error.to_string())
    }
}

/// Whether an algorithm verifies a signature with a key that the provider publishes.
fn has_public_key(algorithm: &CoreJwsSigningAlgorithm) -> bool {
    !matches!(
        algorithm,
        CoreJwsSigningAlgorithm::None
            | CoreJwsSigningAlgorithm::HmacSha256
            | CoreJwsSigningAlgorithm::HmacSha384
            | CoreJwsSigningAlgorithm::HmacSha512
    )
}

fn user(claims: &CoreIdTokenClaims) -> String {
    let email = claims.email().filter(|_| claims.email_verified() == Some(true));
    email.map_or_else(|| subject_name(claims.subject()), |email| email.to_string())
}

/// Users choose their subjects at some providers, and must not have the name of an operator's address.
fn subject_name(subject: &str) -> String {
    if subject.contains('@') { format!("subject {subject}") } else { subject.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::subject_name;

    #[test]
    fn a_subject_is_no_address() {
        assert_eq!(subject_name("248289761001"), "248289761001");
        assert_eq!(subject_name("alice@example.com"), "subject alice@example.com");
    }
}
