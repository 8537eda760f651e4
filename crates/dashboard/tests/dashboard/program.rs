//! The program `ratelog-dashboard`: its options, its terminal, and the link on it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use ratelog_test_support::Server;
use reqwest::Method;

use crate::support::{OPERATOR, Page, Reply, address, url};

const BINARY: &str = env!("CARGO_BIN_EXE_ratelog-dashboard");

/// The program, which ends with its test.
pub struct Program {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(url: &str, arguments: &[&str]) -> Self {
        let mut child = command()
            .args(["--url", url, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stderr, stdout }
    }

    /// The rest of the next line on standard error that has this text, and all lines before it.
    pub fn after(&mut self, text: &str) -> (String, String) {
        let mut before = String::new();
        for line in self.stderr.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once(text) {
                return (rest.to_owned(), before);
            }
            before.push_str(&line);
            before.push('\n');
        }
        panic!("the program ended without '{text}': {before}");
    }

    fn link(&mut self) -> String {
        self.after("Sign in once with this link: ").0
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> serde_json::Value {
        let line = self.stdout.next().expect("a line").unwrap();
        serde_json::from_str(&line).expect("a line of JSON")
    }

    /// Ends the program. Returns the rest of its standard output.
    pub fn terminate_with_lines(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.stdout.by_ref().map_while(Result::ok).collect()
    }

    fn terminate(mut self) -> (bool, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let rest: Vec<_> = self.stderr.by_ref().map_while(Result::ok).collect();
        (status.success(), rest.join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The program, without the settings of this environment.
fn command() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RATELOG_DASHBOARD_")) {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().cookie_store(true).no_proxy().build().unwrap()
}

#[tokio::test]
async fn the_link_works_once_and_the_next_one_is_printed() {
    let server = Server::start();
    let mut program = Program::start(&url(&server), &[]);
    let first = program.link();
    let (origin, _) = first.split_once("/login?token=").expect("a link with a token");
    assert!(origin.starts_with("http://127.0.0.1:"), "{first}");
    let http = client();
    let reply = Reply::of(http.get(format!("{origin}/audit"))).await;
    reply.page().assert_has("Open the link that ratelog-dashboard has printed on its terminal");
    let wrong = Reply::of(http.get(format!("{origin}/login?token=wrong"))).await;
    assert_eq!(wrong.status, 400);
    wrong.page().assert_has("This link has been used, or is not the newest one on the terminal.");
    let reply = Reply::of(http.get(&first)).await;
    assert_eq!(reply.status, 200);
    reply.page().assert_has("Nodes");
    assert_eq!(Reply::of(http.get(format!("{origin}/audit"))).await.status, 200);
    let next = program.link();
    assert_ne!(first, next);
    let other = client();
    assert_eq!(Reply::of(other.get(&first)).await.status, 400);
    let page = Reply::of(other.get(format!("{origin}/nodes"))).await.page();
    page.assert_lacks(&address(&server));
    Reply::of(other.get(&next)).await.page().assert_has("Nodes");
    let (success, _) = program.terminate();
    assert!(success);
}

#[tokio::test]
async fn changes_are_lines_on_standard_output_and_secrets_are_nowhere() {
    let server = Server::with(&["user ada on >a-secret-of-the-server ~* &* +@all"]);
    let url = format!("redis://ada:a-secret-of-the-server@127.0.0.1:{}/", server.port());
    let secret = "a-key-of-cookies-that-is-long-enough-to-be-taken-by-the-dashboard";
    let arguments = ["--operator-token", OPERATOR, "--secret", secret];
    let mut program = Program::start(&url, &arguments);
    let link = program.link();
    let (origin, token) = link.split_once("/login?token=").unwrap();
    let http = client();
    let reply = Reply::of(http.post(format!("{origin}/api/v1/keys/k/reset")).bearer_auth(OPERATOR));
    assert_eq!(reply.await.status, 200);
    let line = program.line();
    assert_eq!((&line["action"], &line["target"]), (&"reset".into(), &"k".into()));
    assert_eq!((&line["outcome"], &line["user"]), (&"done".into(), &"operator-token".into()));
    let mut texts = vec![line.to_string()];
    for path in ["/overview", "/keys", "/keys/k", "/policies", "/overrides", "/nodes", "/audit"] {
        let reply = Reply::of(http.get(format!("{origin}{path}")).bearer_auth(OPERATOR)).await;
        assert_eq!(reply.status, 200, "{path}");
        texts.push(reply.text);
    }
    for path in ["/metrics", "/healthz", "/api/v1/openapi.json", "/api/v1/overview", "/login"] {
        texts.push(Reply::of(http.get(format!("{origin}{path}")).bearer_auth(OPERATOR)).await.text);
    }
    let (success, log) = program.terminate();
    assert!(success, "{log}");
    texts.push(log);
    for text in texts {
        for secret in ["a-secret-of-the-server", OPERATOR, secret, token] {
            assert!(!text.contains(secret), "{secret} is in: {text}");
        }
    }
}

#[test]
fn hash_password_prints_a_hash() {
    let output = run(&["hash-password"], "correct horse\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("$argon2id$"), "{}", text(&output.stdout));
    let output = run(&["hash-password"], "short\n");
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert_eq!(error, "ratelog-dashboard: a password has at least 8 characters\n");
}

#[test]
fn wrong_settings_are_named_with_the_way_out() {
    let cases: [(&[&str], &str); 8] = [
        (
            &["--listen", "0.0.0.0:0"],
            "without passwords, because other machines reach it: set --operator-password-hash (see `ratelog-dashboard \
             hash-password`), or --trusted-proxy and --operator if a proxy authenticates users, or listen on 127.0.0.1",
        ),
        (&["--listen", "[::]:0", "--operator-token", OPERATOR], "without passwords"),
        (&["--url", "http://example.com"], "--url: "),
        (&["--operator-url", "memory://"], "--operator-url: "),
        (&["--operator-token", "short"], "--operator-token has less than 16 characters"),
        (&["--secret", "short"], "--secret has less than 64 characters"),
        (
            &["--viewer-password-hash", "secret"],
            "--viewer-password-hash is not an argon2 hash: make one with `ratelog-dashboard hash-password`",
        ),
        (&["--viewer-token-file", "/nowhere"], "--viewer-token-file /nowhere: "),
    ];
    for (arguments, error) in cases {
        let default = ["--listen", "127.0.0.1:0"];
        let listens = arguments.contains(&"--listen");
        let default = if listens { &[][..] } else { &default };
        let output = run(&[default, arguments].concat(), "");
        assert!(!output.status.success(), "{arguments:?}");
        let found = text(&output.stderr);
        assert!(found.starts_with("ratelog-dashboard: "), "{found}");
        assert!(found.contains(error), "{found}");
    }
    let output = run(&["--url", "redis://:a-secret@127.0.0.1:x/"], "");
    assert!(!output.status.success());
    assert!(!text(&output.stderr).contains("a-secret"), "{}", text(&output.stderr));
}

#[test]
fn help_names_every_variable_and_no_secret() {
    let mut command = command();
    command.env("RATELOG_DASHBOARD_OPERATOR_TOKEN", "a-secret-of-the-environment");
    command.env("RATELOG_DASHBOARD_URL", "redis://:a-secret-of-the-url@127.0.0.1/");
    let output = command.arg("--help").output().unwrap();
    let help = text(&output.stdout);
    for name in ["URL", "OPERATOR_URL", "LISTEN", "BASE_PATH", "OPERATOR_PASSWORD_HASH", "SECRET"] {
        assert!(help.contains(&format!("RATELOG_DASHBOARD_{name}")), "{help}");
    }
    assert!(!help.contains("a-secret"), "{help}");
}

#[test]
fn a_variable_that_no_option_has_is_named() {
    let mut command = command();
    command.env("RATELOG_DASHBOARD_OPERATORS", "alice@example.com");
    let output = command.args(["--listen", "192.0.2.1:0"]).output().unwrap();
    let log = text(&output.stderr);
    assert!(log.contains("the variable RATELOG_DASHBOARD_OPERATORS has no effect"), "{log}");
    assert!(!log.contains("alice"), "{log}");
}

#[tokio::test]
async fn a_listener_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--metrics-listen"] {
        let mut arguments = vec![option, &*address];
        if option != "--listen" {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        let output = run(&arguments, "");
        let error = text(&output.stderr);
        assert!(error.contains(&format!("{option} {address}: ")), "{error}");
    }
}

#[tokio::test]
async fn changes_are_made_though_nobody_reads_standard_output() {
    let server = Server::start();
    let mut program = Program::start(&url(&server), &["--operator-token", OPERATOR]);
    let link = program.link();
    let (origin, _) = link.split_once("/login").unwrap();
    // Lines to a closed pipe fail.
    drop(std::mem::replace(&mut program.stdout, closed()));
    let http = client();
    for _ in 0..2 {
        let reset = http.request(Method::POST, format!("{origin}/api/v1/keys/k/reset"));
        let reply = Reply::of(reset.bearer_auth(OPERATOR)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let page = Reply::of(http.get(format!("{origin}/audit")).bearer_auth(OPERATOR)).await;
    assert_eq!(Page::parse(&page.text).text.matches("reset").count(), 2, "{}", page.text);
}

/// The output of a program that has ended.
fn closed() -> Lines<BufReader<ChildStdout>> {
    let mut child = command().arg("--version").stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    child.wait().unwrap();
    BufReader::new(stdout).lines()
}
