//! A dashboard on a real port, its requests and its pages.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use clap::Parser;
use ratelog_dashboard::{CommandLine, Running, StartError, serve};
use ratelog_test_support::{Cluster, Server, scaled_timeout};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub const OPERATOR: &str = "the-token-of-the-operator";
pub const VIEWER: &str = "the-token-of-the-viewer";
pub const PASSWORD: &str = "correct horse battery staple";

/// A hash of [`PASSWORD`] that costs little, so that tests are not slow.
pub static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
});

/// A dashboard that ends with its test.
pub struct Dashboard {
    pub running: Running,
    /// Keeps cookies, and follows no redirects.
    pub http: reqwest::Client,
    base: String,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// The user of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Operator,
    Viewer,
    Nobody,
}

impl Dashboard {
    /// Starts a dashboard of these servers, with a token for each role.
    pub async fn start(url: &str) -> Self {
        Self::with(url, &[]).await
    }

    /// Starts a dashboard with further arguments.
    pub async fn with(url: &str, arguments: &[&str]) -> Self {
        let tokens = ["--operator-token", OPERATOR, "--viewer-token", VIEWER];
        let dashboard = try_start(url, &[&tokens, arguments].concat()).await;
        dashboard.expect("the dashboard starts")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn port(&self) -> u16 {
        self.running.address.port()
    }

    /// A request, with the token of a user.
    pub fn request(&self, user: User, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match user {
            User::Operator => request.bearer_auth(OPERATOR),
            User::Viewer => request.bearer_auth(VIEWER),
            User::Nobody => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(User::Operator, Method::GET, path)).await
    }

    /// The JSON of the API at `path`, which follows `/api/v1`.
    pub async fn json(&self, path: &str) -> Value {
        let reply = self.get(&format!("/api/v1{path}")).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    /// A request to the API with a body.
    pub async fn api(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut request = self.request(User::Operator, method, &format!("/api/v1{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::of(request).await
    }

    /// Sends a form, as an operator.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        Reply::of(self.request(User::Operator, Method::POST, path).form(fields)).await
    }

    /// Sends a form that redirects, and returns the page after it.
    #[track_caller]
    pub fn submit<'a>(
        &'a self,
        path: &'a str,
        fields: &'a [(&'a str, &'a str)],
    ) -> impl Future<Output = Page> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let reply = self.post(path, fields).await;
            assert_eq!(reply.status, 303, "{caller}: {path}: {}", reply.text);
            let page = self.get(&reply.location()).await;
            assert_eq!(page.status, 200, "{caller}: {path}: {}", page.text);
            page.page()
        }
    }

    /// Waits until the nodes of the API meet a condition.
    pub async fn until_nodes(&self, what: &str, condition: impl Fn(&[Value]) -> bool) {
        until(what, async || condition(self.json("/nodes").await.as_array().unwrap())).await;
    }

    /// Waits until so many nodes answer.
    pub async fn until_up(&self, count: usize) {
        self.until_nodes(&format!("{count} nodes answer"), |nodes| {
            nodes.iter().filter(|node| node["state"] == "up").count() == count
        })
        .await;
    }

    /// The state of the node at an address; nothing if the dashboard does not know it.
    pub async fn state_of(&self, address: &str) -> Option<String> {
        let nodes = self.json("/nodes").await;
        let node = nodes.as_array()?.iter().find(|node| node["address"] == *address)?.clone();
        Some(node["state"].as_str()?.to_owned())
    }
}

/// Starts a dashboard without tokens.
pub async fn try_start(url: &str, arguments: &[&str]) -> Result<Dashboard, StartError> {
    let own = ["ratelog-dashboard", "--url", url, "--listen", "127.0.0.1:0"];
    let listens = arguments.contains(&"--listen");
    let own = if listens { &own[..3] } else { &own[..] };
    let arguments = own.iter().chain(arguments);
    let settings =
        CommandLine::try_parse_from(arguments).expect("the arguments are valid").settings;
    let running = serve(settings).await?;
    let base = format!("http://127.0.0.1:{}", running.address.port());
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .cookie_store(true)
        .no_proxy()
        .timeout(scaled_timeout(Duration::from_secs(60)))
        .build()
        .unwrap();
    Ok(Dashboard { running, http, base })
}

impl Reply {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the dashboard answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body of UTF-8") }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.headers.get(LOCATION).expect("the reply redirects");
        location.to_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn page(&self) -> Page {
        assert!(self.header("content-type").starts_with("text/html"), "{self:?}");
        Page::parse(&self.text)
    }

