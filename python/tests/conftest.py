"""Fixtures. The package `support` has the code that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from support.driver import Driver, Flavour
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.types import Open, Start

# On a busy machine an example may take longer than the default deadline.
hypothesis.settings.register_profile("ratelog", deadline=None)
hypothesis.settings.load_profile("ratelog")


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[bool, Server]]:
    servers: dict[bool, Server] = {}
    yield servers
    for server in servers.values():
        server.close()


def _empty(servers: dict[bool, Server], *, module: bool) -> Server:
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
    """An empty server with the module. Tests that stop or reconfigure a server start their own."""
    return _empty(_servers, module=True)


@pytest.fixture
def plain_server(_servers: dict[bool, Server]) -> Server:
    """An empty server without the module."""
    server = _empty(_servers, module=False)
    server.db().script_flush()
    return server


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def create(*lines: str, module: bool = True, sentinel: bool = False) -> Server:
        servers.append(Server(*lines, module=module, sentinel=sentinel))
        return servers[-1]

    yield create
    for server in servers:
        server.close()


@pytest.fixture(params=["async", "sync"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    chosen: Flavour = request.param
    return chosen


@pytest.fixture
async def open_limiter(flavour: Flavour) -> AsyncIterator[Open]:
    """Creates limiters. Runs the test once with each kind."""
    drivers: list[Driver] = []

    def create(url: str | None = None, **options: Any) -> Driver:
        drivers.append(Driver(flavour, url, **options))
        return drivers[-1]

    yield create
    for driver in drivers:
        await driver.close()
