//! The options of the command line and of the environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

/// An admin dashboard for Ratelog: see who is limited and why, and change it.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// Another task than serving the dashboard.
    #[command(subcommand)]
    pub command: Option<Subcommands>,
    /// The options of the dashboard.
    #[command(flatten)]
    pub settings: Settings,
}

/// The tasks besides serving the dashboard.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Read a password from standard input and print its hash.
    HashPassword,
}

/// The options of the dashboard.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The servers: redis://, redis+cluster:// or redis+sentinel://, with TLS rediss://, rediss+cluster:// or
    /// rediss+sentinel://, or unix:// and a socket. The user needs the rights of `dashboard` in redis.conf.example.
    #[arg(
        long,
        env = "RATELOG_DASHBOARD_URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub url: String,
    /// The same servers with a user that may make changes. Default: the user of --url.
    #[arg(long, env = "RATELOG_DASHBOARD_OPERATOR_URL", hide_env_values = true)]
    pub operator_url: Option<String>,
    /// The time between two polls of the nodes, in milliseconds; for measurements.
    #[arg(long, hide = true, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub poll_interval: u64,
    /// Make demo traffic on the servers, which can be stopped in the pages. It sets policies and overrides of its own.
    #[arg(long, env = "RATELOG_DASHBOARD_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,
    /// The address and the port to listen on.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "RATELOG_DASHBOARD_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,
    /// The path of the dashboard behind a proxy, for example /limits.
    #[arg(long, env = "RATELOG_DASHBOARD_BASE_PATH", default_value = "", value_parser = parse_base_path)]
    pub base_path: String,
    /// A host name under which browsers reach the dashboard, besides the address that it listens on. Several are
    /// separated by commas.
    #[arg(
        long = "allowed-host",
        value_name = "HOST",
        env = "RATELOG_DASHBOARD_ALLOWED_HOST",
        value_delimiter = ','
    )]
    pub extra_hosts: Vec<String>,
    /// Browsers reach the dashboard over HTTPS, through a proxy: cookies are sent over HTTPS only.
    #[arg(long, env = "RATELOG_DASHBOARD_HTTPS", value_parser = BoolishValueParser::new())]
    pub https: bool,
    /// The key of cookies, at least 64 characters. Default: a random one, so that sessions end when the program does.
    #[arg(long, env = "RATELOG_DASHBOARD_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// The time after which a session ends, in minutes.
    #[arg(long, env = "RATELOG_DASHBOARD_SESSION_MINUTES", default_value_t = 480, value_parser = clap::value_parser!(u64).range(1..=43_200))]
    pub session_minutes: u64,
    /// The hash of the operator's password, as `hash-password` prints it.
    #[arg(long, env = "RATELOG_DASHBOARD_OPERATOR_PASSWORD_HASH", hide_env_values = true)]
    pub operator_password_hash: Option<String>,
    /// A file with the hash of the operator's password.
    #[arg(
        long,
        env = "RATELOG_DASHBOARD_OPERATOR_PASSWORD_HASH_FILE",
        conflicts_with = "operator_password_hash"
    )]
    pub operator_password_hash_file: Option<PathBuf>,
    /// The hash of the viewer's password.
    #[arg(long, env = "RATELOG_DASHBOARD_VIEWER_PASSWORD_HASH", hide_env_values = true)]
    pub viewer_password_hash: Option<String>,
    /// A file with the hash of the viewer's password.
    #[arg(
        long,
        env = "RATELOG_DASHBOARD_VIEWER_PASSWORD_HASH_FILE",
        conflicts_with = "viewer_password_hash"
    )]
    pub viewer_password_hash_file: Option<PathBuf>,
    /// The token with which a program makes changes by the API.
    #[arg(long, env = "RATELOG_DASHBOARD_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<String>,
    /// A file with the operator's token.
    #[arg(long, env = "RATELOG_DASHBOARD_OPERATOR_TOKEN_FILE", conflicts_with = "operator_token")]
    pub operator_token_file: Option<PathBuf>,
    /// The token with which a program reads by the API.
    #[arg(long, env = "RATELOG_DASHBOARD_VIEWER_TOKEN", hide_env_values = true)]
    pub viewer_token: Option<String>,
    /// A file with the viewer's token.
    #[arg(long, env = "RATELOG_DASHBOARD_VIEWER_TOKEN_FILE", conflicts_with = "viewer_token")]
    pub viewer_token_file: Option<PathBuf>,
    /// A network of proxies whose header X-Forwarded-For names the address of the client, for example 192.0.2.0/24. The
    /// attempts to sign in are limited by this address, and the audit records it. Several are separated by commas.
    #[arg(
        long = "forwarding-proxy",
        value_name = "NETWORK",
        env = "RATELOG_DASHBOARD_FORWARDING_PROXY",
        value_delimiter = ','
    )]
    pub forwarding_proxies: Vec<IpNet>,
    /// A network of proxies that authenticate users, for example 192.0.2.0/24. Several are separated by commas.
    #[arg(
        long = "trusted-proxy",
        value_name = "NETWORK",
        env = "RATELOG_DASHBOARD_TRUSTED_PROXY",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which a trusted proxy names the user.
    #[arg(long, env = "RATELOG_DASHBOARD_USER_HEADER", default_value = "x-forwarded-user")]
    pub user_header: String,
    /// The URL of an OIDC provider at which users sign in.
    #[cfg(feature = "oidc")]
    #[arg(
        long,
        env = "RATELOG_DASHBOARD_OIDC_ISSUER",
        requires = "oidc_client_id",
        requires = "oidc_redirect_url"
    )]
    pub oidc_issuer: Option<String>,
    /// The identifier of the dashboard at the provider.
    #[cfg(feature = "oidc")]
    #[arg(long, env = "RATELOG_DASHBOARD_OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,
    /// The secret of the dashboard at the provider.
    #[cfg(feature = "oidc")]
    #[arg(long, env = "RATELOG_DASHBOARD_OIDC_CLIENT_SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<String>,
    /// The URL to which the provider sends users back: that of the dashboard, with /login/oidc/end.
    #[cfg(feature = "oidc")]
    #[arg(long, env = "RATELOG_DASHBOARD_OIDC_REDIRECT_URL")]
    pub oidc_redirect_url: Option<String>,
    /// A user of a trusted proxy or of an OIDC provider (the verified email address, or the subject) that may make
    /// changes. Several are separated by commas. All others are viewers.
    #[arg(
        long = "operator",
        value_name = "USER",
        env = "RATELOG_DASHBOARD_OPERATOR",
        value_delimiter = ','
    )]
    pub operators: Vec<String>,
    /// The address and the port of a second listener that serves only /metrics and /healthz, without a token.
    #[arg(long, value_name = "ADDRESS", env = "RATELOG_DASHBOARD_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// The token with which /metrics is read, besides those of the roles.
    #[arg(long, env = "RATELOG_DASHBOARD_METRICS_TOKEN", hide_env_values = true)]
    pub metrics_token: Option<String>,
}

