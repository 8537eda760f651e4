"""The reset of all keys of a limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from ratelog import ConfigError
from support.cluster import Cluster

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start


async def test_all_keys_with_the_prefix_are_reset_and_others_are_not(server: Server, open_limiter: Open) -> None:
    db = server.db()
    limiter = open_limiter(server.url, prefix="a[b]*")
    for number in range(2500):
        await limiter.check(str(number), "5/minute")
    await limiter.check("0", "5/minute")
    await limiter.set_override("1", "deny")
    db.set("a[b]*:text", "x")
    await open_limiter(server.url, prefix="ab").check("1", "5/minute")
    assert await limiter.reset_all() == 2500
    assert sorted(db.keys()) == [b"a[b]*:1", b"a[b]*:text", b"ab:1"]
    assert (await limiter.get_override("1")).action == "deny"
    assert await limiter.reset_all() == 0


async def test_without_the_module_and_without_a_server(plain_server: Server, open_limiter: Open) -> None:
    for url in (plain_server.url, "memory://"):
        limiter = open_limiter(url, prefix="p")
        for key in ("1", "2"):
            await limiter.check(key, "1/minute")
        assert await limiter.reset_all() == 2
        assert (await limiter.check("1", "1/minute")).allowed
    assert all(b"p:1" in key for key in plain_server.db().scan_iter())


async def test_all_primaries_of_a_cluster_are_reset(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url, prefix="p")
    for number in range(50):
        assert (await limiter.check(str(number), "1/minute")).source == "module"
    assert await limiter.reset_all() == 50
    assert await limiter.reset_all() == 0


async def test_an_unavailable_server_is_an_error(open_limiter: Open) -> None:
    with pytest.raises(RedisError):
        await open_limiter("redis://127.0.0.1:1", prefix="p").reset_all()


async def test_an_empty_prefix_is_refused(open_limiter: Open) -> None:
    with pytest.raises(ConfigError, match="reset_all needs a prefix"):
        await open_limiter("memory://", prefix="").reset_all()
