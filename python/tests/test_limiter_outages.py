"""A limiter whose server becomes unavailable in different ways, and recovers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import Limits, UnavailableError
from support.broken_servers import SilentServer
from support.load import Load
from support.server import free_port
from support.wait import TIME_FACTOR, until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start


def logged_events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.ratelog["event"] for record in caplog.records if hasattr(record, "ratelog")]


async def test_checks_continue_while_a_server_under_load_restarts(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    server = start()
    limiter = open_limiter(server.url)
    async with Load(limiter, 8) as load:
        await load.until_decided_by("module")
        for _ in range(3):
            server.kill()
            await load.until_each_caller_is_decided_by("local")
            assert limiter.health().state != "closed"
            server.restart()
            await load.until_decided_by("module")
    health = limiter.health()
    assert (health.state, health.opened) == ("closed", 3)
    assert set(load.decisions) == {"module", "local"}
    await until("the last recovery is logged", lambda: logged_events(caplog)[-1] == "server_recovered")
    assert logged_events(caplog) == ["server_unavailable", "server_recovered"] * 3


async def test_a_paused_server_delays_no_check_beyond_the_timeout(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url, timeout=0.5 * TIME_FACTOR, connect_timeout=1.0 * TIME_FACTOR)
    async with Load(limiter, 4) as load:
        await load.until_decided_by("module")
        server.pause()
        await until("the breaker is open", lambda: limiter.health().state != "closed")
        # No check waits for the server: it stays paused until each caller has gone on.
        await load.until_each_caller_is_decided_by("local")
        server.resume()
        await load.until_decided_by("module")


async def test_limits_apply_while_the_server_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url)
    assert (await limiter.check("k", "3/hour")).remaining == 2
    server.kill()
    decisions = [await limiter.check("k", "3/hour") for _ in range(5)]
    assert [d.allowed for d in decisions] == [True, True, True, False, False]
    assert {d.source for d in decisions} == {"local"}
    assert await limiter.refund("k") == 1
    assert (await limiter.peek("k", "3/hour")).remaining == 1
    assert await limiter.reset("k") == 2
    assert [d.source for d in await limiter.mcheck([("k", "3/hour"), ("l", "3/hour; 9/day")])] == ["local"] * 2


async def test_instances_share_a_limit_while_the_server_is_unavailable(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}", instances=4)
    decisions = [await limiter.check("k", "10/hour") for _ in range(4)]
    assert [(d.allowed, d.limit) for d in decisions] == [(True, 2), (True, 2), (False, 2), (False, 2)]


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_fallback_decides_without_a_server(open_limiter: Open, allowed: bool) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    limiter = open_limiter(url, fallback="allow" if allowed else "deny", probe_max_interval=0.5)
    for _ in range(3):
        decision = await limiter.check("k", "1/hour")
        assert (decision.allowed, decision.source, decision.limit) == (allowed, "fallback", 1)
        assert decision.retry_after_ms == (0 if allowed else 500)
    assert (await limiter.check("k", Limits.of_policy("gold"))).allowed is allowed
    for change in (limiter.refund, limiter.reset):
        with pytest.raises(UnavailableError, match="the server is unavailable: "):
            await change("k")
    assert limiter.health().serving is allowed


async def test_an_unknown_policy_is_served_and_logged_once_while_the_server_is_unavailable(
    open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}")
    for _ in range(3):
        decision = await limiter.check("k", Limits.of_policy("gold"))
        assert (decision.allowed, decision.source) == (True, "fallback")
    assert logged_events(caplog).count("unknown_policy") == 1


async def test_an_unknown_policy_does_not_lift_the_limits_of_other_keys(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}")
    gold, silver = Limits.of_policy("gold"), Limits.of_policy("silver")
    for b_allowed in (True, False):
        decisions = await limiter.mcheck([("a", gold), ("b", "1/hour"), ("c", silver)])
        assert [(d.allowed, d.source) for d in decisions] == [
            (True, "fallback"),
            (b_allowed, "local"),
            (True, "fallback"),
        ]


async def test_a_listener_that_never_replies_delays_no_check(open_limiter: Open) -> None:
    with SilentServer() as silent:
        limiter = open_limiter(silent.url, timeout=0.05, connect_timeout=0.05)
        assert await limiter.source() == "local"
        assert limiter.health().state != "closed"


async def test_a_server_that_starts_later_is_found(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    server = start()
    server.kill()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    server.restart()
    await limiter.until_closed()
    assert await limiter.source() == "module"
    await until("the recovery is logged", lambda: logged_events(caplog)[-1] == "server_recovered")
    assert logged_events(caplog) == ["server_unavailable", "server_recovered"]


async def test_close_stops_probes(start: Start, open_limiter: Open) -> None:
    server = start()
    server.kill()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    await limiter.close()
    server.restart()
    db: Any = server.db()
    connections = int(db.info("stats")["total_connections_received"])
    began = int(db.time()[0])
    # More than the maximum interval between probes, by the server's clock.
    await until("a probe would have been sent", lambda: int(db.time()[0]) - began >= 2)
    assert int(db.info("stats")["total_connections_received"]) == connections


async def test_close_under_load_reports_no_outage(
    server: Server, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    async with Load(limiter, 8) as load:
        for _ in range(20):
            await load.until_decided_by("module")
            await limiter.close()
        await load.until_decided_by("module")
    await limiter.close()
    # On a busy machine, a check may miss its timeout.
    assert [event for event in logged_events(caplog) if event != "unanswered"] == []
    assert limiter.health().opened == 0
    # This includes the limiter's own connections.
    db = server.db()
    names = ("ratelog", "ratelog-invalidation")
    await until("all connections are closed", lambda: not [c for c in db.client_list() if c["name"] in names])


async def test_an_override_raises_while_the_server_is_unavailable(start: Start, open_limiter: Open) -> None:
    server: Server = start()
    limiter = open_limiter(server.url)
    await limiter.start()
    server.kill()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the server is unavailable"):
            await limiter.set_override("k", "allow")
