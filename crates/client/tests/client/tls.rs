//! A server behind TLS.

use std::process::Command;
use std::sync::Arc;

use ratelog_client::limiter::State;
use ratelog_client::{RateLimiter, Source};
use ratelog_test_support::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{brisk, rules};

/// Set for a process that has been given certificates to trust.
const URL: &str = "RATELOG_TEST_TLS_URL";

/// Which certificates are trusted is known to a process once and for all, so each half is one of its own.
#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_reached_over_tls_and_no_other() {
    if let Ok(url) = std::env::var(URL) {
        let limiter = brisk(&url).build().await.unwrap();
        let decision = limiter.check("k", &rules(&[(5, 60_000)])).await.unwrap();
        assert_eq!(decision.source(), Source::Module, "{:?}", limiter.health());
        return;
    }
    let server = Server::start();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let url = front(&server, &certified).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certified.cert.pem()).unwrap();
    let output = tokio::task::spawn_blocking({
        let url = url.clone();
        move || {
            let name =
                "tls::a_server_whose_certificate_is_trusted_is_reached_over_tls_and_no_other";
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", name]).env(URL, url).env("SSL_CERT_FILE", trusted);
            test.output().unwrap()
        }
    })
    .await
    .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    assert_eq!(server.connect().units("k"), 1);

    let stranger = RateLimiter::connect(&url).await.unwrap();
    let health = stranger.health();
    assert_ne!(health.state, State::Closed);
    assert!(health.last_error.as_ref().unwrap().contains("certificate"), "{health:?}");
}

/// Takes connections with this certificate and passes what they say on to the server.
async fn front(server: &Server, certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let inner = server.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut outside) = acceptor.accept(stream).await {
                    let mut inside = TcpStream::connect(("127.0.0.1", inner)).await.unwrap();
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                }
            });
        }
    });
    format!("rediss://localhost:{port}/")
}
