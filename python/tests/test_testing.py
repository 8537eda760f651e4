"""The helpers for tests of applications."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from ratelog import ConfigError, RateLimiter, SyncRateLimiter
from ratelog.testing import FrozenClock, frozen, rate_limiter, rate_limiter_clock  # noqa: F401 - fixtures
from support.apps import protected
from support.asgi import fetch, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Server


async def test_a_frozen_clock_moves_only_when_a_test_moves_it() -> None:
    limiter = RateLimiter("memory://", default="2/minute")
    app = protected(limiter)
    assert await statuses(app, "/a", "/a", "/a") == [200, 200, 429]
    with frozen(limiter) as clock:
        start = clock.now
        assert await statuses(app, "/a", "/a", "/a") == [200, 200, 429]
        clock.advance(59.999)
        assert (await fetch(app, "/a")).headers["retry-after"] == "1"
        clock.advance(0.001)
        assert clock.now == pytest.approx(start + 60)
        assert await statuses(app, "/a", "/a", "/a") == [200, 200, 429]
        with pytest.raises(ValueError, match="a clock moves forward only, not by -1 seconds"):
            clock.advance(-1)
    assert await statuses(app, "/a", "/a", "/a") == [200, 200, 429]


def test_a_block_within_another_leaves_it_its_clock() -> None:
    limiter = SyncRateLimiter("memory://")
    with frozen(limiter) as clock:
        assert limiter.check("k", "1/hour")
        with frozen(limiter) as inner:
            assert [bool(limiter.check("k", "1/hour")) for _ in range(2)] == [True, False]
            inner.advance(3600)
            assert limiter.check("k", "1/hour")
        assert [bool(limiter.check("k", "1/hour")) for _ in range(2)] == [True, False]
        clock.advance(3600)
        assert limiter.check("k", "1/hour")


def test_a_synchronous_limiter_can_be_frozen() -> None:
    limiter = SyncRateLimiter("memory://")
    with frozen(limiter) as clock:
        assert [bool(limiter.check("k", "1/hour")) for _ in range(2)] == [True, False]
        clock.advance(3600)
        assert limiter.check("k", "1/hour")


def test_a_limiter_with_a_server_cannot_be_frozen(server: Server) -> None:
    with pytest.raises(ConfigError, match="a server's clock cannot be frozen"), frozen(SyncRateLimiter(server.url)):
        pass


async def test_the_fixtures_are_one_limiter_and_its_clock(
    rate_limiter: RateLimiter,  # noqa: F811
    rate_limiter_clock: FrozenClock,  # noqa: F811
) -> None:
    assert await rate_limiter.check("k", "1/minute")
    assert not await rate_limiter.check("k", "1/minute")
    rate_limiter_clock.advance(60)
    assert await rate_limiter.check("k", "1/minute")


def test_the_plugin_has_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ratelog.testing"]\n')
    (tmp_path / "test_it.py").write_text(
        "def test_it(rate_limiter, rate_limiter_clock):\n    rate_limiter_clock.advance(rate_limiter.health().opened)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 passed" in result.stdout, result.stdout


def test_an_application_does_not_inherit_the_units_of_the_one_before() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    for _ in range(2):
        with TestClient(protected(limiter)) as client:
            assert [client.get("/a").status_code for _ in range(2)] == [200, 429]
    # Also without a lifespan.
    for _ in range(2):
        client = TestClient(protected(limiter))
        assert [client.get("/a").status_code for _ in range(2)] == [200, 429]
    # While one of several applications runs, they share their units.
    with TestClient(protected(limiter)) as client:
        assert client.get("/a").status_code == 200
        with TestClient(protected(limiter)) as other:
            assert other.get("/a").status_code == 429
        assert client.get("/a").status_code == 429
