"""TLS: a server's certificate is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from support.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from support.types import Open, Start


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def _secured(start: Start, authority: trustme.CA, folder: Path) -> int:
    """A server's TLS port. A server that was built without TLS has none, and the test is skipped."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = start()
    db = server.db()
    port = free_port()
    settings = {
        "tls-cert-file": folder / "cert.pem",
        "tls-key-file": folder / "key.pem",
        "tls-ca-cert-file": folder / "ca.pem",
        "tls-auth-clients": "no",
        "tls-port": port,
    }
    if not db.config_get("tls-*"):
        pytest.skip("this server was built without TLS")
    db.execute_command("CONFIG", "SET", *(word for name, value in settings.items() for word in (name, str(value))))
    return port


async def test_a_server_that_a_known_authority_vouches_for_is_asked(
    start: Start, open_limiter: Open, authority: trustme.CA, tmp_path: Path
) -> None:
    port = _secured(start, authority, tmp_path)
    limiter = open_limiter(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}")
    assert await limiter.source() == "module"


async def test_a_server_that_nobody_vouches_for_is_not_asked(
    start: Start, open_limiter: Open, authority: trustme.CA, tmp_path: Path
) -> None:
    port = _secured(start, authority, tmp_path)
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    limiter = open_limiter(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'other.pem'}")
    assert await limiter.source() == "local"
    assert "certificate" in str(limiter.health().last_error).lower()
