//! Users who sign in at an OIDC provider.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Form, Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use ratelog_test_support::Server;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Dashboard, Reply, User};

const CLIENT_ID: &str = "ratelog";
const CODE: &str = "the-code";
/// No user signs in with a token of the provider's own, so the dashboard never connects here.
const REDIRECT: &str = "http://127.0.0.1/login/oidc/end";

/// A provider that signs everybody in as one user.
struct Provider {
    issuer: String,
    key: Mutex<CoreEdDsaPrivateSigningKey>,
    /// The claims of the next token that are not as they should be.
    claims: Mutex<Value>,
    /// The nonces of the sign-ins that have begun.
    nonce: Mutex<String>,
}

type Parameters = HashMap<String, String>;

impl Provider {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Mutex::new(new_key("1"));
        let (claims, nonce) = (Mutex::new(json!({})), Mutex::default());
        let provider = Arc::new(Self { issuer, key, claims, nonce });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// Signs the next tokens with another key.
    fn change_key(&self, id: &str) {
        *self.key.lock().unwrap() = new_key(id);
    }

    /// Changes claims of the next tokens.
    fn set_claims(&self, claims: Value) {
        *self.claims.lock().unwrap() = claims;
    }

    fn id_token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer,
            "aud": [CLIENT_ID],
            "exp": now + 60,
            "iat": now,
            "sub": "subject-1",
            "nonce": *self.nonce.lock().unwrap(),
            "email": "alice@example.com",
            "email_verified": true,
        });
        let changed = self.claims.lock().unwrap().clone();
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        let claims: CoreIdTokenClaims = serde_json::from_value(claims).unwrap();
        let algorithm = CoreJwsSigningAlgorithm::EdDsa;
        CoreIdToken::new(claims, &*self.key.lock().unwrap(), algorithm, None, None)
            .unwrap()
            .to_string()
    }
}

fn new_key(id: &str) -> CoreEdDsaPrivateSigningKey {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    let id = Some(JsonWebKeyId::new(id.to_owned()));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, id).unwrap()
}

async fn configuration(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256", "EdDSA", "none"],
    }))
}

async fn keys(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(json!({ "keys": [provider.key.lock().unwrap().as_verification_key()] }))
}

async fn authorize(
    State(provider): State<Arc<Provider>>,
    Query(query): Query<Parameters>,
) -> Redirect {
    assert_eq!((&*query["client_id"], &*query["response_type"]), (CLIENT_ID, "code"));
    assert_eq!(query["code_challenge_method"], "S256");
    provider.nonce.lock().unwrap().clone_from(&query["nonce"]);
    Redirect::to(&format!("{}?code={CODE}&state={}", query["redirect_uri"], query["state"]))
}

async fn token(
    State(provider): State<Arc<Provider>>,
    Form(form): Form<Parameters>,
) -> Result<Json<Value>, axum::http::StatusCode> {
    if form["code"] != CODE || form["code_verifier"].is_empty() {
        return Err(axum::http::StatusCode::BAD_REQUEST);
    }
    let (access_token, id_token) = ("access", provider.id_token());
    Ok(Json(json!({ "access_token": access_token, "token_type": "bearer", "id_token": id_token })))
}

async fn dashboard(server: &Server, issuer: &str) -> Dashboard {
    let url = format!("redis://127.0.0.1:{}", server.port());
    let arguments = [
        ["--oidc-issuer", issuer],
        ["--oidc-client-id", CLIENT_ID],
        ["--oidc-client-secret", "the-secret-of-the-client"],
        ["--oidc-redirect-url", REDIRECT],
        ["--operator", "alice@example.com"],
    ];
    Dashboard::with(&url, arguments.as_flattened()).await
}

async fn get_as_nobody(dashboard: &Dashboard, path: &str) -> Reply {
    Reply::of(dashboard.request(User::Nobody, Method::GET, path)).await
}

/// Goes to the provider, and returns the path to which it leads back.
async fn answer_of_provider(dashboard: &Dashboard) -> String {
    let begun = get_as_nobody(dashboard, "/login/oidc").await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let answer = Reply::of(dashboard.http.get(begun.location())).await;
    answer.location().strip_prefix("http://127.0.0.1").unwrap().to_owned()
}

async fn sign_in(dashboard: &Dashboard) -> Reply {
    let path = answer_of_provider(dashboard).await;
    get_as_nobody(dashboard, &path).await
}

