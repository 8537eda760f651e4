//! Sessions: encrypted cookies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};

use super::identity::{Method, Role};
use super::token;
use crate::clock::now_seconds;

/// The name of the cookie.
pub const COOKIE: &str = "ratelog_dashboard";

/// The name of the cookie of a browser from which somebody has signed in.
pub const BROWSER_COOKIE: &str = "ratelog_dashboard_browser";

/// The content of the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub user: String,
    pub role: Role,
    pub method: Method,
    /// When the session ends, in seconds since the epoch.
    ends: u64,
    id: String,
}

/// A browser from which somebody has signed in: the content of its cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBrowser {
    pub id: String,
    /// The user who signed in with a password; `None` at an OIDC provider.
    pub user: Option<String>,
}

/// How long sessions are, where their cookies are sent, and which have been ended.
pub struct Sessions {
    length: Duration,
    path: String,
    is_secure: bool,
    /// The sessions whose users signed out, with the time when they would have ended.
    ended: Mutex<HashMap<String, u64>>,
}

impl Sessions {
    pub fn new(length: Duration, base_path: &str, is_secure: bool) -> Self {
        let path = if base_path.is_empty() { "/" } else { base_path };
        Self { length, path: path.to_owned(), is_secure, ended: Mutex::default() }
    }

    /// The cookie of a new session.
    pub fn begin(&self, user: &str, role: Role, method: Method) -> Cookie<'static> {
        let ends = now_seconds() + self.length.as_secs();
        let session = Session { user: user.to_owned(), role, method, ends, id: token::random() };
        self.cookie(COOKIE, serde_json::to_string(&session).unwrap_or_default())
    }

    /// The session of a cookie, if it has not ended.
    pub fn read(&self, cookie: &Cookie<'_>) -> Option<Session> {
        let session: Session = serde_json::from_str(cookie.value()).ok()?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        (session.ends > now_seconds() && !ended.contains_key(&session.id)).then_some(session)
    }

    /// Ends a session, wherever its cookie is.
    pub fn end(&self, session: &Session) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, ends| *ends > now_seconds());
        ended.insert(session.id.clone(), session.ends);
    }

    /// The cookie of a browser from which a user has signed in.
    pub fn known_browser(&self, browser: &KnownBrowser) -> Cookie<'static> {
        let value = serde_json::to_string(browser).unwrap_or_default();
        let mut cookie = self.cookie(BROWSER_COOKIE, value);
        cookie.make_permanent();
        cookie
    }

    /// A cookie that lives as long as the browser, and only here.
    pub fn cookie(&self, name: &'static str, value: String) -> Cookie<'static> {
        Cookie::build((name, value))
            .path(self.path.clone())
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.is_secure)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Method, Role, Sessions};

    #[test]
    fn a_session_ends_with_its_time_or_by_its_user() {
        let sessions = Sessions::new(Duration::from_secs(600), "/limits", true);
        let cookie = sessions.begin("operator", Role::Operator, Method::Password);
        let text = cookie.to_string();
        for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/limits"] {
            assert!(text.contains(part), "{part}");
        }
        let session = sessions.read(&cookie).unwrap();
        assert_eq!((&*session.user, session.role), ("operator", Role::Operator));
        sessions.end(&session);
        assert_eq!(sessions.read(&cookie), None);
        let over = Sessions::new(Duration::ZERO, "", false);
        let cookie = over.begin("viewer", Role::Viewer, Method::Link);
        assert_eq!(over.read(&cookie), None);
        assert!(!cookie.to_string().contains("Secure"));
    }
}