impl Settings {
    /// Whether other machines can reach the listener.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.listen.ip().is_loopback()
    }

    /// The hosts whose requests are answered, without a port and in lower case.
    #[must_use]
    pub fn allowed_hosts(&self) -> Vec<String> {
        let mut hosts: Vec<_> =
            self.extra_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        match self.listen.ip() {
            IpAddr::V4(ip) if ip != Ipv4Addr::UNSPECIFIED => hosts.push(ip.to_string()),
            IpAddr::V6(ip) if !ip.is_unspecified() => hosts.push(format!("[{ip}]")),
            _ => {}
        }
        hosts
    }
}

fn parse_base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    match path.strip_prefix('/') {
        None if path.is_empty() => Ok(String::new()),
        Some(rest) if rest.split('/').all(is_segment) => Ok(path.to_owned()),
        _ => Err("a base path begins with a slash, as /limits does, and has letters, digits and -_.~ only".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{CommandLine, parse_base_path};

    #[test]
    fn the_options_are_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_options_in_the_documentation_exist() {
        let text = include_str!("../../../docs/dashboard.md");
        let command = CommandLine::command();
        let known: Vec<_> =
            command.get_arguments().filter_map(|option| option.get_long()).collect();
        let mentioned = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        let mentioned: Vec<_> = mentioned
            .filter_map(|word| word.strip_prefix("--"))
            .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter(|word| {
                !matches!(*word, "bench" | "help" | "release" | "locked" | "package" | "features")
            })
            .filter(|word| cfg!(feature = "oidc") || !word.starts_with("oidc"))
            .collect();
        assert!(mentioned.len() > 15, "{mentioned:?}");
        for option in mentioned {
            assert!(known.contains(&option), "--{option} is not an option");
        }
    }

    #[test]
    fn a_base_path_begins_with_a_slash_and_ends_without() {
        for (text, path) in [("", ""), ("/", ""), ("/limits/", "/limits"), ("/a/b-c", "/a/b-c")] {
            assert_eq!(parse_base_path(text).as_deref(), Ok(path));
        }
        for text in ["limits", "//", "/a//b", "/a b", "/<script>", "/{key}"] {
            assert!(parse_base_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_those_of_the_listener_and_those_that_are_named() {
        let hosts = |arguments: &[&str]| {
            let arguments = ["ratelog-dashboard"].iter().chain(arguments);
            CommandLine::try_parse_from(arguments).unwrap().settings.allowed_hosts()
        };
        let own = ["localhost", "127.0.0.1", "[::1]"];
        assert_eq!(hosts(&["--listen", "0.0.0.0:80"]), own);
        let named = hosts(&["--listen", "192.0.2.1:80", "--allowed-host", "Limits.example.com"]);
        assert_eq!(named, ["limits.example.com", own[0], own[1], own[2], "192.0.2.1"]);
    }
}
