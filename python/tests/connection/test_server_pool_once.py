"""A check without a reply may have been recorded, so it is never sent again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.proxy import Proxy
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start


async def test_a_check_with_a_lost_reply_is_not_sent_again(server: Server, open_limiter: Open) -> None:
    with Proxy(server.port) as proxy:
        limiter = open_limiter(proxy.url)
        for n in range(5):
            await limiter.check("warm", "9/minute")
            proxy.drops_replies = True
            assert (await limiter.check(f"k:{n}", "9/minute")).source == "local"
            proxy.drops_replies = False
            await until("the server has recovered", lambda: limiter.health().state == "closed")
        assert proxy.dropped == 5
        assert [server.db().execute_command("RL.PEEK", f"k:{n}", 9, 60)[2] for n in range(5)] == [8] * 5


async def test_a_timed_out_check_counts_once(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url, timeout=1.0, failure_threshold=1)
    await limiter.check("warm", "9/minute")
    server.pause()
    assert (await limiter.check("k", "9/minute")).source == "local"
    server.resume()
    await until("the server has recovered", lambda: limiter.health().state == "closed")
    assert server.db().execute_command("RL.PEEK", "k", 9, 60)[2] == 8


async def test_a_connection_closed_by_the_server_is_replaced_without_a_lost_check(
    server: Server, open_limiter: Open
) -> None:
    limiter = open_limiter(server.url, fallback="deny")
    await limiter.check("k", "9/minute")
    for left in range(7, 3, -1):
        server.db().client_kill_filter(_type="normal", skipme=True)
        for _ in range(3):
            await asyncio.sleep(0)
        assert (await limiter.check("k", "9/minute")).remaining == left
    assert limiter.health().opened == 0
