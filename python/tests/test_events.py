"""Events of a limiter."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ratelog import CheckCompleted, Event, ServerRecovered, ServerUnavailable, SettingsReloaded
from support.wait import until

if TYPE_CHECKING:
    import pytest

    from support.server import Server
    from support.types import Open, Start


async def test_a_hook_receives_each_check_once(server: Server, open_limiter: Open) -> None:
    events: list[Event] = []
    limiter = open_limiter(server.url, hooks=[events.append])
    await limiter.check("k", "1/minute")
    await limiter.check("k", "1/minute")
    await limiter.mcheck([("k", "1/minute"), ("l", "1/minute")])
    await limiter.peek("k", "1/minute")
    assert [type(event) for event in events] == [CheckCompleted] * 3
    first, second, both = [event for event in events if isinstance(event, CheckCompleted)]
    assert (first.allowed, second.allowed, both.allowed) == (True, False, False)
    assert [check.key for check in both.checks] == [b"k", b"l"]
    assert [bool(decision) for decision in both.decisions] == [False, True]
    assert 0 < first.seconds < 60


async def test_an_outage_and_a_recovery_are_logged_and_published_once(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    server = start()
    events: list[Event] = []
    limiter = open_limiter(server.url, hooks=[events.append], fallback="allow")
    await limiter.check("k", "1/minute")
    server.kill()
    for _ in range(5):
        await limiter.check("k", "1/minute")
    server.restart()
    await until("the recovery is published", lambda: any(isinstance(event, ServerRecovered) for event in events))
    went, came = [event for event in events if not isinstance(event, CheckCompleted)]
    assert isinstance(went, ServerUnavailable)
    assert (went.fallback, bool(went.error)) == ("allow", True)
    assert isinstance(came, ServerRecovered)
    assert (came.backend, came.downtime >= 0) == ("module", True)
    address = f"127.0.0.1:{server.port}"
    assert (went.server, came.server) == (address, address)
    lines = [record for record in caplog.records if record.name == "ratelog"]
    assert [record.levelname for record in lines] == ["WARNING", "WARNING"]
    assert lines[0].getMessage() == f"server_unavailable error={went.error!r} fallback='allow' server='{address}'"
    assert lines[1].getMessage() == f"server_recovered downtime={came.downtime!r} backend='module' server='{address}'"
    assert lines[0].__dict__["ratelog"] == {
        "event": "server_unavailable",
        "error": went.error,
        "fallback": "allow",
        "server": address,
    }


async def test_a_hook_that_raises_affects_neither_checks_nor_other_hooks(
    open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []

    def broken(_: Event) -> None:
        raise RuntimeError("no room")

    limiter = open_limiter("memory://", hooks=[broken, events.append])
    assert await limiter.check("k", "1/minute")
    assert len(events) == 1
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "a hook of the limiter failed")
    ]


async def test_a_reload_is_published(open_limiter: Open) -> None:
    events: list[Event] = []
    limiter = open_limiter("memory://", hooks=[events.append])
    limiter.limiter.reload()
    assert events == [SettingsReloaded("environment")]
