use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::Cookie;
#[cfg(feature = "oidc")]
use axum_extra::extract::cookie::SameSite;
use ipnet::IpNet;
use ratelog_client::tower::TrustedProxies;

use super::identity::{Identity, Method, Role};
use super::login_limit::{LoginClient, LoginLimit};
#[cfg(feature = "oidc")]
use super::oidc::{self, Oidc};
use super::one_time_link::OneTimeLink;
use super::password::Password;
use super::secrets::Secrets;
use super::session::{BROWSER_COOKIE, COOKIE, KnownBrowser, Sessions};
use super::start_error::StartError;
use super::token;
use crate::operations::failure::Failure;
use crate::settings::Settings;

/// Identifies the users of requests.
pub struct Authenticator {
    secrets: Secrets,
    forwarding_proxies: TrustedProxies,
    trusted_proxies: Vec<IpNet>,
    user_header: String,
    operators: Vec<String>,
    has_oidc: bool,
    #[cfg(feature = "oidc")]
    oidc: Option<Oidc>,
    link: Option<OneTimeLink>,
    login_limit: LoginLimit,
    /// The sessions.
    pub(crate) sessions: Sessions,
}

impl Authenticator {
    /// Reads the secrets that the settings name.
    ///
    /// # Errors
    /// [`StartError`] for an invalid secret, a file that cannot be read, and a listener that other machines reach if
    /// nobody could sign in.
    pub fn new(settings: &Settings) -> Result<Self, StartError> {
        let secrets = Secrets::read(settings)?;
        let has_users = secrets.passwords.iter().any(|(_, password)| password.is_some())
            || !settings.trusted_proxies.is_empty()
            || has_oidc(settings);
        if settings.is_public() && !has_users {
            return Err(StartError(format!(
                "the dashboard does not listen on {} without passwords, because other machines reach it: set \
                 --operator-password-hash (see `ratelog-dashboard hash-password`), or --trusted-proxy and --operator \
                 if a proxy authenticates users, or listen on 127.0.0.1",
                settings.listen
            )));
        }
        let login = format!("http://{}{}/login", settings.listen, settings.base_path);
        let length = Duration::from_secs(60 * settings.session_minutes);
        Ok(Self {
            secrets,
            forwarding_proxies: forwarding_proxies(settings)?,
            trusted_proxies: settings.trusted_proxies.clone(),
            user_header: settings.user_header.to_ascii_lowercase(),
            operators: settings.operators.clone(),
            has_oidc: has_oidc(settings),
            #[cfg(feature = "oidc")]
            oidc: oidc(settings)?,
            link: (!has_users).then(|| OneTimeLink::new(login)),
            login_limit: LoginLimit::new(),
            sessions: Sessions::new(length, &settings.base_path, settings.https),
        })
    }

    /// Prints the link with which to sign in, if there are no passwords.
    pub fn print_link(&self) {
        if let Some(link) = &self.link {
            link.print();
        }
    }

    /// Whether users sign in at an OIDC provider.
    #[must_use]
    pub fn has_oidc(&self) -> bool {
        self.has_oidc
    }

    /// Begins to sign in at the provider. Returns the URL of its page, and the cookies with the attempt.
    ///
    /// # Errors
    /// [`Failure::NotFound`] without a provider, [`Failure::Unavailable`] if it does not answer.
    #[cfg(feature = "oidc")]
    pub async fn begin_oidc(
        &self,
        headers: &HeaderMap,
    ) -> Result<(String, PrivateCookieJar), Failure> {
        let (url, attempt) = self.oidc()?.begin().await?;
        let value = serde_json::to_string(&attempt).unwrap_or_default();
        let mut cookie = self.sessions.cookie(oidc::COOKIE, value);
        // The provider's page leads back here.
        cookie.set_same_site(SameSite::Lax);
        Ok((url, self.cookies(headers).add(cookie)))
    }

