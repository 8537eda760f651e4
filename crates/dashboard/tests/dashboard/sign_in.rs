//! The users of requests: passwords, sessions, tokens, proxies.

use std::time::Duration;

use ratelog_test_support::Server;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, LOCATION, REFERER};

use crate::support::{
    Dashboard, OPERATOR, PASSWORD, PASSWORD_HASH, Reply, User, VIEWER, try_start, url,
};

/// Nobody listens there: signing in needs no server.
const NO_SERVER: &str = "redis://127.0.0.1:1";

async fn with_passwords(more: &[&str]) -> Dashboard {
    let passwords =
        ["--operator-password-hash", &PASSWORD_HASH, "--viewer-password-hash", &PASSWORD_HASH];
    Dashboard::with(NO_SERVER, &[&passwords, more].concat()).await
}

async fn sign_in(dashboard: &Dashboard, user: &str, password: &str, next: &str) -> Reply {
    let form = [("user", user), ("password", password), ("next", next)];
    Reply::of(dashboard.request(User::Nobody, Method::POST, "/login").form(&form)).await
}

/// The cookie of a session, as a browser sends it.
fn session(reply: &Reply) -> String {
    let cookies = reply.cookies();
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("ratelog_dashboard="));
    cookie.expect("a session begins").split(';').next().unwrap().to_owned()
}

/// The status of a page, for a request with nothing but this cookie.
async fn status_with(dashboard: &Dashboard, cookie: &str) -> u16 {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let request = http.no_proxy().build().unwrap().get(dashboard.url("/nodes"));
    Reply::of(request.header(COOKIE, cookie)).await.status
}

#[tokio::test]
async fn a_password_begins_a_session_and_signing_out_ends_it_everywhere() {
    let dashboard = with_passwords(&[]).await;
    let reply = Reply::of(dashboard.request(User::Nobody, Method::GET, "/nodes?x=1")).await;
    assert_eq!((reply.status, &*reply.location()), (303, "/login?next=%2Fnodes%3Fx%3D1"));
    let login = Reply::of(dashboard.request(User::Nobody, Method::GET, &reply.location())).await;
    assert_eq!(login.page().values("input", "value").next(), Some("/nodes?x=1"));
    let reply = sign_in(&dashboard, "operator", PASSWORD, "/nodes?x=1").await;
    assert_eq!((reply.status, &*reply.location()), (303, "/nodes?x=1"));
    assert_eq!(reply.cookies().len(), 2, "{reply:?}");
    for cookie in reply.cookies() {
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
        }
        assert!(!cookie.contains("Secure") && !cookie.contains("operator"), "{cookie}");
        assert_eq!(cookie.contains("Max-Age"), cookie.starts_with("ratelog_dashboard_browser="));
    }
    let copied = session(&reply);
    assert_eq!(status_with(&dashboard, &copied).await, 200);
    let page = Reply::of(dashboard.request(User::Nobody, Method::GET, "/nodes")).await.page();
    page.assert_has("operator");
    let reply = Reply::of(dashboard.request(User::Nobody, Method::POST, "/logout")).await;
    assert_eq!((reply.status, &*reply.location()), (303, "/login"));
    let after = Reply::of(dashboard.request(User::Nobody, Method::GET, "/nodes")).await;
    assert_eq!(after.status, 303);
    assert_eq!(status_with(&dashboard, &copied).await, 303);
}

#[tokio::test]
async fn each_user_has_its_role() {
    let dashboard = with_passwords(&[]).await;
    for (user, is_operator) in [("operator", true), ("viewer", false)] {
        assert_eq!(sign_in(&dashboard, user, PASSWORD, "").await.location(), "/overview");
        let page = Reply::of(dashboard.request(User::Nobody, Method::GET, "/nodes")).await.page();
        assert_eq!(page.text.contains("(viewer)"), !is_operator, "{}", page.text);
        let reset = Reply::of(dashboard.request(User::Nobody, Method::POST, "/keys/k/reset")).await;
        assert_eq!(reset.status, if is_operator { 303 } else { 403 });
    }
}

#[tokio::test]
async fn cookies_of_others_and_of_before_are_no_sessions() {
    let dashboard = with_passwords(&[]).await;
    let other = with_passwords(&[]).await;
    let cookie = session(&sign_in(&other, "operator", PASSWORD, "").await);
    assert_eq!(status_with(&other, &cookie).await, 200);
    assert_eq!(status_with(&dashboard, &cookie).await, 303);
    for forged in [
        "ratelog_dashboard=",
        r#"ratelog_dashboard={"user":"operator","role":"operator"}"#,
        "ratelog_dashboard=%00",
    ] {
        assert_eq!(status_with(&dashboard, forged).await, 303, "{forged}");
    }
    // A notice has the same key as a session, but another name.
    let notice = dashboard.post("/keys/k/reset", &[]).await;
    let notice = notice.cookies()[0].split(';').next().unwrap().to_owned();
    let renamed = notice.replace("ratelog_dashboard_notice=", "ratelog_dashboard=");
    assert_ne!(notice, renamed);
    assert_eq!(status_with(&dashboard, &renamed).await, 303);
}

