"""Fixtures alone; see `support` for what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.driver import Driver, Flavour
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.types import Open, Start


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[bool, Server]]:
    servers: dict[bool, Server] = {}
    yield servers
    for server in servers.values():
        server.close()


def _emptied(servers: dict[bool, Server], *, module: bool) -> Server:
    if module not in servers:
        servers[module] = Server(module=module)
    db = servers[module].db()
    db.flushall()
    db.config_resetstat()
    if module:
        db.execute_command("RL.POLICY", "IMPORT", '{"policies":[]}')
    return servers[module]


@pytest.fixture
def server(_servers: dict[bool, Server]) -> Server:
    """A server with the module, empty; tests that end or reconfigure one start their own."""
    return _emptied(_servers, module=True)


@pytest.fixture
def plain_server(_servers: dict[bool, Server]) -> Server:
    """A server without the module, empty."""
    server = _emptied(_servers, module=False)
    server.db().script_flush()
    return server


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*lines: str, module: bool = True, sentinel: bool = False) -> Server:
        servers.append(Server(*lines, module=module, sentinel=sentinel))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(params=["async", "sync"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    chosen: Flavour = request.param
    return chosen


@pytest.fixture
async def open_limiter(flavour: Flavour) -> AsyncIterator[Open]:
    """Limiters of both kinds in turn."""
    drivers: list[Driver] = []

    def begin(url: str | None = None, **options: Any) -> Driver:
        drivers.append(Driver(flavour, url, **options))
        return drivers[-1]

    yield begin
    for driver in drivers:
        await driver.close()
