"""The synchronous limiter in threads, and over a fork."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ratelog import SyncRateLimiter

if TYPE_CHECKING:
    from support.server import Server


def test_threads_get_as_much_as_there_is_together(server: Server) -> None:
    with SyncRateLimiter(server.url, timeout=2) as limiter, ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda _: limiter.check("k", "50/hour"), range(200)))
    assert sum(map(bool, decisions)) == 50
    assert {decision.source for decision in decisions} == {"module"}


def test_a_child_makes_connections_of_its_own(server: Server) -> None:
    with SyncRateLimiter(server.url, timeout=2) as limiter:
        assert limiter.check("k", "10/hour").remaining == 9
        child = os.fork()
        if child == 0:
            # Nothing of the test's is run in the child, whatever happens.
            try:
                decision = limiter.check("k", "10/hour")
                os._exit(0 if (decision.source, decision.remaining) == ("module", 8) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert limiter.check("k", "10/hour").remaining == 7
