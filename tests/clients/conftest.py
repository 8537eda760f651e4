"""A server and a cluster of three primaries with the users of `redis.conf.example`. All tests share them."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster import Cluster
from support.roles import USERS, password_of
from support.server import Server

from .drivers import DRIVERS, Driver, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POLICIES = '{"policies":[{"name":"gold","rules":[{"limit":4,"window":"1h"}]}]}'


def pytest_configure() -> None:
    """Stops the servers also if the tests are terminated."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class Nodes:
    """The server or the primaries, and an administrator's view of them."""

    def __init__(self, servers: Sequence[Server], *, cluster: bool) -> None:
        self.servers = servers
        self.cluster = cluster
        self._dbs = [server.db(decode_responses=True) for server in servers]

    def target(self, user: str | None = None) -> Target:
        """The nodes for a client that logs in as one of the users, or as the default user."""
        ports = [server.port for server in self.servers]
        if user is None:
            return Target(ports, self.cluster)
        return Target(ports, self.cluster, user, password_of(user))

    def each(self, *command: str) -> list[Any]:
        """The reply of each node."""
        return [db.execute_command(*command) for db in self._dbs]

    def reset(self) -> None:
        """Leaves only the policy `gold`."""
        for command in ["FLUSHALL", "RL.STATS RESET", "ACL LOG RESET"]:
            self.each(*command.split())
        self.each("RL.POLICY", "IMPORT", POLICIES)
        self.each("CONFIG", "RESETSTAT")

    def rejections(self) -> list[tuple[str, str]]:
        """The users and commands that the nodes rejected for lack of a right."""
        entries = [entry for db in self._dbs for entry in db.acl_log()]
        return [(entry["username"], entry["object"]) for entry in entries]

    def redirections(self) -> int:
        """The number of commands that were sent to the wrong node."""
        errors = [db.info("errorstats") for db in self._dbs]
        return sum(error["errorstat_MOVED"]["count"] for error in errors if "errorstat_MOVED" in error)


@pytest.fixture(scope="session")
def _all_nodes() -> Iterator[dict[str, Nodes]]:
    with contextlib.ExitStack() as stack:

        def start(*lines: str, module: bool = True, sentinel: bool = False) -> Server:
            server = Server(*lines, *USERS.values(), module=module, sentinel=sentinel)
            stack.callback(server.close)
            return server

        yield {"single": Nodes([start()], cluster=False), "cluster": Nodes(Cluster(start).nodes, cluster=True)}


@pytest.fixture
def cluster(_all_nodes: dict[str, Nodes]) -> Nodes:
    """Three primaries."""
    _all_nodes["cluster"].reset()
    return _all_nodes["cluster"]


@pytest.fixture(params=["single", "cluster"])
def nodes(request: pytest.FixtureRequest, _all_nodes: dict[str, Nodes]) -> Nodes:
    """One server, and then three primaries."""
    nodes = _all_nodes[request.param]
    nodes.reset()
    return nodes


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each client."""
    chosen: Driver = request.param
    return chosen