#[tokio::test]
async fn cookies_outlive_the_program_only_with_a_secret() {
    let secret = "x".repeat(64);
    let first = with_passwords(&["--secret", &secret, "--https"]).await;
    let reply = sign_in(&first, "viewer", PASSWORD, "").await;
    assert!(reply.cookies()[0].contains("; Secure"), "{reply:?}");
    let second = with_passwords(&["--secret", &secret]).await;
    assert_eq!(status_with(&second, &session(&reply)).await, 200);
    let third = with_passwords(&["--secret", &"y".repeat(64)]).await;
    assert_eq!(status_with(&third, &session(&reply)).await, 303);
    // A user who is no longer trusted has to sign in again.
    let hash = ratelog_dashboard::hash_password("another password").unwrap();
    let arguments = ["--secret", &secret, "--viewer-password-hash", &hash];
    let fourth = Dashboard::with(NO_SERVER, &arguments).await;
    assert_eq!(status_with(&fourth, &session(&reply)).await, 303);
    let fifth = with_passwords(&["--secret", &secret, "--operator", "ada"]).await;
    assert_eq!(status_with(&fifth, &session(&reply)).await, 303);
}

#[tokio::test]
async fn wrong_passwords_are_refused_and_limited() {
    let dashboard = with_passwords(&[]).await;
    // The images of any page can ask for these, so they must not count.
    for _ in 0..10 {
        let link = dashboard.request(User::Nobody, Method::GET, "/login?token=x");
        assert_eq!(Reply::of(link).await.status, 400);
    }
    for (user, password) in
        [("operator", "wrong"), ("nobody", PASSWORD), ("", ""), ("viewer", "\u{0}")]
    {
        let reply = sign_in(&dashboard, user, password, "").await;
        assert_eq!(reply.status, 401, "{user}");
        reply.page().assert_has("The user or the password is wrong.");
        assert!(reply.cookies().is_empty());
    }
    // The fifth attempt is still counted, and right.
    let signed_in = sign_in(&dashboard, "operator", PASSWORD, "").await;
    assert_eq!(signed_in.status, 303);
    let sign_in_elsewhere = async |cookie: &str| {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = client.no_proxy().build().unwrap().post(dashboard.url("/login"));
        let form = [("user", "operator"), ("password", PASSWORD)];
        Reply::of(request.header(COOKIE, cookie).form(&form)).await
    };
    let reply = sign_in_elsewhere("ratelog_dashboard_browser=x").await;
    assert_eq!(reply.status, 429);
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    reply.page().assert_has(&format!("Try again in {wait} s."));
    assert!(reply.cookies().is_empty());
    let link = dashboard.request(User::Nobody, Method::GET, "/login?token=x");
    assert_eq!(Reply::of(link).await.status, 400);
    // A browser from which somebody has signed in has attempts of its own, also after signing out.
    Reply::of(dashboard.request(User::Nobody, Method::POST, "/logout")).await;
    let browser = signed_in.cookies().into_iter().find(|cookie| cookie.contains("_browser="));
    let browser = browser.unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..5 {
        assert_eq!(sign_in_elsewhere(&browser).await.status, 303);
    }
    assert_eq!(sign_in_elsewhere(&browser).await.status, 429);
}

#[tokio::test]
async fn a_browser_is_known_for_its_user_only() {
    let dashboard = with_passwords(&[]).await;
    let sign_in_with = async |user: &str, cookie: &str| {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = client.no_proxy().build().unwrap().post(dashboard.url("/login"));
        let form = [("user", user), ("password", PASSWORD)];
        Reply::of(request.header(COOKIE, cookie).form(&form)).await
    };
    let mut browsers = Vec::new();
    for _ in 0..5 {
        let reply = sign_in_with("viewer", "").await;
        let browser =
            reply.cookies().into_iter().find(|cookie| cookie.contains("_browser=")).unwrap();
        browsers.push(browser.split(';').next().unwrap().to_owned());
    }
    // The address has no attempts left. A viewer's browsers have some at the viewer's password, and none at others.
    for browser in &browsers {
        assert_eq!(sign_in_with("operator", browser).await.status, 429);
        assert_eq!(sign_in_with("viewer", browser).await.status, 303);
    }
}