    /// The cookies that the reply sets, as their headers.
    pub fn cookies(&self) -> Vec<&str> {
        let headers = self.headers.get_all("set-cookie").iter();
        headers.map(|value| value.to_str().unwrap()).collect()
    }
}

/// The tags and the text of a page.
#[derive(Debug, Default)]
pub struct Page {
    pub tags: Vec<Tag>,
    pub text: String,
}

#[derive(Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: HashMap<String, String>,
}

/// The elements that pages have.
const ELEMENTS: [&str; 60] = [
    "!doctype", "a", "bdi", "body", "button", "code", "datalist", "dd", "del", "details", "dialog",
    "div", "dl", "dt", "footer", "form", "h1", "h2", "h3", "head", "header", "html", "input",
    "ins", "kbd", "label", "legend", "fieldset", "li", "link", "main", "meta", "meter", "nav",
    "noscript", "ol", "option", "output", "p", "pre", "progress", "script", "section", "select",
    "small", "span", "strong", "summary", "table", "tbody", "td", "textarea", "tfoot", "th",
    "thead", "time", "title", "tr", "ul", "em",
];

impl Page {
    /// Parses a page. Fails the test if it has an element, an attribute or a script that no page should have.
    #[track_caller]
    pub fn parse(html: &str) -> Self {
        let mut page = Self::default();
        let mut rest = html;
        while let Some((text, after)) = rest.split_once('<') {
            page.text.push_str(&unescape(text));
            rest = page.tag(after);
        }
        page.text.push_str(&unescape(rest));
        page
    }

    #[track_caller]
    fn tag<'a>(&mut self, text: &'a str) -> &'a str {
        let is_end = text.starts_with('/');
        let text = text.trim_start_matches('/');
        let end = text.find([' ', '>']).expect("a tag ends");
        let (name, mut rest) = text.split_at(end);
        let name = name.to_ascii_lowercase();
        assert!(ELEMENTS.contains(&&*name), "the page has an element <{name}>");
        let mut attributes = HashMap::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(['=', ' ', '>']).expect("an attribute ends");
            let (key, after) = rest.split_at(end);
            rest = after;
            let mut value = "";
            if let Some(after) = rest.strip_prefix("=\"") {
                (value, rest) = after.split_once('"').expect("a value ends");
            }
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
            assert!(key.chars().all(is_plain) && !key.is_empty(), "an attribute '{key}'");
            assert!(!key.starts_with("on") && key != "style", "<{name}> has an attribute {key}");
            attributes.insert(key.to_owned(), unescape(value));
        }
        assert!(name != "script" || is_end || attributes.contains_key("src"), "an inline script");
        if !is_end {
            self.tags.push(Tag { name, attributes });
        }
        rest
    }

    /// The values of an attribute of all elements of a name.
    pub fn values<'a>(
        &'a self,
        name: &'a str,
        attribute: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let tags = self.tags.iter().filter(move |tag| tag.name == name);
        tags.filter_map(move |tag| tag.attributes.get(attribute).map(|value| &**value))
    }

    /// The links and the targets of forms.
    pub fn targets(&self) -> Vec<&str> {
        let names = ["href", "src", "action", "data-history", "data-hits", "data-what-if"];
        let attributes = self.tags.iter().flat_map(|tag| &tag.attributes);
        let targets = attributes.filter(|(name, _)| {
            names.contains(&&***name) || name.starts_with("hx-sse") || name.starts_with("hx-get")
        });
        targets.map(|(_, value)| &**value).collect()
    }

    #[track_caller]
    pub fn assert_has(&self, text: &str) {
        assert!(self.text.contains(text), "the page has no '{text}': {}", self.text);
    }

    #[track_caller]
    pub fn assert_lacks(&self, text: &str) {
        assert!(!self.text.contains(text), "the page has '{text}': {}", self.text);
    }
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

pub fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}/", server.port())
}

pub fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// A cluster whose nodes list their replicas. Redis does so only after the first write.
pub fn cluster_with_replicas(lines: &[&str]) -> Cluster {
    let cluster = Cluster::with(3, 1, lines);
    for place in 0..3 {
        cluster[place].connect().run::<()>("FLUSHALL");
    }
    cluster
}

/// Waits until `condition` is true, without blocking the runtime. Fails the test if that takes too long.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + scaled_timeout(Duration::from_secs(60));
    while !condition().await {
        assert!(Instant::now() < deadline, "still waiting for: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends each byte of a key as an escape, as any client may.
pub fn escaped(key: &[u8]) -> String {
    key.iter().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}
