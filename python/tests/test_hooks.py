"""What hooks and the log are told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ratelog import CameBack, Checked, RateLimiter, Reloaded, WentAway
from support.patience import until

if TYPE_CHECKING:
    import pytest

    from ratelog import Event
    from support.types import Open, Start


async def test_hooks_hear_of_each_check() -> None:
    heard: list[Event] = []
    limiter = RateLimiter("memory://", hooks=[heard.append])
    await limiter.check("k", "1/hour")
    await limiter.mcheck([("k", "1/hour"), ("other", "5/hour")])
    first, second = (event for event in heard if isinstance(event, Checked))
    assert (first.allowed, [check.key for check in first.checks]) == (True, [b"k"])
    assert (second.allowed, len(second.decisions)) == (False, 2)
    assert first.seconds >= 0


async def test_a_hook_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise KeyError("a fault of the hook")

    limiter = RateLimiter("memory://", hooks=[fail])
    assert await limiter.check("k", "1/hour")
    assert [record.message for record in caplog.records] == ["a hook of the limiter failed"]


async def test_an_absence_is_told_once_and_so_is_its_end(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    heard: list[Event] = []
    server = start()
    limiter = open_limiter(server.url, hooks=[heard.append])
    assert await limiter.source() == "module"
    server.kill()
    for _ in range(20):
        assert (await limiter.check("k", "1000/hour")).source == "local"
    server.start_again()
    await until("the server is found", lambda: limiter.health().state == "closed")
    told = [event for event in heard if not isinstance(event, Checked)]
    assert [type(event) for event in told] == [WentAway, CameBack]
    events = [record.__dict__["ratelog"]["event"] for record in caplog.records]
    assert events == ["server_away", "server_back"]
    assert "on_failure='local'" in caplog.records[0].message


async def test_a_reload_is_told() -> None:
    heard: list[Event] = []
    RateLimiter("memory://", hooks=[heard.append]).reload()
    assert heard == [Reloaded("environment")]