#[tokio::test]
async fn a_form_without_a_session_leads_back_to_its_page() {
    let dashboard = with_passwords(&[]).await;
    let form = dashboard.request(User::Nobody, Method::POST, "/keys/k/reset");
    let reply = Reply::of(form.header(REFERER, dashboard.url("/keys/k?rules=p"))).await;
    assert_eq!(&*reply.location(), "/login?next=%2Fkeys%2Fk%3Frules%3Dp&repeat=true");
    let login = Reply::of(dashboard.request(User::Nobody, Method::GET, &reply.location())).await;
    let login = login.page();
    login.assert_has("The change was not made: sign in and repeat it.");
    assert_eq!(login.values("input", "value").next(), Some("/keys/k?rules=p"));
    for referer in ["not a URL", "https://www.example.com"] {
        let form = dashboard.request(User::Nobody, Method::POST, "/keys/k/reset");
        let reply = Reply::of(form.header(REFERER, referer)).await;
        assert_eq!(&*reply.location(), "/login?next=%2F&repeat=true", "{referer}");
    }
}

#[tokio::test]
async fn a_login_page_says_how_users_sign_in() {
    for (arguments, text) in [
        (&[][..], "Open the link"),
        (&["--trusted-proxy", "192.0.2.0/24"], "Users sign in at a proxy"),
        (&["--viewer-password-hash", &**PASSWORD_HASH], "Password"),
    ] {
        let dashboard = Dashboard::with(NO_SERVER, arguments).await;
        let request = dashboard.request(User::Nobody, Method::GET, "/login");
        Reply::of(request).await.page().assert_has(text);
    }
}

#[tokio::test]
async fn attempts_behind_a_proxy_are_those_of_its_clients() {
    let server = Server::start();
    let passwords = ["--operator-password-hash", &*PASSWORD_HASH];
    for (proxies, wrong, right) in [("127.0.0.0/8", 401, 303), ("192.0.2.0/24", 401, 429)] {
        let proxied = [&passwords[..], &["--forwarding-proxy", proxies]].concat();
        let dashboard = Dashboard::with(&url(&server), &proxied).await;
        dashboard.until_up(1).await;
        let sign_in = async |client: &str, password| {
            let form = [("user", "operator"), ("password", password)];
            let request = dashboard.request(User::Nobody, Method::POST, "/login").form(&form);
            Reply::of(request.header("X-Forwarded-For", client)).await.status
        };
        for index in 0..5 {
            // The client adds another address each time.
            let client = format!("198.51.100.{index}, 203.0.113.9");
            assert_eq!(sign_in(&client, "wrong").await, wrong);
        }
        assert_eq!(sign_in("198.51.100.1, 203.0.113.9", PASSWORD).await, 429);
        assert_eq!(sign_in("198.51.100.1", PASSWORD).await, right, "{proxies}");
        let reset = dashboard.request(User::Operator, Method::POST, "/api/v1/keys/k/reset");
        assert_eq!(Reply::of(reset.header("X-Forwarded-For", "198.51.100.1")).await.status, 200);
        let audit = dashboard.json("/audit").await;
        let address = if right == 303 { "198.51.100.1" } else { "127.0.0.1" };
        assert_eq!(audit["entries"][0]["address"], address);
    }
}

#[tokio::test]
async fn a_next_page_is_never_of_another_host() {
    let dashboard = with_passwords(&["--base-path", "/limits"]).await;
    let dashboard = &dashboard;
    let mut targets = Vec::new();
    for next in ["//example.com", "/limits/keys/a%2Fb", "/limits//example.com/"] {
        let form = [("user", "operator"), ("password", PASSWORD), ("next", next)];
        let request = dashboard.request(User::Nobody, Method::POST, "/limits/login").form(&form);
        targets.push(Reply::of(request).await.location());
    }
    assert_eq!(targets, ["/limits/overview", "/limits/keys/a%2Fb", "/limits/overview"]);
    let other = with_passwords(&[]).await;
    for next in ["https://example.com/", "/\\example.com", "/\t/example.com", "\\\\example.com"] {
        assert_eq!(sign_in(&other, "operator", PASSWORD, next).await.location(), "/overview");
    }
}