    /// Ends a sign-in at the provider. Returns the cookies with the session.
    ///
    /// # Errors
    /// [`Failure::Invalid`] if the answer is not that of this browser's attempt, or is not confirmed.
    #[cfg(feature = "oidc")]
    pub async fn end_oidc(
        &self,
        headers: &HeaderMap,
        state: &str,
        code: String,
        peer: IpAddr,
    ) -> Result<PrivateCookieJar, Failure> {
        let cookies = self.cookies(headers);
        let attempt = cookies.get(oidc::COOKIE);
        let attempt = attempt.and_then(|cookie| serde_json::from_str(cookie.value()).ok());
        let attempt = attempt.ok_or_else(|| {
            Failure::Invalid(
                "This browser has not begun to sign in, or has done so twice.".to_owned(),
            )
        })?;
        // Only attempts of this browser count: any page could use up others, by images of this URL.
        self.limit_login(&cookies, None, headers, peer)?;
        let user = self.oidc()?.end(attempt, state, code).await?;
        let role = self.role_of(&user);
        let cookies = cookies.remove(self.sessions.cookie(oidc::COOKIE, String::new()));
        Ok(self.begin_session(cookies, &user, role, Method::Oidc))
    }

    #[cfg(feature = "oidc")]
    fn oidc(&self) -> Result<&Oidc, Failure> {
        let no_provider = || Failure::NotFound("there is no OIDC provider".to_owned());
        self.oidc.as_ref().ok_or_else(no_provider)
    }

    /// The role of a user of a proxy or a provider.
    fn role_of(&self, user: &str) -> Role {
        let is_operator = self.operators.iter().any(|operator| operator == user);
        if is_operator { Role::Operator } else { Role::Viewer }
    }

    /// Returns whether there is a link to sign in with.
    #[must_use]
    pub fn has_link(&self) -> bool {
        self.link.is_some()
    }

    /// Whether users sign in with passwords.
    #[must_use]
    pub fn has_passwords(&self) -> bool {
        self.secrets.passwords.iter().any(|(_, password)| password.is_some())
    }

    /// The cookies of a request.
    pub fn cookies(&self, headers: &HeaderMap) -> PrivateCookieJar {
        PrivateCookieJar::from_headers(headers, self.secrets.key.clone())
    }

