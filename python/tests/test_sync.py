"""The synchronous limiter in threads and forked processes."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from typing import TYPE_CHECKING

import pytest

from ratelog import ServerUnavailable, SyncRateLimiter
from support.broken_servers import SilentServer
from support.driver import FAST
from support.server import free_port
from support.wait import until_sync

if TYPE_CHECKING:
    from ratelog import Event
    from support.server import Server
    from support.types import Start


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_process_opens_its_own_connections(server: Server) -> None:
    with SyncRateLimiter(server.url, **FAST) as limiter:
        assert limiter.check("k", "1000/hour").remaining == 999
        children = []
        for _ in range(3):
            with warnings.catch_warnings():
                # The test runner has threads.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                # The child process must not continue with the test.
                try:
                    sources = {limiter.check("k", "1000/hour").source for _ in range(50)}
                    os._exit(0 if sources == {"module"} else 1)
                finally:
                    os._exit(2)
            children.append(child)
        assert {limiter.check("k", "1000/hour").source for _ in range(50)} == {"module"}
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
        assert limiter.peek("k", "1000/hour").remaining == 1000 - 201


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_process_forked_during_an_outage_finds_the_server(start: Start) -> None:
    server = start()
    with SyncRateLimiter(server.url, **FAST) as limiter:
        limiter.check("k", "9/hour")
        server.kill()
        assert limiter.check("k", "9/hour").source == "local"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                limiter.check("k", "9/hour")
                until_sync("the server is found", lambda: limiter.health().state == "closed")
                os._exit(0 if limiter.check("k", "9/hour").source == "module" else 1)
            finally:
                os._exit(2)
        server.restart()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_client_that_was_passed_stays_open(server: Server) -> None:
    client = server.db()
    with SyncRateLimiter(client=client, **FAST) as limiter:
        assert limiter.check("k", "9/minute").source == "module"
    assert client.ping()


def test_a_hook_can_use_its_limiter() -> None:
    answers = []

    def hook(event: Event) -> None:
        if isinstance(event, ServerUnavailable):
            answers.append(limiter.check("k", "9/minute").source)

    limiter = SyncRateLimiter(f"redis://127.0.0.1:{free_port()}", hooks=[hook], **FAST)
    with limiter:
        assert limiter.check("k", "9/minute").source == "local"
    assert answers == ["local"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_process_forked_while_the_limiter_starts_can_use_it() -> None:
    with SilentServer() as silent, SyncRateLimiter(silent.url, **{**FAST, "timeout": 1.0}) as limiter:
        starting = threading.Thread(target=limiter.check, args=("k", "9/minute"))
        starting.start()
        until_sync("the limiter is starting", lambda: limiter._starting is not None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                # Kills a child process that hangs.
                signal.alarm(120)
                os._exit(0 if limiter.check("k", "9/minute").source == "local" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        starting.join()