#[tokio::test]
async fn tokens_have_roles_and_wrong_ones_are_not_passed_over() {
    let dashboard = with_passwords(&[]).await;
    assert_eq!(sign_in(&dashboard, "operator", PASSWORD, "").await.status, 303);
    let status = async |authorization: &str| {
        let request = dashboard.request(User::Nobody, Method::POST, "/api/v1/keys/k/reset");
        Reply::of(request.header(AUTHORIZATION, authorization)).await
    };
    // Nobody can be asked to do it, but the operator may.
    assert_eq!(status(&format!("Bearer {OPERATOR}")).await.status, 503);
    assert_eq!(status(&format!("bearer  {OPERATOR} ")).await.status, 503);
    assert_eq!(status(&format!("Bearer {VIEWER}")).await.status, 403);
    for wrong in ["Bearer wrong", "Bearer ", "Bearer", &format!("Bearer {OPERATOR}x")] {
        let reply = status(wrong).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{wrong}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.json()["detail"], "Sign in, or send a valid bearer token.");
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_user() {
    let proxied = ["--trusted-proxy", "127.0.0.0/8", "--operator", "ada"];
    let dashboard = Dashboard::with(NO_SERVER, &proxied).await;
    let as_user = |users: &[&str]| {
        let mut request = dashboard.request(User::Nobody, Method::POST, "/api/v1/keys/k/reset");
        for user in users {
            request = request.header("X-Forwarded-User", *user);
        }
        request
    };
    assert_eq!(Reply::of(as_user(&["ada"])).await.status, 503);
    let refused = Reply::of(as_user(&["bob"])).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["detail"],
        "bob is a viewer: sign in as an operator to make changes."
    );
    for users in [&["ada", "bob"][..], &["bob", "ada"], &["ada", "ada"], &[""], &[]] {
        assert_eq!(Reply::of(as_user(users)).await.status, 401, "{users:?}");
    }
    // A proxy may pass on the password that it has checked itself.
    let basic = as_user(&["ada"]).header(AUTHORIZATION, "Basic YWRhOnNlY3JldA==");
    assert_eq!(Reply::of(basic).await.status, 503);
    let hostile = dashboard.request(User::Nobody, Method::GET, "/nodes");
    let hostile = Reply::of(hostile.header("X-Forwarded-User", "<img src=x>")).await;
    hostile.page().assert_has("<img src=x> (viewer)");
}

#[tokio::test]
async fn a_user_header_of_others_is_ignored() {
    let elsewhere = ["--trusted-proxy", "192.0.2.0/24", "--operator", "ada"];
    for arguments in [&elsewhere[..], &[]] {
        let dashboard = Dashboard::with(NO_SERVER, arguments).await;
        let request = dashboard.request(User::Nobody, Method::GET, "/api/v1/nodes");
        assert_eq!(Reply::of(request.header("X-Forwarded-User", "ada")).await.status, 401);
    }
    let other_header =
        ["--trusted-proxy", "127.0.0.1/32", "--user-header", "X-Remote-User", "--operator", "ada"];
    let dashboard = Dashboard::with(NO_SERVER, &other_header).await;
    for (header, status) in [("X-Forwarded-User", 401), ("X-Remote-User", 200)] {
        let request = dashboard.request(User::Nobody, Method::GET, "/api/v1/nodes");
        assert_eq!(Reply::of(request.header(header, "ada")).await.status, status);
    }
}

#[tokio::test]
async fn public_addresses_need_users() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let Err(error) = try_start(NO_SERVER, &["--listen", listen]).await else {
            panic!("the dashboard starts on {listen}");
        };
        let text = error.to_string();
        assert!(text.contains("without passwords, because other machines reach it"), "{text}");
        assert!(text.contains("--operator-password-hash"), "{text}");
    }
    let arguments = ["--listen", "0.0.0.0:0", "--viewer-password-hash", &PASSWORD_HASH];
    let dashboard = try_start(NO_SERVER, &arguments).await.unwrap();
    let reply = Reply::of(dashboard.request(User::Nobody, Method::GET, "/nodes")).await;
    assert_eq!(reply.status, 303);
}

#[tokio::test]
async fn both_urls_name_the_same_database() {
    let operator_url = format!("{NO_SERVER}/2");
    for url in [NO_SERVER, "redis+sentinel://127.0.0.1:1/service/1"] {
        let Err(error) = try_start(url, &["--operator-url", &operator_url]).await else {
            panic!("the dashboard starts with two databases");
        };
        assert!(error.to_string().contains("--operator-url names database 2 and"), "{error}");
    }
    let same = "redis+sentinel://127.0.0.1:1/service/2";
    assert!(try_start(same, &["--operator-url", &operator_url]).await.is_ok());
}

#[tokio::test]
async fn a_live_page_ends_with_its_session() {
    let server = Server::start();
    let passwords = ["--operator-password-hash", &*PASSWORD_HASH];
    let dashboard = Dashboard::with(&url(&server), &passwords).await;
    assert!(sign_in(&dashboard, "operator", PASSWORD, "").await.headers.contains_key(LOCATION));
    let mut live =
        dashboard.request(User::Nobody, Method::GET, "/live/nodes").send().await.unwrap();
    assert_eq!(live.status(), 200);
    assert!(live.chunk().await.unwrap().is_some());
    Reply::of(dashboard.request(User::Nobody, Method::POST, "/logout")).await;
    let end = async { while live.chunk().await.unwrap().is_some() {} };
    let wait = ratelog_test_support::scaled_timeout(Duration::from_secs(60));
    tokio::time::timeout(wait, end).await.expect("the events end");
}