    /// The address of the client of a request, which comes from `peer`.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        self.forwarding_proxies.client_address(peer, headers)
    }

    /// The user of a request, which comes from `peer`. A request with an invalid token has none, even if it has a cookie.
    /// Basic credentials are for the proxy that asked for them.
    #[must_use]
    pub fn identify(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Identity> {
        let address = self.client(headers, peer);
        let authorization = headers.get(AUTHORIZATION);
        if let Some(authorization) = authorization.filter(|value| !is_basic(value)) {
            let secret = bearer(authorization.to_str().ok()?)?;
            let (role, _) = self.secrets.tokens.iter().find(|(_, token)| token.matches(secret))?;
            let user = match role {
                Role::Operator => "operator-token",
                Role::Viewer => "viewer-token",
            };
            return Some(Identity {
                user: user.to_owned(),
                role: *role,
                method: Method::Token,
                address,
            });
        }
        self.of_proxy(headers, peer).or_else(|| {
            let cookies = self.cookies(headers);
            let session = self.sessions.read(&cookies.get(COOKIE)?)?;
            Some(Identity {
                user: session.user,
                role: session.role,
                method: session.method,
                address,
            })
        })
    }

    /// Whether a request may read the metrics.
    #[must_use]
    pub fn may_read_metrics(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let secret = headers.get(AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
        let is_metrics_token = || {
            let token = self.secrets.metrics_token.as_ref();
            token.is_some_and(|token| secret.is_some_and(|secret| token.matches(secret)))
        };
        is_metrics_token() || self.identify(headers, peer).is_some()
    }

    /// Signs in with a password. Returns the cookies with the session.
    ///
    /// # Errors
    /// [`Failure::TooMany`] after too many attempts; [`Failure::Invalid`] for a wrong user or password.
    pub async fn sign_in(
        &self,
        user: &str,
        password: String,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<PrivateCookieJar, Failure> {
        let cookies = self.cookies(headers);
        self.limit_login(&cookies, Some(user), headers, peer)?;
        let named = |role: &Role| match role {
            Role::Operator => user == "operator",
            Role::Viewer => user == "viewer",
        };
        let found = self.secrets.passwords.iter().find(|(role, _)| named(role));
        let hash = found.and_then(|(_, password)| password.as_ref());
        if Password::verify(hash, password).await
            && let Some((role, _)) = found
        {
            return Ok(self.begin_session(cookies, user, *role, Method::Password));
        }
        Err(Failure::Invalid("The user or the password is wrong.".to_owned()))
    }

    /// Counts an attempt to sign in, with the password of a user or at a provider. A browser is known for the user that
    /// signed in from it: a viewer must not get attempts at the operator's password by signing in.
    fn limit_login(
        &self,
        cookies: &PrivateCookieJar,
        user: Option<&str>,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<(), Failure> {
        let browser = known_browser(cookies, user);
        let client = browser.as_ref().map_or_else(
            || LoginClient::Address(self.client(headers, peer)),
            |browser| LoginClient::KnownBrowser(&browser.id),
        );
        self.login_limit.attempt(client).map_err(Failure::TooMany)
    }

    /// Adds the cookies of a new session, and of the browser that has it.
    fn begin_session(
        &self,
        cookies: PrivateCookieJar,
        user: &str,
        role: Role,
        method: Method,
    ) -> PrivateCookieJar {
        let known_user = (method == Method::Password).then_some(user);
        let browser = known_browser(&cookies, known_user).unwrap_or_else(|| KnownBrowser {
            id: token::random(),
            user: known_user.map(str::to_owned),
        });
        cookies
            .add(self.sessions.known_browser(&browser))
            .add(self.sessions.begin(user, role, method))
    }

    /// Signs in with the secret of the link. Returns the cookie of the session.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for another secret.
    pub fn redeem(&self, secret: &str) -> Result<Cookie<'static>, Failure> {
        // Nobody guesses it, so attempts are not limited: any page could use them up, by images of this URL.
        if self.link.as_ref().is_some_and(|link| link.redeem(secret)) {
            return Ok(self.sessions.begin("operator", Role::Operator, Method::Link));
        }
        Err(Failure::Invalid(
            "This link has been used, or is not the newest one on the terminal.".to_owned(),
        ))
    }

    /// Ends the session of a request. Returns the cookies without it.
    pub fn sign_out(&self, headers: &HeaderMap) -> PrivateCookieJar {
        let cookies = self.cookies(headers);
        if let Some(session) = cookies.get(COOKIE).and_then(|cookie| self.sessions.read(&cookie)) {
            self.sessions.end(&session);
        }
        cookies.remove(self.sessions.cookie(COOKIE, String::new()))
    }

    fn of_proxy(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Identity> {
        if !self.trusted_proxies.iter().any(|network| network.contains(&peer)) {
            return None;
        }
        let mut users = headers.get_all(&self.user_header).iter();
        let user = users.next()?.to_str().ok().filter(|user| !user.is_empty())?;
        // Two headers may be the proxy's and that of somebody who wants to be another.
        if users.next().is_some() {
            return None;
        }
        let role = self.role_of(user);
        let address = self.client(headers, peer);
        Some(Identity { user: user.to_owned(), role, method: Method::Proxy, address })
    }
}

#[cfg(feature = "oidc")]
fn has_oidc(settings: &Settings) -> bool {
    settings.oidc_issuer.is_some()
}

#[cfg(not(feature = "oidc"))]
const fn has_oidc(_: &Settings) -> bool {
    false
}

#[cfg(feature = "oidc")]
fn oidc(settings: &Settings) -> Result<Option<Oidc>, StartError> {
    let Settings { oidc_issuer, oidc_client_id, oidc_redirect_url, .. } = settings;
    match (oidc_issuer, oidc_client_id, oidc_redirect_url) {
        (Some(issuer), Some(id), Some(redirect_url)) => {
            Oidc::new(issuer, id, settings.oidc_client_secret.clone(), redirect_url).map(Some)
        }
        _ => Ok(None),
    }
}

fn forwarding_proxies(settings: &Settings) -> Result<TrustedProxies, StartError> {
    let networks = settings.forwarding_proxies.iter().map(IpNet::to_string);
    TrustedProxies::x_forwarded_for(networks)
        .map_err(|error| StartError(format!("--forwarding-proxy: {error}")))
}

/// The browser of a request, if it is known for a user; with `None`, for sign-ins at a provider.
fn known_browser(cookies: &PrivateCookieJar, user: Option<&str>) -> Option<KnownBrowser> {
    let cookie = cookies.get(BROWSER_COOKIE)?;
    let browser: KnownBrowser = serde_json::from_str(cookie.value()).ok()?;
    (browser.user.as_deref() == user).then_some(browser)
}

fn is_basic(authorization: &HeaderValue) -> bool {
    authorization.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, secret) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
