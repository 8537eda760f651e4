"""Waits for the shards of a limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wait import TIME_FACTOR, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog import Health, ShardHealth

    from .driver import Driver
    from .server import Server

TIMEOUT = 1.0 * TIME_FACTOR
"""Long enough for healthy shards on a busy machine. Few checks wait for a lost one."""


def url(*nodes: Server) -> str:
    """The URL of a cluster that names these nodes only."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def shard(health: Health, port: int) -> ShardHealth:
    """The state of the shard at a port."""
    return next(shard for shard in health.shards if shard.address == f"127.0.0.1:{port}")


async def until_whole(limiter: Driver, keys: Sequence[str]) -> None:
    """Waits until each shard answers checks. `keys` has a key of each."""
    for key in keys:
        await until_decided_by(limiter, key, "module")


async def until_decided_by(limiter: Driver, key: str, source: str) -> None:
    """Waits until `source` decides the checks of a key."""

    async def is_decided() -> bool:
        return await limiter.source(key) == source

    await until(f"{source} decides", is_decided)
