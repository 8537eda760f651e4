"""Servers for the tests of `contrib/`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_configure() -> None:
    """Stops the servers also if the tests are terminated."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers, which stop with the test."""
    servers: list[Server] = []

    def start(*lines: str, module: bool = True) -> Server:
        server = Server(*lines, module=module)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
