"""Sentinels that monitor a primary and promote its replica after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wait import TIME_FACTOR, until_sync

if TYPE_CHECKING:
    from .server import Server
    from .types import Start

NAME = "ratelog"
FAST = ("INFO-PERIOD", 200, "ASK-PERIOD", 200, "PUBLISH-PERIOD", 200, "TILT-TRIGGER", 60000)
NEVER = 600_000
"""Milliseconds of silence after which a server counts as down, while no test waits for a failover: ten minutes."""
SOON = (1000, 1500, 2000)
"""The same while a test waits. With different times, the Sentinels do not all vote for themselves at once."""


class Sentinels:
    """Three Sentinels that know each other, the primary and its replica once they are created."""

    def __init__(self, start: Start, primary: Server) -> None:
        self._sentinels = []
        self._primary = primary
        for _ in SOON:
            sentinel = start(
                f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2",
                f"sentinel down-after-milliseconds {NAME} {NEVER}",
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

    def replace_primary(self) -> None:
        """Lets the Sentinels replace the primary, which is down. Blocks until each of them names another one."""
        waiting = list(self._sentinels)
        for sentinel, down_after in zip(waiting, SOON, strict=True):
            _set_down_after(sentinel, int(down_after * TIME_FACTOR))

        def is_replaced() -> bool:
            for sentinel in waiting.copy():
                if _port_of_primary(sentinel) != self._primary.port:
                    _set_down_after(sentinel, NEVER)
                    waiting.remove(sentinel)
            return not waiting

        until_sync("each Sentinel names the new primary", is_replaced)

    @staticmethod
    def _knows(sentinel: Server) -> bool:
        info = sentinel.db().info("sentinel")["master0"]
        return bool(info["status"] == "ok" and int(info["slaves"]) == 1 and int(info["sentinels"]) == 3)


def _set_down_after(sentinel: Server, milliseconds: int) -> None:
    sentinel.db().execute_command("SENTINEL", "SET", NAME, "down-after-milliseconds", milliseconds)


def _port_of_primary(sentinel: Server) -> int:
    _, port = sentinel.db().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
    return int(port)