#[tokio::test]
async fn users_have_the_roles_that_the_settings_name() {
    let (server, provider) = (Server::start(), Provider::start().await);
    for (claims, user, is_operator) in [
        (json!({}), "alice@example.com", true),
        (json!({ "email": "bob@example.com" }), "bob@example.com", false),
        // Anybody can claim an address that the provider has not verified.
        (json!({ "email_verified": false }), "subject-1", false),
    ] {
        let dashboard = dashboard(&server, &provider.issuer).await;
        provider.set_claims(claims);
        let signed_in = sign_in(&dashboard).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.text);
        assert!(signed_in.text.contains("/overview"));
        let overview = get_as_nobody(&dashboard, "/overview").await;
        assert_eq!(overview.status, 200);
        assert!(overview.text.contains(user), "{user}");
        assert_eq!(overview.text.contains("(viewer)"), !is_operator, "{user}");
        let reset = dashboard.request(User::Nobody, Method::POST, "/api/v1/keys/k/reset");
        let expected = if is_operator { 200 } else { 403 };
        assert_eq!(Reply::of(reset).await.status, expected, "{user}");
    }
}

#[tokio::test]
async fn an_answer_for_another_browser_is_refused() {
    let (server, provider) = (Server::start(), Provider::start().await);
    let dashboard = dashboard(&server, &provider.issuer).await;
    let path = answer_of_provider(&dashboard).await;
    let wrong_state = path.replace("state=", "state=x");
    assert_eq!(get_as_nobody(&dashboard, &wrong_state).await.status, 400);
    let url = dashboard.url(&path);
    let without_cookies = reqwest::Client::new().get(&url).send().await.unwrap();
    assert_eq!(without_cookies.status(), 400);
    assert_eq!(get_as_nobody(&dashboard, &path).await.status, 200);
    // The attempt has ended.
    assert_eq!(get_as_nobody(&dashboard, &path).await.status, 400);
    for path in ["/login/oidc/end", "/login/oidc/end?error=access_denied"] {
        assert_eq!(get_as_nobody(&dashboard, path).await.status, 400);
    }
}

#[tokio::test]
async fn a_token_that_is_not_for_this_sign_in_is_refused() {
    let (server, provider) = (Server::start(), Provider::start().await);
    let dashboard = dashboard(&server, &provider.issuer).await;
    for claims in [
        json!({ "nonce": "another" }),
        json!({ "aud": ["another"] }),
        json!({ "iss": "https://example.com" }),
        json!({ "exp": 1 }),
    ] {
        provider.set_claims(claims.clone());
        assert_eq!(sign_in(&dashboard).await.status, 400, "{claims}");
    }
    let path = answer_of_provider(&dashboard).await.replace(CODE, "another-code");
    assert_eq!(get_as_nobody(&dashboard, &path).await.status, 400);
    assert_eq!(get_as_nobody(&dashboard, "/overview").await.status, 303);
}

#[tokio::test]
async fn a_provider_may_change_its_key() {
    let (server, provider) = (Server::start(), Provider::start().await);
    let dashboard = dashboard(&server, &provider.issuer).await;
    assert_eq!(sign_in(&dashboard).await.status, 200);
    provider.change_key("2");
    let signed_in = sign_in(&dashboard).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
}

#[tokio::test]
async fn answers_that_no_browser_has_asked_for_do_not_count() {
    let (server, provider) = (Server::start(), Provider::start().await);
    let dashboard = dashboard(&server, &provider.issuer).await;
    for _ in 0..10 {
        let reply = get_as_nobody(&dashboard, "/login/oidc/end?state=x&code=x").await;
        assert_eq!(reply.status, 400, "{}", reply.text);
    }
    assert_eq!(sign_in(&dashboard).await.status, 200);
}

#[tokio::test]
async fn a_provider_that_is_away_is_an_error_of_the_sign_in_only() {
    let server = Server::start();
    // No server listens on this port.
    let dashboard = dashboard(&server, "http://127.0.0.1:1").await;
    assert_eq!(get_as_nobody(&dashboard, "/login").await.status, 200);
    let begun = get_as_nobody(&dashboard, "/login/oidc").await;
    assert_eq!(begun.status, 503);
    assert!(begun.text.contains("http://127.0.0.1:1"), "{}", begun.text);
    assert_eq!(dashboard.get("/overview").await.status, 200);
}
