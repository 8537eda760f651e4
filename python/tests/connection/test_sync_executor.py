"""The connections of the synchronous limiter, shared by threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from ratelog import SyncRateLimiter
from ratelog.connection.sync_executor import SyncExecutor
from ratelog.engine.classify import LimiterClosedError
from support.driver import FAST
from support.wait import TIMEOUT, until_sync

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Start


def test_a_limit_is_exact_across_threads(server: Server) -> None:
    with SyncRateLimiter(server.url, max_connections=2, **FAST) as limiter, ThreadPoolExecutor(32) as threads:
        decisions = list(threads.map(lambda _: limiter.check("k", "100/hour"), range(400)))
        assert sum(decision.allowed for decision in decisions) == 100
        assert {decision.source for decision in decisions} == {"module"}
        assert limiter.health().opened == 0
        # The number of connections is within the maximum.
        names = [client["name"] for client in server.db().client_list()]
        assert 1 <= names.count("ratelog") <= 2


def test_threads_that_begin_together_create_one_client() -> None:
    created: list[None] = []
    beginning, meeting = Barrier(8), Barrier(2)

    def create() -> Redis:
        created.append(None)
        # Two threads that are here at the same time meet.
        with suppress(BrokenBarrierError):
            meeting.wait(0.2)
        return Redis(port=1)

    executor = SyncExecutor(create, owns_client=True, timeout=TIMEOUT, max_connections=8)

    def execute(_: int) -> None:
        beginning.wait()
        with pytest.raises(RedisConnectionError):
            executor.execute([("PING",)])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(execute, range(8)))
    executor.close()
    assert len(created) == 1


def test_threads_that_wait_for_a_connection_are_rejected_when_it_closes(start: Start) -> None:
    server = start()
    executor = SyncExecutor(server.db, owns_client=True, timeout=TIMEOUT, max_connections=1)
    executor.execute([("PING",)])
    started = monotonic()
    with ThreadPoolExecutor(4) as threads:
        blocking = threads.submit(executor.execute, [("BLPOP", "list", str(TIMEOUT))])
        until_sync("the command is sent", lambda: server.db().info("clients")["blocked_clients"] == 1)
        waiting = [threads.submit(executor.execute, [("PING",)]) for _ in range(2)]
        closing = threads.submit(executor.close)
        until_sync("it closes", lambda: executor._is_closed)
        server.db().rpush("list", "done")
        assert blocking.result()
        for one in waiting:
            with pytest.raises(LimiterClosedError):
                one.result()
        closing.result()
    with pytest.raises(LimiterClosedError):
        executor.execute([("PING",)])
    assert monotonic() - started < TIMEOUT


def test_a_thread_waits_for_a_connection_at_most_for_the_timeout(start: Start) -> None:
    server = start()
    options = {**FAST, "timeout": 0.2, "max_connections": 1, "failure_threshold": 1000}
    with SyncRateLimiter(server.url, **options) as limiter, ThreadPoolExecutor(4) as threads:
        limiter.check("k", "9/minute")
        server.pause()
        decisions = list(threads.map(lambda _: limiter.check("k", "9/minute"), range(4)))
        assert {decision.source for decision in decisions} == {"local"}
        server.resume()
