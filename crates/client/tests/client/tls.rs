//! Connections over TLS.

use std::process::Command;
use std::sync::Arc;

use ratelog_client::Source;
use ratelog_client::limiter::BreakerState;
use ratelog_test_support::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{fast_probes, rules};

/// Set in the process that trusts the certificate.
const URL: &str = "RATELOG_TEST_TLS_URL";

/// A process loads the trusted certificates once, so the test runs itself in a second process that trusts the server's.
#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_is_used_over_tls() {
    if let Ok(url) = std::env::var(URL) {
        let limiter = fast_probes(&url).build().await.unwrap();
        let decision = limiter.check("k", &rules(&[(5, 60_000)])).await.unwrap();
        assert_eq!(decision.source(), Source::Module, "{:?}", limiter.health());
        return;
    }
    let server = Server::start();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let url = tls_proxy(&server, &certified).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certified.cert.pem()).unwrap();
    let output = tokio::task::spawn_blocking({
        let url = url.clone();
        move || {
            let name = "tls::only_a_server_with_a_trusted_certificate_is_used_over_tls";
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", name]).env(URL, url).env("SSL_CERT_FILE", trusted);
            test.output().unwrap()
        }
    })
    .await
    .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(server.connect().units("k"), 1);

    let distrustful = fast_probes(&url).build().await.unwrap();
    let health = distrustful.health();
    assert_ne!(health.state, BreakerState::Closed);
    assert!(health.last_error.as_ref().unwrap().contains("certificate"), "{health:?}");
}

/// Accepts TLS connections with this certificate and forwards them to the server. Returns the limiter's URL.
async fn tls_proxy(server: &Server, certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
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
    format!("rediss://127.0.0.1:{port}/")
}
