"""Sentinels: the limiter follows the primary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ratelog import ConfigError, RateLimiter
from support.patience import until

if TYPE_CHECKING:
    from support.driver import Driver
    from support.types import Open, Start


async def test_checks_follow_a_failover(start: Start, open_limiter: Open) -> None:
    primary = start()
    replica = start(f"replicaof 127.0.0.1 {primary.port}", "repl-diskless-sync-delay 0")
    sentinel = start(
        f"sentinel monitor api 127.0.0.1 {primary.port} 1",
        "sentinel down-after-milliseconds api 300",
        "sentinel failover-timeout api 2000",
        sentinel=True,
    )
    limiter = open_limiter(f"redis+sentinel://127.0.0.1:{sentinel.port}/api/0")
    await until("the primary answers", lambda: _answers(limiter))
    await until("the replica has what the primary has", lambda: replica.db().exists("k") == 1)
    await until("the Sentinel knows the replica", lambda: len(sentinel.db().sentinel_slaves("api")) == 1)
    primary.kill()
    assert (await limiter.check("k", "1000000/minute")).source in ("local", "module")
    await until("the new primary answers", lambda: _answers(limiter))
    assert replica.db().info("replication")["role"] == "master"


async def _answers(limiter: Driver) -> bool:
    return await limiter.source("k") == "module"


def test_a_url_without_a_service_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^url: expected the service's name: redis\+sentinel://host:26379/service/0$"
    ):
        RateLimiter("redis+sentinel://127.0.0.1:26379")
