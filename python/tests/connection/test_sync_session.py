"""The probes of the synchronous limiter."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ratelog import SyncRateLimiter
from support.driver import FAST
from support.wait import until_sync

if TYPE_CHECKING:
    from support.types import Start


def test_only_one_thread_probes_the_server(start: Start) -> None:
    server = start()
    with SyncRateLimiter(server.url, **FAST) as limiter, ThreadPoolExecutor(16) as threads:
        limiter.check("k", "9/minute")
        server.kill()
        list(threads.map(lambda _: limiter.check("k", "9/minute"), range(64)))
        probing = [thread for thread in threading.enumerate() if thread.name == "ratelog-probes"]
        assert len(probing) == 1
        server.restart()
        until_sync("the server has recovered", lambda: limiter.health().state == "closed")
        probing[0].join()
        assert limiter.health().opened == 1
