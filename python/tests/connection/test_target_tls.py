"""A limiter with TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from ratelog.connection.client import clients_of
from ratelog.connection.target import Target
from ratelog.settings import load
from support.server import BINARY, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from ratelog.connection.target import ClientModule
    from support.types import Open, Start


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate authority, and its certificate for 127.0.0.1."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    return tmp_path


@pytest.mark.parametrize("module", ["redis", "redis.asyncio"])
def test_sentinels_are_asked_with_the_same_tls(module: ClientModule) -> None:
    target = Target.parse("rediss+sentinel://127.0.0.1:26379/ratelog?ssl_cert_reqs=none")
    pools = [client.connection_pool for client in clients_of(target.client(module, load()))]
    assert len(pools) == 2
    for pool in pools:
        assert "SSL" in pool.connection_class.__name__
        assert pool.connection_kwargs["ssl_cert_reqs"] == "none"


async def test_tls_is_used_if_the_certificate_is_trusted(start: Start, open_limiter: Open, authority: Path) -> None:
    port = free_port()
    try:
        start(
            f"tls-port {port}",
            f"tls-cert-file {authority / 'cert.pem'}",
            f"tls-key-file {authority / 'key.pem'}",
            f"tls-ca-cert-file {authority / 'ca.pem'}",
            "tls-auth-clients no",
        )
    except AssertionError as error:
        pytest.skip(f"{BINARY} has no TLS: {error}")
    trusting = open_limiter(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority / 'ca.pem'}")
    assert await trusting.source() == "module"
    wary = open_limiter(f"rediss://127.0.0.1:{port}/0")
    assert await wary.source() == "local"
    reason = (wary.health().last_error or "").lower()
    # redis-py 5.0 shows the number of the error only.
    assert "certificate" in reason or reason.startswith("error 1 connecting")
