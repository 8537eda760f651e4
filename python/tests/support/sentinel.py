"""Sentinels that monitor a primary and promote its replica after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wait import TIME_FACTOR, until_sync

if TYPE_CHECKING:
    from .server import Server
    from .types import Start

NAME = "ratelog"
FAST = ("INFO-PERIOD", 200, "ASK-PERIOD", 200, "PUBLISH-PERIOD", 200, "TILT-TRIGGER", 60000)


class Sentinels:
    """Three Sentinels that know each other, the primary and its replica once they are created."""

    def __init__(self, start: Start, primary: Server) -> None:
        self._sentinels = []
        # With different timeouts, they do not all vote for themselves at once.
        for down_after in (1000, 1500, 2000):
            sentinel = start(
                f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2",
                f"sentinel down-after-milliseconds {NAME} {int(down_after * TIME_FACTOR)}",
                f"sentinel failover-timeout {NAME} 5000",
                sentinel=True,
            )
            sentinel.db().execute_command("SENTINEL", "DEBUG", *FAST)
            self._sentinels.append(sentinel)
        until_sync("the Sentinels know each other", lambda: all(map(self._knows, self._sentinels)))

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self._sentinels)
        return f"redis+sentinel://{hosts}/{NAME}"

    @staticmethod
    def _knows(sentinel: Server) -> bool:
        info = sentinel.db().info("sentinel")["master0"]
        return bool(info["status"] == "ok" and int(info["slaves"]) == 1 and int(info["sentinels"]) == 3)
