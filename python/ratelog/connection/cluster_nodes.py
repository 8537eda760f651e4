"""The nodes of a cluster, and redis-py's client for each of them.

redis-py's client of a cluster looks for the nodes while commands wait, and sends a pipeline again if one node fails. So
a limiter has a client for each node.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .client import options_of
from .target import common_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..settings import Settings
    from .target import ClientModule, Target

    Remap = Callable[[tuple[str, int]], tuple[str, int]]

_COPIED = frozenset({"username", "password", "credential_provider", "socket_keepalive", "ssl"})
"""The options of an application's client that are those of its nodes, with those that begin with `ssl_`."""


class ClusterNodes:
    """The nodes that a URL or an application's client names, and their options."""

    def __init__(self, seeds: Sequence[str], options: Mapping[str, Any], remap: Remap | None = None) -> None:
        """`seeds` are addresses, `host:port`. `remap` is the argument `address_remap` of redis-py's clients."""
        self.seeds = tuple(seeds)
        self._options = options
        self._remap = remap

    @classmethod
    def of_target(cls, target: Target) -> ClusterNodes:
        """The nodes of a URL."""
        return cls([f"{host}:{port}" for host, port in target.hosts], target.options)

    @classmethod
    def of_client(cls, client: Any) -> ClusterNodes:
        """The nodes of an application's client. Its connections are not used."""
        manager = client.nodes_manager
        found = options_of(client)
        options = {
            name: value
            for name, value in found.items()
            if value is not None and (name in _COPIED or name.startswith("ssl_"))
        }
        if "SSL" in getattr(found.get("connection_class"), "__name__", ""):
            options["ssl"] = True
        seeds = [f"{node.host}:{node.port}" for node in manager.startup_nodes.values()]
        return cls(seeds, options, getattr(manager, "address_remap", None))

    def client(self, module: ClientModule, address: str, settings: Settings) -> Any:
        """Creates a client of one node."""
        host, _, port = address.rpartition(":")
        node = (host, int(port))
        if self._remap is not None:
            node = self._remap(node)
        options = {**common_options(module, settings), **self._options, "host": node[0], "port": node[1]}
        return importlib.import_module(module).Redis(**options)
