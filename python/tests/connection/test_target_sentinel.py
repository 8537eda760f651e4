"""A limiter with Sentinels."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.sentinel import Sentinels
from support.server import free_port
from support.wait import until

if TYPE_CHECKING:
    from support.types import Open, Start


async def test_a_primary_promoted_by_sentinels_is_found(start: Start, open_limiter: Open) -> None:
    primary, replica = start(), start()
    replica.db().replicaof("127.0.0.1", primary.port)
    sentinels = Sentinels(start, primary)
    limiter = open_limiter(sentinels.url)
    assert await limiter.source() == "module"
    primary.kill()
    assert await limiter.source() == "local"
    await asyncio.to_thread(sentinels.replace_primary)
    await until("the new primary is found", lambda: limiter.health().state == "closed")
    assert await limiter.source() == "module"
    assert replica.db().exists("k")


async def test_checks_are_local_while_no_sentinel_responds(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/ratelog")
    assert await limiter.source() == "local"
    assert limiter.health().state != "closed"
