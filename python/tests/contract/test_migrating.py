"""The applications of docs/migrating.md: the one before and the one after respond with the same statuses."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.sync.client import connect

from support.app_process import AppProcess
from support.documents import Block, blocks, with_server
from support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.server import Server

PEERS_PYTHON = os.environ.get("RATELOG_PEERS_PYTHON", "")
FASTAPI_LIMITER_02 = Path(PEERS_PYTHON).parents[1] / "fastapi-limiter-0.2" if PEERS_PYTHON else Path()

pytestmark = pytest.mark.skipif(
    not PEERS_PYTHON, reason="RATELOG_PEERS_PYTHON names no interpreter; scripts/test-python installs one"
)

NO_PROXY = {"FORWARDED_ALLOW_IPS": "192.0.2.254"}
"""By default uvicorn itself reads `X-Forwarded-For` of requests from 127.0.0.1."""

Request = tuple[str, dict[str, str]]
"""A path and headers."""


def pairs() -> list[tuple[Block, Block]]:
    """The applications before and after, in the order of the document."""
    apps = [block for block in blocks(ROOT / "docs/migrating.md") if block.text.startswith(("# before.py", "# app.py"))]
    assert [block.is_app for block in apps] == [False, True] * (len(apps) // 2)
    return list(zip(apps[::2], apps[1::2], strict=True))


SLOWAPI, FASTAPI_LIMITER, FASTAPI_LIMITER_0_2 = range(3)


def source_of(block: Block, server: Server, changes: Mapping[str, str]) -> str:
    source = with_server(block, server.port)
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    return source


@contextmanager
def before(
    pair: int, server: Server, folder: Path, changes: Mapping[str, str] = MappingProxyType({})
) -> Iterator[AppProcess]:
    server.db().flushall()
    environment = {**NO_PROXY, "PYTHONPATH": str(FASTAPI_LIMITER_02) if pair == FASTAPI_LIMITER_0_2 else ""}
    source = source_of(pairs()[pair][0], server, changes)
    with AppProcess(source, folder / "before", PEERS_PYTHON, environment=environment) as app:
        yield app


@contextmanager
def after(
    pair: int, server: Server, folder: Path, changes: Mapping[str, str] = MappingProxyType({})
) -> Iterator[AppProcess]:
    server.db().flushall()
    # A busy machine must not be mistaken for an unavailable server.
    environment = {**NO_PROXY, "RATELOG_TIMEOUT": "30"}
    source = source_of(pairs()[pair][1], server, changes)
    with AppProcess(source, folder / "after", sys.executable, environment=environment) as app:
        yield app


def statuses(app: AppProcess, requests: list[Request]) -> list[int]:
    with httpx.Client(base_url=app.url) as client:
        return [client.get(path, headers=headers).status_code for path, headers in requests]


def repeat(count: int, path: str, **headers: str) -> list[Request]:
    return [(path, {name.replace("_", "-"): value for name, value in headers.items()})] * count


SLOWAPI_REQUESTS = [
    *repeat(4, "/items"),
    *repeat(4, "/orders"),
    *repeat(4, "/users/1"),
    *repeat(4, "/users/2"),
    *repeat(5, "/search"),
    *repeat(5, "/search", x_api_key="k1"),
    *repeat(6, "/search", x_internal="yes"),
    *repeat(3, "/export"),
    *repeat(4, "/reports/daily"),
    *repeat(2, "/reports/weekly"),
    *repeat(6, "/status"),
    *repeat(5, "/nothing"),
]
SLOWAPI_STATUSES = [
    *([200] * 3 + [429]) * 4,
    *([200] * 4 + [429]) * 2,
    *[200] * 6,
    *[200, 200, 429],
    *[200] * 5 + [429],
    *[200] * 6,
    *[404] * 5,
]


def test_slowapi_before_and_after(server: Server, tmp_path: Path) -> None:
    with before(SLOWAPI, server, tmp_path) as app:
        assert statuses(app, SLOWAPI_REQUESTS) == SLOWAPI_STATUSES
    with after(SLOWAPI, server, tmp_path) as app:
        assert statuses(app, SLOWAPI_REQUESTS) == SLOWAPI_STATUSES


@pytest.mark.parametrize(
    ("changes", "requests", "expected"),
    [
        pytest.param(
            {"default_per_endpoint=": "default="},
            [*repeat(3, "/items"), *repeat(1, "/orders")],
            [200, 200, 200, 429],
            id="a shared default",
        ),
        pytest.param(
            {', scope="reports", override_defaults=True': ', scope="reports"'},
            repeat(5, "/reports/daily"),
            [200, 200, 200, 429, 429],
            id="the default in addition",
        ),
        pytest.param(
            {"key=address_and_path, ": ""},
            [*repeat(3, "/users/1"), *repeat(1, "/users/2")],
            [200, 200, 200, 429],
            id="routes instead of paths",
        ),
    ],
)
def test_a_literal_translation_denies_requests_that_slowapi_allows(
    changes: dict[str, str], requests: list[Request], expected: list[int], server: Server, tmp_path: Path
) -> None:
    with before(SLOWAPI, server, tmp_path) as app:
        assert statuses(app, requests) == [200] * len(requests)
    with after(SLOWAPI, server, tmp_path) as app:
        assert statuses(app, requests) == [200] * len(requests)
    with after(SLOWAPI, server, tmp_path, changes) as app:
        assert statuses(app, requests) == expected


def test_a_limit_above_its_route_has_no_effect_in_slowapi_and_is_refused_here(server: Server, tmp_path: Path) -> None:
    route, limit = '@app.get("/export")\n', '@limiter.limit("10/hour", cost=4'
    changes = {
        f"{route}{limit})\n": f"{limit})\n{route}",
    }
    with before(SLOWAPI, server, tmp_path, changes) as app:
        assert statuses(app, repeat(5, "/export")) == [200] * 5
    changes = {
        f"{route}{limit}, override_defaults=True)\n": f"{limit}, override_defaults=True)\n{route}",
    }
    with pytest.raises(AssertionError, match="the application exited"), after(SLOWAPI, server, tmp_path, changes):
        pass


def test_fastapi_limiter_before_and_after(server: Server, tmp_path: Path) -> None:
    requests = [*repeat(3, "/search"), *repeat(3, "/export"), *repeat(3, "/export", x_api_key="k1")]
    for version in (before, after):
        with version(FASTAPI_LIMITER, server, tmp_path) as app:
            assert statuses(app, requests) == [200, 200, 429] * 3
            denied = httpx.get(f"{app.url}/export")
            assert 3_500_000 < denied.json()["detail"]["wait_ms"] <= 3_600_000
            with connect(f"ws://127.0.0.1:{app.port}/ticks") as socket:
                replies = []
                for number in range(4):
                    socket.send(str(number))
                    replies.append(socket.recv())
            assert replies == ["0", "1", "too many messages", "too many messages"]


def test_a_client_of_fastapi_limiter_chooses_its_key(server: Server, tmp_path: Path) -> None:
    requests = [*repeat(3, "/search"), *repeat(1, "/search", x_forwarded_for="192.0.2.1")]
    with before(FASTAPI_LIMITER, server, tmp_path) as app:
        assert statuses(app, requests) == [200, 200, 429, 200]
    with after(FASTAPI_LIMITER, server, tmp_path) as app:
        assert statuses(app, requests) == [200, 200, 429, 429]


def test_old_counters_are_not_read(server: Server, tmp_path: Path) -> None:
    with before(FASTAPI_LIMITER, server, tmp_path) as app:
        assert statuses(app, repeat(3, "/search")) == [200, 200, 429]
        old = dict.fromkeys(server.db().scan_iter())
    values = {key: server.db().get(key) for key in old}
    assert values
    with after(FASTAPI_LIMITER, server, tmp_path) as app:
        for key, value in values.items():
            server.db().set(key, value)
        assert statuses(app, repeat(3, "/search")) == [200, 200, 429]
        assert {key: server.db().get(key) for key in old} == values


def test_fastapi_limiter_0_2_before_and_after(server: Server, tmp_path: Path) -> None:
    for version in (before, after):
        with version(FASTAPI_LIMITER_0_2, server, tmp_path) as app:
            assert statuses(app, repeat(6, "/search")) == [200] * 5 + [429]
